"""`qcli estimate-cost` as typed: every option has an effect, every format holds the answer, a policy refuses with 3."""

import csv
import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer

from qcli import Run
from qcli.cli.main import app
from tests.cli.helpers import Result, asked, qcli
from tests.report.test_html import Page

MODEL = """
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

class Model(nn.Module):
    '''`classes` passes through a layer of `features` wires.'''
    def __init__(self, features, classes, layers):
        super().__init__()
        def circuit(inputs, weights):
            qml.AngleEmbedding(inputs, wires=range(features))
            qml.BasicEntanglerLayers(weights, wires=range(features))
            return [qml.expval(qml.Z(wire)) for wire in range(features)]
        self.quantum = QuantumLayer(circuit, {"weights": (layers, features)})
        self.classes, self.head = classes, nn.Linear(features, classes)
    def forward(self, x):
        for _ in range(self.classes):
            x = self.quantum(x)
        return self.head(x)

def build(features: int, classes: int, layers: int = 1):
    return Model(features, classes, layers)
"""
PRICES = """
provider = "braket"
[sources]
mine = { title = "our contract", verified_on = 2026-09-01 }
[devices.garnet.price]
task_fee = { value = "0.10", unit = "USD/task", basis = "contract", source = "mine" }
"""
GARNET, FEZ = "braket/garnet", "ibm/fez"
BASE = f"estimate-cost ./shaped.py --features 2 --device {GARNET}"
TRAINING = f"{BASE} --training --samples 10"


