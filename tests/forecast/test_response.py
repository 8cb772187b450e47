"""Between the strengths at which noise is simulated, values are interpolated without overshoot."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.forecast.response import GATES, READOUT, curve

shares = st.integers(-1000, 1000).map(lambda number: number / 1000)


def test_strengths_start_without_errors_and_reach_far_beyond_a_usual_day() -> None:
    for factors in (GATES, READOUT):
        assert factors[0] == 0 and list(factors) == sorted(set(factors))
    assert GATES[-1] >= 2 * 2.33 and READOUT[-1] >= 2


@given(st.lists(shares, min_size=len(GATES), max_size=len(GATES)))
def test_what_was_simulated_is_met(values: list[float]) -> None:
    assert curve(GATES, np.array(values))(GATES) == pytest.approx(values, abs=1e-12)


@given(st.lists(shares, min_size=len(GATES), max_size=len(GATES)))
def test_what_falls_at_the_simulated_strengths_falls_between_them(values: list[float]) -> None:
    between = curve(GATES, np.sort(values)[::-1])(np.linspace(0, 6, 200))
    assert (np.diff(between) <= 1e-12).all()
    assert between.min() >= min(values) - 1e-12 and between.max() <= max(values) + 1e-12


def test_beyond_the_strongest_nothing_is_extrapolated() -> None:
    values = curve(READOUT, np.exp(-np.array(READOUT)))
    assert values(10.0) == values(READOUT[-1])


def test_an_exponential_decay_is_met_to_half_a_point() -> None:
    at = np.linspace(0.3, 5, 300)
    assert curve(GATES, np.exp(-0.5 * np.array(GATES)))(at) == pytest.approx(np.exp(-0.5 * at), abs=5e-3)


def test_arrays_are_interpolated_entry_by_entry() -> None:
    values = np.random.default_rng(0).normal(size=(len(GATES), 2, 3))
    found = curve(GATES, values)(np.array([0.1, 1.0, 4.0, 9.0]))
    assert found.shape == (4, 2, 3)
    assert found[:, 1, 2] == pytest.approx(curve(GATES, values[:, 1, 2])(np.array([0.1, 1.0, 4.0, 9.0])))
