"""What the workers of benchmarks/scale.py do. Imports come late: a job that does nothing shall not pay for torch."""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock


def bare(folder: str, numbers: Sequence[int], out: str) -> None:
    """Train the points of a search's trials, and nothing else. Writes when each training began and ended."""
    from qcli.search import study as studies
    from qcli.search.plan import open_plan
    from qcli.simulate.engine import precision_named
    from qcli.simulate.exact import Exact
    from qcli.simulate.executor import using
    from qcli.train.loop import fit
    from qcli.train.train import Silent, prepare

    plan, here = open_plan(Path(folder)), Path(out)
    run = prepare(plan.model, plan.data, None, plan.options, plan.test_size, plan.settings, here / "run")
    train, validation = run.rows("train"), run.rows("validation")
    times = []
    for number, point in zip(numbers, studies.points(plan, numbers, ()), strict=True):
        settings = plan.settings_at(point)
        checkpoint = here / f"{number}.safetensors"
        began = time.time()
        with using(Exact(settings.engine, precision_named(settings.precision))):
            model = run.new_model(settings.seed)
            fit(model, train, validation, settings, settings.seed, checkpoint, Silent())
        times.append((began, time.time()))
    (here / "times.json").write_text(json.dumps(times))


def meet(folder: str, number: int, count: int) -> None:
    """Wait for the other workers, so that each has started when the clock does."""
    from qcli.search import trial  # noqa: F401

    here = Path(folder)
    (here / f"{number}.here").touch()
    while len(list(here.glob("*.here"))) < count:
        time.sleep(0.01)


def tell(folder: str, numbers: Sequence[int]) -> None:
    """In place of qcli.search.trial.run_trials: the study's part of a trial, and no training."""
    from qcli.search.trial import opened

    _, study = opened(folder)
    for number in numbers:
        told(study, number)


def told(study: Any, number: int) -> None:
    """End a trial as qcli.search.trial does, with two lines of the journal."""
    from qcli.search import study as studies

    record = {"epochs": 30, "seconds": 12.345, "host": "node-0001", "job": "123456"}
    studies.trial_of(study, number).set_user_attr("record", record)
    studies.tell(study, number, [0.5])


def touch(folder: str, keys: Sequence[int]) -> None:
    """A job that does nothing but say when it began."""
    for key in keys:
        (Path(folder) / str(key)).write_text(str(time.time()))


def dissected(folder: str, numbers: Sequence[int], out: str) -> None:
    """Run trials and write the seconds spent in each of their steps, those inside of another one after a colon."""
    from qcli.search import study as studies
    from qcli.search import trial
    from qcli.train import loop, train
    from qcli.train.run import Run

    steps: list[tuple[str, Any, str]] = [
        ("open plan and study", trial, "opened"),
        ("prepare", trial, "prepare"),
        ("prepare: load and hash data", train, "load"),
        ("prepare: split", train, "split"),
        ("prepare: build and trace", train, "build_model"),
        ("build and trace again", Run, "new_model"),
        ("load and scale rows again", Run, "rows"),
        ("fit", trial, "fit"),
        ("fit: checkpoints", loop, "save"),
        ("objectives", trial, "measure"),
        ("write weights", trial, "save_tensors"),
        ("write history", trial, "write_history"),
        ("tell the study", studies, "tell"),
    ]
    spent: dict[str, float] = defaultdict(float)
    with ExitStack() as stack:
        for label, owner, name in steps:
            stack.enter_context(mock.patch.object(owner, name, _timed(getattr(owner, name), label, spent)))
        began = time.perf_counter()
        trial.run_trials(folder, numbers)
        spent["all"] = time.perf_counter() - began
    named = sum(seconds for label, seconds in spent.items() if ":" not in label and label != "all")
    found = {label: spent[label] for label, _, _ in steps} | {"rest": spent["all"] - named}
    Path(out).write_text(json.dumps(found | {"all": spent["all"]}))


_DEPTH: list[str] = []


def _timed(function: Callable[..., Any], label: str, spent: dict[str, float]) -> Callable[..., Any]:
    """A call counts only inside of the step that its label names, and outside of others if it names none."""

    outer = label.rpartition(": ")[0]
    around = [outer] if outer else []

    def timed(*arguments: Any, **options: Any) -> Any:
        if around != _DEPTH:
            return function(*arguments, **options)
        with _inside(label):
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                spent[label] += time.perf_counter() - began

    return timed


@contextmanager
def _inside(label: str) -> Iterator[None]:
    _DEPTH.append(label)
    try:
        yield
    finally:
        _DEPTH.pop()


def tells(folder: str, numbers: range, ready: Any, go: Any, seconds: float, answers: Any) -> None:
    """End trials as trials do, for at most so many seconds: how many, in how many seconds, the longest of one."""
    from qcli.search.trial import opened

    _, study = opened(folder)
    trials = study.get_trials(deepcopy=False)
    assert len(trials) > numbers.stop - 1
    ready.release()
    go.wait()
    start, done, longest = time.perf_counter(), 0, 0.0
    for number in numbers:
        began = time.perf_counter()
        if began > start + seconds:
            break
        told(study, number)
        done, longest = done + 1, max(longest, time.perf_counter() - began)
    answers.put((done, time.perf_counter() - start, longest))


def reduce(rank: int, port: int, lengths: Sequence[int], answers: Any) -> None:
    """Seconds of one sum over two processes, by length; as a training makes it."""
    import os

    import torch

    from qcli.train.workers import joined

    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    os.environ |= {"MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    found = {}
    with joined() as workers:
        for length in lengths:
            values = torch.ones(length, dtype=torch.float64)
            times = []
            for _ in range(5 if length > 1e6 else 50):
                workers.sum(torch.zeros(1))
                began = time.perf_counter()
                workers.sum(values)
                times.append(time.perf_counter() - began)
            found[length] = sorted(times)
    if rank == 0:
        answers.put(found)
