"""A model's circuits compiled for a device, once for all samples and strengths of noise."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Program
from qcli.circuit.qiskit import template
from qcli.compile.transpile import Compiled, layouts
from qcli.device.record import Device
from qcli.noise.circuit import NoisyCircuit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """A circuit in several layouts, the best first, and the columns of the angle tensor that are its parameters."""

    layouts: tuple[Compiled, ...]
    columns: list[int]

    @property
    def compiled(self) -> Compiled:
        return self.layouts[0]


@dataclass
class Circuits:
    """A model's circuits as `device` runs them, each compiled once; `most_layouts` of each are looked for."""

    device: Device
    most_layouts: int = 1
    prepared: dict[str, Prepared] = field(default_factory=dict)
    _noisy: dict[tuple[str, Device], NoisyCircuit] = field(default_factory=dict, init=False, repr=False)

    def of(self, program: Program, angles: Array) -> Prepared:
        """The circuit of a measured program with the weights among `angles` `(angles,)`.

        Raises:
            QcliError: it does not fit the device.
        """
        key = _key(program, angles)
        if key not in self.prepared:
            circuit, columns = template(program, angles)
            self.prepared[key] = Prepared(tuple(layouts(circuit, self.device, self.most_layouts)), columns)
        return self.prepared[key]

    def noisy(self, program: Program, values: Array, figures: Device) -> tuple[NoisyCircuit, Array]:
        """The circuit under the errors of `figures`, and its parameters for samples `values` `(samples, angles)`."""
        prepared, key = self.of(program, values[0]), (_key(program, values[0]), figures)
        if key not in self._noisy:
            self._noisy[key] = NoisyCircuit(prepared.compiled, figures)
        return self._noisy[key], values[:, prepared.columns]


def _key(program: Program, angles: Array) -> str:
    """Of a program with its weights."""
    fixed = angles[~np.array(program.angle_map.from_inputs, dtype=bool)]
    return program.key + fixed.tobytes().hex()
