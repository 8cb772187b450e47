"""Jobs on a real Slurm cluster of one node without accounting."""

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qcli.cluster import slurm_job
from qcli.cluster.jobs import LIVE, Resources
from qcli.cluster.slurm import Slurm, requeue
from qcli.errors import QcliError
from tests.cluster import work

BRIEF = Resources(time_s=120, signal_s=10)


def wait(met, patience_s=40.0):
    end = time.monotonic() + patience_s
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def endings(jobs, ids):
    wait(lambda: not any(state in LIVE for state in jobs.states(ids).values()))
    return list(jobs.states(ids).values())


def starts(*path):
    file = Path(*path)
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture
def jobs(slurm, tmp_path):
    found = Slurm(tmp_path / "jobs", BRIEF, patience_s=20)
    yield found
    slurm.ask("scancel", "--quiet", f"--user={os.getuid()}")


def test_one_jobs_end_is_not_anothers(jobs, tmp_path):
    table = {
        "fine": "done",
        "raise": "failed",
        "exit": "failed",
        "killed": "failed",
        "good": "done",
        "ok": "done",
    }
    ids = jobs.submit("table", work.do, [(what, tmp_path, what) for what in table])
    assert endings(jobs, ids) == list(table.values())
    assert [starts(tmp_path, what) for what in table] == [1] * 6
    assert "ValueError: as asked" in (jobs.folder / f"{ids[1]}_0_log.err").read_text()
    assert jobs.find("table", 6) == ids


def test_a_job_told_to_stop_starts_again_whatever_it_was_doing(jobs, slurm, tmp_path):
    """Before its files are there, while it imports, while it trains; then all end well at their second start."""
    early = jobs.submit("early", work.do, [("fine", tmp_path, "early")])
    pickled = jobs.folder / f"{early[0]}_submitted.pkl"
    pickled.rename(tmp_path / "aside")
    imports = jobs.submit("imports", work.do, [("fine", tmp_path, work.SlowToLoad(tmp_path, "imports"))])
    trains = jobs.submit("trains", work.until_told, [(tmp_path, "usr2"), (tmp_path, "term")])
    pair = Slurm(jobs.folder, BRIEF.model_copy(update={"tasks_per_node": 2}))
    ranked = pair.submit("ranked", work.ranked, [(tmp_path,)])
    log = jobs.folder / f"{early[0]}_0_log.out"
    wait(lambda: log.exists() and "Loading pickle" in log.read_text())
    wait(lambda: all(starts(tmp_path, name) for name in ("imports", "usr2", "term", "rank0", "rank1")))
    slurm.ask("scancel", "--signal=USR2", *early, *imports, trains[0], *ranked)
    slurm.ask("scancel", "--signal=TERM", trains[1])
    (tmp_path / "aside").rename(pickled)
    assert endings(jobs, [*early, *imports, *trains, *ranked]) == ["done"] * 5
    expected = {"early": 1, "imports": 2, "imports-done": 1, "usr2": 2, "term": 2, "rank0": 2, "rank1": 2}
    assert {name: starts(tmp_path, name) for name in expected} == expected
    assert {name: (tmp_path / f"{name}-kept").read_text().split()[1] for name in ("usr2", "term")} == {
        "usr2": "SIGUSR2",
        "term": "SIGTERM",
    }
    assert "Restarts=1" in slurm.ask("scontrol", "show", "job", early[0])


def test_a_cancelled_job_keeps_its_state_and_is_not_started_again(jobs, tmp_path):
    running = jobs.submit("running", work.until_told, [(tmp_path, "running")])
    waiting = Slurm(jobs.folder, BRIEF.model_copy(update={"extra": {"begin": "now+1hour"}})).submit(
        "waiting", work.do, [("fine", tmp_path, "waiting")]
    )
    wait(lambda: starts(tmp_path, "running"))
    jobs.cancel(running + waiting)
    assert endings(jobs, running + waiting) == ["cancelled"] * 2
    assert (starts(tmp_path, "running"), starts(tmp_path, "running-kept"), starts(tmp_path, "waiting")) == (
        1,
        1,
        0,
    )
    jobs.cancel(running + waiting + ("99999",))


