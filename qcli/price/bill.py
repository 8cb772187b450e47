"""A bill: lines that add up exactly, for one way to submit a workload."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, Inexact, InvalidOperation
from fractions import Fraction

from qcli.price.tariff import Basis, Rule, weakest
from qcli.price.workload import Workload

EXACT = Context(prec=200, rounding=ROUND_HALF_UP, traps=[Inexact, InvalidOperation, DivisionByZero])
"""Money is computed under this context: what cannot be exact is an error; only text is rounded."""
PLANS = ("separate", "program-sets", "parametrised", "reservation", "job", "batch", "session", "debiased")
"""Names of the ways to submit."""


@dataclass(frozen=True)
class Line:
    """One line of a bill: `quantity x unit_usd = usd`, exactly."""

    text: str
    quantity: Decimal
    unit_usd: Decimal
    usd: Decimal


@dataclass(frozen=True)
class Batch:
    """`tasks` submissions of `circuits` circuits each."""

    tasks: int
    circuits: int


@dataclass(frozen=True)
class MachineTime:
    """Seconds the machine works on all tasks, without queueing; `source` says what the two ends are."""

    low_s: float
    high_s: float
    basis: Basis
    source: str


@dataclass(frozen=True)
class Plan:
    """One legal way to submit a workload.

    Attributes:
        name: how, one of PLANS.
        tasks: submissions.
        shots: all shots executed.
        usd: the exact sum of `lines`. Where time is billed and only known as a range: of the model the sheet gives
            (IBM), else of the range's upper end.
        usd_low, usd_high: the range, both equal to `usd` where nothing is uncertain.
        batches: how the circuits are spread over the tasks.
        time: machine time, None where nothing is known.
        barred: why this plan is never chosen: not confirmed on the device, or against a policy. Empty if it may be.
        remarks: what the arithmetic leaves out, or other rules beside it.
    """

    name: str
    tasks: int
    shots: int
    usd: Decimal
    usd_low: Decimal
    usd_high: Decimal
    usd_per_inference: Decimal
    lines: tuple[Line, ...]
    batches: tuple[Batch, ...]
    time: MachineTime | None
    barred: str = ""
    remarks: tuple[str, ...] = ()


def line(text: str, quantity: Decimal | int, unit_usd: Decimal) -> Line:
    return Line(text, Decimal(quantity), unit_usd, quantity * unit_usd)


def total(lines: Sequence[Line]) -> Decimal:
    return sum((item.usd for item in lines), Decimal(0))


def plan(
    name: str,
    workload: Workload,
    lines: Sequence[Line],
    batches: Sequence[Batch],
    rules: tuple[Rule, ...],
    *,
    low: Decimal | None = None,
    high: Decimal | None = None,
    barred: str = "",
    remarks: Sequence[str] = (),
) -> Plan:
    """A plan from its lines; `low` and `high` widen the range where the lines are not certain."""
    usd = total(lines)
    tasks = sum(batch.tasks for batch in batches)
    return Plan(
        name=name,
        tasks=tasks,
        shots=workload.executions,
        usd=usd,
        usd_low=usd if low is None else min(low, usd),
        usd_high=usd if high is None else max(high, usd),
        usd_per_inference=per(usd, workload.inferences),
        lines=tuple(lines),
        batches=tuple(batch for batch in batches if batch.tasks),
        time=machine_time(tasks, workload.executions, rules),
        barred=barred,
        remarks=tuple(remarks),
    )


def per(usd: Decimal, count: int) -> Decimal:
    """`usd / count` to 28 digits."""
    return Context(prec=28).divide(usd, Decimal(count))


def machine_time(tasks: int, executions: int, rules: tuple[Rule, ...]) -> MachineTime | None:
    """The range over the device's rules, None without rules."""
    if not rules:
        return None
    seconds = [(float(rule.per_task_s * tasks + rule.per_shot_s * executions), rule) for rule in rules]
    low_s, low = min(seconds, key=lambda entry: entry[0])
    high_s, high = max(seconds, key=lambda entry: entry[0])
    source = f"low: {low.what} ({low.source}); high: {high.what} ({high.source})"
    return MachineTime(low_s, high_s, weakest([low.basis, high.basis]), source)


def split(circuits: int, per_task: int) -> list[Batch]:
    """As few tasks as hold `circuits`, `per_task` in each but the last."""
    full, rest = divmod(circuits, per_task)
    return [batch for batch in (Batch(full, per_task), Batch(int(rest > 0), rest)) if batch.tasks]


def started(amount: Fraction, step: Fraction | int = 1) -> int:
    """How many steps `amount` has started: rounded up."""
    return math.ceil(amount / step)
