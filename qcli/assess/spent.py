"""What a validation took, read from its journal: money, tasks, and where the time went."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from qcli.execute.journal import Journal
from qcli.execute.record import Entry
from qcli.price.bill import EXACT


@dataclass(frozen=True)
class Latency:
    """Seconds summed over tasks. `qpu` is what the vendor says, None where it does not; then it is part of `queue`.

    compile: until a task is written. submit: until the vendor has it. queue: until it runs. returned: until its result
    is here, looked for every few seconds.
    """

    compile: float
    submit: float
    queue: float
    qpu: float | None
    returned: float


@dataclass(frozen=True)
class Spent:
    """Of the tasks that hold some circuits: `usd` paid, `usd_open` reserved for what is not billed yet."""

    usd: Decimal
    usd_open: Decimal
    usd_estimated: Decimal
    tasks: int
    failed_tasks: int
    circuits: int
    shots: int
    qpu_s: float | None
    latency: Latency
    wall_s: float
    calibrations: tuple[str, ...]


def spent(journal: Journal, circuits: Collection[str]) -> Spent:
    """On these circuits, lost attempts included."""
    wanted = set(circuits)
    entries = [entry for entry in journal.entries() if wanted.intersection(entry.circuits)]
    good = [entry for entry in entries if entry.event("done")]
    with localcontext(EXACT):
        return Spent(
            usd=sum((entry.usd for entry in entries if entry.usd is not None), Decimal(0)),
            usd_open=sum((entry.reserved for entry in entries if entry.usd is None), Decimal(0)),
            usd_estimated=sum((Decimal(entry.detail["estimated_usd"]) for entry in good), Decimal(0)),
            tasks=len(good),
            failed_tasks=sum(entry.state in ("failed", "cancelled", "refused") for entry in entries),
            circuits=len(wanted),
            shots=sum(sum(entry.detail["shots"]) for entry in good),
            qpu_s=_all([_of_end(entry, "qpu_s") for entry in good]),
            latency=latency(good),
            wall_s=_wall(good),
            calibrations=tuple(dict.fromkeys(entry.calibration for entry in entries)),
        )


def latency(entries: Sequence[Entry]) -> Latency:
    """Of finished tasks. The vendor's clock is used only for differences of its own times; none is negative."""
    queue = returned = 0.0
    qpu: list[float | None] = []
    for entry in entries:
        submitted, done = entry.event("submitted"), entry.event("done")
        assert submitted is not None and done is not None
        here = done.at - submitted.at
        started, ended, created = (done.detail.get(name) for name in ("started", "ended", "created"))
        own = done.detail.get("qpu_s")
        at_vendor = ended - created if ended is not None and created is not None else here
        at_vendor = min(max(at_vendor, 0.0), max(here, 0.0))
        waited = (
            started - created if started is not None and created is not None else at_vendor - (own or 0.0)
        )
        queue += min(max(waited, 0.0), at_vendor)
        qpu.append(own)
        returned += max(here - at_vendor, 0.0)
    return Latency(
        compile=sum(entry.detail["compile_s"] for entry in entries),
        submit=sum(entry.event("submitted").detail.get("submit_s", 0.0) for entry in entries),  # type: ignore[union-attr]
        queue=queue,
        qpu=_all(qpu),
        returned=returned,
    )


def _wall(entries: Sequence[Entry]) -> float:
    """Seconds between the start of the first compilation and the last result."""
    ends = [done.at for entry in entries if (done := entry.event("done"))]
    return (
        max(0.0, max(ends) - min(entry.created - entry.detail["compile_s"] for entry in entries))
        if ends
        else 0.0
    )


def _of_end(entry: Entry, name: str) -> float | None:
    done = entry.event("done")
    return done.detail.get(name) if done else None


def _all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if values and len(known) == len(values) else None
