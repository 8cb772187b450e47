"""Executors and services by the names users give them."""

from dataclasses import dataclass, field

from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.execute.braket import Braket, BraketOptions
from qcli.execute.emulator import Emulator
from qcli.execute.ibm import Ibm, IbmOptions
from qcli.execute.service import Service
from qcli.files import nearest
from qcli.forecast.shots import check_shots
from qcli.simulate.engine import precision_named
from qcli.simulate.exact import Exact, Sampled
from qcli.simulate.executor import Executor

MAX_SHOTS = 10**9
"""Of the noiseless sampler; devices have their own limits."""


def executor(name: str, shots: int, seed: int, engine: str = "auto", precision: str = "float32") -> Executor:
    """`sim`, `sampled`, or `emulator/<device>`; `engine` and `precision` are those of the first two.

    Raises:
        QcliError: an unknown name, a negative seed, or shots that the device does not take.
    """
    if seed < 0:
        raise QcliError(f"seed {seed} is negative", "--seed", "choose 0 or more")
    if name == "sim":
        return Exact(engine, precision_named(precision))
    if name == "sampled":
        if not 1 <= shots <= MAX_SHOTS:
            raise QcliError(f"{shots:,} shots", "--shots", f"choose 1 to {MAX_SHOTS:,}")
        return Sampled(shots, seed, engine, precision_named(precision))
    provider, _, _ = name.partition("/")
    if provider == "emulator":
        device = find(name)
        check_shots(shots, device)
        return Emulator(device, shots, seed)
    known = ["sim", "sampled", *catalogue(), *(device.emulator for device in catalogue().values())]
    raise QcliError(f"unknown device {name!r}", "--device", nearest(name, known))


@dataclass(frozen=True)
class ServiceOptions:
    """What is asked of whichever service a device belongs to."""

    braket: BraketOptions = field(default_factory=BraketOptions)
    ibm: IbmOptions = field(default_factory=IbmOptions)


def is_hardware(name: str) -> bool:
    """Whether results on it may have to be paid for."""
    return name.partition("/")[0] in ("braket", "ibm")


def service(device: Device, options: ServiceOptions) -> Service:
    """The vendor's service; it is reached at the first use."""
    return Ibm(device, options.ibm) if device.provider == "ibm" else Braket(device, options.braket)
