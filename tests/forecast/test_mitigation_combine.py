"""Mitigated values from frequencies: readout correction, projection, extrapolation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qcli.circuit.program import Expectation, Probabilities, Program
from qcli.errors import QcliError
from qcli.forecast.executor import misread
from qcli.forecast.mitigation.combine import (
    assignment,
    corrected,
    extrapolated,
    nearest,
    with_distributions,
)

SCALES = (1, 3, 5)
FLIPS = arrays(float, (3, 2), elements=st.floats(0.0, 0.45))
SEEDS = st.integers(0, 10_000)


def distributions(seed, rows=4, outcomes=8):
    return np.random.default_rng(seed).dirichlet(np.full(outcomes, 0.5), rows)


def calibrated(flips):
    """What the circuits all 0 and all 1 give without shot noise."""
    zeros, ones = misread(np.eye(2 ** len(flips))[[0, -1]], flips)
    return assignment(zeros, ones)


@given(FLIPS)
def test_calibration_finds_each_bits_flip_probabilities(flips):
    matrices = calibrated(flips)
    np.testing.assert_allclose(matrices[:, 1, 0], flips[:, 0], atol=1e-12)
    np.testing.assert_allclose(matrices[:, 0, 1], flips[:, 1], atol=1e-12)


@given(FLIPS, SEEDS)
def test_correction_undoes_readout_errors(flips, seed):
    there = distributions(seed)
    np.testing.assert_allclose(corrected(misread(there, flips), calibrated(flips)), there, atol=1e-9)


@given(FLIPS, SEEDS)
def test_corrected_counts_sum_to_one(flips, seed):
    counts = np.random.default_rng(seed).multinomial(50, distributions(seed)) / 50
    np.testing.assert_allclose(corrected(counts, calibrated(flips)).sum(axis=1), 1.0, atol=1e-9)


def test_a_bit_that_reads_the_same_for_0_and_1_is_refused():
    zeros, ones = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0, 0.0])
    with pytest.raises(QcliError, match="measured bit 1 reads the same"):
        assignment(zeros, ones)


QUASI = arrays(float, (3, 8), elements=st.floats(-1.0, 1.0))


@given(QUASI, SEEDS)
def test_the_projection_is_the_nearest_distribution(quasi, seed):
    found = nearest(quasi)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-12)
    other = distributions(seed, rows=3)
    to_other = np.linalg.norm(quasi - other, axis=1)
    assert (np.linalg.norm(quasi - found, axis=1) <= to_other + 1e-12).all()


@given(QUASI)
def test_projecting_twice_is_projecting_once(quasi):
    np.testing.assert_allclose(nearest(nearest(quasi)), nearest(quasi), atol=1e-12)


def test_only_distributions_are_projected():
    measurements = (Expectation(((1.0, ((0, "Z"),)),)), Probabilities((0, 1)))
    program = Program(2, (), measurements, angle_map=None)
    found = with_distributions(program, np.array([[1.2, 0.7, 0.5, -0.2, 0.0]]))
    np.testing.assert_allclose(found, [[1.2, 0.6, 0.4, 0.0, 0.0]])


@pytest.mark.parametrize("how", ["linear", "richardson"])
@given(st.floats(-1, 1), st.floats(-0.2, 0.2))
def test_polynomials_continue_a_line_exactly(how, ideal, slope):
    found = extrapolated(SCALES, np.array([ideal + slope * scale for scale in SCALES]), how)
    assert found.values == pytest.approx(ideal, abs=1e-12)


@given(st.floats(-1, 1), st.floats(-0.2, 0.2), st.floats(-0.1, 0.1))
def test_richardson_continues_a_parabola_exactly(ideal, slope, bend):
    values = np.array([ideal + slope * scale + bend * scale**2 for scale in SCALES])
    assert extrapolated(SCALES, values, "richardson").values == pytest.approx(ideal, abs=1e-12)


@given(st.floats(0.01, 1), st.floats(0, 0.5), st.sampled_from([-1, 1]))
def test_an_exponential_continues_a_decay_exactly(size, rate, sign):
    values = sign * size * np.exp(-rate * np.array(SCALES))
    assert extrapolated(SCALES, values, "exponential").values == pytest.approx(sign * size)


def test_what_is_no_decay_is_continued_along_the_line():
    """A change of sign, growth, and almost nothing left; last a decay beside them."""
    values = np.array([[0.2, 0.2, 0.2, 0.8], [-0.1, 0.3, 1e-9, 0.4]])
    line, found = (extrapolated((1, 3), values, how).values for how in ("linear", "exponential"))
    np.testing.assert_array_equal(found[:3], line[:3])
    assert found[3] == pytest.approx(0.8 * 2**0.5)


def test_values_of_zero_stay_zero():
    np.testing.assert_array_equal(extrapolated(SCALES, np.zeros((3, 2)), "exponential").values, 0.0)


def test_the_error_of_a_line_through_1_and_3():
    found = extrapolated((1, 3), np.array([0.5, 0.3]), "linear", errors=0.01)
    assert found.errors == pytest.approx(0.01 * np.hypot(1.5, 0.5))


def test_the_error_of_a_decay_is_that_of_first_order():
    values, errors, step = np.array([0.6, 0.4]), np.array([0.02, 0.01]), 1e-6
    at = extrapolated((1, 3), values, "exponential", errors)
    moved = [extrapolated((1, 3), values + step * one, "exponential").values - at.values for one in np.eye(2)]
    assert at.errors == pytest.approx(np.linalg.norm(np.array(moved) / step * errors), rel=1e-4)


@pytest.mark.parametrize("scales", [(), (1,), (3, 3)])
def test_extrapolation_needs_two_different_scales(scales):
    with pytest.raises(QcliError, match="noise scales"):
        extrapolated(scales, np.zeros((len(scales), 2)), "linear")
