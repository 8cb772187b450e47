"""Exact outputs are those of Aer's density matrices under its own device errors."""

import numpy as np
import pytest
from qiskit.quantum_info import PTM, SuperOp
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel
from qiskit_ibm_runtime import fake_provider

from qcli.compile.transpile import bind_and_merge, compile_circuit
from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device
from qcli.noise.circuit import NoisyCircuit
from qcli.noise.figures import Figures, Strength
from tests.compile.circuits import random_circuit, template
from tests.noise import judge

IBM = sorted(key for key, device in catalogue().items() if device.provider == "ibm")
NO_ANGLES = np.zeros((1, 0))
NOT_IDLE = Strength(idle=0)
SPECIAL = np.array([0.0, np.pi / 2, np.pi, -np.pi / 2, 2 * np.pi])


def deviation(device: Device, wires: int, seed: int) -> float:
    """Over all bitstrings and three samples, some of their angles those at which devices save pulses."""
    rng = np.random.default_rng(seed)
    circuit = template(wires) if seed % 2 else random_circuit(wires, seed)
    compiled = compile_circuit(circuit, device, trials=1)
    values = rng.uniform(-3, 3, (3, len(compiled.parameters)))
    values[2] = rng.choice(SPECIAL, len(compiled.parameters))
    found = NoisyCircuit(compiled).distribution(values, NOT_IDLE)
    return float(np.abs(found - judge.distributions(compiled, values)).max())


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_random_circuits_agree_on_every_device(name: str) -> None:
    for seed in range(4):
        assert deviation(catalogue()[name], 2 + seed % 3, seed) < 1e-8


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(catalogue()))
def test_twenty_random_circuits_agree_on_every_device(name: str) -> None:
    for seed in range(20):
        assert deviation(catalogue()[name], 3 + seed % 4, seed) < 1e-8


@pytest.mark.parametrize("name", ["garnet", "cepheus-1-108q", "ankaa-3", "fez"])
def test_idle_windows_relax(name: str) -> None:
    compiled = compile_circuit(template(4), find(name), trials=1)
    values = np.random.default_rng(3).uniform(0.2, 1.2, (2, len(compiled.parameters)))
    noisy = NoisyCircuit(compiled)
    expected = judge.distributions(compiled, values, idle=True)
    assert noisy.distribution(values) == pytest.approx(expected, abs=1e-8)
    assert np.abs(noisy.distribution(values, NOT_IDLE) - expected).max() > 1e-5


@pytest.mark.parametrize("name", ["garnet", "emerald", "forte-enterprise-1", "sherbrooke", "fez"])
def test_channels_after_gates_are_aers(name: str) -> None:
    device = find(name)
    for edge in device.usable_edges[:3]:
        figures = Figures(device, (edge.a, edge.b), Strength())
        errors = judge.gate_errors(device, (edge.a, edge.b))
        for gate in set(device.one_qubit_gates) - {"rz"}:
            assert figures.pulse(0) == pytest.approx(pauli_transfer(errors[gate, (0,)]), abs=1e-9)
        # Qiskit's first qubit is the least significant
        expected = pauli_transfer(errors[device.two_qubit_gate, (0, 1)])
        swapped = expected.reshape(4, 4, 4, 4).transpose(1, 0, 3, 2).reshape(16, 16)
        assert figures.pair((0, 1)) == pytest.approx(swapped, abs=1e-9)


def test_a_qubit_whose_gates_take_longer_relaxes_more() -> None:
    device, slow = find("torino"), 115
    figures = Figures(device, (slow,), Strength())
    errors = judge.gate_errors(device, (slow,))
    assert device.qubits[slow].duration_s == pytest.approx(64e-9)
    assert figures.pulse(0) == pytest.approx(pauli_transfer(errors["sx", (0,)]), abs=1e-9)
    usual = tuple(qubit._replace(duration_s=None) for qubit in device.qubits)
    faster = Figures(device.model_copy(update={"qubits": usual}), (slow,), Strength())
    assert np.abs(faster.pulse(0) - figures.pulse(0)).max() > 1e-6


def pauli_transfer(channel: SuperOp) -> np.ndarray:
    return np.asarray(PTM(channel).data.real)


@pytest.mark.slow
@pytest.mark.parametrize("name", IBM)
def test_the_noise_model_of_a_whole_ibm_backend_agrees(name: str) -> None:
    """Made by Aer from the vendor's snapshot, all qubits with all their figures; readout, symmetric there, left out."""
    backend = getattr(fake_provider, f"Fake{name.removeprefix('ibm/').title()}")()
    model = NoiseModel.from_backend(backend)
    simulator = AerSimulator(method="density_matrix", noise_model=model)
    for seed in range(20):
        compiled = compile_circuit(random_circuit(4, seed), find(name), trials=1)
        (circuit,) = bind_and_merge(compiled, NO_ANGLES, physical=True)
        circuit.remove_final_measurements()
        circuit.save_probabilities(list(compiled.layout))
        found = np.asarray(simulator.run(circuit, shots=1).result().data()["probabilities"])
        expected = found.reshape((2,) * 4).transpose(3, 2, 1, 0).ravel()
        exact = NoisyCircuit(compiled).distribution(NO_ANGLES, Strength(idle=0, readout=0))
        assert exact[0] == pytest.approx(expected, abs=1e-4)
