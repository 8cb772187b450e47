"""A vendor's calibration file into a record, and a record into the user's folder."""

import datetime
import json
import re
from pathlib import Path
from typing import Any

from qcli.device.catalogue import catalogue, last_known, resolve, user_path
from qcli.device.ibm import from_ibm
from qcli.device.importers import from_braket, schema_of
from qcli.device.reading import short_name
from qcli.device.record import SCHEMA, Device, Status, device_from, dump_device
from qcli.errors import QcliError
from qcli.files import write_atomic

_DATE = re.compile(r"[-_ ]?\d{4}-?\d{2}-?\d{2}.*$")
_STATUSES: dict[str, Status] = {"ONLINE": "online", "OFFLINE": "offline", "RETIRED": "retired"}


def read_vendor_file(path: Path, name: str | None = None, configuration: Path | None = None) -> Device:
    """The device in a vendor's file.

    Args:
        path: Braket's GetDevice response or the capabilities in it, IBM's properties, both of IBM's as
            `{"configuration": …, "properties": …}`, or a record of qcli's own.
        name: short name, `garnet`; needed where the file has none and is not named after a known device.
        configuration: IBM's configuration, if it is not in the file beside (`conf_fez.json` by `props_fez.json`).

    Raises:
        QcliError: not JSON, cut short, of an unknown schema, impossible figures, nothing calibrated, or a date to come.
    """
    content = _json(path)
    if {"gates", "backend_name"} <= content.keys() and "basis_gates" not in content:
        content = {"configuration": _json(_configuration(path, configuration)), "properties": content}
    if "braketSchemaHeader" in content and name is None:
        name = _name_of_file(path)
    return device_of(content, str(path), name, f"imported from {path.name}")


def device_of(content: dict[str, Any], where: str, name: str | None, how: str) -> Device:
    """The device in a vendor's parsed JSON; `how` it came stands in the record's source.

    What the file does not tell, the status and the printed name, is taken over from the record known before.

    Raises:
        QcliError: an unknown schema, a part is missing, impossible figures, nothing calibrated, or a date to come.
    """
    if content.get("schema") == SCHEMA:
        device = device_from({key: value for key, value in content.items() if key != "schema"}, where)
    elif "configuration" in content and "properties" in content:
        device = _ibm(content, where, name, how)
    elif "deviceCapabilities" in content or "braketSchemaHeader" in content:
        device = _braket(content, where, name, how)
    elif "basis_gates" in content:
        raise QcliError(
            "this is IBM's configuration alone, without figures",
            where,
            "give the properties: --config names this file",
        )
    else:
        raise QcliError(
            "unknown schema: neither Amazon Braket's capabilities nor IBM's properties",
            where,
            "give the JSON of GetDevice, or of backend.properties() with --config for backend.configuration()",
        )
    _check_calibration(device, where)
    return device


def _check_calibration(device: Device, where: str) -> None:
    coupled = device.usable_edges or len(device.qubits) == 1
    if lost := "qubits" if not device.usable else "couplers" if not coupled else None:
        raise QcliError(
            f"no calibrated {lost} in this file", where, "download it again after the next calibration"
        )
    # a day ahead may be another time zone's today
    if device.calibrated_on > datetime.date.today() + datetime.timedelta(days=1):
        raise QcliError(
            f"the calibration is of {device.calibrated_on}, a day to come",
            where,
            "correct the date in the file, or this computer's clock",
        )


def check_kind(device: Device) -> None:
    """That a file named after a known device may be of that one: vendor, two-qubit gate and size.

    Raises:
        QcliError: it is not; says what differs.
    """
    known = last_known(device.key)
    if known is None:
        return
    facts = {
        "vendor": (known.vendor, device.vendor),
        "two-qubit gate": (known.two_qubit_gate, device.two_qubit_gate),
    }
    old, new = len(known.qubits), len(device.qubits)
    if abs(new - old) > old / 4:
        facts["number of qubits"] = (str(old), str(new))
    differing = [f"{what} {new} instead of {old}" for what, (old, new) in facts.items() if new != old]
    if differing:
        raise QcliError(
            f"this does not look like {device.key}: {', '.join(differing)}",
            device.key,
            "name the device that the file is of with --name, or add --force if it is this one",
        )


