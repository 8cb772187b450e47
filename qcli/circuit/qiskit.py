"""A Program as a parametrised Qiskit circuit. Qiskit's bit order (qubit 0 last) is handled here and nowhere else."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector

from qcli.circuit.gates import GATES
from qcli.circuit.program import Probabilities, Program

ANGLES = "angle"
"""Name of the parameter vector of a template: element k is column k of the angle tensor."""


def to_qiskit(program: Program) -> QuantumCircuit:
    """One template for all inputs; the wires of a single `Probabilities` measurement are measured, in order.

    Wire i is qubit i; classical bit j holds the j-th measured wire. Angles are the elements of the
    `ParameterVector` `angle`, so a template is compiled once and bound for every sample.
    """
    measured = [m.wires for m in program.measurements if isinstance(m, Probabilities)]
    register = ClassicalRegister(len(measured[0]) if measured else 0, "c")
    circuit = QuantumCircuit(QuantumRegister(program.wires, "q"), register)
    angles = ParameterVector(ANGLES, program.angle_map.count)
    for gate in program.gates:
        append = getattr(circuit, GATES[gate.name].qiskit)
        append(*([] if gate.angle is None else [angles[gate.angle]]), *gate.wires)
    if measured:
        circuit.measure(measured[0], register)
    return circuit


def frequencies(counts: Mapping[str, int], bits: int) -> NDArray[np.float64]:
    """Relative frequencies `(2**bits,)` of Qiskit counts, indexed with the first measured wire most significant."""
    values = np.zeros(2**bits)
    for bitstring, count in counts.items():
        values[int(bitstring[::-1], 2)] += count
    return values / values.sum()
