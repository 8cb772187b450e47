"""The life of a task after it was recorded: submitted at most once, looked at, collected, paid; whoever recorded it."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from decimal import Decimal, localcontext

from qcli.errors import QcliError
from qcli.execute.journal import Journal, over_cap
from qcli.execute.record import Entry
from qcli.execute.secrets import redacted, redacted_bytes
from qcli.execute.service import (
    DamagedError,
    Outcome,
    Pace,
    RefusedError,
    Service,
    TransientError,
    UnansweredError,
    patiently,
)
from qcli.price.bill import EXACT
from qcli.price.submission import billed
from qcli.price.tariff import PerSecond, Terms

_RETRIES = 2
_LOOKS = 3
"""At an answer that cannot be the result: it may still be written."""


class Tasks:
    """Those of one journal.

    Args:
        service: None offline: then nothing may be asked of it.
        terms: what the device charges, None where nobody knows.
        cap: USD that all tasks of the journal together may cost.
    """

    def __init__(
        self,
        name: str,
        service: Service | None,
        journal: Journal,
        terms: Terms | None,
        cap: Decimal | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.name, self.journal, self.cap = name, journal, cap
        self.pace = pace or Pace.from_environment()
        self._service, self._terms = service, terms
        self._failures: Counter[str] = Counter()
        self.closed: QcliError | None = None
        """Why nothing may be submitted now; what is under way is collected all the same."""

    @property
    def service(self) -> Service:
        assert self._service is not None
        return self._service

    def collect(self) -> int:
        """Look once at everything under way, whatever it is of; answers how many tasks are still open."""
        self.look_after(list(self.journal.entries(only_open=True)))
        self.settle_bills()
        return sum(1 for _ in self.journal.entries(only_open=True))

    def cancel(self, entries: Iterable[Entry]) -> None:
        """Ask the vendor to cancel; what has ended by then is collected as usual."""
        for entry in entries:
            if entry.vendor_id is None:
                if self._withdrawn(entry.token):
                    continue
                self.submit(entry.token)
                entry = self.journal.entry(entry.token)
            patiently(lambda entry=entry: self.service.cancel(entry), self.name, self.pace)  # type: ignore[misc]

    def give_up_quarantined(self) -> None:
        """Count what was quarantined as paid and lost, so that its circuits are submitted, and paid, again."""
        for entry in self.journal.entries(only_open=True):
            if entry.state == "quarantined":
                used = self._billed(entry, self._usage(entry)) if entry.vendor_id else None
                usd = entry.reserved if used is None else used
                self.journal.settle(entry.token, "failed", usd, {"reason": "given up by the user"})

    def check_cap(self, more: Decimal) -> None:
        """Refuse what would exceed it, together with all that is paid and reserved."""
        spent = self.journal.committed()
        if self.cap is not None and spent + more > self.cap:
            raise over_cap(spent, more, self.cap, str(self.journal.path))

    def check_failures(self, keys: Iterable[str]) -> None:
        """Refuse to submit circuits again that failed too often."""
        tired = [key for key in keys if self._failures[key] > _RETRIES]
        if tired:
            raise QcliError(
                f"{len(tired):,} circuits failed {_RETRIES + 1} times on {self.name}: {self._why(tired[0])}",
                str(self.journal.path),
                "look at the device's status; run the same command again to try again",
                exit_code=1,
            )

    def submit(self, token: str) -> None:
        """At most once, whichever process does it; after a crash again, under the same token.

        A refusal of the first request is final. One of a later request is not: the first may have been accepted.
        """
        with self.journal.submitting():
            entry = self.journal.entry(token)
            if entry.vendor_id is not None or not entry.is_open:
                return
            if self.closed:
                raise self.closed
            self.check_cap(Decimal(0))
            payload, started = self.journal.payload(token), time.perf_counter()
            requests = int(entry.event("sending") is not None)

            def submit() -> str:
                nonlocal requests
                requests += 1
                return self.service.submit(entry, payload)

            self.journal.sending(token)
            try:
                vendor_id = patiently(submit, self.name, self.pace)
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

    def look_after(self, entries: Sequence[Entry]) -> tuple[str, int]:
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

    def settle_bills(self) -> None:
        """Ask again what ended tasks cost of which that was not known yet."""
        for entry in self.journal.unbilled():
            usd = self._billed(entry, self._usage(entry))
            if usd is not None:
                self.journal.billed(entry.token, usd, {})

    def save_what_is_done(self) -> None:
        """Before giving up: whatever is paid and ready is saved."""
        with suppress(QcliError):
            self.look_after([each for each in self.journal.entries(only_open=True) if each.vendor_id])

    def with_what_is_under_way(self, error: QcliError) -> QcliError:
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

    def _look_at(self, token: str) -> str:
        """What the task waits for; empty if it has ended."""
        if self.journal.entry(token).vendor_id is None:
            self.submit(token)
        entry = self.journal.entry(token)
        if not entry.is_open:
            return ""
        status = patiently(lambda: self.service.status(entry), self.name, self.pace)
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
        for look in range(1, _LOOKS + 1):
            try:
                outcome = patiently(lambda: self.service.fetch(entry), self.name, self.pace)
                _check_counts(entry, outcome)
                return outcome
            except DamagedError as error:
                if look < _LOOKS:
                    time.sleep(self.pace.first_s)
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

    def _usage(self, entry: Entry) -> float | None:
        try:
            return self.service.usage_s(entry)
        except (TransientError, QcliError):
            return None

    def _billed(self, entry: Entry, qpu_s: float | None) -> Decimal | None:
        if self._terms is None:
            return Decimal(0)
        with localcontext(EXACT):
            return billed(self._terms, entry.detail["shots"], entry.plan, qpu_s)

    def _why(self, key: str) -> str:
        """The vendor's last word on a circuit."""
        for entry in reversed(list(self.journal.entries())):
            for event in entry.events if key in entry.circuits else ():
                if reason := event.detail.get("reason") or event.detail.get("failed", {}).get(key):
                    return str(reason)
        return "no reason given"


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
