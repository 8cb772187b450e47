"""Processes that share a training see the losses of one process alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qcli import QcliError
from qcli.train.parallel import failure_of, launch, rank
from qcli.train.preempt import Preempted
from qcli.train.run import Run, Settings, read_lines
from qcli.train.train import Silent, prepare
from qcli.train.workers import ALONE, PEER_LOST, Workers, joined

SCRIPT = """
import json, sys
from qcli.train.parallel import rank, reported
from qcli.train.train import Silent

class Losses(Silent):
    steps = []
    def on_step(self, seed, epoch, loss):
        self.steps.append(loss)

with reported():
    rank(sys.argv[1], Losses())
    if Losses.steps:
        open(sys.argv[1] + "/losses.json", "w").write(json.dumps(Losses.steps))
"""


@given(st.integers(0, 40), st.integers(1, 9))
def test_every_row_goes_to_one_process_in_parts_of_equal_size(rows, size):
    shares = [Workers(rank, size).share(torch.arange(rows)).tolist() for rank in range(size)]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_without_the_variables_of_torchrun_a_process_is_alone(tmp_path, monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with joined() as workers:
        assert workers == ALONE
    rank(str(start(tmp_path / "run", batch=64).path))
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.parametrize("variable", ["RANK", "WORLD_SIZE", "LOCAL_RANK"])
def test_variables_that_are_no_numbers_are_refused(monkeypatch, variable):
    monkeypatch.setenv(variable, "two")
    with pytest.raises(QcliError, match="not a number"), joined():
        pass


def start(out: Path, test_size=0.2, model="vqc", options=(("wires", "2"), ("layers", "1")), **changes) -> Run:
    settings = Settings(**{"epochs": 2, "batch": 23, "lr": 0.05, **changes})
    return prepare(model, "digits:0,1", None, dict(options), test_size, settings, out)


def losses(run: Run, processes: int, folder: Path) -> tuple[list[float], list[dict]]:
    """Of every step, and the lines of the history."""
    (folder / "script.py").write_text(SCRIPT)
    command = (sys.executable, str(folder / "script.py"), str(run.path))
    launch(processes, command) if processes > 1 else subprocess.run(command, check=True)
    return json.loads((run.path / "losses.json").read_text()), read_lines(run.path / "history.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "test_size"), [(2, 71), (3, 0.2)])
def test_the_losses_are_those_of_one_process(tmp_path, processes, test_size):
    """231 rows in batches of 23: in the last one, of a single row, only the first process has anything to do."""
    alone, shared = (
        losses(start(tmp_path / str(n), test_size, precision="float64", optimizer="adamw"), n, tmp_path)
        for n in (1, processes)
    )
    assert len(alone[0]) == len(shared[0]) == alone[1][-1]["steps"]
    np.testing.assert_allclose(shared[0], alone[0], rtol=0, atol=1e-6)
    for one, other in zip(alone[1], shared[1], strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-6)
        assert other["val_loss"] == pytest.approx(one["val_loss"], abs=1e-6)
        assert (other["accuracy"], other["val_accuracy"]) == (one["accuracy"], one["val_accuracy"])


FAILING = """
import os, signal
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

def circuit(inputs, weights):
    qml.AngleEmbedding(inputs[..., :1], wires=range(1))
    qml.RX(weights[0], 0)
    return [qml.expval(qml.PauliZ(0))]

class Failing(nn.Sequential):
    def forward(self, x):
        if os.environ.get("RANK") == "1" and self.training:
            {failure}
        return super().forward(x)

def build(features, classes):
    return Failing(QuantumLayer(circuit, {{"weights": (1,)}}), nn.Linear(1, classes))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failure", "what"),
    [
        ("raise ValueError('no such luck')", "the model's forward pass fails: ValueError: no such luck"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "process 1 was killed: SIGKILL"),
        ("os._exit(7)", "process 1 ended with exit code 7"),
    ],
)
def test_a_process_that_dies_ends_all_with_its_own_error(tmp_path, failure, what):
    (tmp_path / "mine.py").write_text(FAILING.format(failure=failure))
    run = start(tmp_path / "run", model=str(tmp_path / "mine.py"), options=())
    with pytest.raises(QcliError) as refusal:
        losses(run, 2, tmp_path)
    assert refusal.value.what == what
    assert "OMP_NUM_THREADS" in os.environ and "GLOO_SOCKET_IFNAME" not in os.environ


def told(what: str, timestamp: int = 1) -> SimpleNamespace:
    facts = {"message": what, "timestamp": timestamp, "where": "", "fix": "", "exit_code": 2}
    return SimpleNamespace(exitcode=2, error_file_data=facts)


def stopped(number: int) -> SimpleNamespace:
    return SimpleNamespace(exitcode=128 + number, error_file_data={"timestamp": 1, "signal": number})


def silent(code: int) -> SimpleNamespace:
    return SimpleNamespace(exitcode=code, error_file_data={"message": "<NONE>"})


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ([told(PEER_LOST), told("late", 3), told("early", 2)], "early"),
        ([stopped(signal.SIGTERM), told("own")], "own"),
        (
            [told(PEER_LOST), stopped(signal.SIGTERM), silent(-signal.SIGKILL)],
            "process 2 was killed: SIGKILL",
        ),
        ([told(PEER_LOST), silent(-signal.SIGTERM)], PEER_LOST),
        ([silent(-signal.SIGTERM)], "process 0 was killed: SIGTERM"),
        ([silent(7), told(PEER_LOST)], "process 0 ended with exit code 7"),
        ([silent(-signal.SIGTERM), stopped(signal.SIGUSR1)], signal.SIGUSR1),
        ([silent(130), silent(-signal.SIGTERM), told(PEER_LOST)], None),
    ],
)
def test_the_error_shown_is_the_one_that_came_first(failures, expected):
    error = failure_of(dict(enumerate(failures)))
    if expected is None:
        assert isinstance(error, KeyboardInterrupt)
    elif isinstance(error, Preempted):
        assert error.signal == expected
    else:
        assert isinstance(error, QcliError) and error.what == expected


def test_double_precision_is_that_of_weights_and_features_too(tmp_path):
    run = start(tmp_path / "run", precision="float64", batch=64)
    rank(str(run.path), Silent())
    assert run.rows("test", 3)[0].dtype == torch.float64
    assert {tensor.dtype for tensor in run.model().state_dict().values()} == {torch.float64}
    assert run.model()(run.rows("test", 3)[0]).dtype == torch.float64
