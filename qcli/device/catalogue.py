"""The devices by name: those that come with the package and those a user imported, read when asked for.

A user's records are `devices/PROVIDER-NAME.json` in the user's folder, such as `devices/braket-garnet.json`; they
lie over the bundled ones. Files of other names there are no records.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from qcli.device.record import Device, load_device
from qcli.errors import QcliError
from qcli.files import nearest, user_folder

_FOLDER = Path(__file__).parent / "catalogue"
_BUNDLED = (
    "braket/garnet",
    "braket/emerald",
    "braket/cepheus-1-108q",
    "braket/forte-enterprise-1",
    "braket/ibex-q1",
    "braket/ankaa-3",
    "ibm/boston",
    "ibm/pittsburgh",
    "ibm/aachen",
    "ibm/kingston",
    "ibm/fez",
    "ibm/marrakesh",
    "ibm/berlin",
    "ibm/miami",
    "ibm/torino",
    "ibm/brisbane",
    "ibm/sherbrooke",
)
_VENDORS = "iqm|rigetti|ionq|aqt"
_ANY = "emulator|device|qpu"
_SITES = "arn|aws|amazon|braket|azure|scaleway|qbraid|openquantum"
_PREFIXES = {
    "braket": rf"{_ANY}|{_SITES}|{_VENDORS}|(?:us|eu)[a-z]+\d",
    "ibm": f"{_ANY}|ibmq?|fake|qiskit|quantum|platform",
}
_OWN = re.compile(rf"({'|'.join(_PREFIXES)})-([a-z0-9][a-z0-9-]*)")


class _Catalogue(Mapping[str, Device]):
    """Devices by `provider/name`; a record is read at its first use."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths

    def __getitem__(self, name: str) -> Device:
        path = self._paths[name]
        changed = 0 if path.parent == _FOLDER else path.stat().st_mtime_ns
        device = _load(path, changed)
        if device.key != name:
            raise QcliError(f"the record is of {device.key}", str(path), "name the file PROVIDER-NAME.json")
        return device

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def catalogue() -> Mapping[str, Device]:
    """Every device by name, `braket/garnet`: the bundled ones in their order, then what only the user has."""
    files = sorted((user_folder() / "devices").glob("*.json"))
    own = {f"{name[1]}/{name[2]}": path for path in files if (name := _OWN.fullmatch(path.stem))}
    return _Catalogue(_bundled() | own)


def _bundled() -> dict[str, Path]:
    return {name: _FOLDER / f"{name.partition('/')[2]}.json" for name in _BUNDLED}


def names() -> tuple[str, ...]:
    """Names of the devices, `braket/garnet`."""
    return tuple(catalogue())


def fault(name: str) -> QcliError | None:
    """Why the record of `braket/garnet` cannot be read; None if it can, or there is none."""
    try:
        catalogue().get(name)
    except QcliError as error:
        return error
    return None


def last_known(name: str) -> Device | None:
    """The record of `braket/garnet` to go by when it is written anew: the bundled one if the user's cannot be read."""
    return (_Catalogue(_bundled()) if fault(name) else catalogue()).get(name)


def user_path(device: Device) -> Path:
    """Where a user's own record of a device is kept."""
    return user_folder() / "devices" / f"{device.provider}-{device.name}.json"


def find(name: str) -> Device:
    """The record behind `braket/garnet`, `emulator/garnet`, `garnet`, or a name that others use for it.

    The numbers at the end may be left out, `AQT Ibex`, where one device alone is called so.

    Raises:
        QcliError: no such device; names the closest.
    """
    devices = catalogue()
    known = resolve(name, devices) or _begun(name, devices)
    if known is not None and _vendor_agrees(name, devices[known]):
        return devices[known]
    prefix, _, short = name.strip().lower().rpartition("/")
    if elsewhere := _ending(name, devices):
        hint = f"did you mean {elsewhere}?"
    else:
        shorts = [known.partition("/")[2] for known in devices]
        listed = {"": shorts, "emulator": [f"emulator/{device}" for device in shorts]}
        hint = nearest(f"{prefix}/{short}" if prefix else short, listed.get(prefix, list(devices)))
    raise QcliError(f"no device {name!r} in the catalogue", name, f"{hint} (`qcli devices` lists all)")


def resolve(name: str, known: Iterable[str]) -> str | None:
    """Which of the `known` names, `braket/garnet`, a result file or an SDK means; None if none.

    Case and separators do not count; providers, vendors and `emulator` may stand before the name: `ibm_fez`,
    `FakeFez`, `IQM Garnet`, `rigetti_ankaa_3`, `aws:rigetti:ankaa-3`,
    `arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet`.
    """
    asked = _squashed(name)
    for candidate in known:
        provider, _, short = candidate.partition("/")
        if re.fullmatch(f"(?:{_PREFIXES.get(provider, _ANY)})*{_squashed(short)}", asked):
            return candidate
    return None


def vendor_of(name: str) -> str | None:
    """Who built a device that has no record: `IQM` for `iqm-star`, `Rigetti` for `Ankaa-2`.

    None if the name tells no vendor that has records, or contradicts itself, as `iqm_ankaa_2` and `braket/fez` do.
    """
    devices = catalogue()
    if _ending(name, devices):
        return None
    words = re.findall("[a-z]+", name.lower())
    families = {re.findall("[a-z]+", each.name)[0]: each.vendor for each in devices.values()}
    vendors = {"fake": "IBM"} | {each.vendor.lower(): each.vendor for each in devices.values()}
    named = {vendors[each] for word in words for each in vendors if word.startswith(each)}
    first = next((word for word in words if not re.fullmatch(f"{_ANY}|{_SITES}", word)), "")
    if not named and first not in families:
        return None
    named |= {families[word] for word in words if word in families}
    return named.pop() if len(named) == 1 else None


def _begun(name: str, known: Iterable[str]) -> str | None:
    """The only one of the `known` names that continues `name` with numbers or sizes: `cepheus-1-108q` `Cepheus-1`."""
    found = [each for each in known if any(resolve(name, [stem]) for stem in _stems(each))]
    return found[0] if len(found) == 1 else None


def _stems(known: str) -> Iterator[str]:
    """`braket/cepheus-1` and `braket/cepheus` of `braket/cepheus-1-108q`: a word without a digit is not left out."""
    while match := re.fullmatch(r"(.+)-[^-]*\d[^-]*", known):
        known = match[1]
        yield known


def _ending(name: str, known: Iterable[str]) -> str | None:
    """The `known` name that `name` ends in, whatever provider or vendor stands before it."""
    return next((k for k in known if _squashed(name).endswith(_squashed(k.partition("/")[2]))), None)


def _vendor_agrees(name: str, device: Device) -> bool:
    """Whether the vendor in `iqm_ankaa_3`, if one is named, built the device."""
    before = _squashed(name).removesuffix(_squashed(device.name))
    return set(re.findall(_VENDORS, before)) <= {device.vendor.lower()}


def _squashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _load(path: Path, changed: int) -> Device:
    """`changed` is the time of the file's last change: a record written anew is read anew."""
    return load_device(path)
