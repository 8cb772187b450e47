"""The part `constants` of benchmarks/scale.py: what each trial, job and step asks of what all of them share."""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import scale_work
from scale_cluster import squeue
from scale_common import SPAWN, Row, Tables, fresh, memory_mib, on_disk, seconds
from scale_search import plan_of, searched

from qcli.cluster.local import Local
from qcli.search import study as studies
from qcli.search.plan import Plan
from tests.slurm.cluster import missing

TOLD = 4000
"""Trials of the study that processes tell of at once."""


def constants(small: bool) -> Tables:
    """One table for each thing that is shared."""
    tables = {
        "Journal: trials told at once": [
            storage(count, 1.0 if small else 5.0) for count in ((1, 2) if small else (1, 2, 4, 8))
        ],
        "Journal: a study of many trials": [
            fresh(opened, count) for count in ((100, 1000) if small else (100, 1_000, 10_000))
        ],
        "Checkpoints": [checkpoint(kind, 3 if small else 20) for kind in ("qcnn", "10^6 parameters")],
        "Sum over two processes (gloo, loopback)": sums(small),
        "A trial on disk": [trial_on_disk(2 if small else 8)],
        "A worker's imports": [imports()],
    }
    if why := missing():
        print(f"squeue is left out: {why}")
    else:
        tables["squeue"] = squeue((8, 16) if small else (200, 1000), 3 if small else 10)
    return tables


def storage(processes: int, length_s: float) -> Row:
    """Trials told in a second by so many processes at once, each two lines of the journal with their locks and fsyncs.
    The study is the same for all numbers of processes."""
    each = TOLD // processes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _journal(folder, plan_of(TOLD, 1), running=TOLD, ended=0)
        floor = _fsync(folder)
        ready, go, answers = SPAWN.Semaphore(0), SPAWN.Event(), SPAWN.Queue()
        working = [
            SPAWN.Process(
                target=scale_work.tells,
                args=(name, range(n * each, (n + 1) * each), ready, go, length_s, answers),
            )
            for n in range(processes)
        ]
        for process in working:
            process.start()
        for _ in working:
            ready.acquire()
        go.set()
        found = [answers.get(timeout=60 + 10 * length_s) for _ in working]
        for process in working:
            process.join()
    per_s = sum(trials for trials, _, _ in found) / max(took for _, took, _ in found)
    return {
        "processes": processes,
        "trials_per_s": round(per_s, 1),
        "appends_per_s": round(2 * per_s, 1),
        "least_of_a_process_per_s": round(min(trials / took for trials, took, _ in found), 1),
        "longest_ms": round(1e3 * max(longest for _, _, longest in found), 1),
        "fsync_ms": round(1e3 * floor, 2),
    }


def _fsync(folder: Path) -> float:
    """Median seconds of appending a short line and forcing it to the disk: the floor of an append."""
    times = []
    with (folder / "line").open("ab") as file:
        for _ in range(50):
            began = time.perf_counter()
            file.write(b"x" * 200 + b"\n")
            file.flush()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def _journal(folder: Path, plan: Plan, running: int, ended: int) -> None:
    """The journal of a search with so many trials, made of the lines that one trial leaves in it."""
    plan.save(folder)
    with tempfile.TemporaryDirectory() as name:
        study = studies.make_study(Path(name), plan)
        path = Path(name) / studies.JOURNAL
        start = path.read_text()
        studies.add_trials(study, plan, range(1))
        create = path.read_text()[len(start) :]
        scale_work.told(study, 0)
        end = path.read_text()[len(start) + len(create) :]
    ends = [end.replace('"trial_id":0', f'"trial_id":{number}') for number in range(ended)]
    (folder / studies.JOURNAL).write_text(start + create * (running + ended) + "".join(ends))


def _known(folder: Path, plan: Plan) -> int:
    study = studies.open_study(folder, plan)
    assert study is not None
    return len(study.get_trials(deepcopy=False))


def opened(count: int) -> Row:
    """A search of which so many trials have ended: what a worker pays to open it, a driver to look at it and to draw
    more trials."""
    with tempfile.TemporaryDirectory() as name:
        folder, plan = Path(name), plan_of(count, 1)
        _journal(folder, plan, running=0, ended=count)
        before = memory_mib("VmRSS")
        worker = seconds(lambda: _known(folder, plan))
        study = studies.make_study(folder, plan)
        trials = study.get_trials(deepcopy=False)
        assert len(trials) == count and all(studies.ended(trial) for trial in trials)
        look = seconds(lambda: [studies.ended(t) for t in study.get_trials(deepcopy=False)])
        tpe = plan_of(count + 8, 1, sampler="tpe")
        draw = seconds(lambda: studies.points(tpe, range(count, count + 8), trials))
        size = (folder / studies.JOURNAL).stat().st_size
        grown = memory_mib("VmRSS") - before
    return {
        "trials": count,
        "file_mb": round(size / 1e6, 2),
        "open_ms": round(1e3 * worker, 1),
        "look_ms": round(1e3 * look, 2),
        "draw_8_by_tpe_ms": round(1e3 * draw, 1),
        "grown_mib": round(grown, 1),
    }


