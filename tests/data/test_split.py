"""Splits and scaling."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.data.dataset import Dataset, load
from qcli.data.split import check_batch, fit_scaler, split
from qcli.errors import QcliError


def table(counts: list[int], x: np.ndarray | None = None, sha256: str = "0" * 64) -> Dataset:
    y = np.repeat(np.arange(len(counts)), counts)
    features = np.arange(2.0 * len(y)).reshape(-1, 2) if x is None else x
    names = tuple(str(c) for c in range(len(counts)))
    return Dataset("made", features, y, names, None, "y", sha256, "table")


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(10, 60), min_size=2, max_size=5),
    test_size=st.floats(0.1, 0.4),
    validation_size=st.floats(0.2, 0.4),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_split_is_stratified_disjoint_complete_and_repeats(
    counts: list[int], test_size: float, validation_size: float, seed: int
) -> None:
    data = table(counts)
    parts = split(data, test_size, validation_size, seed)
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    np.testing.assert_array_equal(np.sort(everything), np.arange(len(data.y)))

    def per_class(rows: np.ndarray) -> np.ndarray:
        return np.bincount(data.y[rows], minlength=len(counts))

    whole = per_class(everything)
    rest = whole - per_class(parts.test)
    assert np.all(np.abs(per_class(parts.test) - whole * len(parts.test) / whole.sum()) < 1)
    assert np.all(np.abs(per_class(parts.validation) - rest * len(parts.validation) / rest.sum()) < 1)
    assert np.all(per_class(parts.train) >= 1)
    again = split(data, test_size, validation_size, seed)
    assert again.sha256 == parts.sha256
    np.testing.assert_array_equal(again.test, parts.test)


def test_sizes_are_shares_or_numbers_of_rows() -> None:
    data = load("digits:0,1")
    parts = split(data)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (230, 58, 72)
    assert parts.to_json() == {
        "sha256": parts.sha256,
        "seed": 0,
        "test_size": 0.2,
        "train": 230,
        "validation": 58,
        "test": 72,
    }
    assert len(split(data, 48).test) == len(split(data, 48.0).test) == 48
    assert len(split(data, 48, 12).validation) == 12
    assert all(part.dtype == np.int64 for part in (parts.train, parts.validation, parts.test))


def test_the_hash_covers_data_and_rows() -> None:
    data = table([20, 20])
    hashes = {
        split(data).sha256,
        split(data, seed=1).sha256,
        split(data, 0.3).sha256,
        split(data, validation_size=0.3).sha256,
        split(table([20, 20], sha256="1" * 64)).sha256,
    }
    assert len(hashes) == 5


def test_the_first_test_rows_are_a_mixture_of_the_classes() -> None:
    data = table([100, 100])
    assert 5 <= data.y[split(data).test[:20]].sum() <= 15


def test_a_table_is_standardised_by_its_training_rows_alone() -> None:
    x = np.random.default_rng(0).normal([5.0, -3.0, 7.0], [2.0, 0.1, 0.0], (60, 3))
    data = table([30, 30], x)
    parts = split(data)
    x[parts.test] += 1000.0
    scaler = fit_scaler(data, parts)
    scaled = scaler.apply(x[parts.train])
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled[:, :2].std(axis=0), 1)
    assert scaler.scale[2] == 1.0
    np.testing.assert_allclose(scaler.mean, x[parts.train].mean(axis=0))


def test_images_are_left_as_they_are() -> None:
    data = load("digits:0,1")
    np.testing.assert_array_equal(fit_scaler(data, split(data)).apply(data.x), data.x)


def test_values_too_large_to_standardise_are_refused() -> None:
    data = table([10, 10], np.linspace(-1e300, 1e300, 40).reshape(20, 2))
    with pytest.raises(QcliError, match="too large"):
        fit_scaler(data, split(data))


def test_a_batch_fits_into_the_training_rows() -> None:
    parts = split(load("digits:0,1"))
    check_batch(parts, 230)
    with pytest.raises(QcliError, match="230 training rows are fewer than a batch of 231") as caught:
        check_batch(parts, 231)
    assert caught.value.where == "--batch" and "--batch 230" in caught.value.fix
    with pytest.raises(QcliError):
        check_batch(parts, 0)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"test_size": 0.0}, "test size 0.0"),
        ({"test_size": 1.5}, "test size 1.5"),
        ({"test_size": -3}, "test size -3"),
        ({"test_size": float("nan")}, "test size nan"),
        ({"test_size": float("inf")}, "test size inf"),
        ({"test_size": 360}, "leaves none of 360 rows"),
        ({"test_size": 1}, "fewer than the 2 classes"),
        ({"validation_size": 0.001}, "fewer than the 2 classes"),
        ({"test_size": 200, "validation_size": 159}, "1 training rows left"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_bad_split_is_refused(arguments: dict[str, Any], what: str) -> None:
    with pytest.raises(QcliError) as caught:
        split(load("digits:0,1"), **arguments)
    assert what in caught.value.what
    assert caught.value.where and caught.value.fix and caught.value.exit_code == 2


def test_a_class_too_small_for_three_parts_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,y\n" + "1,common\n" * 40 + "2,rare\n" * 2)
    with pytest.raises(QcliError, match="class 'rare' has 2 rows, too few"):
        split(load(str(tmp_path / "a.csv")), test_size=0.5)
