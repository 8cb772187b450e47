"""Parts of benchmarks/scale.py: what a search costs beside its trainings (overhead, workers, driver)."""

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import scale_work
from scale_common import POLL_S, Row, Tables, awaited, cpu_s, fresh, memory_mib, seconds, spread, threads

from qcli.cluster.jobs import Jobs
from qcli.cluster.local import Local
from qcli.cluster.threads import cores
from qcli.search import run as searches
from qcli.search import study as studies
from qcli.search.plan import Plan
from qcli.search.space import parse_dimension
from qcli.train.run import Settings

GOAL = 0.05
USUAL = 20
"""Trials of `qcli sweep` unless told otherwise."""


def plan_of(trials: int, epochs: int, **change: Any) -> Plan:
    """Trials that cost the same, whatever their point: none stops early."""
    content = {
        "schema": "qcli.search/1",
        "model": "qcnn",
        "data": "digits:3,6",
        "settings": Settings(epochs=epochs, patience=epochs),
        "space": {"lr": parse_dimension("log:0.005..0.1")},
        "trials": trials,
        "sampler": "random",
    }
    return Plan(**content | change)


def searched(plan: Plan, folder: Path, jobs: Jobs) -> float:
    """Seconds of a search, from its plan to its table."""

    def search() -> None:
        searches.begin(plan, folder)
        table = searches.search(folder, jobs, poll_s=POLL_S)
        failed = [trial.error for trial in table if trial.state != "complete"]
        if failed:
            raise SystemExit(f"a trial failed: {failed[0]}")

    return seconds(search)


def trained(plan: Plan, folder: Path, jobs: Jobs, workers: int = 1) -> float:
    """Seconds from the first to the last moment of the same trainings, shared by so many workers."""
    plan.save(folder)
    shares = [range(first, plan.trials, workers) for first in range(workers)]
    outs = [folder / f"share-{first}" for first in range(workers)]
    given = [(str(folder), share, str(out)) for share, out in zip(shares, outs, strict=True)]
    awaited(jobs, scale_work.bare, given)
    times = [pair for out in outs for pair in json.loads((out / "times.json").read_text())]
    return max(ended for _, ended in times) - min(began for began, _ in times)


def calibrated(folder: Path, jobs: Jobs, aim_s: float) -> int:
    """The epochs that take so many seconds in a warm worker."""
    epochs = 10
    for number in range(3):
        took = trained(plan_of(1, epochs), folder / f"calibration-{number}", jobs)
        epochs = max(5, min(round(epochs * aim_s / took), 20 * epochs))
    return epochs


def overhead(small: bool) -> Tables:
    """A search with one worker and the same trainings in the same warm process, in turn; then with a new worker."""
    trials, repeats, aim_s = (2, 2, 1.0) if small else (6, 3, 10.0)
    bare, warm, cold = [], [], []
    with tempfile.TemporaryDirectory() as name, threads(None):
        folder = Path(name)
        with Local(folder / "jobs", 1) as jobs:
            searched(plan_of(1, 2), folder / "warm-up", jobs)
            epochs = calibrated(folder, jobs, aim_s)
            plan = plan_of(trials, epochs)
            for number in range(repeats):
                for kind in ("bare", "search") if number % 2 else ("search", "bare"):
                    if kind == "bare":
                        bare.append(trained(plan, folder / f"bare-{number}", jobs))
                    else:
                        warm.append(searched(plan, folder / f"warm-{number}", jobs))
            steps = _dissected(plan, folder / "dissected", jobs)
        for number in range(repeats):
            with Local(folder / "jobs", 1) as jobs:
                cold.append(searched(plan_of(1, 2), folder / f"cold-{number}", jobs))
        with Local(folder / "jobs", 1) as jobs:
            searched(plan_of(1, 2), folder / "warm-again", jobs)
            again = [searched(plan_of(1, 2), folder / f"again-{n}", jobs) for n in range(repeats)]
    ratios = [search / train - 1 for search, train in zip(warm, bare, strict=True)]
    start = statistics.median(cold) - statistics.median(again)
    middle = statistics.median(bare)
    per_trial = (statistics.median(warm) - middle) / trials
    training = middle / trials
    rows = [
        {
            "trials": trials,
            "epochs": epochs,
            "threads": cores(),
            **spread(bare, "bare_s", 2),
            **spread(warm, "search_s", 2),
            **spread(ratios, "overhead", 4),
            "goal": GOAL,
        }
    ]
    whole = [
        {
            "training_s": round(training, 3),
            "beside_it_s": round(per_trial, 4),
            "worker_start_s": round(start, 2),
            f"overhead_of_{USUAL}_trials_with_start": round(
                (USUAL * per_trial + start) / (USUAL * training), 4
            ),
            "goal": GOAL,
        }
    ]
    inside = [
        {
            "step": step,
            "ms_per_trial": round(1e3 * took / trials, 2),
            "share_of_fit": round(took / steps["fit"], 5),
        }
        for step, took in steps.items()
    ]
    return {
        "Overhead of a search, one warm worker": rows,
        "Overhead with the start of the worker": whole,
        "Where a trial's time goes": inside,
    }


