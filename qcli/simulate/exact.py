"""The executors that only simulate: exact expectation values, and finite shots without noise."""

import numpy as np
import torch
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.simulate.engine import Engine, choose, create
from qcli.simulate.executor import Timings


class Blank:
    """Runs nothing and answers zeros of the right shape: to check a model, or to count its circuits."""

    name = "blank"

    def __init__(self) -> None:
        self.timings = Timings()

    def run(self, program: Program, angles: Tensor) -> Tensor:
        return angles.new_zeros((len(angles), program.outputs))


class Exact:
    """Exact outputs, differentiable: training and ideal inference.

    `engine` is a name of `engine.NAMES`; `precision` None follows the angles' dtype.
    """

    name = "sim"

    def __init__(self, engine: str = "auto", precision: torch.dtype | None = None) -> None:
        self.timings = Timings()
        self.engine, self.precision = engine, precision
        self._engines: dict[str, Engine] = {}
        self._chosen: dict[tuple[int, int], Engine] = {}

    def run(self, program: Program, angles: Tensor) -> Tensor:
        if len(angles) == 0:
            return angles.new_zeros((0, program.outputs)) + 0 * angles.sum()
        size = (program.wires, len(angles))
        if size not in self._chosen:
            name = choose(self.engine, *size).engine
            if name not in self._engines:
                self._engines[name] = create(name, self.precision)
            self._chosen[size] = self._engines[name]
        with self.timings.measure("execute"):
            return self._chosen[size].evaluate(program, angles)


class Sampled:
    """A device with a finite number of shots per circuit; not differentiable.

    With `contrast` c < 1 it is noisy: a share 1 - c of the runs gives a random outcome, and frequencies are rescaled so
    that their mean is the noiseless one.
    """

    name = "sampled"

    def __init__(
        self,
        shots: int,
        seed: int = 0,
        engine: str = "auto",
        precision: torch.dtype | None = None,
        contrast: float = 1.0,
    ) -> None:
        self.shots, self.contrast = shots, contrast
        self.timings = Timings()
        self._exact = Exact(engine, precision)
        self._generator = np.random.default_rng(seed)
        self._circuits: dict[str, list[tuple[measure.Group, Program]]] = {}

    def run(self, program: Program, angles: Tensor) -> Tensor:
        if program.key not in self._circuits:
            self._circuits[program.key] = [
                (group, measure.group_program(program, group)) for group in measure.groups(program)
            ]
        circuits = self._circuits[program.key]
        groups = tuple(group for group, _ in circuits)
        with self.timings.measure("execute"), torch.no_grad():
            frequencies = [self._sample(circuit, angles) for _, circuit in circuits]
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, frequencies, len(angles))).to(angles)

    def _sample(self, program: Program, angles: Tensor) -> np.ndarray:
        probabilities = self._exact.run(program, angles).double().cpu().numpy().clip(min=0.0)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        random = (1 - self.contrast) / probabilities.shape[1]
        counts = self._generator.multinomial(self.shots, self.contrast * probabilities + random)
        return (counts / self.shots - random) / self.contrast
