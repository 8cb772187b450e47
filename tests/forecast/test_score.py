"""Measured results beside forecasts: the file's contract, the figures computed by hand, and lines that are refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcli.errors import QcliError
from qcli.forecast.circuit import bitstring, forecast_circuit
from qcli.forecast.score import COLUMNS, NO_CALIBRATION, read_results, score, summary
from tests.forecast.test_circuit import ghz

BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q -> c;
"""
HEADER = "circuit,device,date,shots,target,measured"
RESULTS = [
    "circuits/bell.qasm,ibm_fez,2025-11-11,1000,00,0.49",
    "circuits/bell.qasm,ibm_fez,2025-11-12,1000,00,0.9",
    "circuits/bell.qasm,ibm_fez,2025-11-12,100,11,0.46",
    "circuits/bell.qasm,iqm_garnet,2026-05-06,500,00,0.48",
]


def written(folder: Path, *lines: str, header: str = HEADER) -> Path:
    """A CSV with these rows; its circuits lie in a folder beside it."""
    (folder / "circuits").mkdir(exist_ok=True)
    (folder / "circuits" / "bell.qasm").write_text(BELL)
    path = folder / "results.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return summary(*score(read_results(written(tmp_path_factory.mktemp("scored"), *RESULTS))))


def test_the_columns_are_those_of_the_contract() -> None:
    assert COLUMNS == ("circuit", "device", "date", "shots", "target", "measured")


def test_the_answer_has_the_keys_of_the_contract_and_is_plain_json(content: dict[str, Any]) -> None:
    assert set(content) == {"n", "mae", "bias", "coverage", "mean_width", "guess_mae", "rows"}
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    for row in content["rows"]:
        assert {*COLUMNS, "line", "value", "low", "high", "guess", "basis", "covered"} <= set(row)


def test_the_figures_are_those_of_the_rows(content: dict[str, Any]) -> None:
    rows = content["rows"]
    measured = [0.49, 0.9, 0.46, 0.48]
    assert [row["measured"] for row in rows] == measured
    errors = [row["value"] - m for row, m in zip(rows, measured, strict=True)]
    inside = [row["low"] <= m <= row["high"] for row, m in zip(rows, measured, strict=True)]
    assert inside == [row["covered"] for row in rows] and inside.count(False) == 1 and not inside[1]
    assert content["n"] == 4
    assert content["mae"] == pytest.approx(sum(map(abs, errors)) / 4)
    assert content["bias"] == pytest.approx(sum(errors) / 4)
    assert content["coverage"] == 0.75
    assert content["mean_width"] == pytest.approx(np.mean([row["high"] - row["low"] for row in rows]))
    guesses = [abs(row["guess"] - m) for row, m in zip(rows, measured, strict=True)]
    assert content["guess_mae"] == pytest.approx(sum(guesses) / 4)


def test_a_row_is_the_forecast_of_its_circuit_on_its_day(content: dict[str, Any]) -> None:
    from datetime import date

    from qcli.device.catalogue import find

    row = content["rows"][2]
    alone = forecast_circuit(bitstring(ghz(2), "11"), find("ibm/fez"), 100, date(2025, 11, 12))
    assert (row["value"], row["low"], row["high"], row["guess"]) == pytest.approx(
        (alone.value, alone.low, alone.high, alone.guess)
    )
    assert row["age_days"] == alone.age_days == (date(2025, 11, 12) - find("fez").calibrated_on).days


@pytest.mark.parametrize("name", ["ibm_fez", "ibm/fez", "FakeFez", "fez"])
def test_a_device_goes_by_any_of_its_names(tmp_path: Path, name: str, content: dict[str, Any]) -> None:
    row = f"circuits/bell.qasm,{name},2025-11-11,1000,00,0.49"
    (found,) = summary(*score(read_results(written(tmp_path, row))))["rows"]
    same = content["rows"][0]
    assert {**found, "circuit": "", "device": ""} == {**same, "circuit": "", "device": ""}


@pytest.mark.parametrize("name", ["ibm-nowhere", "IonQ Forte-1", "iqm/spark", "Ankaa-2"])
def test_a_known_vendors_device_without_a_record_is_given_the_guess_and_the_row_says_so(
    tmp_path: Path, name: str
) -> None:
    path = written(tmp_path, f"circuits/bell.qasm,{name},2026-05-06,1000000,00,0.49")
    (row,) = summary(*score(read_results(path)))["rows"]
    assert NO_CALIBRATION in row["basis"]
    assert row["value"] == pytest.approx(row["guess"], abs=0.01)
    known = written(tmp_path, f"circuits/bell.qasm,{known_of(name)},2026-05-06,1000000,00,0.49")
    (calibrated,) = summary(*score(read_results(known)))["rows"]
    assert row["low"] < row["value"] < row["high"]
    # of the loss, the interval is a larger part
    relative = [(each["high"] - each["low"]) / (each["ideal"] - each["value"]) for each in (row, calibrated)]
    assert relative[0] > relative[1]


def known_of(name: str) -> str:
    """A device of the same vendor that has a record."""
    return {"ibm": "fez", "Ion": "forte-enterprise-1", "iqm": "garnet", "Ank": "ankaa-3"}[name[:3]]


def test_a_row_that_cannot_be_forecast_keeps_its_place_and_says_why(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("ibm_fez", "quantinuum/h2"), RESULTS[0], RESULTS[2])
    content = summary(*score(read_results(path)))
    assert content["n"] == 2 and [row["line"] for row in content["rows"]] == [2, 3, 4]
    assert ["error" in row for row in content["rows"]] == [True, False, False]
    assert content["rows"][0]["error"].startswith("line 2: no device") and "value" not in content["rows"][0]


