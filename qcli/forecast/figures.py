"""The figures to expect of a device, given what it published: pulled towards what is usual for its vendor.

A published figure is one draw: it ages, and the best qubits of a calibration are partly those that were lucky on the
day (regression to the mean). The expected error is the weighted geometric mean

    e' = e^w ē^(1−w)

of the published e and the vendor's typical ē, the geometric mean over its devices of their medians; T1 and T2 likewise,
each direction of readout by itself. w is assumed; a factor on the readout errors of zeros is fitted for some vendors
(optimism.py, docs/forecast.md).
"""

from functools import lru_cache
from statistics import geometric_mean, median
from typing import NamedTuple

from qcli.device.catalogue import catalogue
from qcli.device.record import Device, Qubit
from qcli.forecast.optimism import optimism

RELIABILITY = 0.5
"""The weight w of a published figure: assumed, both count alike."""

LEAST_ERROR = 1e-5
"""An estimated error of 0 is one that was not seen in the shots of a calibration; none is smaller than this."""


def expected(device: Device, reliability: float = RELIABILITY) -> Device:
    """The device with each figure pulled towards its vendor's typical one; what is absent stays absent."""
    return _misread(_pulled(device, typical(device), reliability))


def guessed(device: Device) -> Device:
    """What is to be expected without the device's calibration."""
    return _misread(anonymous(device))


def anonymous(device: Device) -> Device:
    """The device without its calibration: every figure that of its vendor's other devices, topology kept.

    Where the vendor has no other device in the catalogue, those of the same technology stand for it.
    """
    return _pulled(device, typical(device, itself=False) or _medians(device), 0.0)


class Typical(NamedTuple):
    """Of a device or a vendor; T1 and T2 in seconds."""

    error_1q: float | None = None
    error_2q: float | None = None
    p1_given_0: float | None = None
    p0_given_1: float | None = None
    t1_s: float | None = None
    t2_s: float | None = None


def typical(device: Device, itself: bool = True) -> Typical | None:
    """Geometric mean of the medians of the vendor's devices in the catalogue, None if there is none.

    `device` counts among them unless `itself` is False. Devices with its two-qubit gate stand for its generation: where
    there are any, they alone count. Without itself, a vendor's only device is stood for by others of its technology.
    """
    others = [each for each in catalogue().values() if each.key != device.key]
    family = [each for each in others if each.vendor == device.vendor]
    alike = [each for each in family if each.two_qubit_gate == device.two_qubit_gate]
    related = [each for each in others if each.technology == device.technology]
    chosen = [device, *alike] if itself else alike or family or related
    rows = [_medians(each) for each in chosen]
    if not rows:
        return None
    known = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    return Typical(*(geometric_mean(column) if column else None for column in known))


@lru_cache(maxsize=128)
def _medians(device: Device) -> Typical:
    def middle(values: list[float | None], least: float = LEAST_ERROR) -> float | None:
        known = [value for value in values if value is not None]
        return max(median(known), least) if known else None

    usable = device.usable
    return Typical(
        middle([qubit.error_1q for qubit in usable]),
        middle([edge.error for edge in device.usable_edges]),
        middle([qubit.p1_given_0 for qubit in usable]),
        middle([qubit.p0_given_1 for qubit in usable]),
        middle([qubit.t1_s for qubit in usable], 0.0),
        middle([qubit.t2_s for qubit in usable], 0.0),
    )


def _pulled(device: Device, towards: Typical | None, weight: float) -> Device:
    usual = towards or Typical()

    def mean(value: float | None, usual: float | None, least: float = LEAST_ERROR) -> float | None:
        if value is None or usual is None:
            return value
        return max(value, least) ** weight * usual ** (1 - weight)

    def qubit(old: Qubit) -> Qubit:
        return old._replace(
            t1_s=mean(old.t1_s, usual.t1_s, 0.0),
            t2_s=mean(old.t2_s, usual.t2_s, 0.0),
            error_1q=mean(old.error_1q, usual.error_1q),
            p1_given_0=mean(old.p1_given_0, usual.p1_given_0),
            p0_given_1=mean(old.p0_given_1, usual.p0_given_1),
        )

    edges = tuple(edge._replace(error=mean(edge.error, usual.error_2q)) for edge in device.edges)
    return device.model_copy(update={"qubits": tuple(map(qubit, device.qubits)), "edges": edges})


def _misread(device: Device) -> Device:
    """Readout errors as they are to be expected of the vendor, one half at most."""
    zeros = optimism(device.vendor).zeros

    def qubit(old: Qubit) -> Qubit:
        up, down = old.p1_given_0, old.p0_given_1
        return old._replace(
            p1_given_0=None if up is None else min(zeros * up, 0.5),
            p0_given_1=None if down is None else min(down, 0.5),
        )

    return device.model_copy(update={"qubits": tuple(map(qubit, device.qubits))})
