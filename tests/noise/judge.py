"""Aer's density matrices as the judge: its own device errors on the device's own target, relaxation while idle."""

from collections.abc import Sequence

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate
from qiskit.quantum_info import SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, thermal_relaxation_error
from qiskit_aer.noise.device import basic_device_gate_errors

from qcli.compile.schedule import timeline
from qcli.compile.target import native_target
from qcli.compile.transpile import Compiled, bind_and_merge
from qcli.device.record import Device

_GATES = ["r", "rx", "rz", "sx", "x", "cz", "ecr", "cx", "rzz", "rxx", "unitary", "measure"]


def depolarising_only(device: Device) -> Device:
    """T1 and T2 unknown: errors are depolarising and readout."""
    qubits = [(q.id, None, None, q.error_1q, q.p1_given_0, q.p0_given_1) for q in device.qubits]
    return Device.model_validate(device.model_dump() | {"qubits": qubits})


def noise_model(device: Device, qubits: Sequence[int], relaxation: bool = True) -> NoiseModel:
    """Gate errors from the device cut down to `qubits`, asymmetric readout."""
    model = NoiseModel(basis_gates=_GATES)
    target = native_target(device, qubits)
    for name, place, error in basic_device_gate_errors(target=target, thermal_relaxation=relaxation):
        model.add_quantum_error(error, name, place)
    known = {qubit.id: qubit for qubit in device.usable}
    for index, physical in enumerate(qubits):
        up, down = known[physical].p1_given_0, known[physical].p0_given_1
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [index])
    return model


def gate_errors(device: Device, qubits: Sequence[int]) -> dict[tuple[str, tuple[int, ...]], SuperOp]:
    """Aer's channel after each native gate, by name and place."""
    errors = basic_device_gate_errors(target=native_target(device, qubits))
    return {(name, tuple(place)): SuperOp(error) for name, place, error in errors}


def distributions(compiled: Compiled, values: np.ndarray, idle: bool = False) -> np.ndarray:
    """`(samples, 2**bits)` of the circuits of `bind_and_merge`, gate by gate; classical bit 0 most significant."""
    model = noise_model(compiled.device, compiled.used_qubits)
    circuits = bind_and_merge(compiled, values, physical=True)
    played = [_played(circuit, compiled, idle) for circuit in circuits]
    simulator = AerSimulator(method="density_matrix", noise_model=model, max_parallel_threads=1)
    result = simulator.run(played, shots=1).result()
    assert result.success, result.status
    known = {qubit.id: qubit for qubit in compiled.device.usable}
    found = []
    for k in range(len(circuits)):
        joint = np.asarray(result.data(k)["probabilities"]).reshape((2,) * len(compiled.layout))
        joint = joint.transpose(range(joint.ndim - 1, -1, -1))
        for bit, physical in enumerate(compiled.layout):
            up, down = known[physical].p1_given_0, known[physical].p0_given_1
            joint = np.moveaxis(np.tensordot([[1 - up, down], [up, 1 - down]], joint, (1, bit)), 0, bit)
        found.append(joint.ravel())
    return np.array(found)


def _played(circuit: QuantumCircuit, compiled: Compiled, idle: bool) -> QuantumCircuit:
    """On the used qubits, with relaxation in idle windows, what is measured saved instead."""
    place = {physical: i for i, physical in enumerate(compiled.used_qubits)}
    known = {qubit.id: qubit for qubit in compiled.device.usable}
    waits: dict[int, list[tuple[int, float]]] = {}
    for window in timeline(circuit, compiled.device).idles if idle else ():
        waits.setdefault(window.before, []).append((window.qubit, window.seconds))
    played = QuantumCircuit(len(place))
    for number, instruction in enumerate(circuit.data):
        for physical, seconds in waits.get(number, []):
            t1, t2 = known[physical].t1_s, known[physical].t2_s
            t1 = np.inf if t1 is None else t1
            error = thermal_relaxation_error(t1, min(2 * t1, np.inf if t2 is None else t2), seconds)
            played.append(error.to_instruction(), [place[physical]])
        if instruction.name not in ("measure", "barrier"):
            operation = instruction.operation
            if operation.name == "iswap":
                operation = UnitaryGate(operation.to_matrix(), label="iswap")
            played.append(operation, [place[circuit.find_bit(bit).index] for bit in instruction.qubits])
    played.save_probabilities([place[physical] for physical in compiled.layout])
    return played
