"""Figures as text: money, percentages, durations. Nothing here knows what a figure means."""

import math
from decimal import ROUND_HALF_UP, Decimal

NONE = "–"
MINUS = "−"


def usd(amount: Decimal | str | int | None) -> str:
    """US dollars with thousands separators: two decimals from 1 USD up, four significant digits below.

    Raises:
        TypeError: `amount` is a float; money is never binary.
    """
    if amount is None:
        return NONE
    if isinstance(amount, float):
        raise TypeError(f"money must not be a float: {amount!r}")
    money = Decimal(amount)
    places = 2 if money == 0 or abs(money) >= 1 else max(2, 3 - money.adjusted())
    rounded = money.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    if abs(rounded) >= 1 or rounded == 0:
        rounded = rounded.quantize(Decimal("0.01"))
    text = f"{rounded:,f}"
    while places > 2 and text.endswith("0") and len(text.partition(".")[2]) > 2:
        text = text[:-1]
    return text


def usd_range(low: Decimal | None, high: Decimal | None) -> str:
    """Two amounts as `12.80–17.60`; empty where they are shown alike, or unknown."""
    if low is None or high is None or usd(low) == usd(high):
        return ""
    return f"{usd(low)}–{usd(high)}"


def usd_change(amount: Decimal | None) -> str:
    """A difference of amounts with its sign: `+3.20`, `−14.10`, `0.00`."""
    if amount is None:
        return NONE
    return f"{'+' if amount > 0 else MINUS if amount < 0 else ''}{usd(abs(amount))}"


def exact(value: Decimal) -> str:
    """All digits of `value`, with thousands separators: unit prices and quantities in a bill."""
    whole, _, fraction = f"{value:,f}".partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction.ljust(2, '0')}" if fraction else whole


def count(value: int | None) -> str:
    """An integer with thousands separators."""
    return NONE if value is None else f"{value:,}"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number(value: float | None, places: int = 3) -> str:
    """A dimensionless figure with a fixed number of decimals and a true minus sign."""
    if value is None or not _known(value):
        return NONE
    text = f"{value:.{places}f}"
    return (text.removeprefix("-") if float(text) == 0 else text).replace("-", MINUS)


def percent(fraction: float | None) -> str:
    """A share in [0, 1] as `98.6 %`."""
    return f"{number(100 * fraction, 1)} %" if fraction is not None and _known(fraction) else NONE


def percent_range(low: float | None, high: float | None) -> str:
    """Two shares in [0, 1] as `92.5–99.8 %`."""
    if low is None or high is None or not (_known(low) and _known(high)):
        return NONE
    return f"{number(100 * low, 1)}–{number(100 * high, 1)} %"


def points(value: float | None) -> str:
    """Percentage points with their sign: `−4.2`, `+0.5`, `0.0`."""
    text = number(value, 1)
    return text if text in (NONE, "0.0") or text.startswith(MINUS) else f"+{text}"


def points_range(low: float, high: float) -> str:
    """Two figures in percentage points: `−1.0 to 6.8`."""
    return f"{number(low, 1)} to {number(high, 1)}"


def days(value: int) -> str:
    """An age: `1 day`, `199 days`."""
    return f"{count(value)} day{'' if value == 1 else 's'}"


def p_value(value: float | None) -> str:
    """A p-value: `0.625`, `< 0.001`."""
    if value is None or not _known(value):
        return NONE
    return "< 0.001" if value < 0.001 else number(value)


def _unit(seconds: float) -> tuple[float, str]:
    for limit, factor, unit in (
        (1e-3, 1e6, "µs"),
        (1.0, 1e3, "ms"),
        (120.0, 1.0, "s"),
        (7200.0, 1 / 60, "min"),
    ):
        if seconds < limit:
            return factor, unit
    return 1 / 3600, "h"


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    return (
        f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
        if abs(value) < 100
        else f"{value:,.0f}"
    )


def duration(seconds: float | None) -> str:
    """A time in the unit that suits it, three significant digits: `41.2 ms`, `3.00 min`."""
    if seconds is None or not _known(seconds):
        return NONE
    factor, unit = _unit(seconds) if seconds else (1.0, "s")
    return f"{_three_digits(seconds * factor)} {unit}"


def duration_range(low_s: float | None, high_s: float | None) -> str:
    """Two times in the unit that suits their geometric mean: `8.0–190 s`."""
    if low_s is None or high_s is None or not (_known(low_s) and _known(high_s)):
        return NONE
    if low_s == high_s:
        return duration(low_s)
    factor, unit = _unit(math.sqrt(low_s * high_s) or high_s)
    return f"{_two_digits(low_s * factor)}–{_two_digits(high_s * factor)} {unit}"


def duration_change(seconds: float) -> str:
    """A difference of times with its sign: `+41.2 ms`, `−3.00 min`, `0 s`."""
    return f"{'+' if seconds > 0 else MINUS if seconds < 0 else ''}{duration(abs(seconds))}"


def _two_digits(value: float) -> str:
    if value == 0:
        return "0"
    return (
        f"{value:.{max(0, 1 - math.floor(math.log10(abs(value))))}f}" if abs(value) < 10 else f"{value:,.0f}"
    )
