"""Random quantum functions over every gate of the vocabulary, for comparison with default.qubit."""

from dataclasses import dataclass

import numpy as np
import pennylane as qml
import torch

from qcli.circuit.gates import GATES


@dataclass(frozen=True)
class RandomCircuit:
    """A PennyLane quantum function of (inputs, weights) drawn from a seed."""

    seed: int
    wires: int
    features: int
    weights: int
    depth: int

    def __call__(self, inputs, weights):
        rng = np.random.default_rng(self.seed)
        names = [name for name, kind in GATES.items() if kind.wires <= self.wires]
        for _ in range(self.depth):
            name = names[rng.integers(len(names))]
            wires = rng.permutation(self.wires)[: GATES[name].wires].tolist()
            if not GATES[name].has_angle:
                gate = (
                    qml.adjoint(getattr(qml, name[8:-1]))
                    if name.startswith("Adjoint")
                    else getattr(qml, name)
                )
                gate(wires=wires)
                continue
            x, w = inputs[..., rng.integers(self.features)], weights[rng.integers(self.weights)]
            scale, offset = rng.normal(size=2)
            angles = [
                offset,
                x,
                w,
                scale * x + offset,
                scale * w - x / 3 + offset,
                x * w,
                torch.sin(x) + w**2,
            ]
            angle = angles[rng.integers(len(angles))]
            getattr(qml, name)(angle, wires=wires)
        return [
            self._observable(rng),
            self._observable(rng),
            qml.probs(wires=rng.permutation(self.wires)[:2].tolist()),
        ]

    def _observable(self, rng):
        words = []
        for _ in range(rng.integers(1, 4)):
            letters = [
                getattr(qml, rng.choice(["X", "Y", "Z"]))(w) for w in rng.permutation(self.wires)[:3].tolist()
            ]
            words.append(float(rng.normal()) * qml.prod(*letters))
        return qml.expval(qml.sum(*words) if len(words) > 1 else words[0])
