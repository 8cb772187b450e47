"""What is advised beside a bill agrees with the power calculation and with separate estimates."""

import json
import shutil
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qcli import QcliError, Question, Run, estimate_cost
from qcli.price.advice import POWERS, SIZES, Advice, advise
from qcli.price.estimate import Estimate, estimate
from qcli.price.policy import Policy
from qcli.price.power import Classifier, detectable, samples_needed
from qcli.price.subject import Subject, subject_of, training_of

DEVICES = (
    *("braket/garnet", "braket/forte-enterprise-1", "ibm/fez", "ibm/phoenix", "iqm/garnet"),
    *("ionq/forte-enterprise-1", "azure/quantinuum-h2", "scaleway/emerald", "braket/sv1"),
)
ASSUMED = Classifier(0.9, 2)


@pytest.fixture(scope="module")
def small() -> Subject:
    """A circuit of two wires, one per inference."""
    return subject_of("vqc", {"wires": "2", "layers": "1"})


@pytest.fixture(scope="module")
def whole(small: Subject) -> Estimate:
    return estimate(small, Question(devices=DEVICES))


def bill(found: Estimate, device: str, **changed: int) -> Decimal | None:
    """The upper end, of a separate estimate for one device."""
    (row,) = estimate(found.subject, replace(found.question, devices=(device,), **changed)).rows  # type: ignore[arg-type]
    return row.cheapest.usd_high if row.cheapest else None


def scored(run: Run, right: int) -> Subject:
    """The run with so many of its test samples right; more are said to be wrong than there were."""
    path = run.path / "metrics.json"
    content = json.loads(path.read_text())
    for seed in content["seeds"]:
        seed["accuracy"]["value"] = right / content["test_samples"]
    path.write_text(json.dumps(content))
    return subject_of(str(run.path), {})


@pytest.mark.parametrize("points", [3, 10.5])
def test_the_samples_that_show_a_loss_are_those_of_the_power_calculation(
    whole: Estimate, points: float
) -> None:
    found = advise(whole, points=points).detection
    assert found is not None
    assert found.needed == {power: samples_needed(points, ASSUMED, power) for power in POWERS}


def test_each_device_is_priced_as_by_a_separate_estimate_of_so_many_inferences(whole: Estimate) -> None:
    found = advise(whole, points=10).detection
    assert found is not None
    assert list(found.usd) == [name for name in DEVICES if name != "braket/sv1"]
    for device, bills in found.usd.items():
        assert bills == tuple(bill(whole, device, inferences=n) for n in found.needed.values())


@pytest.mark.parametrize("points", [0, -1, 80.01, float("nan")])
def test_a_loss_that_the_model_cannot_have_is_refused(whole: Estimate, points: float) -> None:
    with pytest.raises(QcliError, match="is impossible at") as refusal:
        advise(whole, points=points)
    assert refusal.value.where == "--detect"


@pytest.mark.parametrize("budget", ["0.01", "5", "49.99", "3000", "123456.789"])
def test_a_budget_buys_the_inferences_of_which_one_more_is_too_dear(whole: Estimate, budget: str) -> None:
    usd = Decimal(budget)
    found = advise(whole, budget=usd).spending
    assert [each.device for each in found] == [name for name in DEVICES if name != "braket/sv1"]
    for each in found:
        assert each.usd <= usd
        more = bill(whole, each.device, inferences=each.inferences + 1)
        assert more is not None and more > usd
        if each.inferences:
            assert each.usd == bill(whole, each.device, inferences=each.inferences)
            assert each.detectable == detectable(each.inferences, ASSUMED)
        else:
            assert (each.usd, each.detectable) == (0, None)


@pytest.mark.parametrize("budget", ["0", "-5", "nan", "inf"])
def test_a_budget_that_is_no_amount_is_refused(whole: Estimate, budget: str) -> None:
    with pytest.raises(QcliError, match="a budget of") as refusal:
        advise(whole, budget=Decimal(budget))
    assert refusal.value.where == "--budget"


def test_the_bill_of_a_hybrid_job_counts_against_the_budget(small: Subject) -> None:
    found = estimate(small, Question(hybrid_job=True, devices=("braket/garnet",)))
    (spent,) = advise(found, budget=Decimal(50)).spending
    assert spent.usd == bill(found, "braket/garnet", inferences=spent.inferences)
    assert spent.usd > bill(replace(found, question=Question()), "braket/garnet", inferences=spent.inferences)  # type: ignore[operator]


def test_a_plan_against_the_policy_is_not_spent_on(small: Subject) -> None:
    policy = Policy(Path("qcli.toml"), None, None, None, (), ("separate",))
    found = estimate(small, Question(policy=policy, shots=100, devices=("braket/garnet", "iqm/garnet")))
    garnet, _ = advise(found, points=10, budget=Decimal("4.45")).spending
    assert (garnet.inferences, garnet.usd) == (10, Decimal("4.45"))
    nothing = replace(policy, plans=("session",))
    found = estimate(small, Question(policy=nothing, devices=("braket/garnet",)))
    given = advise(found, points=10, budget=Decimal(10**6))
    assert [each.inferences for each in given.spending] == [0]
    assert given.detection and given.detection.usd == {"braket/garnet": (None, None)}


