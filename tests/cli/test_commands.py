"""The commands as a user types them: what comes on stdout, what on stderr, and what lies on disk afterwards."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qcli import __version__
from tests.cli.helpers import MODEL, Result, qcli, table

COMMANDS = (
    "train",
    "sweep",
    "estimate-cost",
    "validate-on-hardware",
    "assess",
    "report",
    "ledger",
    "devices",
    "forecast",
    "jobs",
    "prices",
    "progress",
)
STEPS = tuple(f"progress {step}" for step in ("init", "run", "resume", "status", "report"))
EXAMPLES = ("", *(name for name in COMMANDS if name != "prices"), "prices show", "prices refresh", *STEPS)
TORCH_LAYER = """
import pennylane as qml
from torch import nn

device = qml.device("default.qubit", wires=2)

@qml.qnode(device)
def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

class Hybrid(nn.Module):
    def __init__(self, features, classes):
        super().__init__()
        self.before = nn.Linear(features, 2)
        self.quantum = qml.qnn.TorchLayer(circuit, {"weights": (1, 2)})
        self.after = nn.Linear(2, classes)
    def forward(self, x):
        return self.after(self.quantum(self.before(x)))

def build(features: int, classes: int):
    return Hybrid(features, classes)
"""
MODELS = {
    "zoo": ("vqc --set wires=2 --set layers=1 --data digits:0,1", "vqc"),
    "own": ("./mine.py --data mine.csv --target class --batch 8 --set layers=2", "mine"),
    "torchlayer": ("./adopted.py --data mine.csv --batch 8", "adopted"),
}


@dataclass(frozen=True)
class Walk:
    """A model after train, estimate-cost and validate-on-hardware in `folder`, and what they printed."""

    folder: Path
    model: str
    results: tuple[Result, Result, Result]


@pytest.fixture(scope="module")
def walk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """The model of the zoo shows tables, the user's own print JSON."""
    arguments, model = MODELS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "mine.py").write_text(MODEL)
    (folder / "adopted.py").write_text(TORCH_LAYER)
    (folder / "mine.csv").write_text(table())
    form, more = ("", "--device ibm/fez") if request.param == "zoo" else ("--json", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train = qcli(f"train {arguments} --epochs 2 --lr 0.05 --out run {form}")
        price = qcli(f"estimate-cost run --inferences 10 --shots 100 --device braket/garnet {more} {form}")
        device = "emulator/Garnet"  # in whatever case it is written, it is one device and one folder
        rehearse = qcli(f"validate-on-hardware run --device {device} --inferences 6 --shots 100 {form}")
        yield Walk(folder, model, (train, price, rehearse))


def models(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("walk", names, indirect=True, scope="module")


def document(result: Result) -> Any:
    """Stdout as the one JSON document it must be."""
    assert result.code == 0, result.err
    return json.loads(result.out)


@models("zoo")
def test_tables_come_on_stdout_and_the_next_step_on_stderr(walk: Walk) -> None:
    train, price, rehearse = walk.results
    assert [result.code for result in walk.results] == [0, 0, 0], [result.err for result in walk.results]
    assert walk.model in train.out and "logistic regression" in train.out and "MLP" in train.out
    assert "next: qcli estimate-cost run" in train.err
    assert all(text in price.out for text in ("braket/garnet", "ibm/fez", "program-sets", "job", "USD"))
    assert "next: qcli validate-on-hardware run --device emulator/garnet" in price.err
    assert "emulator/garnet" in rehearse.out and "McNemar" in rehearse.out
    assert "samples: run/hardware/emulator-garnet/samples.csv" in rehearse.err
    for result in walk.results:
        assert "report: run/report.html" in result.err
        assert "report:" not in result.out and "next:" not in result.out


@models(*MODELS)
def test_the_run_directory_holds_every_file_and_the_report_shows_all_three_steps(walk: Walk) -> None:
    run = walk.folder / "run"
    files = ("run.json", "model.safetensors", "history.jsonl", "metrics.json", "report.html")
    assert all((run / name).stat().st_size > 0 for name in files)
    assert len((run / "history.jsonl").read_text().splitlines()) == 2
    assert list((run / "estimates").glob("*.json"))
    rehearsal = run / "hardware" / "emulator-garnet"
    assert (rehearsal / "assessment.json").is_file()
    header, *samples = (rehearsal / "samples.csv").read_text().splitlines()
    assert header.startswith("index,label,simulated,measured,flipped,z_sim_0,z_dev_0")
    assert len(samples) == 6
    page = (run / "report.html").read_text()
    assert all(text in page for text in (walk.model, "braket/garnet", "emulator/garnet", "<svg"))


@models("own", "torchlayer")
def test_training_prints_its_metrics_as_json(walk: Walk) -> None:
    content = document(walk.results[0])
    assert content["schema"] == "qcli.metrics/1" and content["run"] == "run"
    stored = json.loads((walk.folder / "run" / "metrics.json").read_text())
    assert {key: value for key, value in content.items() if key != "run"} == stored
    assert set(content) >= {
        "seeds",
        "chosen_seed",
        "summary",
        "baselines",
        "test_samples",
        "interval",
        "verdict",
    }
    (seed,) = content["seeds"]
    assert set(seed) >= {"seed", "accuracy", "macro_f1", "ece", "epochs", "train_s", "iterations_to_epsilon"}
    assert [baseline["name"] for baseline in content["baselines"]] == ["logistic regression", "MLP"]


@models("own", "torchlayer")
def test_an_estimate_prints_its_rows_as_json(walk: Walk) -> None:
    content = document(walk.results[1])
    assert content["schema"] == "qcli.estimate/1"
    assert (content["model"], content["run"]) == (walk.model, "run")
    assert (content["inferences"], content["shots"], content["circuits_per_inference"]) == (10, 100, 1)
    keys = {"device", "kind", "status", "fits", "note", "qubits", "two_qubit_gates", "depth", "plans"}
    keys |= {"cheapest", "usd_per_inference", "usd_per_month", "machine_time_s", "queue", "price"}
    keys |= {"calibration", "cliffs", "breaches"}
    assert all(set(row) >= keys for row in content["rows"])
    garnet = content["rows"][0]
    assert garnet["device"] == "braket/garnet"
    separate = next(plan for plan in garnet["plans"] if plan["name"] == "separate")
    assert (separate["tasks"], Decimal(separate["usd"])) == (
        10,
        Decimal("4.45"),
    )  # 10 x (0.30 + 100 x 0.00145)


@models("own", "torchlayer")
def test_a_rehearsal_prints_its_assessment_as_json(walk: Walk) -> None:
    content = document(walk.results[2])
    stored = walk.folder / "run" / "hardware" / "emulator-garnet" / "assessment.json"
    assert content == json.loads(stored.read_text())
    assert content["schema"] == "qcli.assessment/1"
    assert (content["device"], content["inferences"], content["shots"]) == ("emulator/garnet", 6, 100)
    keys = {"created", "seed", "calibrated_on", "simulation", "hardware", "degradation_points", "mcnemar_p"}
    keys |= {"only_simulation_right", "only_device_right", "flipped", "mean_abs_delta_expval"}
    keys |= {"latency_s_per_inference", "cost", "circuit", "samples"}
    assert set(content) >= keys
    assert set(content["latency_s_per_inference"]) == {"compile", "execute", "postprocess", "total"}
    assert content["cost"]["usd"] == "0" and content["cost"]["real_device"] == "braket/garnet"
    assert 0 < content["mean_abs_delta_expval"] < 0.5


def test_an_untrained_model_is_priced_without_writing_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MODEL)
    command = "estimate-cost ./mine.py --set layers=3 --features 4 --classes 3 --device braket/garnet --json"
    content = document(qcli(command))
    assert (content["model"], content["run"]) == ("mine", None)
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["mine.py"]


def test_what_a_model_prints_does_not_spoil_the_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "print('hello')\n" + MODEL.replace("    layer =", "    print('built')\n    layer =")
    )
    (tmp_path / "mine.csv").write_text(table())
    trained = qcli("train ./mine.py --data mine.csv --batch 8 --epochs 1 --out run --json")
    assert document(trained)["schema"] == "qcli.metrics/1"
    assert "hello" in trained.err and "built" in trained.err


