"""The forward pass on a noisy device: exact where it can be told, the same by either path, honest about its shots."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pennylane as qml
import pytest
import torch

from qcli import QcliError, QuantumLayer
from qcli.device.catalogue import find
from qcli.device.record import Device
from qcli.forecast import executor
from qcli.forecast.executor import Days, Noisy, flip_probabilities, misread
from qcli.forecast.figures import expected
from qcli.noise import prepared
from qcli.noise.circuit import NOISELESS, Strength
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor, using

X = torch.rand(3, 3, generator=torch.manual_seed(1), dtype=torch.float64)


def singles(inputs: Any, weights: Any) -> Any:
    entangled(inputs, weights)
    return [qml.expval(qml.Z(wire)) for wire in range(3)]


def words(inputs: Any, weights: Any) -> Any:
    entangled(inputs, weights)
    energy = 0.5 + 2.0 * qml.Z(0) @ qml.Z(2) - 0.7 * qml.X(1) @ qml.Y(2)
    return [qml.expval(energy), qml.expval(qml.X(0)), qml.expval(qml.Z(0) @ qml.Z(1) @ qml.Z(2))]


def distribution(inputs: Any, weights: Any) -> Any:
    entangled(inputs, weights)
    return qml.probs(wires=[2, 0])


def entangled(inputs: Any, weights: Any) -> None:
    qml.AngleEmbedding(inputs, wires=range(3))
    qml.StronglyEntanglingLayers(weights, wires=range(3))


@cache
def layer(circuit: Callable[..., Any]) -> QuantumLayer:
    torch.manual_seed(3)
    return QuantumLayer(circuit, {"weights": (1, 3, 3)})


def run(circuit: Callable[..., Any], on: Executor) -> np.ndarray:
    with using(on), torch.no_grad():
        return layer(circuit)(X).numpy()


def day(device: Device, gates: float, readout: float, shots: int | None = None) -> Days:
    found = Days(Circuits(device), expected(device), shots)
    found.gates, found.readout = gates, readout
    return found


@pytest.mark.parametrize("name", ["garnet", "fez", "forte-enterprise-1"])
@pytest.mark.parametrize("circuit", [singles, words, distribution])
def test_without_errors_it_is_exact_simulation(name: str, circuit: Callable[..., Any]) -> None:
    exact = run(circuit, Exact("cpu", torch.float64))
    assert run(circuit, Noisy(Circuits(find(name)), NOISELESS)) == pytest.approx(exact, abs=1e-9)
    assert run(circuit, day(find(name), 0.0, 0.0)) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(("gates", "close"), [(1.2, 1e-9), (2.0, 1e-9), (1.7, 2e-3), (2.5, 2e-3)])
@pytest.mark.parametrize("circuit", [singles, words, distribution])
def test_a_day_is_what_simulating_its_strengths_gives(
    circuit: Callable[..., Any], gates: float, close: float
) -> None:
    device = find("cepheus-1-108q")
    noisy = Noisy(Circuits(device), Strength(gates, gates, gates, 1.3), expected(device))
    assert run(circuit, day(device, gates, 1.3)) == pytest.approx(run(circuit, noisy), abs=close)


@pytest.mark.parametrize("name", ["garnet", "fez"])
@pytest.mark.parametrize(("circuit", "close"), [(singles, 1e-9), (words, 2e-3)])
def test_a_circuit_too_wide_for_its_joint_distribution_gives_the_same_word_by_word(
    monkeypatch: pytest.MonkeyPatch, name: str, circuit: Callable[..., Any], close: float
) -> None:
    device = find(name)
    jointly = run(circuit, Noisy(Circuits(device), Strength(2, 2, 2, 1.5))), run(circuit, day(device, 2, 1.5))
    monkeypatch.setattr(executor, "MOST_BITS", 0)
    assert run(circuit, Noisy(Circuits(device), Strength(2, 2, 2, 1.5))) == pytest.approx(
        jointly[0], abs=1e-9
    )
    assert run(circuit, day(device, 2, 1.5)) == pytest.approx(jointly[1], abs=close)


def test_probabilities_of_many_wires_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "MOST_BITS", 1)
    with pytest.raises(QcliError, match="probabilities of 2 wires"):
        run(distribution, Noisy(Circuits(find("garnet"))))


@pytest.mark.parametrize("most_bits", [0, 12])
def test_shots_scatter_around_the_exact_value_as_they_should(
    monkeypatch: pytest.MonkeyPatch, most_bits: int
) -> None:
    monkeypatch.setattr(executor, "MOST_BITS", most_bits)
    circuits, shots, times = Circuits(find("garnet")), 100, 400
    exact = run(singles, Noisy(circuits))
    sampled = Noisy(circuits, shots=shots, seed=5)
    drawn = np.array([run(singles, sampled) for _ in range(times)])
    sd = np.sqrt((1 - exact**2) / shots)
    assert (np.abs(drawn.mean(axis=0) - exact) < 4 * sd / np.sqrt(times)).all()
    assert drawn.std(axis=0) == pytest.approx(sd, rel=0.2)


def test_the_same_seed_gives_the_same_shots() -> None:
    circuits = Circuits(find("garnet"))
    one, same, other = (run(singles, Noisy(circuits, shots=50, seed=seed)) for seed in (1, 1, 2))
    assert (one == same).all() and (one != other).any()


def test_a_circuit_is_compiled_once_for_all_inputs_strengths_and_days(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compiled: list[str] = []
    real = prepared.layouts

    def counted(circuit: Any, device: Device, count: int) -> Any:
        compiled.append(device.key)
        return real(circuit, device, count)

    monkeypatch.setattr(prepared, "layouts", counted)
    circuits = Circuits(find("garnet"), 2)
    run(singles, Noisy(circuits))
    run(singles, Noisy(circuits, NOISELESS, shots=10))
    run(singles, Days(circuits, expected(find("garnet")), 10))
    assert compiled == ["braket/garnet"]
    (found,) = circuits.prepared.values()
    assert len(found.layouts) == 2 and len(found.columns) == 3
    assert found.compiled is found.layouts[0]


def test_flips_are_those_of_the_qubits_that_each_bit_is_read_from() -> None:
    device, circuits = find("fez"), Circuits(find("fez"))
    run(singles, Noisy(circuits))
    (found,) = circuits.prepared.values()
    known = {qubit.id: qubit for qubit in device.qubits}
    flips = flip_probabilities(found.compiled, device)
    assert flips.tolist() == [[known[q].p1_given_0, known[q].p0_given_1] for q in found.compiled.layout]


def test_readout_moves_each_bit_by_its_own_probabilities() -> None:
    certain = np.eye(4)
    flips = np.array([[0.1, 0.2], [0.0, 0.3]])
    assert misread(certain, flips) == pytest.approx(
        np.array(
            [[0.9, 0.0, 0.1, 0.0], [0.27, 0.63, 0.03, 0.07], [0.2, 0.0, 0.8, 0.0], [0.06, 0.14, 0.24, 0.56]]
        )
    )
    assert misread(certain, flips * 0) == pytest.approx(certain)
    assert misread(certain, flips * 100)[0] == pytest.approx([0.5, 0.0, 0.5, 0.0])
