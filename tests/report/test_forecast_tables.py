"""Forecasts in the terminal: the figures of the answer with their labels, in 110 columns."""

from collections.abc import Callable
from typing import Any

import pytest
from rich.console import RenderableType

from qcli.errors import QcliError
from qcli.report.forecast_tables import SHOWN_RESULTS, forecast_tables, prediction_table, score_table
from tests.report import forecast_example as example
from tests.report.test_tables import line_with, shown, words


def wide(table: RenderableType) -> str:
    return shown(table, width=110)


def flat(table: RenderableType) -> str:
    return " ".join(wide(table).split())


def prediction() -> dict[str, Any]:
    return {
        "circuit": "circuits/ghz.qasm",
        "device": "ibm/boston",
        "shots": 1000,
        "target": "0000",
        "value": 0.412,
        "low": 0.31,
        "high": 0.468,
        "guess": 0.39,
        "ideal": 0.5,
        "as_published": 0.447,
        "numerical_error": 0.0021,
        "age_days": 199,
        "basis": "trajectories; fitted on 68 public results",
    }


def score(results: int = 3) -> dict[str, Any]:
    row = {"circuit": "ghz.qasm", "device": "ibm/fez", "date": "2025-10-11", "shots": 1000, "target": "000"}
    row |= {"low": 0.3, "high": 0.5, "guess": 0.2, "value": 0.4}
    rows = [
        row | {"measured": 0.4 + 0.01 * number, "covered": number <= 10, "target": f"{number:03b}"}
        for number in range(results)
    ]
    figures = {"n": results, "mae": 0.0693, "bias": -0.012, "coverage": 0.667, "mean_width": 0.2}
    return figures | {"guess_mae": 0.0771, "rows": rows}


def tables() -> list[RenderableType]:
    return list(forecast_tables(example.forecasts()))


def test_each_device_has_its_accuracy_with_interval_guess_and_calibration() -> None:
    lines = wide(tables()[0]).splitlines()
    garnet = next(number for number, line in enumerate(lines) if "braket/garnet" in line)
    assert (
        " ".join(lines[garnet].split()) == "braket/garnet 94.1 % 3.8 5.2 % 72.0 % 95.2 % assumed 2026-02-18"
    )
    assert " ".join(lines[garnet + 1].split()) == (
        "48 × 512 shots 87.9–98.2 % −0.3 to 10.0 1.1–11.3 % 96.7 % assumed 199 days, stale"
    )
    assert "accuracy in simulation 97.9 %" in lines[0] and "2026-09-05" in lines[0]


def test_devices_stand_in_order_of_what_they_lose_and_those_without_a_forecast_are_named() -> None:
    output = wide(tables()[0])
    order = [output.index(name) for name in ("ibm/fez", "braket/forte-enterprise-1", "braket/garnet")]
    assert order == sorted(order)
    assert "not forecast: braket/ibex-q1: 12 wires, but only 10 qubits" in " ".join(output.split())


def test_only_an_old_calibration_is_called_stale() -> None:
    output = wide(tables()[0])
    assert output.count("199 days, stale") == 2
    assert "3 days" in output and "3 days, stale" not in output


def test_the_legend_says_what_the_interval_holds_what_is_assumed_and_what_to_believe() -> None:
    output = flat(tables()[0])
    assert (
        "intervals, 90 %, of what as many new samples like these will show: over shot noise, the finite"
        in output
    )
    assert "error factors 1.7 (gates, idling) and 0.5 (readout): assumed: IBM's factor" in output
    assert (
        "error factors 1.7 (gates, idling) and 0.5 (readout, of zeros 0.25): fitted on 68 public results"
        in output
    )
    assert output.count("Try a few samples first.") == 1
    assert "braket/garnet, braket/forte-enterprise-1: Try a few samples first." in output
    assert "ibm/fez: Believe the forecast." in output


def test_the_cause_has_a_bar_for_each_source_and_says_what_to_change() -> None:
    cause = tables()[1]
    output = wide(cause)
    assert "outputs are off by 0.083 on average, 3.80 points of accuracy are lost" in output
    assert line_with(output, "two-qubit gates").split()[2:] == [
        "0.051",
        "61.4",
        "%",
        "█" * 20,
        "3.00",
        "█" * 20,
    ]
    assert line_with(output, "in all").split() == ["in", "all", "0.083", "3.80"]
    assert "→ first two-qubit gates: fewer layers" in output


