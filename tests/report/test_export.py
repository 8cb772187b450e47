"""CSV and Markdown hold the figures of the estimate, whole and rectangular."""

import csv
import io
import re
from decimal import Decimal
from typing import Any

import pytest

from qcli.errors import QcliError
from qcli.price.diff import Change, Diff
from qcli.report import export
from tests.report import example

HOSTILE = 'a|b\\|c\nd<script>"e",f'
CHANGES = (
    Change("braket/garnet", "separate", "program-sets", Decimal("50.04"), Decimal("35.94"), 74, 74),
    Change("ibm/fez", None, "job", None, Decimal("17.60"), None, 67),
)
DIFF = Diff("before.json", "after|.json", (("shots", 512, 1024), ("mitigation", "", HOSTILE)), CHANGES)


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def tables(markdown: str) -> list[list[list[str]]]:
    """Cells of every table; a pipe that is escaped does not end a cell."""
    blocks = re.findall(r"(?:^\|.*\|\n?)+", markdown, re.MULTILINE)
    return [[re.findall(r"((?:\\.|[^|\\])*)\|", line[1:]) for line in block.splitlines()] for block in blocks]


def hostile() -> dict[str, Any]:
    """An estimate with an odd character in every name and note."""
    content = example.estimate()
    content["model"] = HOSTILE
    for row in content["rows"]:
        row.update(device=row["device"] + HOSTILE, note=HOSTILE, status=HOSTILE)
        for cliff in row.get("cliffs", []):
            cliff.update(what=HOSTILE, fix=HOSTILE)
    return content


def test_the_csv_has_a_line_for_every_plan_and_for_every_device_without_one() -> None:
    content = example.estimate()
    expected = [
        (row["device"], plan["name"], Decimal(plan["usd"]))
        for row in content["rows"]
        for plan in row["plans"]
    ]
    lines = parsed(export.estimate_csv(content))
    assert [(e["device"], e["plan"], Decimal(e["usd"])) for e in lines if e["plan"]] == expected
    (unfit,) = [line for line in lines if not line["plan"]]
    assert (unfit["device"], unfit["fits"], unfit["usd"], unfit["note"]) == (
        *("braket/ibex-q1", "False", ""),
        "9 wires, 8 qubits",
    )


def test_the_csv_has_the_forecast_of_each_device_and_nothing_where_there_is_none() -> None:
    lines = parsed(export.estimate_csv(example.foreseen_estimate()))
    garnet = next(line for line in lines if line["device"] == "braket/garnet")
    assert float(garnet["forecast_accuracy"]) == 0.96
    assert float(garnet["forecast_degradation_points"]) == pytest.approx(100 * (47 / 48 - 0.96), abs=1e-6)
    assert (garnet["forecast_age_days"], garnet["forecast_calibrated_on"]) == ("199", "2026-02-18")
    emerald = next(line for line in lines if line["device"] == "braket/emerald")
    assert emerald["forecast_stand_in"] == "braket/garnet"
    phoenix = next(line for line in lines if line["device"] == "ibm/phoenix")
    assert {value for name, value in phoenix.items() if name.startswith("forecast_")} == {""}


def test_the_csv_marks_one_chosen_plan_per_device_and_why_another_is_barred() -> None:
    lines = parsed(export.estimate_csv(example.estimate()))
    chosen = [line["device"] for line in lines if line["chosen"] == "True"]
    assert sorted(chosen) == sorted({line["device"] for line in lines if line["plan"]})
    (barred,) = [line for line in lines if line["barred"]]
    assert (barred["plan"], barred["chosen"]) == ("program-sets", "False")


@pytest.mark.parametrize("make", [example.estimate, hostile])
def test_every_line_of_the_csv_has_every_column(make: Any) -> None:
    rows = list(csv.reader(io.StringIO(export.estimate_csv(make())), strict=True))
    assert {len(row) for row in rows} == {32}


def test_text_survives_the_csv_as_it_was() -> None:
    assert {line["note"] for line in parsed(export.estimate_csv(hostile()))} == {HOSTILE}


def test_markdown_shows_forecasts_and_recommendation_only_where_there_are_some() -> None:
    text = export.estimate_markdown(example.foreseen_estimate())
    (devices, *_) = tables(text)
    assert {len(line) for line in devices} == {10}
    assert "| 96 (90–100) | 1.9 |" in text
    assert "**the cheapest device predicted to lose at most 5 points is braket/garnet" in text
    assert "points lost" not in export.estimate_markdown(example.estimate())


@pytest.mark.parametrize("make", [example.estimate, hostile])
def test_markdown_tables_are_rectangular(make: Any) -> None:
    found = tables(export.estimate_markdown(make()))
    assert [len(table[0]) for table in found] == [8, 5, 8, 3, 5]
    for table in found:
        assert {len(line) for line in table} == {len(table[0])}
        assert all(re.fullmatch(r" -+:? ", cell) for cell in table[1])
    assert len(found[0]) == 2 + len(example.estimate()["rows"])


def test_markdown_shows_figures_cliffs_and_shot_plan_and_no_markup_of_others() -> None:
    text = export.estimate_markdown(example.estimate())
    assert "| braket/garnet | program-sets | 1 | 35.94 |" in text
    assert "| one job per circuit | 2 devices | saves 14.10 |" in text
    assert "24 + 136, 52.6" in text and "12.80–19.20" in text
    assert "Samples that show a loss of 5 points" in text and "The best use of 50.00 USD" in text
    assert "**Against the policy**" in text
    assert "<script" not in export.estimate_markdown(hostile())


def test_a_month_of_repetitions_stands_where_one_inference_did() -> None:
    content = example.estimate() | {"per_month": 4}
    text = export.estimate_markdown(content)
    assert "4 times a month" in text and "USD per month" in text and "| 143.74 |" in text  # 4 x 35.9352


def test_a_difference_as_csv_parses_back() -> None:
    garnet, fez = parsed(export.diff_csv(DIFF))
    assert (
        Decimal(garnet["usd_change"])
        == Decimal("-14.10")
        == Decimal(garnet["usd_after"]) - Decimal(garnet["usd_before"])
    )
    assert (fez["plan_before"], fez["usd_before"], fez["usd_after"], fez["usd_change"]) == (
        *("", ""),
        *("17.60", ""),
    )


def test_a_difference_as_markdown_is_rectangular_with_the_facts_above() -> None:
    text = export.diff_markdown(DIFF)
    (table,) = tables(text)
    assert {len(line) for line in table} == {6}
    assert "shots: 512 → 1024" in text and "−14.10 (−28.2 %)" in text and "<script" not in text


def test_a_missing_figure_is_named() -> None:
    content = example.estimate()
    del content["rows"][0]["fits"]
    for form in (export.estimate_csv, export.estimate_markdown):
        with pytest.raises(QcliError, match=r"rows\.0\.fits"):
            form(content)
