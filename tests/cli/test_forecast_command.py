"""`qcli forecast` as typed: a run or a circuit, files and JSON, and scores of measured results."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from qcli import Run
from qcli.cli.main import app
from qcli.device.catalogue import find, user_path
from qcli.device.record import Device, dump_device
from tests.cli.helpers import Result, asked, qcli

GHZ = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[4];
creg c[4];
h q[0];
cx q[0],q[1];
cx q[1],q[2];
cx q[2],q[3];
measure q -> c;
"""
CIRCUIT = "forecast circuit.qasm --device ibm/boston --target 0000 --shots 1000"
RUN = "forecast run --device braket/garnet --inferences 4 --shots 100"


@pytest.fixture
def folder(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: a circuit and a copy of a run."""
    (tmp_path / "circuit.qasm").write_text(GHZ)
    shutil.copytree(trained.path, tmp_path / "run")
    monkeypatch.setenv("QCLI_DEBUG", "")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture(autouse=True)
def _here(folder: Path) -> None:
    """Every test runs in that folder."""


def shown(command: str) -> str:
    result = qcli(command)
    assert result.code == 0, result.err
    assert max(map(len, result.out.splitlines())) <= 110
    return result.out


def refused(command: str) -> Result:
    result = qcli(command)
    assert (result.code, result.out) == (2, "")
    assert "\n  where: " in result.err and "\n  fix: " in result.err and "Traceback" not in result.err
    return result


# a circuit


def test_a_circuits_answer_has_value_interval_guess_and_basis() -> None:
    found = asked(CIRCUIT)
    assert {"value", "low", "high", "guess", "basis"} <= set(found)
    assert (found["circuit"], found["device"]) == ("circuit.qasm", "ibm/boston")
    assert (found["target"], found["shots"]) == ("0000", 1000)
    assert 0.4 < found["low"] < found["value"] < found["high"] < 0.55
    assert found["ideal"] == pytest.approx(0.5)
    assert "fitted on" in found["basis"]


def test_the_word_of_may_be_left_out_or_written() -> None:
    assert asked(CIRCUIT) == asked(CIRCUIT.replace("forecast", "forecast of"))


def test_an_observable_a_date_and_a_seed_are_heard() -> None:
    command = CIRCUIT.replace("--target 0000", "--observable 'X0 X1 X2 X3' --date 2026-04-24")
    found = asked(command)
    assert (found["observable"], found["age_days"]) == ("X0 X1 X2 X3", 7)
    assert found["ideal"] == pytest.approx(1.0)
    finer = command.replace("1000", "50000")
    assert asked(f"{finer} --seed 4")["low"] != asked(finer)["low"]
    assert asked(command.replace("1000", "20"))["low"] < found["low"]


def test_a_circuits_table_says_value_interval_guess_age_and_basis() -> None:
    found, text = asked(CIRCUIT), " ".join(shown(CIRCUIT).split())
    assert f"{found['value']:.3f} 90 % interval {found['low']:.3f} to {found['high']:.3f}" in text
    for word in (
        "guess",
        "ideal",
        "as published",
        "probability of 0000",
        "stale",
        "fitted on 68 public results",
    ):
        assert word in text


def test_a_target_in_qiskits_order_is_said_to_be_read_so() -> None:
    Path("circuit.qasm").write_text(GHZ.replace("h q[0]", "x q[0]").replace("cx", "// cx"))
    assert asked(CIRCUIT.replace("0000", "1000"))["ideal"] == pytest.approx(1.0)
    reversed_ = asked(CIRCUIT.replace("0000", "0001"))
    assert reversed_["ideal"] == pytest.approx(1.0) and "bit 0 last" in reversed_["note"]


@pytest.mark.parametrize(
    ("gates", "what"),
    [
        ("measure q[0] -> c[0];\nh q[0];", "h on wire 0 comes after its measurement"),
        ("measure q[0] -> c[0];\nif(c==1) x q[1];", "if_else on wires [1] is no gate"),
        ("h q[0];\nreset q[0];\nmeasure q[0] -> c[0];", "reset on wires [0] is no gate"),
        ("opaque magic a;\nmagic q[0];\nmeasure q[0] -> c[0];", "does not compile for ibm/boston"),
    ],
)
def test_what_a_device_cannot_run_is_refused(gates: str, what: str) -> None:
    declared = GHZ.splitlines()[:4]
    Path("circuit.qasm").write_text("\n".join([*declared, gates, "measure q[2] -> c[2];"]))
    for question in ("--target 00", "--observable 'Z2'"):
        command = CIRCUIT.replace("--target 0000", question)
        assert what in refused(command).what


def test_a_circuit_wider_than_the_device_is_refused() -> None:
    Path("circuit.qasm").write_text(GHZ.replace("[4]", "[30]").replace("h q[0]", "h q"))
    result = refused(f"forecast circuit.qasm --device garnet --target {'0' * 30}")
    assert "30 wires, the device 20" in result.what


@pytest.fixture
def own_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Device], None]:
    """Keeps a record among the user's own."""
    monkeypatch.setenv("QCLI_HOME", str(folder / "home"))

    def keep(device: Device) -> None:
        path = user_path(device)
        path.parent.mkdir(parents=True)
        path.write_text(dump_device(device))

    return keep


def test_a_device_without_calibration_is_refused(own_device: Callable[[Device], None]) -> None:
    garnet = find("garnet")
    qubits = tuple(qubit._replace(error_1q=None) for qubit in garnet.qubits)
    own_device(garnet.model_copy(update={"name": "bare", "qubits": qubits}))
    for command in (CIRCUIT.replace("ibm/boston", "bare"), RUN.replace("garnet", "bare")):
        assert "the device 0 calibrated qubits" in refused(command).what


# a run


def test_a_run_keeps_the_forecast_of_each_device(folder: Path) -> None:
    content = asked(f"{RUN} --device ibm/boston --date 2026-05-06")
    assert content["schema"] == "qcli.forecast/1"
    assert [row["device"] for row in content["rows"]] == ["braket/garnet", "ibm/boston"]
    for row in content["rows"]:
        path = folder / "run" / "forecasts" / f"{row['device'].replace('/', '-')}.json"
        assert json.loads(path.read_text()) == row
        assert (row["inferences"], row["shots"], row["on"]) == (4, 100, "2026-05-06")


def test_a_device_without_a_price_has_a_forecast_too(own_device: Callable[[Device], None]) -> None:
    own_device(find("garnet").model_copy(update={"name": "mine", "shots": (1, 100)}))
    for name in ("braket/mine", "ibm/brisbane"):
        assert asked(RUN.replace("braket/garnet", name))["rows"][0]["device"] == name
    assert "braket/mine: 1 to 100" in refused(RUN.replace("garnet", "mine").replace("100", "101")).what


def test_a_runs_table_says_accuracy_interval_guess_and_whom_to_believe() -> None:
    (row,), text = asked(RUN)["rows"], " ".join(shown(RUN).split())
    for part in ("accuracy", "degradation", "flips", "guess", "braket/garnet", "stale", "error factor"):
        assert part in text
    assert f"{100 * row['accuracy']['value']:.1f}" in text
    assert "No public results of IQM devices" in text


def test_the_report_follows(folder: Path) -> None:
    result = qcli(RUN)
    assert result.code == 0 and "report: " in result.err
    page = Path(result.err.split("report: ")[1].strip())
    assert "braket/garnet" in page.read_text()


def test_why_adds_where_the_loss_comes_from() -> None:
    text = shown(f"{RUN} --why")
    for source in ("two-qubit gates", "one-qubit gates", "idling", "readout", "layout", "shot noise"):
        assert source in text
    assert "first " in text


def test_mitigation_adds_what_it_regains_and_costs() -> None:
    text = shown(f"{RUN} --mitigation")
    assert "none" in text and "readout" in text and "USD" in text


# beside the bill

PRICE = "estimate-cost run --device braket/garnet --inferences 12"


def test_the_cheapest_device_that_loses_no_more_is_recommended() -> None:
    found = asked(f"{PRICE} --max-degradation 40")
    assert found["recommendation"]["device"] == "braket/garnet"
    assert found["recommendation"]["text"] in " ".join(shown(f"{PRICE} --max-degradation 40").split())


def test_where_no_device_will_do_it_ends_with_4_after_the_answer_and_names_the_least_lossy() -> None:
    result = qcli(f"{PRICE} --shots 1 --max-degradation 0 --json")
    assert result.code == 4
    assert json.loads(result.out)["recommendation"]["device"] is None
    assert "no device online is predicted to lose at most 0 points; the least is braket/garnet" in result.what
    assert "  where: --max-degradation" in result.err and "  fix: retrain" in result.err


def test_no_forecast_leaves_the_bill_alone() -> None:
    (with_it,), (without,) = asked(PRICE)["rows"], asked(f"{PRICE} --no-forecast")["rows"]
    assert with_it["forecast"] and without["forecast"] is None
    assert with_it["plans"] == without["plans"]


def test_retired_devices_are_forecast_where_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qcli.device import catalogue
    from qcli.forecast import document

    few = {name: catalogue.find(name) for name in ("braket/garnet", "braket/ankaa-3")}
    monkeypatch.setattr(document, "catalogue", lambda: few)
    assert [row["device"] for row in asked("forecast run --inferences 4")["rows"]] == ["braket/garnet"]
    both = asked("forecast run --inferences 4 --include-retired")["rows"]
    assert [row["device"] for row in both] == list(few)


# scores


def test_scores_are_printed_and_given_as_json(folder: Path) -> None:
    lines = ["circuit,device,date,shots,target,measured", "circuit.qasm,ibm_fez,2025-11-11,1000,0000,0.44"]
    lines.append("circuit.qasm,iqm_nowhere,2025-11-11,1000,1111,0.39")
    (folder / "results.csv").write_text("\n".join(lines))
    found = asked("forecast score results.csv")
    assert set(found) == {"n", "mae", "bias", "coverage", "mean_width", "guess_mae", "rows"}
    assert found["n"] == len(found["rows"]) == 2
    result = qcli("forecast score results.csv")
    assert result.code == 0 and "no calibration of iqm_nowhere" in result.err
    for figure in (found["mae"], found["guess_mae"], found["mean_width"]):
        assert f"{figure:.3f}" in result.out


def test_no_option_is_left_without_a_test() -> None:
    group = typer.main.get_command(app).commands["forecast"]  # type: ignore[attr-defined]
    text = Path(__file__).read_text()
    for command in group.commands.values():
        for name in {name for each in command.params for name in each.opts if name.startswith("--")} - {
            "--help"
        }:
            assert name in text