@pytest.mark.parametrize(
    "day", ["2025-11-11", "2025-11-11T10:30", "2025-11-11 10:30:00+01:00", "2025-11-11T10:30:00.5Z"]
)
def test_a_day_is_an_iso_date_with_or_without_a_time(tmp_path: Path, day: str) -> None:
    (found,) = read_results(written(tmp_path, GOOD.replace("2025-11-11", day)))
    assert found.on.isoformat() == "2025-11-11"


def test_the_same_seed_scores_the_same(tmp_path: Path, content: dict[str, Any]) -> None:
    results = read_results(written(tmp_path, *RESULTS))
    again, other = summary(*score(results)), summary(*score(results, seed=1))
    assert [row["value"] for row in again["rows"]] == [row["value"] for row in content["rows"]]
    assert [row["low"] for row in again["rows"]] != [row["low"] for row in other["rows"]]


def test_progress_is_told_row_by_row(tmp_path: Path) -> None:
    done: list[int] = []
    score(read_results(written(tmp_path, *RESULTS)), done.append)
    assert done == [1, 2, 3, 4]


def test_further_columns_blank_lines_a_time_and_a_byte_order_mark_do_no_harm(tmp_path: Path) -> None:
    path = written(
        tmp_path, "", "3, circuits/bell.qasm, ibm_fez, 2025-11-11T10:30:00Z, 100, 01, 0.0", header=""
    )
    path.write_text("\ufeff" + "nr," + HEADER + path.read_text())
    (found,) = read_results(path)
    assert (found.target, found.on.isoformat(), found.shots, found.line) == ("01", "2025-11-11", 100, 3)


GOOD = RESULTS[0]
BAD = [
    ("measured above 1", GOOD.replace("0.49", "1.2"), "line 5: 1000 shots, measured 1.2"),
    ("measured below 0", GOOD.replace("0.49", "-0.1"), "line 5: 1000 shots, measured -0.1"),
    ("measured no number", GOOD.replace("0.49", "half"), "line 5: could not convert string to float: 'half'"),
    ("measured NaN", GOOD.replace("0.49", "nan"), "line 5: 1000 shots, measured nan"),
    ("measured left out", GOOD.replace(",0.49", ""), "line 5: no measured"),
    ("no shots", GOOD.replace("1000", "0"), "line 5: 0 shots"),
    ("half a shot", GOOD.replace("1000", "0.5"), "line 5: invalid literal for int"),
    ("a date that is none", GOOD.replace("11-11", "13-11"), "line 5: month must be in 1..12"),
    ("another date", GOOD.replace("2025-11-11", "11.11.2025"), "line 5: Invalid isoformat string"),
    ("letters after a date", GOOD.replace("11-11", "11-11xyz"), "line 5: Invalid isoformat string"),
    ("no time after a date", GOOD.replace("11-11", "11-11T25:00"), "line 5: hour must be in 0..23"),
    ("a cell too many", GOOD + ",7", "line 5: more cells than columns"),
    ("no device", GOOD.replace("ibm_fez", " "), "line 5: no device"),
]


@pytest.mark.parametrize(("row", "what"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_line_is_named(tmp_path: Path, row: str, what: str) -> None:
    path = written(tmp_path, GOOD, "", GOOD, row)
    with pytest.raises(QcliError) as refusal:
        read_results(path)
    assert what in refusal.value.what
    assert refusal.value.where == str(path) and refusal.value.fix


UNSCORED = [
    ("another's device", GOOD.replace("ibm_fez", "iqm_ankaa_3"), "line 3: no device 'iqm_ankaa_3'"),
    ("a NUL byte", GOOD.replace("bell", "be\0ll"), "line 3: cannot read the circuit: embedded null byte"),
    ("unknown vendor", GOOD.replace("ibm_fez", "quantinuum_h2"), "line 3: no device 'quantinuum_h2'"),
    ("no such circuit", GOOD.replace("bell", "none"), "line 3: cannot read the circuit: No such file"),
    ("too short a target", GOOD.replace(",00,", ",0,"), "line 3: target '0' for 2 measured bits"),
]


@pytest.mark.parametrize(("row", "what"), [case[1:] for case in UNSCORED], ids=[case[0] for case in UNSCORED])
def test_a_line_that_cannot_be_forecast_is_named(tmp_path: Path, row: str, what: str) -> None:
    scored, (refused,) = score(read_results(written(tmp_path, GOOD, row)))
    assert len(scored) == 1 and what in refused.error.what and refused.error.where
    with pytest.raises(QcliError) as refusal:
        score(read_results(written(tmp_path, "", row)))
    assert what in refusal.value.what


FILES = [
    ("", "no column circuit, device"),
    (HEADER + "\n", "no results in the file"),
    (HEADER.replace("shots,", "") + "\n", "no column shots"),
    (HEADER + ",shots,nr,nr\n" + RESULTS[0] + ",7,8,9\n", "shots is named twice"),
    (HEADER.replace(",", ";") + "\n" + RESULTS[0], "not separated by commas"),
    (HEADER.replace(",", "\t") + "\n" + RESULTS[0], "not separated by commas"),
    (b"\xff\xfe\x00", "cannot read the results"),
    (None, "cannot read the results"),
]


@pytest.mark.parametrize(("text", "what"), FILES)
def test_a_file_that_holds_no_results_is_refused(tmp_path: Path, text: str | bytes | None, what: str) -> None:
    path = tmp_path / "results.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(QcliError, match=what) as refusal:
        read_results(path)
    assert refusal.value.where == str(path)
