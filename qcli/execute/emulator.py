"""A noisy rehearsal on a device's dated calibration: free, offline, the same forward pass."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.circuit.qiskit import template
from qcli.compile.transpile import Compiled, compile_circuit
from qcli.device.record import Device
from qcli.noise.circuit import NoisyCircuit
from qcli.simulate.executor import Timings


@dataclass(frozen=True)
class Prepared:
    """A circuit compiled for all samples: `columns` of the angle tensor are its parameters."""

    compiled: Compiled
    columns: list[int]
    noisy: NoisyCircuit


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
        self.prepared: dict[str, Prepared] = {}
        self.circuits_run = 0
        self._generator = np.random.default_rng(seed)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        groups = measure.groups(program)
        values = angles.detach().double().cpu().numpy()
        sampled = [self._sample(measure.group_program(program, group), values) for group in groups]
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, sampled, len(values))).to(angles)

    def _sample(self, program: Program, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        with self.timings.measure("compile"):
            circuit = self._prepare(program, angles[0])
        with self.timings.measure("execute"):
            found = circuit.noisy.estimate_distribution(angles[:, circuit.columns], generator=self._generator)
            probabilities = found.values.clip(min=0.0)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            counts = self._generator.multinomial(self.shots, probabilities)
            self.circuits_run += len(angles)
        return counts / self.shots

    def _prepare(self, program: Program, angles: NDArray[np.float64]) -> Prepared:
        """The template of `program` with these weights, compiled the first time it is seen."""
        fixed = angles[~np.array(program.angle_map.from_inputs, dtype=bool)]
        key = program.key + fixed.tobytes().hex()
        if key not in self.prepared:
            circuit, columns = template(program, angles)
            compiled = compile_circuit(circuit, self.device)
            self.prepared[key] = Prepared(compiled, columns, NoisyCircuit(compiled))
        return self.prepared[key]
