"""The quantum computer behind the stand-in for IBM: state vectors of the qubits that count, outcomes that repeat."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression, QuantumCircuit
from qiskit.circuit.library import get_standard_gate_name_mapping
from samplomatic.quantum_program import CircuitItem, SamplexItem

_IDLE = {"barrier", "delay", "id"}
_FRACTIONAL = {"rx", "rzz"}
_WIDEST = 20
_RIGHT_ANGLE = np.pi / 2 + 1e-10

Operation = tuple[str, tuple[int, ...], tuple[Any, ...]]
"""Name, qubits, angles."""
Entries = list[tuple[int, int, Any]]
"""The entries of a gate's matrix that are not zero, by row and column; the first qubit is the lowest bit."""


class UnsupportedError(Exception):
    """A circuit that the backend cannot run."""


class Machine:
    """Runs the items of a quantum program.

    With probability `1 - contrast` a shot is a uniformly random outcome. The outcomes follow from the circuit, its
    parameters, the shots and the seed alone: the same circuit sent again, in whatever company, gives the same counts.
    """

    def __init__(self, seed: int, contrast: float) -> None:
        self.seed, self.contrast = seed, contrast
        self._known: dict[str, np.ndarray] = {}

    def run(self, item: CircuitItem | SamplexItem, shots: int) -> dict[str, np.ndarray]:
        """What the service returns of one item: by classical register, (shape, shots, bits), and a twirl's flips."""
        circuit = _Cut(item.circuit)
        if isinstance(item, CircuitItem):
            extra, values = {}, np.asarray(item.circuit_arguments, float)
        else:
            extra = self._twirled(item, circuit)
            values = np.asarray(extra.pop("parameter_values", np.empty((*item.shape, 0))), float)
        shape, rows = values.shape[:-1], values.reshape(int(np.prod(values.shape[:-1])), values.shape[-1])
        key = self._digest(circuit.content, rows.tobytes(), shots)
        if key not in self._known:
            self._known[key] = self._outcomes(circuit, rows, shots)
        bits = self._known[key].reshape(*shape, shots, circuit.clbits)
        return extra | {name: bits[..., places] for name, places in circuit.registers.items()}

    def _twirled(self, item: SamplexItem, circuit: "_Cut") -> dict[str, np.ndarray]:
        from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample

        given = [
            (name, np.asarray(value).tobytes()) for name, value in sorted(item.samplex_arguments.items())
        ]
        rng = self._rng(circuit.content, repr((given, item.shape)).encode(), 0)
        item.samplex.finalize()
        return broadcast_sample(item.samplex, item.samplex_arguments, item.shape, rng)

    def _outcomes(self, circuit: "_Cut", rows: np.ndarray, shots: int) -> np.ndarray:
        """(rows, shots, classical bits)."""
        spread = [(clbits, np.cumsum(p, axis=1)) for clbits, p in circuit.probabilities(rows)]
        bits = np.zeros((len(rows), shots, circuit.clbits), bool)
        for row, values in enumerate(rows):
            rng = self._rng(circuit.content, values.tobytes(), shots)
            for clbits, cumulated in spread:
                drawn = np.searchsorted(cumulated[row], rng.random(shots) * cumulated[row, -1], side="right")
                for place, clbit in enumerate(reversed(clbits)):
                    bits[row, :, clbit] = drawn >> place & 1
            lost = np.flatnonzero(rng.random(shots) >= self.contrast)
            read = np.array([clbit for clbits, _ in spread for clbit in clbits], int)
            bits[row, lost[:, None], read] = rng.integers(0, 2, (len(lost), len(read)), dtype=bool)
        return bits

    def _digest(self, content: str, values: bytes, shots: int) -> str:
        return hashlib.sha256(repr((self.seed, content, shots)).encode() + values).hexdigest()

    def _rng(self, content: str, values: bytes, shots: int) -> np.random.Generator:
        return np.random.default_rng(int(self._digest(content, values, shots), 16))


class _Cut:
    """A circuit without the qubits that have no part in what is measured.

    `content` says everything that the outcomes depend on.
    """

    def __init__(self, circuit: QuantumCircuit) -> None:
        qubit = {bit: index for index, bit in enumerate(circuit.qubits)}
        clbit = {bit: index for index, bit in enumerate(circuit.clbits)}
        self.clbits = len(clbit)
        self.registers = {register.name: [clbit[bit] for bit in register] for register in circuit.cregs}
        self._column = {parameter: index for index, parameter in enumerate(circuit.parameters)}
        operations: list[Operation] = []
        reads: dict[int, int] = {}
        for each in circuit.data:
            name, acted = each.operation.name, tuple(qubit[bit] for bit in each.qubits)
            late = not set(acted).isdisjoint(reads.values())
            if late and (name == "measure" or len(acted) > 1) and name not in _IDLE:
                raise UnsupportedError(
                    f"{name} on qubits {acted} after a measurement: the stand-in does not do that"
                )
            if name == "measure":
                reads[clbit[each.clbits[0]]] = acted[0]
            elif not late and name not in _IDLE:
                operations.append((name, acted, tuple(each.operation.params)))
        self._groups = _groups(operations, reads)
        widest = max((len(qubits) for qubits, _, _ in self._groups), default=0)
        if widest > _WIDEST:
            raise UnsupportedError(f"{widest} entangled qubits: the stand-in has at most {_WIDEST}")
        self.content = repr(
            (self.registers, [(group, reads, str(gates)) for group, reads, gates in self._groups])
        )

    def probabilities(self, rows: np.ndarray) -> Iterable[tuple[list[int], np.ndarray]]:
        """Of each group of entangled qubits: its classical bits, and (rows, outcomes), the first bit the highest."""

        def angle(given: Any) -> Any:
            if isinstance(given, Parameter):
                return rows[:, self._column[given]]
            if isinstance(given, ParameterExpression):
                used = {each: self._column[each] for each in given.parameters}
                return np.array([float(given.bind({p: row[k] for p, k in used.items()})) for row in rows])
            return float(given)

        for qubits, reads, gates in self._groups:
            axis = {qubit: 1 + place for place, qubit in enumerate(qubits)}
            chances = np.abs(_state(gates, axis, angle, len(rows))) ** 2
            read = [axis[qubit] for qubit in reads.values()]
            rest = [place for place in axis.values() if place not in read]
            ordered = chances.transpose(0, *read, *rest).reshape(len(rows), 2 ** len(read), -1)
            yield list(reads), ordered.sum(axis=2)


