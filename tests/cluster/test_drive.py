"""Every piece of work is done once, whatever becomes of jobs and driver."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.cluster.drive import Progress, Work, drive
from qcli.cluster.jobs import LIVE
from qcli.cluster.log import Log
from qcli.errors import QcliError


class Killed(BaseException):
    """The driver ends here, as by SIGKILL."""


class Unsteady:
    """A cluster whose jobs end as `fates` say, in turn; `crashes` are the calls during which the driver dies."""

    def __init__(self, fates, crashes=()):
        self.fates, self.crashes = list(fates), set(crashes)
        self.arrays, self.states_of, self.calls = {}, {}, 0
        self.completed, self.started = Counter(), Counter()

    def submit(self, name, function, arguments):
        ids = tuple(f"{len(self.states_of) + number}" for number in range(len(arguments)))
        self._maybe_crash()
        busy = [key for state, keys in self.states_of.values() if state in LIVE for key in keys]
        assert not set(busy) & {key for (keys,) in arguments for key in keys}
        self.arrays[name] = ids
        for one, (keys,) in zip(ids, arguments, strict=True):
            self.states_of[one] = ("pending", keys)
        self._maybe_crash()
        return ids

    def find(self, name, count):
        return self.arrays.get(name)

    def states(self, ids):
        self._maybe_crash()
        for one in ids:
            self._advance(one)
        return {one: self.states_of.get(one, ("lost", ()))[0] for one in ids}

    def cancel(self, ids):
        raise NotImplementedError

    def _advance(self, one):
        state, keys = self.states_of[one]
        if state == "pending":
            self.states_of[one] = ("running", keys)
            self.started.update(keys)
        elif state == "running":
            fate = self.fates.pop(0) if self.fates else "done"
            reached = keys if fate == "done" else keys[: len(keys) // 2]
            self.completed.update(key for key in reached if not self.completed[key])
            self.states_of[one] = (fate, keys)

    def _maybe_crash(self):
        self.calls += 1
        if self.calls in self.crashes:
            raise Killed


def work(cluster, count, together=1, attempts=99, given_up=None):
    return Work(
        name="w",
        function=lambda keys: None,
        common=(),
        keys=list(range(count)),
        finished=lambda: set(cluster.completed) | set(given_up or {}),
        give_up=lambda key, state: given_up.__setitem__(key, state),
        together=together,
        attempts=attempts,
    )


FATES = st.sampled_from(["done", "failed", "timeout", "cancelled", "lost"])


@settings(deadline=None, max_examples=200)
@given(
    st.integers(1, 7),
    st.integers(1, 3),
    st.lists(FATES, max_size=20),
    st.sets(st.integers(1, 40), max_size=5),
)
def test_every_key_is_completed_once_and_never_in_two_live_jobs(
    tmp_path_factory, count, together, fates, crashes
):
    log = Log(tmp_path_factory.mktemp("drive") / "events.jsonl")
    cluster = Unsteady(fates, crashes)
    while True:
        try:
            drive(work(cluster, count, together), cluster, log, poll_s=0)
            break
        except Killed:
            continue
    assert cluster.completed == Counter(range(count))


def test_a_crash_between_submission_and_its_record_does_not_submit_again(tmp_path):
    log, cluster = Log(tmp_path / "events.jsonl"), Unsteady([], crashes={2})
    with pytest.raises(Killed):
        drive(work(cluster, 3), cluster, log, poll_s=0)
    assert [event["event"] for event in log.events()] == ["submitting"]
    drive(work(cluster, 3), cluster, log, poll_s=0)
    assert len(cluster.arrays) == 1
    assert cluster.started == Counter(range(3))


def test_a_crash_before_the_submission_submits_once(tmp_path):
    log, cluster = Log(tmp_path / "events.jsonl"), Unsteady([], crashes={1})
    with pytest.raises(Killed):
        drive(work(cluster, 3), cluster, log, poll_s=0)
    drive(work(cluster, 3), cluster, log, poll_s=0)
    assert len(cluster.arrays) == 1
    assert list(cluster.arrays) == ["w-2"]


def test_what_keeps_failing_is_given_up_with_how_it_ended_and_the_rest_is_done(tmp_path):
    given_up = {}
    cluster = Unsteady(["failed", "done", "timeout", "failed"])
    drive(work(cluster, 2, attempts=3, given_up=given_up), cluster, Log(tmp_path / "log"), poll_s=0)
    assert given_up == {0: "failed"}
    assert set(cluster.completed) == {1}


def test_progress_counts_what_is_done_running_and_pending(tmp_path):
    seen = []
    cluster = Unsteady([])
    drive(work(cluster, 4), cluster, Log(tmp_path / "log"), seen.append, poll_s=0)
    assert seen[0] == Progress(4, 0, 0, 4)
    assert Progress(4, 0, 4, 0) in seen
    assert seen[-1] == Progress(4, 4, 0, 0)


def test_a_line_cut_short_is_left_out_and_the_next_one_is_whole(tmp_path):
    log = Log(tmp_path / "events.jsonl")
    log.append("one", value=1)
    with log.path.open("ab") as file:
        file.write(b'{"event": "two", "va')
    log.append("three", value=3)
    assert [event["event"] for event in log.events()] == ["one", "three"]
    assert all(json.loads(line) for line in log.path.read_text().splitlines() if line.endswith("}"))


def test_only_one_process_drives(tmp_path):
    log = Log(tmp_path / "events.jsonl")
    with (
        log.driving(),
        pytest.raises(QcliError, match="another process drives this"),
        Log(log.path).driving(),
    ):
        pass
    with log.driving():
        pass
