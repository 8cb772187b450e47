"""The hardware path: every circuit is submitted and paid once, whatever happens between, and never over the cap."""

import multiprocessing
import tempfile
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.execute.hardware import Hardware, Progress
from qcli.execute.journal import Journal
from qcli.execute.reading import Reading
from qcli.execute.record import Counts
from qcli.execute.service import RefusedError, TransientError
from qcli.price.tariff import PerSecond, ProgramSets
from tests.execute.fake_service import (
    BOSTON,
    FAST,
    FIXED_PROGRAM,
    FORTE,
    GARNET,
    OTHER_PROGRAM,
    Cloud,
    FakeService,
    FolderCloud,
    Sent,
    bits,
    frequencies_of,
    hardware,
    reading,
    task_usd,
)

FORK = multiprocessing.get_context("fork")


def keys_of(device: Hardware, wanted: Reading) -> list[str]:
    return [order.key for order, _ in device._names.orders(wanted)]


def check_read(device: Hardware, readings: list[Reading]) -> None:
    """Read, and find what the vendor has for each circuit in its place."""
    found = device.read(readings)
    for each, values in zip(readings, found, strict=True):
        expected = [frequencies_of(key, each.shots, bits(each.program)) for key in keys_of(device, each)]
        assert np.array_equal(values, expected)


# each circuit once


def test_results_are_those_of_their_circuits_in_the_order_asked_for(tmp_path: Path) -> None:
    cloud = Cloud()
    readings = [
        reading(7, shots=200, seed=1),
        reading(4, shots=50, seed=2, program=OTHER_PROGRAM),
        reading(3, shots=200, seed=3, scale=3),
        reading(1, shots=200, prepared=1),
        reading(2, shots=10, program=FIXED_PROGRAM),
    ]
    check_read(hardware(tmp_path, FakeService(cloud)), readings)
    assert cloud.sizes == [11, 4, 2]
    assert set(cloud.runs.values()) == {1}


def test_nothing_is_submitted_for_what_was_read_before(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(130)]
    first = hardware(tmp_path, FakeService(cloud)).read(wanted)
    requests = cloud.requests.copy()
    device = hardware(tmp_path, FakeService(cloud))
    assert np.array_equal(device.read(wanted), first)
    assert np.array_equal(device.read(wanted), first)
    assert cloud.requests == requests


def test_only_what_is_new_is_submitted(tmp_path: Path) -> None:
    cloud = Cloud()
    device = hardware(tmp_path, FakeService(cloud))
    device.read([reading(3)])
    check_read(device, [reading(10)])
    assert cloud.sizes == [3, 7]
    assert device.missing([reading(12)]) == 2


@pytest.mark.parametrize(
    "other",
    [{"shots": 101}, {"scale": 3}, {"prepared": 0}, {"part": 1}, {"program": OTHER_PROGRAM}],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_in_more_than_its_angles_is_another_circuit(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    cloud = Cloud()
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, [reading(2), reading(2, **other)])
    assert sum(cloud.sizes) == 4


@pytest.mark.parametrize(
    "other", [{"repetition": 1}, {"options": {"dd": "XY4"}}], ids=["repetition", "options"]
)
def test_another_repetition_or_other_options_measure_anew(tmp_path: Path, other: dict[str, Any]) -> None:
    cloud = Cloud()
    hardware(tmp_path, FakeService(cloud)).read([reading(5)])
    check_read(hardware(tmp_path, FakeService(cloud), **other), [reading(5)])
    assert cloud.sizes == [5, 5]


def test_equal_circuits_of_one_batch_are_repetitions_with_results_of_their_own(tmp_path: Path) -> None:
    cloud, once = Cloud(), reading(1)
    twice = replace(once, values=np.repeat(once.values, 6, axis=0))
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, [once])
    check_read(device, [twice])
    assert cloud.sizes == [1, 5], "the first of them is what was read alone"
    assert len(set(keys_of(device, twice))) == 6


def test_circuits_without_angles_are_repetitions_of_each_other(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(4, program=FIXED_PROGRAM)]
    assert wanted[0].values.shape == (4, 0)
    check_read(hardware(tmp_path, FakeService(cloud)), wanted)
    check_read(hardware(tmp_path, FakeService(cloud)), wanted)
    assert cloud.sizes == [4]


def test_angles_that_differ_by_rounding_find_the_same_result(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), reading(40)
    device = hardware(tmp_path, FakeService(cloud))
    first = device.read([wanted])
    noise = np.random.default_rng(5).uniform(-1e-7, 1e-7, wanted.values.shape)
    again = device.read([replace(wanted, values=wanted.values + noise)])
    assert np.array_equal(first, again)
    assert cloud.sizes == [40]
    device.read([replace(wanted, values=wanted.values + 1e-3)])
    assert cloud.sizes == [40, 40]


