"""The journal under load: python benchmarks/journal.py [--circuits 1000 10000]; prints JSON.

A forward pass of so many circuits on the terms of Garnet, in program sets, against a service in memory that answers at
once: what is left is qcli's own work. `seconds` are of the whole pass, `again_seconds` of the same pass when everything
is known; `memory_mb` is Python's own at its peak (tracemalloc), `resident_mb` what the process grew by. `separate` is
the same with a task for each circuit, which is the most that a journal holds. Lookups are of one circuit or task each,
in a journal of that size; the goal is 5 ms.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")

from qcli.execute.journal import Journal  # noqa: E402
from tests.execute.fake_service import Cloud, FakeService, hardware, reading  # noqa: E402

FORK = multiprocessing.get_context("fork")
LOOKUPS = 1_000


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def lookups(path: Path) -> dict[str, dict[str, float]]:
    """Median and 99th percentile in ms of each kind."""
    journal, generator = Journal.reading(path), np.random.default_rng(0)
    entries = list(journal.entries())
    tasks = [entries[k] for k in generator.integers(len(entries), size=LOOKUPS)]
    keys = [[str(generator.choice(task.circuits))] for task in tasks]
    kinds: dict[str, list[Callable[[], object]]] = {
        "result": [lambda key=key: journal.results(key) for key in keys],
        "under way": [lambda key=key: journal.under_way(key) for key in keys],
        "attempts": [lambda key=key: journal.attempts(key) for key in keys],
        "task": [lambda token=task.token: journal.entry(token) for task in tasks],
        "committed": [journal.committed] * LOOKUPS,
    }
    times = {kind: [1e3 * seconds(call) for call in calls] for kind, calls in kinds.items()}
    return {
        kind: {
            "median_ms": round(float(np.median(each)), 4),
            "p99_ms": round(float(np.quantile(each, 0.99)), 4),
        }
        for kind, each in times.items()
    }


def passes(folder: Path, circuits: int, plan: str, answers: Any) -> None:
    wanted = [reading(circuits)]
    device = hardware(folder, FakeService(Cloud()), plan, durable=True)
    first = seconds(lambda: device.read(wanted))
    again = seconds(lambda: device.read(wanted))
    size = sum(path.stat().st_size for path in folder.glob("journal.sqlite*")) / 1e6
    answers.put(
        {
            "seconds": round(first, 2),
            "again_seconds": round(again, 2),
            "file_mb": round(size, 1),
            "lookups": lookups(folder / "journal.sqlite"),
        }
    )


def memory(folder: Path, circuits: int, plan: str, answers: Any) -> None:
    wanted = [reading(circuits)]
    device = hardware(folder, FakeService(Cloud()), plan, durable=True)
    before = psutil.Process().memory_info().rss
    tracemalloc.start()
    device.read(wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    grown = psutil.Process().memory_info().rss - before
    answers.put({"memory_mb": round(peak / 1e6, 1), "resident_mb": round(grown / 1e6, 1)})


def measured(circuits: int, plan: str) -> dict[str, Any]:
    """Each figure in a process of its own."""
    found: dict[str, Any] = {"circuits": circuits, "plan": plan}
    for work in (passes, memory):
        answers = FORK.Queue()
        with tempfile.TemporaryDirectory() as folder:
            process = FORK.Process(target=work, args=(Path(folder), circuits, plan, answers))
            process.start()
            found |= answers.get(timeout=1800)
            process.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--circuits", type=int, nargs="+", default=[1_000, 10_000])
    options = parser.parse_args()
    rows = [measured(circuits, "program-sets") for circuits in options.circuits]
    rows.append(measured(max(options.circuits), "separate"))
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
