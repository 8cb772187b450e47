"""The gates a Program may hold, by PennyLane's name, with their Qiskit counterparts.

Each gate takes at most one angle in radians; PennyLane decomposes everything else into these.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class GateKind:
    """`qiskit` is the name of the method of `qiskit.QuantumCircuit` that appends the gate."""

    wires: int
    has_angle: bool
    qiskit: str


GATES: dict[str, GateKind] = {
    "PauliX": GateKind(1, False, "x"),
    "PauliY": GateKind(1, False, "y"),
    "PauliZ": GateKind(1, False, "z"),
    "Hadamard": GateKind(1, False, "h"),
    "S": GateKind(1, False, "s"),
    "T": GateKind(1, False, "t"),
    "SX": GateKind(1, False, "sx"),
    "Adjoint(S)": GateKind(1, False, "sdg"),
    "Adjoint(T)": GateKind(1, False, "tdg"),
    "Adjoint(SX)": GateKind(1, False, "sxdg"),
    "RX": GateKind(1, True, "rx"),
    "RY": GateKind(1, True, "ry"),
    "RZ": GateKind(1, True, "rz"),
    "PhaseShift": GateKind(1, True, "p"),
    "CNOT": GateKind(2, False, "cx"),
    "CY": GateKind(2, False, "cy"),
    "CZ": GateKind(2, False, "cz"),
    "CH": GateKind(2, False, "ch"),
    "SWAP": GateKind(2, False, "swap"),
    "ISWAP": GateKind(2, False, "iswap"),
    "CRX": GateKind(2, True, "crx"),
    "CRY": GateKind(2, True, "cry"),
    "CRZ": GateKind(2, True, "crz"),
    "ControlledPhaseShift": GateKind(2, True, "cp"),
    "IsingXX": GateKind(2, True, "rxx"),
    "IsingYY": GateKind(2, True, "ryy"),
    "IsingZZ": GateKind(2, True, "rzz"),
    "Toffoli": GateKind(3, False, "ccx"),
    "CSWAP": GateKind(3, False, "cswap"),
}
