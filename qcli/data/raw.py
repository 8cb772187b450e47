"""What every reader hands back, and the checks all data go through."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qcli.errors import QcliError

Kind = Literal["image", "table"]

MAX_CLASSES = 1000
MAX_FRACTIONAL_CLASSES = 20
MISSING = {"", "nan", "na", "n/a", "<na>", "null", "none", "nat"}
INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity"}


@dataclass(frozen=True)
class Raw:
    """Rows as read, before the checks.

    x: (rows, features) float64; labels: one text per row; where: path or name, for messages;
    columns: feature names, or None where features have only a number.
    """

    x: NDArray[np.float64]
    labels: list[str]
    where: str
    kind: Kind
    shape: tuple[int, ...] | None = None
    target: str | None = None
    columns: tuple[str, ...] | None = None


def place(where: str, column: str | None, row: int | None = None) -> str:
    """`file, column 'a', data row 3`; `row` counts from 0 here and from 1 in the message."""
    parts = [where]
    if column is not None:
        parts.append(f"column {column!r}")
    if row is not None:
        parts.append(f"data row {row + 1}")
    return ", ".join(parts)


def check_x(raw: Raw) -> None:
    """Refuse no rows, no features, NaN and infinity.

    Raises:
        QcliError: with column and row of the first bad value.
    """
    rows, features = raw.x.shape
    if rows == 0:
        raise QcliError("the data have no rows", raw.where, "add rows below the header")
    if features == 0:
        raise QcliError(
            "the data have no feature columns", raw.where, "add at least one column beside the target"
        )
    if rows != len(raw.labels):
        raise QcliError(
            f"{rows} rows of features but {len(raw.labels)} labels", raw.where, "give each row one label"
        )
    bad = np.argwhere(~np.isfinite(raw.x))
    if len(bad):
        row, feature = (int(i) for i in bad[0])
        value = raw.x[row, feature]
        column = raw.columns[feature] if raw.columns else str(feature)
        raise QcliError(
            f"missing value (NaN) in {len(bad)} cell(s)" if np.isnan(value) else f"infinite value {value}",
            place(raw.where, column, row),
            "fill or drop these rows before loading",
        )


def encode(raw: Raw) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels as class numbers.

    Classes that are all numbers are sorted and named as numbers ("1" and "1.0" in a table are one class),
    others by text.

    Returns:
        (rows,) int64 in 0 … classes-1, and the class names.

    Raises:
        QcliError: a missing or infinite label, one class only, too many classes, a regression target,
            a class with a single row.
    """
    where = place(raw.where, raw.target)
    tabular = raw.target is not None
    for row, label in enumerate(raw.labels if tabular else []):
        if label.lower() in MISSING | INFINITE:
            raise QcliError(
                f"label {label!r} is missing or infinite",
                place(raw.where, raw.target, row),
                "fill or drop this row",
            )
    distinct = sorted(set(raw.labels))
    numbers = _numbers(distinct)
    if numbers is not None:
        distinct = [label for _, label in sorted(zip(numbers, distinct, strict=True))]
    name = {label: label for label in distinct}
    if numbers is not None and tabular:
        name = {label: _name(float(label)) for label in distinct}
    classes = tuple(dict.fromkeys(name.values()))
    fractional = numbers is not None and any(not value.is_integer() for value in numbers)
    if fractional and len(classes) > MAX_FRACTIONAL_CLASSES:
        raise QcliError(
            f"{len(classes)} distinct fractional targets: this looks like a regression target",
            where,
            "qcli classifies: choose a column of classes, or bin the values into a few classes",
        )
    if len(classes) > MAX_CLASSES:
        raise QcliError(
            f"too many classes: {len(classes)}, at most {MAX_CLASSES}",
            where,
            "choose a column of classes; a quantity or an identifier is not one",
        )
    if len(classes) == 1:
        raise QcliError(f"only one class, {classes[0]!r}", where, "give rows of at least two classes")
    index = {label: classes.index(name[label]) for label in distinct}
    y = np.fromiter((index[label] for label in raw.labels), dtype=np.int64, count=len(raw.labels))
    single = np.flatnonzero(np.bincount(y) == 1)
    if len(single):
        raise QcliError(
            f"class {classes[single[0]]!r} has a single row ({len(single)} of {len(classes)} classes do)",
            place(raw.where, raw.target, int(np.flatnonzero(y == single[0])[0])),
            "add rows of this class or drop it; a quantity is not a class",
        )
    return y, classes


def _numbers(labels: Sequence[str]) -> list[float] | None:
    """All labels as finite numbers, or None when one is not (`1_0` is text)."""
    try:
        values = [float("x" if "_" in label else label) for label in labels]
    except ValueError:
        return None
    exact = all(math.isfinite(value) and abs(value) < 2**53 for value in values)
    return values if exact else None


def _name(value: float) -> str:
    return str(int(value)) if value.is_integer() else str(value)
