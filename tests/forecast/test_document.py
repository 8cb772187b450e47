"""Forecasts as kept in a run's folder: one file a device, with all that they rest on."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.forecast import document as module
from qcli.forecast.document import SCHEMA, forecast, keep
from qcli.train.run import Run

GARNET = find("garnet")
KEYS = {
    "schema", "created", "run", "model", "device", "on", "inferences", "shots", "simulated", "accuracy",
    "degradation", "flips", "guess", "as_published", "contrast", "age_days", "believe", "calibrated_on", "stale",
    "gate_times", "optimism", "log_sd", "layouts", "why", "mitigation", "classes", "samples",
}  # fmt: skip


def kept(run: Run) -> dict[str, Any]:
    return {path.name: json.loads(path.read_text()) for path in (run.path / "forecasts").iterdir()}


def test_each_device_that_was_named_has_a_file_with_everything(run_copy: Run) -> None:
    names = ["emulator/garnet", "ibm_boston"]
    content = forecast(run_copy, names, inferences=4, shots=100, on=date(2026, 5, 7))
    assert content["schema"] == SCHEMA == "qcli.forecast/1"
    assert kept(run_copy) == {f"{row['device'].replace('/', '-')}.json": row for row in content["rows"]}
    garnet, boston = content["rows"]
    assert (garnet["device"], boston["device"]) == ("braket/garnet", "ibm/boston")
    for row in content["rows"]:
        assert set(row) == KEYS and row["schema"] == SCHEMA
        assert (row["inferences"], row["shots"], row["on"]) == (4, 100, "2026-05-07")
        assert [sample["index"] for sample in row["samples"]] == list(run_copy.split.test[:4])
        assert set(row["accuracy"]) == {"value", "low", "high"}
        assert row["why"] is row["mitigation"] is None
    assert (garnet["age_days"], garnet["stale"], garnet["gate_times"]) == (2, False, "assumed")
    assert (boston["age_days"], boston["stale"], boston["gate_times"]) == (20, True, "published")
    assert garnet["optimism"]["basis"].startswith("assumed")
    assert set(garnet["log_sd"]) == {"between_devices", "day_to_day", "drift", "layout"}


def test_a_newer_forecast_takes_the_place_of_the_older(run_copy: Run) -> None:
    forecast(run_copy, ["garnet"], inferences=2, shots=50)
    forecast(run_copy, ["garnet"], inferences=3, shots=50)
    (content,) = kept(run_copy).values()
    assert content["inferences"] == 3


def test_the_day_is_today_unless_another_is_named(run_copy: Run) -> None:
    (row,) = forecast(run_copy, ["garnet"], inferences=2, shots=50)["rows"]
    assert row["on"] == date.today().isoformat()
    assert row["age_days"] == (date.today() - GARNET.calibrated_on).days


def test_why_and_mitigation_come_where_they_are_asked_for_with_their_progress(run_copy: Run) -> None:
    steps: list[tuple[str, int, int]] = []
    (row,) = forecast(
        run_copy,
        ["garnet"],
        inferences=4,
        shots=100,
        why=True,
        mitigation=True,
        on_step=lambda *step: steps.append(step),
    )["rows"]
    assert steps == [
        ("forecasting braket/garnet", 0, 3),
        ("attributing the loss on braket/garnet", 1, 3),
        ("trying mitigation on braket/garnet", 2, 3),
    ]
    why = row["why"]
    assert sum(part["outputs"] for part in why["parts"]) == pytest.approx(why["outputs"], abs=1e-9)
    assert sum(part["accuracy"] for part in why["parts"]) == pytest.approx(why["accuracy"], abs=1e-9)
    assert why["advice"].startswith("first ")
    assert row["mitigation"]["rows"][0]["technique"] == "none"
    assert json.loads((run_copy.path / "forecasts" / "braket-garnet.json").read_text()) == json.loads(
        json.dumps(row)
    )


def test_by_default_all_that_still_exist_are_asked_each_with_shots_that_it_takes(
    run_copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = GARNET.model_copy(update={"qubits": GARNET.qubits[:2], "edges": GARNET.edges[:1], "grid": None})
    some = {each.key: each for each in (find("forte-enterprise-1"), find("ankaa-3"))} | {"small": small}
    monkeypatch.setattr(module, "catalogue", lambda: some)
    forte, note = forecast(run_copy, inferences=2, shots=7)["rows"]
    assert (forte["device"], forte["shots"]) == ("braket/forte-enterprise-1", 100)
    assert set(note) == {"device", "note"} and "3 wires" in note["note"]
    assert list(kept(run_copy)) == ["braket-forte-enterprise-1.json"]


def test_a_device_that_was_named_is_not_asked_for_other_shots(run_copy: Run) -> None:
    with pytest.raises(QcliError, match="100 to 5,000"):
        forecast(run_copy, ["forte-enterprise-1"], inferences=2, shots=7)
    with pytest.raises(QcliError, match="no device 'braket/garnt'"):
        forecast(run_copy, ["garnet", "braket/garnt"], inferences=2)
    assert not (run_copy.path / "forecasts").exists()


def test_the_same_question_has_the_same_answer(run_copy: Run) -> None:
    day = GARNET.calibrated_on + timedelta(3)
    one, same = (forecast(run_copy, ["garnet"], inferences=4, shots=100, on=day)["rows"][0] for _ in range(2))
    assert {**one, "created": ""} == {**same, "created": ""}


def test_a_file_is_named_after_its_device(tmp_path: Path) -> None:
    assert keep({"device": "ibm/fez"}, tmp_path) == tmp_path / "forecasts" / "ibm-fez.json"
