"""`qcli train --noise`: after a training or of a finished run, on stdout, on disk, and refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.helpers import MODEL, qcli, snapshot, table

TRAIN = "train ./mine.py --data mine.csv --batch 8 --epochs 2 --lr 0.05"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """mine.py, mine.csv, a run trained without noise, and one fine-tuned at once."""
    folder = tmp_path_factory.mktemp("noise")
    (folder / "mine.py").write_text(MODEL)
    (folder / "mine.csv").write_text(table())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert qcli(f"{TRAIN} --out plain").code == 0
        assert qcli(f"{TRAIN} --out aware --noise emulator/Garnet --noise-epochs 1 --shots 100").code == 0
        yield folder


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def settings(run: str) -> dict[str, object]:
    content: dict[str, object] = json.loads(Path(run, "run.json").read_text())
    return content


def test_without_noise_a_run_says_nothing_of_it(folder: Path) -> None:
    assert "noise" not in settings("plain")
    assert "noise_aware" not in json.loads(Path("plain/metrics.json").read_text())
    assert not Path("plain/weights").exists()


def test_a_run_keeps_what_it_was_fine_tuned_for_and_resumes_to_the_same(folder: Path) -> None:
    assert settings("aware")["noise"] == {"device": "emulator/garnet", "epochs": 1, "shots": 100}
    before = snapshot(folder / "aware")
    resumed = qcli("train --resume aware")
    assert resumed.code == 0, resumed.err
    assert snapshot(folder / "aware") == before


def test_a_finished_run_is_fine_tuned_without_training_again(folder: Path) -> None:
    checkpoint = Path("plain/checkpoints/seed-0.safetensors").read_bytes()
    shutil.copytree("plain", "copy")
    result = qcli("train --resume copy --noise emulator/fez --noise-epochs 1 --json")
    assert result.code == 0, result.err
    assert Path("copy/checkpoints/seed-0.safetensors").read_bytes() == checkpoint
    found = json.loads(result.out)["noise_aware"]
    assert (found["device"], found["epochs"], found["shots"]) == ("emulator/fez", 1, 512)
    assert [each["name"] for each in found["weights"]] == ["as trained", "trained longer", "noise-aware"]
    assert set(found["gain_over"]) == {"as trained", "trained longer"}
    fit = found["weights"][0]["fits"][0]
    assert len(fit["a"]) == len(fit["b"]) == 2 and fit["residual"] < fit["deviation"]
    assert settings("copy")["noise"] == {"device": "emulator/fez", "epochs": 1, "shots": 512}


def test_the_table_shows_what_is_kept_and_what_is_regained(folder: Path) -> None:
    out = qcli("train --resume aware").out
    assert "Fine-tuned for emulator/garnet, 100 shots" in out
    assert out.count(", kept") == 1
    for name in ("as trained", "trained longer", "noise-aware"):
        assert sum(line.strip().startswith(name) for line in out.splitlines()) >= 1
    assert "noise-aware against trained longer: accuracy" in out


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ("--noise emulator/garnt", "no device"),
        ("--noise braket/garnet", "nothing is trained on the real IQM Garnet"),
        ("--noise sim", "no device"),
        ("--noise emulator/garnet --noise-epochs 0", "--noise-epochs 0"),
        ("--noise emulator/garnet --shots 0", "--shots 0"),
        ("--noise emulator/forte-enterprise-1 --shots 50", "50 shots are outside the range"),
        ("--noise-epochs 3", "--noise-epochs is for --noise"),
        ("--shots 100", "--shots is for --noise"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(folder: Path, options: str, what: str) -> None:
    before = snapshot(folder)
    for command in (f"{TRAIN} --out new {options}", f"train --resume plain {options}"):
        result = qcli(command)
        assert (result.code, result.out) == (2, "")
        assert what in result.what and "  fix: " in result.err
    assert snapshot(folder) == before


def test_a_circuit_wider_than_the_device_is_refused_before_training(folder: Path) -> None:
    before = snapshot(folder)
    result = qcli("train vqc --set layers=1 --set wires=21 --out new --noise emulator/garnet")
    assert result.code == 2 and "21 wires" in result.what
    assert snapshot(folder) == before
