"""The plan that is chosen is legal and the cheapest; limits, jobs, sessions, contracts, reservations, hybrid jobs."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.price.bill import Plan
from qcli.price.plans import cheapest, plans
from qcli.price.sheet import load_sheets, terms
from qcli.price.tariff import PerSecond, PerTask, ProgramSets, Rule, Terms
from qcli.price.workload import Gates, Piece, Stage, Workload

GARNET, FORTE = terms("braket/garnet"), terms("braket/forte-enterprise-1")
BOSTON = terms("ibm/boston")
SMALL_JOBS = st.builds(
    PerSecond,
    usd_per_s=st.just(Decimal("1.60")),
    overhead_s=st.sampled_from([Decimal("0.5"), Decimal("1.3"), Decimal(2)]),
    rate_hz=st.sampled_from([Decimal(3), Decimal(10), Decimal(100)]),
    minimum_s=st.just(Decimal(1)),
    max_executions_per_job=st.integers(5, 40),
)


def by_name(workload: Workload, device: Terms) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(workload, device)}


def stage_of(circuits: Sequence[int]) -> Stage:
    """A stage of one circuit for each number of shots."""
    return Stage("stage", 1, tuple(Piece("circuit", 1, shots) for shots in circuits))


def partitions(items: Sequence[int]) -> Iterator[list[list[int]]]:
    """Every way to spread `items` over any number of submissions."""
    if not items:
        yield []
        return
    for parts in partitions(items[1:]):
        yield [[items[0]], *parts]
        for k, part in enumerate(parts):
            yield [*parts[:k], [items[0], *part], *parts[k + 1 :]]


def least(circuits: Sequence[int], cost: Callable[[list[int]], int | None]) -> int:
    """The smallest sum of `cost` over all partitions in which every submission is legal: costs something."""
    sums = []
    for parts in partitions(circuits):
        costs = [found for part in parts if (found := cost(part)) is not None]
        if len(costs) == len(parts):
            sums.append(sum(costs))
    return min(sums)


@given(
    st.lists(st.lists(st.sampled_from([10, 25]), min_size=2, max_size=6), min_size=1, max_size=2),
    st.integers(1, 5),
    st.integers(10, 90),
    st.booleans(),
    st.integers(1, 3),
)
def test_no_way_to_spread_circuits_over_tasks_and_program_sets_is_cheaper_than_the_chosen_plan(
    circuits: list[list[int]], executables: int, total_shots: int, confirmed: bool, hour_usd: int
) -> None:
    def task(part: list[int]) -> int | None:
        in_a_set = len(set(part)) == 1 and len(part) <= executables and sum(part) <= total_shots
        return 1 if len(part) == 1 or (confirmed and in_a_set) else None

    tasks = sum(least(stage, task) for stage in circuits)
    shots = sum(map(sum, circuits))
    hours = max(1, math.ceil(Fraction(500 * tasks + 20 * shots, 3600)))
    rules = tuple(Rule("", Decimal(a), Decimal(b), "assumed", "") for a, b in ((1, 1), (500, 20)))
    device = replace(
        GARNET,
        price=PerTask(Decimal("0.30"), Decimal("0.01")),
        program_set=ProgramSets(executables, total_shots, confirmed),
        reservation=Decimal(hour_usd),
        machine_time=rules,
    )
    chosen = cheapest(plans(Workload(1, tuple(map(stage_of, circuits))), device))
    on_demand = Decimal("0.30") * tasks + Decimal("0.01") * shots
    assert chosen is not None
    assert chosen.usd == min(on_demand, Decimal(hour_usd) * hours)


@st.composite
def small_jobs(draw: st.DrawFn, kinds: int) -> tuple[list[int], PerSecond]:
    price = draw(SMALL_JOBS)
    shots = draw(st.lists(st.integers(1, price.max_executions_per_job), min_size=kinds, max_size=kinds))
    return draw(st.lists(st.sampled_from(shots), min_size=3, max_size=7)), price


def chosen_and_least_seconds(circuits: list[int], price: PerSecond) -> tuple[Decimal, int]:
    def job(part: list[int]) -> int | None:
        seconds = Fraction(price.overhead_s) + sum(part) / Fraction(price.rate_hz)
        return max(1, math.ceil(seconds)) if sum(part) <= price.max_executions_per_job else None

    chosen = cheapest(plans(Workload(1, (stage_of(circuits),)), replace(BOSTON, price=price)))
    assert chosen is not None
    assert all(batch.circuits * min(circuits) <= price.max_executions_per_job for batch in chosen.batches)
    return chosen.usd / price.usd_per_s, least(circuits, job)


@given(small_jobs(kinds=2))
def test_one_job_is_the_cheapest_way_where_it_holds_all(case: tuple[list[int], PerSecond]) -> None:
    circuits, price = case
    assume(sum(circuits) <= price.max_executions_per_job)
    chosen, least_seconds = chosen_and_least_seconds(circuits, price)
    assert chosen == least_seconds


@given(small_jobs(kinds=1))
def test_jobs_of_equal_circuits_are_within_a_second_of_the_cheapest_way(
    case: tuple[list[int], PerSecond],
) -> None:
    chosen, least_seconds = chosen_and_least_seconds(*case)
    assert least_seconds <= chosen <= least_seconds + 1


@given(small_jobs(kinds=2))
def test_jobs_of_mixed_circuits_are_within_one_short_job_of_the_cheapest_way(
    case: tuple[list[int], PerSecond],
) -> None:
    chosen, least_seconds = chosen_and_least_seconds(*case)
    assert least_seconds <= chosen <= least_seconds + case[1].overhead_s + 1


@pytest.mark.parametrize(
    ("circuits", "most", "overhead_s", "rate_hz", "seconds"),
    [
        ([374] * 3 + [504] * 4, 1000, "1.3", 7, 455),
        ([281] * 4 + [515] * 3, 1000, "2", 100, 35),
    ],
)
def test_circuits_of_different_shots_fill_jobs_together(
    circuits: list[int], most: int, overhead_s: str, rate_hz: int, seconds: int
) -> None:
    price = PerSecond(Decimal("1.60"), Decimal(overhead_s), Decimal(rate_hz), Decimal(1), most)
    assert chosen_and_least_seconds(circuits, price) == (seconds, seconds)


@given(st.integers(1, 10**6), st.integers(1, 20_000), st.integers(1, 500), st.integers(1, 300_000))
def test_program_sets_keep_both_limits_are_as_few_as_possible_and_never_dearer(
    circuits: int, shots: int, executables: int, total_shots: int
) -> None:
    device = replace(GARNET, program_set=ProgramSets(executables, total_shots))
    bills = by_name(Workload.uniform(1, circuits, shots), device)
    if shots > total_shots:
        assert "program-sets" not in bills
        return
    sets, fullest = bills["program-sets"], min(executables, total_shots // shots)
    assert all(batch.circuits <= fullest for batch in sets.batches)
    assert sets.tasks == -(-circuits // fullest)
    assert sets.usd <= bills["separate"].usd


def test_program_sets_are_split_by_total_shots_before_executables() -> None:
    few = by_name(Workload.uniform(250, 250, 2000), GARNET)["program-sets"]
    many = by_name(Workload.uniform(250, 250, 2001), GARNET)["program-sets"]
    assert [(batch.tasks, batch.circuits) for batch in few.batches] == [(2, 100), (1, 50)]
    assert [(batch.tasks, batch.circuits) for batch in many.batches] == [(2, 99), (1, 52)]


def test_a_circuit_of_more_shots_than_a_set_takes_is_a_task_of_its_own() -> None:
    device = replace(GARNET, program_set=ProgramSets(100, 1000))
    assert by_name(Workload(1, (stage_of([100] * 10 + [1001] * 2),)), device)["program-sets"].tasks == 1 + 2


def test_parametrised_sets_hold_one_program_each() -> None:
    workload = Workload(1, (Stage("stage", 2, (Piece("twirled", 250, 100, programs=2),)),))
    bills = by_name(workload, GARNET)
    assert bills["parametrised"].tasks == 2 * 2 * 2
    assert bills["program-sets"].tasks == 2 * 3
    uneven = by_name(Workload(1, (Stage("stage", 1, (Piece("some", 5, 100, programs=2),)),)), GARNET)
    assert [(b.tasks, b.circuits) for b in uneven["parametrised"].batches] == [(1, 2), (1, 3)]


def test_an_unconfirmed_plan_is_shown_and_never_chosen() -> None:
    bills = by_name(Workload.uniform(100, 100, 100), FORTE)
    assert "not confirmed" in bills["program-sets"].barred
    assert bills["program-sets"].usd < bills["separate"].usd
    assert cheapest(bills.values()) == bills["separate"]
    assert cheapest([bills["program-sets"]]) is None


def test_a_job_bills_two_seconds_and_its_executions_in_whole_seconds() -> None:
    job = by_name(Workload.uniform(48, 48, 512), BOSTON)["job"]
    (line,) = job.lines
    assert (job.tasks, job.shots) == (1, 24_576)
    assert (line.quantity, line.unit_usd, job.usd) == (9, Decimal("1.60"), Decimal("14.40"))  # 2 + 6.47 s


def test_a_job_that_takes_whole_seconds_is_not_rounded_up() -> None:
    assert by_name(Workload.uniform(1, 38, 100), BOSTON)["job"].usd == 3 * Decimal("1.60")


def test_executions_beyond_the_limit_make_more_jobs_each_with_its_own_overhead() -> None:
    job = by_name(Workload.uniform(250, 250, 100_000), BOSTON)["job"]
    assert [(batch.tasks, batch.circuits) for batch in job.batches] == [(2, 100), (1, 50)]
    assert [line.quantity for line in job.lines] == [2 * 2634, 1318]  # 2 + 2,631.58 and 2 + 1,315.79 s


def test_jobs_end_on_whole_seconds_where_that_saves_some() -> None:
    job = by_name(Workload.uniform(1, 100 * 19_995, 500), BOSTON)["job"]
    assert [(batch.tasks, batch.circuits) for batch in job.batches] == [(100, 19_798), (1, 19_700)]
    full = 99 * 2634 + 2568
    assert job.usd / Decimal("1.60") == 100 * 2607 + 2595 < full  # 2 + 2,605.0 and 2 + 2,592.1 s


def test_nothing_is_billed_below_the_minimum() -> None:
    price = PerSecond(Decimal(1), Decimal(0), Decimal(1000), Decimal(5), 1000)
    assert by_name(Workload.uniform(1, 1, 1), replace(BOSTON, price=price))["job"].usd == 5


def test_a_job_per_circuit_pays_the_overhead_each_time() -> None:
    bills = by_name(Workload.uniform(48, 48, 512), BOSTON)
    assert bills["separate"].usd == 48 * 3 * Decimal("1.60")  # 2 + 0.13 s each


def test_a_batch_is_billed_as_the_sum_of_its_jobs_and_a_session_for_its_idle_time_too() -> None:
    bills = by_name(Workload.uniform(250, 250, 100_000), BOSTON)
    assert bills["batch"].usd == bills["job"].usd
    assert bills["session"].usd == bills["job"].usd + math.ceil(3 * 13.5) * Decimal("1.60")
    once = by_name(Workload.uniform(48, 48, 512), BOSTON)["session"]
    assert once.usd == (9 + 14) * Decimal("1.60")


def test_a_session_without_a_known_idle_time_is_not_offered() -> None:
    assert "session" not in by_name(Workload.uniform(1, 1, 1), replace(BOSTON, session_idle_s=None))


@pytest.mark.parametrize(
    ("contract", "usd_per_s"),
    [("pay-as-you-go", "1.60"), ("flex", "1.20"), ("premium", "0.80"), ("open", "0")],
)
def test_a_contract_changes_the_price_of_a_second(contract: str, usd_per_s: str) -> None:
    device = terms("ibm/kingston", load_sheets(contracts={"ibm": contract}))
    job = by_name(Workload.uniform(48, 48, 512), device)["job"]
    assert job.usd == 9 * Decimal(usd_per_s)


def test_the_open_plan_holds_600_seconds_and_not_one_more() -> None:
    device = terms("ibm/kingston", load_sheets(contracts={"ibm": "open"}))
    full = plans(Workload.uniform(1, 598 * 38, 100), device)
    assert [(plan.name, plan.usd) for plan in full] == [("job", 0), ("batch", 0)]
    with pytest.raises(QcliError, match="601 QPU seconds, contract open holds 600") as refusal:
        plans(Workload.uniform(1, 598 * 38 + 1, 100), device)
    assert refusal.value.where == "ibm/kingston"


def test_the_open_plan_holds_all_repetitions_of_a_month_together() -> None:
    device = terms("ibm/kingston", load_sheets(contracts={"ibm": "open"}))
    nine_seconds = Workload.uniform(48, 48, 512)
    assert {plan.usd for plan in plans(nine_seconds, device, per_month=66)} == {0}
    with pytest.raises(QcliError, match="603 QPU seconds a month, contract open holds 600"):
        plans(nine_seconds, device, per_month=67)


def test_rules_of_machine_time_in_the_same_words_all_count_towards_the_range() -> None:
    alike = replace(BOSTON, machine_time=tuple(replace(rule, what="rule") for rule in BOSTON.machine_time))
    workload = Workload.uniform(48, 48, 512)
    for plan, same in zip(plans(workload, BOSTON), plans(workload, alike), strict=True):
        assert (plan.usd_low, plan.usd_high) == (same.usd_low, same.usd_high)


def test_the_text_of_a_line_is_rounded_half_up() -> None:
    workload = Workload.uniform(1, 1, 750, Gates(119, 117, 8, 1))
    (first,) = by_name(workload, terms("azure/ionq-aria-1"))["separate"].lines
    assert first.usd == Decimal("105.19125") and "= 105.1913 USD" in first.text


@pytest.mark.parametrize(
    ("device", "shots_per_s"),
    [
        ("cepheus-1-108q", 2680),
        ("garnet", 575),
        ("emerald", 694),
        ("forte-enterprise-1", 24.3),
        ("ibex-q1", 56.7),
    ],
)
def test_a_reservation_says_at_how_many_shots_a_second_it_breaks_even(
    device: str, shots_per_s: float
) -> None:
    reservation = by_name(Workload.uniform(1, 1, 100), terms(f"braket/{device}"))["reservation"]
    (remark,) = [text for text in reservation.remarks if "breaks even" in text]
    found = float(remark.split(" at ")[1].split()[0].replace(",", ""))
    assert found == pytest.approx(shots_per_s, rel=2e-3)


@pytest.mark.parametrize(
    ("circuits", "low_h", "high_h"), [(48, 1, 1), (1000, 1, 1), (2000, 1, 2), (20_000, 4, 20)]
)
def test_a_reservation_bills_started_hours_of_the_machine_time(
    circuits: int, low_h: int, high_h: int
) -> None:
    reservation = by_name(Workload.uniform(1, circuits, 512), GARNET)["reservation"]
    assert (reservation.usd_low, reservation.usd) == (low_h * 3000, high_h * 3000)


def test_a_reservation_bills_an_hour_at_least() -> None:
    rules = tuple(replace(rule, per_task_s=Decimal(0), per_shot_s=Decimal(0)) for rule in GARNET.machine_time)
    reservation = by_name(Workload.uniform(1, 1, 1), replace(GARNET, machine_time=rules))["reservation"]
    assert (reservation.usd_low, reservation.usd) == (3000, 3000)


def test_a_hybrid_job_adds_its_instance_for_the_machine_time() -> None:
    workload = Workload.uniform(1, 1, 512)
    plain, hybrid = (plans(workload, GARNET, hybrid_job=choice)[0] for choice in (False, True))
    assert hybrid.usd - plain.usd == Decimal("0.0029") * Decimal("0.115")  # 10.13 s, by the 0.36 s
    assert hybrid.lines[-1].text.startswith("hybrid job: ml.m5.large")
    assert (hybrid.usd_low, hybrid.usd_high) == (plain.usd + Decimal("0.0002") * Decimal("0.115"), hybrid.usd)
    assert plans(workload, BOSTON, hybrid_job=True) == plans(workload, BOSTON)


@pytest.mark.parametrize(
    ("gates", "offered"),
    [(2000, {"separate", "program-sets", "reservation"}), (2001, {"reservation"}), (5000, {"reservation"})],
)
def test_forte_takes_2000_gates_on_demand_and_5000_reserved(gates: int, offered: set[str]) -> None:
    workload = Workload.uniform(1, 1, 100, Gates(gates - 700, 700, 4, 4))
    assert set(by_name(workload, FORTE)) == offered


def test_forte_refuses_more_gates_than_a_reservation_takes() -> None:
    with pytest.raises(QcliError, match="5,001 gates in a circuit, braket/forte-enterprise-1 takes 5,000"):
        plans(Workload.uniform(1, 1, 100, Gates(5001, 0, 4, 4)), FORTE)


def test_debiasing_needs_2500_shots_on_braket_at_the_normal_price() -> None:
    def debiased(shots: int) -> Workload:
        return replace(Workload.uniform(1, 1, shots), debias=True)

    assert by_name(debiased(2500), FORTE)["separate"].usd == Decimal("200.30")
    with pytest.raises(QcliError, match="needs 2,500 shots a circuit, not 2,499"):
        plans(debiased(2499), FORTE)
    with pytest.raises(QcliError, match="braket/garnet has no debiasing"):
        plans(debiased(2500), GARNET)
