"""Tracing a PennyLane quantum function, once, into a Program."""

import inspect
import itertools
import linecache
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import prod
from pathlib import Path
from typing import Any
from unittest import mock

import pennylane as qml
import torch
from pennylane.measurements import ExpectationMP, MeasurementProcess, ProbabilityMP
from pennylane.operation import Operator
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from qcli.circuit.angles import angle_map
from qcli.circuit.gates import GATES
from qcli.circuit.program import Expectation, Gate, Measurement, PauliWord, Probabilities, Program
from qcli.errors import QcliError

_LIBRARIES = tuple(
    f"{Path(file).parent}/" for file in (inspect.getfile(qml), inspect.getfile(torch), __file__)
)
_WITHOUT_EFFECT = {"Barrier", "GlobalPhase", "Identity", "Snapshot", "WireCut"}
_MID_CIRCUIT = {"MidMeasureMP", "MidMeasure", "Conditional", "PauliMeasure"}
_MATRIX_OBSERVABLE_WIRES = 6


def trace(circuit: Callable[..., Any], features: int, weight_shapes: Mapping[str, Sequence[int]]) -> Program:
    """Trace `circuit(inputs, **weights)` for inputs of shape `(features,)`.

    A circuit written for a broadcast batch (`inputs[:, i]`) is traced with inputs of shape `(1, features)`.
    All weights, flattened and concatenated in the order of `weight_shapes`, are the weights of the angle map.

    Raises:
        QcliError: naming the operation and its line, when the circuit has data-dependent control flow,
            a mid-circuit measurement, an operation without a gate form, or an unsupported measurement.
    """
    try:
        return _trace(circuit, (features,), weight_shapes)
    except IndexError as error:
        with suppress(IndexError, QcliError):
            return _trace(circuit, (1, features), weight_shapes)
        raise QcliError(
            f"the circuit indexes its inputs of shape ({features},) out of range: {error}",
            _user_line(traceback.walk_tb(error.__traceback__)),
            "index inputs[..., i] with i below the number of features that reach the quantum layer",
        ) from None


def _trace(
    circuit: Callable[..., Any], input_shape: tuple[int, ...], shapes: Mapping[str, Sequence[int]]
) -> Program:
    recording = _Recording(circuit)

    def angles_of(inputs: Tensor, weights: Tensor) -> list[Tensor]:
        pieces = torch.split(weights, [prod(shape) for shape in shapes.values()]) if shapes else ()
        named = {
            name: piece.reshape(tuple(shape))
            for (name, shape), piece in zip(shapes.items(), pieces, strict=True)
        }
        recording.run(inputs.reshape(input_shape), named)
        return [_scalar(op, angle) for op in recording.gates for angle in op.data]

    generator = torch.Generator().manual_seed(0)
    sizes = (input_shape[-1], sum(prod(shape) for shape in shapes.values()))
    example, *probes = (
        [scale * (torch.rand(n, dtype=torch.float64, generator=generator) + 0.1) for n in sizes]
        for scale in (1.0, -2.0, 10.0)
    )
    with _as_if_compiled():
        module = make_fx(angles_of)(*example)
        module.graph.eliminate_dead_code()
        _refuse_trainable_constants(module, recording)
        gates = recording.gates
        for probe in probes:
            _refuse_frozen_values(gates, module(*probe), angles_of(*probe), recording)

    labels = _wire_order(recording)
    index = {label: i for i, label in enumerate(labels)}
    columns = itertools.count()
    return Program(
        len(labels),
        tuple(
            Gate(
                op.name,
                tuple(index[w] for w in op.wires),
                next(columns) if GATES[op.name].has_angle else None,
            )
            for op in gates
        ),
        tuple(_measurement(m, index, recording) for m in recording.measurements),
        angle_map(module, *sizes),
        tuple(labels),
    )


