"""What the jobs of these tests do. Every start of a job leaves a line in `folder/NAME`."""

import os
import signal
import time
from pathlib import Path

from qcli.cluster.jobs import Stopped


def note(folder, name="", text=""):
    """Write a line to `folder/name` and return how many there are."""
    path = Path(folder, name)
    with path.open("a") as file:
        file.write(f"{os.getpid()} {text}\n")
    return len(path.read_text().splitlines())


def nothing(_):
    pass


def do(what, folder, name):
    """One job of a table: what happens to it is its first argument."""
    note(folder, name)
    if what == "raise":
        raise ValueError("as asked")
    if what == "exit":
        raise SystemExit(3)
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "stopped":
        raise Stopped
    if what == "sleep":
        time.sleep(60)
    if what == "wait":
        wait_for(Path(folder, f"{name}-go"))


def wait_for(path):
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)


def until_told(folder, name):
    """A training: at its first start it goes on until it is told to stop, and keeps its state; then it ends."""
    told = []
    before = {
        number: signal.signal(number, lambda n, _: told.append(n))
        for number in (signal.SIGUSR2, signal.SIGTERM)
    }
    if note(folder, name) > 1:
        return
    end = time.monotonic() + 90
    while not told and time.monotonic() < end:
        time.sleep(0.05)
    note(folder, f"{name}-kept", signal.Signals(told[0]).name)
    for number, handler in before.items():
        signal.signal(number, handler)
    raise Stopped


class SlowToLoad:
    """An argument whose unpickling takes long, as importing torch does: nobody has set handlers of their own yet."""

    def __init__(self, folder, name):
        self.where = (folder, name)

    def __reduce__(self):
        return load_slowly, self.where


def load_slowly(folder, name):
    if note(folder, name) == 1:
        time.sleep(60)
    return f"{name}-done"


def environment(folder, name):
    """The share of the cores, and the process."""
    note(folder, name, os.environ.get("NUMBA_NUM_THREADS", "none"))
    print("printed by", name, flush=True)


def never_stops(folder, name):
    """A training that does not answer signals."""
    for number in (signal.SIGUSR2, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    note(folder, name)
    time.sleep(300)


def ranked(folder):
    """One of several processes of a job."""
    until_told(folder, f"rank{os.environ['SLURM_PROCID']}")
