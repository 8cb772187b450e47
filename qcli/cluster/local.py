"""Jobs on the cores of this machine: a few processes that stay warm, each given the next job when it has done one."""

import atexit
import itertools
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from qcli.cluster.jobs import LIVE, State, Stopped
from qcli.cluster.threads import cores, limit_threads

GRACE_S = 5.0
"""Between asking a worker to end and killing it."""


class Local:
    """`workers` processes; each pays for its imports once and shares the cores evenly with the others.

    A job that raises, or takes its process with it, has failed; the others never notice. Workers end when this
    process does, however it ends. What they print is in `folder`, a file each.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self._states: dict[str, State] = {}
        self._at: dict[str, _Worker] = {}
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._ids = itertools.count()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(
        self, name: str, function: Callable[..., None], arguments: Sequence[tuple[Any, ...]]
    ) -> tuple[str, ...]:
        """Start `function(*a)` for every `a` of `arguments` when a worker is free; the jobs' ids, in that order."""
        jobs = [(f"{name}-{next(self._ids)}", pickle.dumps((function, a))) for a in arguments]
        with self._lock:
            assert not self._closed, "jobs submitted after close()"
            self._states |= dict.fromkeys((one for one, _ in jobs), "pending")
        for job in jobs:
            self._queue.put(job)
        self._start_threads(len(jobs))
        return tuple(one for one, _ in jobs)

    def check(self) -> None:
        """Whatever is asked of this machine, it takes."""

    def find(self, name: str, count: int) -> tuple[str, ...] | None:
        """None: jobs end with the process that submitted them."""
        return None

    def states(self, ids: Sequence[str]) -> Mapping[str, State]:
        """What each job is doing."""
        with self._lock:
            return {one: self._states.get(one, "lost") for one in ids}

    def cancel(self, ids: Sequence[str]) -> None:
        """Stop jobs that have not ended; others are left as they are. A running job's process is ended with it."""
        with self._lock:
            for one in ids:
                if self._states.get(one) in LIVE:
                    self._states[one] = "cancelled"
                    if one in self._at:
                        self._at[one].stop()

    def close(self) -> None:
        """Cancel what has not ended and end all workers."""
        with self._lock:
            self._closed = True
            live = [one for one, state in self._states.items() if state in LIVE]
        self.cancel(live)
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join(2 * GRACE_S)
        atexit.unregister(self.close)

    def _start_threads(self, jobs: int) -> None:
        if not self._threads:
            # multiprocessing waits for its children at exit: they must have been told to end by then
            atexit.register(self.close)
        for _ in range(min(self.workers - len(self._threads), jobs)):
            thread = threading.Thread(target=self._serve, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self) -> None:
        """Hand one worker job after job; replace it when it has died."""
        # Ctrl-C is this process's alone: workers inherit the mask of the thread that starts them
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        worker: _Worker | None = None
        while (job := self._queue.get()) is not None:
            one, payload = job
            if self.states([one])[one] != "pending":
                continue
            try:
                while worker is None or not worker.take(payload):
                    worker = _Worker(self.folder, max(1, cores() // self.workers))
            except OSError:
                traceback.print_exc()
                with self._lock:
                    self._states[one] = "lost"
                continue
            with self._lock:
                if self._states[one] == "pending":
                    self._states[one] = "running"
                    self._at[one] = worker
                else:
                    worker.stop()
            ending = worker.ending()
            with self._lock:
                self._at.pop(one, None)
                if self._states[one] == "running":
                    self._states[one] = ending or "failed"
                cancelled = self._states[one] == "cancelled"
            if cancelled or ending is None:
                worker.end()
                worker = None
        if worker is not None:
            worker.end()


class _Worker:
    """A process and the pipe to it."""

    def __init__(self, folder: Path, threads: int) -> None:
        context = get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_work, args=(theirs, folder, threads))
        self._process.start()
        theirs.close()

    def take(self, payload: bytes) -> bool:
        """Whether the worker is alive to take a job."""
        try:
            if self._process.is_alive():
                self._pipe.send_bytes(payload)
                return True
        except OSError:
            pass
        self.end()
        return False

    def ending(self) -> State | None:
        """How its job ended, once it has; None: it died."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            return None

    def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        self._process.terminate()
        timer = threading.Timer(GRACE_S, self._process.kill)
        timer.daemon = True
        timer.start()

    def end(self) -> None:
        """Ask it to end and wait until it has."""
        self._pipe.close()
        self._process.terminate()
        self._process.join(GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(pipe: connection.Connection, folder: Path, threads: int) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))
    limit_threads(threads)
    _print_to(folder / f"worker-{os.getpid()}.log")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            payload = pipe.recv_bytes()
        except EOFError:
            return
        ending: State = "done"
        try:
            function, arguments = pickle.loads(payload)
            function(*arguments)
        except Stopped:
            ending = "lost"
        except BaseException:
            traceback.print_exc()
            ending = "failed"
        try:
            pipe.send(ending)
        except OSError:
            return


def _print_to(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
