"""Forecast of a trained model's accuracy on a device: per sample, over the days the device may have."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d
from torch import Tensor, nn

from qcli.device.record import Device
from qcli.forecast.circuit import LEVEL
from qcli.forecast.executor import Days, Noisy
from qcli.forecast.figures import expected, guessed
from qcli.forecast.optimism import believe, optimism
from qcli.forecast.scenarios import Outlook, outlook, usual
from qcli.forecast.shots import check_shots
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor, Observed, using
from qcli.train.loop import predict
from qcli.train.run import Run

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

_RESAMPLED = 64
_LAYOUTS = 5
_PRIOR = 0.5
_ALIKE = 16
"""The days fall into so many parts of like strength."""


@dataclass(frozen=True)
class Range:
    """A figure with its 90 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Sample:
    """One test sample by its row in the data: class numbers, and how likely the device gives another label than
    simulation, and the right one."""

    index: int
    label: int
    simulated: int
    flips: float
    right: float


@dataclass(frozen=True)
class Forecast:
    """What a model's accuracy on a device will be. Shares, not percent.

    Attributes:
        accuracy, degradation, flips: with finite shots, over all days; degradation is against simulation, flips the
            share of labels that differ from simulation's. Intervals are of what as many samples like these will show.
        simulated: accuracy of the exact simulation.
        guess: accuracy if nothing were known of this device but its vendor.
        as_published: accuracy if the calibration told the whole truth.
        contrast: what is left of the outputs' deviation from their mean over the samples, by least squares.
        believe: which of forecast and guess to believe, and why.
    """

    device: Device
    inferences: int
    shots: int
    outlook: Outlook
    layouts: int
    accuracy: Range
    degradation: Range
    flips: Range
    simulated: float
    guess: float
    as_published: float
    contrast: float
    believe: str
    samples: tuple[Sample, ...]


def forecast_run(
    run: Run,
    device: Device,
    inferences: int | None = None,
    shots: int = 512,
    on: date | None = None,
    seed: int = 0,
    days: int = 256,
    on_day: Callable[[int, int], None] = lambda done, total: None,
) -> Forecast:
    """Of a trained run's first test samples (default 48, or all if fewer) on a device and a day, by default today.

    `days` are drawn; `on_day(done, total)` is called after each that was simulated.

    Raises:
        QcliError: too many inferences, shots that the device does not take, or a circuit that does not fit it.
    """
    subject = subject_of(run, inferences)
    check_shots(shots, device)
    circuits = Circuits(device, _LAYOUTS)
    figures, trust = expected(device), optimism(device.vendor)
    strength = usual(trust)
    ideal = subject.infer(Exact("auto", torch.float64))
    middle = subject.infer(Noisy(circuits, strength, figures))
    widest = max(circuits.prepared.values(), key=lambda prepared: prepared.compiled.two_qubit_gates)
    view = outlook(widest.layouts, on or date.today(), trust)
    device_on, labels = Days(circuits, figures, shots, seed), []
    drawn = sorted(zip(*view.draw(days, seed), strict=True))
    for day, (device_on.gates, device_on.readout) in enumerate(drawn, start=1):
        labels.append(subject.infer(device_on).labels)
        on_day(day, days)
    found = np.array(labels)
    accuracy, degradation, flips = _ranges(subject.y, ideal.labels, found, seed)
    guess = Noisy(circuits, strength, guessed(device), shots, seed)
    published = Noisy(circuits, shots=shots, seed=seed)
    return Forecast(
        device=device,
        inferences=len(subject.y),
        shots=shots,
        outlook=view,
        layouts=len(widest.layouts),
        accuracy=accuracy,
        degradation=degradation,
        flips=flips,
        simulated=float((ideal.labels == subject.y).mean()),
        guess=mean_accuracy(subject, guess),
        as_published=mean_accuracy(subject, published),
        contrast=_contrast(ideal.outputs, middle.outputs),
        believe=believe(device.vendor),
        samples=tuple(
            Sample(int(index), int(label), int(simulated), float(flipped), float(right))
            for index, label, simulated, flipped, right in zip(
                run.split.test[: len(subject.y)],
                subject.y,
                ideal.labels,
                (found != ideal.labels).mean(axis=0),
                (found == subject.y).mean(axis=0),
                strict=True,
            )
        ),
    )


