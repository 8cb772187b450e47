"""What a device is asked to read, and the forward pass that is made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Program
from qcli.forecast.mitigation.combine import Extrapolation, assignment
from qcli.forecast.mitigation.technique import Technique
from qcli.price.workload import Mitigation
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reading:
    """A circuit to run `shots` times for each row of `values` `(batch, angles)`; what it measures are probabilities.

    Attributes:
        scale: two-qubit gates are folded so many times, 1 as written.
        prepared: 0 or 1 for readout calibration: all measured qubits in that state, instead of the circuit.
        part: tells readings of the same circuit apart, such as those of a second stage of shots.
    """

    program: Program
    values: Array
    shots: int
    scale: int = 1
    prepared: int | None = None
    part: int = 0

    @property
    def content(self) -> tuple[str, bytes, int, int, int | None, int]:
        return self.program.key, self.values.tobytes(), self.shots, self.scale, self.prepared, self.part


class Reader(Protocol):
    """A device, or what stands for one."""

    name: str
    timings: Timings

    def read(self, readings: Sequence[Reading]) -> list[Array]:
        """Relative frequencies `(batch, 2**bits)` of each, first measured wire most significant.

        What is read together may be submitted together.
        """
        ...


class Shared:
    """Readings of one device with so many shots, each made once: raw and mitigated outputs share their counts."""

    def __init__(self, reader: Reader, shots: int, part: int = 0) -> None:
        self._reader, self._shots, self._part = reader, shots, part
        self._known: dict[tuple[str, bytes, int, int, int | None, int], Array] = {}

    def prepare(
        self, programs: Sequence[Program], values: Array, scales: Sequence[int], readout: bool
    ) -> None:
        """Read together what the next calls will ask for."""
        wanted = [self._reading(program, values, scale) for program in programs for scale in scales]
        if readout:
            wanted += [self._calibration(program, values, bit) for program in programs for bit in (0, 1)]
        self._ensure(wanted)

    def frequencies(self, program: Program, values: Array, scale: int) -> Array:
        return self._get(self._reading(program, values, scale))

    def assignment(self, program: Program, values: Array) -> Array:
        zeros, ones = (self._get(self._calibration(program, values, bit)) for bit in (0, 1))
        return assignment(zeros[0], ones[0])

    def _reading(self, program: Program, values: Array, scale: int) -> Reading:
        return Reading(program, values, self._shots, scale, part=self._part)

    def _calibration(self, program: Program, values: Array, bit: int) -> Reading:
        return Reading(program, _weights_alone(program, values), self._shots, prepared=bit)

    def _get(self, reading: Reading) -> Array:
        self._ensure([reading])
        return self._known[reading.content]

    def _ensure(self, wanted: Sequence[Reading]) -> None:
        missing = {each.content: each for each in wanted if each.content not in self._known}
        if missing:
            found = self._reader.read(list(missing.values()))
            self._known.update(zip(missing, found, strict=True))


def technique_of(mitigation: Mitigation) -> Technique:
    """What `--mitigation` asks for, as the mitigated forward pass takes it."""
    how: Extrapolation = "exponential" if len(mitigation.folds) > 2 else "linear"
    return Technique(str(mitigation) or "none", mitigation, how)


def _weights_alone(program: Program, values: Array) -> Array:
    """One row in which only the weights are left: all samples share a calibration."""
    row = values[:1].copy()
    row[:, np.array(program.angle_map.from_inputs, dtype=bool)] = 0.0
    return row
