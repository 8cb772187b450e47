"""Flips of labels by a binomial count: the exact side of the shot plan."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom

from qcli.price.shots import BANDS, Array, Integers, Margins, Method, Stage, Uniform, Unit

_CHECKS, _SIGMAS = 1000, 3.1
"""The mean flip rate of so many repetitions of the data stays under the target with a probability of 99.9 %."""
_NEVER = 4.6
"""A count is further than this times √shots from its mean with probability < 1e-18 (Hoeffding)."""
_GRID, _BISECTIONS = 1025, 31
"""Values at which labels are looked up, and halvings of a step between them to less than 1e-12."""


@dataclass(frozen=True, eq=False)
class BinomialMargins(Margins):
    """One ±1-valued measurement per sample, so that its count of +1 is binomial with p = (1 + z)/2.

    `z` `(samples,)` are the exact expectation values; `boundaries` `(samples, b)`, b ≥ 1, ascending, padded with inf,
    the values at which the label changes; `labels` `(samples, b + 1)` those between them. A value on a boundary has
    the label below it. Both are what a device with `contrast` measures; `band`s are in estimates divided by it.
    """

    method: ClassVar[Method] = "exact binomial"
    unit: ClassVar[Unit] = "expectation value"
    parities: ClassVar[tuple[int, ...]] = (0, 1)
    steps: ClassVar[int] = 4
    contrasts: ClassVar[int] = 20
    z: Array
    boundaries: Array
    labels: Integers
    contrast: float = 1.0

    def at_contrast(self, contrast: float) -> "BinomialMargins":
        share = contrast / self.contrast
        return replace(self, z=share * self.z, boundaries=share * self.boundaries, contrast=contrast)

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """Where `labels` are not that of the sample's exact expectation value."""
        place = (self.boundaries < self.z[:, None]).sum(1, keepdims=True)
        return self.labels != np.take_along_axis(self.labels, place, 1)

    def distance(self, sample: Integers, value: Array) -> Array:
        """From a value to the nearest boundary of its sample."""
        distance: Array = np.abs(value[:, None] - self.boundaries[sample]).min(1)
        return distance

    def flip(self, sample: Integers, count: ArrayLike, more: ArrayLike, total: ArrayLike) -> Array:
        """P(the label at (count + K)/total is wrong), K ~ Binomial(more, p of the sample); arguments broadcast."""
        count, more, total = (np.asarray(a)[..., None] for a in (count, more, total))
        highest = np.floor(total * (1 + self.boundaries[sample]) / 2) - count
        p = np.broadcast_to((1 + self.z[sample, None]) / 2, highest.shape)
        more = np.broadcast_to(more, highest.shape)
        below = (highest > more * p).astype(float)
        undecided = np.abs(highest - more * p) <= _NEVER * np.sqrt(more) + 1
        below[undecided] = binom.cdf(highest[undecided], more[undecided], p[undecided])
        flip: Array = (np.diff(below, prepend=0.0, append=1.0) * self.wrong[sample]).sum(-1)
        return flip.clip(0, 1)

    def flips(self, shots: int | Integers) -> Array:
        """Flip probabilities `(samples,)`, or `(numbers, samples)` for several numbers of shots."""
        n = np.asarray(shots)[..., None]
        rates = np.zeros((*np.shape(shots), len(self.z)))
        near = self.distance(np.arange(len(self.z)), self.z) < 2 * _NEVER / math.sqrt(n.min())
        rates[..., near] = self.flip(np.flatnonzero(near), 0, n, n)
        return rates

    def upper(self, flips: Array) -> Array:
        """The mean over `_CHECKS` repetitions hardly ever exceeds it."""
        deviation = np.sqrt((flips * (1 - flips)).sum(-1) / _CHECKS) / flips.shape[-1]
        upper: Array = flips.mean(-1) + _SIGMAS * deviation
        return upper

    def smallest(self, max_flips: float, least: int, most: int) -> Uniform | None:
        """Meets the target together with the next number and all up to 1.25 times as many, as far as allowed: the flip
        rate is not monotone, and no plan should hang on an odd or an even number."""
        shots = least
        while shots <= most:
            failing = self._last_failing(max_flips, shots, min(most, max(shots + 1, shots + shots // 4)))
            if failing is None:
                return Uniform(shots, float(self.flips(shots).mean()))
            shots = failing + 1
        return None

    def _last_failing(self, max_flips: float, low: int, high: int) -> int | None:
        size = 1
        while high >= low:
            numbers = np.arange(max(low, high - size + 1), high + 1)
            failing = numbers[self.upper(self.flips(numbers)) > max_flips]
            if failing.size:
                return int(failing[-1])
            high, size = int(numbers[0]) - 1, min(4 * size, 256)
        return None

    def stage(self, first: int) -> Stage:
        bands = BANDS / math.sqrt(first)
        sample, count = self._pairs(first, bands[-1])
        band = np.searchsorted(bands, self.distance(sample, 2 * count / first - 1), side="right")
        unclear = band < len(bands)
        sample, count, band = sample[unclear], count[unclear], band[unclear]
        mass = binom.pmf(count, first, (1 + self.z[sample]) / 2)
        shape = (len(self.z), len(bands))

        def of_unclear(share: ArrayLike) -> Array:
            """Probability `(bands, samples)` of the unclear counts, of each only a share."""
            place = np.ravel_multi_index((sample, band), shape)
            return np.bincount(place, mass * share, math.prod(shape)).reshape(shape).cumsum(1).T

        clear = self.flips(first) - of_unclear(self.flip(sample, count, 0, first))

        def flips(second: int | None) -> Array:
            later = self.flip(sample, count, second, first + second) if second else 0.0
            return (clear + of_unclear(later)).clip(0, 1)

        return Stage(bands / self.contrast, of_unclear(1.0).mean(1), flips)

    def _pairs(self, shots: int, band: float) -> tuple[Integers, Integers]:
        """Every sample with each count of +1 that occurs and is within `band` of a boundary, and a few more."""
        middle, reach = shots * (1 + self.z[:, None]) / 2, _NEVER * math.sqrt(shots)
        nearest, half = shots * (1 + self.boundaries) / 2, shots * band / 2 + 1
        low = np.ceil(np.maximum(nearest - half, middle - reach)).clip(min=0).ravel()
        high = np.floor(np.minimum(nearest + half, middle + reach)).clip(max=shots).ravel()
        sizes = (high - low + 1).clip(min=0).astype(int)
        sample = np.arange(len(self.z)).repeat(self.boundaries.shape[1]).repeat(sizes)
        count = (
            low.repeat(sizes).astype(int) + np.arange(sizes.sum()) - (sizes.cumsum() - sizes).repeat(sizes)
        )
        sample, count = np.divmod(np.unique(sample * (shots + 1) + count), shots + 1)
        return sample, count


def label_changes(label: Callable[[Array], Integers], z: Array) -> tuple[Array, Integers]:
    """Boundaries and labels, as `BinomialMargins` has them, of a function from values to labels `(values, samples)`.

    It is looked up on a grid and at `z` `(samples,)`, and every change bisected: two changes within 1/512 may go
    unseen. A boundary is the middle of a bracket below 1e-12, so that a value at which the label changes, as 0 in a
    tie, keeps the label that the function gives it.
    """
    grid = np.sort(np.vstack([np.linspace(-1, 1, _GRID)[:, None].repeat(len(z), 1), z]), axis=0)
    seen = label(grid)
    changes = seen[1:] != seen[:-1]
    step, sample = np.nonzero(changes)
    order = changes.cumsum(0)[step, sample] - 1
    shape = (max(1, int(changes.sum(0).max())), len(z))
    low, high, below = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=int)
    low[order, sample], high[order, sample] = grid[step, sample], grid[step + 1, sample]
    below[order, sample] = seen[step, sample]
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        same = label(middle) == below
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    boundaries = np.full(shape, np.inf)
    boundaries[order, sample] = ((low + high) / 2)[order, sample]
    labels = np.zeros((shape[0] + 1, len(z)), dtype=int)
    labels[0] = seen[0]
    labels[order + 1, sample] = seen[step + 1, sample]
    return boundaries.T, labels.T
