"""What training wrote into a run directory, as the report reads it.

A file may hold more than is named here; what is named must be there with the right type. Shares and
accuracies are fractions in [0, 1], times in seconds.
"""

from typing import Self

from pydantic import Field, model_validator

from qcli.report.parse import File


class Epoch(File):
    """One line of history.jsonl."""

    seed: int
    epoch: int
    loss: float | None = None
    accuracy: float | None = None
    val_loss: float | None = None
    val_accuracy: float | None = None


class Estimated(File):
    """A figure and its interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Scores(File):
    accuracy: Estimated
    macro_f1: Estimated
    ece: Estimated


class SeedScores(Scores):
    seed: int
    epochs: int | None = None
    train_s: float | None = None
    iterations_to_epsilon: int | None = None


class BaselineScores(Scores):
    name: str
    parameters: int | None = None


class Spread(File):
    """Mean and standard deviation over the seeds."""

    mean: float
    sd: float | None = None


class Summary(File):
    accuracy: Spread
    macro_f1: Spread
    ece: Spread


class Tested(File):
    """Test samples in simulation or on a device: `loss` is the mean cross-entropy in nats, `margin` that by which the
    right class is ahead in probability, `flips` the share of labels that differ from simulation's."""

    accuracy: float
    loss: float
    margin: float
    flips: float | None = None


class Attenuation(File):
    """noisy ≈ a · exact + b for the outputs of one circuit; root mean squares of what that leaves and explains."""

    a: list[float]
    b: list[float]
    residual: float
    deviation: float
    r2: float


class TunedWeights(File):
    name: str
    simulation: Tested
    device: Tested
    validation_loss: float
    fits: list[Attenuation]


class Difference(File):
    value: float
    low: float
    high: float


class Gain(File):
    accuracy: Difference
    loss: Difference


class ErrorFactors(File):
    gates: float
    readout: float


class NoiseAware(File):
    """Fine-tuning under a device's noise, its expected errors times `error_factors`; `gain_over` other
    weights is that of the noise-aware ones, on the device."""

    device: str
    calibrated_on: str
    error_factors: ErrorFactors
    shots: int
    epochs: int
    test_samples: int
    weights: list[TunedWeights]
    kept: str
    gain_over: dict[str, Gain]
    interval: str
    verdict: str


class Metrics(File):
    """metrics.json."""

    seeds: list[SeedScores] = Field(min_length=1)
    chosen_seed: int
    summary: Summary
    baselines: list[BaselineScores] = Field(default_factory=list)
    test_samples: int | None = None
    interval: str = "95 %"
    verdict: str = ""
    noise_aware: NoiseAware | None = None

    @model_validator(mode="after")
    def _chosen_seed_is_listed(self) -> Self:
        if self.chosen_seed not in [scores.seed for scores in self.seeds]:
            raise ValueError(f"chosen_seed {self.chosen_seed} is not among the seeds")
        return self

    @property
    def level(self) -> str:
        """`95 %` of `95 %: Wilson for accuracy, …`."""
        return self.interval.partition(":")[0].strip()

    @property
    def method(self) -> str:
        return self.interval.partition(":")[2].strip()

    @property
    def chosen(self) -> SeedScores:
        return next(scores for scores in self.seeds if scores.seed == self.chosen_seed)