def test_two_hundred_jobs_are_asked_about_in_one_call(jobs, tmp_path, monkeypatch):
    later = Resources(time_s=60, signal_s=5, width=4, extra={"begin": "now+1hour", "exclusive": ""})
    ids = Slurm(jobs.folder, later).submit("many", work.nothing, [(i,) for i in range(200)])
    calls = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda command, **rest: calls.append(command) or run(command, **rest)
    )
    assert list(jobs.states(ids).items()) == [(one, "pending") for one in ids]
    jobs.cancel(ids[:100])
    assert list(jobs.states(ids).values()) == ["cancelled"] * 100 + ["pending"] * 100
    jobs.cancel(ids)
    assert set(jobs.states(ids).values()) == {"cancelled"}
    asked = [command[0] for command in calls if command[0] != "sacct"]
    assert asked == ["squeue", "scancel"] * 2 + ["squeue"]


def test_jobs_outlive_their_controller_and_are_not_taken_for_lost(jobs, slurm, tmp_path):
    ids = jobs.submit("through", work.do, [("wait", tmp_path, "a"), ("wait", tmp_path, "b")])
    wait(lambda: starts(tmp_path, "a") and starts(tmp_path, "b"))
    slurm.stop_controller()
    try:
        impatient = Slurm(jobs.folder, BRIEF, patience_s=0)
        with ThreadPoolExecutor() as pool:
            calls = [pool.submit(impatient.states, ids), pool.submit(jobs.submit, "x", work.nothing, [(0,)])]
        for call in calls:
            with pytest.raises(QcliError, match="controller does not answer") as raised:
                call.result()
            assert raised.value.exit_code == 1
            assert "go on" in raised.value.fix
        back = threading.Timer(1, slurm.start_controller)
        back.start()
        assert list(jobs.states(ids).values()) == ["running"] * 2
        back.join()
    finally:
        slurm.restart_controller()
    for name in "ab":
        (tmp_path / f"{name}-go").touch()
    assert endings(jobs, ids) == ["done"] * 2


