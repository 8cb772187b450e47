"""IBM Quantum through its own runtime client: jobs of the client-side Sampler, in job, batch or session mode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qcli.device.record import Device
from qcli.execute.compiling import Compiler
from qcli.execute.journal import Entry
from qcli.execute.service import Order, Outcome, Packed, Status


@dataclass(frozen=True)
class IbmOptions:
    """How to reach IBM and what to ask of it.

    Attributes:
        account: name of a saved account; None for the environment's or the default one.
        instance: CRN or name of the instance, where the account has several.
        twirl: random Pauli twirls of two-qubit gates that share the shots; 0 for none.
        measure_twirl: twirl measurements.
        dd: sequence of dynamical decoupling.
    """

    account: str | None = None
    instance: str | None = None
    twirl: int = 0
    measure_twirl: bool = False
    dd: str | None = None


class Ibm:
    """One backend."""

    def __init__(self, device: Device, options: IbmOptions | None = None) -> None:
        self.name = device.key
        self._options = options or IbmOptions()
        self.use(device)

    def use(self, device: Device) -> None:
        """Compile for another calibration from now on."""
        self.device, self.calibration = device, device.calibrated_on.isoformat()
        self._compiler = Compiler(device)

    def notes(self) -> list[str]:
        raise NotImplementedError

    def live(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        raise NotImplementedError

    def submit(self, task: Entry, payload: bytes) -> str:
        raise NotImplementedError

    def status(self, task: Entry) -> Status:
        raise NotImplementedError

    def fetch(self, task: Entry) -> Outcome:
        raise NotImplementedError

    def usage_s(self, task: Entry) -> float | None:
        raise NotImplementedError

    def cancel(self, task: Entry) -> None:
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError
