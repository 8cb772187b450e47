"""How many samples show an accuracy loss: power of McNemar's exact test between simulation and device.

The device is taken to change a prediction with one probability, `flip`, whether it was right or wrong; a
changed wrong prediction of `C` classes becomes right with probability 1/(C - 1). With accuracy a in
simulation, per sample

    p10 = P(right only in simulation) = a flip
    p01 = P(right only on the device) = (1 - a) flip / (C - 1)
    loss = p10 - p01,

so the loss fixes `flip`. Label flips by finitely many shots follow the same rule: they are part of the loss.

Power of discrete tests is a saw-tooth, not a rising line (Chernick and Liu, Am. Stat. 56, 149, 2002). What is
called enough here is enough for every larger number, or loss, too.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import floor, isqrt, sqrt
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from qcli.errors import QcliError

STEPS_PER_POINT = 100
BLOCK = 256


@dataclass(frozen=True)
class Classifier:
    """A classifier of `classes` classes with its accuracy in simulation, in (1/classes, 1]."""

    accuracy: float
    classes: int

    def __post_init__(self) -> None:
        if self.classes < 2:
            raise QcliError(f"a classifier needs at least two classes, not {self.classes}")
        if self.accuracy > 1:
            raise QcliError(
                f"an accuracy of {self.accuracy:.1%} is impossible", fix="give a share of at most 1"
            )
        if not self.accuracy > 1 / self.classes:
            raise QcliError(
                f"{self.accuracy:.1%} accuracy with {self.classes} classes is no better than guessing: "
                "a device cannot lose it",
                fix="train the model until it beats guessing",
            )

    @classmethod
    def from_counts(cls, right: int, samples: int, classes: int) -> Self:
        """Accuracy estimated as (right + 1)/(samples + 2): no finite test set shows certainty."""
        return cls((right + 1) / (samples + 2), classes)

    @property
    def largest_loss(self) -> float:
        """Percentage points lost when the device changes every prediction."""
        return round(100 * (self.accuracy - (1 - self.accuracy) / (self.classes - 1)), 9)


@dataclass(frozen=True)
class Discordance:
    """Probabilities per sample of being right only in simulation (`p10`) and only on the device (`p01`)."""

    p10: float
    p01: float

    @property
    def rate(self) -> float:
        """Probability that simulation and device disagree about right and wrong."""
        return min(1.0, self.p10 + self.p01)

    @property
    def share(self) -> float:
        """Share of the disagreements in which the device is the one that is right."""
        return self.p01 / self.rate if self.rate else 0.0


def discordance(classifier: Classifier, points: float) -> Discordance:
    """Disagreement at a loss of `points` percentage points; QcliError unless 0 < points <= largest loss."""
    largest = classifier.largest_loss
    if not 0 < points <= largest:
        raise QcliError(
            f"a loss of {points:g} points is impossible at {classifier.accuracy:.1%} accuracy "
            f"in simulation with {classifier.classes} classes",
            fix=f"give a loss above 0, at most {floor(largest * STEPS_PER_POINT) / STEPS_PER_POINT:.2f} points",
        )
    flip = points / largest
    a, others = classifier.accuracy, classifier.classes - 1
    return Discordance(a * flip, (1 - a) * flip / others)


def power(n: int, discordance: Discordance, alpha: float = 0.05) -> float:
    """Probability that McNemar's exact two-sided test shows a loss at level `alpha` on `n` samples.

    Exact and unconditional (Duffy, Biometrics 40, 1005, 1984): summed over the number of discordant samples.
    A significant gain does not count.
    """
    _check(n=n, alpha=alpha)
    return _power(n, discordance.rate, discordance.share, alpha)


def samples_needed(
    points: float,
    classifier: Classifier,
    target: float = 0.80,
    alpha: float = 0.05,
    most: int = 10_000_000,
) -> int:
    """Smallest number of samples from which on, up to `most`, a loss of `points` is shown with power `target`.

    QcliError if `most` samples do not reach it.
    """
    _check(n=most, alpha=alpha, target=target)
    pair = discordance(classifier, points)
    last = 1
    while last < most and _troughs(last, pair.rate, pair.share, alpha) < target:
        last = min(2 * last, most)
    needed = _settled(lambda n: (n, pair.rate), last, pair.p10, target, pair.share, alpha)
    if needed is None:
        raise QcliError(
            f"a loss of {points:g} points with power {target:.0%} takes more than {most:,} samples",
            fix="ask for a larger loss or less power",
        )
    return needed


def detectable(n: int, classifier: Classifier, target: float = 0.80, alpha: float = 0.05) -> float | None:
    """Smallest loss in points, to 0.01, such that `n` samples show it and every larger one with power `target`.

    None if they do not show even the largest possible loss.
    """
    _check(n=n, alpha=alpha, target=target)
    steps = classifier.largest_loss * STEPS_PER_POINT
    if steps < 1:
        return None
    pair = discordance(classifier, classifier.largest_loss)
    step = _settled(
        lambda k: (n, pair.rate * k / steps), floor(steps), n * pair.p10 / steps, target, pair.share, alpha
    )
    return None if step is None else step / STEPS_PER_POINT


def _settled(
    case: Callable[[int], tuple[int, float]],
    last: int,
    slope: float,
    target: float,
    share: float,
    alpha: float,
) -> int | None:
    """Smallest k such that the power is at least `target` on all of k..last; None if it is not at `last`.

    `case(k)` gives samples and discordance rate, one of which grows with k. Where the troughs reach the target,
    a walk down starts. A step raises the power by at most `slope`, the expected number of samples that newly
    are right only in simulation: power to spare skips steps.
    """
    k = min(bisect_left(range(last + 1), target, key=lambda k: _troughs(*case(k), share, alpha)), last)
    if _power(*case(k), share, alpha) < target:
        return None
    while (spare := _power(*case(k), share, alpha) - target) >= 0:
        k -= 1 + int(spare / slope)
    return k + 1


def _power(n: int, rate: float, share: float, alpha: float) -> float:
    low, high = _support(n, rate)
    return float(binom.pmf(np.arange(low, high + 1), n, rate) @ _rejection(low, high + 1, share, alpha))


def _troughs(n: int, rate: float, share: float, alpha: float) -> float:
    """Power with the saw-tooth of `_rejection` replaced by its lower envelope: rises with `n` and `rate`.

    From m discordant samples on, the lowest trough lies within 3 sqrt(m) (computed up to m = 40,000); twice
    that range is searched.
    """
    low, high = _support(n, rate)
    ahead = _rejection(low, high + 7 + 6 * isqrt(high), share, alpha)
    envelope = np.minimum.accumulate(ahead[::-1])[::-1][: high + 1 - low]
    return float(binom.pmf(np.arange(low, high + 1), n, rate) @ envelope)


def _support(n: int, rate: float) -> tuple[int, int]:
    """Range that Binomial(n, rate) leaves with a probability below 1e-16, by Bernstein's inequality."""
    half = 9 * sqrt(n * rate * (1 - rate)) + 40
    return max(0, floor(n * rate - half)), min(n, floor(n * rate + half) + 1)


def _rejection(start: int, stop: int, share: float, alpha: float) -> NDArray[np.float64]:
    """Probability `(stop - start,)` of a significant loss given start, start + 1, ... discordant samples."""
    first = start // BLOCK
    blocks = [_rejection_block(i, share, alpha) for i in range(first, (stop - 1) // BLOCK + 1)]
    return np.concatenate(blocks)[start - first * BLOCK : stop - first * BLOCK]


@lru_cache(maxsize=4096)
def _rejection_block(index: int, share: float, alpha: float) -> NDArray[np.float64]:
    m = np.arange(index * BLOCK, (index + 1) * BLOCK)
    critical = binom.ppf(alpha / 2, m, 0.5)
    critical -= binom.cdf(critical, m, 0.5) > alpha / 2
    return binom.cdf(critical, m, share)


def _check(n: int, **shares: float) -> None:
    if n < 1:
        raise QcliError(f"cannot compare {n} samples", fix="give at least 1")
    for name, value in shares.items():
        if not 0 < value < 1:
            raise QcliError(f"{name} is {value:g}", fix="give a share between 0 and 1")