DRIVER = """
import os, sys
from pathlib import Path
from qcli.cluster.jobs import Resources
from qcli.cluster.slurm import Slurm
from submitit.core.utils import JobPaths
from tests.cluster import work
folder, point = Path(sys.argv[1]), sys.argv[2]
move = JobPaths.move_temporary_file
def die_at_first_file(self, path, name, **rest):
    if point == "before the files" and name == "submitted_pickle":
        os.kill(os.getpid(), 9)
    move(self, path, name, **rest)
JobPaths.move_temporary_file = die_at_first_file
Slurm(folder / "jobs", Resources(time_s=120, signal_s=10)).submit("orphan", work.do, [("fine", folder, "x")] * 3)
os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("point", ["after submit", "before the files"])
def test_an_array_whose_driver_died_is_found_or_cancelled(point, jobs, tmp_path):
    done = subprocess.run([sys.executable, "-c", DRIVER, str(tmp_path), point])
    assert done.returncode == -signal.SIGKILL
    elsewhere = Slurm(tmp_path / "elsewhere", BRIEF)
    assert elsewhere.find("orphan", 3) is None
    assert jobs.find("orphan", 2) is None or point == "before the files"
    ids = jobs.find("orphan", 3)
    if point == "before the files":
        assert ids is None
        ids = jobs.submit("orphan", work.do, [("fine", tmp_path, "x")] * 3)
        assert jobs.find("orphan", 3) == ids
    assert endings(jobs, ids) == ["done"] * 3
    assert starts(tmp_path, "x") == 3


def test_one_job_is_no_array(jobs, tmp_path):
    ids = jobs.submit("single", work.do, [("fine", tmp_path, "x")])
    assert ids[0].isdigit()
    assert jobs.find("single", 1) == ids
    assert jobs.find("single", 2) is None
    assert endings(jobs, ids) == ["done"]
    assert jobs.submit("none", work.do, []) == ()


def test_a_driver_may_itself_be_a_job(jobs, tmp_path, monkeypatch):
    inherited = {
        "SLURM_JOB_ID": "998",
        "SLURM_ARRAY_JOB_ID": "997",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_NTASKS": "64",
    }
    for name, value in inherited.items():
        monkeypatch.setenv(name, value)
    ids = jobs.submit("inner", work.do, [("fine", tmp_path, "x")])
    assert endings(jobs, ids) == ["done"]
    assert {name: os.environ[name] for name in inherited} == inherited


@pytest.mark.parametrize(
    ("resources", "what", "fix"),
    [
        ({"partition": "absent"}, "nvalid partition", "partitions here: debug"),
        ({"time_s": 3600}, "time limit", "partitions here: debug"),
        ({"cpus": 99}, "processors|CPU|node configuration", "partitions here: debug"),
        ({"gpus": 1}, "gres|generic resource|node configuration", "partitions here: debug"),
        ({"extra": {"no-such-option": "1"}}, "no-such-option", "partitions here: debug"),
        ({"signal_s": 120}, "signal_s = 120 is not less than time_s = 120", "more time_s"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_slurm_refuses_is_the_users_to_change(resources, what, fix, slurm, tmp_path, capfd):
    jobs = Slurm(tmp_path, Resources.model_validate(BRIEF.model_dump() | resources))
    with pytest.raises(QcliError, match=what) as raised:
        jobs.submit("refused", work.nothing, [(0,), (1,)])
    assert fix in raised.value.fix
    assert raised.value.exit_code == 2
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


def test_an_array_larger_than_the_cluster_takes_is_refused(jobs):
    with pytest.raises(QcliError, match="Invalid job array specification") as raised:
        jobs.submit("large", work.nothing, [(i,) for i in range(302)])
    assert "MaxArraySize" in raised.value.fix


def test_without_slurm_or_submitit_or_a_folder_nothing_is_submitted(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("sbatch is not on this machine", "login node", Slurm(tmp_path, BRIEF))
    with pytest.raises(QcliError, match="squeue is not on this machine"):
        Slurm(tmp_path, BRIEF).states(["1"])
    for program in ("sbatch", "srun"):
        (tmp_path / program).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    refused("cannot be written: Not a directory", "choose a folder", Slurm(tmp_path / "file" / "jobs", BRIEF))
    refused("job name 'a,b'", "letters", Slurm(tmp_path, BRIEF), "a,b")
    monkeypatch.setitem(sys.modules, "submitit", None)
    refused("submitit is not installed", "qcli[hpc]", Slurm(tmp_path, BRIEF))


def refused(what, fix, jobs, name="refused"):
    with pytest.raises(QcliError) as raised:
        jobs.submit(name, work.nothing, [(0,)])
    assert what in raised.value.what
    assert fix in raised.value.fix
    assert raised.value.exit_code == 2


def test_jobs_that_slurm_forgot_are_looked_up_in_the_accounting_then_in_their_files(
    jobs, tmp_path, monkeypatch
):
    sacct = tmp_path / "bin" / "sacct"
    sacct.parent.mkdir()
    sacct.write_text(
        "#!/bin/sh\nprintf '9990_0|COMPLETED\\n9990_[1-2%%4]|CANCELLED by 1000\\n9990_0.0|FAILED\\n'\n"
    )
    sacct.chmod(0o755)
    jobs.folder.mkdir()
    for one, outcome in (("9991", "success"), ("9992", "error")):
        (jobs.folder / f"{one}_0_result.pkl").write_bytes(pickle.dumps((outcome, None)))
    expected = {"9990_0": "done", "9990_1": "cancelled", "9990_2": "cancelled", "9990_3": "lost"}
    assert set(jobs.states(expected).values()) == {"lost"}
    monkeypatch.setenv("PATH", f"{sacct.parent}:{os.environ['PATH']}")
    assert jobs.states(expected) == expected
    assert jobs.states(["9991", "9992", "9993"]) == {"9991": "done", "9992": "failed", "9993": "lost"}
    assert jobs.states([]) == {}
    assert jobs.find("accounted", 3) is None
    for task in range(3):
        (jobs.folder / f"9990_{task}_submitted.pkl").touch()
    assert jobs.find("accounted", 3) == ("9990_0", "9990_1", "9990_2")


def test_a_job_is_requeued_so_many_times_and_then_fails(monkeypatch):
    before = {number: signal.getsignal(number) for number in slurm_job.TOLD}
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "20")
    try:
        with pytest.raises(QcliError, match="requeued 20 times"):
            requeue()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_job_out_of_time_is_told_before_and_starts_again_or_times_out(slurm, tmp_path):
    jobs = Slurm(tmp_path / "jobs", Resources(time_s=60, signal_s=20))
    ids = jobs.submit("limit", work.until_told, [(tmp_path, "a")])
    deaf = Slurm(tmp_path / "jobs", Resources(time_s=60, signal_s=20)).submit(
        "deaf", work.never_stops, [(tmp_path, "b")]
    )
    wait(lambda: not any(state in LIVE for state in jobs.states(ids + deaf).values()), 200)
    assert list(jobs.states(ids + deaf).values()) == ["done", "timeout"]
    assert (starts(tmp_path, "a"), starts(tmp_path, "b")) == (2, 1)


def test_the_tests_need_no_system_wide_slurm(slurm):
    assert shutil.which("sbatch")
    assert "debug" in slurm.ask("sinfo", "-h", "-o", "%P")
