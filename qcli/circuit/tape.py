"""A Program's gates as PennyLane operations."""

from collections.abc import Sequence
from typing import Any

import pennylane as qml


def operation(name: str, wires: Sequence[int], angle: Any = None) -> "qml.operation.Operator":
    """A gate of the vocabulary in `circuit.gates`; `angle` is a number or a tensor, None where the gate has none."""
    if name.startswith("Adjoint("):
        return qml.adjoint(getattr(qml, name[8:-1])(wires=wires))
    kind = getattr(qml, name)
    return kind(wires=wires) if angle is None else kind(angle, wires=wires)
