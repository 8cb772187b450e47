"""Seeing to it that every piece of work is done, whatever becomes of jobs, of the cluster or of the driver."""

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qcli.cluster.jobs import LIVE, Jobs, State
from qcli.cluster.log import Log

Key = int | str
MOST_JOBS = 1000
"""In one array: what Slurm takes unless its administrator says otherwise."""
FAREWELL_S = 30.0
"""For jobs to end whose work is done."""


@dataclass(frozen=True)
class Work:
    """Pieces of work that `function(*common, keys)` does, some of them in a job.

    Attributes:
        name: of the jobs, unlike that of any other work of the cluster's user.
        finished: the keys whose work has ended, as the work itself recorded it.
        give_up: told of a key whose jobs ended `attempts` times without it, and how the last one did.
        together: keys in one job.
    """

    name: str
    function: Callable[..., None]
    common: tuple[Any, ...]
    keys: Sequence[Key]
    finished: Callable[[], Collection[Key]]
    give_up: Callable[[Key, State], None]
    together: int = 1
    attempts: int = 3


@dataclass(frozen=True)
class Progress:
    """Keys by what they are doing."""

    total: int
    done: int
    running: int
    pending: int


@dataclass
class _Known:
    """What the log tells: each job's keys, whether it has ended, and how often each key was tried."""

    live: dict[str, tuple[Key, ...]] = field(default_factory=dict)
    tries: Counter[Key] = field(default_factory=Counter)
    ends: dict[Key, State] = field(default_factory=dict)
    submissions: int = 0


def drive(
    work: Work,
    jobs: Jobs,
    log: Log,
    on_poll: Callable[[Progress], None] = lambda progress: None,
    poll_s: float = 1.0,
) -> None:
    """Submit what is not finished and not under way, and wait, until nothing is left.

    The intent to submit is in the log before the jobs are, under a name that no other submission has: after a crash in
    between, the jobs are found by it. A piece of work is submitted again only when its job has ended without it.
    """
    known = _remembered(work, jobs, log)
    end = math.inf
    while True:
        states = jobs.states(list(known.live)) if known.live else {}
        over = {job: state for job, state in states.items() if state not in LIVE}
        if over:
            log.append("ended", work=work.name, jobs=over)
            _end(known, over)
        finished = set(work.finished())
        left = [key for key in work.keys if key not in finished]
        on_poll(_progress(work, left, known, states))
        if not left:
            end = min(end, time.monotonic() + FAREWELL_S)
            if not known.live or time.monotonic() > end:
                return
        busy = {key for keys in known.live.values() for key in keys}
        idle = [key for key in left if key not in busy]
        for key in [key for key in idle if known.tries[key] >= work.attempts]:
            idle.remove(key)
            work.give_up(key, known.ends[key])
        size = MOST_JOBS * work.together
        for start in range(0, len(idle), size):
            _submit(work, jobs, log, known, idle[start : start + size])
        time.sleep(poll_s)


def _remembered(work: Work, jobs: Jobs, log: Log) -> _Known:
    known = _Known()
    unsure: dict[str, Any] | None = None
    for event in log.events("submitting", "submitted", "ended"):
        if event["work"] != work.name:
            continue
        match event["event"]:
            case "submitting":
                known.submissions += 1
                unsure = event
            case "submitted":
                unsure = None
                _start(known, event["jobs"], event["keys"])
            case "ended":
                _end(known, event["jobs"])
    if unsure is not None:
        found = jobs.find(unsure["name"], len(unsure["keys"]))
        if found is not None:
            log.append("submitted", work=work.name, name=unsure["name"], keys=unsure["keys"], jobs=found)
            _start(known, found, unsure["keys"])
    return known


def _submit(work: Work, jobs: Jobs, log: Log, known: _Known, idle: list[Key]) -> None:
    known.submissions += 1
    name = f"{work.name}-{known.submissions}"
    keys = [tuple(idle[start : start + work.together]) for start in range(0, len(idle), work.together)]
    log.append("submitting", work=work.name, name=name, keys=keys)
    ids = jobs.submit(name, work.function, [(*work.common, list(each)) for each in keys])
    log.append("submitted", work=work.name, name=name, keys=keys, jobs=ids)
    _start(known, ids, keys)


def _start(known: _Known, ids: Sequence[str], keys: Sequence[Sequence[Key]]) -> None:
    for job, each in zip(ids, keys, strict=True):
        known.live[job] = tuple(each)
        known.tries.update(each)


def _end(known: _Known, over: Mapping[str, State]) -> None:
    for job, state in over.items():
        for key in known.live.pop(job, ()):
            known.ends[key] = state


def _progress(work: Work, left: Sequence[Key], known: _Known, states: Mapping[str, State]) -> Progress:
    at_work = {key for job, keys in known.live.items() if states.get(job) == "running" for key in keys}
    running = len(at_work.intersection(left))
    return Progress(len(work.keys), len(work.keys) - len(left), running, len(left) - running)
