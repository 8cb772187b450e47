"""Jobs on this machine: none disturbs another, and none outlives the process that submitted it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from qcli.cluster.jobs import LIVE
from qcli.cluster.local import Local
from tests.cluster import work


def wait(met, patience_s=30.0):
    end = time.monotonic() + patience_s
    while not met():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def endings(jobs, ids):
    wait(lambda: not any(state in LIVE for state in jobs.states(ids).values()))
    return list(jobs.states(ids).values())


@pytest.fixture
def jobs(tmp_path):
    with Local(tmp_path / "logs", workers=2) as local:
        yield local


def test_one_jobs_end_is_not_anothers(jobs, tmp_path):
    table = {
        "fine": "done",
        "raise": "failed",
        "exit": "failed",
        "killed": "failed",
        "stopped": "lost",
        "as good": "done",
    }
    ids = jobs.submit("table", work.do, [(what, tmp_path, what) for what in table])
    assert endings(jobs, ids) == list(table.values())
    assert all(len((tmp_path / what).read_text().splitlines()) == 1 for what in table)
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "ValueError: as asked" in logs


def test_every_job_kills_its_worker_and_the_rest_still_run(jobs, tmp_path):
    ids = jobs.submit("mixed", work.do, [(what, tmp_path, "x") for what in ["killed", "fine"] * 3])
    assert endings(jobs, ids) == ["failed", "done"] * 3


def test_a_thousand_small_jobs_go_to_the_same_two_processes(jobs):
    jobs.submit("warm", work.nothing, [(0,)])
    before = psutil.Process().memory_info().rss
    begin = time.monotonic()
    ids = jobs.submit("many", work.nothing, [(i,) for i in range(1000)])
    assert set(endings(jobs, ids)) == {"done"}
    assert time.monotonic() - begin < 10
    assert psutil.Process().memory_info().rss - before < 20e6
    assert 1 <= len(list(jobs.folder.iterdir())) <= 2


def test_workers_share_the_cores_and_print_to_their_own_files(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    monkeypatch.setattr("qcli.cluster.local.cores", lambda: 8)
    with Local(tmp_path / "logs", workers=2) as jobs:
        assert endings(jobs, jobs.submit("env", work.environment, [(tmp_path, "env")])) == ["done"]
    pid, threads = (tmp_path / "env").read_text().split()
    assert threads == "4"
    assert "printed by env" in (tmp_path / "logs" / f"worker-{pid}.log").read_text()


def test_cancelled_jobs_stop_and_others_go_on(jobs, tmp_path):
    running = jobs.submit("a", work.do, [("sleep", tmp_path, f"a{i}") for i in range(2)])
    waiting = jobs.submit("b", work.do, [("fine", tmp_path, f"b{i}") for i in range(3)])
    wait(lambda: (tmp_path / "a0").exists() and (tmp_path / "a1").exists())
    assert set(jobs.states(waiting).values()) == {"pending"}
    jobs.cancel([running[0], waiting[1]])
    assert endings(jobs, waiting) == ["done", "cancelled", "done"]
    assert list(jobs.states(running).values()) == ["cancelled", "running"]
    assert not (tmp_path / "b1").exists()
    jobs.cancel(waiting)
    assert endings(jobs, waiting) == ["done", "cancelled", "done"]


def test_a_cancelled_job_may_keep_its_state(jobs, tmp_path):
    ids = jobs.submit("told", work.until_told, [(tmp_path, "told")])
    wait(lambda: (tmp_path / "told").exists())
    time.sleep(0.2)
    jobs.cancel(ids)
    wait(lambda: (tmp_path / "told-kept").exists())
    assert endings(jobs, ids) == ["cancelled"]


def test_nothing_is_found_again_and_unknown_jobs_are_lost(jobs):
    assert jobs.find("any", 1) is None
    assert jobs.states(["never"]) == {"never": "lost"}


DRIVER = """
import sys, time
from pathlib import Path
from qcli.cluster.local import Local
from tests.cluster import work
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    jobs = Local(folder / "logs", workers=2)
    jobs.submit("s", work.do, [("sleep", folder, "s")] * 2)
    if sys.argv[2] == "forget":
        while not (folder / "s").exists() or len((folder / "s").read_text().splitlines()) < 2: time.sleep(.05)
        sys.exit(7)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("told", flush=True)
        jobs.close()
"""


@pytest.mark.parametrize(
    ("how", "number", "status", "printed"),
    [
        ("killed", signal.SIGKILL, -signal.SIGKILL, ""),
        ("terminated", signal.SIGTERM, -signal.SIGTERM, ""),
        ("ctrl-c in its terminal", signal.SIGINT, 0, "told\n"),
        ("forget", None, 7, ""),
    ],
)
def test_no_worker_outlives_its_driver(how, number, status, printed, tmp_path):
    (tmp_path / "driver.py").write_text(DRIVER)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "driver.py"), str(tmp_path), how],
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started = tmp_path / "s"
    wait(lambda: started.exists() and len(started.read_text().splitlines()) == 2)
    workers = [int(line) for line in started.read_text().split()]
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    elif number:
        os.kill(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, printed), err
    assert "Traceback" not in err
    wait(lambda: not any(map(alive, workers)), 10)
    logs = "".join(path.read_text() for path in (tmp_path / "logs").iterdir())
    assert "KeyboardInterrupt" not in logs


def alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
