"""What vendors' calibration files have in common: names, units, fidelities, and what stands for "not calibrated"."""

import re
from collections.abc import Callable
from typing import Any

from qcli.errors import QcliError

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_HIGHEST_FIT = 1.05


def complete(read: Callable[[], dict[str, Any]], where: str) -> dict[str, Any]:
    """What `read` finds in a vendor's file; whatever it stumbles over becomes a QcliError."""
    try:
        return read()
    except ValueError as error:
        what, fix = f"the calibration file cannot be used: {error}", "download it again from the vendor"
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        what = f"the calibration file is cut short or of an unknown form ({type(error).__name__}: {error})"
        fix = "download it again; if it is complete, its schema is newer than this version of qcli"
    raise QcliError(what, where, fix)


def short_name(name: str) -> str:
    """A vendor's name as records have it: `16-melbourne` for `16_Melbourne`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def infidelity(fidelity: float | None) -> float | None:
    """None at or below the 0.5 that stands for uncalibrated, and for the perfect and better."""
    if fidelity is not None and not 0 <= fidelity <= _HIGHEST_FIT:
        raise ValueError(f"a fidelity of {fidelity} is not between 0 and 1")
    return None if fidelity is None or fidelity <= 0.5 or fidelity >= 1 else 1.0 - fidelity


def positive(value: float | None) -> float | None:
    """None for the 0 that stands for uncalibrated."""
    return value if value is not None and value > 0 else None


def pair(a: int, b: int) -> tuple[int, int]:
    """The smaller number first."""
    return min(a, b), max(a, b)
