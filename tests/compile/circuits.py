"""Random circuits and exact distributions to check compilation with."""

import numpy as np
from braket.circuits import Circuit, Gate
from qiskit.circuit import ParameterVector, QuantumCircuit
from qiskit.quantum_info import Statevector

from qcli.circuit.gates import GATES


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


def from_vocabulary(wires: int, seed: int, gates: int) -> QuantumCircuit:
    """Gates of a Program's vocabulary on random wires, with fixed angles and up to four parameters; some of the wires
    are measured, in random order.
    """
    rng = np.random.default_rng(seed)
    x = ParameterVector("x", 4)
    kinds = [kind for kind in GATES.values() if kind.wires <= wires]
    some = sorted(rng.choice(wires, rng.integers(1, wires + 1), replace=False))
    circuit = QuantumCircuit(wires, len(some))
    for wire in range(wires):
        circuit.ry(x[wire % 4] + 0.1 * wire, wire)
    for _ in range(gates):
        kind = kinds[rng.integers(len(kinds))]
        angle = x[int(rng.integers(4))] if rng.random() < 0.3 else rng.uniform(-3, 3)
        places = [int(wire) for wire in rng.choice(wires, kind.wires, replace=False)]
        getattr(circuit, kind.qiskit)(*([angle] if kind.has_angle else []), *places)
    circuit.measure([int(wire) for wire in rng.permutation(some)], range(len(some)))
    return circuit


def of_braket(circuit: Circuit) -> QuantumCircuit:
    """A verbatim circuit by the matrices of its gates, on its qubits alone."""
    gates = [each for each in circuit.instructions if isinstance(each.operator, Gate)]
    measured = [
        int(q) for each in circuit.instructions if each.operator.name == "Measure" for q in each.target
    ]
    qubits = sorted({int(q) for each in gates for q in each.target} | {*measured})
    result = QuantumCircuit(len(qubits), len(measured))
    for each in gates:
        places = [qubits.index(int(q)) for q in each.target]
        # Braket's first qubit is the most significant
        result.unitary(each.operator.to_matrix(), places[::-1])
    result.measure([qubits.index(q) for q in measured], range(len(measured)))
    return result
