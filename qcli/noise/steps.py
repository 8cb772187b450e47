"""A compiled circuit as steps on its used qubits: runs of one-qubit gates, two-qubit gates, waiting.

How a device writes a run may depend on its angles (`bind_and_merge`: a rotation by π/2 is one pulse where others take
two), so runs that hold parameters are written for each sample.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qcli.compile.compiled import Compiled, bind_and_merge, generic_angles
from qcli.compile.schedule import timeline
from qcli.device.record import Device
from qcli.noise.natives import Native, pair, pulse

if TYPE_CHECKING:
    from qiskit.circuit import CircuitInstruction, QuantumCircuit

Array = NDArray[np.float64]
Slot = tuple[tuple[int, ...], int]
"""Where a run or a two-qubit gate is: its physical qubits, and how many two-qubit gates the first has been through."""

_NEITHER = ("measure", "barrier")

Pulse = tuple[bool, float, float]


@dataclass(frozen=True)
class Pulses:
    """A run, gate by gate, `(samples or 1, gates)`: `pulse` where r(angle, phase) acts, elsewhere virtual rz(angle)."""

    pulse: NDArray[np.bool_]
    angle: Array
    phase: Array


@dataclass(frozen=True)
class Run:
    """One-qubit gates on `sites[0]`; `pulses` is None where they depend on the sample."""

    sites: tuple[int]
    slot: Slot
    pulses: Pulses | None

    @property
    def varies(self) -> bool:
        return self.pulses is None


@dataclass(frozen=True)
class Pair:
    """A two-qubit gate; `turn` `(1,)` is its angle, None where it depends on the sample or the gate has none."""

    sites: tuple[int, int]
    slot: Slot
    gate: Native
    turn: Array | None
    varies: bool


@dataclass(frozen=True)
class Wait:
    """`sites[0]` idles for so many seconds."""

    sites: tuple[int]
    seconds: float
    varies: bool = False


Step = Run | Pair | Wait


@dataclass(frozen=True)
class Steps:
    """Steps in order, on sites.

    Attributes:
        qubits: the physical qubit of each site.
        measured: the site that is read into each classical bit.
        varying: the slots of steps that depend on the sample, in an order that keeps that of each qubit.
        alone: the compiled circuit less all other gates, a barrier after each slot.
    """

    steps: tuple[Step, ...]
    qubits: tuple[int, ...]
    measured: tuple[int, ...]
    varying: tuple[Slot, ...]
    alone: Compiled


@dataclass(frozen=True)
class Bound:
    """The varying steps of a batch: pulses `(samples, gates)`, angles of two-qubit gates `(samples,)`."""

    runs: dict[Slot, Pulses]
    pairs: dict[Slot, Array]

    def part(self, start: int, stop: int) -> "Bound":
        """Some of the samples."""
        runs = {
            slot: Pulses(run.pulse[start:stop], run.angle[start:stop], run.phase[start:stop])
            for slot, run in self.runs.items()
        }
        return Bound(runs, {slot: pair[start:stop] for slot, pair in self.pairs.items()})


def steps(compiled: Compiled, device: Device) -> Steps:
    """Idle windows come from the device's gate times, of a generic binding.

    A window inside a run (trapped ions have them) is taken after it.

    Raises:
        QcliError: a gate that has no noise model.
    """
    (bound,) = bind_and_merge(compiled, generic_angles(len(compiled.parameters)), physical=True)
    varying = _varying(compiled.circuit)
    site = {physical: i for i, physical in enumerate(compiled.used_qubits)}
    runs: dict[Slot, list[Pulse]] = {slot: [] for slot in varying if len(slot[0]) == 1}
    idles = {(idle.before, idle.qubit): idle.seconds for idle in timeline(bound, device).idles}
    before: dict[Slot, float] = defaultdict(float)
    after: dict[Slot, float] = defaultdict(float)
    result: list[Step] = []
    passed: dict[int, int] = dict.fromkeys(site, 0)

    def close(qubit: int) -> None:
        slot = ((qubit,), passed[qubit])
        where = (site[qubit],)
        if slot in before:
            result.append(Wait(where, before[slot]))
        if slot in runs:
            result.append(Run(where, slot, None if slot in varying else _pulses([runs[slot]])))
        if slot in after:
            result.append(Wait(where, after[slot]))

    for number, (slot, instruction) in enumerate(_slots(bound)):
        for qubit in slot[0]:
            if seconds := idles.get((number, qubit)):
                run = ((qubit,), passed[qubit])
                (after if runs.get(run) else before)[run] += seconds
        if instruction.name in _NEITHER:
            continue
        if len(slot[0]) == 1:
            runs.setdefault(slot, []).append(pulse(instruction.name, instruction.params))
            continue
        for qubit in slot[0]:
            close(qubit)
            passed[qubit] += 1
        a, b = slot[0]
        angle = None if slot in varying or not instruction.params else np.array(instruction.params, float)
        result.append(Pair((site[a], site[b]), slot, pair(instruction.name), angle, slot in varying))
    for qubit in site:
        close(qubit)
    measured = tuple(site[physical] for physical in compiled.layout)
    alone = compiled.circuit.copy_empty_like()
    for (qubits, _), instructions in varying.items():
        for instruction in instructions:
            alone.append(instruction)
        alone.barrier(qubits)
    return Steps(
        tuple(result), compiled.used_qubits, measured, tuple(varying), replace(compiled, circuit=alone)
    )


def bind(found: Steps, values: Array) -> Bound:
    """What angles `(samples, parameters)` make of the varying steps.

    Raises:
        QcliError: the shape does not fit, or an angle is not finite.
    """
    circuits = bind_and_merge(found.alone, values, physical=True)
    runs: dict[Slot, list[list[Pulse]]] = {
        slot: [[] for _ in circuits] for slot in found.varying if len(slot[0]) == 1
    }
    pairs: dict[Slot, list[float]] = {slot: [] for slot in found.varying if len(slot[0]) == 2}
    for sample, circuit in enumerate(circuits):
        ahead: dict[int, list[Slot]] = defaultdict(list)
        for slot in reversed(found.varying):
            for qubit in slot[0]:
                ahead[qubit].append(slot)
        for (qubits, _), instruction in _slots(circuit):
            slot = ahead[qubits[0]][-1]
            if instruction.name == "barrier":
                for qubit in qubits:
                    ahead[qubit].pop()
            elif slot in pairs:
                pairs[slot].append(float(instruction.params[0]))
            else:
                runs[slot][sample].append(pulse(instruction.name, instruction.params))
    return Bound(
        {slot: _pulses(written) for slot, written in runs.items()},
        {slot: np.array(turned) for slot, turned in pairs.items()},
    )


def _slots(circuit: "QuantumCircuit") -> Iterator[tuple[Slot, "CircuitInstruction"]]:
    """Every instruction with its slot."""
    index = {bit: number for number, bit in enumerate(circuit.qubits)}
    passed = [0] * len(index)
    for instruction in circuit.data:
        qubits = tuple(index[bit] for bit in instruction.qubits)
        yield (qubits, passed[qubits[0]]), instruction
        if len(qubits) == 2 and instruction.name not in _NEITHER:
            for qubit in qubits:
                passed[qubit] += 1


def _varying(circuit: "QuantumCircuit") -> dict[Slot, list["CircuitInstruction"]]:
    """The gates of every slot in which one holds a parameter."""
    gates: dict[Slot, list[CircuitInstruction]] = defaultdict(list)
    for slot, instruction in _slots(circuit):
        if instruction.name not in _NEITHER:
            gates[slot].append(instruction)
    return {slot: held for slot, held in gates.items() if any(i.is_parameterized() for i in held)}


def _pulses(runs: Sequence[Sequence[Pulse]]) -> Pulses:
    """The same run in each sample; shorter ones end in rz(0)."""
    table = np.zeros((len(runs), max([1, *map(len, runs)]), 3))
    for sample, run in enumerate(runs):
        if run:
            table[sample, : len(run)] = run
    return Pulses(table[..., 0] > 0, table[..., 1], table[..., 2])
