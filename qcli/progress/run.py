"""The stages of a progression one after the other, each gated by the one before."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from qcli.cluster.drive import Progress
from qcli.cluster.jobs import Jobs, Resources
from qcli.progress.context import Context
from qcli.progress.hpc import hpc
from qcli.progress.laptop import laptop
from qcli.progress.plan import Hpc, Progression
from qcli.progress.qpu import qpu
from qcli.progress.stage import STAGES, Folder, Name, Result, refusal, work_folder
from qcli.train.run import Run

JobsIn = Callable[[Path, Hpc, Resources], AbstractContextManager[Jobs]]


def folder_of(plan: Progression) -> Folder:
    """Where a progression keeps its state: `out`, or runs/progress-<model>."""
    return Folder(plan.out or Path("runs") / f"progress-{Path(plan.model).stem}")


def progress(
    plan: Progression,
    jobs_in: JobsIn,
    *,
    on_step: Callable[[Name, str], None] = lambda stage, text: None,
    on_seen: Callable[[Name, str, Progress], None] = lambda stage, text, progress: None,
    on_result: Callable[[Name, Result], None] = lambda stage, result: None,
) -> Folder:
    """Run all stages that have not passed their gates, or go on with one that was interrupted.

    Args:
        jobs_in: what runs jobs that keep their logs in a folder and are given so much.
        on_step, on_seen: told what a stage does next, and how far a part of it is.
        on_result: told of every stage that ends here.

    Raises:
        QcliError: a gate is not met (exit code 4); the file was edited where a stage rests on it; another process is at
            this progression.
    """
    folder = folder_of(plan)
    folder.check_unchanged(plan)
    with folder.log.driving():
        if folder.state("hpc") != "passed":
            _check_jobs(plan, work_folder(folder, plan, "hpc"), jobs_in)
        for stage in STAGES:
            if folder.state(stage) == "passed":
                continue
            work = work_folder(folder, plan, stage)
            context = Context(plan, folder, work, partial(on_step, stage), partial(on_seen, stage))
            folder.begin(plan, stage)
            started = time.monotonic()
            result = _run(stage, context, jobs_in)
            folder.end(stage, result, time.monotonic() - started)
            on_result(stage, result)
            if not result.met:
                raise refusal(stage, result)
    return folder


def _check_jobs(plan: Progression, work: Path, jobs_in: JobsIn) -> None:
    """A partition that is not there is found before the laptop's stage, not after it."""
    for given in (plan.hpc.slurm, plan.hpc.final or plan.hpc.slurm):
        with jobs_in(work / "jobs", plan.hpc, given) as jobs:
            jobs.check()


def _run(stage: Name, context: Context, jobs_in: JobsIn) -> Result:
    settings = context.plan.hpc
    match stage:
        case "laptop":
            return laptop(context)
        case "hpc":
            with (
                jobs_in(context.work / "jobs", settings, settings.slurm) as jobs,
                jobs_in(context.work / "jobs", settings, settings.final or settings.slurm) as final,
            ):
                return hpc(context, jobs, final)
        case "qpu":
            before = context.folder.result("hpc")
            assert before is not None
            return qpu(context, Run.open(before.facts["run"]), before.facts["device"])