def test_circuits_of_one_batch_that_differ_by_rounding_have_results_of_their_own_after_a_crash_too(
    tmp_path: Path,
) -> None:
    """As a data set with the same sample twice has them, computed with other instructions."""
    cloud, one = Cloud(), reading(1)
    pair = replace(one, values=np.concatenate([one.values, one.values + 1e-7]))
    device = hardware(tmp_path, FakeService(cloud))
    device.read([one])
    check_read(device, [pair])
    assert sum(cloud.sizes) == 2
    first = device.read([pair])
    again = device.read([replace(pair, values=pair.values[::-1] + 2e-7)])
    assert np.array_equal(first, again)
    assert sum(cloud.sizes) == 2


@settings(max_examples=40)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=12),
    st.integers(0, 12),
    st.integers(0, 2**32 - 1),
)
def test_a_batch_finds_its_results_under_other_rounding_however_much_of_it_was_read_before(
    samples: list[int], before: int, seed: int
) -> None:
    cloud, generator = Cloud(), np.random.default_rng(seed)
    values = reading(6).values[samples]

    def rounded() -> np.ndarray:
        return values + generator.uniform(-4e-7, 4e-7, values.shape)

    with tempfile.TemporaryDirectory() as folder:
        device = hardware(Path(folder), FakeService(cloud))
        if samples[:before]:
            device.read([replace(reading(1), values=rounded()[:before])])
        first = device.read([replace(reading(1), values=rounded())])
        assert np.array_equal(first, device.read([replace(reading(1), values=rounded())]))
        assert sum(cloud.sizes) == len(samples)
        assert set(cloud.runs.values()) == {1}
        device.journal.close()


def test_angles_that_are_not_numbers_are_refused_before_anything_is_submitted(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), reading(3)
    wanted.values[1, 0] = np.nan
    with pytest.raises(QcliError, match="not finite"):
        hardware(tmp_path, FakeService(cloud)).read([wanted])
    assert not cloud.requests


def test_no_circuit_is_no_work(tmp_path: Path) -> None:
    cloud = Cloud()
    device = hardware(tmp_path, FakeService(cloud))
    assert device.read([]) == []
    (found,) = device.read([reading(0)])
    assert len(found) == 0
    assert not cloud.requests


def test_offline_what_is_recorded_is_read_and_what_is_missing_is_counted(tmp_path: Path) -> None:
    wanted = [reading(5)]
    first = hardware(tmp_path, FakeService(Cloud())).read(wanted)
    offline = hardware(tmp_path, None)
    assert np.array_equal(offline.read(wanted), first)
    with pytest.raises(QcliError, match="7 of 12 circuits have no result") as error:
        offline.read([reading(12)])
    assert "validate-on-hardware" in error.value.fix


def test_progress_goes_from_nothing_to_everything_and_says_what_is_waited_for(tmp_path: Path) -> None:
    seen: list[Progress] = []
    device = hardware(tmp_path, FakeService(Cloud(polls=2)), on_progress=seen.append)
    device.read([reading(120)])
    assert (seen[0].done, seen[0].total) == (0, 120)
    assert seen[0].note == "task 1 queued, position 3"
    assert (seen[-1].done, seen[-1].total, seen[-1].note) == (120, 120, "")


# crashes


class CrashError(Exception):
    """The process ends here."""


