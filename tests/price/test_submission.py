"""What is submitted, task by task, costs what the bill of its plan says."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.price.bill import EXACT, Plan
from qcli.price.plans import plans, shots_range
from qcli.price.sheet import terms
from qcli.price.submission import SET_PLANS, billed, charge, idle_s, packed
from qcli.price.tariff import PerSecond, PerTask, Terms
from qcli.price.workload import Piece, Stage, Workload

GARNET, EMERALD, CEPHEUS = terms("braket/garnet"), terms("braket/emerald"), terms("braket/cepheus-1-108q")
FORTE, BOSTON, MIAMI = terms("braket/forte-enterprise-1"), terms("ibm/boston"), terms("ibm/miami")
BY_TASK = [(device, plan) for device in (GARNET, EMERALD, CEPHEUS) for plan in ("separate", *SET_PLANS)]
BY_TASK += [(FORTE, "separate")]
BY_TIME = [(device, plan) for device in (BOSTON, MIAMI) for plan in ("job", "batch", "session", "separate")]
NAMES = (
    [f"{device.name} {plan}" for device, plan in BY_TASK],
    [f"{device.name} {plan}" for device, plan in BY_TIME],
)


def shots_of(device: Terms) -> st.SearchStrategy[int]:
    least, most = shots_range(device)
    return st.integers(least, most or 10**5) | st.sampled_from([least, 512, 1_000, most or 10**5])


def stage_of(shots: dict[int, int], programs: int = 1) -> Stage:
    """Of so many circuits for each number of shots, in so many programs each."""
    pieces = [Piece(f"{each} shots", circuits, each, programs=programs) for each, circuits in shots.items()]
    return Stage("stage", 1, tuple(pieces))


def listed(shots: dict[int, int]) -> list[int]:
    return [each for each, circuits in shots.items() for _ in range(circuits)]


def by_plan(device: Terms, plan: str, *stages: Stage) -> Plan | None:
    """The bill, None where the device has no such plan for the workload."""
    return {each.name: each for each in plans(Workload(1, stages), device)}.get(plan)


def charged(device: Terms, plan: str, shots: list[int]) -> tuple[Decimal, int]:
    """USD and tasks of circuits as they are packed."""
    groups = packed(shots, plan, device)
    assert sorted(place for group in groups for place in group) == list(range(len(shots))), (
        "each circuit once"
    )
    assert all(groups)
    with localcontext(EXACT):
        usd = sum((charge(device, [shots[k] for k in group], plan).usd for group in groups), Decimal(0))
    return usd, len(groups)


@pytest.mark.parametrize(("device", "plan"), BY_TASK, ids=NAMES[0])
@settings(max_examples=25)
@given(st.data())
def test_tasks_cost_exactly_what_their_plan_says(device: Terms, plan: str, data: st.DataObject) -> None:
    stages = data.draw(
        st.lists(
            st.dictionaries(shots_of(device), st.integers(1, 250), min_size=1, max_size=3),
            min_size=1,
            max_size=2,
        )
    )
    found = [charged(device, plan, listed(shots)) for shots in stages]
    offered = by_plan(device, plan, *map(stage_of, stages))
    # where every circuit is a program of its own, sets of one program are not offered
    offered = offered or by_plan(
        device, "program-sets" if plan in SET_PLANS else "separate", *map(stage_of, stages)
    )
    assert offered is not None
    assert sum(usd for usd, _ in found) == offered.usd == offered.usd_high
    assert sum(tasks for _, tasks in found) == offered.tasks


@settings(max_examples=25)
@given(st.integers(1, 400), st.integers(1, 9), st.sampled_from([100, 2_000, 20_000]))
def test_sets_may_hold_several_programs_so_that_parametrised_costs_no_more_than_its_plan(
    circuits: int, programs: int, shots: int
) -> None:
    """The plan has sets of one program each; what is submitted fills them up with the next one."""
    usd, tasks = charged(GARNET, "parametrised", [shots] * circuits)
    offered = by_plan(GARNET, "parametrised", stage_of({shots: circuits}, programs))
    if offered is not None:
        assert usd <= offered.usd
        assert tasks <= offered.tasks


@pytest.mark.parametrize(("device", "plan"), BY_TIME, ids=NAMES[1])
@settings(max_examples=25)
@given(st.data())
def test_jobs_cost_what_their_plan_says_within_a_second_a_job(
    device: Terms, plan: str, data: st.DataObject
) -> None:
    """The plan may choose smaller jobs for the least rounding, and then has more of them; so each job may cost a second
    more, and in a session the plan the idle time of its further jobs.
    """
    assert isinstance(device.price, PerSecond)
    shots, circuits = data.draw(shots_of(device)), data.draw(st.integers(1, 300))
    most = data.draw(st.sampled_from([10**5, 10**6, 10**7]))
    small = replace(device, price=replace(device.price, max_executions_per_job=most))
    usd, jobs = charged(small, plan, [shots] * circuits)
    offered = by_plan(small, plan, stage_of({shots: circuits}))
    # one job: separately is the same
    offered = offered or by_plan(small, "job", stage_of({shots: circuits}))
    assert offered is not None
    with localcontext(EXACT):
        seconds = (usd - offered.usd) / device.price.usd_per_s
    further = offered.tasks - jobs
    assert further >= 0
    idle = idle_s(device, plan)
    assert (-further * idle - jobs if idle else 0) <= seconds <= jobs


@settings(max_examples=50)
@given(
    st.sampled_from([GARNET, CEPHEUS, FORTE, BOSTON, MIAMI]),
    st.sampled_from(["separate", "program-sets", "parametrised", "job", "batch", "session"]),
    st.lists(st.sampled_from([10, 100, 999, 5_000]), max_size=400),
)
def test_every_submission_is_one_that_the_device_takes(device: Terms, plan: str, shots: list[int]) -> None:
    for group in packed(shots, plan, device):
        of_group = [shots[place] for place in group]
        assert len(set(of_group)) == 1
        assert group == sorted(group)
        match device.price, device.program_set:
            case PerSecond() as price, _:
                assert sum(of_group) <= price.max_executions_per_job
            case PerTask(), limits:
                single = plan not in SET_PLANS or limits is None
                assert len(group) <= (1 if single else limits.max_executables)  # type: ignore[union-attr]
                assert single or sum(of_group) <= limits.max_total_shots  # type: ignore[union-attr]


@settings(max_examples=50)
@given(st.lists(st.sampled_from([1, 100, 999, 60_000]), max_size=300))
def test_sets_are_as_few_as_the_limits_allow(shots: list[int]) -> None:
    groups = Counter(shots[group[0]] for group in packed(shots, "program-sets", GARNET))
    limits = GARNET.program_set
    assert limits is not None
    for each, circuits in Counter(shots).items():
        assert groups[each] == -(-circuits // min(limits.max_executables, limits.max_total_shots // each))


def test_a_circuit_of_more_shots_than_a_set_takes_is_a_task_of_its_own() -> None:
    assert packed([300_000, 300_000, 10], "program-sets", GARNET) == [[0], [1], [2]]


def test_no_circuit_is_no_task() -> None:
    assert (
        packed([], "program-sets", GARNET) == packed([], "job", BOSTON) == packed([], "separate", FORTE) == []
    )


# one submission


def test_a_task_costs_its_fee_and_its_shots() -> None:
    found = charge(GARNET, [512] * 100, "program-sets")
    assert found.usd == found.usd_high == Decimal("0.30") + 51_200 * Decimal("0.00145")
    assert (found.seconds, found.seconds_high) == (None, None)


def test_a_job_costs_whole_seconds_of_the_model_and_at_most_of_every_rule_known() -> None:
    """2 s + 51,200 / 3,800 Hz = 15.5 s; by the rule of thumb 2 s + 51,200 x 0.35 ms = 19.9 s."""
    found = charge(BOSTON, [512] * 100, "job")
    assert (found.seconds, found.seconds_high) == (16, 20)
    assert (found.usd, found.usd_high) == (16 * Decimal("1.60"), 20 * Decimal("1.60"))


def test_a_job_in_a_session_bills_the_idle_time_after_it() -> None:
    job, session = (charge(BOSTON, [512] * 100, plan) for plan in ("job", "session"))
    assert (idle_s(BOSTON, "session"), idle_s(BOSTON, "job"), idle_s(GARNET, "session")) == (14, 0, 0)
    assert session.seconds == 29 and job.seconds == 16, "15.5 s and 13.5 s"
    assert session.seconds_high == job.seconds_high + 14  # type: ignore[operator]


@pytest.mark.parametrize(
    ("qpu_s", "seconds"), [(None, None), (0.0, 0), (1e-7, 1), (0.2, 1), (3.0, 3), (3.000001, 4), (61, 61)]
)
def test_a_finished_job_costs_the_seconds_that_the_vendor_says_rounded_up(
    qpu_s: float | None, seconds: int | None
) -> None:
    expected = None if seconds is None else seconds * Decimal("1.60")
    assert billed(BOSTON, [100], "job", qpu_s) == expected


def test_a_finished_job_of_a_session_costs_its_idle_time_too_if_it_ran() -> None:
    assert billed(BOSTON, [100], "session", 2.5) == 16 * Decimal("1.60")
    assert billed(BOSTON, [100], "session", 3.0) == 17 * Decimal("1.60")
    assert billed(BOSTON, [100], "session", 0.0) == 0


@pytest.mark.parametrize("qpu_s", [None, 0.0, 12.5])
def test_a_finished_task_costs_what_was_charged_however_long_it_took(qpu_s: float | None) -> None:
    assert billed(GARNET, [100] * 7, "program-sets", qpu_s) == charge(GARNET, [100] * 7, "program-sets").usd


@settings(max_examples=50)
@given(st.integers(1, 10**6), st.sampled_from(["job", "session", "separate"]), st.floats(0.01, 1e4))
def test_a_job_that_takes_no_longer_than_its_limit_costs_no_more_than_its_reserve(
    executions: int, plan: str, qpu_s: float
) -> None:
    found = charge(BOSTON, [executions], plan)
    limit = found.seconds_high - idle_s(BOSTON, plan)  # type: ignore[operator]
    cost = billed(BOSTON, [executions], plan, min(qpu_s, float(limit)))
    assert cost is not None
    assert cost <= found.usd_high


@pytest.mark.parametrize("name", ["ionq/forte-1", "iqm/garnet", "braket/sv1", "azure/quantinuum-h2"])
def test_devices_that_are_priced_but_not_submitted_to_are_refused_by_name(name: str) -> None:
    with pytest.raises(QcliError, match=name):
        charge(terms(name), [100], "separate")
