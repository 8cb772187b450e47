"""qcli's quantum layer on its default executor."""

from typing import Any

import pennylane as qml
import torch

from peers import pennylane_circuit
from peers.circuit import Array, Circuit, Forward, Step
from qcli import QuantumLayer

PACKAGES = ("qcli", "torch")


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    def function(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
        pennylane_circuit.apply(circuit, [inputs[..., i] for i in range(circuit.wires)], weights)
        return qml.expval(pennylane_circuit.observable(circuit))

    layer = QuantumLayer(function, {"weights": circuit.weights})
    parameter = layer.weights["weights"]

    def load(x: Array, weights: Array) -> torch.Tensor:
        with torch.no_grad():
            parameter.copy_(torch.as_tensor(weights))
        return torch.as_tensor(x, dtype=torch.float32)

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        features = load(x, weights)
        layer.zero_grad()
        loss = torch.mean((layer(features)[:, 0] - torch.as_tensor(target, dtype=torch.float32)) ** 2)
        loss.backward()
        assert parameter.grad is not None
        return loss.item(), parameter.grad.numpy()

    def forward(x: Array, weights: Array) -> Array:
        features = load(x, weights)
        with torch.no_grad():
            return layer(features)[:, 0].numpy()

    return step, forward
