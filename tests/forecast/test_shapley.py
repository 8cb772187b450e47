"""Shapley's axioms: the values add up, equals get equal shares, who changes nothing gets nothing, games add."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.forecast.shapley import shapley

CAUSES = ("a", "b", "c", "d")
Game = dict[frozenset[str], float]


def subsets(causes: tuple[str, ...]) -> list[frozenset[str]]:
    return [
        frozenset(c for i, c in enumerate(causes) if number >> i & 1) for number in range(2 ** len(causes))
    ]


games = st.lists(st.floats(-10, 10), min_size=16, max_size=16).map(
    lambda values: dict(zip(subsets(CAUSES), values, strict=True))
)


@given(games)
def test_values_are_the_mean_gain_over_all_orders(game: Game) -> None:
    found = shapley(CAUSES, game.__getitem__)
    for cause in CAUSES:
        gains = []
        for order in permutations(CAUSES):
            before = frozenset(order[: order.index(cause)])
            gains.append(game[before | {cause}] - game[before])
        assert found[cause] == pytest.approx(sum(gains) / len(gains), abs=1e-9)


@given(games)
def test_they_add_up_to_the_whole(game: Game) -> None:
    whole = game[frozenset(CAUSES)] - game[frozenset()]
    assert sum(shapley(CAUSES, game.__getitem__).values()) == pytest.approx(whole, abs=1e-9)


@given(games)
def test_a_cause_that_changes_nothing_gets_nothing(game: Game) -> None:
    found = shapley(CAUSES, lambda chosen: game[chosen - {"b"}])
    assert found["b"] == pytest.approx(0.0, abs=1e-9)


@given(games)
def test_causes_that_do_the_same_get_the_same(game: Game) -> None:
    swap = {"a": "b", "b": "a"}

    def effect(chosen: frozenset[str]) -> float:
        return game[chosen] + game[frozenset(swap.get(cause, cause) for cause in chosen)]

    found = shapley(CAUSES, effect)
    assert found["a"] == pytest.approx(found["b"], abs=1e-9)


@given(games, games)
def test_the_values_of_a_sum_are_the_sums_of_the_values(one: Game, other: Game) -> None:
    total = shapley(CAUSES, lambda chosen: one[chosen] + other[chosen])
    parts = [shapley(CAUSES, game.__getitem__) for game in (one, other)]
    assert total == pytest.approx({cause: sum(part[cause] for part in parts) for cause in CAUSES}, abs=1e-9)


def test_each_set_of_causes_is_tried_once() -> None:
    tried: list[frozenset[str]] = []

    def effect(chosen: frozenset[str]) -> float:
        tried.append(chosen)
        return float(len(chosen))

    assert shapley(CAUSES, effect) == dict.fromkeys(CAUSES, 1.0)
    assert sorted(map(sorted, tried)) == sorted(map(sorted, subsets(CAUSES)))
