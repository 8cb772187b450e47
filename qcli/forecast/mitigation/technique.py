"""The techniques that are tried, and what a device offers of them."""

from dataclasses import dataclass

from qcli.device.record import Device
from qcli.forecast.mitigation.combine import Extrapolation
from qcli.price.workload import NO_MITIGATION, Mitigation


@dataclass(frozen=True)
class Technique:
    """One technique, or some together.

    Attributes:
        name: as `--mitigation` takes it, or `none` or `dd`.
        submitted: the circuits that it adds, hence its price.
        extrapolation: to zero noise, where gates are folded.
        echo: dynamical decoupling, which takes dephasing away from idle qubits.
        remark: what its figures rest on.
    """

    name: str
    submitted: Mitigation = NO_MITIGATION
    extrapolation: Extrapolation = "linear"
    echo: bool = False
    remark: str = ""


NONE = Technique("none")

_LINE = "extrapolated along a line"
_DECAY = "extrapolated along an exponential decay"
_COHERENT = "nothing to gain in this noise model: it has no coherent errors; on hardware it may"
_ALIKE = "nothing to gain in this noise model: its errors are symmetric already; on hardware, which has others, it may"
_ECHO = (
    "assumed: ideal echo, idle qubits lose phase by relaxation alone (T2 = 2 T1), pulses are free of error: "
    "an upper bound"
)
_NO_ECHO = "not offered on Braket devices"

_ALWAYS = (
    NONE,
    Technique("readout", Mitigation(readout=True)),
    Technique("zne=1,3", Mitigation(folds=(1, 3)), remark=_LINE),
    Technique("zne=1,3,5", Mitigation(folds=(1, 3, 5)), "exponential", remark=_DECAY),
    Technique("readout zne=1,3", Mitigation(folds=(1, 3), readout=True), remark=_LINE),
    Technique("twirl=16", Mitigation(twirls=16), remark=_COHERENT),
)
_DECOUPLED = Technique("dd", echo=True, remark=_ECHO)
_DEBIASED = Technique("debias", Mitigation(debias=True), remark=_ALIKE)


def techniques(device: Device) -> tuple[Technique, ...]:
    """What is tried on a device, no mitigation first; debiasing is IonQ's alone."""
    return (*_ALWAYS, _DECOUPLED, *([_DEBIASED] if device.vendor == "IonQ" else []))


def refusal(technique: Technique, device: Device) -> str:
    """Why a device does not offer a technique; empty if it does."""
    return _NO_ECHO if technique.echo and device.provider != "ibm" else ""


def echoed(device: Device) -> Device:
    """The device as an ideal echo leaves it: T2 = 2 T1 (L. Viola, E. Knill and S. Lloyd, PRL 82, 2417 (1999)).

    Gates keep their errors.
    """
    qubits = tuple(qubit._replace(t2_s=None) for qubit in device.qubits)
    return device.model_copy(update={"qubits": qubits})
