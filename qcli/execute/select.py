"""Executors by the names users give them."""

from qcli.device.catalogue import catalogue, find
from qcli.errors import QcliError
from qcli.execute.emulator import Emulator
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
        QcliError: an unknown name, a real device (not to be run on yet), a negative seed, or shots that the device
            does not take.
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
    if provider in ("braket", "ibm"):
        device = find(name)
        raise QcliError(
            f"running on the real {device.full_name} is not available in this version",
            name,
            f"rehearse on its calibration: --device {device.emulator}",
        )
    known = ["sim", "sampled", *(device.emulator for device in catalogue().values())]
    raise QcliError(f"unknown device {name!r}", "--device", nearest(name, known))
