"""Expected figures lie between published and typical ones; without its calibration a device is its vendor's usual."""

from datetime import date
from math import sqrt
from statistics import geometric_mean, median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.device.catalogue import catalogue, find, names
from qcli.device.record import Device, Edge, Qubit
from qcli.forecast.figures import LEAST_ERROR, RELIABILITY, anonymous, expected, guessed, typical
from qcli.forecast.optimism import optimism


def scaled(device: Device, factor: float) -> Device:
    """All errors `factor` times as large, T1 and T2 as much shorter."""

    def times(value: float | None, by: float) -> float | None:
        return None if value is None else min(value * by, 0.45) if by == factor else value * by

    qubits = tuple(
        Qubit(q.id, times(q.t1_s, 1 / factor), times(q.t2_s, 1 / factor), *(times(e, factor) for e in q[3:6]))
        for q in device.qubits
    )
    edges = tuple(edge._replace(error=times(edge.error, factor)) for edge in device.edges)
    return device.model_copy(update={"qubits": qubits, "edges": edges})


def made(error: float, read: tuple[float, float], pair: float) -> Device:
    """Two coupled qubits of a vendor that has no other device."""
    qubits = tuple(Qubit(number, None, None, error, *read) for number in range(2))
    return find("garnet").model_copy(
        update={"name": "made", "vendor": "Nobody", "qubits": qubits, "edges": (Edge(0, 1, pair),)}
    )


def rows(device: Device) -> list[tuple[float | None, ...]]:
    """One-qubit error, T1, T2, readout error of zeros and of ones of each qubit, then the error of each edge; an error
    of 0 is one that was not seen.
    """

    def seen(value: float | None) -> float | None:
        return LEAST_ERROR if value == 0 else value

    return [
        (seen(q.error_1q), q.t1_s, q.t2_s, seen(q.p1_given_0), seen(q.p0_given_1)) for q in device.qubits
    ] + [(seen(edge.error),) for edge in device.edges]


def as_read(device: Device) -> Device:
    """Without the vendor's factor on the readout errors of zeros."""
    zeros = optimism(device.vendor).zeros
    qubits = tuple(
        q if q.p1_given_0 is None else q._replace(p1_given_0=q.p1_given_0 / zeros) for q in device.qubits
    )
    return device.model_copy(update={"qubits": qubits})


@pytest.mark.parametrize("name", names())
def test_expected_figures_lie_between_published_and_typical_on_a_logarithmic_scale(name: str) -> None:
    device = catalogue()[name]
    usual = typical(device)
    assert usual is not None
    for before, after in zip(rows(device), rows(as_read(expected(device))), strict=True):
        middles: tuple[float | None, ...] = (usual.error_2q,)
        if len(before) > 1:
            middles = (usual.error_1q, usual.t1_s, usual.t2_s, usual.p1_given_0, usual.p0_given_1)
        for published, found, middle in zip(before, after, middles, strict=True):
            if published is None or middle is None:
                assert found == published
            else:
                assert found == pytest.approx(published**RELIABILITY * middle ** (1 - RELIABILITY))


def test_all_weight_on_the_calibration_leaves_it_as_it_is_and_none_leaves_what_is_typical() -> None:
    device = find("fez")
    for before, after in zip(rows(device), rows(as_read(expected(device, 1.0))), strict=True):
        assert after == pytest.approx(before)
    (error,) = {edge.error for edge in expected(device, 0.0).usable_edges}
    assert error == pytest.approx(typical(device).error_2q)  # type: ignore[union-attr]


def test_what_is_absent_stays_absent() -> None:
    device = find("fez")
    assert len(device.usable_edges) < len(device.edges)
    for without in (expected(device), anonymous(device)):
        assert [q.id for q in without.usable] == [q.id for q in device.usable]
        assert [e[:2] for e in without.usable_edges] == [e[:2] for e in device.usable_edges]
        assert [e.duration_s for e in without.edges] == [e.duration_s for e in device.edges]