def _refuse_trainable_constants(module: GraphModule, recording: "_Recording") -> None:
    """A tensor of the circuit's surroundings that requires a gradient would be frozen at its present value."""
    for node in module.graph.nodes:
        if node.op == "get_attr" and getattr(module, str(node.target)).requires_grad:
            raise QcliError(
                "the circuit uses a trainable tensor that is not among its arguments",
                recording.name,
                "pass it as a weight: name it in weight_shapes and take it as an argument of the circuit",
            )


def _refuse_frozen_values(
    gates: list[Operator], traced: list[Tensor], expected: list[Tensor], recording: "_Recording"
) -> None:
    """Compare the trace with the circuit itself, called again: numbers taken out of tensors then differ."""
    before, after = ([(op.name, tuple(op.wires)) for op in ops] for ops in (gates, recording.gates))
    owners = [op for op in recording.gates for _ in op.data]
    differing = [
        op
        for op, a, b in zip(owners, traced, expected, strict=False)
        if not torch.allclose(a, b, equal_nan=True)
    ]
    if before != after or differing:
        raise QcliError(
            "the trace does not follow the circuit: a value was taken out of the inputs or weights, or is random",
            recording.line(differing[0]) if before == after else recording.name,
            "compute angles with torch functions: no numpy, .item(), .tolist() or random numbers in the circuit",
        )


class _LineQueue(qml.queuing.AnnotatedQueue):
    """A PennyLane queue that remembers the line of the user's code which appended each operation."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[int, str] = {}

    def append(self, obj: Any, **kwargs: Any) -> None:
        self.lines[id(obj)] = _user_line(reversed(list(traceback.walk_stack(sys._getframe()))))
        super().append(obj, **kwargs)


def _user_line(frames: Any) -> str:
    """The innermost frame outside PennyLane, torch and this room, as `file:line: source`."""
    last = ""
    for frame, number in frames:
        name = frame.f_code.co_filename
        if not name.startswith((*_LIBRARIES, "<")):
            last = f"{name}:{number}: {linecache.getline(name, number).strip()}"
    return last


def _place(function: Callable[..., Any]) -> str:
    """Where a quantum function is defined, as `file:line: name`."""
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}: {name}" if code else name


class _Recording:
    """What a circuit did when it was called: its operations, decomposed, and its measurements."""

    def __init__(self, circuit: Callable[..., Any]) -> None:
        self.circuit = circuit
        self.name = _place(getattr(circuit, "func", circuit))
        self.gates: list[Operator] = []
        self.measurements: list[MeasurementProcess] = []
        self.lines: dict[int, str] = {}

    def run(self, inputs: Tensor, weights: dict[str, Tensor]) -> None:
        queue = _LineQueue()
        current: Operator | None = None
        try:
            with queue:
                result = self.circuit(inputs=inputs, **weights)
            self.lines = queue.lines
            script = qml.tape.QuantumScript.from_queue(queue)
            self.measurements = _returned(result, self.name)
            self.gates = []
            for current in script.operations:
                gates = self._expand(current, self.line(current))
                self.lines |= {id(gate): self.line(current) for gate in gates}
                self.gates += gates
        except RuntimeError as error:
            if "tracing tensor" not in str(error):
                raise
            subject = (
                f"the decomposition of {current.name}" if current is not None else "the circuit's structure"
            )
            line = (
                self.line(current)
                if current is not None
                else _user_line(traceback.walk_tb(error.__traceback__))
            )
            raise QcliError(
                f"{subject} depends on the values of inputs or weights (data-dependent control flow)",
                line or self.name,
                "use the value as a gate's angle instead of deciding on it, or decide outside the circuit",
            ) from None

    def line(self, item: object) -> str:
        return self.lines.get(id(item)) or self.name

    def _expand(self, op: Operator, line: str) -> list[Operator]:
        """The operation as gates of the vocabulary, by PennyLane's own decompositions."""
        if op.name in GATES:
            return [op]
        if op.name in _WITHOUT_EFFECT:
            return []
        if op.name in _MID_CIRCUIT or type(op).__name__ in _MID_CIRCUIT:
            raise QcliError(
                f"mid-circuit measurement or feed-forward ({op.name}) cannot be traced",
                line,
                "defer the measurement: replace it by controlled gates (qml.defer_measurements shows how)",
            )
        if not op.has_decomposition:
            raise QcliError(
                f"operation {op.name} has no gate form",
                line,
                "use gates, or a template that PennyLane decomposes into gates (qml.StatePrep for a state vector)",
            )
        with qml.QueuingManager.stop_recording():
            return [gate for part in op.decomposition() for gate in self._expand(part, line)]


