"""The executors that only simulate: exact expectation values, and finite shots without noise."""

import numpy as np
import torch
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.simulate.executor import Timings
from qcli.simulate.pennylane import PennyLaneEngine


class Blank:
    """Runs nothing and answers zeros of the right shape: to check a model, or to count its circuits."""

    name = "blank"

    def __init__(self) -> None:
        self.timings = Timings()

    def run(self, program: Program, angles: Tensor) -> Tensor:
        return angles.new_zeros((len(angles), program.outputs))


class Exact:
    """Exact outputs, differentiable: training and ideal inference."""

    name = "sim"

    def __init__(self) -> None:
        self.timings = Timings()
        self._engine = PennyLaneEngine()

    def run(self, program: Program, angles: Tensor) -> Tensor:
        with self.timings.measure("execute"):
            return self._engine.evaluate(program, angles)


class Sampled:
    """A noiseless device with a finite number of shots per circuit; not differentiable."""

    name = "sampled"

    def __init__(self, shots: int, seed: int = 0) -> None:
        self.shots = shots
        self.timings = Timings()
        self._engine = PennyLaneEngine()
        self._generator = np.random.default_rng(seed)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        groups = measure.groups(program)
        with self.timings.measure("execute"), torch.no_grad():
            frequencies = [self._sample(measure.group_program(program, group), angles) for group in groups]
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, frequencies, len(angles))).to(angles)

    def _sample(self, program: Program, angles: Tensor) -> np.ndarray:
        probabilities = self._engine.evaluate(program, angles.double()).cpu().numpy().clip(min=0.0)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return self._generator.multinomial(self.shots, probabilities) / self.shots