def test_a_part_that_gains_is_negative_and_pale() -> None:
    line = line_with(wide(tables()[1]), "layout")
    assert line.split() == ["layout", "−0.012", "−14.5", "%", "░" * 5, "−0.80", "░" * 5]


def test_a_model_that_loses_nothing_has_no_bars() -> None:
    content = example.forecasts()
    why = content["rows"][0]["why"]
    why |= {"parts": [part | {"accuracy": 0.0} for part in why["parts"]], "accuracy": 0.0}
    line = line_with(wide(forecast_tables(content)[1]), "readout")
    assert line.split()[-2:] == ["█" * 8, "0.00"]


def test_mitigation_shows_what_is_regained_at_which_price_and_the_verdict() -> None:
    output = wide(tables()[2])
    readout = line_with(output, "readout").split()
    assert readout == ["readout", "96.2", "%", "+2.1", "0.062", "+1.48", "+1.17", "s"]
    assert "to +2.73 min" in output and "1.0 to 3.2" in output
    assert "not offered on Braket devices" in " ".join(line_with(output, "dd").split())
    assert "35.94 USD without any" in output
    assert "→ readout: regains 2.1 points of accuracy for 1.48 USD more" in " ".join(output.split())


def test_without_causes_and_mitigation_there_is_one_table() -> None:
    content = example.forecasts()
    content["rows"][0] |= {"why": None, "mitigation": None}
    assert len(forecast_tables(content)) == 1


def test_no_device_that_could_be_forecast_still_makes_a_table() -> None:
    content = example.forecasts()
    content["rows"] = content["rows"][-1:]
    assert "not forecast: braket/ibex-q1" in flat(forecast_tables(content)[0])


def test_a_circuit_shows_forecast_guess_ideal_and_what_they_rest_on() -> None:
    output = wide(prediction_table(prediction()))
    assert "circuits/ghz.qasm on ibm/boston, 1,000 shots: probability of 0000" in output
    assert "0.412  90 % interval 0.310 to 0.468" in line_with(output, "forecast")
    for label, figure in {"guess": "0.390", "ideal": "0.500", "as published": "0.447"}.items():
        assert figure in line_with(output, label)
    assert "0.0021" in line_with(output, "numerical error")
    assert "199 days  stale" in line_with(output, "age")
    assert "fitted on 68 public results" in line_with(output, "basis")


def test_an_exact_expectation_value_has_no_numerical_error() -> None:
    content = prediction() | {"target": None, "observable": "Z0 Z3", "numerical_error": 0.0, "age_days": 1}
    output = wide(prediction_table(content))
    assert "mean of Z0 Z3" in output
    assert "numerical error" not in output and "stale" not in output


def test_a_score_begins_with_its_summary() -> None:
    output = wide(score_table(score()))
    assert "0.069  less than the guess's 0.077" in line_with(output, "mean absolute error")
    assert "−0.012" in line_with(output, "bias")
    assert "66.7 %  3 of 3 in" in line_with(output, "coverage")
    assert "0.200" in line_with(output, "mean width")


def test_results_are_capped_worst_first_and_misses_are_marked() -> None:
    output = wide(score_table(score(SHOWN_RESULTS + 5)))
    lines = [line for line in output.splitlines() if line.strip().startswith("ghz.qasm")]
    assert len(lines) == SHOWN_RESULTS
    assert lines[0].split()[4] == f"{SHOWN_RESULTS + 4:03b}"
    assert [line for line in lines if "✗" in line] == lines[: SHOWN_RESULTS + 5 - 11]
    assert "and 5 more" in output


MADE: dict[str, Callable[[], RenderableType]] = {
    "devices": lambda: tables()[0],
    "why": lambda: tables()[1],
    "mitigation": lambda: tables()[2],
    "prediction": lambda: prediction_table(prediction()),
    "score": lambda: score_table(score()),
}


@pytest.mark.parametrize("name", MADE)
def test_tables_fit_in_110_columns(name: str) -> None:
    output = wide(MADE[name]())
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 110
    assert sorted(words(shown(MADE[name](), width=200))) == sorted(words(output))


def test_a_missing_figure_is_named() -> None:
    content = example.forecasts()
    del content["rows"][0]["accuracy"]["low"]
    with pytest.raises(QcliError, match=r"accuracy\.low"):
        forecast_tables(content)


def test_parts_that_do_not_add_up_are_refused() -> None:
    content = example.forecasts()
    content["rows"][0]["why"]["outputs"] += 0.01
    with pytest.raises(QcliError, match=r"parts of outputs add up to 0\.083, not to 0\.093"):
        forecast_tables(content)
