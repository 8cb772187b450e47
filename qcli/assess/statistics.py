"""Statistics of two classifiers on the same samples."""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, norm


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two accuracies, first − second, with its 95 % interval, and McNemar's exact p.

    `only_first` and `only_second` count the samples that only one of the two got right.
    """

    value: float
    low: float
    high: float
    only_first: int
    only_second: int
    p: float


def paired_difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedDifference:
    """Compare two vectors of right/wrong `(samples,)` over the same samples.

    The interval is Bonett and Price's adjusted Wald (J. Educ. Behav. Stat. 37, 479, 2012), which keeps its
    coverage for few samples and rare disagreement; p is McNemar's exact binomial test.
    """
    n = len(first)
    b = int((first & ~second).sum())
    c = int((~first & second).sum())
    p_b, p_c = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = norm.ppf(0.975) * sqrt((p_b + p_c - (p_b - p_c) ** 2) / (n + 2))
    p = float(binomtest(b, b + c).pvalue) if b + c else 1.0
    low, high = max(-1.0, p_b - p_c - half), min(1.0, p_b - p_c + half)
    return PairedDifference((b - c) / n, low, high, b, c, p)
