"""Inside a Slurm job: a signal to stop is answered by putting the job back into the queue, whenever it comes.

From the first line of Python until `run` can answer, signals are held back; while the training has handlers of its own
it keeps its state and raises `Stopped`; at all other times the handlers set here requeue the job at once.
"""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import NoReturn

from qcli.cluster.jobs import Stopped
from qcli.cluster.threads import limit_threads
from qcli.errors import QcliError

TOLD = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)
RESTARTS = 20
PATIENCE_S = 60.0


def main() -> None:
    """What Slurm starts, in place of `python -m submitit.core._submit FOLDER`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)
    limit_threads(int(os.environ.get("SLURM_CPUS_PER_TASK", "1")))
    from submitit.core.submission import process_job

    process_job(sys.argv[-1])


def run(payload: bytes) -> None:
    """Run a pickled function; its imports happen here, after submitit's handlers were replaced."""
    for number in TOLD:
        signal.signal(number, lambda *_: requeue())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
    try:
        function, arguments = pickle.loads(payload)
        function(*arguments)
    except Stopped:
        requeue()


def requeue(limit: int = RESTARTS) -> NoReturn:
    """Put this very job, or task of an array, back into the queue and end the process.

    A job that Slurm is ending anyway (cancelled, out of time) is left to end. Of a job's several processes the first
    one requeues it, the others wait to be ended.

    Raises:
        QcliError: it was requeued `limit` times before, or the controller does not answer; the job then fails.
    """
    for number in TOLD:
        signal.signal(number, signal.SIG_IGN)
    if os.environ.get("SLURM_PROCID", "0") != "0":
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(PATIENCE_S)
        sys.exit(1)
    job = job_id(os.environ)
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) >= limit:
        raise QcliError(f"the job was requeued {limit} times and is not done", job, "give it more time_s")
    if _ask("squeue", "--noheader", "--states=all", "--format=%T", f"--jobs={job}") == "RUNNING":
        _ask("scontrol", "requeue", job)
    sys.exit(128 + signal.SIGTERM)


def job_id(environment: Mapping[str, str]) -> str:
    """The job's id as `squeue` and `scontrol` know it: `7`, or `7_3` for a task of an array."""
    if "SLURM_ARRAY_JOB_ID" in environment:
        return f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
    return environment["SLURM_JOB_ID"]


def _ask(*command: str) -> str:
    end = time.monotonic() + PATIENCE_S
    while True:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip()
        if time.monotonic() > end:
            raise QcliError(f"{command[0]} fails: {done.stderr.strip()}", job_id(os.environ), exit_code=1)
        time.sleep(2)


if __name__ == "__main__":
    main()
