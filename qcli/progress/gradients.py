"""Whether gradients reach every weight, and whether they vanish."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from qcli.model.layer import quantum_layers
from qcli.model.load import call_model
from qcli.simulate.engine import precision_named
from qcli.simulate.exact import Exact
from qcli.simulate.executor import using
from qcli.train.run import Run

WEIGHTS, ROWS = 8, 32
_LEAST = 1e-12


@dataclass(frozen=True)
class Gradients:
    """At random weights.

    unreached: parameters whose gradient is zero, or none, every time.
    variance: of the loss's derivative by a quantum weight, the mean over weights; it falls exponentially in the number
        of wires on a barren plateau (McClean et al., Nature Communications 9, 4812, 2018).
    wires: of the widest circuit.
    """

    unreached: tuple[str, ...]
    variance: float
    wires: int
    draws: int


def look_at_gradients(run: Run) -> Gradients:
    """Of the loss on a run's first training rows, at the initial weights of eight seeds."""
    x, y = run.rows("train", ROWS)
    classes = len(run.info.data.classes)
    training = run.info.training
    reached: dict[str, bool] = {}
    quantum = []
    with using(Exact(training.engine, precision_named(training.precision))):
        for seed in range(WEIGHTS):
            model = run.new_model(seed)
            nn.functional.cross_entropy(call_model(model, x, classes), y).backward()
            for name, parameter in model.named_parameters():
                found = parameter.grad is not None and bool(parameter.grad.abs().max() > _LEAST)
                reached[name] = reached.get(name, False) or found
            quantum.append(_quantum_gradient(model))
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    variance = float(np.stack(quantum).var(axis=0).mean()) if quantum[0].size else float("nan")
    return Gradients(tuple(name for name, hit in reached.items() if not hit), variance, wires, WEIGHTS)


def _quantum_gradient(model: nn.Module) -> np.ndarray:
    parts = [
        torch.zeros_like(weight) if weight.grad is None else weight.grad
        for layer in quantum_layers(model)
        for weight in layer.weights.values()
    ]
    return torch.cat([part.reshape(-1) for part in parts]).double().numpy() if parts else np.zeros(0)
