"""The devices that come with the package, one JSON record each, read when asked for."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from qcli.device.record import Device, load_device
from qcli.errors import QcliError
from qcli.files import nearest

_FOLDER = Path(__file__).parent / "catalogue"
_NAMES = (
    "braket/garnet",
    "braket/emerald",
    "braket/cepheus-1-108q",
    "braket/forte-enterprise-1",
    "braket/ankaa-3",
    "ibm/boston",
    "ibm/pittsburgh",
    "ibm/aachen",
    "ibm/kingston",
    "ibm/fez",
    "ibm/marrakesh",
    "ibm/torino",
)


class _Catalogue(Mapping[str, Device]):
    """Devices by `provider/name`; a record is read at its first use."""

    def __getitem__(self, name: str) -> Device:
        if name not in _NAMES:
            raise KeyError(name)
        return _load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


def catalogue() -> Mapping[str, Device]:
    """Every bundled device by name, `braket/garnet`, in the order in which they are listed."""
    return _Catalogue()


def names() -> tuple[str, ...]:
    """Names of the bundled devices, `braket/garnet`."""
    return _NAMES


def find(name: str) -> Device:
    """The record behind `braket/garnet`, `emulator/garnet` or `garnet`.

    Raises:
        QcliError: no such device; names the closest.
    """
    prefix, _, short = name.strip().lower().rpartition("/")
    for known in _NAMES:
        provider, _, device = known.partition("/")
        if short == device and prefix in ("", "emulator", provider):
            return _load(known)
    devices = [known.partition("/")[2] for known in _NAMES]
    listed = {"": devices, "emulator": [f"emulator/{device}" for device in devices]}.get(prefix, _NAMES)
    hint = nearest(f"{prefix}/{short}" if prefix else short, listed)
    raise QcliError(f"no device {name!r} in the catalogue", name, f"{hint} (`qcli devices` lists all)")


@cache
def _load(name: str) -> Device:
    return load_device(_FOLDER / f"{name.partition('/')[2]}.json")
