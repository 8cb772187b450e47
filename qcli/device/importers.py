"""Amazon Braket's device capabilities, as GetDevice returns them, into device records.

A fidelity of 0.5 and a T1 or T2 of 0 stand for "not calibrated" there and become None here, as does a fidelity
of 1 or a little more, which a fit to benchmarking data can give.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from qcli.device import superconducting, trapped_ions
from qcli.device.reading import complete
from qcli.device.record import Device, Status, device_from
from qcli.errors import QcliError

_PROGRAM_SET = "braket.ir.openqasm.program_set"


class _Schema(NamedTuple):
    vendor: str
    versions: tuple[str, ...]
    read: Callable[[dict[str, Any]], dict[str, Any]]


_SCHEMAS = {
    "braket.device_schema.iqm.iqm_device_capabilities": _Schema("IQM", ("1",), superconducting.iqm),
    "braket.device_schema.rigetti.rigetti_device_capabilities": _Schema(
        "Rigetti", ("1", "2"), superconducting.rigetti
    ),
    "braket.device_schema.ionq.ionq_device_capabilities": _Schema("IonQ", ("1",), trapped_ions.ionq),
    "braket.device_schema.aqt.aqt_device_capabilities": _Schema("AQT", ("1",), trapped_ions.aqt),
}


def from_braket(
    capabilities: dict[str, Any],
    name: str,
    full_name: str | None = None,
    *,
    source: str = "Amazon Braket GetDevice",
    licence: str = "unstated",
    status: Status = "unknown",
    retired_on: str | None = None,
    where: str = "capabilities",
) -> Device:
    """A device from Braket's GetDevice capabilities.

    Args:
        capabilities: the parsed JSON.
        name: short name, `garnet`.
        full_name: as printed, `IQM Garnet`; default is vendor and name.
        source: where the file came from.
        licence: of the file.
        status: as GetDevice says it.
        retired_on: ISO date, if the device is gone.
        where: shown in error messages.

    Raises:
        QcliError: an unknown schema, a file cut short, or figures out of range.
    """
    schema = schema_of(capabilities, where)
    content = complete(lambda: schema.read(capabilities), where)
    common = complete(
        lambda: {
            "name": name,
            "provider": "braket",
            "full_name": full_name or f"{schema.vendor} {name.replace('-', ' ').title()}",
            "vendor": schema.vendor,
            "shots": capabilities["service"]["shotsRange"],
            "calibrated_on": capabilities["service"]["updatedAt"][:10],
            "status": "retired" if retired_on else status,
            "retired_on": retired_on,
            "program_sets": _program_sets(capabilities.get("action") or {}),
            "windows": _windows(capabilities["service"].get("executionWindows")),
            "source": source,
            "licence": licence,
        },
        where,
    )
    return device_from(common | content, where)


def schema_of(capabilities: Any, where: str) -> _Schema:
    header = capabilities.get("braketSchemaHeader") if isinstance(capabilities, dict) else None
    name, version = (header.get("name"), header.get("version")) if isinstance(header, dict) else (None, None)
    known = _SCHEMAS.get(str(name))
    if known is None:
        what = f"unknown capabilities schema: {name or 'missing'}"
        fix = "give the capabilities JSON of GetDevice for an IQM, Rigetti, IonQ or AQT device"
    elif version not in known.versions:
        what = f"unknown capabilities schema: version {version or 'missing'} of {name}"
        fix = f"this qcli reads version {' or '.join(known.versions)}: a newer file needs a newer qcli"
    else:
        return known
    raise QcliError(what, where, fix)


def _program_sets(actions: dict[str, Any]) -> dict[str, int] | None:
    limits = actions.get(_PROGRAM_SET)
    if limits is None:
        return None
    return {"max_executables": limits["maximumExecutables"], "max_total_shots": limits["maximumTotalShots"]}


def _windows(entries: list[dict[str, str]] | None) -> list[list[str]] | None:
    keys = ("executionDay", "windowStartHour", "windowEndHour")
    return [[entry[key] for key in keys] for entry in entries] if entries else None
