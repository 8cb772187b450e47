"""Days a device may have: how strongly its errors act, drawn from everything that is not known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import hypot, log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from qcli.compile.transpile import Compiled
from qcli.forecast.optimism import Optimism, drift
from qcli.noise.figures import Strength

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the logarithm of a factor, by cause."""

    between_devices: float
    day_to_day: float
    drift: float
    layout: float

    @property
    def total(self) -> float:
        return hypot(self.between_devices, self.day_to_day, self.drift, self.layout)


@dataclass(frozen=True)
class Outlook:
    """How strongly errors may act: a lognormal factor on gates and idling with its `spread`, and one on readout.

    `age_days` lie between the calibration and the day of the run.
    """

    trust: Optimism
    spread: Spread
    readout_spread: float
    age_days: int

    def draw(self, days: int, seed: int = 0) -> tuple[Array, Array]:
        """Factors on gates and idling, and on readout, of so many days `(days,)`: Sobol points, evenly spread."""
        power = max(1, (days - 1).bit_length())
        points = qmc.Sobol(2, seed=seed).random_base2(power)[:days]
        gates, read = norm.ppf(points.T)
        return (
            self.trust.gates * np.exp(self.spread.total * gates),
            self.trust.readout * np.exp(self.readout_spread * read),
        )


def usual(trust: Optimism) -> Strength:
    """Errors of a vendor's median device on its median day."""
    return Strength(trust.gates, trust.gates, trust.gates, trust.readout)


def outlook(layouts: Sequence[Compiled], on: date, trust: Optimism) -> Outlook:
    """Of a circuit compiled in several layouts, the first of which is looked at, on a day."""
    compiled = layouts[0]
    age = compiled.device.age_days(on)
    # independent drifts of the gates and readouts in use average out
    averaged = drift(age) / max(1.0, len(compiled.used_qubits)) ** 0.5
    spread = Spread(trust.between_devices, trust.day_to_day, averaged, _layout_spread(layouts))
    return Outlook(trust, spread, hypot(trust.readout_spread, averaged), age)


def _layout_spread(layouts: Sequence[Compiled]) -> float:
    """Of the logarithm of the loss that calibration predicts, between layouts."""
    losses = [-log(compiled.success) for compiled in layouts if 0 < compiled.success < 1]
    return float(np.std(np.log(losses))) if len(losses) > 1 else 0.0
