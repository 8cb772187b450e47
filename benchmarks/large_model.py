"""The hybrid of benchmarks/large.py: as many classical layers as a circuit of 8 wires and depth 6 needs."""

from functools import partial

import pennylane as qml
from torch import nn

from qcli import QuantumLayer


def circuit(inputs, weights, wires):
    qml.AngleEmbedding(inputs, wires=range(wires))
    qml.StronglyEntanglingLayers(weights, wires=range(wires))
    return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]


def build(features: int, classes: int, wires: int = 8, depth: int = 6) -> nn.Module:
    return nn.Sequential(
        nn.Linear(features, wires),
        QuantumLayer(partial(circuit, wires=wires), {"weights": (depth, wires, 3)}),
        nn.Linear(wires, classes),
    )
