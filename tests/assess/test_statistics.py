"""Paired statistics against published figures and by simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.assess.statistics import paired_difference


def pairs(both, only_first, only_second, neither):
    first = np.array([True] * (both + only_first) + [False] * (only_second + neither))
    second = np.array([True] * both + [False] * only_first + [True] * only_second + [False] * neither)
    return first, second


def test_mcnemar_counts_only_disagreement():
    result = paired_difference(*pairs(30, 8, 2, 8))
    assert (result.only_first, result.only_second) == (8, 2)
    assert result.value == pytest.approx(6 / 48)
    assert result.p == pytest.approx(2 * (1 + 10 + 45) / 2**10)


def test_no_disagreement_is_no_evidence_but_not_certainty():
    result = paired_difference(*pairs(40, 0, 0, 8))
    assert (result.value, result.p) == (0.0, 1.0)
    assert result.low == -result.high < 0


@pytest.mark.parametrize(
    ("p_only_first", "p_only_second", "n"), [(0.10, 0.02, 48), (0.25, 0.10, 48), (0.02, 0.02, 100)]
)
def test_the_95_percent_interval_covers_the_true_difference(p_only_first, p_only_second, n):
    rng = np.random.default_rng(0)
    covered = 0
    for both, b, c, neither in rng.multinomial(
        n, [0.6, p_only_first, p_only_second, 0.4 - p_only_first - p_only_second], 1000
    ):
        result = paired_difference(*pairs(both, b, c, neither))
        covered += result.low <= p_only_first - p_only_second <= result.high
    assert covered / 1000 >= 0.93


@given(st.tuples(*[st.integers(0, 60)] * 4).filter(lambda table: sum(table) > 0))
def test_exchanging_the_two_mirrors_the_result(table):
    first, second = pairs(*table)
    forward, backward = paired_difference(first, second), paired_difference(second, first)
    assert forward.value == -backward.value
    assert forward.low == pytest.approx(-backward.high)
    assert forward.p == backward.p
    assert -1 <= forward.low <= forward.value <= forward.high <= 1
