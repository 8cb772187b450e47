"""What the engine refuses, and that it splits large batches without changing results."""

import pennylane as qml
import pytest
import torch

from qcli import QcliError, QuantumLayer
from qcli.simulate import pennylane as engine


def circuit(inputs):
    qml.AngleEmbedding(inputs, wires=range(2))
    return qml.expval(qml.Z(0) @ qml.Z(1))


def test_a_large_batch_is_split_without_changing_values_or_gradients(monkeypatch):
    layer = QuantumLayer(circuit)
    inputs = torch.rand(11, 2, dtype=torch.float64, requires_grad=True)
    whole = layer(inputs)
    (gradient,) = torch.autograd.grad(whole.sum(), inputs)
    monkeypatch.setattr(engine, "_AMPLITUDES_AT_ONCE", 16)
    split = layer(inputs)
    assert torch.allclose(split, whole)
    assert torch.allclose(torch.autograd.grad(split.sum(), inputs)[0], gradient)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_angles_that_are_not_finite_are_refused(value):
    with pytest.raises(QcliError) as refusal:
        QuantumLayer(circuit)(torch.tensor([[0.1, value]]))
    assert "NaN or infinite" in refusal.value.what


def test_a_register_beyond_memory_is_refused_before_it_is_allocated():
    def wide(inputs):
        qml.RX(inputs[0], wires=0)
        qml.Hadamard(40)
        return [qml.expval(qml.Z(w)) for w in range(41)]

    with pytest.raises(QcliError) as refusal:
        QuantumLayer(wide)(torch.rand(1, 1))
    assert "41 wires need" in refusal.value.what


def test_a_circuit_without_inputs_gives_the_same_output_for_every_sample():
    def constant(inputs):
        qml.Hadamard(0)
        return [qml.expval(qml.X(0)), qml.probs(wires=0)]

    assert torch.allclose(QuantumLayer(constant)(torch.rand(3, 1)), torch.tensor([[1.0, 0.5, 0.5]] * 3))
