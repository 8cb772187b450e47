"""One training as a job: on a Slurm cluster, shared by the processes that the job is given."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from qcli.cluster.drive import Progress, Work, drive
from qcli.cluster.jobs import Jobs, Stopped
from qcli.cluster.log import Log
from qcli.errors import QcliError
from qcli.forecast.finetune import fine_tune
from qcli.search.study import name_of
from qcli.train.parallel import rank
from qcli.train.preempt import Preempted
from qcli.train.run import Run
from qcli.train.train import Silent
from qcli.train.workers import PEER_LOST

LOG = "jobs.jsonl"


def train_as_job(
    run: Run,
    jobs: Jobs,
    *,
    attempts: int = 3,
    poll_s: float = 1.0,
    on_poll: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train what is left of a run in a job, and wait for it; a job that is under way already is waited for.

    A job that is told to stop keeps its last step and is put back into the queue; one that is lost is submitted again.

    Raises:
        QcliError: the training failed, with its own error; or `attempts` jobs were lost.
    """
    log = Log(run.path / LOG)
    work = Work(
        name=f"train-{name_of(run.path)}",
        function=train_here,
        common=(str(run.path.resolve()),),
        keys=["training"],
        finished=partial(_finished, run),
        give_up=partial(_give_up, run),
        attempts=attempts,
    )
    with log.driving():
        drive(work, jobs, log, on_poll, poll_s)


def train_here(path: str, keys: Sequence[str]) -> None:
    """In a job: all that is left of a run's training, together with the job's other processes."""
    _meet()
    run = Run.open(path)
    try:
        if run.info.noise is None:
            rank(path)
        else:
            rank(path, None, partial(fine_tune, run, Silent()))
    except Preempted:
        raise Stopped from None
    except QcliError as error:
        if error.what != PEER_LOST:
            Log(run.path / LOG).append("error", what=error.what, where=error.where, fix=error.fix)
        raise


def _meet() -> None:
    """Tell torch of the other tasks of a Slurm job, and where to meet."""
    if int(os.environ.get("SLURM_NTASKS", "1")) == 1:
        return
    from submitit.helpers import TorchDistributedEnvironment

    TorchDistributedEnvironment().export(overwrite=True)
    if os.environ.get("SLURM_JOB_NUM_NODES") == "1":
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}


def _finished(run: Run) -> set[str]:
    """Raises the training's own error, which another job would only repeat."""
    last = Log(run.path / LOG).events("submitting", "error")[-1:]
    if last and last[0]["event"] == "error":
        raise QcliError(last[0]["what"], last[0]["where"], last[0]["fix"], exit_code=1)
    return {"training"} if (run.path / "metrics.json").is_file() else set()


def _give_up(run: Run, key: Any, state: str) -> None:
    raise QcliError(
        f"the training did not end, its last job as {state}",
        str(run.path),
        f"see the jobs' logs in {run.path / 'jobs'}, then qcli train --resume {run.path}",
        exit_code=1,
    )
