import math

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import CZGate, RGate, RXGate, RZGate, RZZGate, SXGate, XGate, iSwapGate
from qiskit.quantum_info import Operator, SuperOp, average_gate_fidelity
from qiskit_aer import AerSimulator

from qcli.compile import noise as noise_room
from qcli.compile.noise import for_aer, noise_model, run_noisy
from qcli.compile.transpile import bind_and_merge, compile_circuit, cut_down
from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device
from qcli.errors import QcliError
from tests.compile.circuits import distribution, random_circuit, template

GATES = {
    "r": RGate(0.7, 0.2),
    "rx": RXGate(math.pi / 2),
    "sx": SXGate(),
    "x": XGate(),
    "rz": RZGate(0.4),
    "cz": CZGate(),
    "iswap": iSwapGate(),
    "rzz": RZZGate(math.pi / 2),
}


def infidelity(device: Device, name: str, qubits: list[int]) -> float:
    """1 − average fidelity of one native gate as the noise model plays it."""
    circuit = QuantumCircuit(len(qubits))
    circuit.append(GATES[name], range(len(qubits)))
    ideal = Operator(circuit)
    played = for_aer(circuit)
    played.save_superop()
    simulator = AerSimulator(method="superop", noise_model=noise_model(device, qubits))
    channel = SuperOp(simulator.run(played).result().data()["superop"])
    return 1 - average_gate_fidelity(channel, ideal)


@pytest.mark.parametrize(
    "name", ["garnet", "emerald", "cepheus-1-108q", "ankaa-3", "forte-enterprise-1", "fez"]
)
def test_each_gate_is_as_wrong_as_calibrated(name: str) -> None:
    device = find(name)
    errors = {qubit.id: qubit.error_1q for qubit in device.usable}
    for edge in device.usable_edges[:3]:
        for pair in ([edge.a, edge.b], [edge.b, edge.a]):
            assert infidelity(device, device.two_qubit_gate, pair) == pytest.approx(edge.error, rel=1e-6)
        for gate in device.one_qubit_gates:
            expected = 0 if gate == "rz" else errors[edge.a]
            assert infidelity(device, gate, [edge.a]) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_relaxation_acts_only_where_times_are_published_and_is_a_floor() -> None:
    """T1 = T2 relaxation for t: 1 − F = 1/2 − e^(−t/T)/6 − e^(−t/T)/3, whatever the calibrated error."""
    fez = find("fez")
    short = fez.qubits[0]._replace(t1_s=1e-6, t2_s=1e-6)
    times = fez.durations
    decay = math.exp(-times.one_qubit_s / 1e-6)
    published = fez.model_copy(update={"qubits": (short,), "edges": ()})
    assert infidelity(published, "sx", [0]) == pytest.approx((1 - decay) / 2, rel=1e-6)
    assumed = published.model_copy(update={"durations": times.model_copy(update={"basis": "assumed"})})
    assert infidelity(assumed, "sx", [0]) == pytest.approx(short.error_1q, rel=1e-6)


def test_readout_errs_more_in_one_direction() -> None:
    device = find("garnet")
    qubit = next(qubit for qubit in device.usable if qubit.id == 4)
    assert qubit.p1_given_0 == 0.0061 and qubit.p0_given_1 == 0.0674
    zero, one = QuantumCircuit(1, 1), QuantumCircuit(1, 1)
    one.r(math.pi, 0, 0)
    for circuit in (zero, one):
        circuit.measure(0, 0)
    shots = 40_000
    after_zero, after_one = run_noisy([zero, one], noise_model(device, [4]), shots, seed=1)
    # A depolarising gate of infidelity e leaves the wrong basis state with probability e.
    expected = (1 - qubit.error_1q) * 0.0674 + qubit.error_1q * (1 - 0.0061)
    assert after_zero["1"] / shots == pytest.approx(0.0061, abs=5 * math.sqrt(0.0061 / shots))
    assert after_one["0"] / shots == pytest.approx(expected, abs=5 * math.sqrt(expected / shots))


@pytest.mark.parametrize("name", ["garnet", "ankaa-3", "fez"])
def test_a_seed_repeats_counts_to_the_last_shot(name: str) -> None:
    device = find(name)
    compiled = compile_circuit(template(3), device, trials=1)
    circuits = bind_and_merge(compiled, np.random.default_rng(2).uniform(-2, 2, (4, 6)))
    model = noise_model(device, compiled.used_qubits)
    first, again, other = (run_noisy(circuits, model, 500, seed) for seed in (7, 7, 8))
    assert first == again != other
    assert [sum(counts.values()) for counts in first] == [500] * 4
    assert first[0] != first[1]


def test_trajectories_and_density_matrix_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    device = catalogue()["braket/cepheus-1-108q"]
    compiled = compile_circuit(random_circuit(3, 6, layers=3), device, trials=1)
    model = noise_model(device, compiled.used_qubits)
    shots = 4_000
    exact = run_noisy([cut_down(compiled)], model, shots, 1)[0]
    monkeypatch.setattr(noise_room, "DENSITY_MATRIX_LIMIT", 0)
    sampled = run_noisy([cut_down(compiled)], model, shots, 2)[0]
    distance = sum(abs(exact.get(key, 0) - sampled.get(key, 0)) for key in set(exact) | set(sampled)) / shots
    ideal = distribution(cut_down(compiled))
    drop = sum(abs(exact.get(f"{k:03b}", 0) / shots - p) for k, p in enumerate(ideal))
    assert distance < 0.08 < drop


def test_noise_on_an_uncalibrated_qubit_and_no_shots_are_refused() -> None:
    cepheus = find("cepheus-1-108q")
    idle = next(qubit.id for qubit in cepheus.qubits if not qubit.calibrated)
    with pytest.raises(QcliError, match=str(idle)):
        noise_model(cepheus, [0, idle])
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with pytest.raises(QcliError, match="0 shots"):
        run_noisy([circuit], noise_model(cepheus, [0]), 0, seed=1)
    assert run_noisy([], noise_model(cepheus, [0]), 10, seed=1) == []
