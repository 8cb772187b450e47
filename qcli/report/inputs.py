"""The result files of a run directory as the report reads them.

A file may hold more than is named here; what is named must be there with the right type. Shares and
accuracies are fractions in [0, 1], degradation is in percentage points, times in seconds, money in USD.
"""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from qcli.report.parse import File


def _not_binary(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("money is written as a string, not as a binary float")
    return value


Money = Annotated[Decimal, BeforeValidator(_not_binary), Field(ge=0, lt=Decimal(10) ** 30, decimal_places=60)]


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


class Metrics(File):
    """metrics.json."""

    seeds: list[SeedScores] = Field(min_length=1)
    chosen_seed: int
    summary: Summary
    baselines: list[BaselineScores] = Field(default_factory=list)
    test_samples: int | None = None
    interval: str = "95 %"
    verdict: str = ""

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


class BillLine(File):
    text: str
    quantity: Money
    unit_usd: Money
    usd: Money


class MachineTime(File):
    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, ge=0)
    basis: str | None = None
    source: str | None = None


class Plan(File):
    """`barred` says why a plan is never chosen."""

    name: str
    tasks: int | None = None
    shots: int | None = None
    usd: Money
    usd_low: Money | None = None
    usd_high: Money | None = None
    usd_per_inference: Money | None = None
    barred: str = ""
    remarks: list[str] = Field(default_factory=list)
    machine_time_s: MachineTime | None = None
    lines: list[BillLine] = Field(default_factory=list)


class Queue(File):
    """Waiting times seen in public, in seconds."""

    low: float
    high: float
    what: str = ""
    basis: str | None = None
    source: str | None = None


class Cliff(File):
    """A small choice that costs much; `effect` says what the amount is."""

    name: str
    effect: str
    usd: Money
    what: str
    fix: str


class Price(File):
    source: str | None = None
    verified_on: str | None = None
    basis: str | None = None
    contract: str | None = None
    other_contracts: dict[str, Money] = Field(default_factory=dict)


class Calibration(File):
    calibrated_on: str | None = None
    source: str | None = None


class DeviceEstimate(File):
    """One device; gate counts are None where it does not fit or no calibration is known."""

    device: str
    kind: str = "qpu"
    status: str = ""
    fits: bool
    note: str | None = None
    qubits: int | None = None
    two_qubit_gates: int | None = None
    depth: int | None = None
    plans: list[Plan] = Field(default_factory=list)
    cheapest: str | None = None
    usd_per_inference: Money | None = None
    usd_per_month: Money | None = None
    machine_time_s: MachineTime | None = None
    queue: Queue | None = None
    price: Price | None = None
    calibration: Calibration | None = None
    cliffs: list[Cliff] = Field(default_factory=list)
    breaches: list[str] = Field(default_factory=list)

    @property
    def compiled(self) -> bool:
        """Whether it fits is known from compiling the model's circuits for it."""
        return self.fits and self.two_qubit_gates is not None

    @property
    def cheapest_plan(self) -> Plan | None:
        named = [plan for plan in self.plans if plan.name == self.cheapest]
        allowed = [plan for plan in self.plans if not plan.barred]
        return min(named or allowed, key=lambda plan: plan.usd, default=None)


class Training(File):
    epochs: int
    batch: int
    rows: int
    validation: int
    gradient: str
    circuits_per_sample: int


class UniformShots(File):
    shots: int
    flip_rate: float


class TwoStageShots(File):
    first: int
    band: float
    unit: str
    second: int
    revisited: float
    flip_rate: float
    expected_shots: float


class AskedShots(File):
    flip_rate: float
    usd: Money | None = None


class ShotPlan(File):
    """How many shots keep label flips by sampling under `max_flips`, and what they cost on a device."""

    device: str
    samples: int
    max_flips: float
    method: str
    contrast: float | None = None
    asked: AskedShots
    uniform: UniformShots | None = None
    uniform_usd: Money | None = None
    two_stage: TwoStageShots | None = None
    two_stage_usd: Money | None = None
    flip_rate_at_most: float


class Compared(File):
    """The classifier whose loss is to be shown; `available` samples are in the test set."""

    accuracy: float
    classes: int
    basis: str
    available: int | None = None


class Detect(File):
    """Inferences that show a loss of `points`, by power, and what they cost on each device, in the same order."""

    points: float
    needed: dict[str, int]
    usd: dict[str, list[Money | None]]


class Spending(File):
    device: str
    inferences: int
    shots: int
    usd: Money
    detectable: float | None = None


class Budget(File):
    usd: Money
    devices: list[Spending]


class CurvePoint(File):
    inferences: int
    usd: Money
    detectable: float | None = None


class Curve(File):
    device: str
    points: list[CurvePoint]


class Vendor(File):
    name: str
    what: str


class Estimate(File):
    """estimates/*.json."""

    rows: list[DeviceEstimate]
    created: str = ""
    model: str = ""
    run: str | None = None
    devices: list[str] = Field(default_factory=list)
    inferences: int
    shots: int
    circuits_per_inference: int | None = None
    wires: int | None = None
    unit: str = "inference"
    training: Training | None = None
    mitigation: str = ""
    hybrid_job: bool = False
    per_month: int = 1
    contracts: dict[str, str] = Field(default_factory=dict)
    cliffs: list[Cliff] = Field(default_factory=list)
    unknown: list[Vendor] = Field(default_factory=list)
    policy: str | None = None
    shot_plans: list[ShotPlan] = Field(default_factory=list)
    compared: Compared | None = None
    detect: Detect | None = None
    budget: Budget | None = None
    curves: list[Curve] = Field(default_factory=list)


class Accuracy(File):
    accuracy: Estimated


class Flipped(File):
    count: int
    share: float


class Latency(File):
    compile: float | None = None
    execute: float | None = None
    postprocess: float | None = None
    total: float | None = None


class Cost(File):
    usd: Money
    real_device: str | None = None
    real_usd: Money | None = None
    real_plan: str | None = None


class CompiledCircuit(File):
    two_qubit_gates: int | None = None
    depth: int | None = None
    layout: list[int] | None = None


class Assessment(File):
    """assessment.json. Degradation is simulation minus device: positive where the device is worse."""

    device: str
    inferences: int
    shots: int | None = None
    seed: int | None = None
    created: str = ""
    calibrated_on: str | None = None
    simulation: Accuracy
    hardware: Accuracy
    degradation_points: Estimated
    mcnemar_p: float | None = None
    only_simulation_right: int | None = None
    only_device_right: int | None = None
    flipped: Flipped
    mean_abs_delta_expval: float | None = None
    latency_s_per_inference: Latency | None = None
    cost: Cost | None = None
    circuit: CompiledCircuit | None = None

    @model_validator(mode="after")
    def _degradation_is_the_difference(self) -> Self:
        difference = 100 * (self.simulation.accuracy.value - self.hardware.accuracy.value)
        if abs(self.degradation_points.value - difference) > 0.1:
            raise ValueError(
                f"degradation_points is {self.degradation_points.value:g}, "
                f"but simulation minus device is {difference:.1f} points"
            )
        return self
