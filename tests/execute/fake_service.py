"""A vendor in memory, or in a folder for several processes, with scripted troubles; and readings to ask it for.

What a circuit reads depends on its key alone, so that a test knows it beforehand.
"""

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pennylane as qml

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.circuit.trace import trace
from qcli.device.record import Device
from qcli.execute.hardware import Hardware
from qcli.execute.journal import Journal
from qcli.execute.reading import Reading
from qcli.execute.record import Counts, Entry
from qcli.execute.service import Order, Outcome, Pace, Packed, Status
from qcli.price.sheet import terms
from qcli.price.tariff import Terms

GARNET, FORTE, BOSTON = terms("braket/garnet"), terms("braket/forte-enterprise-1"), terms("ibm/boston")
FAST = Pace(poll_s=0.001, first_s=0.001, most_s=0.001, patience_s=30)


@dataclass
class Sent:
    """A task as the vendor has it; `end` is how it will end, after so many `polls`."""

    vendor_id: str
    circuits: list[tuple[str, int, int]]
    end: str = "done"
    polls: int = 0


@dataclass
class Cloud:
    """The vendor's side.

    Attributes:
        ends: how the next tasks end, `done` when used up.
        polls: how often a task is looked at before it ends.
        usage: QPU seconds of every task unless its limit stops it before; None where the vendor does not say (yet).
        alter: changes the results of a task.
        sent: tasks by token, in the order they came.
        runs: how often each circuit was executed, and paid.
        requests: how often each method was called.
    """

    ends: list[str] = field(default_factory=list)
    polls: int = 0
    usage: float | None = None
    alter: Callable[[Sent, list[Counts]], Sequence[Counts | str]] = lambda sent, counts: counts
    sent: dict[str, Sent] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def accept(self, task: Entry, payload: bytes) -> str:
        with self.lock:
            if task.token not in self.sent:
                circuits = [(key, shots, bits) for key, shots, bits in json.loads(payload)]
                end = self.ends.pop(0) if self.ends else "done"
                self.sent[task.token] = Sent(f"task-{len(self.sent)}", circuits, end, self.polls)
                self.runs.update(key for key, _, _ in circuits)
            return self.sent[task.token].vendor_id

    def find(self, task: Entry) -> Sent:
        with self.lock:
            found = self.sent[task.token]
            assert found.vendor_id == task.vendor_id
            return found

    def usage_of(self, task: Entry) -> float | None:
        return self.usage if self.usage is None or task.limit_s is None else min(self.usage, task.limit_s)

    @property
    def sizes(self) -> list[int]:
        """Circuits of each task."""
        return [len(each.circuits) for each in self.sent.values()]


