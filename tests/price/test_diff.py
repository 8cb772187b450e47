"""Two estimates side by side: what differs in the question, and each device's bill."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qcli import QcliError, Question
from qcli.price.diff import Change, compare, diff_json, last_estimate
from qcli.price.document import document, keep
from qcli.price.estimate import estimate
from qcli.price.subject import Subject, subject_of
from qcli.price.workload import Mitigation

GARNET, FEZ = "braket/garnet", "ibm/fez"


@pytest.fixture(scope="module")
def small() -> Subject:
    """A circuit of two wires, one per inference."""
    return subject_of("vqc", {"wires": "2", "layers": "1"})


def content(subject: Subject, created: str = "2026-09-26T10:00:00+00:00", **asked: Any) -> dict[str, Any]:
    asked = {"devices": (GARNET,), **asked}
    return document(replace(estimate(subject, Question(**asked)), created=created))


def written(path: Path, estimated: dict[str, Any]) -> Path:
    path.write_text(json.dumps(estimated))
    return path


def test_changed_shots_are_a_fact_and_change_the_bill(small: Subject) -> None:
    diff = compare(("a", content(small)), ("b", content(small, shots=1024)))
    assert diff.facts == (("shots", 512, 1024),)
    (change,) = diff.changes
    assert (change.device, change.plan_before, change.plan_after) == (GARNET, "program-sets", "program-sets")
    assert change.usd == 48 * 512 * Decimal("0.00145")
    assert change.two_qubit_gates_before == change.two_qubit_gates_after


def test_every_part_of_the_question_that_sets_the_bill_is_a_fact(small: Subject) -> None:
    other = {"inferences": 100, "mitigation": Mitigation(readout=True), "per_month": 2}
    diff = compare(
        ("a", content(small, devices=(FEZ,))),
        ("b", content(small, devices=(FEZ,), contracts={"ibm": "flex"}, **other)),
    )
    assert [name for name, _, _ in diff.facts] == ["inferences", "mitigation", "per_month", "contracts"]
    assert diff.facts[-1] == ("contracts", "none", "ibm flex")


def test_more_repetitions_in_a_month_cost_more(small: Subject) -> None:
    (change,) = compare(("a", content(small)), ("b", content(small, per_month=4))).changes
    assert change.usd_before and change.usd == 3 * change.usd_before


def test_the_same_estimate_twice_has_no_difference(small: Subject) -> None:
    diff = compare(("a", content(small)), ("b", content(small)))
    assert diff.facts == () and [change.usd for change in diff.changes] == [0]


def test_a_device_in_one_of_them_only_has_a_bill_and_no_change(small: Subject) -> None:
    diff = compare(
        ("a", content(small, inferences=1, shots=100)),
        ("b", content(small, inferences=1, shots=100, devices=(FEZ,))),
    )
    gates = {change.device: change for change in diff.changes}
    assert gates[GARNET] == Change(
        *(GARNET, "separate", None, Decimal("0.445"), None),
        gates[GARNET].two_qubit_gates_before,
        None,
    )
    assert gates[FEZ].usd_before is None and gates[FEZ].usd_after == 3 * Decimal("1.60")
    assert gates[FEZ].usd is None


def test_another_plan_is_named(small: Subject) -> None:
    diff = compare(("a", content(small, inferences=1)), ("b", content(small, inferences=2)))
    assert [(change.plan_before, change.plan_after) for change in diff.changes] == [
        ("separate", "program-sets")
    ]


def test_the_plain_content_keeps_money_as_text(small: Subject) -> None:
    found = diff_json(compare(("a", content(small)), ("b", content(small, shots=513))))
    assert found["schema"] == "qcli.diff/1" and (found["before"], found["after"]) == ("a", "b")
    (change,) = found["changes"]
    assert Decimal(change["usd"]) == 48 * Decimal("0.00145")
    assert isinstance(change["usd_before"], str)
    assert json.loads(json.dumps(found)) == found


def test_of_a_run_the_last_estimate_counts_even_within_a_second(small: Subject, tmp_path: Path) -> None:
    for shots in (1, 2, 3):
        last = keep(content(small, created="2026-09-26T10:00:01+00:00", shots=shots), tmp_path)
    older = keep(content(small, created="2026-09-26T09:59:59+00:00", shots=4), tmp_path)
    name, found = last_estimate(tmp_path)
    assert (name, found["shots"]) == (str(last), 3)
    assert last_estimate(older)[1]["shots"] == 4, "a file is taken as it is"


def test_a_run_without_an_estimate_points_to_the_command(tmp_path: Path) -> None:
    with pytest.raises(QcliError, match="no estimate to compare") as refusal:
        last_estimate(tmp_path)
    assert refusal.value.fix == f"make one: qcli estimate-cost {tmp_path}"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "qcli.run/1"}'])
def test_a_file_that_is_no_estimate_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(QcliError) as refusal:
        last_estimate(path)
    assert refusal.value.where == str(path)


def _without_rows(estimated: dict[str, Any]) -> None:
    del estimated["rows"]


def _rows_of_numbers(estimated: dict[str, Any]) -> None:
    estimated["rows"] = [1]


def _no_price(estimated: dict[str, Any]) -> None:
    del estimated["rows"][0]["plans"][0]["usd"]
    estimated["rows"][0]["cheapest"] = estimated["rows"][0]["plans"][0]["name"]


def _text_for_money(estimated: dict[str, Any]) -> None:
    for plan in estimated["rows"][0]["plans"]:
        plan["usd"] = "much"


def _no_number(estimated: dict[str, Any]) -> None:
    for plan in estimated["rows"][0]["plans"]:
        plan["usd"] = "NaN"


def _unknown_plan(estimated: dict[str, Any]) -> None:
    estimated["rows"][0]["cheapest"] = "by-post"


DAMAGES = [_without_rows, _rows_of_numbers, _no_price, _text_for_money, _no_number, _unknown_plan]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_content_is_refused_with_both_names(
    small: Subject, tmp_path: Path, damage: Callable[[dict[str, Any]], None]
) -> None:
    broken = content(small)
    damage(broken)
    path = written(tmp_path / "broken.json", broken)
    with pytest.raises(QcliError, match="not an estimate's content") as refusal:
        compare(("sound.json", content(small)), last_estimate(path))
    assert refusal.value.where == f"sound.json, {path}"
