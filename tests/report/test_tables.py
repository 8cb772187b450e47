"""The terminal tables show the figures of the files, in 100 columns."""

import copy
import io
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from qcli.errors import QcliError
from qcli.report.tables import assessment_table, estimate_table, metrics_table
from tests.report import example


def shown(table: Table, width: int = 100) -> str:
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


def test_estimate_shows_every_plan_and_marks_the_cheapest() -> None:
    output = shown(estimate_table(example.estimate()))
    lines = output.splitlines()
    garnet = next(number for number, line in enumerate(lines) if "braket/garnet" in line)
    assert lines[garnet].split() == [
        *("braket/garnet", "74", "separate", "48", "50.04", "1.04", "8.0–190", "s", "2026-02-20")
    ]
    assert lines[garnet + 1].split() == [
        *("online,", "fits", "96", "program-sets", "◂", "1", "35.94", "0.7487", "assumed", "published")
    ]
    assert "1,980.48" in line_with(output, "braket/forte-enterprise-1")
    assert "7.1–11 s" in line_with(output, "ibm/fez")
    assert "48 inferences, 1 circuit each, 512 shots, 8 wires" in output


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
        ends |= {line.index(figure) + len(figure) for figure in ("1,980.48", "50.04") if figure in line}
    assert len(ends) == 1


def test_assessment_shows_degradation_significance_latency_and_cost() -> None:
    output = shown(assessment_table(example.assessment()))
    assert "97.9 %" in line_with(output, "accuracy in simulation")
    assert "83.2–97.9 %" in line_with(output, "accuracy on emulator/garnet")
    change = line_with(output, "change on the device")
    assert "−4.2 points" in change
    assert "paired 95 % interval −10.4 to +2.1" in change
    assert "0.625" in line_with(output, "McNemar's p")
    assert "4 of 48" in line_with(output, "flipped")
    assert "0.084" in line_with(output, "mean |Δ⟨Z⟩|")
    assert "compile 12.3 ms, execute 41.2 ms" in line_with(output, "latency")
    assert "50.04 USD" in line_with(output, "cost on the real device")
    assert "The interval includes 0" in output


@pytest.mark.parametrize(("low", "high", "verdict"), [(1.0, 9.0, "worse"), (-9.0, -1.0, "better")])
def test_an_interval_without_zero_is_read_out(low: float, high: float, verdict: str) -> None:
    assessment = example.assessment()
    sign = 1 if low > 0 else -1
    assessment["hardware"]["accuracy"]["value"] = assessment["simulation"]["accuracy"]["value"] - sign * 0.05
    assessment["degradation_points"] = {"value": sign * 5.0, "low": low, "high": high}
    assert f"the device is {verdict} than the simulation" in shown(assessment_table(assessment))


@pytest.mark.parametrize("table", ["metrics", "estimate", "assessment"])
def test_tables_fit_in_100_columns(table: str) -> None:
    made = {
        "metrics": metrics_table(example.metrics(), "qcnn", 583),
        "estimate": estimate_table(example.estimate()),
        "assessment": assessment_table(example.assessment()),
    }[table]
    output = shown(made)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 100
    assert sorted(words(shown(made, width=200))) == sorted(words(output))


def test_names_are_text_not_markup() -> None:
    assessment = example.assessment("[bold]odd[/bold]")
    assert "[red]qcnn[/red], seed 0" in shown(metrics_table(example.metrics(), "[red]qcnn[/red]"))
    assert "accuracy on [bold]odd[/bold]" in shown(assessment_table(assessment))


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
    with pytest.raises(QcliError, match="flipped"):
        assessment_table(without(example.assessment(), "flipped"))


def test_money_as_a_binary_float_is_refused() -> None:
    estimate = example.estimate()
    estimate["rows"][0]["plans"][0]["usd"] = 50.04
    with pytest.raises(QcliError, match="binary float"):
        estimate_table(estimate)


def test_a_degradation_that_contradicts_the_accuracies_is_refused() -> None:
    assessment = example.assessment()
    assessment["degradation_points"]["value"] *= -1
    with pytest.raises(QcliError, match=r"simulation minus device is 4\.2 points"):
        assessment_table(assessment)
