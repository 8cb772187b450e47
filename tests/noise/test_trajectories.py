"""Means over trajectories of Pauli errors are exact means up to their stated standard errors."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit

from qcli.compile.transpile import compile_circuit
from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.noise import circuit as room
from qcli.noise.circuit import NOISELESS, NoisyCircuit, Sampling
from qcli.noise.figures import Strength
from tests.compile.circuits import template
from tests.noise.judge import depolarising_only


@contextmanager
def nothing_exact() -> Iterator[None]:
    """No work is little enough for exact results."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_WORK", 0.0)
        patch.setattr(room, "_MUCH", 0.0)
        patch.setattr(room, "_LITTLE", 0.0)
        yield


def observables(bits: int) -> np.ndarray:
    """Z on the first bit, Z on all, and the bitstring of zeros."""
    found = np.ones((3, bits, 2))
    found[0, 0], found[1], found[2] = (1, -1), (1, -1), (1, 0)
    return found


@pytest.mark.parametrize(
    ("name", "wires"),
    [("garnet", 6), ("cepheus-1-108q", 5), ("ankaa-3", 5), ("forte-enterprise-1", 6), ("sherbrooke", 5)],
)
def test_they_agree_with_density_matrices_within_four_standard_errors(name: str, wires: int) -> None:
    """Depolarising errors, which are Pauli errors; gates with and without angles, shared ones and samples' own."""
    compiled = compile_circuit(template(wires), depolarising_only(find(name)), trials=1)
    values = np.random.default_rng(1).uniform(-1, 1, (3, len(compiled.parameters)))
    noisy, asked = NoisyCircuit(compiled), observables(wires)
    expected, ideal = noisy.expectations(values, asked), noisy.expectations(values, asked, NOISELESS)
    outcomes = noisy.distribution(values)
    with nothing_exact():
        found = noisy.estimate(values, asked, sampling=Sampling(0.001))
        bits = noisy.estimate_distribution(values, sampling=Sampling(0.001))
    assert found.method == bits.method == "trajectories"
    assert 0 < found.standard_error.max() <= 0.001
    assert (np.abs(found.values - expected) <= 4 * found.standard_error + 1e-5).all()
    assert np.abs(ideal - expected).max() > 4 * found.standard_error.max()
    assert bits.values == pytest.approx(outcomes, abs=4 * bits.standard_error.max())
    assert bits.values.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_twirled_relaxation_keeps_its_decay_and_loses_its_pull() -> None:
    """|1⟩ that decays by a factor e has ⟨Z⟩ = 1 − 2e, and −e without the pull towards |0⟩."""
    circuit = QuantumCircuit(3, 3)
    circuit.x(0)
    circuit.ry(np.pi / 2, 1)
    circuit.cz(0, 1)
    for step in range(5):
        circuit.ry(0.3 + step, 1)
        circuit.cz(1, 2)
        circuit.ry(0.2 + step, 2)
    circuit.measure(range(3), range(3))
    noisy = NoisyCircuit(compile_circuit(circuit, find("emerald"), trials=1))
    idle, z = Strength(two_qubit=0, one_qubit=0, idle=100, readout=0), np.array([[[1, -1], [1, 1], [1, 1]]])
    exact = noisy.expectations(np.zeros((1, 0)), z, idle)[0, 0]
    with nothing_exact():
        found = noisy.estimate(np.zeros((1, 0)), z, idle, Sampling(0.005))
    decay = (1 - exact) / 2
    assert decay < 0.9
    assert found.values[0, 0] == pytest.approx(-decay, abs=4 * found.standard_error[0, 0])


def test_without_noise_one_state_is_enough() -> None:
    compiled = compile_circuit(template(4), find("garnet"), trials=1)
    values = np.random.default_rng(2).uniform(-3, 3, (5, len(compiled.parameters)))
    noisy = NoisyCircuit(compiled)
    expected = noisy.expectations(values, observables(4), NOISELESS)
    with nothing_exact():
        found = noisy.estimate(values, observables(4), NOISELESS)
    assert found.trajectories == 0 and found.standard_error.max() == 0
    assert found.values == pytest.approx(expected, abs=1e-5)


def test_the_generator_repeats_them_and_the_budget_ends_them() -> None:
    compiled = compile_circuit(template(4), find("garnet"), trials=1)
    values, asked = np.random.default_rng(2).uniform(-3, 3, (2, len(compiled.parameters))), observables(4)
    noisy = NoisyCircuit(compiled)
    with nothing_exact():
        first, again, other = (
            noisy.estimate(
                values, asked, sampling=Sampling(1e-6, 2**13), generator=np.random.default_rng(seed)
            )
            for seed in (1, 1, 2)
        )
    assert first.trajectories == 2**13 // (2 * 2**4)
    assert first.standard_error.max() > 1e-6
    assert (first.values == again.values).all() and (first.values != other.values).any()


def test_a_register_too_wide_is_refused_with_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "WIDEST", 3)
    noisy = NoisyCircuit(compile_circuit(template(4), find("garnet"), trials=1))
    with nothing_exact(), pytest.raises(QcliError, match="too wide: 4 qubits") as refusal:
        noisy.estimate(np.zeros((1, 8)), observables(4))
    assert "up to 3" in refusal.value.fix
