"""QuantumLayer is an ordinary torch module; PennyLane's TorchLayer is adopted as one."""

import pennylane as qml
import pytest
import torch
from torch import nn

from qcli import QcliError, QuantumLayer
from qcli.model.layer import adopt_torch_layers, quantum_layers
from qcli.simulate.exact import Exact, Sampled
from qcli.simulate.executor import current, using


def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]


@pytest.mark.parametrize("shape", [(2,), (5, 2), (3, 4, 2)])
def test_leading_dimensions_are_kept(shape):
    layer = QuantumLayer(circuit, {"weights": (1, 2)})
    assert layer(torch.rand(shape)).shape == shape


def test_gradients_reach_weights_inputs_and_the_layers_before():
    model = nn.Sequential(
        nn.Linear(3, 2), nn.Tanh(), QuantumLayer(circuit, {"weights": (2, 2)}), nn.Linear(2, 2)
    )
    model(torch.rand(4, 3)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_a_torch_layer_is_adopted_with_its_very_weights():
    node = qml.QNode(circuit, qml.device("default.qubit", wires=2))
    model = nn.Sequential(nn.Linear(3, 2), qml.qnn.TorchLayer(node, {"weights": (2, 2)}), nn.Linear(2, 2))
    x = torch.rand(4, 3)
    before = model(x)
    weights = model[1].qnode_weights["weights"]
    adopted = adopt_torch_layers(model)
    (layer,) = quantum_layers(adopted)
    assert layer.weights["weights"] is weights
    assert torch.allclose(adopted(x), before, atol=1e-6)
    adopted(x).sum().backward()
    assert weights.grad is not None


def test_a_torch_layer_alone_and_nested_ones_are_found():
    node = qml.QNode(circuit, qml.device("default.qubit", wires=2))
    lone = adopt_torch_layers(qml.qnn.TorchLayer(node, {"weights": (1, 2)}))
    assert isinstance(lone, QuantumLayer)

    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(
                [nn.Sequential(qml.qnn.TorchLayer(node, {"weights": (1, 2)})) for _ in range(2)]
            )

        def forward(self, x):
            return self.blocks[1](self.blocks[0](x))

    nested = adopt_torch_layers(Nested())
    assert len(list(quantum_layers(nested))) == 2
    assert nested(torch.rand(3, 2)).shape == (3, 2)


def test_a_qnode_is_taken_as_its_quantum_function_unless_transforms_would_be_lost():
    node = qml.QNode(circuit, qml.device("default.qubit", wires=2))
    assert QuantumLayer(node, {"weights": (1, 2)})(torch.rand(3, 2)).shape == (3, 2)
    with pytest.raises(QcliError) as refusal:
        QuantumLayer(qml.transforms.merge_rotations(node), {"weights": (1, 2)})
    assert "carries transforms" in refusal.value.what


def test_weight_names_may_be_anything_a_python_argument_may():
    def named(inputs, training, circuit):
        qml.RX(inputs[0] + training, wires=0)
        qml.RY(circuit, wires=0)
        return qml.expval(qml.Z(0))

    layer = QuantumLayer(named, {"training": (), "circuit": ()})
    assert layer(torch.rand(2, 1)).shape == (2, 1)


def test_two_layers_in_sequence_need_no_special_case():
    model = nn.Sequential(
        QuantumLayer(circuit, {"weights": (1, 2)}), QuantumLayer(circuit, {"weights": (2, 2)})
    )
    x = torch.rand(3, 2)
    with using(Sampled(shots=20_000, seed=1)), torch.no_grad():
        assert torch.allclose(model(x), model(x), atol=0.05)
    assert isinstance(current(), Exact)


def test_the_executor_in_force_ends_with_its_block_even_after_an_error():
    with pytest.raises(RuntimeError), using(Sampled(10)):
        raise RuntimeError
    assert isinstance(current(), Exact)
