"""How measured values answer to stronger or weaker errors: simulated at a few strengths, interpolated between."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]
Curve = Callable[[ArrayLike], Array]

GATES = (0.0, 0.3, 0.7, 1.2, 2.0, 3.2, 5.0)
"""Factors on gate and idling errors at which noise is simulated."""
USUAL_GATES = GATES[3:6]
"""Those around what is usual."""
READOUT = (0.0, 0.5, 1.0, 2.0, 4.0)
"""Factors on readout errors."""


def curve(factors: tuple[float, ...], values: Array) -> Curve:
    """Monotone cubic between `values` (factors, ...), constant beyond the last: maps (draws,) to (draws, ...)."""
    between = PchipInterpolator(np.array(factors), values, axis=0)
    return lambda at: between(np.clip(at, factors[0], factors[-1]))
