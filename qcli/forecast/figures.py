"""The figures to expect of a device, given what it published: pulled towards what is usual for its vendor.

A published figure is one draw: it ages, and the best qubits of a calibration are partly those that were lucky on the
day (regression to the mean). The expected error is the weighted geometric mean

    e' = e^w ē^(1−w)

of the published e and the vendor's typical ē, the geometric mean over its devices of their medians; T1 and T2 likewise.
Readout keeps its asymmetry. w is fitted (docs/forecast.md).
"""

from functools import lru_cache
from statistics import geometric_mean, median

from qcli.device.catalogue import catalogue
from qcli.device.record import Device, Edge, Qubit

RELIABILITY = 0.5
"""The weight w of a published figure: fitted on public results of four IBM devices, and flat from 0.25 to 0.5."""

LEAST_ERROR = 1e-5
"""An estimated error of 0 is one that was not seen in the shots of a calibration; none is smaller than this."""


def expected(device: Device, reliability: float = RELIABILITY) -> Device:
    """The device with each figure pulled towards its vendor's typical one; what is absent stays absent."""
    return _pulled(device, typical(device), reliability)


def anonymous(device: Device) -> Device:
    """The device without its calibration: every figure that of its vendor's other devices, topology kept.

    Where the vendor has no other device in the catalogue, those of the same technology stand for it.
    """
    return _pulled(device, typical(device, itself=False) or _medians(device), 0.0)


Figures = tuple[float | None, float | None, float | None, float | None, float | None]
"""One-qubit error, two-qubit error, mean readout error, T1 and T2 in seconds."""


def typical(device: Device, itself: bool = True) -> Figures | None:
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
    one, two, read, t1, t2 = (geometric_mean(column) if column else None for column in known)
    return one, two, read, t1, t2


@lru_cache(maxsize=128)
def _medians(device: Device) -> Figures:
    def middle(values: list[float | None], least: float = LEAST_ERROR) -> float | None:
        known = [value for value in values if value is not None]
        return max(median(known), least) if known else None

    usable = device.usable
    return (
        middle([qubit.error_1q for qubit in usable]),
        middle([edge.error for edge in device.usable_edges]),
        middle([qubit.readout_error for qubit in usable]),
        middle([qubit.t1_s for qubit in usable], 0.0),
        middle([qubit.t2_s for qubit in usable], 0.0),
    )


def _pulled(device: Device, towards: Figures | None, weight: float) -> Device:
    one, two, read, t1, t2 = towards or (None,) * 5

    def mean(value: float | None, usual: float | None, least: float = LEAST_ERROR) -> float | None:
        if value is None or usual is None:
            return value
        return max(value, least) ** weight * usual ** (1 - weight)

    def qubit(old: Qubit) -> Qubit:
        before = old.readout_error
        after = mean(before, read)
        factor = 1.0 if not before or after is None else after / before
        up, down = (None if p is None else min(p * factor, 0.5) for p in (old.p1_given_0, old.p0_given_1))
        if before == 0.0:
            up = down = after
        t1_s, t2_s = mean(old.t1_s, t1, 0.0), mean(old.t2_s, t2, 0.0)
        return Qubit(old.id, t1_s, t2_s, mean(old.error_1q, one), up, down, old.duration_s)

    edges = tuple(Edge(edge.a, edge.b, mean(edge.error, two), edge.duration_s) for edge in device.edges)
    return device.model_copy(update={"qubits": tuple(map(qubit, device.qubits)), "edges": edges})
