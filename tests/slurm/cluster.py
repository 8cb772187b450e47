"""`python -m tests.slurm.cluster start|stop FOLDER`: munged, slurmctld and slurmd with all they write in FOLDER.

Everything runs as the user who starts it, on free ports, with a munge key and socket of its own: several clusters
live side by side, and none touches the machine's own Slurm. There is no accounting, as on the smallest clusters.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue")
INSTALL = "apt-get install --no-install-recommends slurm-wlm munge"
PATIENCE_S = 30

# cred_expire (at least 5) is also how long a requeued job waits before it starts again
CONFIGURATION = """\
ClusterName=qcli
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.own.pid
SlurmdPidFile={folder}/slurmd.own.pid
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
PriorityType=priority/basic
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
MinJobAge=3600
KillWait=2
OverTimeLimit=0
InactiveLimit=0
MessageTimeout=5
EnforcePartLimits=ALL
NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
MaxArraySize=301
PartitionName=debug Nodes=node Default=YES MaxTime=10 State=UP
"""


class Cluster:
    """A cluster of one node, in a folder. It starts as a context manager, or with `start` and `stop`."""

    def __init__(self, folder: Path, cpus: int = 8) -> None:
        self.folder = folder.resolve()
        self.cpus = cpus

    @property
    def environment(self) -> dict[str, str]:
        """What the commands of Slurm need to find this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the three daemons and wait until the node takes jobs; after a failure none of them is left."""
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        (self.folder / "slurm.conf").write_text(self._configuration())
        try:
            self._start_munge()
            self.start_controller()
            self._start("slurmd", "-D")
            _wait(self._takes_jobs, "the node takes no jobs")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the jobs, then the daemons, then what is left of the jobs."""
        if self._running("slurmctld"):
            self.ask("scancel", f"--user={os.getuid()}")
            _until(lambda: not self.ask("squeue", "-h", "-o", "%i"), 5)
        for daemon in ("slurmd", "slurmctld", "munged"):
            self._stop(daemon)
        for process in _of_jobs(self.environment["SLURM_CONF"]):
            _kill(process, signal.SIGKILL)

    def start_controller(self) -> None:
        """Start slurmctld alone, unless it runs, and wait until it answers."""
        if not self._running("slurmctld"):
            self._start("slurmctld", "-D")
        _wait(lambda: "is UP" in self.ask("scontrol", "ping"), "slurmctld does not answer")

    def stop_controller(self) -> None:
        """Stop slurmctld alone: jobs go on, and no command of Slurm is answered."""
        self._stop("slurmctld")

    def restart_controller(self) -> None:
        """Stop slurmctld and start it again, as an administrator does."""
        self.stop_controller()
        self.start_controller()

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints, whether it fails or not."""
        done = subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, timeout=PATIENCE_S
        )
        return done.stdout

    def _takes_jobs(self) -> bool:
        return self.ask("sinfo", "-h", "-o", "%T").strip() in ("idle", "mixed", "allocated")

    def _configuration(self) -> str:
        controller_port, node_port = _free_ports(2)
        return CONFIGURATION.format(
            host=socket.gethostname().split(".")[0],
            user=_user(),
            folder=self.folder,
            cpus=self.cpus,
            controller_port=controller_port,
            node_port=node_port,
        )

    def _start_munge(self) -> None:
        # --force: a folder that only its owner may enter is good enough, since all runs as one user
        files = {"key-file": "munge.key", "socket": "munge.socket", "seed-file": "munge.seed"}
        files |= {"pid-file": "munge.own.pid", "log-file": "munge.log"}
        self._start(
            "munged", "--foreground", "--force", *(f"--{k}={self.folder / v}" for k, v in files.items())
        )
        _wait((self.folder / "munge.socket").exists, f"munged does not start: see {self.folder}")

    def _start(self, daemon: str, *options: str) -> None:
        program = _program(daemon)
        assert program is not None, f"{daemon} is not on this machine: {INSTALL}"
        with (self.folder / f"{daemon}.out").open("ab") as out:
            process = subprocess.Popen(
                [program, *options],
                env=os.environ | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        (self.folder / f"{daemon}.pid").write_text(str(process.pid))

    def _running(self, daemon: str) -> int | None:
        """The daemon's process, if it is ours and alive."""
        try:
            process = int((self.folder / f"{daemon}.pid").read_text())
            ended = _reap(process)
            environment = Path(f"/proc/{process}/environ").read_bytes()
        except (OSError, ValueError):
            return None
        ours = f"SLURM_CONF={self.folder}/slurm.conf".encode() in environment.split(b"\0")
        return process if ours and not ended else None

    def _stop(self, daemon: str) -> None:
        for number, patience_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 2.0)):
            process = self._running(daemon)
            if process is None:
                break
            _kill(process, number)
            _until(lambda: self._running(daemon) is None, patience_s)
        (self.folder / f"{daemon}.pid").unlink(missing_ok=True)


def missing() -> str | None:
    """Why no cluster can be started on this machine, and what to do about it."""
    absent = [name for name in PROGRAMS if _program(name) is None]
    return f"{', '.join(absent)} not on this machine: {INSTALL}" if absent else None


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _of_jobs(configuration: str) -> Iterator[int]:
    """Processes that belong to a job of the cluster with this configuration."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
            keeper = (folder / "comm").read_text().startswith("slurmstepd")
        except OSError:
            continue
        ours = f"SLURM_CONF={configuration}".encode() in environment
        if ours and (keeper or any(line.startswith(b"SLURM_JOB_ID=") for line in environment)):
            yield int(folder.name)


def _kill(process: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _reap(process: int) -> bool:
    """Whether it was a child of ours that has ended."""
    try:
        return os.waitpid(process, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _until(met: Callable[[], bool], patience_s: float) -> bool:
    end = time.monotonic() + patience_s
    while not (found := met()) and time.monotonic() < end:
        time.sleep(0.05)
    return found


def _wait(met: Callable[[], bool], otherwise: str) -> None:
    if not _until(met, PATIENCE_S):
        raise TimeoutError(otherwise)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("start", "stop"):
        print(__doc__, file=sys.stderr)
        return 2
    cluster = Cluster(Path(arguments[1]))
    if arguments[0] == "stop":
        cluster.stop()
        return 0
    if why := missing():
        print(why, file=sys.stderr)
        return 1
    cluster.start()
    for name, value in cluster.environment.items():
        print(f"export {name}={value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
