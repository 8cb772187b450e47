"""Metrics against hand-computed and published values."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from qcli.errors import QcliError
from qcli.train.metrics import (
    Interval,
    Metrics,
    accuracy,
    evaluate,
    expected_calibration_error,
    summary,
)


@pytest.mark.parametrize(
    ("right", "samples", "low", "high"),
    [
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (50, 100, 0.40383, 0.59617),
        (81, 263, 0.25529, 0.36621),  # Newcombe, Statistics in Medicine 17, 857 (1998), table I, method 3
        (15, 148, 0.06238, 0.16051),  # the same
        (0, 20, 0.0, 0.16113),  # the same
        (1, 29, 0.00611, 0.17175),  # the same
    ],
)
def test_wilson_interval(right: int, samples: int, low: float, high: float) -> None:
    found = accuracy(np.arange(samples) < right)
    assert found.value == right / samples
    assert found.low == pytest.approx(low, abs=1e-4)
    assert found.high == pytest.approx(high, abs=1e-4)
    assert found.basis == "Wilson 95 %"


def test_accuracy_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="non-empty"):
        accuracy([])


def pair(confidences: list[float]) -> np.ndarray:
    """Two-class probabilities; class 1 has the given probability."""
    p = np.array(confidences)
    return np.column_stack([1 - p, p])


@pytest.mark.parametrize(
    ("probabilities", "labels", "expected"),
    [
        (pair([1.0, 1.0]), [1, 1], 0.0),
        (pair([1.0, 1.0]), [0, 0], 1.0),
        (pair([1.0, 1.0]), [1, 0], 0.5),
        # one bin (0.8667, 0.9333]: confidence 0.9, accuracy 3/4
        (pair([0.9] * 4), [1, 1, 1, 0], 0.15),
        # two bins: |0.5 - 0.9| for two samples, |1 - 0.6| for two
        (pair([0.9, 0.9, 0.6, 0.6]), [1, 0, 1, 1], 0.4),
        # gaps of opposite sign within a bin cancel, across bins they do not
        (pair([0.7, 0.7]), [1, 0], 0.2),
        (pair([0.7, 0.9]), [1, 0], (0.3 + 0.9) / 2),
        # class 0 predicted with 0.8
        (pair([0.2, 0.2]), [0, 0], 0.2),
        (np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]]), [0, 2], (0.5 + 0.8) / 2),
    ],
)
def test_expected_calibration_error_by_hand(
    probabilities: np.ndarray, labels: list[int], expected: float
) -> None:
    assert expected_calibration_error(probabilities, labels) == pytest.approx(expected)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    # bins of 0.1: 0.6 is in (0.5, 0.6] with 0.55; their gaps, +0.4 and -0.55, cancel in part
    assert expected_calibration_error(pair([0.6, 0.55]), [1, 0], bins=10) == pytest.approx(0.15 / 2)
    assert expected_calibration_error(pair([0.61, 0.55]), [1, 0], bins=10) == pytest.approx((0.39 + 0.55) / 2)


def test_calibrated_predictions_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1.0, 200_000)
    labels = (rng.uniform(size=200_000) < confidence).astype(int)
    assert expected_calibration_error(pair(list(confidence)), labels) < 0.005
    assert expected_calibration_error(pair(list(np.sqrt(confidence))), labels) > 0.05


def noisy(samples: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=samples)
    logits = rng.normal(size=(samples, classes)) + 1.5 * np.eye(classes)[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def test_the_bootstrap_is_the_one_that_resamples_rows_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcli.train.metrics.RESAMPLES", 100)
    probabilities, labels = noisy(12, 4, seed=2)
    found = evaluate(probabilities, labels, seed=5)
    predicted = probabilities.argmax(axis=1)
    f1, ece = [], []
    for rows in np.random.default_rng(5).integers(12, size=(100, 12)):
        f1.append(f1_score(labels[rows], predicted[rows], average="macro", zero_division=0.0))
        ece.append(expected_calibration_error(probabilities[rows], labels[rows]))
    assert (found.macro_f1.low, found.macro_f1.high) == pytest.approx(np.quantile(f1, [0.025, 0.975]))
    assert (found.ece.low, found.ece.high) == pytest.approx(np.quantile(ece, [0.025, 0.975]))
    assert found.macro_f1.value == f1_score(labels, predicted, average="macro")
    assert "bootstrap" in found.macro_f1.basis and "1000" in found.ece.basis


def test_a_class_missing_from_a_resample_does_not_count_against_it() -> None:
    labels = np.array([0] * 10 + [1] * 10 + [2])
    found = evaluate(np.eye(3)[labels], labels, seed=0).macro_f1
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_large_test_sets_are_resampled_in_pieces_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    probabilities, labels = noisy(50, 3, seed=0)
    whole = evaluate(probabilities, labels, seed=1)
    monkeypatch.setattr("qcli.train.metrics.CELLS_AT_ONCE", 50 * 7)
    assert evaluate(probabilities, labels, seed=1) == whole


def test_a_seed_repeats_and_another_moves_only_the_bootstrap() -> None:
    probabilities, labels = noisy(60, 2, seed=3)
    first, again, other = (evaluate(probabilities, labels, seed) for seed in (0, 0, 1))
    assert first == again
    assert first.accuracy == other.accuracy
    assert first.ece != other.ece


@pytest.mark.parametrize("seed", [0, 5])
def test_every_interval_holds_its_figure(seed: int) -> None:
    # at these two seeds all resampled ECE between the percentiles are larger than the sample's own
    probabilities, labels = noisy(30, 2, seed)
    found = evaluate(probabilities, labels, seed)
    assert found.ece.low == found.ece.value
    for part in (found.accuracy, found.macro_f1, found.ece):
        assert part.low <= part.value <= part.high


def test_intervals_narrow_with_the_square_root_of_the_samples() -> None:
    few, many = (evaluate(*noisy(samples, 3, seed=7), seed=0).macro_f1 for samples in (100, 10_000))
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10, rel=0.3)


def test_probabilities_that_are_not_numbers_are_a_diverged_training() -> None:
    with pytest.raises(QcliError, match="not numbers") as caught:
        evaluate([[0.5, 0.5], [np.nan, 0.5]], [0, 1], seed=0)
    assert caught.value.where.startswith("sample 1") and "--lr" in caught.value.fix


@pytest.mark.parametrize(
    ("probabilities", "labels"),
    [
        ([[0.5, 0.5]], [0, 1]),
        ([0.5, 0.5], [0, 1]),
        ([[0.5, 0.5]], [2]),
        ([[0.5, 0.6]], [0]),
        ([[1.5, -0.5]], [0]),
        (np.zeros((0, 2)), []),
    ],
)
def test_malformed_predictions_are_an_error(probabilities: list, labels: list) -> None:
    with pytest.raises(ValueError):
        evaluate(probabilities, labels, seed=0)


def made(value: float) -> Metrics:
    return Metrics(Interval(value, 0, 1), Interval(value / 2, 0, 1), Interval(1 - value, 0, 1))


def test_summary_is_mean_and_sample_standard_deviation() -> None:
    found = summary([made(0.8), made(0.9), made(1.0)])
    assert found.accuracy.mean == pytest.approx(0.9) and found.accuracy.sd == pytest.approx(0.1)
    assert found.macro_f1.mean == pytest.approx(0.45) and found.macro_f1.sd == pytest.approx(0.05)
    assert found.ece.mean == pytest.approx(0.1)
    assert str(found.accuracy) == "0.900 ± 0.100"


def test_one_seed_has_no_standard_deviation() -> None:
    found = summary([made(0.75)])
    assert found.accuracy.sd is None and str(found.accuracy) == "0.750"
    with pytest.raises(ValueError, match="no metrics"):
        summary([])


def test_json_form() -> None:
    interval = Interval(0.5, 0.25, 0.75)
    assert interval.to_json() == {"value": 0.5, "low": 0.25, "high": 0.75}
    written = json.loads(json.dumps(evaluate(*noisy(30, 2, seed=0), seed=0).to_json()))
    assert list(written) == ["accuracy", "macro_f1", "ece"]
    assert all(set(part) == {"value", "low", "high", "basis"} for part in written.values())
    assert summary([made(0.5)]).to_json()["accuracy"] == {"mean": 0.5, "sd": None}
