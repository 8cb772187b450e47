"""Native circuits as plain lists of gates, and virtual rz taken out of them.

A turn of the frame about z takes no pulse: it commutes with cz, zz and measurement, changes sides under iswap, and
turns the axis of later pulses back, r(θ, φ) rz(z) = rz(z) r(θ, φ − z) (D. C. McKay et al., PRA 96, 022330 (2017)).
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit


class NativeGate(NamedTuple):
    """A gate by Qiskit's name on physical qubits, its angles in radians."""

    name: str
    qubits: tuple[int, ...]
    angles: tuple[float, ...] = ()


PULSES = {"sx": (math.pi / 2, 0.0), "x": (math.pi, 0.0)}
"""Angle and axis of the one-qubit pulses that have neither as a parameter: they are r(angle, axis)."""


def native_gates(circuit: "QuantumCircuit") -> list[NativeGate]:
    """The gates of a bound native circuit, without barriers and measurements."""
    index = {bit: number for number, bit in enumerate(circuit.qubits)}
    return [
        NativeGate(each.name, tuple([index[bit] for bit in each.qubits]), tuple(map(float, each.params)))
        for each in circuit.data
        if each.name not in ("barrier", "measure")
    ]


def track_frames(gates: Iterable[NativeGate]) -> list[NativeGate]:
    """The same gates without rz: pulses are `r` with axes in the turned frame, angles of `rzz` within ±π/2.

    Outcomes of measuring every qubit in the computational basis stay the same; the last frames are dropped. rzz by
    θ ± π is rzz by θ and a half turn of both frames, up to a global phase.

    Raises:
        KeyError: a gate that does not go with frames, such as rxx or ecr.
    """
    frames: dict[int, float] = {}
    result = []
    for name, qubits, angles in gates:
        turns = [frames.get(qubit, 0.0) for qubit in qubits]
        if name == "rz":
            turns[0] += angles[0]
        elif name == "iswap":
            turns.reverse()
            result.append(NativeGate(name, qubits))
        elif name == "rzz":
            halves = round(angles[0] / math.pi)
            turns = [turn + halves * math.pi for turn in turns]
            result.append(NativeGate(name, qubits, (angles[0] - halves * math.pi,)))
        elif name == "cz":
            result.append(NativeGate(name, qubits))
        else:
            angle, axis = _pulse(name, angles)
            result.append(NativeGate("r", qubits, (angle, math.remainder(axis - turns[0], 2 * math.pi))))
        frames.update(zip(qubits, turns, strict=True))
    return result


def _pulse(name: str, angles: tuple[float, ...]) -> tuple[float, float]:
    """Angle and axis of a one-qubit pulse."""
    if name == "r":
        return angles[0], angles[1]
    return (angles[0], 0.0) if name == "rx" else PULSES[name]
