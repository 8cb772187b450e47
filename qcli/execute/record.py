"""What the journal keeps: circuits by their content, tasks before they are made, and what becomes of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

State = Literal["intent", "submitted", "done", "failed", "cancelled", "refused", "quarantined"]
CLOSED = ("done", "failed", "cancelled", "refused")
"""States that a task does not leave; a quarantined one may still turn out well."""

Counts = dict[int, int]
"""Outcome, first measured wire most significant, to how often it was read."""


@dataclass(frozen=True)
class Circuit:
    """A circuit by its content: `angles` float64 `(angles,)`, `settings` what else it depends on, as JSON."""

    key: str
    program: str
    angles: NDArray[np.float64]
    shots: int
    settings: str


@dataclass(frozen=True)
class Task:
    """A submission before it is made.

    Attributes:
        token: names it towards the vendor; the same for the same circuits and attempt.
        reserved: USD that it may cost at most.
        limit_s: QPU seconds that it may take at most, where the vendor limits that.
        calibration: id of the calibration that it was compiled for.
        detail: what is needed to read its result.
        payload: what is sent, byte by byte.
    """

    token: str
    plan: str
    circuits: tuple[Circuit, ...]
    reserved: Decimal
    limit_s: int | None
    calibration: str
    detail: Mapping[str, Any]
    payload: bytes = field(repr=False)


@dataclass(frozen=True)
class Event:
    kind: str
    at: float
    vendor_id: str | None
    usd: Decimal | None
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """A task as the journal knows it, without its payload. `usd` is what it cost, None while that is not known."""

    token: str
    number: int
    created: float
    plan: str
    reserved: Decimal
    limit_s: int | None
    calibration: str
    detail: Mapping[str, Any]
    circuits: tuple[str, ...]
    events: tuple[Event, ...]

    @property
    def state(self) -> State:
        kinds = [event.kind for event in self.events if event.kind not in ("sending", "billed")]
        ends = [kind for kind in kinds if kind in CLOSED]
        return (ends or kinds or ["intent"])[-1]  # type: ignore[return-value]

    @property
    def is_open(self) -> bool:
        return self.state not in CLOSED

    @property
    def vendor_id(self) -> str | None:
        return next((event.vendor_id for event in self.events if event.vendor_id), None)

    @property
    def usd(self) -> Decimal | None:
        return next((event.usd for event in self.events if event.usd is not None), None)

    def event(self, kind: str) -> Event | None:
        """The last of a kind."""
        return next((event for event in reversed(self.events) if event.kind == kind), None)
