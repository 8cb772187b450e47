"""Figures as a reader expects them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.report import text


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "0.00"),
        ("50.04", "50.04"),
        ("1980.48", "1,980.48"),
        ("85.665", "85.67"),
        ("1234567.899", "1,234,567.90"),
        ("1", "1.00"),
        ("0.7456", "0.7456"),
        ("0.5", "0.50"),
        ("0.000425", "0.000425"),
        ("0.0014563", "0.001456"),
        ("0.99999", "1.00"),
        ("0.99996", "1.00"),
        ("50.0352", "50.04"),
        ("2.665", "2.67"),
        ("0.3", "0.30"),
        ("0.7608", "0.7608"),
        ("0.00375", "0.00375"),
        ("0.0000123456", "0.00001235"),
        (None, "–"),
    ],
)
def test_dollars_have_two_decimals_from_one_up_and_four_digits_below(amount: str | None, shown: str) -> None:
    assert text.usd(None if amount is None else Decimal(amount)) == shown


def test_money_as_a_binary_float_is_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        text.usd(0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [("12.80", "17.60", "12.80–17.60"), ("3", "3.00", ""), ("2.001", "2.004", ""), (None, "3", "")],
)
def test_a_range_of_dollars_is_shown_where_its_ends_look_different(
    low: str | None, high: str, shown: str
) -> None:
    assert text.usd_range(None if low is None else Decimal(low), Decimal(high)) == shown


@given(st.decimals(min_value=0, max_value=10**14, places=9))
def test_shown_dollars_are_within_rounding_of_the_amount(amount: Decimal) -> None:
    shown = Decimal(text.usd(amount).replace(",", ""))
    step = Decimal("0.01") if amount >= 1 else Decimal("0.001") * amount
    assert abs(shown - amount) <= step / 2


@pytest.mark.parametrize(
    ("value", "shown"), [("24576", "24,576"), ("0.00145", "0.00145"), ("1.6", "1.60"), ("1E+3", "1,000")]
)
def test_a_bill_shows_every_digit(value: str, shown: str) -> None:
    assert text.exact(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-4.1667, "−4.2"), (2.083, "+2.1"), (0.0, "0.0"), (-0.04, "0.0"), (0.04, "0.0"), (float("nan"), "–")],
)
def test_points_carry_their_sign(value: float, shown: str) -> None:
    assert text.points(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0004, "400 µs"),
        (0.0412, "41.2 ms"),
        (8.0, "8.00 s"),
        (180.0, "3.00 min"),
        (9000.0, "2.50 h"),
        (0, "0 s"),
        (None, "–"),
        (float("inf"), "–"),
    ],
)
def test_durations_take_the_unit_that_suits_them(seconds: float | None, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [(8, 190, "8.0–190 s"), (2400, 21000, "40–350 min"), (3, 3, "3.00 s"), (0, 5, "0–5.0 s"), (None, 5, "–")],
)
def test_a_range_shares_one_unit(low: float | None, high: float | None, shown: str) -> None:
    assert text.duration_range(low, high) == shown


def test_shares_and_p_values() -> None:
    assert text.percent(0.9861) == "98.6 %"
    assert text.percent_range(0.925, 0.998) == "92.5–99.8 %"
    assert text.percent(float("nan")) == "–"
    assert text.p_value(0.0002) == "< 0.001"
    assert text.p_value(0.625) == "0.625"


@pytest.mark.parametrize(
    ("amount", "shown"), [("3.2", "+3.20"), ("-14.1", "−14.10"), ("0", "0.00"), (None, "–")]
)
def test_a_difference_of_amounts_has_its_sign(amount: str | None, shown: str) -> None:
    assert text.usd_change(None if amount is None else Decimal(amount)) == shown


@pytest.mark.parametrize(("seconds", "shown"), [(0.0412, "+41.2 ms"), (-180.0, "−3.00 min"), (0.0, "0 s")])
def test_a_difference_of_times_has_its_sign(seconds: float, shown: str) -> None:
    assert text.duration_change(seconds) == shown


def test_one_day_is_singular() -> None:
    assert [text.days(age) for age in (0, 1, 199)] == ["0 days", "1 day", "199 days"]