class Fuse:
    """Lets so many calls pass, then crashes at every one."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def burn(self) -> None:
        if not self.left:
            raise CrashError
        self.left -= 1

    def around(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Before and after each call of `method` is a place to crash."""

        def fused(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            found = method(*args, **kwargs)
            self.burn()
            return found

        return fused


FUSED_SERVICE = ("pack", "submit", "status", "fetch", "usage_s")
FUSED_JOURNAL = ("intend", "sending", "submitted", "settle", "billed")


def read_until_crash(folder: Path, cloud: Cloud, wanted: list[Reading], calls: int, **more: Any) -> bool:
    """Whether it crashed after so many calls of service and journal."""
    service, fuse = FakeService(cloud), Fuse(calls)
    device = hardware(folder, service, **more)
    for name in FUSED_SERVICE:
        setattr(service, name, fuse.around(getattr(service, name)))
    for name in FUSED_JOURNAL:
        setattr(device.journal, name, fuse.around(getattr(device.journal, name)))
    try:
        device.read(wanted)
    except CrashError:
        return True
    finally:
        device.journal.close()
    return False


def check_after_crash(folder: Path, cloud: Cloud, wanted: list[Reading], **more: Any) -> None:
    device = hardware(folder, FakeService(cloud), **more)
    check_read(device, wanted)
    assert set(cloud.runs.values()) == {1}
    assert [entry.state for entry in device.journal.entries()] == ["done"] * len(cloud.sent)
    device.journal.close()


@pytest.mark.parametrize("usage", [None, 3.0], ids=["braket", "ibm"])
def test_after_a_crash_at_any_point_each_circuit_was_submitted_once_and_none_is_lost(
    tmp_path: Path, usage: float | None
) -> None:
    wanted = [reading(3, shots=60_000), reading(2, shots=10)]
    more: dict[str, Any] = {"plan": "job", "terms": BOSTON} if usage else {"plan": "program-sets"}
    points = 0
    while True:
        folder, cloud = tmp_path / str(points), Cloud(polls=1, usage=usage)
        if not read_until_crash(folder, cloud, wanted, points, **more):
            break
        check_after_crash(folder, cloud, wanted, **more)
        points += 1
    assert points >= 24


@settings(max_examples=25)
@given(st.lists(st.integers(0, 25), max_size=6))
def test_after_any_number_of_crashes_too(crashes: list[int]) -> None:
    wanted, cloud = [reading(2, shots=60_000), reading(3, shots=70_000, seed=1)], Cloud(polls=1)
    with tempfile.TemporaryDirectory() as folder:
        for calls in crashes:
            read_until_crash(Path(folder), cloud, wanted, calls)
        check_after_crash(Path(folder), cloud, wanted)


def test_a_request_whose_answer_was_lost_is_made_again_under_the_same_name(tmp_path: Path) -> None:
    cloud = Cloud()
    service = FakeService(cloud)
    service.lost["submit"] = [TransientError("connection reset"), TransientError("timed out")]
    check_read(hardware(tmp_path, service), [reading(3)])
    assert cloud.requests["submit"] == 3
    assert set(cloud.runs.values()) == {1}


@pytest.mark.parametrize("method", ["submit", "status", "fetch"])
def test_passing_troubles_are_waited_out(tmp_path: Path, method: str) -> None:
    cloud = Cloud()
    service = FakeService(cloud)
    service.troubles[method] = [TransientError("throttled")] * 4
    check_read(hardware(tmp_path, service), [reading(3)])
    assert cloud.sizes == [3]


@pytest.mark.parametrize("method", ["submit", "status", "fetch"])
def test_troubles_that_do_not_pass_end_the_run_and_lose_nothing(tmp_path: Path, method: str) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.troubles[method] = [TransientError("the network is down")] * 10_000
    with pytest.raises(QcliError, match="did not answer") as error:
        hardware(tmp_path, service, pace=replace(FAST, patience_s=0.02)).read(wanted)
    assert error.value.exit_code == 1
    assert "1 task is under way and recorded" in error.value.fix
    check_read(hardware(tmp_path, FakeService(cloud)), wanted)
    assert set(cloud.runs.values()) == {1}


# refusals


def refusal() -> RefusedError:
    return RefusedError("the device is offline", "Amazon Braket", "wait until it is back", exit_code=1)


def test_a_refused_task_costs_nothing_and_its_circuits_are_submitted_anew_by_the_next_run(
    tmp_path: Path,
) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.troubles["submit"] = [refusal()]
    device = hardware(tmp_path, service)
    with pytest.raises(QcliError, match="the device is offline") as error:
        device.read(wanted)
    assert error.value.exit_code == 1
    assert device.journal.committed() == 0
    check_read(device, wanted)
    assert [entry.state for entry in device.journal.entries()] == ["refused", "done"]


def test_a_refusal_after_a_request_without_answer_frees_nothing_that_may_be_running(tmp_path: Path) -> None:
    """Such as: the answer to the first request is lost, the token expires, the second request is refused."""
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.lost["submit"] = [TransientError("connection reset")]
    service.troubles["submit"] = [None, refusal()]
    device = hardware(tmp_path, service)
    with pytest.raises(QcliError, match="the device is offline") as error:
        device.read(wanted)
    assert "--pay-again" in error.value.fix
    assert device.journal.committed() == task_usd(3, 100)
    check_read(hardware(tmp_path, FakeService(cloud)), wanted)
    assert set(cloud.runs.values()) == {1}


def test_a_refusal_after_a_crash_frees_nothing_that_may_be_running(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.lost["submit"] = [CrashError()]  # the vendor has the task, the journal does not know
    with pytest.raises(CrashError):
        hardware(tmp_path, service).read(wanted)
    service.troubles["submit"] = [refusal(), refusal()]
    for _ in range(2):
        with pytest.raises(QcliError, match="the device is offline"):
            hardware(tmp_path, service).read(wanted)
    check_read(hardware(tmp_path, service), wanted)
    assert set(cloud.runs.values()) == {1}


def test_a_refusal_after_a_crash_before_anything_was_sent_is_final(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    assert read_until_crash(tmp_path, cloud, wanted, 3)  # pack, intend
    service = FakeService(cloud)
    service.troubles["submit"] = [refusal()]
    device = hardware(tmp_path, service)
    assert [entry.state for entry in device.journal.entries()] == ["intent"]
    with pytest.raises(QcliError, match="the device is offline"):
        device.read(wanted)
    assert device.journal.committed() == 0


def test_giving_up_a_task_that_may_be_running_counts_it_as_paid(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.troubles["submit"] = [TransientError("timed out"), refusal()]
    device = hardware(tmp_path, service)
    with pytest.raises(QcliError):
        device.read(wanted)
    device.tasks.give_up_quarantined()
    check_read(device, wanted)
    assert device.journal.committed() == 2 * task_usd(3, 100)


def test_while_the_device_is_closed_what_is_under_way_is_collected_and_nothing_is_submitted(
    tmp_path: Path,
) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    service = FakeService(cloud)
    service.troubles["status"] = [CrashError()]
    with pytest.raises(CrashError):
        hardware(tmp_path, service).read(wanted)
    device = hardware(tmp_path, service)
    device.tasks.closed = refusal()
    check_read(device, wanted)
    with pytest.raises(QcliError, match="the device is offline"):
        device.read([reading(5)])
    assert cloud.sizes == [3]


def test_while_the_device_is_closed_what_was_recorded_but_not_sent_waits(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    assert read_until_crash(tmp_path, cloud, wanted, 3)
    device = hardware(tmp_path, FakeService(cloud))
    device.tasks.closed = refusal()
    with pytest.raises(QcliError, match="the device is offline"):
        device.read(wanted)
    assert not cloud.sent
    device.tasks.closed = None
    check_read(device, wanted)


# failures of tasks


def test_a_failed_task_is_tried_again_and_costs_nothing(tmp_path: Path) -> None:
    cloud = Cloud(ends=["failed", "failed"])
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, [reading(3)])
    assert cloud.sizes == [3, 3, 3]
    assert device.journal.committed() == task_usd(3, 100)
    assert len({entry.token for entry in device.journal.entries()}) == 3


def test_after_three_failures_the_vendors_reason_is_told(tmp_path: Path) -> None:
    cloud = Cloud(ends=["failed"] * 10)
    device = hardware(tmp_path, FakeService(cloud))
    with pytest.raises(QcliError, match="3 circuits failed 3 times") as error:
        device.read([reading(3)])
    assert error.value.exit_code == 1
    assert "failed by the script" in error.value.what
    assert len(cloud.sent) == 3
    with pytest.raises(QcliError):
        hardware(tmp_path, FakeService(cloud)).read([reading(3)])
    assert len(cloud.sent) == 6, "another run tries again"


def test_a_reason_is_told_though_the_bill_came_after_it(tmp_path: Path) -> None:
    cloud = Cloud(ends=["failed"] * 10)
    service = FakeService(cloud)
    device = hardware(tmp_path, service, "job", BOSTON)
    with pytest.raises(QcliError, match="failed by the script"):
        device.read([reading(3)])
    cloud.usage = 2.0
    with pytest.raises(QcliError, match="failed by the script"):
        device.read([reading(3)])


def test_a_cancelled_task_is_not_tried_again_by_itself(tmp_path: Path) -> None:
    cloud, wanted = Cloud(ends=["cancelled"]), [reading(130)]
    device = hardware(tmp_path, FakeService(cloud))
    with pytest.raises(QcliError, match="task 1 was cancelled") as error:
        device.read(wanted)
    assert error.value.exit_code == 1
    assert cloud.sizes == [100, 30]
    assert len(device.journal.results(keys_of(device, wanted[0]))) == 30, "the other task was collected"
    check_read(hardware(tmp_path, FakeService(cloud)), wanted)
    assert cloud.sizes == [100, 30, 100]


def test_cancelling_asks_the_vendor_and_withdraws_what_was_never_sent(tmp_path: Path) -> None:
    cloud = Cloud(polls=10**6)
    service = FakeService(cloud)
    service.troubles["status"] = [CrashError()]
    with pytest.raises(CrashError):
        hardware(tmp_path, service).read([reading(3)])
    assert read_until_crash(tmp_path, cloud, [reading(5)], 3)
    device = hardware(tmp_path, service)
    assert [entry.state for entry in device.journal.entries()] == ["submitted", "intent"]
    device.tasks.cancel(list(device.journal.entries(only_open=True)))
    assert cloud.sizes == [3], "nothing is submitted to be cancelled"
    next(iter(cloud.sent.values())).polls = 0
    with pytest.raises(QcliError, match="was cancelled"):
        device.tasks.collect()
    assert [entry.state for entry in device.journal.entries()] == ["cancelled", "cancelled"]
    assert device.journal.committed() == 0


def test_of_a_partial_result_what_is_good_is_kept(tmp_path: Path) -> None:
    def second_fails(sent: Sent, counts: list[Counts]) -> list[Counts | str]:
        return [counts[0], "the vendor dropped it", *counts[2:]] if len(counts) > 1 else list(counts)

    cloud = Cloud(alter=second_fails)
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, [reading(4)])
    assert cloud.sizes == [4, 1]
    failed = device.journal.entry(next(iter(cloud.sent))).event("done").detail["failed"]  # type: ignore[union-attr]
    assert list(failed.values()) == ["the vendor dropped it"]


# damaged results


def short(counts: Counts) -> Counts:
    return {outcome: count - (place == 0) for place, (outcome, count) in enumerate(counts.items())}


DAMAGES: dict[str, Callable[[list[Counts]], list[Counts]]] = {
    "a shot is missing": lambda counts: [short(counts[0]), *counts[1:]],
    "a circuit is missing": lambda counts: counts[:-1],
    "a circuit too many": lambda counts: [*counts, counts[0]],
    "no circuit": lambda counts: [],
    "an empty result": lambda counts: [{}, *counts[1:]],
    "a qubit too many": lambda counts: [{outcome + 4: n for outcome, n in counts[0].items()}, *counts[1:]],
    "an outcome below zero": lambda counts: [{-1: 100}, *counts[1:]],
    "negative counts": lambda counts: [{0: 101, 1: -1}, *counts[1:]],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_result_is_quarantined_its_cost_counted_and_blocks_until_given_up(
    tmp_path: Path, damage: str
) -> None:
    cloud, wanted = Cloud(alter=lambda sent, counts: DAMAGES[damage](counts)), [reading(3)]
    for _ in range(2):
        device = hardware(tmp_path, FakeService(cloud))
        with pytest.raises(QcliError, match="cannot be its result") as error:
            device.read(wanted)
        assert error.value.exit_code == 1
        assert "--pay-again" in error.value.fix
        (entry,) = device.journal.entries()
        assert (entry.state, entry.is_open) == ("quarantined", True)
        assert len([event for event in entry.events if event.kind == "quarantined"]) == 1
        assert device.journal.committed() == task_usd(3, 100)
    assert cloud.sizes == [3]
    cloud.alter = lambda sent, counts: counts
    device.tasks.give_up_quarantined()
    assert device.journal.committed() == task_usd(3, 100)
    check_read(device, wanted)
    assert cloud.sizes == [3, 3]
    assert device.journal.committed() == 2 * task_usd(3, 100)


def test_a_result_that_was_still_being_written_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    looks = []

    def late(sent: Sent, counts: list[Counts]) -> list[Counts]:
        looks.append(sent)
        return counts if len(looks) > 2 else counts[:1]

    device = hardware(tmp_path, FakeService(Cloud(alter=late)))
    check_read(device, [reading(3)])
    assert [entry.state for entry in device.journal.entries()] == ["done"]


def test_a_quarantined_result_that_turns_out_well_costs_nothing_more(tmp_path: Path) -> None:
    cloud, wanted = Cloud(alter=lambda sent, counts: counts[:1]), [reading(3)]
    with pytest.raises(QcliError):
        hardware(tmp_path, FakeService(cloud)).read(wanted)
    cloud.alter = lambda sent, counts: counts
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, wanted)
    assert cloud.sizes == [3]
    assert device.journal.committed() == task_usd(3, 100)
    device.tasks.give_up_quarantined()
    assert [entry.state for entry in device.journal.entries()] == ["done"]


def test_a_damaged_result_keeps_no_other_from_being_collected(tmp_path: Path) -> None:
    def first_is_short(sent: Sent, counts: list[Counts]) -> list[Counts]:
        return counts[1:] if sent.vendor_id == "task-0" else counts

    wanted = reading(130)
    device = hardware(tmp_path, FakeService(Cloud(alter=first_is_short)))
    with pytest.raises(QcliError, match="cannot be its result"):
        device.read([wanted])
    assert len(device.journal.results(keys_of(device, wanted))) == 30


# money


def test_the_cap_refuses_before_anything_is_submitted(tmp_path: Path) -> None:
    cloud = Cloud()
    needed = task_usd(100, 100) + task_usd(30, 100)
    device = hardware(tmp_path, FakeService(cloud), cap=needed - Decimal("1e-9"))
    with pytest.raises(QcliError, match="the cap of") as error:
        device.read([reading(130)])
    assert error.value.exit_code == 3
    assert not cloud.requests
    assert device.journal.committed() == 0
    check_read(hardware(tmp_path, FakeService(cloud), cap=needed), [reading(130)])


def test_what_earlier_runs_spent_counts_towards_the_cap(tmp_path: Path) -> None:
    cloud = Cloud()
    cap = task_usd(3, 100) + task_usd(2, 100)
    hardware(tmp_path, FakeService(cloud), cap=cap).read([reading(3)])
    device = hardware(tmp_path, FakeService(cloud), cap=cap)
    check_read(device, [reading(5)])
    assert device.journal.committed() == cap
    with pytest.raises(QcliError, match="the cap of"):
        device.read([reading(6)])


def test_a_lower_cap_keeps_back_what_was_recorded_but_never_sent(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    assert read_until_crash(tmp_path, cloud, wanted, 3, cap=Decimal(100))
    with pytest.raises(QcliError, match="the cap of 0 USD") as error:
        hardware(tmp_path, FakeService(cloud), cap=Decimal(0)).read(wanted)
    assert error.value.exit_code == 3
    assert not cloud.sent
    check_read(hardware(tmp_path, FakeService(cloud), cap=Decimal(100)), wanted)


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(1, 8), st.sampled_from([10, 40_000])), min_size=1, max_size=4),
    st.lists(st.sampled_from(["done", "failed"]), max_size=3),
    st.decimals("0.01", "400", places=2),
    st.sampled_from(["separate", "program-sets", "job", "session"]),
    st.none() | st.integers(1, 500),
)
def test_under_any_cap_the_vendor_is_paid_no_more(
    wanted: list[tuple[int, int]], ends: list[str], cap: Decimal, plan: str, usage: int | None
) -> None:
    by_time = plan in ("job", "session")
    terms = BOSTON if by_time else GARNET
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(ends=list(ends), usage=usage if by_time else None)
        device = hardware(Path(folder), FakeService(cloud), plan, terms, cap=cap)
        for number, (circuits, shots) in enumerate(wanted):
            try:
                device.read([reading(circuits, shots, seed=number)])
            except QcliError as error:
                assert error.exit_code == 3 or ends.count("failed") > 2
            assert device.journal.committed() <= cap
        device.journal.close()


# packing


def test_program_sets_are_as_full_as_their_limits_allow(tmp_path: Path) -> None:
    cloud = Cloud()
    wanted = [
        reading(230, shots=100, seed=1),
        reading(12, shots=60_000, seed=2),
        reading(101, shots=2_000, seed=3),
    ]
    device = hardware(tmp_path, FakeService(cloud))
    check_read(device, wanted)
    assert GARNET.program_set == ProgramSets(100, 200_000)
    assert cloud.sizes == [3, 3, 3, 3, 100, 1, 100, 100, 30]


@pytest.mark.parametrize(("terms", "plan"), [(FORTE, "separate"), (GARNET, "separate")])
def test_separately_each_circuit_is_a_task(tmp_path: Path, terms: Any, plan: str) -> None:
    cloud = Cloud()
    check_read(hardware(tmp_path, FakeService(cloud), plan, terms), [reading(7)])
    assert cloud.sizes == [1] * 7


def test_jobs_hold_as_many_executions_as_ibm_takes(tmp_path: Path) -> None:
    cloud = Cloud(usage=3.0)
    small = replace(BOSTON, price=replace(BOSTON.price, max_executions_per_job=1_000))
    check_read(hardware(tmp_path, FakeService(cloud), "job", small), [reading(25), reading(3, 400, seed=1)])
    assert cloud.sizes == [2, 1, 10, 10, 5]


def test_where_nobody_knows_the_price_circuits_are_submitted_in_small_batches_for_nothing(
    tmp_path: Path,
) -> None:
    cloud = Cloud()
    device = hardware(tmp_path, FakeService(cloud), terms=None, cap=Decimal(0))
    check_read(device, [reading(40)])
    assert max(cloud.sizes) <= 16
    assert device.journal.committed() == 0


# by time


def price(terms: Any) -> Decimal:
    assert isinstance(terms.price, PerSecond)
    return terms.price.usd_per_s


def entry_of_job(folder: Path, cap: Decimal | None, plan: str = "job") -> Any:
    device = hardware(folder, FakeService(Cloud()), plan, BOSTON, cap=cap)
    device.read([reading(10, shots=1_000)])
    (entry,) = device.journal.entries()
    return entry


def test_a_job_is_limited_to_three_times_what_is_foreseen_and_half_a_minute(tmp_path: Path) -> None:
    """10,000 executions take 2 s + 10,000 / 3,800 Hz = 4.6 s, at most 2 s + 3.5 s."""
    entry = entry_of_job(tmp_path, None)
    assert entry.limit_s == 3 * 6 + 30
    assert entry.reserved == entry.limit_s * price(BOSTON)
    assert entry.detail["estimated_usd"] == f"{5 * price(BOSTON):f}"


def test_a_job_is_limited_to_what_the_cap_leaves(tmp_path: Path) -> None:
    entry = entry_of_job(tmp_path, Decimal(20))
    assert entry.limit_s == 12
    assert entry.reserved == 12 * price(BOSTON)


def test_a_job_is_never_limited_to_less_than_is_foreseen(tmp_path: Path) -> None:
    assert entry_of_job(tmp_path / "enough", 6 * price(BOSTON)).limit_s == 6
    with pytest.raises(QcliError, match="the cap of") as error:
        entry_of_job(tmp_path / "too-little", 6 * price(BOSTON) - Decimal("0.01"))
    assert error.value.exit_code == 3


def test_the_idle_time_of_a_session_is_reserved_besides_the_limit(tmp_path: Path) -> None:
    entry = entry_of_job(tmp_path, None, "session")
    assert BOSTON.session_idle_s == Decimal("13.5")
    assert entry.reserved == (entry.limit_s + 14) * price(BOSTON)


def test_jobs_share_what_the_cap_leaves(tmp_path: Path) -> None:
    small = replace(BOSTON, price=replace(BOSTON.price, max_executions_per_job=10_000))
    device = hardware(tmp_path, FakeService(Cloud()), "job", small, cap=Decimal(40))
    device.read([reading(20, shots=1_000)])
    limits = [entry.limit_s for entry in device.journal.entries()]
    assert limits == [12, 13]
    assert device.journal.committed() == sum(limits) * price(BOSTON)  # type: ignore[arg-type]


def test_a_job_is_billed_by_what_the_vendor_says(tmp_path: Path) -> None:
    device = hardware(tmp_path, FakeService(Cloud(usage=4.2)), "job", BOSTON)
    device.read([reading(10, shots=1_000)])
    assert device.journal.committed() == 5 * price(BOSTON)


def test_an_unknown_usage_keeps_the_reserve_until_a_later_run_learns_it(tmp_path: Path) -> None:
    cloud, wanted = Cloud(usage=None), [reading(10, shots=1_000)]
    device = hardware(tmp_path, FakeService(cloud), "job", BOSTON)
    device.read(wanted)
    (entry,) = device.journal.unbilled()
    assert device.journal.committed() == entry.reserved
    cloud.usage = 7.0
    service = FakeService(cloud)
    service.troubles["usage_s"] = [TransientError("not now"), refusal()]
    for still in (1, 1, 0):
        hardware(tmp_path, service, "job", BOSTON).read(wanted)
        assert len(device.journal.unbilled()) == still
    assert device.journal.committed() == 7 * price(BOSTON)
    assert device.journal.entry(entry.token).state == "done"
    assert cloud.sizes == [10]


def test_collecting_learns_what_was_not_known_of_the_cost(tmp_path: Path) -> None:
    cloud = Cloud(usage=None)
    device = hardware(tmp_path, FakeService(cloud), "job", BOSTON)
    device.read([reading(2)])
    cloud.usage = 3.0
    assert device.tasks.collect() == 0
    assert device.journal.committed() == 3 * price(BOSTON)


def test_a_failed_job_costs_what_it_used(tmp_path: Path) -> None:
    cloud = Cloud(ends=["failed"], usage=2.0)
    device = hardware(tmp_path, FakeService(cloud), "job", BOSTON)
    device.read([reading(2)])
    assert [entry.usd for entry in device.journal.entries()] == [2 * price(BOSTON)] * 2


def test_a_job_that_was_cancelled_in_the_queue_costs_nothing(tmp_path: Path) -> None:
    device = hardware(tmp_path, FakeService(Cloud(ends=["cancelled"], usage=0.0)), "session", BOSTON)
    with pytest.raises(QcliError, match="was cancelled"):
        device.read([reading(2)])
    assert device.journal.committed() == 0


# several at once


def test_two_threads_on_one_journal_share_the_work(tmp_path: Path) -> None:
    cloud, found = Cloud(polls=2), dict[int, Any]()
    wanted = [reading(250), reading(20, shots=60_000, seed=1)]

    def work(number: int) -> None:
        device = hardware(tmp_path, FakeService(cloud))
        found[number] = device.read(wanted)
        device.journal.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(found) == {0, 1, 2}
    assert set(cloud.runs.values()) == {1}
    assert sum(cloud.sizes) == 270
    for each in found.values():
        assert all(np.array_equal(a, b) for a, b in zip(each, found[0], strict=True))
    check_read(hardware(tmp_path, None), wanted)


def test_processes_on_one_journal_share_the_work(tmp_path: Path) -> None:
    wanted = [reading(8, shots=60_000), reading(4, shots=70_000, seed=1)]
    everybody = FORK.Barrier(3)

    def work() -> None:
        device = hardware(tmp_path, FakeService(FolderCloud(tmp_path / "cloud")))
        everybody.wait(30)
        check_read(device, wanted)

    processes = [FORK.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    executed = FolderCloud(tmp_path / "cloud").executed()
    assert set(executed.values()) == {1}
    assert len(executed) == 12


def test_a_task_recorded_by_one_process_is_submitted_by_whichever_comes_first(tmp_path: Path) -> None:
    cloud, wanted = Cloud(), [reading(3)]
    assert read_until_crash(tmp_path, cloud, wanted, 3)
    slow, fast = hardware(tmp_path, FakeService(cloud)), hardware(tmp_path, FakeService(cloud))
    (entry,) = slow.journal.entries()
    fast.tasks.collect()
    slow.tasks.submit(entry.token)
    assert cloud.requests["submit"] == 1
    check_read(slow, wanted)


@pytest.mark.parametrize("taken", [2, 5])
def test_what_another_process_takes_meanwhile_is_not_counted_twice_against_the_cap(
    tmp_path: Path, taken: int
) -> None:
    """The cap is the bill, and the circuits were still free when this process looked at them first."""
    cloud, wanted = Cloud(), [reading(5)]
    cap = 5 * task_usd(1, 100)
    slow, fast = (hardware(tmp_path, FakeService(cloud), "separate", cap=cap) for _ in range(2))
    look = slow.journal.under_way

    def looked(keys: list[str]) -> dict[str, str]:
        found = look(keys)
        slow.journal.under_way = look  # type: ignore[method-assign]
        fast.read([reading(taken)])
        return found

    slow.journal.under_way = looked  # type: ignore[assignment, method-assign]
    check_read(slow, wanted)
    assert set(cloud.runs.values()) == {1}
    assert slow.journal.committed() == cap


# load


def read_in_process(folder: Path, circuits: int, answers: Any) -> None:
    """Most memory that reading takes: Python's own, and what the process grows by, in MB."""
    values = [reading(circuits)]
    device = hardware(folder, FakeService(Cloud()))
    before = psutil.Process().memory_info().rss
    tracemalloc.start()
    device.read(values)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    answers.put((peak / 1e6, (psutil.Process().memory_info().rss - before) / 1e6))


@pytest.mark.slow
def test_the_memory_of_10_000_circuits_is_bounded(tmp_path: Path) -> None:
    """Keys, angles and counts of the batch: 2 kB a circuit, at most 4 kB, and no faster growth."""
    found = {}
    for circuits in (1_000, 10_000):
        answers = FORK.Queue()
        process = FORK.Process(target=read_in_process, args=(tmp_path / str(circuits), circuits, answers))
        process.start()
        found[circuits] = answers.get(timeout=300)
        process.join(30)
    (few, _), (many, resident) = found[1_000], found[10_000]
    assert many < 40
    assert many < 12 * few
    assert resident < 120


@pytest.mark.slow
def test_looking_up_one_of_10_000_circuits_does_not_read_them_all(tmp_path: Path) -> None:
    device = hardware(tmp_path, FakeService(Cloud()))
    device.read([reading(10_000)])
    steps: list[int] = []
    journal = Journal.reading(tmp_path / "journal.sqlite")
    journal.committed()
    journal._database.set_progress_handler(lambda: steps.append(1), 100)
    (key,) = keys_of(device, reading(1))
    (entry, *_) = device.journal.entries()
    for look in (
        lambda: journal.results([key]),
        lambda: journal.under_way([key]),
        lambda: journal.attempts([key]),
        lambda: journal.committed(),
        lambda: journal.entry(entry.token),
    ):
        steps.clear()
        look()
        assert len(steps) < 50, "fewer than 5,000 steps of SQLite's machine"
