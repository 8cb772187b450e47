"""How far published calibration may be trusted, by vendor: fitted on public results of real devices, or assumed.

Gate and idling errors act `gates` times as strongly as the expected figures say, readout errors `readout` times. Both
factors are lognormal around these medians: devices differ from each other, and one device from day to day.
Of the readout errors, those of zeros are first taken `zeros` times as published (figures.py).
"""

from dataclasses import dataclass
from math import log

import numpy as np

FITTED_ON = (
    "68 public results of four IBM devices (unitaryfoundation/metriq-data at 76b4640, CC BY 4.0), October and "
    "November 2025"
)


@dataclass(frozen=True)
class Optimism:
    """Median factors on gate and idling errors and on readout errors, and standard deviations of their logarithms.

    `between_devices` and `day_to_day` are those of `gates`, `readout_spread` that of `readout`. `zeros` is the expected
    share of the published probability to read 1 after 0: in public results only zeros were counted.
    """

    gates: float
    readout: float
    between_devices: float
    day_to_day: float
    readout_spread: float
    basis: str
    zeros: float = 1.0


_IBM = Optimism(2.37, 1.0, 0.33, 0.20, 0.45, f"fitted on {FITTED_ON}", zeros=0.5)
_OTHER = Optimism(
    1.7,
    1.0,
    0.35,
    _IBM.day_to_day,
    0.3,
    "assumed: no public results of this vendor were fitted; modern devices lose 1.2 to 2.5 times the signal that their "
    "published fidelities say",
)


def optimism(vendor: str) -> Optimism:
    """Of a vendor's published figures."""
    return _IBM if vendor == "IBM" else _OTHER


def believe(vendor: str) -> str:
    """Which to believe, the forecast or the guess that needs no calibration."""
    if vendor == "IBM":
        return (
            "On average believe the forecast: on public results of four IBM devices, each forecast by what was fitted "
            f"on the others, all of one family of circuits, it was off by {FORECAST_MAE:.3f}, the guess by "
            f"{GUESS_MAE:.3f}; on one of them the guess was better."
        )
    return (
        f"No public results of {vendor} devices were at hand to try either: where forecast and guess differ, reckon "
        "with the worse, and run a few samples first."
    )


FORECAST_MAE, GUESS_MAE = 0.066, 0.079
"""Mean absolute errors on FITTED_ON, leave-one-device-out (benchmarks/forecast.py)."""

_DRIFT = ((1, 1.09), (7, 1.22), (90, 1.28))
"""Median factor by which a two-qubit error of one IBM device had changed after so many days."""


def drift(days: float) -> float:
    """Standard deviation of the logarithm of one gate's error after `days`, measured up to 90 days and flat beyond.

    A median change by a factor f is a standard deviation of ln f / 0.6745 for a normal logarithm.
    """
    age = np.log([day for day, _ in _DRIFT])
    sd = [log(factor) / 0.6745 for _, factor in _DRIFT]
    return float(np.interp(log(max(abs(days), 1.0)), age, sd))
