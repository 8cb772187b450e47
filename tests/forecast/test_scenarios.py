"""Days drawn for a device: lognormal around the vendor's factors, wider for old calibrations and differing layouts."""

from dataclasses import replace
from datetime import timedelta
from math import hypot, log

import numpy as np
import pytest

from benchmarks.forecast import kernel
from qcli.compile.transpile import Compiled, layouts
from qcli.device.catalogue import find
from qcli.forecast.optimism import drift, optimism
from qcli.forecast.scenarios import Outlook, outlook, usual

TRUST = optimism("IBM")


@pytest.fixture(scope="module")
def found() -> list[Compiled]:
    return layouts(kernel(4), find("boston"))


def after(found: list[Compiled], days: int) -> Outlook:
    return outlook(found, found[0].device.calibrated_on + timedelta(days), TRUST)


def test_draws_have_the_stated_medians_and_spreads(found: list[Compiled]) -> None:
    view = after(found, 30)
    gates, readout = np.log(view.draw(4096))
    assert np.exp(np.median(gates)) == pytest.approx(TRUST.gates, rel=0.01)
    assert np.exp(np.median(readout)) == pytest.approx(TRUST.readout, rel=0.01)
    assert gates.std() == pytest.approx(view.spread.total, rel=0.02)
    assert readout.std() == pytest.approx(view.readout_spread, rel=0.02)
    assert abs(np.corrcoef(gates, readout)[0, 1]) < 0.02


@pytest.mark.parametrize("days", [1, 2, 100, 256])
def test_as_many_days_are_drawn_as_asked_for_the_same_for_the_same_seed(
    found: list[Compiled], days: int
) -> None:
    view = after(found, 0)
    one, same, other = (np.array(view.draw(days, seed)) for seed in (3, 3, 4))
    assert one.shape == (2, days)
    assert (one == same).all() and (one != other).all()


def test_causes_add_up_as_independent_variances(found: list[Compiled]) -> None:
    spread = after(found, 10).spread
    assert (spread.between_devices, spread.day_to_day) == (TRUST.between_devices, TRUST.day_to_day)
    causes = (spread.between_devices, spread.day_to_day, spread.drift, spread.layout)
    assert spread.total**2 == pytest.approx(sum(cause**2 for cause in causes))


def test_layouts_of_unlike_loss_widen_the_spread_and_a_single_one_does_not(found: list[Compiled]) -> None:
    assert len(found) > 1
    losses = [log(-log(each.success)) for each in found]
    assert after(found, 0).spread.layout == pytest.approx(np.std(losses)) != 0
    assert after(found[:1], 0).spread.layout == 0
    apart = [found[0], replace(found[0], success=found[0].success ** 3)]
    assert after(apart, 0).spread.layout == pytest.approx(log(3) / 2)


@pytest.mark.parametrize("success", [0.0, 1.0])
def test_layouts_without_a_loss_to_compare_tell_no_spread(found: list[Compiled], success: float) -> None:
    assert after([found[0], replace(found[0], success=success)], 0).spread.layout == 0


def test_an_old_calibration_widens_gates_and_readout(found: list[Compiled]) -> None:
    young, week, old = (after(found, days) for days in (1, 7, 90))
    assert (young.age_days, week.age_days, old.age_days) == (1, 7, 90)
    assert young.spread.total < week.spread.total < old.spread.total
    assert young.readout_spread < week.readout_spread < old.readout_spread
    assert after(found, -7).spread == week.spread


def test_drifts_of_single_gates_average_out_over_the_qubits_in_use(found: list[Compiled]) -> None:
    view = after(found, 90)
    assert len(found[0].used_qubits) == 4
    assert view.spread.drift == pytest.approx(drift(90) / 2)
    assert view.readout_spread == pytest.approx(hypot(TRUST.readout_spread, drift(90) / 2))


def test_the_usual_day_is_the_median_one() -> None:
    strength = usual(TRUST)
    assert strength.two_qubit == strength.one_qubit == strength.idle == TRUST.gates
    assert strength.readout == TRUST.readout
