"""What the parts of benchmarks/scale.py share."""

import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from qcli.cluster.jobs import LIVE, Jobs
from qcli.cluster.threads import VARIABLES

Row = dict[str, Any]
Tables = dict[str, list[Row]]
"""Rows by the table's title; those of one table have the same columns."""
SPAWN = get_context("spawn")
POLL_S = 0.2
"""Between two looks of the driver at its jobs, as in `qcli sweep`."""


def spread(values: Sequence[float], name: str, digits: int = 3) -> Row:
    """Median, least and most."""
    found = {"": statistics.median(values), "_least": min(values), "_most": max(values)}
    return {name + suffix: round(value, digits) for suffix, value in found.items()}


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def awaited(jobs: Jobs, function: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
    """Run jobs and wait for them."""
    ids = jobs.submit(f"wait-{time.monotonic_ns()}", function, arguments)
    while any(state in LIVE for state in jobs.states(ids).values()):
        time.sleep(0.01)
    states = set(jobs.states(ids).values())
    if states != {"done"}:
        raise SystemExit(f"{function.__name__} ended as {', '.join(sorted(states))}: see the workers' logs")


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """What processes that start meanwhile use; None: as they choose."""
    before = {name: os.environ.pop(name, None) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, str(count)) if count else {})
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({name: value} if value else {})


def fresh(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own, whose memory and CPU time nothing else has touched."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_answer, args=(theirs, function, arguments))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    except EOFError:
        raise SystemExit(f"{function.__name__}{arguments} failed") from None
    finally:
        process.join()


def _answer(pipe: Any, function: Callable[..., Any], arguments: Sequence[Any]) -> None:
    pipe.send(function(*arguments))


def memory_mib(field: str = "VmHWM") -> float:
    """Of this process: its peak (VmHWM) or what it holds now (VmRSS)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise ValueError(field)


def cpu_s(of: int = resource.RUSAGE_SELF) -> float:
    """CPU time of this process, or of its children that have ended."""
    usage = resource.getrusage(of)
    return usage.ru_utime + usage.ru_stime


def on_disk(folder: Path) -> tuple[int, int]:
    """Bytes and files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(path.stat().st_size for path in files), len(files)
