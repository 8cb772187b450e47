"""The shot plan: how many shots until sampling hardly ever changes a trained model's label.

A label flips when it is not that of the exact simulation. Two plans keep the expected share of flips under a target:
the same shots for every sample, or a few for all and more for those that are then unclear. `Margins` know how often a
number of shots flips each sample: by formula where the only random quantity is one binomial count per sample, by
simulation otherwise. A device's noise shrinks expectation values: with contrast c a share 1 - c of the runs is taken to
give a random outcome, and estimates are divided by c.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from qcli.errors import QcliError

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Method = Literal["exact binomial", "simulated"]
Unit = Literal["expectation value", "logit gap"]

BANDS = norm.ppf([0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999])
"""Half widths of the unclear zone that are tried, in standard deviations of the first stage's estimate."""


@dataclass(frozen=True)
class Uniform:
    """`shots` per circuit for every sample; `flip_rate` is the expected share of flipped labels."""

    shots: int
    flip_rate: float


@dataclass(frozen=True)
class TwoStage:
    """`first` shots per circuit for every sample, `second` more for the unclear, decided on all shots together.

    A sample is unclear if its estimated expectation value lies less than `band` from the nearest value at which the
    label changes or, with unit "logit gap", if its two largest logits differ by less than `band`. `revisited` is the
    expected share of unclear samples.
    """

    first: int
    band: float
    unit: Unit
    second: int
    revisited: float
    flip_rate: float

    @property
    def expected_shots(self) -> float:
        """Per circuit, mean over samples."""
        return self.first + self.revisited * self.second


@dataclass(frozen=True)
class ShotPlan:
    """`uniform` is None if not even the most shots meet the target, or too few circuits could be simulated to show that
    they do; `two_stage` is None if none found beats `uniform`.

    `flip_rate_at_most` is the expected share of flips with the most shots allowed.
    """

    samples: int
    max_flips: float
    method: Method
    uniform: Uniform | None
    two_stage: TwoStage | None
    flip_rate_at_most: float

    def to_json(self) -> dict[str, Any]:
        content = asdict(self)
        if self.two_stage:
            content["two_stage"]["expected_shots"] = self.two_stage.expected_shots
        return content


@dataclass(frozen=True)
class Stage:
    """A first stage with each of several `bands`, and the share of samples `revisited` with it, both `(bands,)`.

    `flips(second)` are the flip probabilities `(bands, samples)` after both stages; with None, of a second stage that
    never errs.
    """

    bands: Array
    revisited: Array
    flips: Callable[[int | None], Array]


class Margins(ABC):
    """How finite shots flip the labels of a model's samples, whatever the target and the device.

    `parities` are added to the second stage's shots, so that no plan hangs on an odd or an even number. Numbers of
    shots that are tried lie 2^(1/`steps`) apart; contrasts worth telling apart are multiples of 1/`contrasts`.
    """

    method: ClassVar[Method]
    unit: ClassVar[Unit]
    parities: ClassVar[tuple[int, ...]]
    steps: ClassVar[int]
    contrasts: ClassVar[int]

    @abstractmethod
    def at_contrast(self, contrast: float) -> "Margins":
        """The same samples on a device with this contrast, in (0, 1]."""

    @abstractmethod
    def flips(self, shots: int) -> Array:
        """Flip probabilities `(samples,)` with so many shots per circuit."""

    @abstractmethod
    def upper(self, flips: Array) -> Array:
        """The flip rate that plans compare with the target: the mean over the last axis and a safety margin."""

    @abstractmethod
    def smallest(self, max_flips: float, least: int, most: int) -> Uniform | None:
        """The fewest shots that meet the target."""

    @abstractmethod
    def stage(self, first: int) -> Stage | None:
        """The first stage of two-stage plans, None if the model allows none."""

    def ladder(self, low: int, high: int) -> list[int]:
        """The numbers of shots from `low` to `high` that are tried: powers of 2^(1/steps), rounded, and of 10."""
        digits = max(high, 1).bit_length()
        powers = {round(2 ** (step / self.steps)) for step in range(self.steps * digits)}
        return sorted(n for n in powers | {10**k for k in range(digits)} if low <= n <= high)


def flip_rates(margins: Margins, shots: int) -> Array:
    """Probability `(samples,)` that sampling flips the label, with `shots` shots per circuit.

    Raises:
        QcliError: less than one shot.
    """
    _check_range(shots, shots)
    return margins.flips(shots)


def shot_plan(margins: Margins, max_flips: float = 0.01, least: int = 1, most: int = 100_000) -> ShotPlan:
    """The cheapest plans with `least` to `most` shots per circuit that keep the share of flips under `max_flips`.

    Each stage of the two-stage plan takes at least `least` shots, both together at most `most`. On a device, unclear
    samples are found with the boundaries that `margins` has for them, or with their logits.

    Raises:
        QcliError: a target outside (0, 1), or no positive range of shots.
    """
    if not 0 < max_flips < 1:
        raise QcliError(f"a share of flips of {max_flips}", "max_flips", "choose a share between 0 and 1")
    _check_range(least, most)
    at_most = margins.flips(most)
    uniform = margins.smallest(max_flips, least, most)
    two_stage = _two_stage(margins, max_flips, least, most, uniform.shots) if uniform else None
    return ShotPlan(len(at_most), max_flips, margins.method, uniform, two_stage, float(at_most.mean()))


def _check_range(least: int, most: int) -> None:
    if not 1 <= least <= most:
        what = f"a range of {least:,} to {most:,} shots" if least != most else f"{least:,} shots"
        raise QcliError(what, "shots per circuit", "choose 1 or more; the least may not exceed the most")


def _two_stage(margins: Margins, max_flips: float, least: int, most: int, uniform: int) -> TwoStage | None:
    """The fewest expected shots among first stages, bands and totals. A total below `uniform` is not tried: it would
    not do even if every sample were revisited."""
    best, cost = None, float(uniform)
    for first in margins.ladder(least, uniform - 1):
        stage = margins.stage(first)
        if stage is None:
            return None
        hopeful = margins.upper(stage.flips(None)) <= max_flips
        for total in margins.ladder(max(uniform, first + least), most):
            second = total - first
            expected = first + stage.revisited * second
            hopeful &= expected < cost
            if not hopeful.any():
                break
            flips = [stage.flips(second + odd) for odd in margins.parities]
            met = hopeful & (np.max([margins.upper(f) for f in flips], axis=0) <= max_flips)
            if met.any():
                c = int(np.where(met, expected, np.inf).argmin())
                cost = float(expected[c])
                band, revisited, rate = stage.bands[c], stage.revisited[c], flips[0][c].mean()
                best = TwoStage(first, float(band), margins.unit, second, float(revisited), float(rate))
            hopeful &= ~met
    return best