def _groups(
    operations: list[Operation], reads: dict[int, int]
) -> list[tuple[tuple[int, ...], dict[int, int], list[Operation]]]:
    """(qubits, qubit by classical bit, operations) of the connected qubits of which at least one is measured."""
    leader: dict[int, int] = {}

    def find(qubit: int) -> int:
        while leader.setdefault(qubit, qubit) != qubit:
            qubit = leader[qubit]
        return qubit

    for _, acted, _ in operations:
        for other in acted[1:]:
            leader[find(other)] = find(acted[0])
    measured: dict[int, dict[int, int]] = defaultdict(dict)
    for clbit, qubit in sorted(reads.items()):
        measured[find(qubit)][clbit] = qubit
    gates: dict[int, list[Operation]] = defaultdict(list)
    for operation in operations:
        gates[find(operation[1][0])].append(operation)
    members: dict[int, list[int]] = defaultdict(list)
    for qubit in sorted(leader):
        members[find(qubit)].append(qubit)
    return [(tuple(members[root]), group, gates[root]) for root, group in measured.items()]


def _state(
    gates: list[Operation], axis: dict[int, int], angle: Callable[[Any], Any], rows: int
) -> np.ndarray:
    """(rows, 2, 2, …)."""
    dimensions = 1 + len(axis)
    state = np.zeros((rows, *(2,) * len(axis)), complex)
    state[(slice(None), *(0,) * len(axis))] = 1
    for name, acted, given in gates:
        places = []
        for bits in product((0, 1), repeat=len(acted)):
            place: list[Any] = [slice(None)] * dimensions
            for qubit, bit in zip(acted, reversed(bits), strict=True):
                place[axis[qubit]] = bit
            places.append(tuple(place))
        parts: list[Any] = [0] * len(places)
        wide = (rows, *(1,) * (dimensions - 1 - len(acted)))
        for row, column, entry in _entries(name, *map(angle, given)):
            factor = entry.reshape(wide) if isinstance(entry, np.ndarray) else entry
            parts[row] = parts[row] + factor * state[places[column]]
        for place, part in zip(places, parts, strict=True):
            state[place] = part
    return state


def _entries(name: str, *angles: Any) -> Entries:
    if name in ("rz", "rzz"):
        ahead, behind = np.exp(-0.5j * angles[0]), np.exp(0.5j * angles[0])
        return [(k, k, behind if k in (1, 2) else ahead) for k in range(2 if name == "rz" else 4)]
    if name == "rx":
        stay, flip = np.cos(angles[0] / 2), -1j * np.sin(angles[0] / 2)
        return [(0, 0, stay), (0, 1, flip), (1, 0, flip), (1, 1, stay)]
    return _fixed(name)


@cache
def _fixed(name: str) -> Entries:
    gate = get_standard_gate_name_mapping().get(name)
    if gate is None or gate.params or not hasattr(gate, "to_matrix"):
        raise UnsupportedError(f"the stand-in does not know {name}")
    matrix = gate.to_matrix()
    return [(int(row), int(column), complex(matrix[row, column])) for row, column in np.argwhere(matrix)]


def check(circuit: QuantumCircuit, configuration: dict[str, Any]) -> None:
    """Raises: UnsupportedError, if the backend lacks an instruction or a coupling, or the stand-in is too small."""
    known = {*configuration["basis_gates"], *_FRACTIONAL, *_IDLE, "measure"}
    coupled = {tuple(pair) for pair in configuration["coupling_map"]}
    qubit = {bit: index for index, bit in enumerate(circuit.qubits)}
    if len(qubit) > configuration["n_qubits"]:
        raise UnsupportedError(
            f"the circuit has {len(qubit)} qubits, the backend {configuration['n_qubits']}"
        )
    for each in circuit.data:
        name, acted = each.operation.name, tuple(qubit[bit] for bit in each.qubits)
        pairs = len(acted) == 2 and name not in _IDLE
        if name not in known or (pairs and acted not in coupled):
            raise UnsupportedError(
                f"The instruction {name} on qubits {acted} is not supported by the target system."
            )
        if name == "rzz":
            angle = each.operation.params[0]
            if not isinstance(angle, ParameterExpression) and not 0 <= angle <= _RIGHT_ANGLE:
                raise UnsupportedError(
                    f"The instruction rzz is supported only for angles from 0 to pi/2, not {angle}."
                )
    _Cut(circuit)