class FolderCloud(Cloud):
    """A vendor that several processes see: a file for each task, and a line for each execution of a circuit."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def accept(self, task: Entry, payload: bytes) -> str:
        try:
            file = os.open(self.folder / task.token, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return f"at-{task.token}"
        os.write(file, payload)
        os.close(file)
        return f"at-{task.token}"

    def find(self, task: Entry) -> Sent:
        assert task.vendor_id == f"at-{task.token}"
        return Sent(task.vendor_id, json.loads((self.folder / task.token).read_bytes()))

    def executed(self) -> Counter[str]:
        """How often each circuit was."""
        tasks = [json.loads(path.read_bytes()) for path in self.folder.iterdir()]
        return Counter(key for circuits in tasks for key, _, _ in circuits)


class FakeService:
    """A client of a cloud.

    Attributes:
        troubles: for each method what it raises on its next calls instead of acting; None for an undisturbed call.
        lost: the same, raised after it acted.
    """

    name, calibration = "braket/garnet", "2026-11-01"

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.troubles: dict[str, list[Exception | None]] = {}
        self.lost: dict[str, list[Exception | None]] = {}

    def notes(self) -> list[str]:
        return []

    def live(self) -> dict[str, Any] | None:
        return None

    def use(self, device: Device) -> None:
        """Nothing is compiled."""

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        self._before("pack")
        assert len({order.shots for order in orders}) == 1 or plan in ("job", "batch", "session")
        return Packed(
            json.dumps([(order.key, order.shots, bits(order.program)) for order in orders]).encode(), {}
        )

    def submit(self, task: Entry, payload: bytes) -> str:
        self._before("submit")
        vendor_id = self.cloud.accept(task, payload)
        self._after("submit")
        return vendor_id

    def status(self, task: Entry) -> Status:
        self._before("status")
        sent = self.cloud.find(task)
        if sent.polls > 0:
            sent.polls -= 1
            return Status("queued", position="3")
        return Status(sent.end, reason="" if sent.end == "done" else f"{sent.end} by the script")  # type: ignore[arg-type]

    def fetch(self, task: Entry) -> Outcome:
        self._before("fetch")
        sent = self.cloud.find(task)
        found = self.cloud.alter(sent, [counts_of(*each) for each in sent.circuits])
        return Outcome(found, self.cloud.usage_of(task))

    def usage_s(self, task: Entry) -> float | None:
        self._before("usage_s")
        return self.cloud.usage_of(task)

    def cancel(self, task: Entry) -> None:
        self._before("cancel")
        self.cloud.find(task).end = "cancelled"

    def close(self) -> None:
        """Nothing is held."""

    def _before(self, method: str) -> None:
        self.cloud.requests[method] += 1
        _raise_next(self.troubles.get(method))

    def _after(self, method: str) -> None:
        _raise_next(self.lost.get(method))


def _raise_next(troubles: list[Exception | None] | None) -> None:
    if troubles and (trouble := troubles.pop(0)) is not None:
        raise trouble


def counts_of(key: str, shots: int, bits: int) -> Counts:
    """What the circuit of this key reads."""
    generator = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]))
    drawn = generator.multinomial(shots, generator.dirichlet(np.ones(2**bits)))
    return {outcome: int(count) for outcome, count in enumerate(drawn) if count}


def frequencies_of(key: str, shots: int, bits: int) -> np.ndarray:
    values = np.zeros(2**bits)
    for outcome, count in counts_of(key, shots, bits).items():
        values[outcome] = count / shots
    return values


def bits(program: Program) -> int:
    (measured,) = program.measurements
    return (measured.columns - 1).bit_length()


def _circuit(inputs: Any, weights: Any) -> Any:
    qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.probs(wires=[0, 1])


def _other_circuit(inputs: Any) -> Any:
    qml.AngleEmbedding(inputs, wires=range(2), rotation="X")
    qml.CNOT([0, 1])
    return qml.probs(wires=[0, 1])


def _fixed_circuit(inputs: Any) -> Any:
    qml.Hadamard(0)
    qml.CNOT([0, 1])
    return qml.probs(wires=[0, 1])


def _measured(traced: Program) -> Program:
    (group,) = measure.groups(traced)
    return measure.group_program(traced, group)


PROGRAM = _measured(trace(_circuit, 2, {"weights": (1, 2)}))
OTHER_PROGRAM = _measured(trace(_other_circuit, 2, {}))
FIXED_PROGRAM = _measured(trace(_fixed_circuit, 2, {}))
"""Without any angle."""


def reading(
    circuits: int, shots: int = 100, seed: int = 0, program: Program = PROGRAM, **more: Any
) -> Reading:
    """Of so many circuits of random angles."""
    columns = 1 + max((gate.angle for gate in program.gates if gate.angle is not None), default=-1)
    return Reading(program, np.random.default_rng(seed).uniform(-3, 3, (circuits, columns)), shots, **more)


def hardware(
    folder: Path,
    service: FakeService | None,
    plan: str = "program-sets",
    terms: Terms | None = GARNET,
    durable: bool = False,
    **more: Any,
) -> Hardware:
    """On the journal of this folder, as a process that starts there has it; without waiting for the disk, if not
    `durable`.
    """
    device = terms.name if terms else "braket/garnet"
    journal = Journal(folder / "journal.sqlite", device, "run")
    if not durable:
        journal._database.execute("PRAGMA synchronous=OFF")
    return Hardware(device, service, journal, terms, plan, **({"pace": FAST} | more))


def task_usd(circuits: int, shots: int, device: Terms = GARNET) -> Decimal:
    """What one task of Braket costs."""
    return device.price.task_fee + circuits * shots * device.price.shot_price  # type: ignore[union-attr]
