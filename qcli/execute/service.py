"""What a vendor's service is to the hardware path: submit, look, fetch, cancel; and how faults of it are met."""

import logging
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Program
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.execute.record import Counts, Entry
from qcli.execute.secrets import redacted

T = TypeVar("T")
_log = logging.getLogger(__name__)


class TransientError(Exception):
    """The service did not answer, or asked to try again; it may have acted on the request all the same."""

    def __init__(self, what: str) -> None:
        super().__init__(redacted(what))


class DamagedError(Exception):
    """An answer that cannot be the task's result. `raw` is what came."""

    def __init__(self, what: str, raw: bytes) -> None:
        super().__init__(what)
        self.what, self.raw = what, raw


class RefusedError(QcliError):
    """The service said no: the task was not accepted, and costs nothing."""


class UnansweredError(QcliError):
    """The service had passing troubles for longer than patience lasts."""


@dataclass(frozen=True, eq=False)
class Order:
    """One circuit to be run: a measured program at `angles` `(angles,)`; see `Reading` for the rest."""

    key: str
    program: Program
    angles: NDArray[np.float64]
    shots: int
    scale: int
    prepared: int | None


@dataclass(frozen=True)
class Packed:
    """What is submitted as one task, and what is needed to read its result."""

    payload: bytes
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Status:
    """Where a task is; `position` in the queue and `reason` of an end as the vendor says them, else empty."""

    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of a task: counts of each circuit in their order, or why there are none.

    `qpu_s` are the seconds that the vendor says the QPU worked; `started` and `ended` are times of the vendor's clock
    (seconds since 1970). None where it does not say.
    """

    counts: Sequence[Counts | str]
    qpu_s: float | None = None
    created: float | None = None
    started: float | None = None
    ended: float | None = None


class Service(Protocol):
    """A vendor's service, for one device. Every method may raise TransientError, or QcliError for what is final."""

    name: str
    calibration: str
    """Id of the calibration that circuits are compiled for."""

    def notes(self) -> list[str]:
        """What a person should know before submitting: the queue, closed hours, limits.

        Raises:
            QcliError: no credentials, or the device takes no tasks.
        """
        ...

    def live(self) -> dict[str, Any] | None:
        """The device's properties as the vendor serves them now, for `device_of`; None where it serves none."""
        ...

    def use(self, device: Device) -> None:
        """Compile for this calibration from now on."""
        ...

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        """Compile and write what is to be submitted as one task, all with the same number of shots."""
        ...

    def submit(self, task: Entry, payload: bytes) -> str:
        """The vendor's id of the task. Submitting the same one again gives the same id, and is paid once."""
        ...

    def status(self, task: Entry) -> Status: ...

    def fetch(self, task: Entry) -> Outcome:
        """Of a task that is done. Raises DamagedError where the answer is not its result."""
        ...

    def usage_s(self, task: Entry) -> float | None:
        """QPU seconds billed for an ended task, None where the vendor does not bill by them."""
        ...

    def cancel(self, task: Entry) -> None: ...

    def close(self) -> None:
        """No more submissions: a session or batch ends."""
        ...


@dataclass(frozen=True)
class Pace:
    """Seconds between looks at a task, before the first and the last retry, and of all retries of one call."""

    poll_s: float = 2.0
    first_s: float = 0.5
    most_s: float = 20.0
    patience_s: float = 120.0
    jitter: random.Random = field(default_factory=random.Random, compare=False)

    @classmethod
    def from_environment(cls) -> "Pace":
        """QCLI_POLL_S and QCLI_PATIENCE_S, where set.

        Raises:
            QcliError: one is not a positive number.
        """
        default = cls()
        poll_s, patience_s = (
            _seconds("QCLI_POLL_S", default.poll_s),
            _seconds("QCLI_PATIENCE_S", default.patience_s),
        )
        return cls(poll_s, min(default.first_s, poll_s), min(default.most_s, patience_s), patience_s)


def patiently(call: Callable[[], T], what: str, pace: Pace) -> T:
    """The answer of `call`, tried again with growing pauses while the service has passing troubles.

    Raises:
        UnansweredError: it still has them when patience is over (exit 1).
    """
    started, pause = time.monotonic(), pace.first_s
    while True:
        try:
            return call()
        except TransientError as error:
            left = pace.patience_s - (time.monotonic() - started)
            if left <= 0:
                raise UnansweredError(
                    f"the service did not answer for {pace.patience_s:g} s: {error}",
                    what,
                    "nothing is lost: run the same command again, what was submitted is found again",
                    exit_code=1,
                ) from None
            _log.debug("%s: %s; trying again", what, error)
            time.sleep(min(left, pause * pace.jitter.uniform(0.5, 1.0)))
            pause = min(2 * pause, pace.most_s)


def _seconds(variable: str, default: float) -> float:
    text = os.environ.get(variable)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise QcliError(f"{variable} is {text!r}", variable, "give a positive number of seconds")
    return value
