"""The neutral circuit in PennyLane's terms."""

from collections.abc import Sequence
from typing import Any

import pennylane as qml

from peers.circuit import Circuit


def apply(circuit: Circuit, x: Sequence[Any], weights: Any) -> list[Any]:
    """The gates, queued inside a quantum function; `x[i]` is feature i, of one sample or of a batch."""
    operations = []
    for gate in circuit.gates:
        make = getattr(qml, gate.name)
        if gate.source is None:
            operations.append(make(wires=gate.wires))
        else:
            kind, i = gate.source
            operations.append(make(x[i] if kind == "x" else weights[i], wires=gate.wires))
    return operations


def observable(circuit: Circuit) -> Any:
    terms = [qml.Z(wire) for wire in circuit.measured]
    return terms[0] if len(terms) == 1 else qml.dot([1.0 / len(terms)] * len(terms), terms)
