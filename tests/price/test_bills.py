"""What holds for every bill, on every device and for every workload."""

import decimal
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.price.bill import Plan
from qcli.price.plans import cheapest, plans
from qcli.price.sheet import load_sheets
from qcli.price.tariff import PerSecond, Terms
from qcli.price.workload import Gates, Piece, Stage, Workload

SHEETS = load_sheets().devices
GATES = st.builds(Gates, st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 36), st.integers(1, 36))
Case = tuple[Workload, Terms]


@st.composite
def pieces(draw: st.DrawFn, device: Terms) -> Piece:
    shots = st.integers(device.shots_min or 1, device.shots_max or 100_000)
    programs = draw(st.integers(1, 3))
    inputs = draw(st.integers(0, 20) | st.integers(0, 10**6))
    return Piece("some", programs * inputs, draw(shots), draw(GATES), programs)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    device = SHEETS[draw(st.sampled_from(sorted(SHEETS)))]
    some = st.lists(pieces(device), min_size=1, max_size=3).map(tuple)
    stages = st.lists(st.builds(Stage, st.just("stage"), st.integers(0, 50), some), min_size=1, max_size=3)
    return Workload(draw(st.integers(1, 10**6)), draw(stages.map(tuple))), device


def by_name(workload: Workload, device: Terms) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(workload, device)}


def each_piece(workload: Workload, change: Callable[[Piece], Piece]) -> Workload:
    stages = (replace(stage, pieces=tuple(map(change, stage.pieces))) for stage in workload.stages)
    return replace(workload, stages=tuple(stages))


def won_by_rounding(plan: Plan, workload: Workload, device: Terms) -> Decimal:
    """USD by which the plan may exceed the same work in other jobs: nothing while a stage is one job, then a second for
    each job, since each is rounded up to a whole second.
    """
    price = device.price
    if not isinstance(price, PerSecond) or plan.name == "separate":
        return Decimal(0)
    sizes = [sum(piece.circuits * piece.shots for piece in stage.pieces) for stage in workload.stages]
    return price.usd_per_s * (plan.tasks if max(sizes) > price.max_executions_per_job else 0)


@given(cases())
def test_a_bill_is_the_exact_sum_of_its_lines_and_never_negative(case: Case) -> None:
    for plan in plans(*case):
        assert Fraction(plan.usd) == sum(Fraction(line.usd) for line in plan.lines)
        for line in plan.lines:
            assert Fraction(line.usd) == Fraction(line.quantity) * Fraction(line.unit_usd)
            assert line.usd >= 0
        assert plan.usd_per_inference * case[0].inferences == pytest.approx(plan.usd, rel=Decimal("1e-25"))


@given(cases(), st.booleans())
def test_a_bill_lies_in_its_range(case: Case, hybrid_job: bool) -> None:
    for plan in plans(*case, hybrid_job=hybrid_job):
        assert 0 <= plan.usd_low <= plan.usd <= plan.usd_high
        assert Fraction(plan.usd) == sum(Fraction(line.usd) for line in plan.lines)


@given(cases())
def test_a_plan_submits_every_circuit_once(case: Case) -> None:
    workload, device = case
    for plan in plans(workload, device):
        assert sum(batch.tasks * batch.circuits for batch in plan.batches) == workload.circuits
        assert sum(batch.tasks for batch in plan.batches) == plan.tasks
        assert plan.shots == workload.executions
        assert all(batch.tasks > 0 and batch.circuits > 0 for batch in plan.batches)


@given(cases())
def test_every_plan_is_listed_once_and_the_chosen_one_is_the_cheapest_of_those_not_barred(case: Case) -> None:
    offered = plans(*case)
    assert len({plan.name for plan in offered}) == len(offered)
    allowed = [plan for plan in offered if not plan.barred]
    chosen = cheapest(offered)
    assert chosen in allowed and chosen.usd == min(plan.usd for plan in allowed)


@given(cases(), st.integers(0, 10**5))
def test_more_circuits_never_cost_less_plan_by_plan(case: Case, more: int) -> None:
    workload, device = case
    larger = each_piece(workload, lambda p: replace(p, circuits=p.circuits + more * p.programs))
    after = by_name(larger, device)
    for plan in plans(workload, device):
        if plan.name in after:
            assert after[plan.name].usd >= plan.usd - won_by_rounding(plan, larger, device)