def test_a_curve_gives_cost_and_detectable_loss_of_each_number(whole: Estimate) -> None:
    found = advise(whole, points=5).curves
    assert [curve.device for curve in found] == [name for name in DEVICES if name != "braket/sv1"]
    for curve in found:
        assert [n for n, _, _ in curve.points] == list(SIZES)
        assert [loss for _, _, loss in curve.points] == [detectable(n, ASSUMED) for n in SIZES]
        bills = [usd for _, usd, _ in curve.points]
        assert bills == sorted(bills) and bills[0] < bills[-1]
    garnet = {n: usd for n, usd, _ in found[0].points}
    assert garnet[500] == bill(whole, "braket/garnet", inferences=500)


def test_of_an_untrained_model_ninety_percent_is_assumed_and_said(small: Subject) -> None:
    _, content = estimate_cost(small, Question(devices=("braket/garnet",)), detect=5)
    assert content["compared"] == {
        "accuracy": 0.9,
        "classes": 2,
        "basis": "assumed: 90 % accuracy, 2 classes",
        "available": None,
    }
    assert content["shot_plans"] == []


def test_an_untrained_model_is_compared_with_nothing_unless_asked(whole: Estimate) -> None:
    assert advise(whole) == Advice()


def test_training_on_a_qpu_is_given_no_advice(small: Subject) -> None:
    steps = training_of(small, epochs=1, batch=4, rows=8)
    found = estimate(small, Question(training=steps, devices=("braket/garnet",)))
    assert advise(found) == Advice()
    for asked in ({"points": 5}, {"budget": Decimal(50)}):
        with pytest.raises(QcliError, match="training has no accuracy to compare"):
            advise(found, **asked)


@pytest.fixture(scope="module")
def advised(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, dict[str, Any]]:
    """A trained run and the document of its estimate with everything asked."""
    run = Run.open(shutil.copytree(trained.path, tmp_path_factory.mktemp("advised") / "run"))
    question = Question(devices=("braket/garnet", "braket/forte-enterprise-1", "ibm/fez"))
    _, content = estimate_cost(str(run.path), question, detect=10, budget=Decimal(50))
    return run, content


def test_of_a_run_the_test_set_gives_accuracy_and_size(advised: tuple[Run, dict[str, Any]]) -> None:
    run, content = advised
    metrics = json.loads((run.path / "metrics.json").read_text())
    samples = metrics["test_samples"]
    (seed,) = metrics["seeds"]
    right = round(seed["accuracy"]["value"] * samples)
    compared = content["compared"]
    assert compared["available"] == samples == run.info.split.test
    assert compared["accuracy"] == (right + 1) / (samples + 2)
    assert compared["basis"] == f"{right} of {samples} test samples right in simulation"
    assert content["detect"]["needed"] == {
        f"{power:.2f}": samples_needed(10, Classifier.from_counts(right, samples, 2), power)
        for power in POWERS
    }


def test_each_device_has_a_shot_plan_within_its_range_priced_as_by_a_separate_estimate(
    advised: tuple[Run, dict[str, Any]],
) -> None:
    run, content = advised
    subject = subject_of(str(run.path), {})
    least = {"braket/garnet": 1, "braket/forte-enterprise-1": 100, "ibm/fez": 1}
    assert [plan["device"] for plan in content["shot_plans"]] == list(least)
    for plan in content["shot_plans"]:
        device, uniform = plan["device"], plan["uniform"]
        assert uniform["shots"] >= least[device] and uniform["flip_rate"] <= plan["max_flips"] == 0.01
        (row,) = estimate(subject, Question(shots=uniform["shots"], devices=(device,))).rows
        assert row.cheapest and Decimal(plan["uniform_usd"]) == row.cheapest.usd
        (row,) = estimate(subject, Question(devices=(device,))).rows
        assert row.cheapest and Decimal(plan["asked"]["usd"]) == row.cheapest.usd


def test_the_budget_of_a_run_is_spent_at_its_shot_plans_shots(advised: tuple[Run, dict[str, Any]]) -> None:
    run, content = advised
    subject = subject_of(str(run.path), {})
    plans = {plan["device"]: plan["uniform"]["shots"] for plan in content["shot_plans"]}
    assert {each["device"]: each["shots"] for each in content["budget"]["devices"]} == plans
    for each in content["budget"]["devices"]:
        question = Question(each["inferences"], each["shots"], devices=(each["device"],))
        (row,) = estimate(subject, question).rows
        (more,) = estimate(subject, replace(question, inferences=each["inferences"] + 1)).rows
        assert row.cheapest and more.cheapest
        assert Decimal(each["usd"]) == row.cheapest.usd_high <= 50 < more.cheapest.usd_high


def test_a_model_that_only_guesses_is_priced_and_refused_a_comparison(run_copy: Run) -> None:
    subject = scored(run_copy, right=run_copy.info.split.test // 2)
    _, content = estimate_cost(subject, Question(devices=("braket/garnet",)))
    assert content["compared"] is None and content["curves"] == []
    assert content["rows"][0]["cheapest"] == "program-sets"
    for asked in ({"detect": 5.0}, {"budget": Decimal(50)}):
        with pytest.raises(QcliError, match="no better than guessing") as refusal:
            estimate_cost(subject, Question(devices=("braket/garnet",)), **asked)  # type: ignore[arg-type]
        assert refusal.value.where == str(run_copy.path)
    assert len(list((run_copy.path / "estimates").glob("*.json"))) == 1, "what is refused is not kept"
