"""Variational classifier with data re-uploading (Pérez-Salinas et al., Quantum 4, 226, 2020).

Each layer encodes the features again and applies one entangling layer, by default a strongly entangling one
(Schuld et al., PRA 101, 032308, 2020); every wire is measured.
"""

from functools import partial

import pennylane as qml
from torch import nn

from qcli import QuantumLayer

ANSATZE = ("strong", "basic")
ENCODINGS = ("X", "Y")


def circuit(inputs, weights, wires=4, layers=3, ansatz="strong", encoding="Y"):
    for layer in range(layers):
        qml.AngleEmbedding(inputs, wires=range(wires), rotation=encoding)
        if ansatz == "basic":
            qml.BasicEntanglerLayers(weights[layer : layer + 1], wires=range(wires), rotation=qml.RY)
        else:
            qml.StronglyEntanglingLayers(
                weights[layer : layer + 1], wires=range(wires), ranges=[1 + layer % (wires - 1)]
            )
    return [qml.expval(qml.PauliZ(wire)) for wire in range(wires)]


def build(
    features: int,
    classes: int,
    wires: int = 4,
    layers: int = 3,
    ansatz: str = "strong",
    encoding: str = "Y",
) -> nn.Module:
    """`ansatz`: strong (three angles a wire and layer) or basic (one, about Y); `encoding`: about X or Y."""
    if wires < 2 or layers < 1:
        raise ValueError(
            f"wires must be at least 2 and layers at least 1, got wires={wires}, layers={layers}"
        )
    if ansatz not in ANSATZE or encoding not in ENCODINGS:
        raise ValueError(
            f"ansatz is {' or '.join(ANSATZE)} and encoding {' or '.join(ENCODINGS)}, "
            f"got ansatz={ansatz}, encoding={encoding}"
        )
    quantum = partial(circuit, wires=wires, layers=layers, ansatz=ansatz, encoding=encoding)
    angles = (layers, wires, 3) if ansatz == "strong" else (layers, wires)
    return nn.Sequential(
        nn.Linear(features, wires), QuantumLayer(quantum, {"weights": angles}), nn.Linear(wires, classes)
    )
