"""What a device costs and allows, as plain data: the terms a bill is written from."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Basis = Literal["contract", "published", "transcribed", "measured", "assumed"]
Status = Literal["online", "offline", "retired"]
Kind = Literal["qpu", "simulator", "analog"]
BASES: tuple[Basis, ...] = ("contract", "published", "transcribed", "measured", "assumed")
"""Strongest first: the user's own contract; the provider's own text; somebody's copy of it; a public measurement; our
assumption."""
STALE_DAYS = 90


@dataclass(frozen=True)
class Quote:
    """One figure as shown to a reader; `key` is its place in the sheet, `source` in words."""

    key: str
    value: Decimal
    unit: str
    source: str
    verified_on: date
    basis: Basis
    note: str


@dataclass(frozen=True)
class PerTask:
    """USD per task plus USD per shot (Amazon Braket, Scaleway)."""

    task_fee: Decimal
    shot_price: Decimal


@dataclass(frozen=True)
class PerSecond:
    """USD per QPU second; a job takes `overhead_s + executions / rate_hz`, rounded up to whole seconds (IBM)."""

    usd_per_s: Decimal
    overhead_s: Decimal
    rate_hz: Decimal
    minimum_s: Decimal
    max_executions_per_job: int


@dataclass(frozen=True)
class Metered:
    """USD per started `step_s` of a task, at least `minimum_s` of it (SV1, Rigetti on Azure, IQM Resonance).

    The time itself is known only as a range: the device's machine time.
    """

    usd_per_step: Decimal
    step_s: Decimal
    minimum_s: Decimal


@dataclass(frozen=True)
class GateShots:
    """USD per gate and shot, at least a minimum per circuit (IonQ).

    The minimum is higher with debiasing, which is forced from `debiased_from_shots` on (None: never forced).
    """

    one_qubit: Decimal
    two_qubit: Decimal
    minimum: Decimal
    minimum_debiased: Decimal
    debiased_from_shots: int | None


@dataclass(frozen=True)
class Credits:
    """Quantinuum's HQC: `base + shots (N1 + 10 N2 + 5 Nm) / 5000` a circuit; Nm preparations and measurements."""

    usd_per_credit: Decimal
    base: Decimal


Price = PerTask | PerSecond | Metered | GateShots | Credits
KINDS: dict[type, str] = {
    PerTask: "per-task",
    PerSecond: "per-second",
    Metered: "metered",
    GateShots: "gate-shots",
    Credits: "credits",
}


@dataclass(frozen=True)
class ProgramSets:
    """Limits of one program set: circuits in it, and shots in all. `confirmed`: the device surely takes them."""

    max_executables: int
    max_total_shots: int
    confirmed: bool = True


@dataclass(frozen=True)
class Rule:
    """One view of the machine time: `per_task_s x tasks + per_shot_s x shots` seconds."""

    what: str
    per_task_s: Decimal
    per_shot_s: Decimal
    basis: Basis
    source: str


@dataclass(frozen=True)
class Queue:
    """Waiting times of single tasks seen in public, in seconds; no forecast."""

    low_s: float
    high_s: float
    what: str
    basis: Basis
    source: str


@dataclass(frozen=True)
class Terms:
    """What one device costs and allows.

    `shots_min` and `shots_max` are per circuit, None where no public figure exists (not checked); `gates_max` and
    `gates_max_reserved` per circuit; `debias_min_shots` None where there is no debiasing. `reservation` is in USD per
    started hour, `instance` (name, USD per hour) that of a hybrid job. `allowance_s` are QPU seconds that the
    contract holds in 28 days, `session_idle_s` what a session bills after each job, `rule_of_thumb` the vendor's own
    rule for the time of a job. `compile_as` names the catalogue's record of the same gates and topology. `source`,
    `verified_on` and `basis` are those of the bill: all sources of its figures, the oldest date, the weakest basis.
    `quotes` has every figure with its own.
    """

    name: str
    provider: str
    full_name: str
    kind: Kind
    status: Status
    retired_on: date | None
    qubits: int
    shots_min: int | None
    shots_max: int | None
    gates_max: int | None
    gates_max_reserved: int | None
    debias_min_shots: int | None
    price: Price
    contract: str | None
    contracts: tuple[str, ...]
    allowance_s: Decimal | None
    program_set: ProgramSets | None
    reservation: Decimal | None
    instance: tuple[str, Decimal] | None
    session_idle_s: Decimal | None
    machine_time: tuple[Rule, ...]
    rule_of_thumb: Rule | None
    queue: Queue | None
    compile_as: str
    source: str
    verified_on: date
    basis: Basis
    notes: tuple[str, ...]
    quotes: tuple[Quote, ...]

    def stale(self, today: date) -> bool:
        """Whether a figure of the bill was last verified more than 90 days ago."""
        return (today - self.verified_on).days > STALE_DAYS


@dataclass(frozen=True)
class Unknown:
    """A vendor without a public price: listed, never guessed."""

    name: str
    what: str
    searched_on: date


def weakest(bases: list[Basis]) -> Basis:
    """The least reliable of `bases`."""
    return max(bases, key=BASES.index)
