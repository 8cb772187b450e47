"""Workload and terms in, every legal way to submit it out: bills whose lines add up (docs/pricing.md)."""

import math
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from fractions import Fraction

from qcli.errors import QcliError
from qcli.price.tariff import Basis, PerSecond, PerTask, ProgramSets, Rule, Terms, weakest

_EXACT = Context(prec=100, traps=[Inexact, InvalidOperation, DivisionByZero])


@dataclass(frozen=True)
class Workload:
    """`circuits` in all, `shots` each, for `inferences` forward passes.

    Raises:
        QcliError: fewer than one inference or shot, or a negative number of circuits.
    """

    inferences: int
    circuits: int
    shots: int

    def __post_init__(self) -> None:
        for name, least in (("inferences", 1), ("circuits", 0), ("shots", 1)):
            if getattr(self, name) < least:
                what = f"{name} must be at least {least}, not {getattr(self, name)}"
                raise QcliError(what, "workload", f"give {least} or more {name}")

    @property
    def executions(self) -> int:
        """Shots of all circuits together."""
        return self.circuits * self.shots


@dataclass(frozen=True)
class Line:
    """One line of a bill: `quantity x unit_usd = usd`, exactly."""

    text: str
    quantity: int
    unit_usd: Decimal
    usd: Decimal


@dataclass(frozen=True)
class Batch:
    """`tasks` submissions of `circuits` circuits each."""

    tasks: int
    circuits: int


@dataclass(frozen=True)
class Plan:
    """One legal way to submit a workload; `usd` is the exact sum of `lines`.

    `shots` are all shots billed, `batches` how the circuits are spread over the tasks.
    """

    name: str
    tasks: int
    shots: int
    usd: Decimal
    usd_per_inference: Decimal
    lines: tuple[Line, ...]
    batches: tuple[Batch, ...]


@dataclass(frozen=True)
class MachineTime:
    """Seconds the machine works on all tasks, without queueing; `source` says what the two ends are."""

    low_s: float
    high_s: float
    basis: Basis
    source: str


def check_shots(shots: int, terms: Terms) -> None:
    """Refuse a number of shots per circuit that the device does not take.

    Raises:
        QcliError: outside the device's range (unknown ends are not checked).
    """
    low, high = terms.shots_min or 1, terms.shots_max
    if isinstance(terms.price, PerSecond):
        high = min(high or terms.price.max_executions_per_job, terms.price.max_executions_per_job)
    if shots < low or (high is not None and shots > high):
        allowed = f"{low:,} to {high:,}" if high is not None else f"at least {low:,}"
        raise QcliError(
            f"{shots:,} shots are outside the range of {terms.name}: {allowed} per circuit",
            terms.name,
            f"choose {allowed} shots",
        )


def plans(workload: Workload, terms: Terms) -> tuple[Plan, ...]:
    """Every legal way to submit `workload`, priced exactly; constant time in the number of circuits.

    `separate`: one task per circuit. `program-sets`: as full as the limits on executables and total shots
    allow, the circuits of a set all with the same shots. `job`: as few jobs as the execution limit allows,
    each rounded up to whole seconds.

    Raises:
        QcliError: shots outside the device's range.
    """
    check_shots(workload.shots, terms)
    with localcontext(_EXACT):
        if isinstance(terms.price, PerSecond):
            return (_job(workload, terms.price),)
        separate = _tasks("separate", workload, terms.price, _split(workload.circuits, 1))
        per_set = _executables(workload.shots, terms.program_set) if terms.program_set else 0
        if not per_set:
            return (separate,)
        return separate, _tasks("program-sets", workload, terms.price, _split(workload.circuits, per_set))


def machine_time(workload: Workload, terms: Terms) -> MachineTime:
    """The range over the device's rules: the smallest with the fewest tasks, the largest with the most.

    Raises:
        QcliError: shots outside the device's range.
    """
    counts = [plan.tasks for plan in plans(workload, terms)]

    def low(rule: Rule) -> float:
        return rule.per_task_s * min(counts) + rule.per_shot_s * workload.executions

    def high(rule: Rule) -> float:
        return rule.per_task_s * max(counts) + rule.per_shot_s * workload.executions

    least, most = min(terms.machine_time, key=low), max(terms.machine_time, key=high)
    source = f"low: {least.what} ({least.source}); high: {most.what} ({most.source})"
    return MachineTime(low(least), high(most), weakest([least.basis, most.basis]), source)


def _split(circuits: int, per_task: int) -> tuple[Batch, ...]:
    full, rest = divmod(circuits, per_task)
    batches = (Batch(full, per_task), Batch(int(rest > 0), rest))
    return tuple(batch for batch in batches if batch.tasks)


def _executables(shots: int, limits: ProgramSets) -> int:
    return min(limits.max_executables, limits.max_total_shots // shots)


def _tasks(name: str, workload: Workload, price: PerTask, batches: tuple[Batch, ...]) -> Plan:
    tasks = sum(batch.tasks for batch in batches)
    shots = f"shots: {workload.circuits:,} circuits x {workload.shots:,}"
    lines = (
        _line("tasks" if name == "separate" else "tasks: program sets", tasks, price.task_fee),
        _line(shots, workload.executions, price.shot_price),
    )
    return _plan(name, workload, lines, batches)


def _job(workload: Workload, price: PerSecond) -> Plan:
    batches = _split(workload.circuits, price.max_executions_per_job // workload.shots)
    lines = tuple(_job_line(batch, workload.shots, price) for batch in batches)
    return _plan("job", workload, lines, batches)


def _job_line(batch: Batch, shots: int, price: PerSecond) -> Line:
    executions = batch.circuits * shots
    used_s = Fraction(price.overhead_s) + executions / Fraction(price.rate_hz)
    billed_s = math.ceil(max(used_s, Fraction(price.minimum_s)))
    jobs = "1 job" if batch.tasks == 1 else f"{batch.tasks:,} jobs"
    formula = f"{price.overhead_s:f} s + {executions:,} executions / {price.rate_hz:,f} Hz"
    text = f"QPU seconds: {jobs} of {formula} = {float(used_s):,.2f} s, billed {billed_s:,} s"
    return _line(text, batch.tasks * billed_s, price.usd_per_s)


def _line(text: str, quantity: int, unit_usd: Decimal) -> Line:
    return Line(text, quantity, unit_usd, quantity * unit_usd)


def _plan(name: str, workload: Workload, lines: tuple[Line, ...], batches: tuple[Batch, ...]) -> Plan:
    usd = sum((line.usd for line in lines), Decimal(0))
    per_inference = Context(prec=28).divide(usd, Decimal(workload.inferences))
    tasks = sum(batch.tasks for batch in batches)
    return Plan(name, tasks, workload.executions, usd, per_inference, lines, batches)
