"""The part `slurm` of benchmarks/scale.py: arrays on a Slurm of one node, which is started for it."""

import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import scale_work
from scale_common import Row, Tables, cpu_s, fresh, memory_mib, on_disk, seconds

from qcli.cluster.drive import Work, drive
from qcli.cluster.jobs import Resources
from qcli.cluster.log import Log
from qcli.cluster.slurm import Slurm
from qcli.cluster.threads import cores
from tests.slurm.cluster import Cluster, missing

POLL_S = 5.0
"""As in `qcli sweep --executor slurm`."""


@contextmanager
def started() -> Iterator[Cluster]:
    """A cluster with this machine's cores, which the commands of this process find."""
    # munge wants a short path for its socket
    with tempfile.TemporaryDirectory(prefix="scale-", dir="/tmp") as name:
        cluster = Cluster(Path(name), cpus=cores())
        with cluster:
            os.environ.update(cluster.environment)
            try:
                yield cluster
            finally:
                for variable in cluster.environment:
                    os.environ.pop(variable, None)


def slurm(small: bool) -> Tables:
    """An array of jobs that do nothing, driven as a search is; beside it the same array without qcli."""
    if why := missing():
        print(f"slurm is left out: {why}")
        return {}
    rows = []
    with started() as cluster:
        for count in (4, 8) if small else (50, 200):
            rows.append(fresh(array, str(cluster.folder / f"array-{count}"), count))
            rows[-1]["without_qcli_s"] = round(_plain(cluster.folder / f"plain-{count}", count), 1)
    return {"Arrays of jobs on Slurm": rows}


def array(name: str, count: int) -> Row:
    """So many jobs, driven by this process."""
    folder = Path(name)
    done = folder / "done"
    done.mkdir(parents=True)
    jobs = _Watched(folder / "jobs", Resources(time_s=300))
    work = Work(
        name=f"scale-{count}",
        function=scale_work.touch,
        common=(str(done),),
        keys=range(count),
        finished=lambda: {int(path.name) for path in done.iterdir()},
        give_up=lambda key, state: print(f"job {key} ended as {state}"),
    )
    before, own, others = memory_mib("VmRSS"), cpu_s(), cpu_s(resource.RUSAGE_CHILDREN)
    began = time.time()
    drive(work, jobs, Log(folder / "events.jsonl"), poll_s=POLL_S)
    wall = time.time() - began
    starts = sorted(float(path.read_text()) for path in done.iterdir())
    size, files = on_disk(folder / "jobs")
    return {
        "jobs": count,
        "cores": cores(),
        "wall_s": round(wall, 1),
        "submit_s": round(jobs.submit_s, 2),
        "first_job_s": round(starts[0] - began, 2),
        "last_job_s": round(starts[-1] - began, 1),
        "polls": len(jobs.times),
        "squeue_ms": round(1e3 * statistics.median(jobs.times), 1),
        "driver_cpu_ms_per_job": round(1e3 * (cpu_s() - own) / count, 2),
        "commands_cpu_ms_per_job": round(1e3 * (cpu_s(resource.RUSAGE_CHILDREN) - others) / count, 2),
        "driver_peak_mib": round(memory_mib(), 1),
        "grown_mib": round(memory_mib() - before, 1),
        "bytes_per_job": round(size / count),
        "files_per_job": round(files / count, 1),
    }


class _Watched(Slurm):
    """Slurm with a stopwatch."""

    submit_s = 0.0

    def __init__(self, folder: Path, resources: Resources) -> None:
        super().__init__(folder, resources)
        self.times: list[float] = []

    def submit(self, *given):  # type: ignore[no-untyped-def]
        began = time.perf_counter()
        ids = super().submit(*given)
        self.submit_s += time.perf_counter() - began
        return ids

    def states(self, ids):  # type: ignore[no-untyped-def]
        began = time.perf_counter()
        found = super().states(ids)
        self.times.append(time.perf_counter() - began)
        return found


def _plain(folder: Path, count: int) -> float:
    """Seconds of an array whose jobs touch a file, from sbatch to the last file."""
    folder.mkdir()
    script = f"touch {folder}/$SLURM_ARRAY_TASK_ID"
    began = time.perf_counter()
    subprocess.run(
        ["sbatch", "--output=/dev/null", f"--array=0-{count - 1}", f"--wrap={script}"],
        check=True,
        capture_output=True,
    )
    while len(list(folder.iterdir())) < count:
        time.sleep(0.1)
    return time.perf_counter() - began


def squeue(counts: tuple[int, ...], repeats: int) -> list[Row]:
    """How long squeue takes for so many jobs that wait, in arrays of 200."""
    rows: list[Row] = []
    with started() as cluster:
        jobs, ids = Slurm(cluster.folder / "jobs", Resources()), []
        for count in counts:
            while len(ids) < count:
                more = min(200, count - len(ids))
                number = subprocess.run(
                    ["sbatch", "--parsable", "--hold", f"--array=0-{more - 1}", "--wrap=true"],
                    check=True,
                    capture_output=True,
                    text=True,
                ).stdout.strip()
                ids += [f"{number}_{task}" for task in range(more)]
            used = cpu_s()
            times = [seconds(partial(jobs.states, tuple(ids))) for _ in range(repeats)]
            used = (cpu_s() - used) / repeats
            rows.append(
                {
                    "jobs": count,
                    "squeue_ms": round(1e3 * statistics.median(times), 1),
                    "driver_cpu_ms": round(1e3 * used, 2),
                }
            )
    return rows
