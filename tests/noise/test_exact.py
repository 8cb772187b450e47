"""What exact noisy outputs are, on any device and circuit."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import ParameterVector, QuantumCircuit

from qcli.compile.transpile import Compiled, bind_and_merge, compile_circuit
from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.noise import circuit as room
from qcli.noise import exact
from qcli.noise.circuit import NOISELESS, NoisyCircuit
from qcli.noise.contract import contracted, order
from qcli.noise.figures import Strength
from qcli.noise.network import plans
from tests.compile.circuits import distribution, from_vocabulary, random_circuit, template
from tests.noise.judge import depolarising_only

Z, ONE, ZERO = (1.0, -1.0), (1.0, 1.0), (1.0, 0.0)


def values_for(compiled: Compiled, samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-3, 3, (samples, len(compiled.parameters)))


def bitstrings(bits: int) -> np.ndarray:
    """Observables that are the probabilities of all bitstrings."""
    return np.array(list(product(np.eye(2), repeat=bits)))


@settings(max_examples=25)
@given(st.sampled_from(sorted(catalogue())), st.integers(1, 4), st.integers(0, 10**6))
def test_without_noise_the_outcomes_are_those_of_the_bound_circuits(name: str, wires: int, seed: int) -> None:
    compiled = compile_circuit(from_vocabulary(wires, seed, 6), catalogue()[name], trials=1)
    values = values_for(compiled, 3, seed)
    bits = len(compiled.layout)
    expected = [
        distribution(circuit).reshape((2,) * bits).transpose(range(bits - 1, -1, -1)).ravel()
        for circuit in bind_and_merge(compiled, values)
    ]
    noisy = NoisyCircuit(compiled)
    assert noisy.distribution(values, NOISELESS) == pytest.approx(np.array(expected), abs=1e-10)
    assert noisy.expectations(values, bitstrings(bits), NOISELESS) == pytest.approx(
        np.array(expected), abs=1e-10
    )


@settings(max_examples=20)
@given(
    st.sampled_from(sorted(catalogue())),
    st.integers(0, 10**6),
    st.tuples(*[st.floats(0, 3, allow_nan=False)] * 4),
)
def test_probabilities_are_probabilities_whatever_the_strength(
    name: str, seed: int, strength: tuple[float, float, float, float]
) -> None:
    compiled = compile_circuit(template(3), catalogue()[name], trials=1)
    found = NoisyCircuit(compiled).distribution(values_for(compiled, 4, seed), Strength(*strength))
    assert found.min() >= -1e-12
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("name", ["garnet", "fez", "forte-enterprise-1"])
def test_every_cut_between_states_and_observables_gives_the_same(name: str) -> None:
    compiled = compile_circuit(template(4), find(name), trials=1)
    noisy, values = NoisyCircuit(compiled), values_for(compiled, 3)
    observables = np.array([[Z, Z, ONE, Z], [ZERO, (0.0, 1.0), ZERO, ZERO], [ONE, ONE, ONE, ONE]])
    reading = noisy._vectors(noisy.before_readout(observables, Strength()))
    net = noisy._network(frozenset(reading.vectors))
    samples, angles = noisy._bind(values)
    found = [
        exact.values(exact.prepare(noisy._channels(Strength()), net, plan, reading), samples, angles)
        for plan in plans(net, samples, reading.count)
    ]
    assert len(found) > 3
    bound = noisy._channels(Strength()).bound(angles)
    found.append(contracted(bound, net, reading, order(net, reading.count, search=False)))
    for each in found[1:]:
        assert each == pytest.approx(found[0], abs=1e-12)
    bits = noisy.distribution(values)
    by_bits = [np.einsum("sabcd,a,b,c,d->s", bits.reshape(-1, 2, 2, 2, 2), *each) for each in observables]
    assert found[0] == pytest.approx(np.array(by_bits).T, abs=1e-12)


def test_inputs_anywhere_in_the_circuit_cost_no_accuracy() -> None:
    """In the first layer, in between and in the last layer."""
    x = ParameterVector("x", 3)
    for layer in range(3):
        circuit = QuantumCircuit(3, 2)
        for number in range(3):
            for wire in range(3):
                circuit.ry(x[wire] if number == layer else 0.3 + wire, wire)
                circuit.rz(0.7 * wire, wire)
            circuit.cx(0, 1)
            circuit.cx(1, 2)
        circuit.ry(0.4, 1)
        circuit.measure([2, 1], [0, 1])
        compiled = compile_circuit(circuit, find("garnet"), trials=1)
        values = values_for(compiled, 5)
        together = NoisyCircuit(compiled).distribution(values)
        one_by_one = [NoisyCircuit(compiled).distribution(row[None])[0] for row in values]
        assert together == pytest.approx(np.array(one_by_one), abs=1e-13)


@settings(max_examples=10)
@given(st.permutations(range(9)))
def test_the_order_of_samples_does_not_matter(order_of: list[int]) -> None:
    compiled = compile_circuit(template(3), find("emerald"), trials=1)
    values = values_for(compiled, 9)
    noisy = NoisyCircuit(compiled)
    assert noisy.distribution(values[order_of]) == pytest.approx(
        noisy.distribution(values)[order_of], abs=1e-15
    )


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.floats(0.05, 4))
def test_a_pauli_word_shrinks_as_depolarising_grows(seed: int, more: float) -> None:
    """By a factor that each gate takes, up to where the gates leave nothing."""
    device = depolarising_only(find("garnet"))
    circuit = QuantumCircuit(2, 2)
    circuit.rx(seed % 7 / 7, 0)
    circuit.cz(0, 1)
    circuit.measure([0, 1], [0, 1])
    noisy = NoisyCircuit(compile_circuit(circuit, device, trials=1))
    weak, strong = (
        noisy.expectations(np.zeros((1, 0)), np.array([[Z, Z]]), Strength(s, s, s, s))[0, 0]
        for s in (1.0, 1 + more)
    )
    assert 0 < strong < weak <= 1


@pytest.mark.parametrize("name", ["garnet", "cepheus-1-108q", "fez"])
def test_runs_that_vanish_at_angle_zero_and_empty_batches_are_fine(name: str) -> None:
    compiled = compile_circuit(template(2), find(name), trials=1)
    noisy, count = NoisyCircuit(compiled), len(compiled.parameters)
    mixed = np.vstack([np.zeros(count), np.ones(count)])
    assert noisy.distribution(np.zeros((1, count)))[0] == pytest.approx(
        noisy.distribution(mixed)[0], abs=1e-14
    )
    assert noisy.distribution(np.zeros((0, count))).shape == (0, 4)
    assert noisy.expectations(np.zeros((0, count)), np.ones((3, 2, 2))).shape == (0, 3)


def test_idling_is_off_where_t1_and_t2_are_unknown() -> None:
    compiled = compile_circuit(random_circuit(4, 5, layers=3), find("emerald"), trials=1)
    values = np.zeros((1, 0))
    known, unknown = NoisyCircuit(compiled), NoisyCircuit(compiled, depolarising_only(compiled.device))
    assert unknown.distribution(values) == pytest.approx(
        known.distribution(values, Strength(idle=0)), abs=1e-14
    )
    assert np.abs(unknown.distribution(values) - known.distribution(values)).max() > 1e-4


def test_readout_mixes_the_bits_by_their_asymmetric_errors() -> None:
    device = find("garnet")
    circuit = QuantumCircuit(2, 2)
    circuit.x(0)
    circuit.measure([0, 1], [0, 1])
    compiled = compile_circuit(circuit, device, trials=1)
    only_readout = Strength(two_qubit=0, one_qubit=0, idle=0)
    known = {qubit.id: qubit for qubit in device.usable}
    one, zero = (known[physical] for physical in compiled.layout)
    found = NoisyCircuit(compiled).distribution(np.zeros((2, 0)), only_readout)
    expected = np.outer([one.p0_given_1, 1 - one.p0_given_1], [1 - zero.p1_given_0, zero.p1_given_0]).ravel()
    assert found == pytest.approx(np.array([expected, expected]), abs=1e-14)


def test_other_figures_for_the_same_qubits_may_be_given() -> None:
    compiled = compile_circuit(random_circuit(3, 1), find("garnet"), trials=1)
    perfect = [(q.id, None, None, 0.0, 0.0, 0.0) for q in compiled.device.usable]
    edges = [(edge.a, edge.b, 0.0) for edge in compiled.device.usable_edges]
    device = Device.model_validate(compiled.device.model_dump() | {"qubits": perfect, "edges": edges})
    none = np.zeros((1, 0))
    clean = NoisyCircuit(compiled, device).distribution(none)
    assert clean == pytest.approx(NoisyCircuit(compiled).distribution(none, NOISELESS), abs=1e-14)


def test_wide_shallow_circuits_are_exact_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's contraction and density matrices agree where both fit; only it fits at 20 wires."""
    compiled = compile_circuit(random_circuit(6, 2), find("fez"), trials=1)
    observables = np.array([[ZERO] * 6, [Z] + [ONE] * 5])
    expected = NoisyCircuit(compiled).expectations(np.zeros((1, 0)), observables)
    monkeypatch.setattr(room, "_MUCH", 0)
    monkeypatch.setattr(room, "_LITTLE", 0)
    assert NoisyCircuit(compiled).expectations(np.zeros((1, 0)), observables) == pytest.approx(
        expected, abs=1e-12
    )
    line = QuantumCircuit(20, 20)
    for wire in range(20):
        line.ry(0.3, wire)
    for wire in range(19):
        line.cx(wire, wire + 1)
    line.measure(range(20), range(20))
    wide = NoisyCircuit(compile_circuit(line, find("fez"), trials=1))
    found = wide.estimate(np.zeros((1, 0)), np.array([[ZERO] * 20]))
    assert found.method == "exact" and 0 < found.values[0, 0] < np.cos(0.15) ** 40


def test_what_does_not_fit_is_refused() -> None:
    garnet = find("garnet")
    noisy = NoisyCircuit(compile_circuit(random_circuit(2, 1), garnet, trials=1))
    with pytest.raises(QcliError, match=r"observables of shape \(1, 3, 2\) for 2 measured bits"):
        noisy.expectations(np.zeros((1, 0)), np.ones((1, 3, 2)))
    with pytest.raises(QcliError, match=r"angles of shape \(1, 4\)"):
        noisy.distribution(np.zeros((1, 4)))
    with pytest.raises(QcliError, match="strength -1 of idle errors"):
        Strength(idle=-1)
    fewer = garnet.model_copy(update={"qubits": garnet.qubits[:1], "edges": ()})
    with pytest.raises(QcliError, match="are not calibrated"):
        NoisyCircuit(noisy.compiled, fewer)
    unjoined = garnet.model_copy(update={"edges": ()})
    with pytest.raises(QcliError, match="no calibrated edge joins"):
        NoisyCircuit(noisy.compiled, unjoined).distribution(np.zeros((1, 0)))