@dataclass(frozen=True)
class Inference:
    """Class numbers `(samples,)` and all quantum outputs `(samples, outputs)`."""

    labels: Labels
    outputs: Array


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model and labelled samples: `x` `(samples, features)`, `y` `(samples,)`."""

    model: nn.Module
    x: Tensor
    y: Labels
    classes: int

    def infer(self, executor: Executor) -> Inference:
        observed = Observed(executor)
        with using(observed):
            labels = predict(self.model, self.x, self.classes).argmax(1).numpy()
        outputs = [answer.double().reshape(len(self.x), -1) for _, _, answer in observed.calls]
        return Inference(labels, torch.cat(outputs, dim=1).numpy())


def subject_of(run: Run, inferences: int | None) -> Subject:
    """The run's model with its first test samples.

    Raises:
        QcliError: more than there are.
    """
    x, y = run.rows("test", run.inferences(inferences))
    return Subject(run.model(), x, y.numpy(), len(run.info.data.classes))


def mean_accuracy(subject: Subject, executor: Executor, times: int = 32) -> float:
    """Over repetitions with fresh shots."""
    return float(np.mean([(subject.infer(executor).labels == subject.y).mean() for _ in range(times)]))


def _ranges(y: Labels, simulated: Labels, labels: Labels, seed: int) -> tuple[Range, Range, Range]:
    """Accuracy, degradation and flips of `labels` `(days, samples)`, days of like strength beside each other.

    For each day, the shares of samples that both, only simulation, only the device or neither classifies right are
    drawn from their posterior under Jeffreys' Dirichlet(½, …) prior, and from these as many new samples: the test set
    is a sample, too. The counts are means over days of like strength, so that shot noise counts once.
    """
    generator = np.random.default_rng(seed)
    right, right_simulated, flipped = labels == y, simulated == y, labels != simulated
    cells = [
        right & right_simulated,
        ~right & right_simulated,
        right & ~right_simulated,
        ~right & ~right_simulated,
    ]
    of_cells = _predicted(np.stack([cell.sum(axis=1) for cell in cells], axis=1), generator)
    changed = flipped.sum(axis=1)
    of_flips = _predicted(np.stack([changed, len(y) - changed], axis=1), generator)
    lost = right_simulated.mean() - right.mean(axis=1)
    return (
        _range(right.mean(), of_cells[:, 0] + of_cells[:, 2]),
        _range(lost.mean(), of_cells[:, 1] - of_cells[:, 2]),
        _range(flipped.mean(), of_flips[:, 0]),
    )


def _predicted(counts: Labels, generator: np.random.Generator) -> Array:
    """Shares of each cell among as many new samples, given `counts` `(days, cells)`: `(draws, cells)`."""
    days, samples = len(counts), int(counts[0].sum())
    smooth = uniform_filter1d(counts.astype(float), max(1, days // _ALIKE), axis=0, mode="nearest")
    shares = np.concatenate([generator.dirichlet(row + _PRIOR, _RESAMPLED) for row in smooth])
    return generator.multinomial(samples, shares) / samples


def _range(value: float, drawn: Array) -> Range:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Range(float(value), float(min(low, value)), float(max(high, value)))


def _contrast(ideal: Array, noisy: Array) -> float:
    """Slope of the noisy outputs against the ideal, each from its mean over the samples."""
    from_mean = ideal - ideal.mean(axis=0)
    spread = float((from_mean**2).sum())
    if spread < 1e-12:
        return 1.0
    return float(np.clip((from_mean * noisy).sum() / spread, 0.0, 1.0))