def test_reading_zeros_wrongly_is_rarer_than_published_where_that_was_fitted() -> None:
    for name, share in (("fez", 0.5), ("garnet", 1.0)):
        usable, likely = find(name).usable, expected(find(name), 1.0).usable
        assert guessed(find(name)).usable[0].p1_given_0 == pytest.approx(
            share * anonymous(find(name)).usable[0].p1_given_0
        )
        for before, after in zip(usable, likely, strict=True):
            assert after.p1_given_0 == pytest.approx(share * (before.p1_given_0 or LEAST_ERROR))
            assert after.p0_given_1 == pytest.approx(before.p0_given_1 or LEAST_ERROR)


def test_an_error_of_zero_is_one_that_was_not_seen() -> None:
    perfect = expected(made(0.0, (0.0, 0.0), 0.0))
    assert rows(perfect)[0] == pytest.approx((LEAST_ERROR, None, None, LEAST_ERROR, LEAST_ERROR))
    assert rows(perfect)[2] == pytest.approx((LEAST_ERROR,))


def test_no_readout_error_exceeds_one_half() -> None:
    (first, *_) = expected(made(1e-3, (0.9, 0.0), 1e-2), 1.0).usable
    assert first.p1_given_0 == 0.5


@pytest.mark.parametrize("name", ["garnet", "cepheus-1-108q", "ankaa-3", "fez", "brisbane"])
@settings(max_examples=10)
@given(factor=st.floats(0.2, 2.0))
def test_without_its_calibration_a_device_is_the_same_however_good_it_is(name: str, factor: float) -> None:
    device = find(name)
    for one, other in zip(rows(anonymous(device)), rows(anonymous(scaled(device, factor))), strict=True):
        assert other == pytest.approx(one)


def test_without_its_calibration_all_places_are_alike() -> None:
    nameless = anonymous(find("boston"))
    assert len({q.error_1q for q in nameless.usable}) == len({e.error for e in nameless.usable_edges}) == 1
    usual = typical(find("boston"), itself=False)
    assert usual is not None
    assert {(q.p1_given_0, q.p0_given_1) for q in nameless.usable} == {(usual.p1_given_0, usual.p0_given_1)}


def test_the_only_device_of_a_vendor_is_typical_of_it_and_its_technology_stands_for_the_guess() -> None:
    device = made(1e-3, (0.01, 0.03), 1e-2)
    assert typical(device) == pytest.approx((1e-3, 1e-2, 0.01, 0.03, None, None))
    others = [each for each in catalogue().values() if each.technology == device.technology]
    errors = [median(edge.error for edge in each.usable_edges if edge.error is not None) for each in others]
    assert typical(device, itself=False).error_2q == pytest.approx(geometric_mean(errors))  # type: ignore[union-attr]
    forte, ibex = find("forte-enterprise-1"), find("ibex-q1")
    assert rows(anonymous(forte))[0][0] == pytest.approx(ibex.usable[0].error_1q)


def test_typical_is_the_geometric_mean_of_the_devices_medians() -> None:
    medians = [median(e.error for e in find(name).usable_edges) for name in ("garnet", "emerald")]  # type: ignore[type-var]
    assert typical(find("garnet")).error_2q == pytest.approx(sqrt(medians[0] * medians[1]))  # type: ignore[union-attr, operator]
    assert typical(find("garnet"), itself=False).error_2q == pytest.approx(medians[1])  # type: ignore[union-attr]


def test_devices_with_the_same_two_qubit_gate_count_and_others_only_where_there_is_none() -> None:
    brisbane, sherbrooke = find("brisbane"), find("sherbrooke")
    assert brisbane.two_qubit_gate == sherbrooke.two_qubit_gate != find("fez").two_qubit_gate
    alone = median(edge.error for edge in sherbrooke.usable_edges)  # type: ignore[type-var]
    assert typical(brisbane, itself=False).error_2q == pytest.approx(alone)  # type: ignore[union-attr]
    ankaa, cepheus = find("ankaa-3"), find("cepheus-1-108q")
    assert ankaa.two_qubit_gate != cepheus.two_qubit_gate
    family = median(edge.error for edge in cepheus.usable_edges)  # type: ignore[type-var]
    assert typical(ankaa, itself=False).error_2q == pytest.approx(family)  # type: ignore[union-attr]


def test_the_date_of_the_calibration_is_kept() -> None:
    device = find("garnet")
    assert expected(device).age_days(date(2026, 5, 6)) == anonymous(device).age_days(date(2026, 5, 6)) == 1
