"""Jobs on a Slurm cluster, submitted by submitit and watched through `squeue`; `sacct` and submitit's own result files
tell about jobs that `squeue` has forgotten. Clusters with and without accounting are served alike."""

import contextlib
import io
import math
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qcli.cluster.jobs import Resources, State
from qcli.cluster.slurm_job import requeue, run
from qcli.cluster.slurm_states import Row, array_of, by_array, refusal, rows, task_ids
from qcli.errors import QcliError

__all__ = ["Slurm", "parameters", "requeue"]

_ASKED = (
    "partition",
    "account",
    "qos",
    "time",
    "nodes",
    "ntasks_per_node",
    "cpus_per_task",
    "gpus_per_node",
    "mem",
)
UNKNOWN = ("Invalid job id", "accounting storage is disabled", "already completing or completed")
SILENT = ("Unable to contact", "timed out", "Connection refused", "Zero Bytes", "in standby mode")


class Slurm:
    """Jobs of the user who runs us, with all their files in `folder`, which the cluster's nodes must see as well."""

    def __init__(self, folder: Path, resources: Resources, patience_s: float = 300.0) -> None:
        """patience_s: how long the controller may be down or restarting before a call gives up."""
        self.folder = folder.absolute()
        self.resources = resources
        self.patience_s = patience_s

    def submit(
        self, name: str, function: Callable[..., None], arguments: Sequence[tuple[Any, ...]]
    ) -> tuple[str, ...]:
        """Start `function(*a)` for every `a` of `arguments`, as one array; the jobs' ids, in that order.

        A `function` that was told to stop raises `Stopped`; its job is then requeued.

        Raises:
            QcliError: Slurm is not here or refuses the jobs; with exit code 1: the controller does not answer, and
                may have taken the jobs nevertheless: `find` them before submitting again.
        """
        submitit = _submitit()
        import cloudpickle  # submitit brings it

        if not re.fullmatch(r"[\w.-]+", name):
            raise QcliError(f"job name {name!r}", fix="use letters, digits, '.', '_' and '-'")
        options = parameters(name, self.resources)
        for program in ("sbatch", "srun"):
            if shutil.which(program) is None:
                raise _absent(program)
        _check_writable(self.folder)
        if not arguments:
            return ()
        payloads = [cloudpickle.dumps((function, a)) for a in arguments]
        executor = submitit.SlurmExecutor(
            self.folder, python=f"{shlex.quote(sys.executable)} -u -m qcli.cluster.slurm_job"
        )
        executor.update_parameters(**options)
        try:
            with contextlib.redirect_stderr(io.StringIO()), _outside_of_jobs():
                jobs = executor.map_array(run, payloads)
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            for stray in _unclaimed(self.folder):
                stray.unlink()
            raise _refused(str(error)) from None
        return tuple(job.job_id for job in jobs)

    def check(self) -> None:
        """Ask Slurm whether it would take such a job.

        Raises:
            QcliError: as `submit`.
        """
        _submitit()
        given = parameters("test", self.resources)
        for program in ("sbatch", "srun"):
            if shutil.which(program) is None:
                raise _absent(program)
        _check_writable(self.folder)
        flags = [f"--{key.replace('_', '-')}={given[key]}" for key in _ASKED if key in given]
        command = ["sbatch", "--test-only", "--output=/dev/null", *flags, "--wrap=true"]
        with _outside_of_jobs():
            done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise _refused(done.stderr)

    def find(self, name: str, count: int) -> tuple[str, ...] | None:
        """The ids of an array of `count` jobs that was submitted under this name and to this folder, or None.

        An array whose driver died before it had put the jobs' files in place can only fail: it is cancelled here.
        """
        found = self._rows(
            "squeue", f"--name={name}", f"--user={os.getuid()}", "--states=all", form="%i|%T|%o"
        )
        ours = [row for row in found if Path(row.command).parent == self.folder]
        if not ours:
            ours = [
                row
                for row in self._accounted(f"--name={name}", "--starttime=now-60days")
                if self._has(row.id)
            ]
        for array, members in by_array(ours).items():
            if not all(self._has(row.id) for row in members):
                self.cancel([row.id for row in members])
                continue
            ids = task_ids(array, count)
            if {row.id for row in members} <= set(ids) and all(map(self._has, ids)):
                return ids
        return None

    def states(self, ids: Sequence[str]) -> Mapping[str, State]:
        """What each job is doing, asked in one call. `lost`: neither Slurm nor a result file knows it.

        Raises:
            QcliError: with exit code 1, the controller does not answer.
        """
        if not ids:
            return {}
        listed = self._rows("squeue", _jobs(ids), "--states=all", form="%i|%T")
        known = {row.id: row.state for row in listed}
        forgotten = [one for one in ids if one not in known]
        if forgotten:
            known = {row.id: row.state for row in self._accounted(_jobs(forgotten))} | known
        arrays = {array_of(row.id) for row in listed}
        return {one: known.get(one) or self._trace(one, array_of(one) in arrays) for one in ids}

    def cancel(self, ids: Sequence[str]) -> None:
        """Stop jobs that have not ended; others are left as they are."""
        if ids:
            self._ask("scancel", "--quiet", *ids)

    def _has(self, job: str) -> bool:
        return (self.folder / f"{job}_submitted.pkl").exists()

    def _trace(self, job: str, array_is_listed: bool) -> State:
        """What the files say about a job that Slurm does not list; submitit writes one when a function has ended.

        Tasks that are cancelled before they start vanish from a queue without accounting, while their array stays.
        """
        try:
            outcome, _ = pickle.loads((self.folder / f"{job}_0_result.pkl").read_bytes())
        except (OSError, EOFError, pickle.UnpicklingError):
            started = (self.folder / f"{job}_0_log.out").exists()
            return "cancelled" if array_is_listed and not started else "lost"
        return "done" if outcome == "success" else "failed"

    def _rows(self, *command: str, form: str) -> list[Row]:
        return rows(self._ask(*command, "--array", "--noheader", f"--format={form}"))

    def _accounted(self, *which: str) -> list[Row]:
        """What the accounting knows; nothing where there is none."""
        if shutil.which("sacct") is None:
            return []
        form = ("--allocations", "--noheader", "--parsable2", "--format=JobID,State")
        return rows(self._ask("sacct", *which, *form))

    def _ask(self, *command: str) -> str:
        """What a command of Slurm answers, asked again while the controller is down; nothing for unknown jobs."""
        end = time.monotonic() + self.patience_s
        while True:
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=120)
            except FileNotFoundError:
                raise _absent(command[0]) from None
            except subprocess.TimeoutExpired:
                message = "no answer within two minutes"
            else:
                if done.returncode == 0 or any(words in done.stderr for words in UNKNOWN):
                    return done.stdout
                message = done.stderr.strip()
            if time.monotonic() > end:
                raise _unanswered(f"{command[0]}: {message}")
            time.sleep(min(5.0, self.patience_s / 10))


