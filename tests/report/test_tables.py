"""The terminal tables show the figures of the files, in 110 columns; without forecasts, in 100."""

import copy
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console, RenderableType
from rich.table import Table

from qcli.errors import QcliError
from qcli.report.tables import (
    breakdown_tables,
    cliff_table,
    estimate_table,
    metrics_table,
    shot_plan_table,
    spending_tables,
)
from tests.report import example


def shown(table: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def words(output: str) -> list[str]:
    return output.replace("─", "").split()


def line_with(output: str, start: str) -> str:
    return next(line for line in output.splitlines() if line.strip().startswith(start))


def test_metrics_stand_beside_the_baselines_with_the_verdict_below() -> None:
    output = shown(metrics_table(example.metrics(), "qcnn", parameters=583))
    for figure in ("mean ± sd of 3 seeds", "583", "97.2 ± 1.4 %", "0.971 ± 0.014", "0.034 ± 0.006"):
        assert figure in line_with(output, "qcnn, mean")
    assert line_with(output, "qcnn, seed 0").split()[3:] == [
        "583",
        "98.6",
        "%",
        "92.5–99.8",
        "%",
        "0.985",
        "0.031",
    ]
    baseline = line_with(output, "logistic regression").split()
    assert baseline == ["logistic", "regression", "130", "100.0", "%", "94.9–100.0", "%", "0.999", "0.008"]
    assert "605" in line_with(output, "MLP")
    assert "at least as accurate as the hybrid model" in output
    assert "72 samples" in output
    assert "intervals, 95 %: Wilson for accuracy, percentile bootstrap" in output


def test_one_seed_has_no_spread() -> None:
    metrics = example.metrics()
    metrics["seeds"] = metrics["seeds"][:1]
    metrics["summary"]["accuracy"]["sd"] = None
    output = shown(metrics_table(metrics, "qcnn"))
    assert "±" not in output
    assert "98.6 %" in line_with(output, "qcnn, seed 0")


def test_estimate_shows_the_plan_to_choose_on_each_device() -> None:
    output = shown(estimate_table(example.estimate()))
    lines = output.splitlines()
    garnet = next(number for number, line in enumerate(lines) if "braket/garnet" in line)
    assert lines[garnet].split() == [
        *("braket/garnet", "74", "program-sets", "35.94", "0.7487", "8.0–190", "s", "2026-02-20")
    ]
    assert lines[garnet + 1].split() == ["online,", "fits", "96", "1", "assumed", "published"]
    assert "50.04" not in output, "the dearer plan stands in the breakdown only"
    assert "7.1–11 s" in line_with(output, "ibm/fez")
    assert "48 inferences, 1 circuit each, 512 shots, 8 wires" in output


def test_a_cheaper_plan_that_is_barred_is_not_the_one_shown() -> None:
    assert "separate 1,980.48" in " ".join(
        line_with(shown(estimate_table(example.estimate())), "braket/forte-enterprise-1").split()
    )


def test_a_bill_by_time_shows_its_range_on_the_second_line() -> None:
    lines = shown(estimate_table(example.estimate())).splitlines()
    fez = next(number for number, line in enumerate(lines) if "ibm/fez" in line)
    assert "17.60" in lines[fez] and "12.80–19.20" in lines[fez + 1]


def test_a_breach_of_the_policy_stands_with_its_device() -> None:
    output = " ".join(shown(estimate_table(example.estimate())).split())
    assert "max_usd 50.00 USD: found 1,980.48 USD (upper end)" in output


def test_waiting_is_said_to_be_unknown_with_what_was_seen() -> None:
    output = " ".join(shown(estimate_table(example.estimate())).split())
    assert "without the queue, which is unknown: seen from 20.0 s to 23.3 min a task" in output
    silent = example.estimate()
    for row in silent["rows"]:
        row["queue"] = None
    output = " ".join(shown(estimate_table(silent)).split())
    assert "without the queue, which is unknown [1]" in output


def test_a_forecast_stands_beside_its_bill_with_the_recommendation_below() -> None:
    output = shown(estimate_table(example.foreseen_estimate()), width=110)
    lines = output.splitlines()
    garnet = next(number for number, line in enumerate(lines) if "braket/garnet" in line)
    assert lines[garnet].split()[-2:] == ["96", "(90–100)"] and lines[garnet + 1].split()[-1] == "1.9"
    assert line_with(output, "braket/forte-enterprise-1").rstrip().endswith(" 98 (93–100)")
    assert line_with(output, "ibm/phoenix").split()[-1] == "–"
    text = " ".join(output.split())
    assert "stale: 7 of 7 calibrations are older than 7 days (199 days)" in text
    assert "[1] forecast as for braket/garnet" in text
    assert text.endswith("at most 5 points is braket/garnet: 35.94 USD, 1.9 points")


def test_an_estimate_without_forecasts_has_no_column_for_them() -> None:
    silent = example.estimate() | {"recommendation": None}
    for row in silent["rows"]:
        row["forecast"] = None
    assert shown(estimate_table(silent)) == shown(estimate_table(example.estimate()))
    assert "points lost" not in shown(estimate_table(silent))


def test_large_bills_beside_forecasts_still_fit() -> None:
    content = json.loads(json.dumps(example.foreseen_estimate() | {"per_month": 2}))
    for row in content["rows"]:
        for plan in row["plans"]:
            plan.update({key: str(3000 * Decimal(plan[key])) for key in plan if key.startswith("usd")})
    output = shown(estimate_table(content), width=110)
    assert "…" not in output
    for amount in ("5,941,440.00", "11,882,880.00", "38,400.00–", "57,600.00"):
        assert amount in output


def test_cliffs_of_one_kind_share_a_line_after_those_of_the_workload() -> None:
    table = cliff_table(example.estimate())
    assert table is not None
    output = shown(table)
    lines = [line.split() for line in output.splitlines()]
    start = next(number for number, line in enumerate(lines) if line[:1] == ["classical"])
    assert lines[start : start + 4] == [
        ["classical", "alternative", "adds", "MLP", "reaches", "98.7", "%"],
        ["4.80", "→", "compare", "with", "it"],
        ["one", "job", "per", "circuit", "saves", "braket/garnet:", "48", "tasks"],
        ["2", "devices", "14.10", "→", "submit", "as", "program-sets"],
    ]


def test_without_cliffs_or_shot_plans_there_is_no_table() -> None:
    bare = example.estimate()
    for key in example.advice():
        del bare[key]
    for row in bare["rows"]:
        row.pop("cliffs", None)
    assert cliff_table(bare) is None
    assert shot_plan_table(bare) is None
    assert spending_tables(bare) == []


def test_the_shot_plan_is_shown_where_a_calibration_is_known() -> None:
    table = shot_plan_table(example.estimate())
    assert table is not None
    output = shown(table)
    assert "at most 1.0 % flipped labels" in output and "58 validation" in output
    assert line_with(output, "braket/garnet").split() == [
        *("braket/garnet", "0.71", "35.94", "91", "6.63", "24", "+", "136", "3.97", "31.97")
    ]
    assert "braket/forte-1" not in output


def test_a_target_that_no_shots_reach_is_said_with_the_best_rate() -> None:
    estimate = example.estimate()
    estimate["shot_plans"] = estimate["shot_plans"][:1]
    hopeless = {"uniform": None, "uniform_usd": None, "two_stage": None, "two_stage_usd": None}
    estimate["shot_plans"][0] |= hopeless | {"flip_rate_at_most": 0.031}
    table = shot_plan_table(estimate)
    assert table is not None
    output = shown(table)
    assert "more" in line_with(output, "braket/garnet") and "(3.1 %)" in output


def test_samples_and_budget_have_a_table_each() -> None:
    detect, budget = map(shown, spending_tables(example.estimate()))
    assert "Samples that show a loss of 5 points" in detect
    assert "USD at most, 201 inferences" in detect and "USD at most, 299 inferences" in detect
    assert line_with(detect, "braket/garnet").split() == ["braket/garnet", "150.12", "222.88"]
    assert line_with(detect, "braket/ibex-q1").split() == ["braket/ibex-q1", "–", "–"]
    assert "the test set has 72 samples" in " ".join(detect.split())
    assert "The best use of 50.00 USD on each device" in budget
    assert line_with(budget, "braket/garnet").split() == ["braket/garnet", "371", "91", "49.95", "2.70"]
    assert line_with(budget, "braket/forte-1").split() == ["braket/forte-1", "0", "91", "0.00", "–"]


def test_the_breakdown_shows_every_plan_line_by_line() -> None:
    estimate = example.estimate()
    outputs = [shown(table, width=200) for table in breakdown_tables(estimate)]
    assert len(outputs) == sum(len(row["plans"]) for row in estimate["rows"])
    (garnet,) = [output for output in outputs if "braket/garnet, separate" in output]
    assert line_with(garnet, "shots").split() == ["shots", "24,576", "0.00145", "35.6352"]
    assert line_with(garnet, "in all").split() == ["in", "all", "50.0352"]
    (chosen,) = [output for output in outputs if "braket/garnet, program-sets, chosen" in output]
    assert "queue time: unknown, seen from 20.0 s to 23.3 min" in " ".join(chosen.split())
    barred = [output for output in outputs if "not confirmed on this device" in " ".join(output.split())]
    assert len(barred) == 1 and "forte-enterprise-1" in barred[0] and "◂" not in barred[0]


def test_devices_stand_in_order_of_price_uncompiled_and_unfit_ones_last() -> None:
    output = shown(estimate_table(example.estimate()))
    order = [line.split()[0] for line in output.splitlines() if line.strip().startswith(("braket/", "ibm/"))]
    assert order[0] == "braket/cepheus-1-108q"
    assert order[-5:-2] == ["braket/forte-enterprise-1", "braket/ankaa-3", "ibm/phoenix"]
    assert order[-2:] == ["braket/forte-1", "braket/ibex-q1"]
    assert "online, fits [1]" in output
    assert "online, does not fit [2]" in output
    assert "[1] no calibration known" in output
    assert "[2] 9 wires, 8 qubits" in output


def test_dollars_are_right_aligned() -> None:
    output = shown(estimate_table(example.estimate()))
    ends = set()
    for line in output.splitlines():
        ends |= {line.index(f) + len(f) for f in ("  1,980.48", "  10.74", "12.80–19.20") if f in line}
    assert len(ends) == 1


MADE: dict[str, Callable[[], Table | None]] = {
    "metrics": lambda: metrics_table(example.metrics(), "qcnn", 583),
    "estimate": lambda: estimate_table(example.estimate()),
    "foreseen estimate": lambda: estimate_table(example.foreseen_estimate()),
    "cliffs": lambda: cliff_table(example.estimate()),
    "shots": lambda: shot_plan_table(example.estimate()),
    "samples": lambda: spending_tables(example.estimate())[0],
    "budget": lambda: spending_tables(example.estimate())[1],
    "breakdown": lambda: breakdown_tables(example.estimate())[0],
}


@pytest.mark.parametrize("name", MADE)
def test_tables_fit_in_100_columns_and_with_forecasts_in_110(name: str) -> None:
    made = MADE[name]()
    assert made is not None
    width = 110 if name == "foreseen estimate" else 100
    output = shown(made, width)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= width
    assert sorted(words(shown(made, width=200))) == sorted(words(output))


def test_names_are_text_not_markup() -> None:
    assert "[red]qcnn[/red], seed 0" in shown(metrics_table(example.metrics(), "[red]qcnn[/red]"))


def without(content: dict[str, Any], *path: str | int) -> dict[str, Any]:
    changed = copy.deepcopy(content)
    inner: Any = changed
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return changed


def test_a_missing_figure_is_named() -> None:
    with pytest.raises(QcliError, match=r"seeds\.0\.accuracy"):
        metrics_table(without(example.metrics(), "seeds", 0, "accuracy"), "qcnn")
    with pytest.raises(QcliError, match=r"rows\.1\.fits"):
        estimate_table(without(example.estimate(), "rows", 1, "fits"))


def test_money_as_a_binary_float_is_refused() -> None:
    estimate = example.estimate()
    estimate["rows"][0]["plans"][0]["usd"] = 50.04
    with pytest.raises(QcliError, match="binary float"):
        estimate_table(estimate)
