"""How far calibrations are trusted: drift as measured, factors fitted or said to be assumed."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.device.catalogue import catalogue
from qcli.forecast.optimism import FORECAST_MAE, GUESS_MAE, believe, drift, optimism

MEDIAN_DEVIATION = 0.6745
"""Of a standard normal variable."""


@pytest.mark.parametrize(("days", "factor"), [(1, 1.09), (7, 1.22), (90, 1.28)])
def test_a_two_qubit_error_changes_by_the_documented_median_factor(days: float, factor: float) -> None:
    assert exp(MEDIAN_DEVIATION * drift(days)) == pytest.approx(factor)


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_drift_never_shrinks_with_age_and_does_not_look_at_the_sign(one: float, other: float) -> None:
    young, old = sorted((one, other))
    assert 0 < drift(young) <= drift(old)
    assert drift(-old) == drift(old)


def test_drift_is_flat_below_a_day_and_beyond_90() -> None:
    assert drift(0) == drift(0.5) == drift(1) < drift(2)
    assert drift(89) < drift(90) == drift(91) == drift(4000)


@pytest.mark.parametrize("vendor", sorted({device.vendor for device in catalogue().values()}))
def test_a_vendors_factors_say_whether_they_are_fitted_or_assumed(vendor: str) -> None:
    trust = optimism(vendor)
    assert trust.basis.startswith("fitted on" if vendor == "IBM" else "assumed")
    assert 1.2 <= trust.gates <= 2.5
    assert min(trust.readout, trust.between_devices, trust.day_to_day, trust.readout_spread) > 0


def test_what_was_never_tried_is_trusted_less() -> None:
    assert optimism("IQM").between_devices > optimism("IBM").between_devices


def test_one_is_told_which_of_forecast_and_guess_to_believe() -> None:
    assert FORECAST_MAE < GUESS_MAE < 0.088
    for figure in (FORECAST_MAE, GUESS_MAE):
        assert f"{figure:.3f}" in believe("IBM")
    assert "believe the forecast" in believe("IBM")
    assert believe("IonQ").startswith("No public results of IonQ devices")
