"""Angles as a function of inputs and weights, beyond what the traces of tests/circuit/test_trace.py show."""

import pennylane as qml
import torch

from qcli.circuit.trace import trace


def test_a_large_angle_map_is_applied_by_its_entries_with_the_same_outcome(monkeypatch):
    def circuit(inputs, weights):
        qml.RX(2 * inputs[0] - weights[1] + 0.5, wires=0)
        qml.RY(weights[0] / 3, wires=0)
        return qml.expval(qml.Z(0))

    program = trace(circuit, 2, {"weights": (2,)})
    inputs, weights = torch.rand(5, 2), torch.rand(2)
    dense = program.angle_map(inputs, weights)
    monkeypatch.setattr("qcli.circuit.angles._DENSE", 0)
    assert torch.allclose(program.angle_map(inputs, weights), dense)
    assert torch.allclose(dense[:, 0], 2 * inputs[:, 0] - weights[1] + 0.5)
