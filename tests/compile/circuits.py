"""Random circuits and exact distributions to check compilation with."""

import numpy as np
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import Statevector


def random_circuit(wires: int, seed: int, layers: int = 2) -> QuantumCircuit:
    """Random rotations and CNOTs between random wires; wire w is measured into bit w."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(wires, wires)
    for _ in range(layers):
        for wire in range(wires):
            circuit.u(*rng.uniform(0, 2 * np.pi, 3), wire)
        for _ in range(wires - 1):
            circuit.cx(*(int(wire) for wire in rng.choice(wires, 2, replace=False)))
    for wire in range(wires):
        circuit.ry(rng.uniform(0, 2 * np.pi), wire)
    circuit.measure(range(wires), range(wires))
    return circuit


def template(wires: int) -> QuantumCircuit:
    """Angles x encoded twice around entangling gates."""
    x = ParameterVector("x", 2 * wires)
    circuit = QuantumCircuit(wires, wires)
    for layer in range(2):
        for wire in range(wires):
            circuit.ry(x[layer * wires + wire], wire)
            circuit.rz(0.3 + wire, wire)
            circuit.rx(x[layer * wires + wire] * 0.5, wire)
        for wire in range(wires - 1):
            circuit.cx(wire, wire + 1)
    circuit.measure(range(wires), range(wires))
    return circuit


def distribution(circuit: QuantumCircuit) -> np.ndarray:
    """Exact probabilities over the classical bits, (2 ** bits,), bit 0 the least significant."""
    reads = {}
    gates = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            bit = circuit.find_bit(instruction.clbits[0]).index
            reads[bit] = circuit.find_bit(instruction.qubits[0]).index
        else:
            gates.append(instruction)
    return Statevector(gates).probabilities([reads[bit] for bit in sorted(reads)])
