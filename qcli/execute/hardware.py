"""The forward pass on a real device: the journal is asked first, what is missing is submitted, nothing twice."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from qcli.circuit.program import Program
from qcli.errors import QcliError
from qcli.execute.journal import Journal, over_cap
from qcli.execute.reading import Reading
from qcli.execute.record import Circuit, Counts, Entry, Task
from qcli.execute.secrets import redacted, redacted_bytes
from qcli.execute.service import (
    DamagedError,
    Order,
    Outcome,
    Pace,
    RefusedError,
    Service,
    TransientError,
    UnansweredError,
    patiently,
)
from qcli.price.bill import EXACT
from qcli.price.submission import Charge, billed, charge, idle_s, packed
from qcli.price.tariff import PerSecond, Terms
from qcli.simulate.executor import Timings

Array = NDArray[np.float64]

_ALIKE_RAD = 1e-5
"""Angles this close are the same circuit, computed on another machine or by another version of torch."""
_RETRIES = 2
_LOOKS = 3
"""At an answer that cannot be the result: it may still be written."""
_UNPRICED_BATCH = 16


@dataclass(frozen=True)
class Progress:
    """`done` of `total` circuits of the current forward pass have results; `note` says what is waited for."""

    done: int
    total: int
    note: str = ""


class Hardware:
    """A reader whose readings are paid for.

    Args:
        service: None offline: then only what the journal holds is read.
        terms: what the device charges, None where nobody knows.
        plan: how circuits are spread over submissions, one of `bill.PLANS`.
        cap: USD that all tasks of the journal together may cost.
        options: what else results depend on: mitigation by the vendor, the vendor's compiler.
        repetition: another number measures everything anew.
    """

    def __init__(
        self,
        name: str,
        service: Service | None,
        journal: Journal,
        terms: Terms | None,
        plan: str,
        *,
        cap: Decimal | None = None,
        options: Mapping[str, object] | None = None,
        repetition: int = 0,
        pace: Pace | None = None,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.name = name
        self.timings = Timings()
        self.journal, self.plan, self.cap = journal, plan, cap
        self._service, self._terms = service, terms
        self._options, self._repetition = dict(options or {}), repetition
        self._pace, self._on_progress = pace or Pace.from_environment(), on_progress
        self._failures: Counter[str] = Counter()
        self.closed: QcliError | None = None
        """Why nothing may be submitted now; what is under way is collected all the same."""
        self.used: dict[str, None] = {}
        """Keys of the circuits that were read, in their order."""

    def read(self, readings: Sequence[Reading]) -> list[Array]:
        wanted = [self._orders(reading) for reading in readings]
        flat = {order.key: (order, circuit) for part in wanted for order, circuit in part}
        self.used.update(dict.fromkeys(flat))
        counts = self._obtain(flat)
        with self.timings.measure("postprocess"):
            return [
                np.array([_frequencies(counts[order.key], _bits(reading.program)) for order, _ in part])
                for reading, part in zip(readings, wanted, strict=True)
            ]

    def missing(self, readings: Sequence[Reading]) -> int:
        """How many circuits of these have no result and are not under way."""
        keys = list(dict.fromkeys(order.key for reading in readings for order, _ in self._orders(reading)))
        return len(keys) - len(self.journal.results(keys).keys() | self.journal.under_way(keys).keys())

    def collect(self) -> int:
        """Look once at everything under way, whatever it is of; answers how many tasks are still open."""
        self._look_after(list(self.journal.entries(only_open=True)))
        self._settle_bills()
        return sum(1 for _ in self.journal.entries(only_open=True))

    def cancel(self, entries: Iterable[Entry]) -> None:
        """Ask the vendor to cancel; what has ended by then is collected as usual."""
        service = self._online()
        for entry in entries:
            if entry.vendor_id is None:
                if self._withdrawn(entry.token):
                    continue
                self._submit(entry.token)
                entry = self.journal.entry(entry.token)
            patiently(lambda entry=entry: service.cancel(entry), self.name, self._pace)  # type: ignore[misc]

    def give_up_quarantined(self) -> None:
        """Count what was quarantined as paid and lost, so that its circuits are submitted, and paid, again."""
        for entry in self.journal.entries(only_open=True):
            if entry.state == "quarantined":
                used = self._billed(entry, self._usage(entry)) if entry.vendor_id else None
                usd = entry.reserved if used is None else used
                self.journal.settle(entry.token, "failed", usd, {"reason": "given up by the user"})

    def _orders(self, reading: Reading) -> list[tuple[Order, Circuit]]:
        """By content; circuits of one reading that are the same are repetitions of each other."""
        rows = np.ascontiguousarray(reading.values, dtype=float)
        if not np.isfinite(rows).all():
            raise QcliError(
                "angles of a circuit are not finite", self.name, "look at the data and the weights"
            )
        program, shots = reading.program.key, reading.shots
        seen: Counter[int] = Counter()
        made, settings = list[Circuit](), dict[int, str]()
        for row, alike in zip(rows, _alike(rows), strict=True):
            again = seen[alike]
            seen[alike] += 1
            if again not in settings:
                settings[again] = self._settings(reading, again)
            key = _hash(program, row.tobytes().hex(), str(shots), settings[again])
            made.append(Circuit(key, program, row, shots, settings[again]))
        return [
            (Order(each.key, reading.program, each.angles, shots, reading.scale, reading.prepared), each)
            for each in self._known_as(made)
        ]

    def _settings(self, reading: Reading, again: int) -> str:
        """What the result of the `again`-th of equal circuits depends on besides the circuit."""
        return json.dumps(
            {
                "device": self.name,
                "scale": reading.scale,
                "prepared": reading.prepared,
                "part": reading.part,
                "options": self._options,
                "repetition": [self._repetition, again],
            },
            sort_keys=True,
        )

    def _known_as(self, circuits: list[Circuit]) -> list[Circuit]:
        """Under the keys that the journal has for them, where angles differ by no more than rounding."""
        places: dict[str, list[int]] = {}
        for place, each in enumerate(circuits):
            places.setdefault(each.settings, []).append(place)
        found = list(circuits)
        for settings, alike in places.items():
            first = circuits[alike[0]]
            keys, angles = self.journal.like(first.program, settings, first.shots)
            if keys:
                asked = _padded(np.array([circuits[place].angles for place in alike]))
                _, nearest = KDTree(_padded(angles)).query(asked, p=np.inf, distance_upper_bound=_ALIKE_RAD)
                for place, near in zip(alike, nearest, strict=True):
                    if near < len(keys):
                        found[place] = replace(circuits[place], key=keys[near])
        return found

    def _obtain(self, wanted: Mapping[str, tuple[Order, Circuit]]) -> dict[str, Counts]:
        found: dict[str, Counts] = {}
        problem: QcliError | None = None
        while True:
            found |= self.journal.results([key for key in wanted if key not in found])
            missing = [key for key in wanted if key not in found]
            if not missing:
                if self._service is not None:
                    self._settle_bills()
                self._on_progress(Progress(len(found), len(wanted)))
                return found
            if self._service is None:
                raise QcliError(
                    f"{len(missing):,} of {len(wanted):,} circuits have no result",
                    str(self.journal.path),
                    f"finish the run: qcli validate-on-hardware RUN --device {self.name}",
                )
            if problem:
                raise problem
            waiting = self.journal.under_way(missing)
            fresh = [key for key in missing if key not in waiting]
            settled = 0
            try:
                if fresh:
                    self._submit_all([wanted[key] for key in fresh])
                    waiting = self.journal.under_way(missing)
                with self.timings.measure("execute"):
                    tasks = [self.journal.entry(token) for token in set(waiting.values())]
                    note, settled = self._look_after(sorted(tasks, key=lambda task: task.number))
                self._on_progress(Progress(len(found), len(wanted), note))
                if not settled:
                    with self.timings.measure("execute"):
                        time.sleep(self._pace.poll_s)
            except QcliError as error:
                self._collect_what_is_done()
                problem = self._with_what_is_under_way(error)

    def _submit_all(self, fresh: Sequence[tuple[Order, Circuit]]) -> None:
        """As the plan packs them, one task after the other: recorded, then submitted."""
        if self.closed:
            raise self.closed
        self._settle_bills()
        tired = [order.key for order, _ in fresh if self._failures[order.key] > _RETRIES]
        if tired:
            raise QcliError(
                f"{len(tired):,} circuits failed {_RETRIES + 1} times on {self.name}: {self._why(tired[0])}",
                str(self.journal.path),
                "look at the device's status; run the same command again to try again",
                exit_code=1,
            )
        with self.journal.at_one_moment():  # else what another process records now is counted twice
            keys = [order.key for order, _ in fresh]
            taken = self.journal.results(keys).keys() | self.journal.under_way(keys).keys()
            fresh = [each for each in fresh if each[0].key not in taken]
            shots = [order.shots for order, _ in fresh]
            groups = self._packed(shots)
            charges = [self._charge([shots[place] for place in group]) for group in groups]
            with localcontext(EXACT):
                self._check_cap(sum((each.usd_high for each in charges), Decimal(0)))
        for number, group in enumerate(groups):
            started = time.perf_counter()
            members = [fresh[place] for place in group]
            with self.timings.measure("compile"):
                parcel = self._online().pack([order for order, _ in members], self.plan)
            limit_s, reserved = self._limits(charges[number:])
            circuits = tuple(circuit for _, circuit in members)
            keys = [circuit.key for circuit in circuits]
            attempt = self.journal.attempts(keys)
            task = Task(
                token=_hash(self.name, self.journal.meta("run") or "", str(attempt), *keys)[:48],
                plan=self.plan,
                circuits=circuits,
                reserved=reserved,
                limit_s=limit_s,
                calibration=self._online().calibration,
                detail={
                    **parcel.detail,
                    "shots": [circuit.shots for circuit in circuits],
                    "bits": [_bits(order.program) for order, _ in members],
                    "estimated_usd": f"{charges[number].usd:f}",
                    "compile_s": time.perf_counter() - started,
                },
                payload=parcel.payload,
            )
            if self.journal.intend(task, self.cap):
                self._submit(task.token)

    def _packed(self, shots: Sequence[int]) -> list[list[int]]:
        if self._terms is not None:
            return packed(shots, self.plan, self._terms)
        places = list(range(len(shots)))
        return [places[k : k + _UNPRICED_BATCH] for k in range(0, len(places), _UNPRICED_BATCH)]

    def _charge(self, shots: Sequence[int]) -> Charge:
        return charge(self._terms, shots, self.plan) if self._terms else Charge(Decimal(0), Decimal(0))

    def _check_cap(self, more: Decimal) -> None:
        spent = self.journal.committed()
        if self.cap is not None and spent + more > self.cap:
            raise over_cap(spent, more, self.cap, str(self.journal.path))

    def _limits(self, charges: Sequence[Charge]) -> tuple[int | None, Decimal]:
        """Most QPU seconds, and USD reserved, for the first of the tasks yet to come.

        By time, each may take its share of what the cap leaves, but not more than three times what is foreseen and half
        a minute: the vendor stops it there, so that its cost is certain. The idle time of a session comes on top.
        """
        first = charges[0]
        if self._terms is None or not isinstance(self._terms.price, PerSecond) or first.seconds_high is None:
            return None, first.usd_high
        most, price = 3 * first.seconds_high + 30, self._terms.price.usd_per_s
        if self.cap is not None and price:
            left = self.cap - self.journal.committed()
            share = left * first.seconds_high / sum(each.seconds_high or 0 for each in charges)
            most = max(first.seconds_high, min(most, int(share // price)))
        return most - idle_s(self._terms, self.plan), most * price

    def _submit(self, token: str) -> None:
        """At most once, whichever process does it; after a crash again, under the same token.

        A refusal of the first request is final. One of a later request is not: the first may have been accepted.
        """
        service = self._online()
        with self.journal.submitting():
            entry = self.journal.entry(token)
            if entry.vendor_id is not None or not entry.is_open:
                return
            if self.closed:
                raise self.closed
            self._check_cap(Decimal(0))
            payload, started = self.journal.payload(token), time.perf_counter()
            requests = int(entry.event("sending") is not None)

            def submit() -> str:
                nonlocal requests
                requests += 1
                return service.submit(entry, payload)

            self.journal.sending(token)
            try:
                vendor_id = patiently(submit, self.name, self._pace)
            except RefusedError as error:
                if requests == 1:
                    self.journal.settle(token, "refused", Decimal(0), {"reason": error.what})
                    raise
                if entry.state != "quarantined":
                    self.journal.quarantine(
                        token, f"refused, after a request without answer: {error.what}", b""
                    )
                raise QcliError(
                    error.what,
                    error.where,
                    f"{error.fix}. An earlier request for task {entry.number} had no answer, so it may be under way: "
                    "it stays reserved, and the same command asks again; --pay-again submits its circuits anew",
                    error.exit_code,
                ) from None
            self.journal.submitted(token, vendor_id, {"submit_s": time.perf_counter() - started})

    def _withdrawn(self, token: str) -> bool:
        """Whether the task could be cancelled before anything was sent."""
        with self.journal.submitting():
            entry = self.journal.entry(token)
            if entry.state != "intent" or entry.event("sending") is not None:
                return not entry.is_open
            self.journal.settle(
                token, "cancelled", Decimal(0), {"reason": "cancelled before it was submitted"}
            )
            return True

    def _look_after(self, entries: Sequence[Entry]) -> tuple[str, int]:
        """Submit, look at and collect tasks; what is waited for in words, and how many have ended.

        Raises:
            QcliError: after all were looked at, or the service stopped answering: the first trouble.
        """
        notes, settled = list[str](), 0
        problem: QcliError | None = None
        for entry in entries:
            try:
                note = self._look_at(entry.token)
            except QcliError as error:
                problem = problem or error
                if isinstance(error, UnansweredError):
                    break
                continue
            settled += not note
            notes += [note] if note else []
        if problem:
            raise problem
        return notes[0] if notes else "", settled

    def _look_at(self, token: str) -> str:
        """What the task waits for; empty if it has ended."""
        service = self._online()
        if self.journal.entry(token).vendor_id is None:
            self._submit(token)
        entry = self.journal.entry(token)
        if not entry.is_open:
            return ""
        status = patiently(lambda: service.status(entry), self.name, self._pace)
        if status.state == "done":
            self._collect(entry)
            return ""
        if status.state in ("failed", "cancelled"):
            self._end(entry, status.state, status.reason)
            return ""
        position = f", position {status.position}" if status.position else ""
        return f"task {entry.number} {status.state}{position}"

    def _collect(self, entry: Entry) -> None:
        outcome = self._fetch(entry)
        results = dict(zip(entry.circuits, outcome.counts, strict=True))
        good = {key: counts for key, counts in results.items() if not isinstance(counts, str)}
        failed = {key: reason for key, reason in results.items() if isinstance(reason, str)}
        self._failures.update(failed.keys())
        detail = {
            "created": outcome.created,
            "started": outcome.started,
            "ended": outcome.ended,
            "qpu_s": outcome.qpu_s,
            "failed": {key: redacted(reason) for key, reason in failed.items()},
        }
        self.journal.settle(entry.token, "done", self._billed(entry, outcome.qpu_s), detail, good)

    def _fetch(self, entry: Entry) -> Outcome:
        service = self._online()
        for look in range(1, _LOOKS + 1):
            try:
                outcome = patiently(lambda: service.fetch(entry), self.name, self._pace)
                _check_counts(entry, outcome)
                return outcome
            except DamagedError as error:
                if look < _LOOKS:
                    time.sleep(self._pace.first_s)
                    continue
                if entry.state != "quarantined":
                    self.journal.quarantine(entry.token, redacted(error.what), redacted_bytes(error.raw))
                raise QcliError(
                    f"what came for task {entry.number} cannot be its result: {redacted(error.what)}",
                    str(self.journal.path),
                    "it is kept in quarantine, its cost counted. Run the same command again to fetch it again; "
                    "--pay-again submits its circuits, and pays for them, anew",
                    exit_code=1,
                ) from None
        raise AssertionError

    def _end(self, entry: Entry, kind: str, reason: str) -> None:
        """Of a task without results. Such a task is free on Braket; by time, what it used is paid."""
        usd: Decimal | None = Decimal(0)
        if self._terms is not None and isinstance(self._terms.price, PerSecond):
            usd = self._billed(entry, self._usage(entry))
        reason = redacted(reason) or "no reason given"
        self._failures.update(entry.circuits)
        self.journal.settle(
            entry.token, "failed" if kind == "failed" else "cancelled", usd, {"reason": reason}
        )
        if kind == "cancelled":
            raise QcliError(
                f"task {entry.number} was cancelled: {reason}",
                self.name,
                "run the same command again to submit its circuits anew",
                exit_code=1,
            )

    def _settle_bills(self) -> None:
        """Ask again what ended tasks cost of which that was not known yet."""
        for entry in self.journal.unbilled():
            usd = self._billed(entry, self._usage(entry))
            if usd is not None:
                self.journal.billed(entry.token, usd, {})

    def _usage(self, entry: Entry) -> float | None:
        service = self._online()
        try:
            return service.usage_s(entry)
        except (TransientError, QcliError):
            return None

    def _billed(self, entry: Entry, qpu_s: float | None) -> Decimal | None:
        if self._terms is None:
            return Decimal(0)
        with localcontext(EXACT):
            return billed(self._terms, entry.detail["shots"], entry.plan, qpu_s)

    def _collect_what_is_done(self) -> None:
        """Before giving up: whatever is paid and ready is saved."""
        with suppress(QcliError):
            self._look_after([each for each in self.journal.entries(only_open=True) if each.vendor_id])

    def _why(self, key: str) -> str:
        """The vendor's last word on a circuit."""
        for entry in reversed(list(self.journal.entries())):
            for event in entry.events if key in entry.circuits else ():
                if reason := event.detail.get("reason") or event.detail.get("failed", {}).get(key):
                    return str(reason)
        return "no reason given"

    def _with_what_is_under_way(self, error: QcliError) -> QcliError:
        still = sum(1 for _ in self.journal.entries(only_open=True))
        if not still:
            return error
        tasks = "1 task is" if still == 1 else f"{still:,} tasks are"
        return QcliError(
            error.what,
            error.where,
            f"{error.fix}. {tasks} under way and recorded: the same command collects them",
            error.exit_code,
        )

    def _online(self) -> Service:
        assert self._service is not None
        return self._service


