"""When each gate of a native circuit runs, and how long qubits idle in between.

Superconducting devices run gates as late as possible, so that a qubit stays in its ground state until its first gate,
and read all qubits together at the end. Trapped ions take one gate at a time. Virtual rz takes no time; a barrier
lets the gates after it wait for those before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from qcli.device.record import Basis, Device

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit


FREE = ("rz", "barrier", "measure")
"""Instructions that take no pulse."""


class Step(NamedTuple):
    """An instruction by name, and the physical qubits it acts on."""

    name: str
    qubits: tuple[int, ...]


@dataclass(frozen=True)
class Idle:
    """`qubit` waits for `seconds` before instruction number `before` of the circuit acts on it."""

    before: int
    qubit: int
    seconds: float


@dataclass(frozen=True)
class Timeline:
    """`duration_s` from the first gate to the end of readout; `idles` lie between a qubit's first gate and its readout.

    `basis` is that of the device's gate times.
    """

    duration_s: float
    basis: Basis
    idles: tuple[Idle, ...]


def timeline(circuit: "QuantumCircuit", device: Device) -> Timeline:
    """Of a native circuit on the device's own qubit numbers, without free parameters in its structure."""
    return timeline_of(steps_of(circuit), device)


def steps_of(circuit: "QuantumCircuit", ids: Sequence[int] | None = None) -> list[Step]:
    """The circuit's instructions; its qubit i is the physical `ids[i]`, or i."""
    numbers = ids or range(circuit.num_qubits)
    index = dict(zip(circuit.qubits, numbers, strict=False))
    return [Step(each.name, tuple([index[bit] for bit in each.qubits])) for each in circuit.data]


def timeline_of(steps: Sequence[Step], device: Device) -> Timeline:
    """`Idle.before` counts in `steps`."""
    seconds = [_seconds(step, device) for step in steps]
    read = {step.qubits[0]: k for k, step in enumerate(steps) if step.name == "measure"}
    if device.technology == "trapped ion":
        starts, gates_s = _one_at_a_time(seconds)
    else:
        starts, gates_s = _as_late_as_possible(steps, seconds)
    idles: list[Idle] = []
    ready: dict[int, float] = {}
    for k, (name, qubits) in enumerate(steps):
        if name == "barrier":
            continue
        start = gates_s if name == "measure" else starts[k]
        for qubit in qubits:
            wait = start - ready.get(qubit, start)
            # rounding leaves 1e-22 s here and there
            if wait > 1e-12:
                idles.append(Idle(k, qubit, wait))
            ready[qubit] = start + seconds[k]
    return Timeline(
        gates_s + (device.durations.readout_s if read else 0.0), device.durations.basis, tuple(idles)
    )


def _one_at_a_time(seconds: Sequence[float]) -> tuple[list[float], float]:
    starts, now = [], 0.0
    for each in seconds:
        starts.append(now)
        now += each
    return starts, now


def _as_late_as_possible(steps: Sequence[Step], seconds: Sequence[float]) -> tuple[list[float], float]:
    to_end: dict[int, float] = {}
    before_end = [0.0] * len(steps)
    for k in range(len(steps) - 1, -1, -1):
        qubits = steps[k].qubits
        left = max([to_end.get(qubit, 0.0) for qubit in qubits], default=0.0) + seconds[k]
        before_end[k] = left
        for qubit in qubits:
            to_end[qubit] = left
    total = max(to_end.values(), default=0.0)
    return [total - left for left in before_end], total


def _seconds(step: Step, device: Device) -> float:
    if step.name in FREE:
        return 0.0
    times = device.durations
    usual = times.one_qubit_s if len(step.qubits) == 1 else times.two_qubit_s
    return _own_seconds(device).get(frozenset(step.qubits), usual)


@lru_cache(maxsize=64)
def _own_seconds(device: Device) -> dict[frozenset[int], float]:
    """Gate times that differ from the device's, by the qubits."""
    times = {frozenset([qubit.id]): qubit.duration_s for qubit in device.qubits}
    times |= {frozenset(edge[:2]): edge.duration_s for edge in device.edges}
    return {place: seconds for place, seconds in times.items() if seconds}