def checkpoint(kind: str, repeats: int) -> Row:
    """Weights, best weights and Adam's two averages, after 30 epochs."""
    import torch

    from qcli.model.load import build_model, find_model, parse_options
    from qcli.train.state import Epoch, State, restore, save

    if kind == "qcnn":
        source = find_model("qcnn")
        model = build_model(source, 64, 2, parse_options(source, {}), 0)
    else:
        model = torch.nn.Linear(1000, 1000)
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state = State(model, optimizer, torch.Generator().get_state())
    state.best = state.weights()
    state.history = [Epoch(0, number, 0.5, 0.9, 0.5, 0.9, 0.123456, 10 * number) for number in range(1, 31)]
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "checkpoint.safetensors"
        write = [seconds(lambda: save(state, path)) for _ in range(repeats)]
        read = [seconds(lambda: restore(state, path)) for _ in range(repeats)]
        size, floor = path.stat().st_size, _fsync(Path(name))
    return {
        "model": kind,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "kilobytes": round(size / 1e3, 1),
        "write_ms": round(1e3 * statistics.median(write), 2),
        "write_most_ms": round(1e3 * max(write), 2),
        "read_ms": round(1e3 * statistics.median(read), 2),
        "fsync_ms": round(1e3 * floor, 2),
    }


def sums(small: bool) -> list[Row]:
    """One sum of float64 over two processes of this machine, as a training's step makes it (Workers.sum)."""
    lengths = (10**3, 10**5) if small else (10**3, 10**5, 10**7)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    answers = SPAWN.Queue()
    working = [
        SPAWN.Process(target=scale_work.reduce, args=(rank, port, lengths, answers)) for rank in range(2)
    ]
    for process in working:
        process.start()
    found = answers.get(timeout=300)
    for process in working:
        process.join()
    return [
        {
            "float64": length,
            "ms": round(1e3 * statistics.median(times), 3),
            "ms_least": round(1e3 * times[0], 3),
            "ms_most": round(1e3 * times[-1], 3),
            "megabytes_per_s": round(8e-6 * length / statistics.median(times), 1),
        }
        for length, times in found.items()
    ]


def trial_on_disk(trials: int) -> Row:
    """What a search leaves for each trial."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "search"
        with Local(Path(name) / "jobs", 1) as jobs:
            searched(plan_of(trials, 30), folder, jobs)
        size, files = on_disk(folder / "trials")
        events = (folder / "events.jsonl").stat().st_size
        journal = (folder / studies.JOURNAL).stat().st_size
    return {
        "epochs": 30,
        "folder_bytes": round(size / trials),
        "folder_files": round(files / trials, 1),
        "journal_bytes": round(journal / trials),
        "events_bytes": round(events / trials),
    }


_IMPORT = """
import time; began = time.perf_counter()
from qcli.search import trial
import sys, json, pathlib
took = time.perf_counter() - began
files = [getattr(m, "__cached__", None) or getattr(m, "__file__", None) for m in list(sys.modules.values())]
mapped = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
paths = {p for p in files if isinstance(p, str)} | mapped
sizes = [pathlib.Path(p).stat().st_size for p in paths if pathlib.Path(p).is_file()]
print(json.dumps([took, len(sizes), sum(sizes)]))
"""


def imports() -> Row:
    """What a worker reads before its first trial: seconds with all of it in memory, files, and calls that name one."""
    took, files, size = json.loads(
        subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True, text=True).stdout
    )
    return {
        "warm_s": round(took, 2),
        "files": files,
        "megabytes": round(size / 1e6),
        "calls_on_files": _calls(),
    }


def _calls() -> int | None:
    """Of the system that name a file or list a folder, as strace counts them."""
    command = [
        "strace",
        "-f",
        "-qq",
        "-c",
        "-e",
        "trace=open,openat,stat,newfstatat,lstat,readlink,access,getdents64",
    ]
    try:
        done = subprocess.run([*command, sys.executable, "-c", _IMPORT], capture_output=True, text=True)
    except FileNotFoundError:
        return None
    total = re.findall(r"^100\.00.*?(\d+)(?:\s+\d+)?\s+total$", done.stderr, re.MULTILINE)
    return int(total[0]) if total else None
