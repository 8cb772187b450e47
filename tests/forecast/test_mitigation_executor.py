"""The mitigated forward pass, on exact noisy distributions and on finite shots."""

import numpy as np
import pennylane as qml
import pytest
import torch

from qcli.device.catalogue import catalogue
from qcli.errors import QcliError
from qcli.forecast.executor import Circuits
from qcli.forecast.mitigation.executor import Machine, Mitigated, Trial
from qcli.forecast.mitigation.technique import NONE, Technique, echoed, techniques
from qcli.model.layer import QuantumLayer
from qcli.noise.circuit import Strength
from qcli.price.workload import Mitigation
from qcli.simulate.exact import Exact
from qcli.simulate.executor import using

GARNET, FEZ = catalogue()["braket/garnet"], catalogue()["ibm/fez"]
EVERY = pytest.mark.parametrize("technique", techniques(FEZ), ids=lambda technique: technique.name)
INPUTS = torch.rand((5, 3), generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 3
READOUT = Technique("readout", Mitigation(readout=True))
ZNE = Technique("zne", Mitigation(folds=(1, 3)))


def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Z(2)), qml.probs(wires=[0, 2])


LAYER = QuantumLayer(
    circuit,
    {"weights": (2, 3, 3)},
    init=lambda tensor: tensor.copy_(torch.linspace(0.2, 2.9, 18).reshape(2, 3, 3)),
)
CIRCUITS = {device.key: Circuits(device) for device in (GARNET, FEZ)}


def outputs(executor):
    with using(executor), torch.no_grad():
        return LAYER(INPUTS).numpy()


def machine(device=GARNET, strength=Strength()):
    return Machine(CIRCUITS[device.key], strength, device)


def error(technique, strength, device=GARNET):
    """Of each output with as many shots as one likes, against the exact simulation: (samples, outputs)."""
    found = outputs(Mitigated(Trial(machine(device, strength), None), technique))
    return np.abs(found - outputs(Exact("auto", torch.float64)))


@EVERY
def test_without_noise_every_technique_changes_nothing(technique):
    assert error(technique, Strength(0, 0, 0, 0), FEZ).max() < 1e-9


def test_correction_takes_readout_errors_away():
    only_readout = Strength(0, 0, 0, readout=1)
    assert error(NONE, only_readout).mean() > 1e-3
    assert error(READOUT, only_readout).max() < 1e-9


def test_extrapolation_takes_most_of_the_two_qubit_errors_away():
    only_gates = Strength(1, 0, 0, readout=0)
    assert error(ZNE, only_gates).mean() < 0.2 * error(NONE, only_gates).mean()


@pytest.mark.parametrize("how", ["richardson", "exponential"])
def test_more_scales_come_closer(how):
    only_gates = Strength(2, 0, 0, readout=0)
    three = Technique("zne=1,3,5", Mitigation(folds=(1, 3, 5)), how)
    assert error(three, only_gates).mean() < error(ZNE, only_gates).mean()


def test_both_together_are_better_than_either():
    both = Technique("both", Mitigation(folds=(1, 3), readout=True))
    assert error(both, Strength()).mean() < min(error(each, Strength()).mean() for each in (READOUT, ZNE))


def test_an_echo_takes_dephasing_of_idle_qubits_away():
    idle = Strength(0, 0, 1, readout=0)
    quiet = Machine(CIRCUITS[FEZ.key], idle, echoed(FEZ))
    exact = outputs(Exact("auto", torch.float64))
    found = np.abs(outputs(Mitigated(Trial(quiet, None), NONE)) - exact)
    assert found.mean() < error(NONE, idle, FEZ).mean()


@pytest.mark.parametrize("technique", [READOUT, ZNE], ids=lambda technique: technique.name)
def test_probabilities_stay_a_distribution(technique):
    found = outputs(Mitigated(Trial(machine(), 20), technique))[:, 2:]
    assert found.min() >= 0
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_techniques_that_share_a_circuit_share_its_counts():
    trial = Trial(machine(), 100)
    twirl = Technique("twirl=16", Mitigation(twirls=16))
    np.testing.assert_array_equal(*(outputs(Mitigated(trial, each)) for each in (NONE, twirl)))


def test_a_seed_repeats_and_another_does_not():
    first, again, other = (outputs(Mitigated(Trial(machine(), 100, (seed,)), READOUT)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_too_many_bits_in_one_circuit_are_refused():
    def wide(inputs):
        qml.AngleEmbedding(inputs, wires=range(13))
        return [qml.expval(qml.Z(wire)) for wire in range(13)]

    layer = QuantumLayer(wide)
    with using(Mitigated(Trial(machine(), 10), NONE)), pytest.raises(QcliError, match="13 wires together"):
        layer(torch.zeros((1, 13)))
