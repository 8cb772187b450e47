"""The calibrated noise of a device as an Aer noise model, and running circuits under it.

After each gate acts a depolarising channel, after thermal relaxation where it is known, such that the
gate's average fidelity is the calibrated one. With d = 2ⁿ for n qubits and relaxation of average
fidelity F_r (1 without it), a depolarising probability

    p = d (F_r − F) / (d F_r − 1)

gives (1 − p) F_r + p / d = F: the average fidelity of the completely depolarising channel is 1/d
(M. A. Nielsen, Phys. Lett. A 303, 249 (2002); the same as Aer's `basic_device_gate_errors`, which is used).
Where relaxation alone is worse than the calibrated error, relaxation alone acts. Readout flips bits
with the record's probability per direction. Not modelled: idling, crosstalk, leakage, drift.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qcli.compile.target import native_target
from qcli.device.record import Device
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit
    from qiskit.transpiler import Target
    from qiskit_aer.noise import NoiseModel

Place = tuple[int, ...]

DENSITY_MATRIX_LIMIT = 10
_AER_GATES = ["r", "rx", "rz", "sx", "x", "cz", "ecr", "cx", "rzz", "unitary", "measure"]


def noise_model(device: Device, used_qubits: Sequence[int]) -> "NoiseModel":
    """Noise on the cut-down register, index i being `used_qubits[i]`.

    Virtual rz is noiseless. Thermal relaxation acts only where T1 or T2 is known and gate times are
    published; elsewhere the whole calibrated error is depolarising.

    Raises:
        QcliError: a qubit is not calibrated.
    """
    from qiskit_aer.noise import NoiseModel, ReadoutError
    from qiskit_aer.noise.device import basic_device_gate_errors

    known = {qubit.id: qubit for qubit in device.usable}
    missing = sorted(set(used_qubits) - set(known))
    if missing:
        raise QcliError(
            f"qubits {missing} are not calibrated", device.key, "compile the circuit for this device"
        )
    model = NoiseModel(basis_gates=_AER_GATES)
    distinct, places = _distinct(native_target(device, used_qubits))
    for name, qubits, error in basic_device_gate_errors(target=distinct):
        for place in places[name, qubits]:
            model.add_quantum_error(error, name, place)
    for index, physical in enumerate(used_qubits):
        up, down = known[physical].p1_given_0, known[physical].p0_given_1
        assert up is not None and down is not None
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [index])
    return model


def _distinct(full: "Target") -> tuple["Target", dict[tuple[str, Place], list[Place]]]:
    """A target with one place for each set of figures, and where else the same figures hold.

    Building a channel takes 10 ms, and on an all-to-all device hundreds of pairs are alike.
    """
    from qiskit.transpiler import Target

    distinct = Target(num_qubits=full.num_qubits, qubit_properties=full.qubit_properties)
    places: dict[tuple[str, Place], list[Place]] = {}
    for name, entries in full.items():
        first: dict[tuple[object, ...], Place] = {}
        for place, given in entries.items():
            times = [(full.qubit_properties[q].t1, full.qubit_properties[q].t2) for q in place]
            figures = (given.error, given.duration, *times)
            places.setdefault((name, first.setdefault(figures, place)), []).append(place)
        distinct.add_instruction(
            full.operation_from_name(name), {place: entries[place] for place in first.values()}
        )
    return distinct, places


def run_noisy(
    circuits: "Sequence[QuantumCircuit]", noise: "NoiseModel", shots: int, seed: int
) -> list[dict[str, int]]:
    """Counts of each circuit: Qiskit's bitstrings (bit 0 rightmost) to how often they were read.

    Exact density matrices up to `DENSITY_MATRIX_LIMIT` qubits, quantum trajectories above. The same
    circuits, shots and seed give the same counts.

    Raises:
        QcliError: no shots, or the simulation does not fit into memory.
    """
    from qiskit_aer import AerSimulator

    if not circuits:
        return []
    if shots < 1:
        raise QcliError(f"{shots} shots", "shots", "ask for at least one")
    widest = max(circuit.num_qubits for circuit in circuits)
    method = "density_matrix" if widest <= DENSITY_MATRIX_LIMIT else "statevector"
    simulator = AerSimulator(
        method=method, noise_model=noise, seed_simulator=seed, max_parallel_experiments=0
    )
    result = simulator.run([for_aer(circuit) for circuit in circuits], shots=shots).result()
    if not result.success:
        raise QcliError(
            f"the noisy simulation of {widest} qubits failed: {result.status}",
            "emulator",
            "use fewer wires or a machine with more memory",
            exit_code=1,
        )
    return [{key: int(n) for key, n in result.get_counts(i).items()} for i in range(len(circuits))]


def for_aer(circuit: "QuantumCircuit") -> "QuantumCircuit":
    """The circuit with gates that Aer lacks as labelled unitaries, under which their noise is found."""
    from qiskit.circuit.library import UnitaryGate

    if not any(instruction.operation.name == "iswap" for instruction in circuit.data):
        return circuit
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        if operation.name == "iswap":
            operation = UnitaryGate(operation.to_matrix(), label="iswap")
        result.append(operation, instruction.qubits, instruction.clbits)
    return result
