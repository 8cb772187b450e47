"""Every legal way to submit a workload to a device, priced exactly (docs/pricing.md)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

from qcli.errors import QcliError
from qcli.price import by_gate, by_task, by_time
from qcli.price.bill import EXACT, Plan, line, per, started
from qcli.price.tariff import Credits, GateShots, Metered, PerSecond, PerTask, Terms
from qcli.price.workload import Workload


def check_shots(shots: int, terms: Terms) -> None:
    """Refuse a number of shots per circuit that the device does not take.

    Raises:
        QcliError: outside the device's range (unknown ends are not checked).
    """
    check_within(shots, shots_range(terms), terms.name)


def check_within(shots: int, taken: tuple[int, int | None], device: str) -> None:
    """Refuse a number of shots outside the fewest and the most, None where the most is not known.

    Raises:
        QcliError: with the range.
    """
    low, high = taken
    if shots < low or (high is not None and shots > high):
        allowed = f"{low:,} to {high:,}" if high is not None else f"at least {low:,}"
        raise QcliError(
            f"{shots:,} shots are outside the range of {device}: {allowed} per circuit",
            device,
            f"choose {allowed} shots",
        )


def check(workload: Workload, terms: Terms) -> None:
    """Refuse shots that the device does not take, and debiasing that it does not have.

    Raises:
        QcliError: one of them.
    """
    for shots in workload.shots:
        check_shots(shots, terms)
    if workload.debias:
        _check_debiasing(workload, terms)


def shots_range(terms: Terms) -> tuple[int, int | None]:
    """The fewest and the most shots of a circuit, None where the most is not known."""
    high = terms.shots_max
    if isinstance(terms.price, PerSecond):
        high = min(high or terms.price.max_executions_per_job, terms.price.max_executions_per_job)
    return terms.shots_min or 1, high


def plans(
    workload: Workload, terms: Terms, *, hybrid_job: bool = False, per_month: int = 1
) -> tuple[Plan, ...]:
    """Every legal plan; constant time in the number of circuits.

    Args:
        hybrid_job: add the instance of a hybrid job for the upper end of the machine time, where the provider has one.
        per_month: how often the workload is repeated in a month, which what a contract holds must do for.

    Raises:
        QcliError: shots outside the device's range, gates beyond its limit, no debiasing where it is asked for, or
            more QPU seconds than the contract holds.
    """
    check(workload, terms)
    with localcontext(EXACT):
        offered = tuple(_within_limits(_all(workload, terms), workload, terms, per_month))
        if hybrid_job:
            offered = tuple(_with_instance(plan, workload, terms) for plan in offered)
        return offered


def cheapest(offered: Iterable[Plan]) -> Plan | None:
    """The cheapest plan that may be chosen; the first of equals."""
    return min((plan for plan in offered if not plan.barred), key=lambda plan: plan.usd, default=None)


def _all(workload: Workload, terms: Terms) -> Iterator[Plan]:
    match terms.price:
        case PerTask() as price:
            return by_task.plans(workload, terms, price)
        case PerSecond() as price:
            return by_time.jobs(workload, terms, price)
        case Metered() as price:
            return by_time.metered(workload, terms, price)
        case GateShots() as price:
            return by_gate.gate_shots(workload, terms, price)
        case Credits() as price:
            return by_gate.credits(workload, terms, price)


def _within_limits(
    offered: Iterator[Plan], workload: Workload, terms: Terms, per_month: int
) -> Iterator[Plan]:
    known = [piece.gates for stage in workload.stages for piece in stage.pieces if piece.gates]
    gates = max((g.one_qubit + g.two_qubit for g in known), default=0)
    refused = ""
    legal = 0
    for plan in offered:
        limit, allowance = by_task.gates_allowed(terms, plan.name), terms.allowance_s
        if limit is not None and gates > limit:
            refused = f"{gates:,} gates in a circuit, {terms.name} takes {limit:,}"
        elif allowance is not None and (needed := per_month * by_time.billed_seconds(plan)) > allowance:
            monthly = " a month" if per_month > 1 else ""
            held = f"contract {terms.contract} holds {allowance:,f}"
            refused = refused or f"{needed:,} QPU seconds{monthly}, {held}"
        else:
            legal += 1
            yield plan
    if refused and not legal:
        raise QcliError(
            refused, terms.name, "make the workload smaller, or choose another device or contract"
        )


def _check_debiasing(workload: Workload, terms: Terms) -> None:
    least = terms.debias_min_shots
    if least is None:
        raise QcliError(
            f"{terms.name} has no debiasing", "--mitigation debias", "leave it out, or choose IonQ"
        )
    if workload.shots[0] < least:
        raise QcliError(
            f"debiasing on {terms.name} needs {least:,} shots a circuit, not {workload.shots[0]:,}",
            "--shots",
            f"choose {least:,} shots or more, or leave out --mitigation debias",
        )


def _with_instance(plan: Plan, workload: Workload, terms: Terms) -> Plan:
    if terms.instance is None or plan.time is None:
        return plan
    name, usd_per_hour = terms.instance
    hours, least = (
        Decimal(started(Fraction(seconds), Fraction(36, 100))) / 10_000
        for seconds in (plan.time.high_s, plan.time.low_s)
    )
    more = line(f"hybrid job: {name} for the machine time in hours", hours, usd_per_hour)
    usd = plan.usd + more.usd
    return replace(
        plan,
        lines=(*plan.lines, more),
        usd=usd,
        usd_low=plan.usd_low + least * usd_per_hour,
        usd_high=plan.usd_high + more.usd,
        usd_per_inference=per(usd, workload.inferences),
        remarks=(
            *plan.remarks,
            "not in the bill: the instance while tasks queue, and its storage volume",
        ),
    )