def _returned(result: Any, name: str) -> list[MeasurementProcess]:
    items = list(result) if isinstance(result, list | tuple) else [result]
    if not items or not all(isinstance(item, MeasurementProcess) for item in items):
        kinds = ", ".join(sorted({type(item).__name__ for item in items})) or "nothing"
        raise QcliError(
            f"the circuit returns {kinds}, not measurements",
            name,
            "return qml.expval(...) or qml.probs(...), or a list",
        )
    return items


def _scalar(op: Operator, angle: Any) -> Tensor:
    tensor = torch.as_tensor(angle, dtype=torch.float64) if not isinstance(angle, Tensor) else angle
    if tensor.numel() != 1:
        raise QcliError(
            f"{op.name} got {tensor.numel()} values where one angle belongs",
            f"wires {op.wires.tolist()}",
            "index the inputs with inputs[..., i]; batches are handled outside the circuit",
        )
    return tensor.reshape(())


def _wire_order(recording: _Recording) -> list[Any]:
    """Integer labels in ascending order, any others in the order of their first use."""
    operators = [*recording.gates, *recording.measurements]
    labels = list(dict.fromkeys(wire for item in operators for wire in item.wires))
    if not labels:
        raise QcliError(
            "the circuit uses no wires", recording.name, "apply gates and measure at least one wire"
        )
    return sorted(labels) if all(isinstance(label, int) for label in labels) else labels


def _measurement(process: MeasurementProcess, index: Mapping[Any, int], recording: _Recording) -> Measurement:
    line = recording.line(process)
    if isinstance(process, ProbabilityMP) and process.obs is None:
        wires = process.wires or list(index)
        return Probabilities(tuple(index[w] for w in wires))
    if not isinstance(process, ExpectationMP):
        raise QcliError(
            f"measurement {process!r} is not supported",
            line,
            "return expectation values (qml.expval) or qml.probs(wires=...)",
        )
    observable = process.obs
    sentence = None if observable is None else observable.pauli_rep
    if sentence is None and observable is not None and len(observable.wires) <= _MATRIX_OBSERVABLE_WIRES:
        matrix = qml.matrix(observable, wire_order=observable.wires)
        sentence = qml.pauli_decompose(matrix, wire_order=observable.wires, pauli=True, check_hermitian=False)
    if sentence is None:
        raise QcliError(
            f"observable {observable!r} has no Pauli form",
            line,
            "write it as a sum of products of Pauli operators",
        )
    terms: dict[PauliWord, float] = {}
    for word, coefficient in sentence.items():
        letters = tuple(sorted((index[wire], letter) for wire, letter in word.items()))
        terms[letters] = terms.get(letters, 0.0) + _real(coefficient, line)
    return Expectation(tuple((c, word) for word, c in sorted(terms.items()) if c != 0.0))


def _real(coefficient: Any, line: str) -> float:
    value = complex(coefficient)
    if abs(value.imag) > 1e-12:
        raise QcliError("an observable has a complex coefficient", line, "measure a Hermitian observable")
    return value.real


@contextmanager
def _as_if_compiled() -> Iterator[None]:
    """Make PennyLane treat tensors as abstract, as under JAX's jit: templates then keep one structure for all."""
    original = qml.math.is_abstract
    with mock.patch.object(
        qml.math, "is_abstract", lambda t, like=None: isinstance(t, Tensor) or original(t, like)
    ):
        yield
