"""Bills add up, respect the limits, and grow with the work."""

import decimal
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.price.plans import MachineTime, Plan, Workload, check_shots, machine_time, plans
from qcli.price.sheet import load_sheets, terms
from qcli.price.tariff import PerSecond, PerTask, ProgramSets, Terms

DEVICES = sorted(load_sheets())
FREE = [name for name in DEVICES if terms(name).program_set]
MILLION = 1_000_000


@st.composite
def cases(draw: st.DrawFn, names: list[str] = DEVICES) -> tuple[Workload, Terms]:
    device = terms(draw(st.sampled_from(names)))
    shots = draw(st.integers(device.shots_min or 1, device.shots_max or 100_000))
    inferences = draw(st.integers(1, MILLION))
    return Workload(inferences, inferences * draw(st.integers(0, 8)), shots), device


def by_name(workload: Workload, device: Terms) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(workload, device)}


@given(cases())
def test_a_bill_is_the_exact_sum_of_its_lines_and_never_negative(case: tuple[Workload, Terms]) -> None:
    for plan in plans(*case):
        assert Fraction(plan.usd) == sum(line.quantity * Fraction(line.unit_usd) for line in plan.lines)
        assert all(Fraction(line.usd) == line.quantity * Fraction(line.unit_usd) for line in plan.lines)
        assert plan.usd >= 0
        assert plan.usd_per_inference * case[0].inferences == pytest.approx(plan.usd, rel=Decimal("1e-25"))


@given(cases())
def test_a_plan_submits_every_circuit_once(case: tuple[Workload, Terms]) -> None:
    workload, _ = case
    for plan in plans(*case):
        assert sum(batch.tasks * batch.circuits for batch in plan.batches) == workload.circuits
        assert sum(batch.tasks for batch in plan.batches) == plan.tasks
        assert plan.shots == workload.circuits * workload.shots


