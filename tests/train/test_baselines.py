"""Classical baselines on the same split."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from qcli.data.dataset import Dataset, load
from qcli.data.split import fit_scaler, split
from qcli.train import baselines as room
from qcli.train.baselines import Baseline, baselines, hidden_units


def run(data: Dataset, parameters: int, seed: int = 0) -> list[Baseline]:
    parts = split(data)
    return baselines(data, parts, fit_scaler(data, parts), parameters, seed)


def moons() -> Dataset:
    """Two interleaved half circles in units of 1,000: unscaled, or linear, they are not told apart well."""
    from sklearn.datasets import make_moons

    x, y = make_moons(200, noise=0.05, random_state=0)
    return Dataset("moons", x * 1000, y.astype(np.int64), ("a", "b"), None, "y", "0" * 64, "table")


def test_both_tell_zeros_from_ones() -> None:
    logistic, mlp = run(load("digits:0,1"), 600)
    assert (logistic.name, mlp.name) == ("logistic regression", "MLP")
    assert logistic.parameters == 64 + 1
    assert mlp.parameters == 9 * (64 + 1) + 9 + 1
    assert logistic.metrics.accuracy.value >= 0.95 and mlp.metrics.accuracy.value >= 0.95
    assert logistic.note == mlp.note == ""


def test_the_figures_are_those_of_the_scaled_training_and_test_rows() -> None:
    data = moons()
    parts = split(data)
    x = (data.x - data.x[parts.train].mean(axis=0)) / data.x[parts.train].std(axis=0)
    model = LogisticRegression().fit(x[parts.train], data.y[parts.train])
    logistic, mlp = run(data, 100)
    assert logistic.metrics.accuracy.value == model.score(x[parts.test], data.y[parts.test])
    assert logistic.metrics.accuracy.value < 0.95 < mlp.metrics.accuracy.value


@pytest.mark.parametrize(
    ("parameters", "features", "classes", "hidden"),
    [(600, 64, 2, 9), (10, 64, 2, 1), (0, 4, 2, 1), (67, 64, 2, 1), (650, 64, 10, 9), (41, 2, 2, 10)],
)
def test_the_mlp_is_as_large_as_the_model_or_has_one_unit(
    parameters: int, features: int, classes: int, hidden: int
) -> None:
    assert hidden_units(parameters, features, classes) == hidden


@pytest.mark.parametrize("parameters", [100, 333, 1000, 5000])
def test_the_reported_size_is_within_half_a_unit_of_the_model(parameters: int) -> None:
    mlp = run(load("digits:0,1"), parameters)[1]
    assert abs(mlp.parameters - parameters) <= (64 + 2) / 2


def test_a_seed_repeats() -> None:
    data = load("digits:3,6")
    assert run(data, 200, seed=4) == run(data, 200, seed=4)


def test_a_fit_that_stops_early_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ITERATIONS", (1, 2))
    logistic, mlp = run(load("digits:0,1"), 100)
    assert logistic.note == mlp.note == "did not converge in 2 iterations"
    assert logistic.to_json()["note"] == logistic.note


def test_more_iterations_are_tried_before_saying_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ITERATIONS", (1, 10_000))
    assert [found.note for found in run(load("digits:0,1"), 100)] == ["", ""]


def test_json_form() -> None:
    entry = json.loads(json.dumps(run(load("digits:0,1"), 100)[0].to_json()))
    assert list(entry) == ["name", "parameters", "accuracy", "macro_f1", "ece"]
    assert entry["parameters"] == 65


def test_large_data_are_sampled_in_proportion_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = moons()
    monkeypatch.setattr(room, "ROWS", 31)
    rows = room._sample(data.y, split(data).train, 2)
    assert np.bincount(data.y[rows]).tolist() == [15, 15]
    assert set(rows) <= set(split(data).train)
    for baseline in run(data, 100):
        assert baseline.note == "fitted to 30 of 128 training rows"
        assert baseline.metrics.accuracy.value > 0.7
