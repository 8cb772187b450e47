"""Margins of a trained model: what its labels hang on, read off the model itself."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.circuit.program import Expectation, Program
from qcli.errors import QcliError
from qcli.model.layer import quantum_layers
from qcli.model.load import class_logits
from qcli.price.binomial import BinomialMargins, label_changes
from qcli.price.shots import BANDS, Array, Integers, Margins, Stage, Uniform, Unit
from qcli.simulate.exact import Blank, Exact, Sampled
from qcli.simulate.executor import Executor, Observed, using
from qcli.train.run import Run

_SAMPLES = 1000
_ROWS, _AMPLITUDES = 3_000, 2**22
"""Limits of one simulated flip rate: circuits, and circuits times 2**wires."""
_CHUNK = 2**14
_AROUND = 33
"""Values around a measured one at which labels are looked up."""


class _Given(Blank):
    """Answers what it was given."""

    name = "given"

    def __init__(self, outputs: Array) -> None:
        super().__init__()
        self._outputs = torch.as_tensor(outputs)

    def run(self, program: Program, angles: Tensor) -> Tensor:
        return self._outputs.to(angles)


@dataclass(frozen=True, eq=False)
class _Subject:
    """A model and the samples `x` it labels."""

    model: nn.Module
    x: Tensor
    classes: int

    def logits(self, executor: Executor, repetitions: int = 1) -> Array:
        """`(repetitions, samples, classes)`, all repetitions in one batch."""
        with torch.no_grad(), using(executor):
            logits = class_logits(self.model(self.x.repeat(repetitions, 1)), self.classes)
        return logits.double().cpu().numpy().reshape(repetitions, len(self.x), self.classes)


@dataclass(frozen=True, eq=False)
class _OneCall:
    """The one executor call of a subject. `ordered`: repeated samples make repeated angles, in the same order."""

    subject: _Subject
    program: Program
    angles: Tensor
    ordered: bool

    def sampled(self, executor: Sampled, repetitions: int) -> Array:
        """Outputs `(repetitions, circuits, columns)` of finite shots."""
        outputs = executor.run(self.program, self.angles.repeat(repetitions, 1))
        return outputs.double().cpu().numpy().reshape(repetitions, -1, self.program.outputs)

    def logits(self, outputs: Array) -> Array:
        """`(repetitions, samples, classes)` for given outputs."""
        size = max(1, _CHUNK // len(self.angles)) if self.ordered else 1
        parts = (outputs[k : k + size] for k in range(0, len(outputs), size))
        return np.concatenate(
            [self.subject.logits(_Given(part.reshape(-1, part.shape[2])), len(part)) for part in parts]
        )


def _labels(logits: Array) -> Integers:
    """The classes that `train.loop.predict` makes most probable."""
    labels: Integers = torch.softmax(torch.as_tensor(logits), -1).numpy().argmax(-1)
    return labels


def _gap(logits: Array) -> Array:
    """Between the two largest logits."""
    gap: Array = np.diff(np.sort(logits, axis=-1)[..., -2:])[..., 0]
    return gap


class SimulatedMargins(Margins):
    """Any model: finite shots are simulated, `repetitions` times with fixed seeds.

    The shots of a larger number on the ladder include those of the smaller, so that one simulation serves all plans.
    Several executor calls may depend on each other: such models are simulated anew for each number, and have no
    two-stage plan.
    """

    method = "simulated"
    unit = "logit gap"
    parities = (0,)
    steps = 2
    contrasts = 10

    def __init__(
        self,
        subject: _Subject,
        call: _OneCall | None,
        exact: Array,
        repetitions: int,
        contrast: float = 1.0,
    ) -> None:
        """`exact` logits `(samples, classes)`."""
        self.repetitions, self.contrast = repetitions, contrast
        self._subject, self._call, self._exact = subject, call, exact
        self._sum: Array | float = 0.0
        self._shots = 0
        self._found: dict[int, tuple[NDArray[np.bool_], Array]] = {}

    def at_contrast(self, contrast: float) -> "SimulatedMargins":
        return SimulatedMargins(self._subject, self._call, self._exact, self.repetitions, contrast)

    def _sampler(self, shots: int, seed: int) -> Sampled:
        return Sampled(shots, seed, contrast=self.contrast)

    def _simulated(self, shots: int) -> tuple[NDArray[np.bool_], Array]:
        """Whether labels flip, and logit gaps, both `(repetitions, samples)`, for a number on the ladder."""
        for n in self.ladder(self._shots + 1, shots) if self._call else {shots} - self._found.keys():
            if self._call:
                more, self._shots = n - self._shots, n
                self._sum = self._sum + more * self._call.sampled(self._sampler(more, n), self.repetitions)
                logits = self._call.logits(self._sum / n)
            else:
                logits = self._anew(n)
            self._found[n] = self._flipped(logits), _gap(logits)
        return self._found[shots]

    def _anew(self, shots: int) -> Array:
        if self._call:
            return self._call.logits(self._call.sampled(self._sampler(shots, shots), self.repetitions))
        return self._subject.logits(self._sampler(shots, shots), self.repetitions)

    def _flipped(self, logits: Array) -> NDArray[np.bool_]:
        return _labels(logits) != _labels(self._exact)

    def flips(self, shots: int) -> Array:
        return self._flipped(self._anew(shots)).mean(0)

    def upper(self, flips: Array) -> Array:
        """Three standard errors more. The error is that of as many independent samples, which is no less, and of at
        least one flip: without any, a flip rate of 3/rows is still deemed possible."""
        rate, rows = flips.mean(-1), self.repetitions * flips.shape[-1]
        upper: Array = rate + 3 * np.sqrt(np.maximum(rate, 1 / rows) * (1 - rate) / rows)
        return upper

    def smallest(self, max_flips: float, least: int, most: int) -> Uniform | None:
        """The first of `least`, the ladder and `most`; its flip rate from other draws than it was chosen by."""
        ladder = self.ladder(least, most)
        for shots in sorted({least, *ladder, most}):
            flips = self._simulated(shots)[0].mean(0) if shots in ladder else self.flips(shots)
            if self.upper(flips) <= max_flips:
                return Uniform(shots, float(self.flips(shots).mean()))
        return None

    def stage(self, first: int) -> Stage | None:
        if self._call is None:
            return None
        flipped, gap = self._simulated(first)
        bands = BANDS * np.sqrt(((gap - _gap(self._exact)) ** 2).mean())
        unclear = gap < bands[:, None, None]

        def flips(second: int | None) -> Array:
            finally_flipped = self._simulated(first + second)[0] if second else False
            return np.where(unclear, finally_flipped, flipped).mean(1)

        return Stage(bands, unclear.mean((1, 2)), flips)


class Decisions:
    """The labels of samples `x` `(samples, features)` as a function of what the device measured for them.

    Raises:
        QcliError: the model calls its quantum layers more than once, so that one answer depends on another.
    """

    def __init__(self, model: nn.Module, x: Tensor, classes: int) -> None:
        subject, observed = _Subject(model.eval(), x, classes), Observed(Blank())
        subject.logits(observed)
        if len(observed.calls) != 1:
            raise QcliError(
                f"the model calls its quantum layers {len(observed.calls)} times",
                "--adaptive",
                "leave it out",
            )
        program, angles, _ = observed.calls[0]
        self._call = _OneCall(subject, program, angles, ordered=False)

    def probabilities(self, outputs: Array) -> Array:
        """Of the classes `(samples, classes)`, for outputs `(samples, outputs)`."""
        probabilities: Array = torch.softmax(torch.as_tensor(self._logits(outputs)), -1).numpy()
        return probabilities

    def unclear(self, outputs: Array, band: float, unit: Unit) -> NDArray[np.bool_]:
        """Samples `(samples,)` whose label changes within `band` of the expectation value measured, or whose largest
        logits lie closer than `band`."""
        if unit == "logit gap":
            return _gap(self._logits(outputs)) < band
        word = _pauli_word(self._call.program)
        assert word is not None
        steps = abs(word[0]) * band * np.linspace(-1, 1, _AROUND)
        labels = np.array([_labels(self._logits(outputs + step)) for step in steps])
        return (labels != labels[0]).any(axis=0)

    def _logits(self, outputs: Array) -> Array:
        """`(samples, classes)`; a sample may have several rows of outputs, one for each circuit of its own."""
        rows = outputs.reshape(1, -1, self._call.program.outputs)
        return self._call.logits(rows)[0]


def margins(run: Run) -> Margins:
    """Of a trained run, on its first validation samples: at most 1,000, fewer from 15 wires on."""
    model = run.model()
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    x, _ = run.rows("validation", max(64, min(_SAMPLES, 2**24 >> wires)))
    return margins_of(model, x, len(run.info.data.classes))


def margins_of(model: nn.Module, x: Tensor, classes: int) -> Margins:
    """By formula where each of the samples `x` runs one circuit that estimates one Pauli word, else simulated."""
    subject, observed = _Subject(model.eval(), x, classes), Observed(Exact())
    exact = subject.logits(observed)[0]
    call = None
    if len(observed.calls) == 1:
        program, angles, outputs = observed.calls[0]
        call = _OneCall(subject, program, angles, _ordered(subject, angles))
        word = _pauli_word(program)
        if word and len(angles) == len(x):
            return _binomial(call, outputs[:, 0].double().cpu().numpy(), *word)
    circuits = sum(len(angles) for _, angles, _ in observed.calls)
    amplitudes = sum(len(angles) * 2**program.wires for program, angles, _ in observed.calls)
    repetitions = min(_ROWS // max(1, circuits), _AMPLITUDES // max(1, amplitudes))
    return SimulatedMargins(subject, call, exact, max(1, repetitions))


def _ordered(subject: _Subject, angles: Tensor) -> bool:
    observed = Observed(Blank())
    subject.logits(observed, repetitions=2)
    twice = observed.calls[0][1]
    return len(twice) == 2 * len(angles) and torch.allclose(twice, angles.repeat(2, 1), atol=1e-5)


def _pauli_word(program: Program) -> tuple[float, float] | None:
    """Coefficient and offset of the Pauli word that a program estimates, if it is one and nothing else."""
    measurement = program.measurements[0]
    if len(program.measurements) > 1 or not isinstance(measurement, Expectation):
        return None
    coefficient = sum(c for c, word in measurement.terms if word)
    if len({word for _, word in measurement.terms if word}) != 1 or coefficient == 0:
        return None
    return coefficient, sum(c for c, word in measurement.terms if not word)


def _binomial(call: _OneCall, outputs: Array, coefficient: float, offset: float) -> BinomialMargins:
    z = ((outputs - offset) / coefficient).clip(-1, 1)

    def label(values: Array) -> Integers:
        return _labels(call.logits((offset + coefficient * values)[:, :, None]))

    return BinomialMargins(z, *label_changes(label, z))
