"""A noisy rehearsal on a device's dated calibration: free, offline, the same forward pass."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel


@dataclass(frozen=True)
class Prepared:
    """A circuit compiled for all samples: `columns` of the angle tensor are its parameters."""

    compiled: Compiled
    columns: list[int]
    noise: "NoiseModel"


class Emulator:
    """Compiles each circuit for the device, then samples it under the device's calibrated noise.

    A circuit is compiled once for all samples; the same seed gives the same counts.
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
            circuits = bind_and_merge(circuit.compiled, angles[:, circuit.columns])
        with self.timings.measure("execute"):
            seed = int(self._generator.integers(2**31))
            counts = run_noisy(circuits, circuit.noise, self.shots, seed)
            self.circuits_run += len(circuits)
        with self.timings.measure("postprocess"):
            return np.array([frequencies(count, len(circuit.compiled.layout)) for count in counts])

    def _prepare(self, program: Program, angles: NDArray[np.float64]) -> Prepared:
        """The template of `program` with these weights, compiled the first time it is seen."""
        fixed = angles[~np.array(program.angle_map.from_inputs, dtype=bool)]
        key = program.key + fixed.tobytes().hex()
        if key not in self.prepared:
            circuit, columns = template(program, angles)
            compiled = compile_circuit(circuit, self.device)
            self.prepared[key] = Prepared(compiled, columns, noise_model(self.device, compiled.used_qubits))
        return self.prepared[key]
