"""Train, validation and test rows; scaling fitted on the training rows alone."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.dataset import Dataset
from qcli.data.raw import spans
from qcli.errors import QcliError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Disjoint rows of a dataset that together are all of it.

    train, validation, test: row numbers, int64, in random order (so the first n test rows are a sample);
    sha256: over the data's hash and the three; seed, test_size: as asked for.
    """

    train: Rows
    validation: Rows
    test: Rows
    sha256: str
    seed: int
    test_size: float | int

    def to_json(self) -> dict[str, Any]:
        """The entry `split` of run.json."""
        return {
            "sha256": self.sha256,
            "seed": self.seed,
            "test_size": self.test_size,
            "train": len(self.train),
            "validation": len(self.validation),
            "test": len(self.test),
        }


def split(
    dataset: Dataset, test_size: float | int = 0.2, validation_size: float | int = 0.2, seed: int = 0
) -> Split:
    """A stratified split: every part holds each class in the data's proportions, to within one row.

    Args:
        test_size: share in (0, 1), or a number of rows.
        validation_size: share of what is left after the test rows, or a number of rows.
        seed: 0 … 2³²-1; equal data, sizes and seed give an equal split.

    Raises:
        QcliError: a size or seed out of range, or too few rows of a class.
    """
    from sklearn.model_selection import train_test_split

    if not 0 <= seed < 2**32:
        raise QcliError(f"seed {seed} is out of range", "--seed", "choose a whole number in 0 … 4294967295")
    rows, classes = len(dataset.y), len(dataset.classes)
    test_rows = _count("test size", test_size, rows, classes, dataset.name)
    validation_rows = _count("validation size", validation_size, rows - test_rows, classes, dataset.name)
    if rows - test_rows - validation_rows < classes:
        raise QcliError(
            f"{rows - test_rows - validation_rows} training rows left for {classes} classes",
            dataset.name,
            "add rows, or make test and validation smaller",
        )
    _check_classes(dataset, np.arange(rows), 2)
    rest, test = train_test_split(np.arange(rows), test_size=test_rows, stratify=dataset.y, random_state=seed)
    _check_classes(dataset, rest, 2)
    train, validation = train_test_split(
        rest, test_size=validation_rows, stratify=dataset.y[rest], random_state=seed
    )
    _check_classes(dataset, train, 1)
    digest = hashlib.sha256(dataset.sha256.encode())
    for part in (train, validation, test):
        digest.update(f"\n{len(part)}\n".encode())
        digest.update(part.astype("<i8").tobytes())
    return Split(train, validation, test, digest.hexdigest(), seed, test_size)


def check_batch(split: Split, batch: int) -> None:
    """Refuse a batch that is not positive or larger than the training rows.

    Raises:
        QcliError: as said.
    """
    if batch < 1:
        raise QcliError(f"batch of {batch} rows", "--batch", "choose at least 1")
    if len(split.train) < batch:
        raise QcliError(
            f"{len(split.train)} training rows are fewer than a batch of {batch}",
            "--batch",
            f"choose --batch {len(split.train)} or less, or add rows",
        )


@dataclass(frozen=True)
class Scaler:
    """x ↦ (x - mean) / scale, per feature; mean, scale: (features,)."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    def apply(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) → (rows, features)."""
        return (x - self.mean) / self.scale


def fit_scaler(dataset: Dataset, split: Split) -> Scaler:
    """Mean and standard deviation of the training rows; 0 and 1 for images; scale 1 for a constant column.

    Raises:
        QcliError: values so large that their variance is not a number.
    """
    from sklearn.preprocessing import StandardScaler

    features = dataset.x.shape[1]
    if dataset.kind == "image":
        return Scaler(np.zeros(features), np.ones(features))
    with np.errstate(over="ignore", invalid="ignore"):
        fitted, rows = StandardScaler(), np.sort(split.train)
        for part in spans(len(rows), features):
            fitted.partial_fit(dataset.x[rows[part]])
    bad = np.flatnonzero(~np.isfinite(fitted.mean_) | ~np.isfinite(fitted.scale_))
    if len(bad):
        raise QcliError(
            "values too large to standardise",
            f"{dataset.name}, feature {bad[0]} (from 0)",
            "rescale the column",
        )
    return Scaler(fitted.mean_, fitted.scale_)


def _count(what: str, size: float | int, rows: int, classes: int, name: str) -> int:
    """`size` in rows, as scikit-learn rounds it: a share up."""
    whole = float(size).is_integer() and size >= 1
    if not whole and not 0 < size < 1:
        raise QcliError(f"{what} {size}", name, "choose a share between 0 and 1, or a whole number of rows")
    count = int(size) if whole else math.ceil(size * rows - 1e-9)
    if count < classes:
        raise QcliError(
            f"{what} {size} is {count} of {rows} rows, fewer than the {classes} classes",
            name,
            "add rows or choose a larger size",
        )
    if count >= rows:
        raise QcliError(
            f"{what} {size} leaves none of {rows} rows", name, "choose a smaller size or add rows"
        )
    return count


def _check_classes(dataset: Dataset, rows: Rows, least: int) -> None:
    counts = np.bincount(dataset.y[rows], minlength=len(dataset.classes))
    short = int(counts.argmin())
    if counts[short] < least:
        total = int((dataset.y == short).sum())
        raise QcliError(
            f"class {dataset.classes[short]!r} has {total} rows, too few for train, validation and test",
            dataset.name,
            "add rows of this class or drop it, or make test and validation smaller",
        )
