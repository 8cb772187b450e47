"""A noisy rehearsal on a device's dated calibration: free, offline, the same forward pass."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.device.record import Device
from qcli.noise.prepared import Circuits, Prepared
from qcli.simulate.executor import Timings


class Emulator:
    """Compiles each circuit for the device, then draws counts from its outcomes under the device's calibrated noise.

    A circuit is compiled once for all samples; the same seed gives the same counts. Outcomes are exact, or means over
    trajectories where the circuit is too wide (noise/circuit.py).
    """

    def __init__(self, device: Device, shots: int, seed: int = 0) -> None:
        self.name = device.emulator
        self.device = device
        self.shots = shots
        self.timings = Timings()
        self.circuits_run = 0
        self._circuits = Circuits(device)
        self._generator = np.random.default_rng(seed)

    @property
    def prepared(self) -> dict[str, Prepared]:
        """The circuits that were run, compiled."""
        return self._circuits.prepared

    def run(self, program: Program, angles: Tensor) -> Tensor:
        groups = measure.groups(program)
        values = angles.detach().double().cpu().numpy()
        sampled = [self._sample(measure.group_program(program, group), values) for group in groups]
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, sampled, len(values))).to(angles)

    def _sample(self, program: Program, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        with self.timings.measure("compile"):
            noisy, parameters = self._circuits.noisy(program, angles, self.device)
        with self.timings.measure("execute"):
            found = noisy.estimate_distribution(parameters, generator=self._generator)
            probabilities = found.values.clip(min=0.0)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            counts = self._generator.multinomial(self.shots, probabilities)
            self.circuits_run += len(angles)
        return counts / self.shots
