"""Cliffs: where a small choice costs much, each with its effect in USD and the fix."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal

from qcli.price.estimate import AGAINST_POLICY, Estimate, Row, usd_of, workload_for
from qcli.price.plans import shots_range
from qcli.price.sheet import IN_PRICE_FILE
from qcli.price.subject import training, training_of
from qcli.price.tariff import GateShots, Metered, PerTask
from qcli.price.workload import NO_MITIGATION

Effect = Literal["saves", "adds", "at stake"]
"""What `usd` is: money that the fix saves, that the present choice adds, or that hangs on it."""
_WIDE = Decimal("1.5")


@dataclass(frozen=True)
class Cliff:
    """One warning; `device` is empty for the whole workload."""

    name: str
    device: str
    effect: Effect
    usd: Decimal
    what: str
    fix: str


Make = Callable[[str, Effect, Decimal, str, str], Iterator[Cliff]]
"""A cliff of the device at hand from its name, effect, USD, what and fix; none if there is nothing to lose."""


def cliffs(estimate: Estimate) -> tuple[Cliff, ...]:
    """Those of each device, then those of the workload."""
    with localcontext(rounding=ROUND_HALF_UP):
        found = [cliff for row in estimate.rows for cliff in _of_row(row, estimate)]
        return (*found, *_of_workload(estimate))


def _of_row(row: Row, estimate: Estimate) -> Iterator[Cliff]:
    if row.workload is None:
        yield from _below_a_minimum(row, estimate)
        return
    plan = row.cheapest
    if plan is None:
        return
    name = row.terms.name
    by_name = {each.name: each for each in row.plans}

    def cliff(kind: str, effect: Effect, usd: Decimal, what: str, fix: str) -> Iterator[Cliff]:
        if usd > 0:
            yield Cliff(kind, name, effect, usd, what, fix)

    if plan.name != "separate" and (single := by_name.get("separate")) is not None:
        what = f"one task or job per circuit: {single.tasks:,} of them, {single.usd:,.2f} USD"
        yield from cliff(
            "one job per circuit", "saves", single.usd - plan.usd, what, f"submit as {plan.name}"
        )
    doubtful = (other for other in row.plans if other.barred and other.barred != AGAINST_POLICY)
    if (other := min(doubtful, key=lambda each: each.usd, default=None)) is not None:
        fix = "ask the vendor; one set tells"
        yield from cliff("unconfirmed plan", "saves", plan.usd - other.usd, other.barred, fix)
    if isinstance(row.terms.price, PerTask):
        yield from _fees(row, cliff)
    if (session := by_name.get("session")) is not None:
        what = f"a session bills its idle time: {session.usd:,.2f} USD"
        yield from cliff("session idle time", "saves", session.usd - plan.usd, what, f"submit as {plan.name}")
    if isinstance(row.terms.price, GateShots | Metered):
        yield from _minimum(row, estimate, cliff)
    yield from _mitigation(row, estimate, cliff)
    if plan.usd_high > _WIDE * plan.usd_low:
        what = (
            f"{plan.usd_low:,.2f} to {plan.usd_high:,.2f} USD: billed by a time that is known as a range only"
        )
        fix = "run a few circuits first and read their bill"
        yield from cliff("uncertain time", "at stake", plan.usd_high - plan.usd_low, what, fix)
    if row.terms.status != "online":
        what = f"the device was {row.terms.status} when its record was checked"
        yield from cliff("device not online", "at stake", plan.usd, what, "choose a device that is online")
    yield from _stale(row, estimate, cliff)


def _mitigation(row: Row, estimate: Estimate, cliff: Make) -> Iterator[Cliff]:
    plan, question = row.cheapest, estimate.question
    assert plan is not None
    if question.mitigation == NO_MITIGATION:
        return
    bare = workload_for(estimate.subject, replace(question, mitigation=NO_MITIGATION), row.gates)
    if plain := usd_of(bare, row.terms, question):
        what = f"{question.mitigation}: {plan.usd / plain:,.2f} times the bill without"
        fix = "keep it only if a validation shows the gain"
        yield from cliff("mitigation overhead", "adds", plan.usd - plain, what, fix)


def _stale(row: Row, estimate: Estimate, cliff: Make) -> Iterator[Cliff]:
    plan, terms = row.cheapest, row.terms
    assert plan is not None
    if not terms.stale(estimate.today):
        return
    billed = (quote for quote in terms.quotes if quote.key.startswith("price."))
    oldest = min(billed, key=lambda quote: quote.verified_on)
    age = (estimate.today - oldest.verified_on).days
    what = f"{oldest.key} was last verified {age:,} days ago, on {oldest.verified_on}"
    refreshed = terms.provider == "braket" and oldest.key in IN_PRICE_FILE
    fix = "qcli prices refresh" if refreshed else f"qcli prices {terms.name}: check its source"
    yield from cliff("stale price", "at stake", plan.usd, what, fix)


def _fees(row: Row, cliff: Make) -> Iterator[Cliff]:
    plan, price, work = row.cheapest, row.terms.price, row.workload
    assert plan is not None and work is not None and isinstance(price, PerTask)
    paid = Decimal(0) if plan.name == "reservation" else plan.tasks * price.task_fee
    if paid > plan.usd - paid:
        even = int(price.task_fee / price.shot_price) if price.shot_price else 0
        what = f"task fees are {float(100 * paid / plan.usd):.0f} % of the bill; one fee buys {even:,} shots"
        fix = "put more circuits in a program set" if row.terms.program_set else "more shots cost little more"
        yield from cliff("fees above shots", "at stake", paid, what, fix)
    limits, rounds = row.terms.program_set, sum(stage.times * len(stage.by_shots()) for stage in work.stages)
    if limits is not None and plan.name in ("program-sets", "parametrised") and plan.tasks > rounds:
        what = f"{plan.tasks:,} program sets where {rounds:,} would do without their limits"
        fix = (
            f"fill them: batches of a multiple of {limits.max_executables:,} circuits, "
            f"up to {limits.max_total_shots:,} shots a set"
        )
        yield from cliff(
            "batch above the set limit", "adds", (plan.tasks - rounds) * price.task_fee, what, fix
        )


def _minimum(row: Row, estimate: Estimate, cliff: Make) -> Iterator[Cliff]:
    plan, price = row.cheapest, row.terms.price
    assert plan is not None
    forced = price.debiased_from_shots if isinstance(price, GateShots) else None
    if isinstance(price, GateShots):
        free = replace(row.terms, price=replace(price, minimum=Decimal(0), minimum_debiased=Decimal(0)))
        what = "every circuit is billed the vendor's minimum, above what its gates cost"
        step = f" (from {forced:,} shots on a higher one)" if forced is not None else ""
        fix = f"more shots cost nothing until their gates reach the minimum{step}"
    elif isinstance(price, Metered) and price.minimum_s:
        free = replace(row.terms, price=replace(price, minimum_s=Decimal(0)))
        what = f"every task is billed {price.minimum_s:f} s at least"
        fix = "run small circuits on this computer, for 0 USD"
    else:
        return
    assert row.workload is not None
    without = usd_of(row.workload, free, estimate.question)
    if without is not None:
        yield from cliff("minimum charge", "adds", plan.usd - without, what, fix)
    if forced is not None and forced > 1 and row.workload.shots[1] >= forced:
        question = replace(estimate.question, shots=forced - 1)
        below = usd_of(workload_for(estimate.subject, question, row.gates), row.terms, question)
        if below is not None:
            what = f"debiasing is forced from {forced:,} shots on, with a higher minimum per circuit"
            fix = f"{forced - 1:,} shots or fewer"
            yield from cliff("mitigation minimum", "saves", plan.usd - below, what, fix)


def _below_a_minimum(row: Row, estimate: Estimate) -> Iterator[Cliff]:
    """A device that was not priced since its smallest number of shots is larger than what is asked."""
    question, least = estimate.question, shots_range(row.terms)[0]
    if not row.fits:
        return
    kind, word = "shots below the minimum", "the device"
    if question.mitigation.debias and row.terms.debias_min_shots is not None:
        kind, word, least = "mitigation minimum", "debiasing", max(least, row.terms.debias_min_shots)
    if question.shots >= least:
        return
    at_least = replace(question, shots=least)
    usd = usd_of(workload_for(estimate.subject, at_least, row.gates), row.terms, question)
    if usd is not None:
        what = f"{word} takes {least:,} shots a circuit at least: {usd:,.2f} USD, not priced at {question.shots:,}"
        yield Cliff(kind, row.terms.name, "at stake", usd, what, f"--shots {least}, or another device")


def _of_workload(estimate: Estimate) -> Iterator[Cliff]:
    question, subject = estimate.question, estimate.subject
    priced = [(plan.usd, row) for row in estimate.rows if row.terms.kind == "qpu" and (plan := row.cheapest)]
    if not priced:
        return
    usd, row = min(priced, key=lambda entry: entry[0])
    if question.training is not None:
        what = f"{usd:,.2f} USD on the cheapest ({row.terms.name}), 0 USD on this computer"
        yield Cliff("training on a QPU", "", "adds", usd, what, "qcli train, then validate on hardware")
    elif subject.run is not None:
        steps = training_of(subject)
        bills = [
            (cost, each)
            for _, each in priced
            if (cost := usd_of(training(subject, steps, question.shots, each.gates), each.terms, question))
            is not None
        ]
        if bills:
            cost, each = min(bills, key=lambda entry: entry[0])
            what = (
                f"the {steps.epochs} epochs of this run with parameter-shift gradients: {cost:,.2f} USD on the "
                f"cheapest ({each.terms.name}), 0 USD on this computer"
            )
            yield Cliff(
                "training on a QPU", "", "adds", cost, what, "train in simulation; --training shows the bill"
            )
    yield Cliff(
        "classical alternative", "", "adds", usd, _baseline(estimate), "compare with it before paying"
    )


def _baseline(estimate: Estimate) -> str:
    tested = estimate.subject.tested
    if tested is None or not tested.baselines:
        return "a classical model costs 0 USD to run; qcli train reports how good one is"
    name, accuracy = max(tested.baselines.items(), key=lambda entry: entry[1])
    return f"{name} reaches {100 * accuracy:.1f} % on the same test set and costs 0 USD to run"
