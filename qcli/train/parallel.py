"""Several processes that train one run: each as a function, and torchrun to start them on this machine."""

import logging
import os
import signal
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qcli.errors import QcliError
from qcli.files import write_json
from qcli.train.loop import Listener
from qcli.train.preempt import SIGNALS, Preempted
from qcli.train.run import Run
from qcli.train.state import Weights
from qcli.train.train import Silent, resume
from qcli.train.workers import PEER_LOST, joined

Finish = Callable[[int, Weights], tuple[Weights, dict[str, Any]]]
_STOPPING_S = 600
"""For a step to end after a signal, before its process is killed."""
_INTERRUPTED = (130, -signal.SIGINT)


def rank(
    run_path: str,
    listener: Listener | None = None,
    finish: Finish = lambda seed, weights: (weights, {}),
) -> None:
    """Train a run as one of the processes that the environment tells of, or alone (workers.joined).

    The first process shows progress on `listener` and writes; the others return when the training is done.

    Raises:
        QcliError: as `train.resume`; or another process has ended.
        Preempted: a signal came to one of the processes; all stop after the same step.
    """
    with joined() as workers:
        resume(Run.open(run_path), Silent() if workers.rank else listener, finish, workers)


def launch(processes: int, command: Sequence[str]) -> None:
    """Run `command` as so many processes of this machine under torchrun; in each, `reported` surrounds `rank`.

    The machine's cores are shared out, unless OMP_NUM_THREADS or NUMBA_NUM_THREADS say otherwise.

    Raises:
        QcliError: a process failed: its own error. The others are ended.
        Preempted, KeyboardInterrupt: a signal, here or in a process.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    _silence("torch.distributed")
    names = (*(number.name for number in SIGNALS), "SIGINT", "SIGHUP")
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        signals_to_handle=",".join(names),
        shutdown_timeout=_STOPPING_S,
    )
    with _environment(processes), _handlers_kept(names):
        try:
            elastic_launch(config, command[0])(*command[1:])
        except SignalException as stopped:
            if stopped.sigval in SIGNALS:
                raise Preempted(stopped.sigval) from None
            raise KeyboardInterrupt from None
        except ChildFailedError as failed:
            raise failure_of(failed.failures) from None


@contextmanager
def reported() -> Iterator[None]:
    """In a process under torchrun: what ends it is written where `launch` finds it, and becomes its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except Preempted as stopped:
        _report(str(stopped), signal=stopped.signal)
        sys.exit(128 + stopped.signal)
    except QcliError as error:
        _report(error.what, where=error.where, fix=error.fix, exit_code=error.exit_code)
        sys.exit(error.exit_code)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = traceback.format_exc() if os.environ.get("QCLI_DEBUG") else f"{frame.filename}:{frame.lineno}"
        fix = "then train with --resume; --debug shows the traceback"
        _report(f"{type(error).__name__}: {error}", where=where, fix=fix, exit_code=1)
        sys.exit(1)


def _report(what: str, **facts: Any) -> None:
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if path:
        write_json(Path(path), {"message": what, "timestamp": int(time.time()), **facts})


def failure_of(failures: Mapping[int, Any]) -> BaseException:
    """What ended a training, of what torchelastic knows of each failed process, by rank.

    A process's own error comes before a death without words, that before a signal (torchelastic sends one to all that
    are left), that before the complaint that another process has gone.
    """
    reports = {rank: dict(failure.error_file_data) for rank, failure in failures.items()}
    codes = {rank: failure.exitcode for rank, failure in failures.items()}
    known = [report for report in reports.values() if "exit_code" in report]
    own = [report for report in known if report["message"] != PEER_LOST]
    if own:
        return _told(own)
    if any(code in _INTERRUPTED for code in codes.values()):
        return KeyboardInterrupt()
    silent = {rank: codes[rank] for rank, report in reports.items() if "timestamp" not in report}
    unexpected = {rank: code for rank, code in silent.items() if code != -signal.SIGTERM}
    stopped = [report["signal"] for report in reports.values() if "signal" in report]
    if unexpected or not (stopped or known):
        return _died(*next(iter((unexpected or silent).items())))
    return Preempted(stopped[0]) if stopped else _told(known)


def _told(reports: list[dict[str, Any]]) -> QcliError:
    first = min(reports, key=lambda report: report["timestamp"])
    return QcliError(first["message"], first["where"], first["fix"], first["exit_code"])


def _died(rank: int, code: int) -> QcliError:
    how = f"was killed: {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    fix = "if memory is short: fewer --nproc or a smaller --batch; then train with --resume"
    return QcliError(f"process {rank} {how}", "the training's processes", fix, exit_code=1)


def _silence(library: str) -> None:
    """Torchelastic's loggers have levels of their own; what they say is told as one error."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(library):
            logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _environment(processes: int) -> Iterator[None]:
    """What the processes inherit: their share of the cores, and the loopback to meet on."""
    threads = str(max(1, len(os.sched_getaffinity(0)) // processes))
    own = {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads, "GLOO_SOCKET_IFNAME": "lo"}
    added = {name: value for name, value in own.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


@contextmanager
def _handlers_kept(names: Sequence[str]) -> Iterator[None]:
    """Torchelastic leaves its signal handlers behind, those of the main thread."""
    main = threading.current_thread() is threading.main_thread()
    before = {name: signal.getsignal(getattr(signal, name)) for name in names if main}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
