"""An assessment in the terminal: simulation, forecast and device side by side, and where error, time and money went."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from qcli.errors import QcliError
from qcli.report.tables import assessment_table
from tests.report import example
from tests.report.test_tables import line_with, shown, without, words


def table(assessment: dict[str, Any], width: int = 110) -> str:
    return shown(assessment_table(assessment), width)


def facts(assessment: dict[str, Any]) -> dict[str, str]:
    """Value and remark by label, where both stand on one line."""
    below = table(assessment, 200).split("⟨Z⟩|: of the quantum outputs")[1].splitlines()[1:]
    cells = [[part.strip() for part in line.strip().split("  ") if part.strip()] for line in below]
    return {line[0]: " | ".join(line[1:]) for line in cells if line}


def test_a_rehearsal_shows_degradation_significance_latency_and_cost() -> None:
    output = table(example.assessment())
    assert output.splitlines()[0].strip() == "emulator/garnet: 48 inferences × 512 shots"
    assert line_with(output, "simulation").split() == ["simulation", "97.9", "%", "89.1–99.6", "%"]
    assert line_with(output, "emulator/garnet  ").split() == [
        *("emulator/garnet", "93.8", "%", "83.2–97.9", "%", "−4.2", "−10.4", "to", "+2.1"),
        *("4", "of", "48", "3,", "1", "0.625", "0.084"),
    ]
    assert "The interval includes 0: 48 samples do not show" in output
    assert "compile 12.3 ms, execute 41.2 ms" in line_with(output, "latency")
    assert line_with(output, "cost on the real device").split()[5:7] == ["50.04", "USD"]
    assert "forecast" not in output, "there was none"


@pytest.mark.parametrize(("low", "high", "verdict"), [(1.0, 9.0, "worse"), (-9.0, -1.0, "better")])
def test_an_interval_without_zero_is_read_out(low: float, high: float, verdict: str) -> None:
    assessment = example.assessment()
    sign = 1 if low > 0 else -1
    assessment["hardware"]["accuracy"]["value"] = assessment["simulation"]["accuracy"]["value"] - sign * 0.05
    assessment["degradation_points"] = {"value": sign * 5.0, "low": low, "high": high}
    assert f"the device is {verdict} than the simulation" in table(assessment)


def test_forecast_raw_and_mitigated_results_stand_side_by_side() -> None:
    lines = [line.split() for line in table(example.measured()).splitlines()]
    start = next(number for number, line in enumerate(lines) if line[:1] == ["simulation"])
    assert lines[start : start + 4] == [
        ["simulation", "97.9", "%", "89.1–99.6", "%"],
        ["forecast", "95.5", "%", "92.0–98.5", "%", "−2.4", "−5.9", "to", "+0.6"],
        [
            *("unmitigated", "93.8", "%", "82.8–97.8", "%", "−4.2", "−14.6", "to", "+2.1"),
            *("5", "of", "48", "3,", "1", "0.375", "0.123"),
        ],
        [
            *("readout", "95.8", "%", "84.8–99.8", "%", "−2.1", "−14.6", "to", "+2.1"),
            *("3", "of", "48", "2,", "1", "0.375", "0.041"),
        ],
    ]


def test_what_the_intervals_are_is_said() -> None:
    output = table(example.measured())
    assert "95 % of an accuracy, paired 95 % of a change, 90 % of a forecast" in output


@pytest.mark.parametrize(
    ("low", "high", "inside", "verdict"),
    [
        (0.92, 0.985, True, "unmitigated accuracy lies inside the forecast's 90 % interval"),
        (0.94, 0.985, False, "lies outside the forecast's 90 % interval, below it"),
        (0.90, 0.93, False, "lies outside the forecast's 90 % interval, above it"),
    ],
)
def test_it_is_said_whether_the_measurement_lies_inside_the_forecast(
    low: float, high: float, inside: bool, verdict: str
) -> None:
    assessment = example.measured()
    assessment["forecast"] |= {"accuracy": example.interval(0.955, low, high), "inside": inside}
    assert verdict in table(assessment)


def test_several_mitigations_are_named_together() -> None:
    assert line_with(table(example.measured(mitigation=["readout", "zne=1,3"])), "readout + zne=1,3")


def test_the_error_is_split_into_readout_shot_noise_and_rest() -> None:
    found = facts(example.measured())
    assert found["mean squared error"] == "0.0192 | of the quantum outputs, before mitigation"
    assert found["from readout"] == "50.0 % | by the readout errors measured"
    assert found["from shot noise"] == "12.5 %"
    assert found["the rest"].startswith("37.5 %")


def test_parts_of_the_error_may_exceed_it_and_no_error_has_no_parts() -> None:
    drop = example.measured()["drop"] | {"readout_basis": "published calibration"}
    over = facts(example.measured(drop=drop | {"readout": 0.0288, "rest": -0.012}))
    assert over["from readout"] == "150.0 % | by the published calibration"
    assert over["the rest"].startswith("−62.5 %")
    nothing = facts(example.measured(drop=drop | {"mean_squared_error": 0.0}))
    assert nothing["from readout"].startswith("–")


def test_latency_is_split_and_queue_and_qpu_are_one_where_the_vendor_does_not_tell_them_apart() -> None:
    found = facts(example.measured())
    assert found["latency per inference"] == "3.10 s | by the clock, queue included"
    assert {name: found[name].split(" |")[0] for name in ("compile", "submit", "return", "post-process")} == {
        "compile": "10.3 ms",
        "submit": "4.10 ms",
        "return": "600 ms",
        "post-process": "20.0 µs",
    }
    assert found["queue and QPU"] == "2.50 s | the vendor does not say how long it ran"
    latency = example.measured()["latency_s_per_inference"] | {"qpu": 0.46}
    told = facts(example.measured(latency_s_per_inference=latency))
    assert told["queue"] == "2.50 s" and told["QPU"].startswith("460 ms")
    assert "queue and QPU" not in told


def test_money_is_shown_in_all_against_the_estimate_per_inference_and_per_correct_one() -> None:
    found = facts(example.measured())
    assert found["cost of this run"] == (
        "38.02 USD | plan program-sets, 3 tasks, 1 failed task, 50 circuits, 25,600 shots"
    )
    assert found["against the estimate"] == "+0.30 USD | estimated 37.72 USD"
    assert found["per inference"] == "0.7921 USD"
    assert found["per correct inference"] == "0.8265 USD"
    assert found["cap"] == "40.00 USD"
    assert "not billed yet" not in found


def test_without_a_correct_inference_there_is_no_cost_of_one() -> None:
    found = facts(example.measured(cost=example.paid(usd_per_correct_inference=None)))
    assert found["per correct inference"] == "– | none was correct"


def test_what_is_reserved_is_not_called_paid() -> None:
    found = facts(example.measured(cost=example.paid(usd_open="3.20", qpu_s=12.5)))
    assert found["not billed yet"] == "3.20 USD | reserved: it may be less"
    assert found["cost of this run"].endswith("25,600 shots, 12.5 s of QPU")


def test_adaptive_shots_say_what_they_saved() -> None:
    output, found = table(example.rehearsed_adaptively()), facts(example.rehearsed_adaptively())
    assert "48 inferences × 24 shots, 136 more where the label is unclear" in output
    assert found["shots for every sample"] == "24 | 136 more within 0.45 of another label (expectation value)"
    assert found["samples revisited"] == "12 of 48 | 25.0 %; expected 21.0 %"
    assert found["mean shots"] == "58.0 | planned for 0.8 % flipped labels"
    assert found["cost on the real device"].startswith("4.00 USD")
    assert found["512 shots each"] == "40.00 USD | adaptive shots save 90.0 %"
    assert found["512 shots each, a task a circuit"] == "50.04 USD | adaptive shots save 92.0 %"


def test_few_flipped_labels_are_not_called_none() -> None:
    found = facts(example.measured(adaptive=example.stages(expected_flips=0.00002)))
    assert found["mean shots"] == "58.0 | planned for less than 0.1 % flipped labels"


def test_one_stage_of_adaptive_shots_has_no_second() -> None:
    stages = example.stages(first=91, second=0, revisited=0, mean_shots=91.0)
    found = facts(example.measured(adaptive=stages))
    assert found["shots for every sample"].startswith("91 | no second stage")
    assert "samples revisited" not in found


def test_a_forecast_for_other_shots_than_were_taken_says_so() -> None:
    assert line_with(table(example.measured(adaptive=example.stages())), "forecast for 512 shots")


@pytest.mark.parametrize(("deviation", "verdict"), [(0.129, "passed"), (0.01, "better than foreseen")])
def test_the_canary_is_shown_with_what_was_foreseen(deviation: float, verdict: str) -> None:
    canary = example.measured()["canary"] | {"mean_abs_delta_expval": deviation}
    assert facts(example.measured(canary=canary))["canary"] == (
        f"{verdict} | 4 samples {deviation:.3f} off simulation, foreseen 0.053 to 0.204 (98 %)"
    )


def test_a_calibration_that_changed_during_the_run_is_said() -> None:
    assert facts(example.measured())["calibration"] == "2026-02-18, 2026-02-19 | it changed during the run"
    assert facts(example.assessment())["calibration"] == "2026-02-18"


NEW = ("mitigation", "raw", "adaptive", "forecast", "canary", "drop", "calibrations")


def test_an_assessment_from_before_there_was_hardware_is_read() -> None:
    old = example.assessment()
    assert not set(NEW) & set(old)
    assert table(old) == table(old | dict.fromkeys(("raw", "adaptive", "forecast", "canary", "drop")))
    bare = {
        key: value for key, value in old.items() if key not in ("latency_s_per_inference", "cost", "circuit")
    }
    assert "93.8 %" in table(bare)


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "rehearsal": example.assessment,
    "hardware": example.measured,
    "adaptive": example.rehearsed_adaptively,
    "long name": lambda: example.measured(device="braket/forte-enterprise-1", mitigation=[], raw=None),
}


@pytest.mark.parametrize("name", MADE)
def test_it_fits_in_110_columns(name: str) -> None:
    assessment = MADE[name]()
    output = table(assessment)
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 110
    assert sorted(words(table(assessment, 200))) == sorted(words(output))


def test_names_are_text_not_markup_and_move_no_cursor() -> None:
    odd = "[bold]odd[/bold]\x1b[2J"
    drop = example.measured()["drop"] | {"readout_basis": odd}
    output = table(
        example.measured(device=odd, mitigation=[odd], drop=drop, cost=example.paid(plan=odd)), 200
    )
    assert output.count("[bold]odd[/bold]�[2J") == 4
    assert "\x1b" not in output


def test_a_missing_figure_is_named() -> None:
    with pytest.raises(QcliError, match="flipped"):
        table(without(example.assessment(), "flipped"))
    with pytest.raises(QcliError, match=r"raw\.hardware\.accuracy"):
        table(without(example.measured(), "raw", "hardware", "accuracy"))
    with pytest.raises(QcliError, match=r"forecast\.accuracy\.low"):
        table(without(example.measured(), "forecast", "accuracy", "low"))


@pytest.mark.parametrize("key", ["usd", "usd_open", "usd_estimated", "usd_per_inference", "max_cost"])
def test_money_as_a_binary_float_is_refused(key: str) -> None:
    with pytest.raises(QcliError, match=rf"cost\.{key}: money"):
        table(example.measured(cost=example.paid(**{key: 18.42})))


def test_figures_that_contradict_each_other_are_refused() -> None:
    assessment = example.assessment()
    assessment["degradation_points"]["value"] *= -1
    with pytest.raises(QcliError, match=r"simulation minus device is 4\.2 points"):
        table(assessment)
    raw = copy.deepcopy(example.measured())
    raw["raw"]["degradation_points"]["value"] = 30.0
    with pytest.raises(QcliError, match=r"raw\.degradation_points is 30"):
        table(raw)
    foreseen = example.measured()
    foreseen["forecast"]["inside"] = False
    with pytest.raises(QcliError, match="which its figures deny"):
        table(foreseen)
