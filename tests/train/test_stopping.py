"""A signal stops a training after the step under way; resumed, it ends with the same weights to the bit."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import torch

from qcli.model.checkpoint import load_tensors, save_tensors
from qcli.train.loop import fit
from qcli.train.preempt import SIGNALS, Preempted, at_once, deferred
from qcli.train.run import Run, Settings, read_lines
from qcli.train.train import Silent, prepare, resume

MODEL = """
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.PauliZ(0))]

def build(features, classes):
    layer = QuantumLayer(circuit, {"weights": (1, 2)})
    return nn.Sequential(nn.Linear(features, 2), nn.Dropout(0.3), layer, nn.Linear(1, classes))
"""
STEPS, EPOCHS = 4, 2


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """Prepares runs of a model that draws random numbers of its own."""
    folder = tmp_path_factory.mktemp("stopping")
    (folder / "mine.py").write_text(MODEL)

    def prepared(name: str, **changes) -> Run:
        settings = Settings(**{"epochs": EPOCHS, "batch": 64, "lr": 0.05, **changes})
        return prepare(str(folder / "mine.py"), "digits:0,1", None, {}, 0.2, settings, folder / name)

    return prepared


@pytest.fixture(scope="module")
def undisturbed(start):
    return outcome(resume(start("undisturbed")))


def outcome(run: Run):
    """Weights and history, without the seconds."""
    lines = [{**line, "seconds": 0} for line in read_lines(run.path / "history.jsonl")]
    return load_tensors(run.path / "model.safetensors")[0], lines


def assert_same(found, expected):
    assert found[1] == expected[1]
    assert found[0].keys() == expected[0].keys()
    assert all(torch.equal(found[0][name], expected[0][name]) for name in expected[0])


class SignalAt(Silent):
    """A signal arrives after so many steps of this process."""

    def __init__(self, step: int, number: int = signal.SIGUSR1):
        self.left, self.number = step, number

    def on_step(self, seed, epoch, loss):
        self.left -= 1
        if self.left == 0:
            signal.raise_signal(self.number)


@pytest.mark.parametrize("step", range(1, STEPS * EPOCHS + 1))
def test_stopped_after_any_step_and_resumed(start, undisturbed, step):
    run = start(f"step-{step}")
    with pytest.raises(Preempted) as stopped:
        resume(run, SignalAt(step))
    assert stopped.value.signal == signal.SIGUSR1
    assert not (run.path / "model.safetensors").exists()
    assert_same(outcome(resume(Run.open(run.path))), undisturbed)


def test_stopped_again_and_again(start, undisturbed):
    run, stops = start("again"), 0
    while not (run.path / "metrics.json").exists():
        try:
            resume(Run.open(run.path), SignalAt(1))
        except Preempted:
            stops += 1
    assert stops >= STEPS
    assert_same(outcome(run), undisturbed)


def test_a_step_is_the_most_that_is_done_after_a_signal(start):
    run, told = start("most"), []

    class Counting(SignalAt):
        def on_step(self, seed, epoch, loss):
            told.append(loss)
            super().on_step(seed, epoch, loss)

    with pytest.raises(Preempted):
        resume(run, Counting(2))
    assert len(told) == 3


def test_what_depends_on_the_weights_is_told_those_of_the_epochs_start(tmp_path):
    """Four steps an epoch; stopped in the second."""
    x = torch.randn(32, 3, generator=torch.Generator().manual_seed(0))
    rows = (x, (x.sum(1) > 0).long())

    def told(name: str, listener: Silent) -> list[list[float]]:
        model, seen = torch.nn.Linear(3, 2, bias=False), []
        with torch.no_grad():
            model.weight.copy_(torch.eye(2, 3))

        def see() -> None:
            seen.append(model.weight.flatten().tolist())

        with suppress(Preempted):
            settings = Settings(epochs=3, batch=8, lr=0.05)
            fit(model, rows, rows, settings, 0, tmp_path / name, listener, see)
        return seen

    whole = told("whole", Silent())
    assert told("broken", SignalAt(6)) == whole[:2]
    assert told("broken", Silent()) == whole[1:]


def test_checkpoints_of_whole_epochs_are_as_they_were(start, undisturbed):
    run = start("old", epochs=1)
    resume(run)
    checkpoint = run.path / "checkpoints" / "seed-0.safetensors"
    tensors, facts = load_tensors(checkpoint)
    assert set(facts) == {"history"}
    assert {name.split(".")[0] for name in tensors} == {"model", "best", "optimizer", "rng"}
    longer = start("longer")
    save_tensors(longer.path / "checkpoints" / "seed-0.safetensors", tensors, facts)
    assert_same(outcome(resume(longer)), undisturbed)


def test_a_signal_while_the_figures_are_computed_stops_at_once(start, undisturbed):
    def told(seed, weights):
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("the signal was not noticed")

    run = start("after")
    with pytest.raises(Preempted):
        resume(run, None, told)
    assert_same(outcome(resume(Run.open(run.path))), undisturbed)


def test_handlers_are_restored_whatever_happens():
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(Preempted), at_once(), deferred() as received:
        signal.raise_signal(signal.SIGUSR2)
        assert received.number == signal.SIGUSR2
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_trains_without_handlers(start, undisturbed):
    run = start("thread")
    thread = threading.Thread(target=resume, args=(run,))
    thread.start()
    thread.join()
    assert_same(outcome(run), undisturbed)


def train_slowly(folder: Path, *more: str) -> subprocess.Popen:
    """`qcli train` for so long that a signal finds it training."""
    command = [sys.executable, "-m", "qcli", "train", *more]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def wait_for(condition, process):
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_real_signal(tmp_path, processes):
    """To the command where it trains itself; to one of its processes where there are two."""
    (tmp_path / "mine.py").write_text(MODEL)
    asked = ["./mine.py", "--batch", "16", "--patience", "99", "--epochs", "60", "--nproc", str(processes)]
    process = train_slowly(tmp_path, *asked, "--out", "run")
    wait_for((tmp_path / "run" / "checkpoints" / "seed-0.safetensors").is_file, process)
    ranks = [c for c in psutil.Process(process.pid).children() if "qcli.cli.rank" in c.cmdline()]
    os.kill(ranks[-1].pid if ranks else process.pid, signal.SIGUSR1)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGUSR1, said
    assert "stopped by signal SIGUSR1; all finished steps are kept" in said
    assert "qcli train --resume run" in said and "Traceback" not in said
    for arguments in (["--resume", "run", "--nproc", str(processes)], [*asked, "--out", "whole"]):
        assert train_slowly(tmp_path, *arguments).wait(240) == 0
    assert_same(outcome(Run.open(tmp_path / "run")), outcome(Run.open(tmp_path / "whole")))


@pytest.mark.slow
def test_a_signal_to_the_command_reaches_its_processes(tmp_path):
    (tmp_path / "mine.py").write_text(MODEL)
    asked = ["./mine.py", "--batch", "8", "--patience", "999", "--epochs", "900", "--nproc", "2"]
    process = train_slowly(tmp_path, *asked, "--out", "run")
    wait_for((tmp_path / "run" / "checkpoints" / "seed-0.safetensors").is_file, process)
    os.kill(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said
    engine, *error = [line for line in said.splitlines() if line.strip()]
    assert engine.startswith("engine: ")
    assert error == [
        "error: stopped by signal SIGTERM; all finished steps are kept",
        "  where: run",
        "  fix: qcli train --resume run",
    ]
