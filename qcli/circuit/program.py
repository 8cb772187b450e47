"""A traced quantum circuit as plain data."""

import hashlib
import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qcli.circuit.angles import AngleMap

PauliWord = tuple[tuple[int, str], ...]
"""Pauli letters on wires, sorted by wire: `((0, "Z"), (3, "X"))`. The empty word is the identity."""


@dataclass(frozen=True)
class Gate:
    """A gate of the vocabulary in `circuit.gates`; `angle` is a column of the angle tensor, or None."""

    name: str
    wires: tuple[int, ...]
    angle: int | None = None


@dataclass(frozen=True)
class Expectation:
    """Expectation value of a real weighted sum of Pauli words; one output column."""

    terms: tuple[tuple[float, PauliWord], ...]

    @property
    def columns(self) -> int:
        return 1


@dataclass(frozen=True)
class Probabilities:
    """Probabilities of the bitstrings of `wires`, the first wire most significant; 2**len(wires) columns."""

    wires: tuple[int, ...]

    @property
    def columns(self) -> int:
        return int(2 ** len(self.wires))


Measurement = Expectation | Probabilities


@dataclass(frozen=True)
class Program:
    """Gates on wires 0..wires-1, where each angle comes from, and what is measured.

    `wire_labels[i]` is the user's name of wire i. Wire 0 is the most significant bit of a bitstring.
    """

    wires: int
    gates: tuple[Gate, ...]
    measurements: tuple[Measurement, ...]
    angle_map: "AngleMap" = field(compare=False, repr=False)
    wire_labels: tuple[Hashable, ...] = ()

    @property
    def outputs(self) -> int:
        """Number of output columns of all measurements together."""
        return sum(measurement.columns for measurement in self.measurements)

    @property
    def key(self) -> str:
        """Content hash of gates and measurements: equal for equal circuits, whatever their angles."""
        content = [
            self.wires,
            [(gate.name, gate.wires, gate.angle) for gate in self.gates],
            [
                (type(m).__name__, m.terms if isinstance(m, Expectation) else m.wires)
                for m in self.measurements
            ],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