def _jobs(ids: Sequence[str]) -> str:
    """The option that names jobs: by array, since many tasks make a long line."""
    return f"--jobs={','.join(dict.fromkeys(map(array_of, ids)))}"


def parameters(name: str, resources: Resources) -> dict[str, Any]:
    """The resources in submitit's words."""
    if resources.signal_s >= resources.time_s:
        raise QcliError(
            f"signal_s = {resources.signal_s} is not less than time_s = {resources.time_s}",
            fix="a job is told to stop signal_s before its limit: give it more time_s",
        )
    memory = resources.memory_gb
    optional = {
        "partition": resources.partition,
        "account": resources.account,
        "qos": resources.qos,
        "gpus_per_node": resources.gpus or None,
        "mem": None if memory is None else f"{math.ceil(memory * 1024)}MB",
    }
    return {key: value for key, value in optional.items() if value is not None} | {
        "job_name": name,
        "time": math.ceil(resources.time_s / 60),
        "nodes": resources.nodes,
        "ntasks_per_node": resources.tasks_per_node,
        "cpus_per_task": resources.cpus,
        "array_parallelism": resources.width,
        "setup": list(resources.setup),
        "signal_delay_s": resources.signal_s,
        "wckey": None,
        # since Slurm 22.05 srun does not take it from sbatch
        "srun_args": [f"--cpus-per-task={resources.cpus}"],
        "additional_parameters": {"requeue": True} | {k: v or True for k, v in resources.extra.items()},
    }


def _submitit() -> Any:
    try:
        import submitit
    except ImportError:
        raise QcliError("submitit is not installed", fix="pip install 'qcli[hpc]'") from None
    return submitit


def _check_writable(folder: Path) -> None:
    probe = folder / f".probe-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise QcliError(
            f"the jobs' files cannot be written: {error.strerror}",
            str(folder),
            "choose a folder that you may write to and that the cluster's nodes see",
        ) from None


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide the job in which this driver may run itself: its id and share would be taken for the new jobs'."""
    keep = ("SLURM_CONF", "SLURM_CLUSTERS")
    hidden = {k: v for k, v in os.environ.items() if k.startswith(("SLURM_", "SLURMD_")) and k not in keep}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _unclaimed(folder: Path) -> list[Path]:
    """What submitit wrote for jobs that got no id."""
    pickles = [path for path in folder.glob("*.pkl") if re.fullmatch(r"[0-9a-f]{32}", path.stem)]
    return pickles + [path for path in folder.glob(".submission_file_*.sh") if not path.is_symlink()]


def _absent(program: str) -> QcliError:
    return QcliError(
        f"{program} is not on this machine",
        fix='run on a login node of the cluster, or set executor = "local"',
    )


def _refused(message: str) -> QcliError:
    if "DNS SRV lookup failed" in message:
        return QcliError(
            "Slurm is on this machine but knows no cluster",
            fix='set SLURM_CONF, run on a login node, or set executor = "local"',
        )
    if any(words in message for words in SILENT):
        return _unanswered(refusal(message))
    if "array specification" in message:
        return QcliError(
            f"Slurm refuses the jobs: {refusal(message)}",
            "the number of jobs",
            "submit fewer at once: `scontrol show config` names the cluster's MaxArraySize",
        )
    try:
        partitions = subprocess.run(
            ["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True, timeout=60
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        partitions = []
    known = f"; partitions here: {', '.join(p.rstrip('*') for p in partitions)}" if partitions else ""
    return QcliError(
        f"Slurm refuses the jobs: {refusal(message)}",
        "the resources of the jobs",
        f"change partition, account, qos, time_s or the resources{known}",
    )


def _unanswered(message: str) -> QcliError:
    return QcliError(
        f"Slurm's controller does not answer ({message})",
        fix="jobs that were submitted go on: run the same command again later",
        exit_code=1,
    )
