"""Quantum convolutional neural network after Cong, Choi and Lukin, Nature Physics 15, 1273 (2019).

The image is reduced to one feature per wire in front of the circuit. Convolutions are general two-qubit
unitaries on neighbouring wires (15 angles, three CNOTs: Vatan and Williams, PRA 69, 032315, 2004); pooling
applies a rotation to one wire conditioned on its neighbour, which is then left alone. One wire is measured
per class bit.
"""

from functools import partial
from math import ceil, log2, pi

import pennylane as qml
import torch
from torch import nn

from qcli import QuantumLayer

CONVOLUTION_ANGLES = 15
POOLING_ANGLES = 3


def convolution(angles, wires):
    a, b = wires
    qml.Rot(*angles[0:3], wires=a)
    qml.Rot(*angles[3:6], wires=b)
    qml.CNOT(wires=[b, a])
    qml.RZ(angles[6], wires=a)
    qml.RY(angles[7], wires=b)
    qml.CNOT(wires=[a, b])
    qml.RY(angles[8], wires=b)
    qml.CNOT(wires=[b, a])
    qml.Rot(*angles[9:12], wires=a)
    qml.Rot(*angles[12:15], wires=b)


def layers(wires, measured):
    """Per layer: the pairs to convolve and the (discarded, kept) pairs to pool, until `measured` wires remain."""
    active = list(range(wires))
    while len(active) > measured:
        discard = min(len(active) // 2, len(active) - measured)
        convolved = [
            *zip(active[0::2], active[1::2], strict=False),
            *zip(active[1::2], active[2::2], strict=False),
        ]
        pooled = [(active[2 * i], active[2 * i + 1]) for i in range(discard)]
        yield convolved, pooled
        discarded = {wire for wire, _ in pooled}
        active = [wire for wire in active if wire not in discarded]


def weight_shapes(wires, measured, shared):
    plan = list(layers(wires, measured))
    convolutions = len(plan) if shared else sum(len(convolved) for convolved, _ in plan)
    poolings = len(plan) if shared else sum(len(pooled) for _, pooled in plan)
    return {"convolutions": (convolutions, CONVOLUTION_ANGLES), "poolings": (poolings, POOLING_ANGLES)}


def circuit(inputs, convolutions, poolings, wires=8, measured=1, shared=True):
    qml.AngleEmbedding(inputs, wires=range(wires), rotation="Y")
    convolution_angles, pooling_angles = iter(convolutions), iter(poolings)
    kept = list(range(wires))
    for convolved, pooled in layers(wires, measured):
        if shared:
            angles, rotation = next(convolution_angles), next(pooling_angles)
        for pair in convolved:
            convolution(angles if shared else next(convolution_angles), pair)
        for discarded, wire in pooled:
            qml.CRot(*(rotation if shared else next(pooling_angles)), wires=[discarded, wire])
            kept.remove(discarded)
    return [qml.expval(qml.PauliZ(wire)) for wire in kept]


class Angles(nn.Module):
    """Features to rotation angles in (0, π)."""

    def forward(self, features):
        return pi * torch.sigmoid(features)


def build(features: int, classes: int, wires: int = 8, shared: bool = True) -> nn.Module:
    """`shared`: one set of angles per layer, as in a classical convolution; otherwise one per block."""
    measured = max(1, ceil(log2(classes)))
    if measured >= wires:
        raise ValueError(f"{classes} classes need more than {measured} wires, got wires={wires}")
    return nn.Sequential(
        nn.Linear(features, wires),
        Angles(),
        QuantumLayer(
            partial(circuit, wires=wires, measured=measured, shared=shared),
            weight_shapes(wires, measured, shared),
        ),
        nn.Linear(measured, classes),
    )
