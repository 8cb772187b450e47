"""The emulator is the same forward pass under a device's calibrated noise."""

import pennylane as qml
import pytest
import torch

from qcli import QcliError, QuantumLayer
from qcli.device.catalogue import catalogue, find
from qcli.execute.emulator import Emulator
from qcli.execute.select import executor
from qcli.simulate.executor import using


def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(3), rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    return [qml.expval(qml.Z(0)), qml.expval(qml.X(1) @ qml.Z(2)), qml.probs(wires=[2, 0])]


@pytest.fixture(scope="module")
def layer():
    torch.manual_seed(1)
    return QuantumLayer(circuit, {"weights": (1, 3, 3)})


INPUTS = torch.tensor([[0.2, 1.1, 2.0], [2.5, 0.4, 0.9], [1.0, 1.0, 1.0]])


def noiseless(device):
    """The device with every error removed, its topology and gates kept."""
    clean = device.model_dump()
    clean["qubits"] = [[q[0], None, None, 0.0, 0.0, 0.0] for q in clean["qubits"]]
    clean["edges"] = [[*edge[:2], 0.0, None] for edge in clean["edges"]]
    return type(device).model_validate(clean)


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_without_noise_every_device_gives_the_simulators_outputs(layer, name):
    """Layout, native gates, basis changes and bit order together leave the observables as they were."""
    with torch.no_grad():
        exact = layer(INPUTS)
        with using(Emulator(noiseless(catalogue()[name]), shots=40_000, seed=5)):
            sampled = layer(INPUTS)
    assert torch.allclose(sampled, exact, atol=0.025)


@pytest.mark.parametrize(
    "name",
    ["garnet", "emerald", "cepheus-1-108q", "boston", "fez", "torino"],
)
def test_noise_pulls_expectation_values_towards_zero_and_the_seed_repeats_them(layer, name):
    with torch.no_grad():
        exact = layer(INPUTS)
        runs = []
        for seed in (3, 3, 4):
            with using(Emulator(find(f"emulator/{name}"), shots=400_000, seed=seed)):
                runs.append(layer(INPUTS))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    strong = exact[:, :2].abs() > 0.2
    attenuation = (runs[0][:, :2] / exact[:, :2])[strong]
    assert 0.4 < attenuation.mean() < 1.0


def test_a_circuit_is_compiled_once_for_all_samples(layer):
    emulator = Emulator(find("emulator/garnet"), shots=100)
    with using(emulator), torch.no_grad():
        layer(INPUTS)
        layer(INPUTS + 0.1)
    assert len(emulator.prepared) == 1
    assert emulator.timings.compile > 0 and emulator.timings.execute > 0


@pytest.mark.parametrize(
    ("name", "shots", "what", "fix"),
    [
        ("emulator/garnt", 512, "no device", "emulator/garnet"),
        ("emulator/forte-enterprise-1", 50, "50 shots are outside the range", "100 to 5,000"),
        ("emulator/garnet", 20_001, "20,001 shots are outside the range", "1 to 20,000"),
        ("sampled", 0, "0 shots", "choose 1 to"),
        ("sampeld", 512, "unknown device", "sampled"),
    ],
)
def test_unusable_executors_are_refused_with_the_way_out(name, shots, what, fix):
    with pytest.raises(QcliError) as refusal:
        executor(name, shots, seed=0)
    assert what in refusal.value.what
    assert fix in refusal.value.fix
