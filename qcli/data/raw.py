"""What every reader hands back, and the checks all data go through."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from qcli.errors import QcliError

Kind = Literal["image", "table"]

MAX_CLASSES = 1000
MAX_FRACTIONAL_CLASSES = 20
MISSING = {"", "nan", "na", "n/a", "<na>", "null", "none", "nat"}
INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity"}


_CELLS_AT_ONCE = 2**21


class DataRows(Protocol):
    """Features `(rows, features)`, an array or on disk; any choice of rows is an array of float64."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> NDArray[np.float64]: ...


def spans(rows: int, features: int) -> Iterator[slice]:
    """All rows, in slices whose float64 values take 16 MiB at most."""
    step = max(1, _CELLS_AT_ONCE // max(1, features))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


@dataclass(frozen=True)
class Labels:
    """One text per row: `names` are the distinct ones, `codes` (rows,) say which of them."""

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        index: dict[str, int] = {}
        codes = np.fromiter((index.setdefault(text, len(index)) for text in texts), dtype=np.int32)
        return cls(tuple(index), codes)

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Raw:
    """Rows as read, before the checks.

    x: (rows, features) float64; labels: one per row; where: path or name, for messages;
    columns: feature names, or None where features have only a number;
    sha256: the data's hash if an earlier reading of the same files has checked them and kept it.
    """

    x: DataRows
    labels: Labels
    where: str
    kind: Kind
    shape: tuple[int, ...] | None = None
    target: str | None = None
    columns: tuple[str, ...] | None = None
    sha256: str | None = None


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
    bad, first = 0, None
    for part in spans(rows, features):
        block = raw.x[part]
        cells = np.argwhere(~np.isfinite(block))
        bad += len(cells)
        if len(cells) and first is None:
            row, feature = (int(i) for i in cells[0])
            first = (part.start + row, feature, float(block[row, feature]))
    if first is not None:
        row, feature, value = first
        column = raw.columns[feature] if raw.columns else str(feature)
        raise QcliError(
            f"missing value (NaN) in {bad} cell(s)" if np.isnan(value) else f"infinite value {value}",
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
    absent = [code for code, name in enumerate(raw.labels.names) if name.lower() in MISSING | INFINITE]
    if tabular and absent:
        row = int(np.isin(raw.labels.codes, absent).argmax())
        raise QcliError(
            f"label {raw.labels.names[raw.labels.codes[row]]!r} is missing or infinite",
            place(raw.where, raw.target, row),
            "fill or drop this row",
        )
    distinct = sorted(raw.labels.names)
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
    class_of = np.array([classes.index(name[label]) for label in raw.labels.names], dtype=np.int64)
    y = class_of[raw.labels.codes]
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
