"""A noisy rehearsal on a device's dated calibration: free, offline, the same forward pass."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.circuit.qiskit import frequencies, template
from qcli.compile.noise import noise_model, run_noisy
from qcli.compile.transpile import Compiled, bind_and_merge, compile_circuit
from qcli.device.record import Device
from qcli.simulate.executor import Timings


class Emulator:
    """Compiles each circuit for the device, then samples it under the device's calibrated noise.

    A circuit is compiled once for all samples; the same seed gives the same counts.
    """

    def __init__(self, device: Device, shots: int, seed: int = 0) -> None:
        self.name = device.emulator
        self.device = device
        self.shots = shots
        self.timings = Timings()
        self.compiled: dict[str, tuple[Compiled, list[int]]] = {}
        self._generator = np.random.default_rng(seed)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        groups = measure.groups(program)
        values = angles.detach().double().cpu().numpy()
        sampled = [self._sample(measure.group_program(program, group), values) for group in groups]
        with self.timings.measure("postprocess"):
            return torch.as_tensor(measure.combine(program, groups, sampled, len(values))).to(angles)

    def _sample(self, program: Program, angles: NDArray[np.float64]) -> NDArray[np.float64]:
        with self.timings.measure("compile"):
            compiled, columns = self._compile(program, angles[0])
            circuits = bind_and_merge(compiled, angles[:, columns])
            noise = noise_model(self.device, compiled.used_qubits)
        with self.timings.measure("execute"):
            seed = int(self._generator.integers(2**31))
            counts = run_noisy(circuits, noise, self.shots, seed)
        with self.timings.measure("postprocess"):
            return np.array([frequencies(count, len(compiled.layout)) for count in counts])

    def _compile(self, program: Program, angles: NDArray[np.float64]) -> tuple[Compiled, list[int]]:
        """The template of `program` with these weights, compiled the first time it is seen."""
        fixed = angles[~np.array(program.angle_map.from_inputs, dtype=bool)]
        key = program.key + fixed.tobytes().hex()
        if key not in self.compiled:
            circuit, columns = template(program, angles)
            self.compiled[key] = compile_circuit(circuit, self.device), columns
        return self.compiled[key]
