"""The plots are valid SVG and show what they were given; test_html sees that they repeat to the byte."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from qcli.report import forecast_plots, plots
from qcli.report.estimate_inputs import Estimate
from qcli.report.folder import Sample
from qcli.report.forecast_inputs import Forecast, Why
from qcli.report.inputs import Epoch
from qcli.report.parse import parse
from qcli.report.svg import BLUE, VERMILLION
from tests.report import example, forecast_example

SVG = "{http://www.w3.org/2000/svg}"
SAMPLE = Sample("0", "1", "1", "1", False, (0.5, -0.5), (0.4, -0.4))


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ET.fromstring(svg).iter(f"{SVG}text")]


def history() -> list[Epoch]:
    return [parse(Epoch, line, "history.jsonl") for line in example.history(seeds=2, epochs=5)]


def estimate() -> Estimate:
    return parse(Estimate, example.estimate(), "estimate")


def foreseen() -> list[tuple[str, Forecast]]:
    rows = [forecast_example.forecast(), forecast_example.forecast("ibm/fez", 0.97)]
    return [(row["device"], parse(Forecast, row, "forecast")) for row in rows]


def cause() -> Why:
    return parse(Why, forecast_example.why(), "why")


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    return [
        plots.training_curves(history(), 0),
        plots.expectation_scatter([SAMPLE], "emulator/garnet"),
        plots.cost_bars(estimate()),
        plots.pareto(estimate()),
        forecast_plots.accuracy_by_device(foreseen(), {"braket/garnet": [(False, 0.9375), (True, 0.92)]}),
        forecast_plots.loss_by_source([("braket/garnet", cause())]),
    ]


def test_plots_are_valid_and_self_contained(drawn: list[str]) -> None:
    for svg in drawn:
        assert ET.fromstring(svg).tag == f"{SVG}svg"
        assert not re.findall(r"(?:href|src)=\"(?!#)|url\((?!#)|\d{4}-\d\d-\d\dT", svg)


def test_identifiers_of_two_plots_on_one_page_differ(drawn: list[str]) -> None:
    seen: set[str] = set()
    for svg in drawn:
        names = set(re.findall(r'\bid="([^"]+)"', svg))
        assert names
        assert not names & seen
        assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg)) <= names
        seen |= names


def test_training_curves_have_axes_units_and_a_line_per_seed_and_kind(drawn: list[str]) -> None:
    svg = drawn[0]
    assert {"epoch", "loss", "accuracy (%)", "training", "validation"} <= set(texts(svg))
    for colour in (BLUE, VERMILLION):
        lines = re.findall(
            rf"stroke: {colour.lower()}; stroke-opacity: 0.45|stroke: {colour.lower()}; stroke-width", svg
        )
        assert len(lines) == 2 * 2 + 1, "two seeds in two panels, and the legend"


def test_a_history_of_hardly_anything_still_plots() -> None:
    line = Epoch(seed=0, epoch=1, loss=float("nan"), accuracy=None)
    assert "epoch" in texts(plots.training_curves([line]))


def test_the_scatter_tells_flipped_predictions_apart() -> None:
    flipped = replace(SAMPLE, flipped=True, measured="0")
    shown = texts(plots.expectation_scatter([SAMPLE, SAMPLE, flipped], "emulator/garnet"))
    assert "same prediction (2 samples)" in shown
    assert "flipped prediction (1 sample)" in shown
    assert "⟨Z⟩ on emulator/garnet (dimensionless)" in shown


def test_the_scatter_shows_values_before_mitigation_beside_the_mitigated_ones() -> None:
    mitigated = replace(SAMPLE, z_raw=(0.3, -0.3))
    assert "before mitigation" in texts(plots.expectation_scatter([mitigated], "braket/garnet"))
    assert "before mitigation" not in texts(plots.expectation_scatter([SAMPLE], "braket/garnet"))


def test_values_beyond_one_are_still_inside_the_axes() -> None:
    wide = replace(SAMPLE, z_simulated=(3.0,), z_device=(float("nan"),))
    assert "3" in texts(plots.expectation_scatter([wide], "sim"))


def test_the_bars_carry_the_cheapest_bill_and_that_of_a_task_per_circuit(drawn: list[str]) -> None:
    shown = texts(drawn[2])
    assert "1,966.38" not in shown, "a barred plan"
    assert {"1,980.48", "50.04", "35.94", "USD in all (log scale)", "separate", "program-sets", "job"} <= set(
        shown
    )
    assert "braket/ankaa-3 (retired)" in shown
    assert "braket/ibex-q1" not in shown


def test_nothing_to_pay_is_no_plot() -> None:
    free = estimate().model_copy(update={"rows": []})
    assert plots.cost_bars(free) == ""
    assert plots.pareto(free) == ""


def test_cost_against_detectable_loss_has_a_line_per_online_device_and_a_mark_per_number(
    drawn: list[str],
) -> None:
    shown = texts(drawn[3])
    assert {"USD in all (log scale)", "detectable loss, percentage points", "braket/garnet"} <= set(shown)
    assert "braket/ankaa-3" not in shown, "retired"
    marks = re.findall(rf"<use [^>]*fill: {BLUE.lower()}", drawn[3])
    assert len(marks) == 2 + 1, "20 inferences show no loss; the legend has a mark, too"
    alone = plots.pareto(estimate().model_copy(update={"curves": estimate().curves[1:]}))
    assert alone == ""


def test_names_are_drawn_as_they_are() -> None:
    hostile = "<script>$x^</script>"
    assert f"⟨Z⟩ on {hostile} (dimensionless)" in texts(plots.expectation_scatter([SAMPLE], hostile))


@pytest.mark.filterwarnings("error")
def test_a_long_name_leaves_room_for_the_plot() -> None:
    content = example.estimate()
    content["rows"] = content["rows"][:1]
    content["rows"][0].update(device="x" * 5000, status="y" * 5000)
    shown = texts(plots.cost_bars(parse(Estimate, content, "estimate")))
    assert f"{'x' * 31}… ({'y' * 31}…)" in shown


def test_forecasts_have_an_interval_each_the_guess_simulation_and_rehearsals(drawn: list[str]) -> None:
    assert {
        *("accuracy (%)", "braket/garnet", "ibm/fez", "in simulation", "guess"),
        *("forecast, 90 % interval", "rehearsed", "measured"),
    } <= set(texts(drawn[4]))
    alone = texts(forecast_plots.accuracy_by_device(foreseen(), {}))
    assert not {"rehearsed", "measured"} & set(alone)


def test_the_loss_is_stacked_by_source_and_a_gain_lies_left_of_zero(drawn: list[str]) -> None:
    assert {
        *("two-qubit gates", "readout", "layout", "shot noise", "braket/garnet"),
        *("mean |error| of outputs (dimensionless)", "loss of accuracy (points)", "−1"),
    } <= set(texts(drawn[5]))


def test_no_forecast_is_no_plot() -> None:
    assert forecast_plots.accuracy_by_device([], {}) == ""
    assert forecast_plots.loss_by_source([]) == ""