@pytest.fixture(scope="module")
def folder(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder: a model, two copies of a run, a price sheet, and a home of its own."""
    path = tmp_path_factory.mktemp("priced")
    (path / "shaped.py").write_text(MODEL)
    (path / "prices.toml").write_text(PRICES)
    (path / "strict.toml").write_text('[policy]\nmax_usd = "20"\n')
    for name in ("run", "other"):
        shutil.copytree(trained.path, path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QCLI_HOME", str(path / "home"))
        patch.chdir(path)
        yield path


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    """Every test runs in that folder."""


def chosen(content: Any) -> Any:
    """The cheapest plan on the only device."""
    (row,) = content["rows"]
    (plan,) = [plan for plan in row["plans"] if plan["name"] == row["cheapest"]]
    return plan


def usd(content: Any) -> Decimal:
    return Decimal(chosen(content)["usd"])


def devices(content: Any) -> list[str]:
    return [row["device"] for row in content["rows"]]


EFFECTS: list[tuple[str, Callable[[Any], object], object]] = [
    (BASE, lambda c: (c["inferences"], c["shots"], c["wires"], c["circuits_per_inference"]), (48, 512, 2, 2)),
    (f"{BASE} --inferences 7", lambda c: chosen(c)["shots"], 7 * 2 * 512),
    (f"{BASE} --shots 100", lambda c: chosen(c)["shots"], 48 * 2 * 100),
    (f"{BASE} --device {FEZ}", devices, [GARNET, FEZ]),
    (f"{BASE} --device ankaa-3 --include-retired", devices, [GARNET, "braket/ankaa-3"]),
    (f"{BASE} --features 3", lambda c: c["wires"], 3),
    (f"{BASE} --classes 3", lambda c: c["circuits_per_inference"], 3),
    (TRAINING, lambda c: c["training"]["circuits_per_sample"], 2 * 1 + 2 * (2 + 2) + 2 * 2),
    (f"{TRAINING} --gradient spsa", lambda c: c["training"]["circuits_per_sample"], 2 * 3),
    (f"{TRAINING} --gradient spsa --epochs 4", lambda c: chosen(c)["shots"], 4 * 10 * 6 * 512),
    (f"{TRAINING} --gradient spsa --epochs 1 --batch 5", lambda c: chosen(c)["tasks"], 2 * 2),
    (f"{BASE} --mitigation zne=1,3 --mitigation readout", lambda c: c["mitigation"], "zne=1,3 readout"),
    (f"{BASE} --mitigation zne=1,3", lambda c: chosen(c)["shots"], 2 * 48 * 2 * 512),
    (f"{BASE} --hybrid-job", lambda c: "hybrid job" in chosen(c)["lines"][-1]["text"], True),
    (f"{BASE} --per-month 3", lambda c: Decimal(c["rows"][0]["usd_per_month"]), 3 * Decimal("71.8704")),
    (f"{BASE} --prices prices.toml", usd, Decimal("71.8704") - 2 * Decimal("0.20")),
    (f"{BASE} --detect 10", lambda c: c["detect"]["points"], 10.0),
    (f"{BASE} --budget 12.5", lambda c: c["budget"]["usd"], "12.5"),
    (
        f"{BASE} --policy strict.toml --inferences 1",
        lambda c: (c["policy"], c["rows"][0]["breaches"]),
        ("strict.toml", []),
    ),
    (
        f"estimate-cost ./shaped.py --features 2 --device {FEZ} --contract ibm=flex",
        lambda c: (c["contracts"], usd(c)),
        ({"ibm": "flex"}, Decimal("1.20") * 2 * 9),
    ),
    (
        f"estimate-cost run --device {GARNET} --max-flips 0.05",
        lambda c: c["shot_plans"][0]["max_flips"],
        0.05,
    ),
    (
        f"estimate-cost run --device {GARNET} --forecast --max-degradation 60",
        lambda c: (c["recommendation"]["device"], c["rows"][0]["forecast"]["age_days"] > 0),
        (GARNET, True),
    ),
    (f"estimate-cost run --device {GARNET} --no-forecast", lambda c: c["rows"][0]["forecast"], None),
]
ELSEWHERE = {"--set", "--breakdown", "--diff", "--format", "--json"}


@pytest.mark.parametrize(("command", "found", "expected"), EFFECTS, ids=[effect[0] for effect in EFFECTS])
def test_every_option_has_an_effect(command: str, found: Callable[[Any], object], expected: object) -> None:
    assert found(asked(command)) == expected


def test_more_layers_have_more_gates() -> None:
    few, many = (asked(f"{BASE} --set layers={n}")["rows"][0]["two_qubit_gates"] for n in (1, 4))
    assert few < many


def test_no_option_is_left_without_a_test() -> None:
    command = typer.main.get_command(app).commands["estimate-cost"]  # type: ignore[attr-defined]
    names = (name for each in command.params for name in (*each.opts, *each.secondary_opts))
    options = {name for name in names if name.startswith("--")}
    used = {word for command, *_ in EFFECTS for word in command.split() if word.startswith("--")}
    assert options - {"--help"} == used | ELSEWHERE


def test_the_breakdown_adds_every_line_of_every_plan() -> None:
    plain, full = (qcli(f"{BASE}{more}") for more in ("", " --breakdown"))
    assert "USD each" not in plain.out
    assert plain.out.split() == full.out.split()[: len(plain.out.split())]
    for plan in ("separate", "program-sets, chosen", "parametrised", "reservation"):
        assert f"{GARNET}, {plan}" in full.out
    assert "0.00145" in full.out and "71.8704" in full.out


def test_the_table_comes_with_cliffs_samples_and_budget() -> None:
    result = qcli(f"{BASE} --detect 10 --budget 50")
    for text in (
        "program-sets",
        "Cliffs",
        "one job per circuit",
        "show a loss of 10 points",
        "use of 50.00 USD",
    ):
        assert text in result.out
    assert (result.code, result.err.strip()) == (0, "")


def test_json_of_a_run_is_the_file_that_is_kept(folder: Path) -> None:
    before = set((folder / "run" / "estimates").glob("*.json"))
    content = asked(f"estimate-cost run --device {FEZ}")
    (kept,) = set((folder / "run" / "estimates").glob("*.json")) - before
    assert content == json.loads(kept.read_text())
    assert asked(f"estimate-cost run --device {FEZ} --format csv")["rows"] == content["rows"], "--json wins"


def test_csv_holds_every_plan_of_every_device() -> None:
    command = f"{BASE} --device {FEZ} --device ionq/forte-1"
    content, result = asked(command), qcli(f"{command} --format csv")
    lines = list(csv.DictReader(io.StringIO(result.out), strict=True))
    assert [(line["device"], line["plan"], line["usd"], line["tasks"]) for line in lines] == [
        (row["device"], plan["name"], plan["usd"], str(plan["tasks"]))
        for row in content["rows"]
        for plan in row["plans"]
    ]
    assert sum(line["chosen"] == "True" for line in lines) == 3


def test_markdown_is_a_table_to_paste() -> None:
    result = qcli(f"{BASE} --device {FEZ} --format markdown")
    lines = [line for line in result.out.splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert widths == [9] * 4 + [6] * (len(lines) - 4)
    assert f"| {GARNET} | program-sets | 2 | 71.87 |" in result.out


def test_html_is_one_page_complete_in_itself() -> None:
    result = qcli(f"{BASE} --format html")
    page = Page(result.out)
    assert page.tags.isdisjoint({"script", "link", "iframe", "img", "object"})
    references = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action")]
    assert all(value.startswith("#") for value in references)
    assert re.findall(r"url\((?!#)|@import", result.out) == []
    assert "71.87" in page.text and "one job per circuit" in page.text


def stored(result: Result) -> None:
    assert result.code == 0, result.err


def test_two_runs_are_compared_by_their_last_estimates(folder: Path) -> None:
    stored(qcli(f"estimate-cost run --device {GARNET}"))
    stored(qcli(f"estimate-cost other --device {GARNET} --device {FEZ} --shots 1024"))
    found = asked("estimate-cost --diff run other")
    assert {"name": "shots", "before": 512, "after": 1024} in found["facts"]
    garnet, fez = found["changes"]
    assert Decimal(garnet["usd"]) == 48 * 512 * Decimal("0.00145")
    assert (fez["device"], fez["plan_before"], fez["usd"]) == (FEZ, None, None)
    table = qcli("estimate-cost --diff run other")
    assert "shots: 512 → 1024" in table.out and "+35.64 (+99.2 %)" in table.out
    lines = list(csv.DictReader(io.StringIO(qcli("estimate-cost --diff run other --format csv").out)))
    assert [(line["device"], line["usd_change"]) for line in lines] == [(GARNET, garnet["usd"]), (FEZ, "")]
    text = qcli("estimate-cost --diff run other --format markdown").out
    assert f"| {GARNET} | program-sets | 35.94 | program-sets | 71.57 | +35.64 (+99.2 %) |" in text
    refusal = qcli("estimate-cost --diff run other --format html")
    assert (refusal.code, refusal.out) == (2, "") and "no HTML form" in refusal.what


def test_two_files_are_compared(folder: Path) -> None:
    for name, shots in (("a.json", 100), ("b.json", 200)):
        (folder / name).write_text(qcli(f"{BASE} --shots {shots} --json").out)
    found = asked("estimate-cost --diff a.json b.json")
    assert (found["before"], found["after"]) == ("a.json", "b.json")
    assert Decimal(found["changes"][0]["usd"]) == 48 * 2 * 100 * Decimal("0.00145")
    (folder / "b.json").write_text("{")
    refusal = qcli("estimate-cost --diff a.json b.json")
    assert refusal.code == 2 and "b.json is not valid JSON" in refusal.what


def test_a_named_device_in_breach_ends_with_3_after_the_answer() -> None:
    result = qcli(f"{BASE} --policy strict.toml")
    assert result.code == 3
    assert "program-sets" in result.out and "71.87" in result.out
    assert f"{GARNET}: max_usd 20.00 USD: found 71.87 USD (upper end)" in result.what
    assert "  where: strict.toml" in result.err
    content = json.loads(qcli(f"{BASE} --policy strict.toml --json").out)
    assert content["rows"][0]["breaches"] == ["max_usd 20.00 USD: found 71.87 USD (upper end)"]


def test_without_named_devices_one_that_keeps_the_policy_is_enough(folder: Path) -> None:
    everywhere = "estimate-cost ./shaped.py --features 2 --inferences 1"
    (folder / "none.toml").write_text('[policy]\nmax_usd = "0.0001"\n')
    assert qcli(f"{everywhere} --policy strict.toml --json").code == 0
    result = qcli(f"{everywhere} --policy none.toml --json")
    assert result.code == 3 and "more devices" in result.what
    assert all(row["breaches"] for row in json.loads(result.out)["rows"] if row["plans"])


def test_the_nearest_qcli_toml_counts_and_its_plans_restrict_the_choice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "project" / "runs"
    inner.mkdir(parents=True)
    shutil.copy(folder / "shaped.py", inner)
    (tmp_path / "project" / "qcli.toml").write_text('[policy]\nplans = ["separate"]\n')
    monkeypatch.chdir(inner)
    content = asked(BASE)
    assert content["policy"] == str(tmp_path / "project" / "qcli.toml")
    assert content["rows"][0]["cheapest"] == "separate"
    (folder / "sets.toml").write_text('[policy]\nplans = ["program-sets"]\n')
    assert asked(f"{BASE} --policy {folder / 'sets.toml'}")["rows"][0]["cheapest"] == "program-sets"


def test_a_rehearsal_is_listed_in_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCLI_HOME", str(tmp_path))
    empty = qcli("ledger")
    assert (empty.code, empty.out) == (0, "") and "no runs in" in empty.err
    rehearse = "validate-on-hardware run --device emulator/garnet --inferences 5 --shots 40 --json"
    assert qcli(rehearse).code == 0
    (entry,) = asked("ledger")["entries"]
    assert (entry["run"], entry["device"], entry["inferences"]) == ("run", "emulator/garnet", 5)
    for part in ("estimate", "actual"):
        assert (entry[part]["tasks"], entry[part]["shots"], entry[part]["usd"]) == (5, 200, "0")
    table = qcli("ledger --device emulator/garnet")
    assert table.code == 0 and "emulator/garnet" in table.out and "1 of 1" in table.out
    assert qcli("ledger --device emulator/garnt").code == 2
