"""What a search may vary: dimensions of values, given as TOML or as text, and the points of their grid."""

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    Tag,
    ValidationError,
    model_validator,
)

from qcli.errors import QcliError

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = Annotated[bool, Strict()] | Annotated[int, Strict()] | float | str
Point = dict[str, Value]
Number = Annotated[int, Strict()] | float
MOST_POINTS = 100_000


class _Dimension(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Choice(_Dimension):
    """One of the values."""

    choice: tuple[Value, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        if len(set(self.choice)) < len(self.choice):
            raise ValueError("a value is there twice")
        return self

    @property
    def distribution(self) -> "BaseDistribution":
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.choice)

    def points(self) -> tuple[Value, ...]:
        return self.choice


class _Between(_Dimension):
    """Whole numbers, both ends included, where both ends are; otherwise real ones. `grid`: points in a grid search."""

    grid: int | None = Field(None, ge=2)

    @property
    def _ends(self) -> tuple[Number, Number]:
        raise NotImplementedError

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self._ends
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"{low} is not below {high}")
        return self

    @property
    def whole(self) -> bool:
        return all(isinstance(end, int) for end in self._ends)

    def points(self) -> tuple[Value, ...]:
        low, high = self._ends
        if self.grid is None:
            if self.whole and isinstance(self, Range):
                return tuple(range(int(low), int(high) + 1))
            raise QcliError(
                "a grid needs a number of points",
                f"between {low} and {high}",
                "add grid = 5, or use a choice",
            )
        space = np.geomspace if isinstance(self, Log) else np.linspace
        values = space(low, high, self.grid).tolist()
        return tuple(dict.fromkeys(round(value) for value in values)) if self.whole else tuple(values)


class Range(_Between):
    """Between the two numbers, uniformly."""

    range: tuple[Number, Number]

    @property
    def _ends(self) -> tuple[Number, Number]:
        return self.range

    @property
    def distribution(self) -> "BaseDistribution":
        return _distribution(self, log=False)


class Log(_Between):
    """Between the two positive numbers, uniformly in their logarithm."""

    log: tuple[Number, Number]

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.log[0] <= 0:
            raise ValueError(f"the logarithm of {self.log[0]}")
        return self

    @property
    def _ends(self) -> tuple[Number, Number]:
        return self.log

    @property
    def distribution(self) -> "BaseDistribution":
        return _distribution(self, log=True)


KINDS: dict[str, type[Choice] | type[Range] | type[Log]] = {"choice": Choice, "range": Range, "log": Log}


def _kind(given: object) -> str | None:
    keys = (
        given
        if isinstance(given, Mapping)
        else type(given).model_fields
        if isinstance(given, _Dimension)
        else ()
    )
    return next((kind for kind in KINDS if kind in keys), None)


Dimension = Annotated[
    Annotated[Choice, Tag("choice")] | Annotated[Range, Tag("range")] | Annotated[Log, Tag("log")],
    Discriminator(
        _kind,
        custom_error_type="dimension",
        custom_error_message="not a dimension: one of choice, range and log is missing",
    ),
]
Space = dict[str, Dimension]
Sampler = Literal["grid", "random", "tpe"]


def _distribution(dimension: "Range | Log", log: bool) -> "BaseDistribution":
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high = dimension._ends
    if dimension.whole:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)


def distributions(space: Space) -> "dict[str, BaseDistribution]":
    """As Optuna calls them."""
    return {name: dimension.distribution for name, dimension in space.items()}


def grid(space: Space) -> list[Point]:
    """All combinations, the last dimension varying fastest.

    Raises:
        QcliError: real numbers without a number of points, or more than 100,000 combinations.
    """
    points = [dimension.points() for dimension in space.values()]
    count = math.prod(map(len, points))
    if count > MOST_POINTS:
        raise QcliError(
            f"a grid of {count:,} points", "the search space", "use fewer values, or sampler = 'tpe'"
        )
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*points)]


def corners(space: Space, most: int = 16) -> list[Point]:
    """Combinations of the ends of ranges and of all choices, at most so many, evenly taken from all."""
    ends = [
        dimension.choice if isinstance(dimension, Choice) else dimension._ends for dimension in space.values()
    ]
    count = math.prod(map(len, ends))
    taken = sorted({round(k) for k in np.linspace(0, count - 1, min(count, most))})
    return (
        [
            {
                name: end[i]
                for name, end, i in zip(space, ends, np.unravel_index(k, [len(e) for e in ends]), strict=True)
            }
            for k in taken
        ]
        if space
        else []
    )


def parse_dimension(text: str) -> Choice | Range | Log:
    """`4,6,8`, `1..4` or `log:0.001..0.1`; with `/5` behind a range, so many points in a grid.

    Raises:
        QcliError: none of these.
    """
    body = text.removeprefix("log:")
    body, _, points = body.partition("/") if ".." in body else (body, "", "")
    kind = "log" if text.startswith("log:") else "range" if ".." in body else "choice"
    values = [_value(part.strip()) for part in body.split(".." if kind != "choice" else ",")]
    content = {kind: values} | ({"grid": _value(points)} if points else {})
    try:
        return KINDS[kind].model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise QcliError(
            f"not a dimension of a search: {text!r} ({first['msg']})",
            "--space",
            "such as wires=4,6,8, layers=1..4 or lr=log:0.001..0.1",
        ) from None


def _value(text: str) -> Value:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)
