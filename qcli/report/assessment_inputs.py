"""What validations wrote below hardware/, as the report reads it.

A file may hold more than is named here, and older files hold less: what has a default may be absent. Accuracies are
fractions in [0, 1], degradation is in percentage points but in forecasts, times in seconds, money in USD.
"""

from typing import Literal, Self, get_args

from pydantic import Field, JsonValue, model_validator

from qcli.report.inputs import Estimated
from qcli.report.parse import File, Money

Kind = Literal["device", "rehearsal", "simulation"]
KINDS: tuple[Kind, ...] = get_args(Kind)


class Accuracy(File):
    accuracy: Estimated


class Flipped(File):
    count: int
    share: float


class Compared(File):
    """Simulation against the same samples measured. Degradation is positive where the device is worse."""

    hardware: Accuracy
    degradation_points: Estimated
    mcnemar_p: float | None = None
    only_simulation_right: int | None = None
    only_device_right: int | None = None
    flipped: Flipped
    mean_abs_delta_expval: float | None = None


class Interval(File):
    value: float
    low: float
    high: float


class ForecastBeside(File):
    """What was foreseen without mitigation, with 90 % intervals; `degradation` is a share.

    `inside`: so was the accuracy measured without mitigation.
    """

    accuracy: Interval
    degradation: Interval
    guess: float | None = None
    contrast: float | None = None
    inside: bool


class Adaptive(File):
    """`first` shots for every sample, `second` more for those within `band` of another label."""

    first: int
    second: int
    band: float
    unit: str
    expected_revisited: float
    expected_flips: float
    revisited: int
    mean_shots: float


class Canary(File):
    """Mean |device − simulation| of a few samples' outputs, and the interval foreseen at `level`."""

    samples: int
    mean_abs_delta_expval: float
    low: float
    high: float
    level: float
    passed: bool


class Drop(File):
    """Parts of the mean squared error of the outputs, before any mitigation; `rest` may be negative."""

    mean_squared_error: float
    readout: float
    shot_noise: float
    rest: float
    readout_basis: str = ""


class Latency(File):
    """`execute` is an emulator's. On a device parts are summed over tasks; without `qpu`, it is part of `queue`."""

    compile: float | None = None
    execute: float | None = None
    submit: float | None = None
    queue: float | None = None
    qpu: float | None = None
    returned: float | None = None
    postprocess: float | None = None
    total: float | None = None


class Cost(File):
    """`usd` holds `usd_open`, reserved for what is not billed yet; `real_*` is what a rehearsed device would charge.

    Under adaptive shots, `uniform_usd` is the bill with the same shots for all, `separate_usd` with a task per circuit.
    """

    usd: Money
    usd_open: Money | None = None
    usd_estimated: Money | None = None
    usd_per_inference: Money | None = None
    usd_per_correct_inference: Money | None = None
    max_cost: Money | None = None
    plan: str | None = None
    tasks: int | None = None
    failed_tasks: int | None = None
    circuits: int | None = None
    shots: int | None = None
    qpu_s: float | None = None
    real_device: str | None = None
    real_usd: Money | None = None
    real_plan: str | None = None
    uniform_usd: Money | None = None
    separate_usd: Money | None = None


class CompiledCircuit(File):
    two_qubit_gates: int | None = None
    depth: int | None = None
    layout: list[int] | None = None


class Assessment(Compared):
    """assessment.json; `raw` is the comparison without the mitigation, where there is one."""

    device: str
    inferences: int
    shots: int | None = None
    seed: int | None = None
    created: str = ""
    mitigation: list[str] = Field(default_factory=list)
    device_options: dict[str, JsonValue] = Field(default_factory=dict)
    calibrated_on: str | None = None
    calibrations: list[str] = Field(default_factory=list)
    simulation: Accuracy
    raw: Compared | None = None
    forecast: ForecastBeside | None = None
    adaptive: Adaptive | None = None
    canary: Canary | None = None
    drop: Drop | None = None
    latency_s_per_inference: Latency | None = None
    cost: Cost | None = None
    circuit: CompiledCircuit | None = None

    @property
    def kind(self) -> Kind:
        """Where it was measured, by the device's name."""
        if self.device in ("sim", "sampled"):
            return "simulation"
        return "rehearsal" if self.device.startswith("emulator/") else "device"

    @property
    def unmitigated(self) -> Compared:
        """What forecast and error budget are about."""
        return self.raw or self

    @model_validator(mode="after")
    def _degradation_is_the_difference(self) -> Self:
        for each in (self, self.raw):
            if each is None:
                continue
            difference = 100 * (self.simulation.accuracy.value - each.hardware.accuracy.value)
            if abs(each.degradation_points.value - difference) > 0.1:
                where = "" if each is self else "raw."
                raise ValueError(
                    f"{where}degradation_points is {each.degradation_points.value:g}, "
                    f"but simulation minus device is {difference:.1f} points"
                )
        return self

    @model_validator(mode="after")
    def _inside_is_what_the_figures_say(self) -> Self:
        if self.forecast is not None:
            low, high = self.forecast.accuracy.low, self.forecast.accuracy.high
            if self.forecast.inside != (low <= self.unmitigated.hardware.accuracy.value <= high):
                raise ValueError(f"forecast.inside is {self.forecast.inside}, which its figures deny")
        return self


class Asked(File):
    """validation.json: what a validation on a device was asked for, where assessment.json does not say it."""

    max_flips: float | None = None
    repetition: int = 0
    vendor_compile: bool = False
    contracts: dict[str, str] = Field(default_factory=dict)
    engine: str = "auto"
    precision: str = "float32"
