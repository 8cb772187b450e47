"""Sets of weights on the same test samples, in simulation and on an emulated device, and how much one gains."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from qcli.forecast.attenuated import Affine

Array = NDArray[np.float64]

_RESAMPLES = 10_000
INTERVAL = "95 %, paired over samples: accuracy by Bonett and Price, cross-entropy by percentile bootstrap"


class Predictions:
    """Class probabilities `(samples, classes)`, repeated with fresh shots, of samples with labels `(samples,)`."""

    def __init__(self, repetitions: Sequence[Array], y: NDArray[np.int64]) -> None:
        self.probabilities, self.y = np.stack(repetitions), y

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """`(repetitions, samples)`."""
        return self.probabilities.argmax(axis=2)

    @cached_property
    def right(self) -> Array:
        """Share of repetitions in which a sample is classified right, `(samples,)`."""
        return (self.labels == self.y).mean(axis=0)

    @cached_property
    def losses(self) -> Array:
        """Mean cross-entropy in nats, `(samples,)`."""
        return -np.log(self._of_label.clip(min=np.finfo(float).tiny)).mean(axis=0)

    @cached_property
    def margins(self) -> Array:
        """Mean probability of the right class less that of the best other, `(samples,)`."""
        others = np.where(np.arange(self.probabilities.shape[2]) == self.y[:, None], -1.0, self.probabilities)
        return (self._of_label - others.max(axis=2)).mean(axis=0)

    def scores(self) -> dict[str, float]:
        """Means over samples: "accuracy", "loss" and "margin"."""
        columns = {"accuracy": self.right, "loss": self.losses, "margin": self.margins}
        return {name: float(column.mean()) for name, column in columns.items()}

    @property
    def _of_label(self) -> Array:
        return self.probabilities[:, np.arange(len(self.y)), self.y]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One set of weights: test samples in simulation and on the device, mean loss of validation samples there."""

    simulation: Predictions
    device: Predictions
    validation_loss: float
    fits: tuple[Affine, ...]

    def to_json(self) -> dict[str, Any]:
        """An entry of metrics.json; "flips" is the share of labels that differ from simulation's."""
        flips = float((self.device.labels != self.simulation.labels).mean())
        return {
            "simulation": self.simulation.scores(),
            "device": {**self.device.scores(), "flips": flips},
            "validation_loss": self.validation_loss,
            "fits": [{**asdict(fit), "a": fit.a.tolist(), "b": fit.b.tolist()} for fit in self.fits],
        }


@dataclass(frozen=True)
class Change:
    """A mean difference over samples with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gain:
    """What changes on the device: accuracy, a share, and cross-entropy in nats, negative where it falls."""

    accuracy: Change
    loss: Change

    def to_json(self) -> dict[str, Any]:
        """An entry of metrics.json."""
        return asdict(self)


def gain(before: Predictions, after: Predictions, seed: int = 0) -> Gain:
    """`after` less `before`, on the same samples."""
    return Gain(_of_shares(after.right - before.right), _of_losses(after.losses - before.losses, seed))


def _of_shares(differences: Array) -> Change:
    """With Bonett and Price's adjusted Wald interval (J. Educ. Behav. Stat. 37, 479, 2012): as if two more
    samples differed, one each way. A sample may differ by a share, that of its repetitions."""
    adjusted = np.append(differences, [1.0, -1.0])
    centre, half = adjusted.mean(), norm.ppf(0.975) * adjusted.std() / np.sqrt(len(adjusted))
    return Change(float(differences.mean()), float(max(-1.0, centre - half)), float(min(1.0, centre + half)))


def _of_losses(differences: Array, seed: int) -> Change:
    size = (_RESAMPLES, len(differences))
    drawn = np.random.default_rng(seed).choice(differences, size).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Change(float(differences.mean()), float(low), float(high))
