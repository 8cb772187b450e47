"""A Program as a parametrised Qiskit circuit. Qiskit's bit order (qubit 0 last) is handled here and nowhere else."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import ParameterVector

from qcli.circuit.gates import GATES
from qcli.circuit.program import Probabilities, Program


def template(program: Program, angles: NDArray[np.float64]) -> tuple[QuantumCircuit, list[int]]:
    """One circuit for all samples, and the columns of the angle tensor that are its parameters, in order.

    Angles that depend on the inputs stay parameters; the others are bound to `angles` `(angles,)`, so that
    blocks of fixed gates can be resynthesised. Wire i is qubit i; the wires of the program's `Probabilities`
    measurement are read into classical bits 0, 1, … in their order.
    """
    (measured,) = [m.wires for m in program.measurements if isinstance(m, Probabilities)]
    register = ClassicalRegister(len(measured), "c")
    circuit = QuantumCircuit(QuantumRegister(program.wires, "q"), register)
    columns = [k for k, varies in enumerate(program.angle_map.from_inputs) if varies]
    values: dict[int, object] = dict(enumerate(angles.tolist()))
    values |= dict(zip(columns, ParameterVector("angle", len(columns)), strict=True))
    for gate in program.gates:
        append = getattr(circuit, GATES[gate.name].qiskit)
        append(*([] if gate.angle is None else [values[gate.angle]]), *gate.wires)
    circuit.measure(measured, register)
    return circuit, columns


def frequencies(counts: Mapping[str, int], bits: int) -> NDArray[np.float64]:
    """Relative frequencies `(2**bits,)` of Qiskit counts, indexed with the first measured wire most significant."""
    values = np.zeros(2**bits)
    for bitstring, count in counts.items():
        values[int(bitstring[::-1], 2)] += count
    return values / values.sum()
