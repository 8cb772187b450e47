"""What a search may vary, as text and as TOML."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.search.space import Choice, Log, Range, corners, grid, parse_dimension


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4,6,8", Choice(choice=(4, 6, 8))),
        ("true,false", Choice(choice=(True, False))),
        ("X,Y", Choice(choice=("X", "Y"))),
        ("8", Choice(choice=(8,))),
        ("1..4", Range(range=(1, 4))),
        ("0.1..0.5/3", Range(range=(0.1, 0.5), grid=3)),
        ("log:0.001..0.1", Log(log=(0.001, 0.1))),
        ("-3..3", Range(range=(-3, 3))),
    ],
)
def test_dimensions_as_text(text, expected):
    assert parse_dimension(text) == expected


@pytest.mark.parametrize(
    "text", ["4..1", "1..1", "a..b", "log:0..1", "log:-1..1", "4,4", "1..2/1", "1..2/x", "nan..1", "1..inf"]
)
def test_what_is_no_dimension_is_refused_with_an_example(text):
    with pytest.raises(QcliError, match="not a dimension of a search") as caught:
        parse_dimension(text)
    assert "lr=log:0.001..0.1" in caught.value.fix


def test_whole_numbers_stay_whole_and_real_ones_real():
    assert parse_dimension("1..4").points() == (1, 2, 3, 4)
    assert parse_dimension("log:1..100/3").points() == (1, 10, 100)
    assert parse_dimension("0.0..1.0/3").points() == (0.0, 0.5, 1.0)


def test_a_grid_of_real_numbers_needs_a_number_of_points():
    with pytest.raises(QcliError, match="number of points"):
        grid({"lr": parse_dimension("log:0.001..0.1")})


def test_a_grid_that_nobody_would_finish_is_refused():
    with pytest.raises(QcliError, match="1,000,000 points"):
        grid({name: parse_dimension("1..100") for name in "abc"})


DIMENSIONS = st.one_of(
    st.lists(st.integers(-9, 9), min_size=1, max_size=4, unique=True).map(
        lambda each: Choice(choice=tuple(each))
    ),
    st.tuples(st.integers(-9, 9), st.integers(1, 5)).map(lambda each: Range(range=(each[0], sum(each)))),
)
SPACES = st.dictionaries(st.sampled_from("abcd"), DIMENSIONS, min_size=1, max_size=3)


@given(SPACES)
def test_a_grid_has_every_combination_once_and_the_corners_are_among_them(space):
    points = [tuple(point.items()) for point in grid(space)]
    assert len(set(points)) == len(points) == math.prod(len(each.points()) for each in space.values())
    found = [tuple(point.items()) for point in corners(space, 6)]
    assert set(found) <= set(points)
    assert 1 <= len(found) <= 6


def test_few_corners_are_all_taken():
    space = {"wires": parse_dimension("4..8"), "shared": parse_dimension("true,false")}
    assert [tuple(point.values()) for point in corners(space)] == [
        (4, True),
        (4, False),
        (8, True),
        (8, False),
    ]