def keep(device: Device, force: bool = False) -> Path:
    """Write the record to the user's folder, where it lies over the bundled one, or over one that cannot be read.

    Raises:
        QcliError: its name means another device; or the catalogue has a newer calibration, and `force` is off.
    """
    path, known = user_path(device), last_known(device.key)
    namesake = resolve(device.name, catalogue()) if known is None else None
    if namesake not in (None, device.key):
        raise QcliError(
            f"{device.name} is already the name of {namesake}: {device.emulator} would mean that one",
            device.key,
            f"give it another name, such as --name {device.name}-2",
        )
    if known is not None and known.calibrated_on > device.calibrated_on and not force:
        raise QcliError(
            f"the catalogue has a newer calibration of {device.key}: {known.calibrated_on}, this one is of "
            f"{device.calibrated_on}",
            str(path),
            "add --force to use the older one all the same",
        )
    write_atomic(path, dump_device(device))
    return path


def _braket(content: dict[str, Any], where: str, name: str | None, how: str) -> Device:
    capabilities: Any = content.get("deviceCapabilities", content)
    if isinstance(capabilities, str):
        capabilities = _parsed(capabilities, where)
    arn = str(content.get("deviceArn", ""))
    name = name or short_name(arn.rpartition("/")[2]) or short_name(str(content.get("deviceName", "")))
    schema_of(capabilities, where)
    if not name:
        raise QcliError("capabilities do not name their device", where, "add --name, such as --name garnet")
    known = last_known(f"braket/{name}")
    status = _STATUSES.get(str(content.get("deviceStatus")), known.status if known else "unknown")
    return from_braket(
        capabilities,
        name,
        known.full_name if known else None,
        source=f"Amazon Braket GetDevice, {how}",
        status=status,
        retired_on=_retired_on(known, status),
        where=where,
    )


def _ibm(content: dict[str, Any], where: str, name: str | None, how: str) -> Device:
    configuration, properties = content["configuration"], content["properties"]
    if not isinstance(configuration, dict) or not isinstance(properties, dict):
        raise QcliError("configuration and properties are not JSON objects", where, "give both as IBM does")
    if name:
        configuration, properties = ({**part, "backend_name": name} for part in (configuration, properties))
    device = from_ibm(configuration, properties, source=f"IBM Quantum backend properties, {how}", where=where)
    known = last_known(device.key)
    return (
        device.model_copy(update={"status": known.status, "retired_on": known.retired_on})
        if known
        else device
    )


def _retired_on(known: Device | None, status: str) -> str | None:
    if known is None or known.retired_on is None or status != "retired":
        return None
    return known.retired_on.isoformat()


def _name_of_file(path: Path) -> str | None:
    """`garnet` for garnet_2026-05-05.json, if it is a device on Braket that the catalogue knows."""
    known = resolve(_DATE.sub("", path.stem), (key for key in catalogue() if key.startswith("braket/")))
    return known.partition("/")[2] if known else None


def _configuration(properties: Path, given: Path | None) -> Path:
    if given is not None:
        return given
    for ours, theirs in (("props", "conf"), ("properties", "configuration")):
        sibling = properties.with_name(properties.name.replace(ours, theirs))
        if sibling != properties and sibling.is_file():
            return sibling
    raise QcliError(
        "IBM's properties need the backend's configuration beside them",
        str(properties),
        "add --config CONF.json, or put conf_NAME.json next to props_NAME.json",
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise QcliError(f"{path.name} does not exist", str(path), "name a file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise QcliError(f"cannot read the file: {error}", str(path), "give a JSON file") from None
    return _parsed(text, str(path))


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise QcliError(
            f"not valid JSON, or cut short: {error}", where, "download the file again and completely"
        ) from None
    if not isinstance(content, dict):
        raise QcliError("not a JSON object", where, "give the whole response of the vendor")
    return content
