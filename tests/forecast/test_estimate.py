"""Bill and forecast side by side: whose forecast it is, what it does to the shot plan, the cheapest that will do."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.forecast import estimate as module
from qcli.forecast.accuracy import Range, forecast_run
from qcli.forecast.estimate import estimate_cost, missed, recommendation
from qcli.price.estimate import Estimate, Question
from qcli.train.run import Run

KNOWN = ("braket/garnet", "ibm/fez", "iqm/garnet")
ALIKE = "ionq/forte-1"
"""Compiled for as Forte Enterprise 1, whose errors are not its own."""

ASKED = Question(inferences=12, shots=200, devices=(*KNOWN, ALIKE))


@pytest.fixture(scope="module")
def answer(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Estimate, dict[str, Any]]:
    import shutil

    path = shutil.copytree(trained.path, tmp_path_factory.mktemp("estimated") / "run")
    return estimate_cost(str(path), ASKED, max_degradation=50)


def rows(content: dict[str, Any]) -> dict[str, Any]:
    return {row["device"]: row for row in content["rows"]}


def test_each_row_has_a_forecast_with_its_basis(answer: tuple[Estimate, dict[str, Any]]) -> None:
    for name in KNOWN:
        seen = rows(answer[1])[name]["forecast"]
        assert set(seen) == {
            "accuracy", "degradation", "flips", "guess", "as_published", "contrast", "age_days", "calibrated_on",
            "stale", "stand_in", "basis",
        }  # fmt: skip
        assert seen["accuracy"]["low"] <= seen["accuracy"]["value"] <= seen["accuracy"]["high"]
        assert seen["basis"].startswith("fitted" if name == "ibm/fez" else "assumed")
        assert seen["age_days"] == (date.today() - date.fromisoformat(seen["calibrated_on"])).days


def test_it_is_the_forecast_that_the_forecast_command_gives(
    trained: Run, answer: tuple[Estimate, dict[str, Any]]
) -> None:
    alone = forecast_run(trained, find("garnet"), 12, 200, answer[0].today, days=128)
    seen = rows(answer[1])["braket/garnet"]["forecast"]
    assert seen["accuracy"]["value"] == pytest.approx(alone.accuracy.value)
    assert seen["degradation"]["high"] == pytest.approx(alone.degradation.high)


def test_a_machine_under_another_name_is_forecast_by_the_record_that_is_named(
    answer: tuple[Estimate, dict[str, Any]],
) -> None:
    found = rows(answer[1])
    assert found["braket/garnet"]["forecast"]["stand_in"] is None
    same = {**found["braket/garnet"]["forecast"], "stand_in": "braket/garnet"}
    assert found["iqm/garnet"]["forecast"] == same


def test_a_machine_without_a_record_of_its_own_has_no_forecast(
    answer: tuple[Estimate, dict[str, Any]],
) -> None:
    found = rows(answer[1])[ALIKE]
    assert found["forecast"] is None and found["plans"]


def test_the_shot_plan_reckons_with_the_contrast_that_is_forecast(
    answer: tuple[Estimate, dict[str, Any]],
) -> None:
    found, content = answer
    plans = {plan["device"]: plan["contrast"] for plan in content["shot_plans"]}
    for row in found.rows:
        seen = rows(content)[row.terms.name]["forecast"]
        assert row.contrast == (seen and seen["contrast"])
        if row.contrast is not None:
            # in steps, to the safe side
            assert row.contrast - 0.1 <= plans[row.terms.name] <= row.contrast < 1


def test_the_answer_is_kept_with_the_run(answer: tuple[Estimate, dict[str, Any]]) -> None:
    found, content = answer
    assert found.subject.run is not None
    (path,) = (found.subject.run.path / "estimates").glob("*.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(content))


def test_without_a_forecast_the_columns_are_empty(run_copy: Run) -> None:
    found, content = estimate_cost(str(run_copy.path), ASKED, forecast=False)
    assert {row["forecast"] for row in content["rows"]} == {None}
    assert {row.contrast for row in found.rows} == {None}
    assert content["recommendation"] is None and missed(content) is None


def test_an_untrained_model_has_no_forecast() -> None:
    _, content = estimate_cost("vqc", Question(inferences=2, devices=("braket/garnet",)))
    assert content["rows"][0]["forecast"] is None


def test_steps_name_the_forecasts(run_copy: Run) -> None:
    steps: list[str] = []
    asked = Question(inferences=2, shots=50, devices=("braket/garnet",))
    estimate_cost(str(run_copy.path), asked, on_step=steps.append)
    assert "forecasting braket/garnet" in steps and len(steps) == 3


def test_a_device_that_does_not_fit_is_priced_without_a_forecast(
    run_copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise QcliError("too wide")

    monkeypatch.setattr(module, "forecast_run", refused)
    found, content = estimate_cost(str(run_copy.path), ASKED)
    assert {row["forecast"] for row in content["rows"]} == {None}
    assert all(row.plans for row in found.rows)


# which device will do


def made(*devices: tuple[str, str | None, float, float]) -> tuple[Any, Any]:
    """Rows and forecasts from name, USD (None: no plan), degradation in points, and its upper end."""
    rows, forecasts = [], {}
    for name, usd, points, high in devices:
        plan = None if usd is None else SimpleNamespace(usd=Decimal(usd))
        breaches = ("max_usd",) if name.startswith("forbidden") else ()
        rows.append(
            SimpleNamespace(
                terms=SimpleNamespace(name=name, status="offline" if name == "away" else "online"),
                cheapest=plan,
                breaches=breaches,
            )
        )
        forecasts[name] = SimpleNamespace(degradation=Range(points / 100, 0.0, high / 100))
    return SimpleNamespace(rows=rows), forecasts


def test_the_cheapest_device_that_loses_no_more_is_recommended() -> None:
    found, forecasts = made(("good", "90", 1, 2), ("fair", "9.5", 3, 4), ("bad", "1", 9, 12))
    chosen = recommendation(found, forecasts, 3)
    assert (chosen["device"], chosen["max_degradation"]) == ("fair", 3)
    assert "is fair: 9.50 USD, 3.0 points (90 %: 0.0 to 4.0); its interval reaches beyond" in chosen["text"]
    assert recommendation(found, forecasts, 2)["device"] == "good"
    assert "reaches beyond" not in recommendation(found, forecasts, 2)["text"]
    assert recommendation(found, forecasts, 20)["device"] == "bad"


def test_what_is_forbidden_unpriced_or_not_forecast_is_not_recommended() -> None:
    found, forecasts = made(
        ("forbidden", "1", 1, 1), ("unpriced", None, 1, 1), ("blind", "2", 0, 0), ("dear", "90", 1, 1)
    )
    del forecasts["blind"]
    assert recommendation(found, forecasts, 2)["device"] == "dear"


def test_where_none_will_do_the_one_that_loses_least_is_named_and_it_ends_with_4() -> None:
    found, forecasts = made(("good", "90", 4, 6), ("bad", "1", 9, 12))
    content = {"recommendation": recommendation(found, forecasts, 3.5)}
    assert content["recommendation"]["device"] is None
    refusal = missed(content)
    assert refusal is not None and refusal.exit_code == 4
    assert refusal.what == (
        "no device online is predicted to lose at most 3.5 points; the least is good (online) with 4.0 points "
        "(90 %: 0.0 to 6.0)"
    )
    assert refusal.where == "--max-degradation" and "retrain" in refusal.fix


def test_a_gain_that_rounds_to_nothing_has_no_sign() -> None:
    found, forecasts = made(("good", "90", -0.01, -0.0))
    assert "USD, 0.0 points (90 %: 0.0 to 0.0)" in recommendation(found, forecasts, 0)["text"]


def test_where_nothing_is_forecast_none_is_named() -> None:
    with pytest.raises(QcliError, match="none of the devices has a forecast"):
        recommendation(SimpleNamespace(rows=[]), {}, 3)  # type: ignore[arg-type]


def test_of_equal_bills_the_one_that_loses_least_and_none_that_is_offline() -> None:
    found, forecasts = made(("a", "9", 2, 2), ("b", "9", 1, 1), ("away", "1", 0, 0))
    assert recommendation(found, forecasts, 3)["device"] == "b"


def test_a_device_that_meets_it_is_no_refusal(answer: tuple[Estimate, dict[str, Any]]) -> None:
    _, content = answer
    assert content["recommendation"]["device"] in rows(content)
    assert missed(content) is None


@pytest.mark.parametrize("points", [-1.0, 100.1, float("nan")])
def test_an_impossible_degradation_is_refused(run_copy: Run, points: float) -> None:
    with pytest.raises(QcliError, match="points") as refusal:
        estimate_cost(str(run_copy.path), ASKED, max_degradation=points)
    assert refusal.value.where == "--max-degradation"


def test_a_degradation_needs_a_forecast(run_copy: Run) -> None:
    from qcli.price.subject import subject_of, training_of
    from qcli.price.workload import parse_mitigation

    path = str(run_copy.path)
    training = training_of(subject_of(path, {}), "spsa", 1, None, None)
    for target, question, forecast in [
        (path, replace(ASKED, training=training), True),
        (path, replace(ASKED, mitigation=parse_mitigation(["readout"])), True),
        (path, ASKED, False),
        ("vqc", Question(inferences=2, devices=("braket/garnet",)), True),
    ]:
        with pytest.raises(QcliError, match="there is no forecast to compare with") as refusal:
            estimate_cost(target, question, max_degradation=3, forecast=forecast)
        assert refusal.value.exit_code == 2
