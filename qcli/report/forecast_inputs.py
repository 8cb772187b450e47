"""Forecasts as the report reads them: forecasts/*.json, an estimate's forecasts, and the answers of `qcli forecast`.

Shares, losses and intervals are fractions in [0, 1], as in qcli.forecast; intervals are 90 %.
"""

from typing import Self

from pydantic import Field, FiniteFloat, model_validator

from qcli.device.record import STALE_DAYS
from qcli.report.parse import Difference, File, Money


class Ranged(File):
    """A figure and its interval."""

    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat


class Foreseen(File):
    """What a model's accuracy on a device will be; degradation is simulation minus device.

    `contrast` is what is left of the outputs; `stand_in` is the device whose record was used in its place; `basis`
    starts with fitted or assumed.
    """

    accuracy: Ranged
    degradation: Ranged
    flips: Ranged
    guess: FiniteFloat
    as_published: FiniteFloat
    contrast: FiniteFloat | None = None
    age_days: int
    calibrated_on: str
    stand_in: str | None = None
    basis: str = ""

    @property
    def simulated(self) -> float:
        """Accuracy in simulation."""
        return self.accuracy.value + self.degradation.value

    @property
    def stale(self) -> bool:
        """Whether the calibration says little about today."""
        return self.age_days > STALE_DAYS


class Part(File):
    """What one source contributes to the loss of accuracy, and to the mean |error| of the outputs."""

    source: str
    accuracy: FiniteFloat
    outputs: FiniteFloat


class Why(File):
    """Parts that add up to the whole; a negative one gains."""

    parts: list[Part]
    accuracy: FiniteFloat
    outputs: FiniteFloat
    advice: str

    @model_validator(mode="after")
    def _parts_add_up(self) -> Self:
        for name in ("accuracy", "outputs"):
            parts, whole = sum(getattr(part, name) for part in self.parts), getattr(self, name)
            if abs(parts - whole) > 1e-6:
                raise ValueError(f"the parts of {name} add up to {parts:g}, not to {whole:g}")
        return self


class TechniqueValue(File):
    """One technique of error mitigation; no figures where it is not offered."""

    technique: str
    offered: bool
    remark: str = ""
    accuracy: Ranged | None = None
    regained: Ranged | None = None
    error: Ranged | None = None
    extra_usd: Difference | None = None
    extra_s: tuple[FiniteFloat, FiniteFloat] | None = None


class Mitigation(File):
    """What techniques regain on the median day; `usd` is the bill without any."""

    shots: int
    runs: int
    usd: Money
    rows: list[TechniqueValue]
    best: str
    verdict: str


class Optimism(File):
    """How many times as strongly as the calibration says errors act: of gates and idling, and of readout; `zeros`
    besides of reading 1 for 0."""

    gates: FiniteFloat
    readout: FiniteFloat
    zeros: FiniteFloat = 1.0
    basis: str


class Forecast(Foreseen):
    """forecasts/*.json."""

    device: str
    on: str
    inferences: int
    shots: int
    believe: str
    gate_times: str
    optimism: Optimism
    why: Why | None = None
    mitigation: Mitigation | None = None


class Recommendation(File):
    """The cheapest device that loses at most so many points."""

    max_degradation: float | None = None
    device: str | None = None
    text: str


class Prediction(File):
    """What a device would measure of one circuit: the probability of `target`, or the mean of `observable`."""

    circuit: str
    device: str
    shots: int
    target: str | None = None
    observable: str | None = None
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    guess: FiniteFloat
    ideal: FiniteFloat
    as_published: FiniteFloat
    numerical_error: FiniteFloat = 0.0
    age_days: int
    basis: str

    @property
    def stale(self) -> bool:
        """Whether the calibration says little about today."""
        return self.age_days > STALE_DAYS


class ScoredRow(File):
    """One measured result beside its forecast."""

    circuit: str
    device: str
    date: str
    shots: int
    target: str
    measured: FiniteFloat
    covered: bool
    value: FiniteFloat
    low: FiniteFloat
    high: FiniteFloat
    guess: FiniteFloat

    @property
    def error(self) -> float:
        """Forecast − measured."""
        return self.value - self.measured


class Score(File):
    """Forecasts against measured results."""

    n: int
    mae: FiniteFloat
    bias: FiniteFloat
    coverage: FiniteFloat
    mean_width: FiniteFloat
    guess_mae: FiniteFloat
    rows: list[ScoredRow] = Field(min_length=1)
