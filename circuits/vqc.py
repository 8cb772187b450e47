"""Variational classifier with data re-uploading (Pérez-Salinas et al., Quantum 4, 226, 2020).

Each layer encodes the features again and applies one strongly entangling layer
(Schuld et al., PRA 101, 032308, 2020); every wire is measured.
"""

from functools import partial

import pennylane as qml
from torch import nn

from qcli import QuantumLayer


def circuit(inputs, weights, wires=4, layers=3):
    for layer in range(layers):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation="Y")
        qml.StronglyEntanglingLayers(
            weights[layer : layer + 1], wires=range(wires), ranges=[1 + layer % (wires - 1)]
        )
    return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]


def build(features: int, classes: int, wires: int = 4, layers: int = 3) -> nn.Module:
    if wires < 2 or layers < 1:
        raise ValueError(
            f"wires must be at least 2 and layers at least 1, got wires={wires}, layers={layers}"
        )
    return nn.Sequential(
        nn.Linear(features, wires),
        QuantumLayer(partial(circuit, wires=wires, layers=layers), {"weights": (layers, wires, 3)}),
        nn.Linear(wires, classes),
    )
