"""The dry run: an executor that runs nothing and writes down every circuit it is handed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pennylane as qml
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.circuit import measure
from qcli.circuit.gates import GATES
from qcli.circuit.program import Program
from qcli.model.layer import QuantumLayer, quantum_layers
from qcli.simulate.exact import Blank
from qcli.simulate.executor import using


@dataclass(frozen=True, eq=False)
class Recorded:
    """A circuit submitted `count` times: its program, ready to measure, and one row of its angles. Equal by content."""

    program: Program
    angles: NDArray[np.float64]
    count: int

    @cached_property
    def content(self) -> tuple[str, bytes, int]:
        return self.program.key, self.angles.tobytes(), self.count

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recorded) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


@dataclass(frozen=True)
class Call:
    """One pass through a quantum layer, which the passes after it wait for.

    `shifts` are the evaluations of each of its circuits that a parameter-shift gradient needs: two for every frequency
    of every angle that a gradient reaches (Wierichs et al., Quantum 6, 677, 2022).
    """

    circuits: tuple[Recorded, ...]
    shifts: int


class Record(Blank):
    """Writes down each call of a quantum layer, with its circuits counted."""

    name = "record"

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self._trainable: Callable[[Program], list[bool]] = lambda program: []

    def enter(self, layer: QuantumLayer, unnamed: tuple[Any, ...], named: dict[str, Any]) -> None:
        """What the next call's gradient reaches; a forward pre-hook."""
        weights = [
            torch.full((layer.weights[name].numel(),), layer.weights[name].requires_grad)
            for name in layer.weight_shapes
        ]
        marked = torch.cat(weights) if weights else torch.zeros(0, dtype=torch.bool)
        (inputs,) = (*unnamed, *named.values())
        self._trainable = lambda program: program.angle_map.trainable(inputs.requires_grad, marked)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        row = angles[0].detach().double().cpu().numpy()
        circuits = [measure.group_program(program, group) for group in measure.groups(program)]
        recorded = tuple(Recorded(circuit, row, len(angles)) for circuit in circuits)
        self.calls.append(Call(recorded, _shifts(program, self._trainable(program))))
        return super().run(program, angles) + 0 * angles.sum(dim=1, keepdim=True)


def record(model: nn.Module, sample: Tensor) -> tuple[Call, ...]:
    """The circuits one inference of `model` submits, for a sample of shape `(1, features)`."""
    executor = Record()
    hooks = [
        layer.register_forward_pre_hook(executor.enter, with_kwargs=True) for layer in quantum_layers(model)
    ]
    model.eval()
    try:
        with using(executor), torch.enable_grad():
            model(sample)
    finally:
        for hook in hooks:
            hook.remove()
    return tuple(executor.calls)


def distinct(calls: Sequence[Call]) -> tuple[Recorded, ...]:
    """Each circuit once, by content, with the count of all: equal circuits with other angles are one."""
    found: dict[str, Recorded] = {}
    for call in calls:
        for circuit in call.circuits:
            before = found.get(circuit.program.key)
            count = circuit.count + (before.count if before else 0)
            found[circuit.program.key] = Recorded(circuit.program, circuit.angles, count)
    return tuple(found.values())


def _shifts(program: Program, trainable: list[bool]) -> int:
    return sum(
        2 * _frequencies(gate.name)
        for gate in program.gates
        if gate.angle is not None and trainable[gate.angle]
    )


@cache
def _frequencies(gate: str) -> int:
    """How many frequencies the expectation value has in the gate's angle."""
    operation = getattr(qml, gate)(0.1, wires=range(GATES[gate].wires))
    return len(operation.parameter_frequencies[0])