@pytest.mark.parametrize(("command", "schema"), [("devices", "qcli.devices/1"), ("prices", "qcli.prices/1")])
def test_devices_and_prices_list_everything_or_one_with_dates(command: str, schema: str) -> None:
    everything, one = qcli(command), qcli(f"{command} braket/garnet")
    assert everything.code == one.code == 0
    assert all(name in everything.out for name in ("braket/garnet", "ibm/fez"))
    assert "braket/garnet" in one.out and "ibm/fez" not in one.out
    assert "202" in one.out and "source" in one.out
    content = document(qcli(f"{command} --json"))
    (garnet,) = document(qcli(f"{command} braket/garnet --json"))["devices"]
    assert content["schema"] == schema and len(content["devices"]) > 10
    assert "braket/garnet" in (garnet.get("device"), garnet.get("name"))
    assert garnet.get("calibrated_on") or garnet.get("verified_on")


def test_the_version() -> None:
    assert qcli("--version") == Result(0, f"qcli {__version__}\n", "")


def test_help_lists_the_commands() -> None:
    result = qcli("--help")
    assert (result.code, result.err) == (0, "")
    assert all(f"  {command} " in result.out for command in COMMANDS)


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_shows_an_example_to_copy(command: str) -> None:
    result = qcli(f"{command} --help")
    assert (result.code, result.err) == (0, "")
    examples = [line.strip() for line in result.out.splitlines() if line.strip().startswith("qcli ")]
    assert any(example.startswith(f"qcli {command}".strip().removesuffix(" show")) for example in examples)


def test_help_pulls_in_nothing_heavy() -> None:
    heavy = ("torch", "pennylane", "qiskit", "pandas", "sklearn", "matplotlib", "rich.progress")
    program = f"import sys, qcli.cli.main; print([name for name in {heavy} if name in sys.modules])"
    arguments = [sys.executable, "-c", program]
    root = Path(__file__).parents[2]
    found = subprocess.run(arguments, cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