@given(cases(), st.floats(0, 1))
def test_more_shots_never_cost_less_plan_by_plan(case: Case, share: float) -> None:
    workload, device = case
    more = int(share * ((device.shots_max or 100_000) - workload.shots[1]))
    larger = each_piece(workload, lambda p: replace(p, shots=p.shots + more))
    after = by_name(larger, device)
    for plan in plans(workload, device):
        if plan.name in after:
            assert after[plan.name].usd >= plan.usd - won_by_rounding(plan, larger, device)


@given(cases(), st.floats(0, 1))
def test_two_bills_for_the_parts_are_never_cheaper_than_one_for_the_whole(case: Case, share: float) -> None:
    whole, device = case

    def first(piece: Piece) -> Piece:
        return replace(piece, circuits=piece.programs * int(share * (piece.circuits // piece.programs)))

    def second(piece: Piece) -> Piece:
        return replace(piece, circuits=piece.circuits - first(piece).circuits)

    one, other = (by_name(each_piece(whole, part), device) for part in (first, second))
    for plan in plans(whole, device):
        if plan.name in one and plan.name in other:
            parts = one[plan.name].usd + other[plan.name].usd
            assert parts >= plan.usd - won_by_rounding(plan, whole, device)


@given(cases())
def test_stages_that_wait_for_each_other_are_never_cheaper_than_the_same_circuits_in_one(case: Case) -> None:
    workload, device = case
    stage = Stage("all", 1, tuple(piece for stage in workload.stages for piece in stage.pieces))
    once = replace(workload, stages=tuple(replace(stage, times=1) for stage in workload.stages))
    together = replace(workload, stages=(stage,))
    apart = by_name(once, device)
    for plan in plans(together, device):
        if plan.name in apart:
            assert apart[plan.name].usd >= plan.usd - won_by_rounding(plan, together, device)


@given(cases())
def test_jobs_waste_less_than_a_second_each_and_less_room_than_one_circuit_takes(case: Case) -> None:
    workload, device = case
    if not isinstance(price := device.price, PerSecond):
        return
    for stage in workload.stages:
        job = by_name(replace(workload, stages=(replace(stage, times=1),)), device)["job"]
        seconds, overhead = Fraction(job.usd) / Fraction(price.usd_per_s), Fraction(price.overhead_s)
        work = job.shots / Fraction(price.rate_hz)
        assert 0 <= seconds - work - overhead * job.tasks <= job.tasks
        room = price.max_executions_per_job - max(piece.shots for piece in stage.pieces)
        assert seconds <= work + (overhead + 1) * (1 + Fraction(job.shots, room))


@given(cases())
def test_the_caller_s_decimal_context_does_not_touch_the_bill(case: Case) -> None:
    expected = [(plan.usd, plan.usd_low, plan.usd_high) for plan in plans(*case)]
    with decimal.localcontext(decimal.Context(prec=3)):
        assert [(plan.usd, plan.usd_low, plan.usd_high) for plan in plans(*case)] == expected


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_a_bill_for_10_to_the_12_inferences_is_as_short_as_one_for_a_thousand(name: str) -> None:
    for inferences in (10**3, 10**12):
        workload = Workload.uniform(inferences, 8 * inferences, 1000, Gates(20, 10, 4, 4))
        for plan in plans(workload, SHEETS[name]):
            assert plan.shots == 8000 * inferences
            assert len(plan.lines) <= 3 and len(plan.batches) <= 2


@pytest.mark.parametrize("name", sorted(SHEETS))
def test_nothing_to_run_costs_nothing(name: str) -> None:
    gates = Gates(20, 10, 4, 4)
    never = Workload(10, (Stage("never", 0, (Piece("some", 5, 1000, gates),)),))
    for workload in (Workload.uniform(10, 0, 1000, gates), never):
        for plan in plans(workload, SHEETS[name]):
            assert (plan.tasks, plan.shots, plan.usd, plan.usd_high) == (0, 0, 0, 0)
