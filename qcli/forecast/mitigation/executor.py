"""The mitigated forward pass: what was read goes in, mitigated outputs come out, into the model's own head."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.compile.transpile import Compiled
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.executor import MOST_BITS
from qcli.forecast.mitigation.combine import assignment, corrected, extrapolated, nearest, with_distributions
from qcli.forecast.mitigation.construct import calibration, folded
from qcli.forecast.mitigation.technique import Technique
from qcli.noise.circuit import NoisyCircuit, Strength
from qcli.noise.prepared import Circuits
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]

_MOST_KEPT = 2**26
"""Probabilities that a machine holds."""


class Readings(Protocol):
    """What a device, or its emulator, reads from the circuit of a measured program at angles `(batch, angles)`."""

    def prepare(
        self, programs: Sequence[Program], values: Array, scales: Sequence[int], readout: bool
    ) -> None:
        """Told beforehand what a forward pass asks for: each program at these scales, and its calibration."""
        ...

    def frequencies(self, program: Program, values: Array, scale: int) -> Array:
        """Relative frequencies `(batch, 2**bits)`, two-qubit gates folded to this scale."""
        ...

    def assignment(self, program: Program, values: Array) -> Array:
        """Assignment matrices `(bits, 2, 2)` as calibrated."""
        ...


class Mitigated:
    """An executor whose outputs are mitigated by a technique."""

    def __init__(self, readings: Readings, technique: Technique) -> None:
        self.name = f"mitigated/{technique.name}"
        self.timings = Timings()
        self._readings, self._technique = readings, technique

    def run(self, program: Program, angles: Tensor) -> Tensor:
        values = angles.detach().double().cpu().numpy()
        scales = self._technique.submitted.folds
        groups = measure.groups(program)
        circuits = [measure.group_program(program, group) for group in groups]
        self._readings.prepare(circuits, values, scales, self._technique.submitted.readout)
        at_scales = [
            measure.combine(
                program, groups, [self._read(each, values, scale) for each in circuits], len(values)
            )
            for scale in scales
        ]
        outputs = at_scales[0]
        if scales != (1,):
            outputs = extrapolated(scales, np.array(at_scales), self._technique.extrapolation).values
        return torch.as_tensor(with_distributions(program, outputs)).to(angles)

    def _read(self, program: Program, values: Array, scale: int) -> Array:
        found = self._readings.frequencies(program, values, scale)
        if not self._technique.submitted.readout:
            return found
        return corrected(found, self._readings.assignment(program, values))


class Machine:
    """Noisy distributions of a model's circuits, each simulated once for the same angles; those last used are kept."""

    def __init__(self, circuits: Circuits, strength: Strength, figures: Device) -> None:
        self._circuits, self._strength, self._figures = circuits, strength, figures
        self._noisy: dict[tuple[int, int], NoisyCircuit] = {}
        self._known: dict[tuple[str, bytes, int], Array] = {}
        self._calibrated: dict[int, tuple[Array, Array]] = {}

    def compiled(self, program: Program, values: Array) -> Compiled:
        return self._circuits.of(program, values[0]).compiled

    def distribution(self, program: Program, values: Array, scale: int) -> Array:
        """Probabilities `(batch, 2**bits)` of what is read from the folded circuit.

        Raises:
            QcliError: it measures too many bits.
        """
        key = program.key, values.tobytes(), scale
        if key not in self._known:
            prepared = self._circuits.of(program, values[0])
            if (bits := len(prepared.compiled.layout)) > MOST_BITS:
                raise QcliError(
                    f"a circuit measures {bits} wires together",
                    "mitigation by value",
                    f"measure at most {MOST_BITS} wires in one circuit",
                )
            which = id(prepared.compiled), scale
            if which not in self._noisy:
                self._noisy[which] = NoisyCircuit(folded(prepared.compiled, scale), self._figures)
            found = self._noisy[which].estimate_distribution(values[:, prepared.columns], self._strength)
            while len(self._known) * found.values.size > _MOST_KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = nearest(found.values)
        self._known[key] = self._known.pop(key)
        return self._known[key]

    def calibration(self, compiled: Compiled) -> tuple[Array, Array]:
        """Probabilities `(1, 2**bits)` of what is read from the circuits all 0 and all 1."""
        if id(compiled) not in self._calibrated:
            nothing = np.zeros((1, 0))
            zeros, ones = (
                nearest(NoisyCircuit(circuit, self._figures).distribution(nothing, self._strength))
                for circuit in calibration(compiled)
            )
            self._calibrated[id(compiled)] = zeros, ones
        return self._calibrated[id(compiled)]


class Trial:
    """One run on a machine with finite shots, or with None as many as it likes.

    Each circuit is sampled once, so that techniques that share a circuit share its counts.
    """

    def __init__(self, machine: Machine, shots: int | None, seed: tuple[int, ...] = (0,)) -> None:
        self._machine, self._shots = machine, shots
        self._generator = np.random.default_rng(seed)
        self._drawn: dict[tuple[str, bytes, int], Array] = {}
        self._assigned: dict[int, Array] = {}

    def prepare(
        self, programs: Sequence[Program], values: Array, scales: Sequence[int], readout: bool
    ) -> None:
        """Sampled when asked for."""

    def frequencies(self, program: Program, values: Array, scale: int) -> Array:
        key = program.key, values.tobytes(), scale
        if key not in self._drawn:
            self._drawn[key] = self._sampled(self._machine.distribution(program, values, scale))
        return self._drawn[key]

    def assignment(self, program: Program, values: Array) -> Array:
        compiled = self._machine.compiled(program, values)
        if id(compiled) not in self._assigned:
            zeros, ones = map(self._sampled, self._machine.calibration(compiled))
            self._assigned[id(compiled)] = assignment(zeros[0], ones[0])
        return self._assigned[id(compiled)]

    def _sampled(self, probabilities: Array) -> Array:
        if self._shots is None:
            return probabilities
        return self._generator.multinomial(self._shots, probabilities) / self._shots
