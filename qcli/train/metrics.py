"""How good predictions are, each figure with a 95 % interval."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qcli.errors import QcliError

LEVEL = 0.95
RESAMPLES = 1000
WILSON = "Wilson 95 %"
BOOTSTRAP = f"percentile bootstrap 95 %, {RESAMPLES} resamples"
CELLS_AT_ONCE = 4_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A figure between `low` and `high`; `basis` says how they were found."""

    value: float
    low: float
    high: float
    basis: str = ""

    def to_json(self) -> dict[str, Any]:
        """{"value", "low", "high"} and, where known, "basis"."""
        figures: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high}
        return figures | ({"basis": self.basis} if self.basis else {})


@dataclass(frozen=True)
class Metrics:
    """Test-set figures of one trained model."""

    accuracy: Interval
    macro_f1: Interval
    ece: Interval

    def to_json(self) -> dict[str, Any]:
        """An entry of metrics.json."""
        return {name: getattr(self, name).to_json() for name in ("accuracy", "macro_f1", "ece")}


@dataclass(frozen=True)
class MeanSd:
    """Mean and sample standard deviation over seeds; `sd` is None for a single seed."""

    mean: float
    sd: float | None

    def __str__(self) -> str:
        return f"{self.mean:.3f}" if self.sd is None else f"{self.mean:.3f} ± {self.sd:.3f}"


@dataclass(frozen=True)
class Summary:
    """Metrics over repeated seeds."""

    accuracy: MeanSd
    macro_f1: MeanSd
    ece: MeanSd

    def to_json(self) -> dict[str, Any]:
        """The entry `summary` of metrics.json."""
        return {
            name: {"mean": part.mean, "sd": part.sd}
            for name, part in (("accuracy", self.accuracy), ("macro_f1", self.macro_f1), ("ece", self.ece))
        }


def accuracy(correct: ArrayLike) -> Interval:
    """Share of true entries of `correct` (samples,) with the score interval of Wilson (1927).

    Raises:
        ValueError: no samples.
    """
    from scipy.stats import binomtest

    hits = np.asarray(correct, dtype=bool)
    if hits.ndim != 1 or not len(hits):
        raise ValueError("correct must be a non-empty array of one dimension")
    found = binomtest(int(hits.sum()), len(hits))
    bounds = found.proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.statistic), float(bounds.low), float(bounds.high), WILSON)


def expected_calibration_error(probabilities: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Mean over samples of |accuracy - confidence| per bin of equal width (Guo et al., ICML 2017).

    Args:
        probabilities: (samples, classes), rows summing to 1; the largest is the confidence.
        labels: (samples,) class numbers.
    """
    p, y = _checked(probabilities, labels)
    return float(np.abs(_gaps(p, y, bins).sum(axis=0)).sum() / len(y))


def evaluate(probabilities: ArrayLike, labels: ArrayLike, seed: int) -> Metrics:
    """Accuracy, macro-F1 and expected calibration error of (samples, classes) probabilities.

    Accuracy has a Wilson interval; the other two a percentile bootstrap over samples (1,000 resamples drawn
    with `seed`), widened where needed to hold the figure itself: resampling moves ECE upwards. A resample
    cannot show an error the sample does not hold, so a macro-F1 of 1 has an interval of width 0: read the
    accuracy's there.

    Raises:
        QcliError: probabilities that are not numbers.
        ValueError: shapes that disagree, rows not summing to 1.
    """
    from scipy.sparse import csr_array
    from sklearn.metrics import f1_score

    p, y = _checked(probabilities, labels)
    samples, classes = p.shape
    predicted = p.argmax(axis=1)
    gaps = csr_array(_gaps(p, y))
    rows = np.arange(samples)
    true = csr_array((np.ones(samples), (rows, y)), shape=p.shape)
    claimed = csr_array((np.ones(samples), (rows, predicted)), shape=p.shape)
    hit = csr_array(((predicted == y).astype(float), (rows, y)), shape=p.shape)

    def macro_f1_and_ece(weights: Floats) -> Floats:
        support = weights @ true + weights @ claimed
        f1 = np.divide(2 * (weights @ hit), support, out=np.zeros((len(weights), classes)), where=support > 0)
        macro = f1.sum(axis=1) / (support > 0).sum(axis=1)
        return np.column_stack([macro, np.abs(weights @ gaps).sum(axis=1) / samples])

    resampled = _bootstrap(macro_f1_and_ece, samples, seed)
    f1_value = float(f1_score(y, predicted, average="macro", zero_division=0.0))
    return Metrics(
        accuracy(predicted == y),
        _percentiles(f1_value, resampled[:, 0]),
        _percentiles(expected_calibration_error(p, y), resampled[:, 1]),
    )


def summary(metrics: Sequence[Metrics]) -> Summary:
    """Mean and sample standard deviation (n - 1) of each figure over repeated seeds.

    Raises:
        ValueError: nothing to summarise.
    """
    if not metrics:
        raise ValueError("no metrics to summarise")

    def over_seeds(values: list[float]) -> MeanSd:
        return MeanSd(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)

    return Summary(
        over_seeds([m.accuracy.value for m in metrics]),
        over_seeds([m.macro_f1.value for m in metrics]),
        over_seeds([m.ece.value for m in metrics]),
    )


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Floats, NDArray[np.int64]]:
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels, dtype=np.int64)
    if p.ndim != 2 or y.shape != p.shape[:1] or not len(y):
        raise ValueError(
            f"probabilities {p.shape} and labels {y.shape}: expected (samples, classes) and (samples,)"
        )
    if not np.isfinite(p).all():
        raise QcliError(
            "the model's probabilities are not numbers (NaN or infinity)",
            f"sample {int(np.flatnonzero(~np.isfinite(p).all(axis=1))[0])} of the test set",
            "training diverged: train again with a smaller --lr",
        )
    if y.min() < 0 or y.max() >= p.shape[1]:
        raise ValueError(f"labels must lie in 0 … {p.shape[1] - 1}")
    if (p < 0).any() or not np.allclose(p.sum(axis=1), 1.0, atol=1e-3):
        raise ValueError("probabilities must be non-negative and sum to 1 in each row")
    return p, y


def _gaps(p: Floats, y: NDArray[np.int64], bins: int = 15) -> Floats:
    """(samples, bins): correct - confidence in the sample's bin (m/bins, (m+1)/bins], 0 elsewhere."""
    confidence = p.max(axis=1)
    inner_edges = np.arange(1, bins) / bins
    gaps = np.zeros((len(y), bins))
    gaps[np.arange(len(y)), np.searchsorted(inner_edges, confidence)] = (p.argmax(axis=1) == y) - confidence
    return gaps


def _bootstrap(statistic: Callable[[Floats], Floats], samples: int, seed: int) -> Floats:
    """`statistic` of (resamples, samples) multiplicities, for 1,000 resamples, some at a time."""
    generator = np.random.default_rng(seed)
    at_once = max(1, min(RESAMPLES, CELLS_AT_ONCE // samples))
    found = []
    for start in range(0, RESAMPLES, at_once):
        count = min(at_once, RESAMPLES - start)
        drawn = generator.integers(samples, size=(count, samples)) + samples * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * samples).reshape(count, samples)
        found.append(statistic(weights.astype(np.float64)))
    return np.concatenate(found)


def _percentiles(value: float, resampled: Floats) -> Interval:
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, min(float(low), value), max(float(high), value), BOOTSTRAP)