@given(cases(FREE), st.integers(1, 500), st.integers(1, 300_000))
def test_program_sets_keep_both_limits_and_are_never_dearer(
    case: tuple[Workload, Terms], executables: int, total_shots: int
) -> None:
    workload, device = case
    bills = by_name(workload, replace(device, program_set=ProgramSets(executables, total_shots)))
    if workload.shots > total_shots:
        assert list(bills) == ["separate"]
        return
    sets = bills["program-sets"]
    assert all(batch.circuits <= executables for batch in sets.batches)
    assert all(batch.circuits * workload.shots <= total_shots for batch in sets.batches)
    assert sets.usd <= bills["separate"].usd
    fullest = min(executables, total_shots // workload.shots)
    assert sets.tasks == -(-workload.circuits // fullest)


@given(cases(), st.integers(0, 1000))
def test_more_circuits_never_cost_less(case: tuple[Workload, Terms], more: int) -> None:
    workload, device = case
    larger = by_name(replace(workload, circuits=workload.circuits + more), device)
    for plan in plans(workload, device):
        assert larger[plan.name].usd >= plan.usd


@given(cases(), st.integers(0, 1000))
def test_more_shots_never_cost_less(case: tuple[Workload, Terms], more: int) -> None:
    """Split jobs are each rounded up to a second, so only there may a second a job be won back."""
    workload, device = case
    shots = min(workload.shots + more, device.shots_max or 100_000)
    larger = by_name(replace(workload, shots=shots), device)
    for plan in plans(workload, device):
        rounding = device.price.usd_per_s * (plan.tasks - 1) if isinstance(device.price, PerSecond) else 0
        assert larger[plan.name].usd >= plan.usd - max(rounding, 0)


@given(cases([name for name in DEVICES if name.startswith("braket/")]), st.integers(0, 1000))
def test_two_bills_are_never_cheaper_than_one(case: tuple[Workload, Terms], extra: int) -> None:
    workload, device = case
    whole = by_name(replace(workload, circuits=workload.circuits + extra), device)
    rest = by_name(replace(workload, circuits=extra), device)
    for plan in plans(workload, device):
        assert plan.usd + rest[plan.name].usd >= whole[plan.name].usd


@given(cases())
def test_the_caller_s_decimal_context_does_not_touch_the_bill(case: tuple[Workload, Terms]) -> None:
    expected = [plan.usd for plan in plans(*case)]
    with decimal.localcontext(decimal.Context(prec=3)):
        assert [plan.usd for plan in plans(*case)] == expected


def test_a_workload_too_large_to_list_is_priced_from_its_counts() -> None:
    for name in DEVICES:
        for plan in plans(Workload(10**12, 10**15, 1000), terms(name)):
            assert plan.shots == 10**18 and len(plan.lines) <= 2 and len(plan.batches) <= 2


def test_program_sets_are_split_by_total_shots_before_executables() -> None:
    device = terms("braket/garnet")
    few = by_name(Workload(250, 250, 2000), device)["program-sets"]
    many = by_name(Workload(250, 250, 2001), device)["program-sets"]
    assert [(batch.tasks, batch.circuits) for batch in few.batches] == [(2, 100), (1, 50)]
    assert [(batch.tasks, batch.circuits) for batch in many.batches] == [(2, 99), (1, 52)]


def test_a_job_bills_two_seconds_and_its_executions_in_whole_seconds() -> None:
    (plan,) = plans(Workload(48, 48, 512), terms("ibm/boston"))
    (line,) = plan.lines
    assert (plan.name, plan.tasks, plan.shots) == ("job", 1, 24_576)
    assert (line.quantity, line.unit_usd, plan.usd) == (
        9,
        Decimal("1.60"),
        Decimal("14.40"),
    )  # 2 + 24,576/3,800 = 8.47 s


def test_a_job_that_takes_whole_seconds_is_not_rounded_up() -> None:
    (plan,) = plans(Workload(1, 38, 100), terms("ibm/boston"))
    assert plan.usd == 3 * Decimal("1.60")


def test_executions_beyond_the_limit_make_more_jobs_each_with_its_own_overhead() -> None:
    (plan,) = plans(Workload(250, 250, 100_000), terms("ibm/boston"))
    assert [(batch.tasks, batch.circuits) for batch in plan.batches] == [(2, 100), (1, 50)]
    assert [line.quantity for line in plan.lines] == [2 * 2634, 1318]  # 2 + 2,631.58 and 2 + 1,315.79 s
    assert plan.usd == (2 * 2634 + 1318) * Decimal("1.60")


def test_nothing_is_billed_below_the_minimum() -> None:
    price = PerSecond(Decimal(1), Decimal(0), Decimal(1000), Decimal(5), 1000)
    (plan,) = plans(Workload(1, 1, 1), replace(terms("ibm/fez"), price=price))
    assert plan.usd == 5


def test_a_model_without_circuits_costs_nothing() -> None:
    for name in DEVICES:
        for plan in plans(Workload(10, 0, 1000), terms(name)):
            assert (plan.tasks, plan.shots, plan.usd) == (0, 0, 0)


@pytest.mark.parametrize(
    ("device", "shots", "range_"),
    [
        ("braket/forte-enterprise-1", 99, "100 to 5,000"),
        ("braket/forte-enterprise-1", 5001, "100 to 5,000"),
        ("braket/cepheus-1-108q", 9, "10 to 50,000"),
        ("braket/garnet", 20_001, "1 to 20,000"),
        ("braket/ibex-q1", 2001, "1 to 2,000"),
        ("braket/aria-1", 0, "at least 1"),
        ("ibm/boston", 100_001, "1 to 100,000"),
    ],
)
def test_shots_outside_the_range_are_refused_with_the_range(device: str, shots: int, range_: str) -> None:
    with pytest.raises(QcliError) as error:
        check_shots(shots, terms(device))
    assert range_ in error.value.what and range_ in error.value.fix and error.value.where == device


def test_shots_outside_the_range_get_no_bill() -> None:
    with pytest.raises(QcliError, match="100 to 5,000"):
        plans(Workload(1, 1, 50), terms("braket/forte-1"))


def test_the_ends_of_a_range_are_allowed_and_an_unknown_end_is_not_checked() -> None:
    for shots in (100, 5000):
        check_shots(shots, terms("braket/forte-enterprise-1"))
    check_shots(10**9, terms("braket/aria-1"))


def test_a_circuit_larger_than_a_job_is_refused() -> None:
    device = terms("ibm/fez")
    assert isinstance(device.price, PerSecond)
    with pytest.raises(QcliError, match="1 to 500"):
        plans(Workload(1, 1, 501), replace(device, price=replace(device.price, max_executions_per_job=500)))


@pytest.mark.parametrize(("inferences", "circuits", "shots"), [(0, 1, 1), (1, -1, 1), (1, 1, 0), (-5, 1, 1)])
def test_a_workload_of_nothing_is_refused(inferences: int, circuits: int, shots: int) -> None:
    with pytest.raises(QcliError, match="must be at least"):
        Workload(inferences, circuits, shots)


@given(cases())
def test_machine_time_is_a_range(case: tuple[Workload, Terms]) -> None:
    time = machine_time(*case)
    assert 0 <= time.low_s <= time.high_s
    assert time.source.startswith("low: ") and "; high: " in time.source


@pytest.mark.parametrize("name", [name for name in DEVICES if name.startswith("braket/")])
def test_machine_time_on_braket_is_an_assumed_band_of_at_least_three(name: str) -> None:
    for shots in (100, 1000, 2000):
        time = machine_time(Workload(48, 48, shots), terms(name))
        assert time.basis == "assumed"
        assert time.high_s >= 3 * time.low_s


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("garnet", 1.166), ("emerald", 1.294), ("ankaa-3", 0.495), ("forte-enterprise-1", 371.405)],
)
def test_the_talk_s_inference_time_lies_in_the_band(name: str, seconds: float) -> None:
    time = machine_time(Workload(1, 1, 512), terms(f"braket/{name}"))
    assert time.low_s < seconds < time.high_s


@pytest.mark.parametrize(
    ("device", "circuits", "measured_s"),
    [
        ("kingston", 1, 1.30),
        ("kingston", 10, 3.5),
        ("kingston", 100, 28),
        ("miami", 10, 41.1),
        ("miami", 100, 407),
    ],
)
def test_spans_measured_on_ibm_lie_in_the_range_within_ten_percent(
    device: str, circuits: int, measured_s: float
) -> None:
    time = machine_time(Workload(1, circuits, 1000), terms(f"ibm/{device}"))
    assert 0.9 * time.low_s <= measured_s <= 1.1 * time.high_s
    assert time.basis in ("measured", "transcribed")


def test_machine_time_takes_the_fewest_tasks_for_its_low_end_and_the_most_for_its_high_end() -> None:
    device = terms("braket/cepheus-1-108q")
    rules = tuple(replace(rule, per_task_s=10.0, per_shot_s=0.0) for rule in device.machine_time)
    time = machine_time(Workload(200, 200, 100), replace(device, machine_time=rules))
    assert (time.low_s, time.high_s) == (2 * 10.0, 200 * 10.0)
    assert isinstance(time, MachineTime)


def test_a_per_task_device_without_program_sets_has_one_plan() -> None:
    device = replace(terms("braket/garnet"), price=PerTask(Decimal(1), Decimal(2)), program_set=None)
    (plan,) = plans(Workload(3, 6, 10), device)
    assert (plan.name, plan.usd, plan.usd_per_inference) == ("separate", Decimal(126), Decimal(42))