def _check_counts(entry: Entry, outcome: Outcome) -> None:
    if len(outcome.counts) != len(entry.circuits):
        raise DamagedError(
            f"{len(outcome.counts)} results for {len(entry.circuits)} circuits", repr(outcome.counts).encode()
        )
    expected = zip(entry.detail["shots"], entry.detail["bits"], strict=True)
    for place, (counts, (shots, bits)) in enumerate(zip(outcome.counts, expected, strict=True)):
        if isinstance(counts, str):
            continue
        what = ""
        if sum(counts.values()) != shots or min(counts.values()) < 0:
            what = f"circuit {place} has {sum(counts.values()):,} shots, not {shots:,}"
        elif not 0 <= min(counts) <= max(counts) < 2**bits:
            what = f"circuit {place} has outcomes of more than {bits} bits"
        if what:
            raise DamagedError(what, repr(outcome.counts).encode())


def _frequencies(counts: Counts, bits: int) -> Array:
    values = np.zeros(2**bits)
    values[list(counts)] = list(counts.values())
    return values / values.sum()


def _alike(rows: Array) -> list[int]:
    """For each row `(angles,)` the place of the first that differs from it by no more than rounding."""
    points, first = _padded(rows), np.arange(len(rows))
    tree = KDTree(points)
    several = tree.query_ball_point(points, _ALIKE_RAD, p=np.inf, return_length=True) > 1
    left = several.copy()
    for place in np.flatnonzero(several):
        if left[place]:
            near = tree.query_ball_point(points[place], _ALIKE_RAD, p=np.inf)
            near = [each for each in near if left[each]]
            first[near], left[near] = place, False
    return first.tolist()


def _padded(angles: Array) -> Array:
    """With a column of zeros, since a circuit may have no angle."""
    return np.concatenate([angles, np.zeros((*angles.shape[:-1], 1))], axis=-1)


def _bits(program: Program) -> int:
    (measured,) = program.measurements
    return (measured.columns - 1).bit_length()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
