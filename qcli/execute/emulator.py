"""A noisy rehearsal on a device's dated calibration: free, offline, the same forward pass."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.device.record import Device
from qcli.execute.reading import Reading
from qcli.forecast.mitigation.construct import calibration, folded
from qcli.noise.circuit import NoisyCircuit
from qcli.noise.prepared import Circuits, Prepared
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]


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
        self.circuits_run = self.shots_run = 0
        self._circuits = Circuits(device)
        self._altered: dict[tuple[int, int, int | None], NoisyCircuit] = {}
        self._generator = np.random.default_rng(seed)

    @property
    def prepared(self) -> dict[str, Prepared]:
        """The circuits that were run, compiled."""
        return self._circuits.prepared

    def run(self, program: Program, angles: Tensor) -> Tensor:
        groups = measure.groups(program)
        values = angles.detach().double().cpu().numpy()
        wanted = [Reading(measure.group_program(program, group), values, self.shots) for group in groups]
        sampled = self.read(wanted)
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, sampled, len(values))).to(angles)

    def read(self, readings: Sequence[Reading]) -> list[Array]:
        return [self._sample(each) for each in readings]

    def _sample(self, reading: Reading) -> Array:
        with self.timings.measure("compile"):
            noisy, parameters = self._noisy(reading)
        with self.timings.measure("execute"):
            found = noisy.estimate_distribution(parameters, generator=self._generator)
            probabilities = found.values.clip(min=0.0)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            counts = self._generator.multinomial(reading.shots, probabilities)
            self.circuits_run += len(counts)
            self.shots_run += len(counts) * reading.shots
        return counts / reading.shots

    def _noisy(self, reading: Reading) -> tuple[NoisyCircuit, Array]:
        if reading.scale == 1 and reading.prepared is None:
            return self._circuits.noisy(reading.program, reading.values, self.device)
        prepared = self._circuits.of(reading.program, reading.values[0])
        key = id(prepared), reading.scale, reading.prepared
        if key not in self._altered:
            compiled = prepared.compiled
            altered = (
                folded(compiled, reading.scale)
                if reading.prepared is None
                else calibration(compiled)[reading.prepared]
            )
            self._altered[key] = NoisyCircuit(altered, self.device)
        columns = prepared.columns if reading.prepared is None else []
        return self._altered[key], reading.values[:, columns]
