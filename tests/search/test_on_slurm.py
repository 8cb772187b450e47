"""On a real Slurm, whatever goes wrong: no trial is lost, none is completed twice, the table is that of a quiet run."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil

from qcli.cluster.log import Log
from qcli.search.run import begin, search
from qcli.search.space import parse_dimension
from qcli.train.run import Settings
from tests.search.helpers import BROKEN, Inline, completions, plan_of, results

DRIVER = """
import sys
from pathlib import Path
from qcli.cluster.jobs import Resources
from qcli.cluster.slurm import Slurm
from qcli.search.run import search
folder = Path(sys.argv[1])
search(folder, Slurm(folder / "jobs", Resources(time_s=300, width=3)), poll_s=0.5)
"""


def plan(tmp_path):
    """Ten trials, one of which cannot be trained."""
    model = tmp_path / "odd.py"
    model.write_text(BROKEN)
    space = {"mood": parse_dimension("good,bad,fair,fine,gay"), "lr": parse_dimension("0.02,0.05")}
    return plan_of(
        model=str(model), space=space, sampler="grid", trials=9, settings=Settings(epochs=150, patience=150)
    )


def until(met, seconds=120):
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.1)
    return found


def workers(folder):
    """Processes of jobs of this search, by the task they are."""
    found = {}
    for process in psutil.process_iter(["cmdline", "environ"]):
        line, environ = process.info["cmdline"] or [], process.info["environ"] or {}
        if "qcli.cluster.slurm_job" in line and str(folder) in line[-1]:
            found[environ.get("SLURM_ARRAY_TASK_ID")] = process.pid
    return found


def test_killed_cancelled_requeued_and_restarted_it_ends_as_if_nothing_had_been(slurm, tmp_path):
    quiet, folder = tmp_path / "quiet", tmp_path / "sweep"
    begin(plan(tmp_path), quiet)
    search(quiet, Inline(), poll_s=0)
    begin(plan(tmp_path), folder)
    log = Log(folder / "events.jsonl")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)])
    jobs = until(lambda: log.events("submitted"))[0]["jobs"]
    array = jobs[0].split("_")[0]
    at_work = until(lambda: len(workers(folder)) == 3 and workers(folder))
    first, second, third = sorted(at_work)
    os.kill(at_work[first], signal.SIGKILL)
    slurm.ask("scancel", f"{array}_{second}")
    slurm.ask("scontrol", "requeue", f"{array}_{third}")
    driver.kill()
    driver.wait()
    slurm.restart_controller()
    again = subprocess.Popen([sys.executable, "-c", DRIVER, str(folder)])
    assert again.wait(400) == 0
    assert results(folder) == results(quiet)
    good = [number for number, _, state, *_ in results(quiet) if state == "complete"]
    assert len(good) == 7
    assert completions(folder) == Counter(good)
    states = Counter(state for event in log.events("ended") for state in event["jobs"].values())
    assert states["cancelled"] == states["failed"] == 1
    lost = [key for event in log.events("submitting")[1:] for keys in event["keys"] for key in keys]
    assert sorted(lost) == sorted([int(first), int(second)])
