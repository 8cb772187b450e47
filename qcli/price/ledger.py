"""The ledger: one line per executed run, with what was estimated before and what was billed after."""

import errno
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import fmean
from typing import Annotated, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from qcli.files import user_folder

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Count = Annotated[int, Field(ge=0)]
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class SecondsRange(_Part):
    """QPU seconds, from the lower to the upper end of an estimate."""

    low: Seconds
    high: Seconds


class Estimated(_Part):
    """What was expected before the run; `qpu_s` is None where nothing is known."""

    tasks: Count
    shots: Count
    qpu_s: SecondsRange | None
    usd: Usd
    usd_low: Usd
    usd_high: Usd


class Actual(_Part):
    """What was used and billed; `qpu_s` is None where the device does not tell."""

    tasks: Count
    shots: Count
    qpu_s: Seconds | None
    usd: Usd


class Entry(_Part):
    """One executed run. `plan` is how it was submitted, None where there is no choice."""

    schema_: Literal["qcli.ledger/1"] = Field("qcli.ledger/1", alias="schema")
    id: str = Field(default_factory=lambda: uuid4().hex)
    created: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    run: str
    model: str
    device: str
    plan: str | None
    inferences: Count
    estimate: Estimated
    actual: Actual


@dataclass(frozen=True)
class Ledger:
    """Entries in the order they were written; `broken` names the lines that could not be read."""

    entries: tuple[Entry, ...]
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Deviation:
    """Of (actual - estimate) / estimate over `n` runs: its mean, and the mean of its absolute value."""

    n: int
    mean: float
    mean_absolute: float


@dataclass(frozen=True)
class DeviceDeviation:
    """How far the estimates for one device were off; None where no run has both figures.

    `usd_within` counts the runs billed between usd_low and usd_high.
    """

    device: str
    runs: int
    usd: Deviation | None
    qpu_s: Deviation | None
    usd_within: int


def ledger_path() -> Path:
    """The user's own ledger."""
    return user_folder() / "ledger.jsonl"


def append(entry: Entry, path: Path | None = None) -> None:
    """Add one whole line or nothing, safe among processes and after a crash in the middle of a line.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    path = path or ledger_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    line = entry.model_dump_json(by_alias=True).encode() + b"\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if fcntl:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and _last_byte(descriptor) != b"\n":
            line = b"\n" + line
        if os.write(descriptor, line) < len(line):
            os.ftruncate(descriptor, end)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last_byte(descriptor: int) -> bytes:
    os.lseek(descriptor, -1, os.SEEK_END)
    return os.read(descriptor, 1)


def read(path: Path | None = None) -> Ledger:
    """All entries; a missing file is an empty ledger, a damaged line is named and left out."""
    try:
        content = (path or ledger_path()).read_bytes()
    except FileNotFoundError:
        return Ledger((), ())
    entries, broken = [], []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            entries.append(Entry.model_validate_json(line))
        except ValidationError:
            broken.append(f"line {number}")
    return Ledger(tuple(entries), tuple(broken))


def errors(entries: Iterable[Entry]) -> tuple[DeviceDeviation, ...]:
    """How well each device's estimates held, by name; QPU seconds are compared with the middle of their range."""
    devices: dict[str, list[Entry]] = {}
    for entry in entries:
        devices.setdefault(entry.device, []).append(entry)
    return tuple(
        DeviceDeviation(
            device,
            len(own),
            _relative(own, usd_error),
            _relative(own, qpu_error),
            sum(entry.estimate.usd_low <= entry.actual.usd <= entry.estimate.usd_high for entry in own),
        )
        for device, own in sorted(devices.items())
    )


def usd_error(entry: Entry) -> float | None:
    """(actual - estimate) / estimate of the USD; None where the estimate is 0."""
    estimate = entry.estimate.usd
    return float((entry.actual.usd - estimate) / estimate) if estimate else None


def qpu_error(entry: Entry) -> float | None:
    """The same of the QPU seconds; None where one of them is unknown, too."""
    seconds, actual = entry.estimate.qpu_s, entry.actual.qpu_s
    if seconds is None or actual is None or not seconds.high:
        return None
    estimate = (seconds.low + seconds.high) / 2
    return (actual - estimate) / estimate


def _relative(entries: Sequence[Entry], error: Callable[[Entry], float | None]) -> Deviation | None:
    known = [value for value in map(error, entries) if value is not None]
    return Deviation(len(known), fmean(known), fmean(map(abs, known))) if known else None
