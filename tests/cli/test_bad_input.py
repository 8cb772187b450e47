"""Whatever is wrong: one message of what, where and how to fix it, and nothing on disk is touched."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from qcli.cli.train import _Bar
from qcli.model.checkpoint import load_tensors
from qcli.train.run import Run
from tests.cli.bad_inputs import ALL, Case
from tests.cli.damage import WEIGHTS, ending, text, wide_run
from tests.cli.helpers import MODEL, Result, Snapshot, qcli, snapshot, table

TRAIN = "train ./mine.py --data mine.csv --epochs 3 --batch 8 --out {}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's model and data, and the run trained with them."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "mine.py").write_text(MODEL)
    (folder / "mine.csv").write_text(table())
    with contextlib.chdir(folder):
        assert qcli(TRAIN.format("run")).code == 0
    return folder


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of `home`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QCLI_DEBUG", "")
    shutil.copytree(home, tmp_path, dirs_exist_ok=True)
    record = tmp_path / "run" / "run.json"
    record.write_text(record.read_text().replace(str(home), str(tmp_path)))
    return tmp_path


def refused(command: str, folder: Path, what: str, code: int = 2) -> Result:
    """Run a command that must fail: checks all that is the same for every failure."""
    before = snapshot(folder)
    result = qcli(command)
    assert what in result.what
    assert result.code == code
    assert result.out == ""
    for heading in ("  where: ", "  fix: "):
        (line,) = [line for line in result.err.splitlines() if line.startswith(heading)]
        assert line.removeprefix(heading).strip()
    assert "Traceback" not in result.err
    assert snapshot(folder) == before
    return result


@pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
def test_bad_input_is_refused_with_what_where_and_fix_and_harms_nothing(case: Case, folder: Path) -> None:
    case.make(folder)
    refused(case.command, folder, case.what)


def test_the_table_is_as_long_as_promised_and_names_each_case_once() -> None:
    assert len(ALL) >= 50
    assert len({case.name for case in ALL}) == len(ALL)


@pytest.mark.parametrize(
    "command",
    [
        "trian vqc",
        "train vqc --epoch 3",
        "train vqc --epochs many",
        "estimate-cost run --per-month 0",
        "estimate-cost run --training --epochs 0",
        "estimate-cost run --detect few",
        "estimate-cost vqc --classes 1",
        "estimate-cost vqc --features 0",
        f"estimate-cost run --inferences {10**10}",
        "validate-on-hardware run",
        "validate-on-hardware run --device sim --shots 1.5",
    ],
)
def test_a_misspelt_command_line_ends_with_2_and_points_to_help(command: str, folder: Path) -> None:
    before = snapshot(folder)
    result = qcli(command)
    assert (result.code, result.out) == (2, "")
    assert "Error: " in result.err and "Try 'qcli" in result.err
    assert snapshot(folder) == before


def test_a_retired_device_points_to_the_option_that_shows_it(folder: Path) -> None:
    result = refused("estimate-cost run --device braket/ankaa-3", folder, "retired")
    assert "--include-retired" in result.err


def test_a_half_trained_run_points_to_resume(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    for command in ("estimate-cost run", "validate-on-hardware run --device emulator/garnet"):
        assert "qcli train --resume" in refused(command, folder, "model.safetensors is missing").err


def test_the_line_of_the_model_file_is_named(folder: Path) -> None:
    text("mine.py", MODEL.replace("return [", "qml.measure(0)\n    return ["))(folder)
    result = refused("train ./mine.py", folder, "mid-circuit measurement")
    assert "mine.py:9: qml.measure(0)" in result.err
    ending("return x.nonsense()")(folder)
    result = refused("train ./mine.py", folder, "AttributeError")
    assert "return x.nonsense()" in result.err


def test_more_wires_than_the_device(folder: Path) -> None:
    wide_run(folder, 21)
    refused("validate-on-hardware wide --device emulator/garnet", folder, "21 wires, braket/garnet 20")
    priced = qcli("estimate-cost wide --device braket/garnet")
    assert priced.code == 0 and "21 wires" in " ".join(priced.out.split())


ADDED = table() + "0.5,3,a\n"
SINCE: list[tuple[str, Callable[[Path], object], str]] = [
    ("data changed", text("mine.csv", ADDED), "the data have changed"),
    ("data gone", lambda folder: (folder / "mine.csv").unlink(), "no such file or folder"),
    ("data damaged", text("mine.csv", "x0,x1,class\n1,"), "missing"),
    ("model changed", text("mine.py", MODEL + "# better\n"), "the model file has changed since this run"),
    ("model gone", lambda folder: (folder / "mine.py").unlink(), "mine.py does not exist"),
]


@pytest.mark.parametrize(("change", "what"), [case[1:] for case in SINCE], ids=[case[0] for case in SINCE])
def test_what_changed_since_the_run_is_noticed(
    folder: Path, change: Callable[[Path], object], what: str
) -> None:
    change(folder)
    for command in ("train --resume run", "estimate-cost run", "validate-on-hardware run --device sim"):
        refused(command, folder, what)


@pytest.mark.parametrize(
    ("forward", "what"),
    [
        ("return x.detach()", "no gradient reaches"),
        ("assert not self.training\n        return x", "AssertionError"),
    ],
)
def test_a_model_that_fails_only_in_training_says_so(folder: Path, forward: str, what: str) -> None:
    ending(forward)(folder)
    result = qcli("train ./mine.py --data mine.csv --batch 8 --out other")
    assert (result.code, result.out) == (2, "")
    assert what in result.what and "  fix: " in result.err
    assert list(snapshot(folder / "other")) == ["run.json"]


class FullDisk:
    """os.fsync that fails from call `last + 1` on; `before` is then what lay in the folder."""

    def __init__(self, folder: Path, last: int) -> None:
        self.folder, self.left = folder, last
        self.before: Snapshot = {}

    def __call__(self, descriptor: int) -> None:
        self.left -= 1
        if self.left < 0:
            found = snapshot(self.folder)
            self.before = {name: found[name] for name in found if not Path(name).name.startswith(".")}
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("last", [2, 3, 8])
def test_training_on_a_full_disk_keeps_what_it_has_and_is_resumed_to_the_same_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    disk = FullDisk(folder, last)
    with monkeypatch.context() as patch:
        patch.setattr("qcli.files.os.fsync", disk)
        result = qcli(TRAIN.format("full"))
    assert (result.code, result.out) == (1, "")
    assert result.what == "error: the disk is full; all finished epochs are kept"
    assert "  where: full\n" in result.err and "qcli train --resume full" in result.err
    assert snapshot(folder) == disk.before
    assert qcli("train --resume full").code == 0
    assert weights(folder / "full") == weights(folder / "run")


def weights(run: Path) -> list[bytes]:
    tensors, _ = load_tensors(run / "model.safetensors")
    return [tensors[name].numpy().tobytes() for name in sorted(tensors)]


@pytest.mark.parametrize(
    "command",
    [
        "train ./mine.py --data mine.csv --batch 8",
        "estimate-cost run --device braket/garnet",
        "validate-on-hardware run --device sampled",
    ],
)
def test_a_full_disk_ends_with_1_and_harms_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    before = {name: content for name, content in snapshot(folder).items() if content is not None}
    monkeypatch.setattr("qcli.files.os.fsync", FullDisk(folder, 0))
    result = qcli(command)
    assert result.code == 1
    assert ("35.94" in result.out) == command.startswith(
        "estimate-cost"
    )  # what was paid for in time is shown
    assert "the disk is full; what was there before is unharmed" in result.what
    assert "  fix: free some space" in result.err
    assert {name: content for name, content in snapshot(folder).items() if content is not None} == before


def _ctrl_c(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


def test_ctrl_c_leaves_a_run_that_the_message_says_how_to_resume(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_step(bar: _Bar, seed: int, epoch: int, loss: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_Bar, "on_step", on_step)
        result = qcli(TRAIN.format("stopped"))
    assert (result.code, result.out) == (130, "")
    assert result.what == "error: interrupted; all finished epochs are kept"
    assert "  fix: qcli train --resume stopped\n" in result.err
    assert len((folder / "stopped" / "history.jsonl").read_text().splitlines()) == 1
    resumed = qcli("train --resume stopped --json")
    assert resumed.code == 0
    assert len((folder / "stopped" / "history.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("estimate-cost run", "qcli.price.estimate.compile_circuit"),
        ("validate-on-hardware run --device emulator/garnet", "qcli.noise.circuit.bind"),
    ],
)
def test_ctrl_c_elsewhere_ends_with_130_and_writes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, place: str
) -> None:
    monkeypatch.setattr(place, _ctrl_c)
    before = snapshot(folder)
    result = qcli(command)
    assert (result.code, result.out) == (130, "")
    assert result.what == "error: interrupted"
    assert "  fix: run the same command again\n" in result.err
    assert snapshot(folder) == before


@pytest.mark.parametrize("line", ["--debug prices braket/garnt", "prices braket/garnt --debug"])
def test_debug_adds_the_traceback_wherever_it_stands(line: str) -> None:
    def ended(words: str) -> subprocess.CompletedProcess[str]:
        program = "from qcli.cli.main import run; run()"
        arguments = [sys.executable, "-c", program, *words.split()]
        path = {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            arguments, env={**os.environ, **path}, capture_output=True, text=True, check=False
        )

    plain, debug = ended("prices braket/garnt"), ended(line)
    assert plain.returncode == debug.returncode == 2
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr and "in terms" in debug.stderr
    assert debug.stderr.endswith(plain.stderr)


def test_tied_weights_are_no_bad_input(folder: Path) -> None:
    tied = "tied = nn.Linear(2, 2); return nn.Sequential(nn.Linear(features, 2), tied, tied, layer"
    (folder / "mine.py").write_text(MODEL.replace("return nn.Sequential(nn.Linear(features, 2), layer", tied))
    assert qcli("train ./mine.py --data mine.csv --epochs 1 --batch 8 --out own").code == 0
    model = Run.open("own").model()
    assert isinstance(model, torch.nn.Sequential) and model[1] is model[2]
