"""Estimates, estimates/*.json, as the report reads them: shares are fractions in [0, 1], times seconds, money USD."""

from pydantic import Field

from qcli.report.forecast_inputs import Foreseen, Recommendation
from qcli.report.parse import File, Money


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
    forecast: Foreseen | None = None

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
    recommendation: Recommendation | None = None