def _dissected(plan: Plan, folder: Path, jobs: Jobs) -> dict[str, float]:
    searches.begin(plan, folder)
    studies.add_trials(studies.make_study(folder, plan), plan, range(plan.trials))
    out = folder / "steps.json"
    awaited(jobs, scale_work.dissected, [(str(folder), range(plan.trials), str(out))])
    found: dict[str, float] = json.loads(out.read_text())
    return found


def workers(small: bool) -> Tables:
    """The same trials on one worker and on two, and the same trainings without a search: what the machine gives."""
    trials, repeats, aim_s = (2, 2, 1.0) if small else (4, 2, 10.0)
    rows = []
    for fixed in (None, 1):
        with tempfile.TemporaryDirectory() as name, threads(fixed):
            rows += _speed_ups(Path(name), trials, repeats, aim_s, fixed)
    return {"Speed-up from one worker to two": rows}


def _speed_ups(folder: Path, trials: int, repeats: int, aim_s: float, fixed: int | None) -> list[Row]:
    times: dict[tuple[str, int], list[float]] = {(k, n): [] for k in ("search", "bare") for n in (1, 2)}
    with Local(folder / "one", 1) as one, Local(folder / "two", 2) as two:
        for count, jobs in ((1, one), (2, two)):
            meeting = folder / f"meeting-{count}"
            meeting.mkdir()
            awaited(jobs, scale_work.meet, [(str(meeting), n, count) for n in range(count)])
            searched(plan_of(2 * count, 2), folder / f"warm-up-{count}", jobs)
        epochs = calibrated(folder, one, aim_s)
        plan = plan_of(trials, epochs)
        for number in range(repeats):
            for count, jobs in ((1, one), (2, two)) if number % 2 else ((2, two), (1, one)):
                place = folder / f"{number}-{count}"
                times["search", count].append(searched(plan, place / "search", jobs))
                times["bare", count].append(trained(plan, place / "bare", jobs, count))
    rows = []
    for kind in ("search", "bare"):
        pairs = zip(times[kind, 1], times[kind, 2], strict=True)
        rows.append(
            {
                "what": kind,
                "trials": trials,
                "threads_of_1_worker": fixed or cores(),
                "threads_of_each_of_2": fixed or max(1, cores() // 2),
                "one_s": round(statistics.median(times[kind, 1]), 2),
                "two_s": round(statistics.median(times[kind, 2]), 2),
                **spread([alone / both for alone, both in pairs], "speed_up"),
            }
        )
    return rows


def driver(small: bool) -> Tables:
    """The driver's own time and memory, by the number of trials; trials without a training, then the smallest real."""
    counts: Sequence[int] = (20, 60) if small else (100, 300, 1000)
    most_s = 60.0 if small else 600.0
    trivial = [fresh(driven, count, False) for count in counts]
    real: list[Row] = []
    for count in counts:
        expected = real[-1]["wall_s"] * (count / real[-1]["trials"]) if real else 0.0
        if expected > most_s:
            print(f"{count} real trials are left out: they would take {expected:.0f} s")
            break
        real.append(fresh(driven, count, True))
    return {
        "The driver, trials without a training": trivial,
        "The driver, trainings of one epoch and two wires": real,
    }


def driven(count: int, real: bool) -> Row:
    """A search of so many trials with one warm worker, driven by this process."""
    plan = plan_of(count, 1, options={"wires": "2"})
    function = searches.run_trials if real else scale_work.tell
    with tempfile.TemporaryDirectory() as name, threads(None):
        folder = Path(name) / "search"
        searches.begin(plan, folder)
        with mock.patch.object(searches, "run_trials", function), Local(Path(name) / "jobs", 1) as jobs:
            searched(plan_of(1, 1, options={"wires": "2"}), Path(name) / "warm-up", jobs)
            before, used, began = memory_mib("VmRSS"), cpu_s(), time.perf_counter()
            searches.search(folder, jobs, poll_s=POLL_S)
            wall, used = time.perf_counter() - began, cpu_s() - used
        study = studies.make_study(folder, plan)
        look = seconds(lambda: searches._finished(study, plan.batches[0]))
        journal = (folder / studies.JOURNAL).stat().st_size
    return {
        "trials": count,
        "wall_s": round(wall, 2),
        "wall_ms_per_trial": round(1e3 * wall / count, 2),
        "driver_cpu_ms_per_trial": round(1e3 * used / count, 2),
        "driver_cpu_share": round(used / wall, 4),
        "look_ms": round(1e3 * look, 2),
        "driver_peak_mib": round(memory_mib(), 1),
        "grown_mib": round(memory_mib() - before, 1),
        "journal_bytes_per_trial": round(journal / count),
    }
