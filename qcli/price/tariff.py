"""What a device costs and allows, as plain data: the terms a bill is written from."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

Basis = Literal["published", "transcribed", "measured", "assumed"]
Status = Literal["online", "offline", "retired"]
BASES: tuple[Basis, ...] = ("published", "transcribed", "measured", "assumed")
"""Strongest first: the provider's own text; somebody's copy of it; a public measurement; our assumption."""


@dataclass(frozen=True)
class Quote:
    """One figure as shown to a reader; `key` is its place in the sheet, `source` in words."""

    key: str
    value: Decimal
    unit: str
    source: str
    verified_on: date
    basis: Basis
    note: str


@dataclass(frozen=True)
class PerTask:
    """USD per task plus USD per shot (Amazon Braket)."""

    task_fee: Decimal
    shot_price: Decimal


@dataclass(frozen=True)
class PerSecond:
    """USD per QPU second; a job takes `overhead_s + executions / rate_hz` (IBM Quantum)."""

    usd_per_s: Decimal
    overhead_s: Decimal
    rate_hz: Decimal
    minimum_s: Decimal
    max_executions_per_job: int


@dataclass(frozen=True)
class ProgramSets:
    """Limits of one program set: circuits in it, and shots in all."""

    max_executables: int
    max_total_shots: int


@dataclass(frozen=True)
class Rule:
    """One view of the machine time: `per_task_s x tasks + per_shot_s x shots` seconds."""

    what: str
    per_task_s: float
    per_shot_s: float
    basis: Basis
    source: str


@dataclass(frozen=True)
class Terms:
    """What one device costs and allows.

    `shots_min` and `shots_max` are per circuit, None where no public figure exists (not checked).
    `source`, `verified_on` and `basis` are those of the bill: all sources of its figures, the oldest date,
    the weakest basis. `quotes` has every figure with its own.
    """

    name: str
    provider: str
    full_name: str
    status: Status
    retired_on: date | None
    qubits: int
    shots_min: int | None
    shots_max: int | None
    price: PerTask | PerSecond
    program_set: ProgramSets | None
    machine_time: tuple[Rule, ...]
    source: str
    verified_on: date
    basis: Basis
    notes: tuple[str, ...]
    quotes: tuple[Quote, ...]


def weakest(bases: list[Basis]) -> Basis:
    """The least reliable of `bases`."""
    return max(bases, key=BASES.index)
