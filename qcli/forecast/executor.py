"""The forward pass on a noisy device: with given strengths of its errors, or on a day drawn from its outlook."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.compile.transpile import Compiled
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.response import GATES, Curve, curve
from qcli.noise.channels import assignment, on_bits
from qcli.noise.circuit import NoisyCircuit, Strength
from qcli.noise.prepared import Circuits
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]

MOST_BITS = 12
"""Of which a joint distribution is held for every sample."""

_USUAL = GATES[3]
"""Strength of the errors at which the shift of Pauli words by readout is simulated."""


Asked = tuple[str, bytes, bytes]
"""A program, its angles, and the Pauli words over the bits read, if any: all that an answer depends on."""


class _Outcomes:
    """A forward pass whose circuits are read with finite shots, or with None exactly.

    Of a circuit that reads up to `MOST_BITS` bits, shots are drawn from their joint distribution; of a wider one from
    each Pauli word's own, as if words were read independently.
    """

    def __init__(self, name: str, circuits: Circuits, figures: Device, shots: int | None, seed: int) -> None:
        self.name = name
        self.timings = Timings()
        self._circuits, self._figures, self._shots = circuits, figures, shots
        self._generator = np.random.default_rng(seed)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        values = angles.detach().double().cpu().numpy()
        groups = measure.groups(program)
        narrow = tuple(group for group in groups if len(group.wires) <= MOST_BITS)
        found = [self._frequencies(measure.group_program(program, group), values) for group in narrow]
        outputs = measure.combine(program, narrow, found, len(values))
        for group in groups:
            if group not in narrow:
                self._add_words(outputs, program, group, values)
        return torch.as_tensor(outputs).to(angles)

    def _frequencies(self, program: Program, values: Array) -> Array:
        rows = self._distribution(program, values).clip(min=0.0)
        rows = rows / rows.sum(axis=1, keepdims=True)
        return rows if self._shots is None else self._generator.multinomial(self._shots, rows) / self._shots

    def _add_words(self, outputs: Array, program: Program, group: measure.Group, values: Array) -> None:
        if group.distributions:
            raise QcliError(
                f"probabilities of {len(group.wires)} wires",
                "forecast",
                f"measure expectation values, or the probabilities of at most {MOST_BITS} wires",
            )
        words = np.ones((len(group.terms), len(group.wires), 2))
        for row, (_, _, word) in enumerate(group.terms):
            for wire, _ in word:
                words[row, group.wires.index(wire), 1] = -1.0
        means = self._words(measure.group_program(program, group), values, words).clip(-1.0, 1.0)
        if self._shots is not None:
            means = 2 * self._generator.binomial(self._shots, (1 + means) / 2) / self._shots - 1
        for row, (column, coefficient, _) in enumerate(group.terms):
            outputs[:, column] += coefficient * means[:, row]

    def _distribution(self, program: Program, values: Array) -> Array:
        """Probabilities `(samples, 2**bits)` of what a circuit reads."""
        raise NotImplementedError

    def _words(self, program: Program, values: Array, words: Array) -> Array:
        """Expectation values `(samples, words)` of products over the bits read, as `NoisyCircuit` takes them."""
        raise NotImplementedError


class Noisy(_Outcomes):
    """A noisy device with errors of one `strength`; with `shots` None exact.

    `figures` is the record whose errors act, by default the one that circuits are compiled for.
    """

    def __init__(
        self,
        circuits: Circuits,
        strength: Strength | None = None,
        figures: Device | None = None,
        shots: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(f"noisy/{circuits.device.name}", circuits, figures or circuits.device, shots, seed)
        self._strength = strength or Strength()
        self._known: dict[Asked, Array] = {}

    def _distribution(self, program: Program, values: Array) -> Array:
        key = program.key, values.tobytes(), b""
        if key not in self._known:
            noisy, parameters = self._circuits.noisy(program, values, self._figures)
            self._known[key] = noisy.estimate_distribution(parameters, self._strength).values
        return self._known[key]

    def _words(self, program: Program, values: Array, words: Array) -> Array:
        key = program.key, values.tobytes(), words.tobytes()
        if key not in self._known:
            noisy, parameters = self._circuits.noisy(program, values, self._figures)
            self._known[key] = noisy.estimate(parameters, words, self._strength).values
        return self._known[key]


class Days(_Outcomes):
    """Finite shots on one of a device's possible days after the other: set `gates` and `readout` before a forward pass.

    The noise is simulated at a few strengths and interpolated between, once for the same angles. Readout is applied to
    joint distributions exactly; Pauli words it scales, and shifts in proportion to its strength, which is exact for
    words of one letter.
    """

    def __init__(self, circuits: Circuits, figures: Device, shots: int | None, seed: int = 0) -> None:
        super().__init__(f"days/{circuits.device.name}", circuits, figures, shots, seed)
        self.gates = self.readout = 1.0
        self._known: dict[Asked, Curve] = {}
        self._shifts: dict[Asked, Array] = {}

    def _distribution(self, program: Program, values: Array) -> Array:
        key = program.key, values.tobytes(), b""
        there = self._curve(
            key, program, values, lambda noisy, angles, each: noisy.estimate_distribution(angles, each).values
        )(self.gates)
        return misread(there, self.readout * self._flips(program, values))

    def _words(self, program: Program, values: Array, words: Array) -> Array:
        key = program.key, values.tobytes(), words.tobytes()
        there = self._curve(
            key, program, values, lambda noisy, angles, each: noisy.estimate(angles, words, each).values
        )
        flips = self._flips(program, values)
        if key not in self._shifts:
            noisy, parameters = self._circuits.noisy(program, values, self._figures)
            read = noisy.estimate(parameters, words, Strength(_USUAL, _USUAL, _USUAL)).values
            self._shifts[key] = read - there(_USUAL) * contrast(words, flips)
        return there(self.gates) * contrast(words, self.readout * flips) + self.readout * self._shifts[key]

    def _flips(self, program: Program, values: Array) -> Array:
        return flip_probabilities(self._circuits.of(program, values[0]).compiled, self._figures)

    def _curve(
        self,
        key: Asked,
        program: Program,
        values: Array,
        simulate: Callable[[NoisyCircuit, Array, Strength], Array],
    ) -> Curve:
        if key not in self._known:
            noisy, parameters = self._circuits.noisy(program, values, self._figures)
            strengths = [Strength(gates, gates, gates, readout=0.0) for gates in GATES]
            self._known[key] = curve(
                GATES, np.array([simulate(noisy, parameters, each) for each in strengths])
            )
        return self._known[key]


def flip_probabilities(compiled: Compiled, figures: Device) -> Array:
    """Of each measured bit, to read 1 for 0 and 0 for 1: `(bits, 2)`."""
    qubits = {qubit.id: qubit for qubit in figures.usable}
    return np.array([(qubits[q].p1_given_0, qubits[q].p0_given_1) for q in compiled.layout], dtype=float)


def contrast(words: Array, flips: Array) -> Array:
    """What readout leaves of Pauli words `(words, bits, 2)`, their shift aside: `(words,)`."""
    left = 1 - flips.clip(0.0, 0.5).sum(axis=1)
    product: Array = np.where(words[..., 1] < 0, left, 1.0).prod(axis=1)
    return product


def misread(probabilities: Array, flips: Array) -> Array:
    """Distributions `(rows, 2**bits)`, first bit most significant, after readout with these flip probabilities."""
    return on_bits(probabilities, [assignment(up, down) for up, down in flips.clip(0.0, 0.5)])
