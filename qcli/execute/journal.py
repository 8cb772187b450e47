"""The journal of a run on a device: what was asked, submitted, answered and paid; nothing in it is ever changed.

An SQLite file, readable by anything that reads SQLite. A `task` is one submission; it is recorded with all that is
needed to submit it before it is submitted. What happens to it are `event`s; the last one is its state. Results belong
to circuits, which are named by their content. Money is kept in whole nano-USD, rounded up.
"""

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qcli.errors import QcliError
from qcli.execute.journal_file import connect, damaged, explaining, locked, make
from qcli.execute.record import CLOSED, Counts, Entry, Event, State, Task

SCHEMA = "qcli.journal/1"
_END = f"SELECT 1 FROM event WHERE event.task = token AND kind IN {CLOSED}"
_AT_ONCE = 500
_NANO = Decimal(10) ** 9


class Journal:
    """One run on one device. Any number of processes may use it at once.

    Args:
        path: the file; made if it is not there.
        device, run: what it is the journal of; another's is refused.
    """

    def __init__(self, path: Path, device: str, run: str) -> None:
        expected = {"schema": SCHEMA, "device": device, "run": run}
        make(path, expected)
        self._open(path, expected)

    _database: sqlite3.Connection
    _counted: dict[str, int]

    @classmethod
    def reading(cls, path: Path) -> Self:
        """An existing journal, to look at, whatever it is of; nothing is made."""
        if not path.is_file():
            raise QcliError("there is no journal", str(path), "nothing was submitted from this run directory")
        journal = cls.__new__(cls)
        journal._open(path, {"schema": SCHEMA})
        return journal

    def close(self) -> None:
        self._database.close()

    def meta(self, name: str) -> str | None:
        with explaining(self.path):
            row = self._database.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def remember(self, name: str, value: str) -> str:
        """Set once; answers what holds."""
        with self._writing():
            self._database.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (name, value))
        return self.meta(name) or value

    def results(self, keys: Sequence[str]) -> dict[str, Counts]:
        """Of those circuits that have one."""
        found: dict[str, Counts] = {}
        with explaining(self.path):
            for part in _parts(keys):
                rows = self._database.execute(
                    f"""SELECT circuit, shots, counts FROM result JOIN circuit ON key = circuit
                    WHERE circuit IN ({_marks(part)})""",
                    part,
                )
                for key, shots, text in rows:
                    found[key] = {int(n): count for n, count in json.loads(text).items()}
                    if sum(found[key].values()) != shots:
                        raise sqlite3.DatabaseError(f"the counts of circuit {key} are not of {shots:,} shots")
        return found

    def programs(self, keys: Sequence[str]) -> dict[str, str]:
        """The program of each of these circuits."""
        found: dict[str, str] = {}
        with explaining(self.path):
            for part in _parts(keys):
                found |= dict(
                    self._database.execute(
                        f"SELECT key, program FROM circuit WHERE key IN ({_marks(part)})", part
                    )
                )
        return found

    def under_way(self, keys: Sequence[str]) -> dict[str, str]:
        """The open task of each of these circuits that is part of one."""
        found = {}
        with explaining(self.path):
            for part in _parts(keys):
                rows = self._database.execute(
                    f"""SELECT circuit, task FROM member WHERE circuit IN ({_marks(part)}) AND NOT EXISTS (
                        SELECT 1 FROM event WHERE event.task = member.task AND kind IN {CLOSED})""",
                    part,
                )
                found.update(dict(rows))
        return found

    def attempts(self, keys: Sequence[str]) -> int:
        """How often the most often submitted of these circuits was."""
        with explaining(self.path):
            counts = [
                self._database.execute("SELECT count(*) FROM member WHERE circuit = ?", (key,)).fetchone()[0]
                for key in keys
            ]
        return max(counts, default=0)

    def like(self, program: str, settings: str, shots: int) -> tuple[list[str], NDArray[np.float64]]:
        """Keys and angles `(circuits, angles)` of the circuits with these settings."""
        with explaining(self.path):
            rows = self._database.execute(
                "SELECT key, angles FROM circuit WHERE program = ? AND settings = ? AND shots = ?",
                (program, settings, shots),
            ).fetchall()
        return [key for key, _ in rows], np.array([np.frombuffer(angles) for _, angles in rows])

    def intend(self, task: Task, cap: Decimal | None) -> bool:
        """Record that a task will be submitted, in one transaction with the check that the cap allows it.

        False where one of its circuits has a result or is part of an open task by now, or this very task was recorded:
        another process was faster.

        Raises:
            QcliError: all that is paid and reserved would exceed the cap (exit 3).
        """
        keys = [circuit.key for circuit in task.circuits]
        now = time.time()
        with self._writing():
            known = self._database.execute("SELECT 1 FROM task WHERE token = ?", (task.token,)).fetchone()
            if known or self.results(keys) or self.under_way(keys):
                return False
            spent, more = self.committed(), Decimal(_nano(task.reserved)) / _NANO
            if cap is not None and spent + more > cap:
                raise over_cap(spent, more, cap, str(self.path))
            self._database.executemany(
                "INSERT OR IGNORE INTO circuit VALUES (?, ?, ?, ?, ?)",
                [(c.key, c.program, c.angles.tobytes(), c.shots, c.settings) for c in task.circuits],
            )
            number = 1 + self._database.execute("SELECT coalesce(max(number), 0) FROM task").fetchone()[0]
            self._database.execute(
                "INSERT INTO task VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    task.token,
                    number,
                    now,
                    task.plan,
                    _nano(task.reserved),
                    task.limit_s,
                    task.calibration,
                    json.dumps(task.detail),
                    zlib.compress(task.payload),
                ),
            )
            self._database.executemany(
                "INSERT INTO member VALUES (?, ?, ?)",
                [(task.token, place, key) for place, key in enumerate(keys)],
            )
        return True

    def sending(self, token: str) -> None:
        """From now on the vendor may have it, whatever it answers."""
        with self._writing():
            self._event(token, "sending", None, None, {})

    def submitted(self, token: str, vendor_id: str, detail: Mapping[str, Any]) -> None:
        """The vendor has it, under this id."""
        with self._writing():
            self._event(token, "submitted", vendor_id, None, detail)

    def settle(
        self,
        token: str,
        kind: State,
        usd: Decimal | None,
        detail: Mapping[str, Any],
        results: Mapping[str, Counts] | None = None,
    ) -> None:
        """The end of a task with the results of its circuits, or of some of them; a second end changes nothing.

        With `usd` None its reserve stays: what it cost is not known yet, see `billed`.
        """
        with self._writing():
            if self._ended(token) or not self._event(token, kind, None, usd, detail):
                return
            self._database.executemany(
                "INSERT OR IGNORE INTO result VALUES (?, ?, ?)",
                [
                    (key, token, json.dumps({str(n): c for n, c in sorted(counts.items())}))
                    for key, counts in (results or {}).items()
                ],
            )

    def billed(self, token: str, usd: Decimal, detail: Mapping[str, Any]) -> None:
        """What a task cost, learned after its end."""
        with self._writing():
            if self._ended(token):
                self._event(token, "billed", None, usd, detail)

    def quarantine(self, token: str, what: str, raw: bytes) -> None:
        """Keep an answer that cannot be right; the task stays open, and reserved, unless it has ended by now."""
        with self._writing():
            if self._ended(token):
                return
            self._event(token, "quarantined", None, None, {"what": what})
            self._database.execute(
                "INSERT INTO kept (task, at, raw) VALUES (?, ?, ?)", (token, time.time(), zlib.compress(raw))
            )

    def committed(self) -> Decimal:
        """USD paid and reserved: the cost of each task, or what it may cost at most while that is not known.

        Nothing recorded ever changes, so that only what is new since the last call is added.
        """
        last = dict(self._counted)
        with explaining(self.path):
            rows = self._database.execute(
                """SELECT 'task', number, reserved FROM task WHERE number > :task
                UNION ALL SELECT 'event', id, usd - reserved FROM event JOIN task ON token = event.task
                    WHERE id > :event AND usd IS NOT NULL
                UNION ALL SELECT 'event', coalesce(max(id), 0), 0 FROM event""",
                last,
            ).fetchall()
        for kind, number, nano in rows:
            last[kind] = max(last[kind], number)
            last["nano"] += nano
        self._counted = last
        return Decimal(last["nano"]) / _NANO

    def payload(self, token: str) -> bytes:
        with explaining(self.path):
            for (packed,) in self._database.execute("SELECT payload FROM task WHERE token = ?", (token,)):
                return zlib.decompress(packed)
        raise damaged(f"it has no task {token}", self.path)

    def entry(self, token: str) -> Entry:
        for found in self._entries("WHERE token = ?", (token,)):
            return found
        raise damaged(f"it has no task {token}", self.path)

    def entries(self, only_open: bool = False) -> Iterator[Entry]:
        """Tasks in the order they were recorded."""
        unended = f"WHERE token IN (SELECT token FROM task WHERE NOT EXISTS ({_END}))"
        yield from self._entries(unended if only_open else "", ())

    def unbilled(self) -> list[Entry]:
        """Closed tasks whose cost is not known yet."""
        paid = "SELECT 1 FROM event WHERE event.task = token AND usd IS NOT NULL"
        which = f"SELECT token FROM task WHERE NOT EXISTS ({paid}) AND EXISTS ({_END})"
        return self._entries(f"WHERE token IN ({which})", ())

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is read within is of one moment, whatever others write meanwhile; nothing may be written."""
        with explaining(self.path):
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """One process at a time may submit; the lock goes with the process that holds it."""
        with locked(self.path):
            yield

    def _entries(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        with explaining(self.path):
            rows = self._database.execute(
                "SELECT token, number, created, plan, reserved, limit_s, calibration, detail FROM task "
                f"{where} ORDER BY +number",
                values,
            ).fetchall()
            return [self._entry(*row) for row in rows]

    def _entry(
        self,
        token: str,
        number: int,
        created: float,
        plan: str,
        reserved: int,
        limit_s: int | None,
        calibration: str,
        detail: str,
    ) -> Entry:
        members = self._database.execute("SELECT circuit FROM member WHERE task = ? ORDER BY place", (token,))
        events = self._database.execute(
            "SELECT kind, at, vendor_id, usd, detail FROM event WHERE task = ? ORDER BY id", (token,)
        )
        return Entry(
            token,
            number,
            created,
            plan,
            Decimal(reserved) / _NANO,
            limit_s,
            calibration,
            json.loads(detail),
            tuple(key for (key,) in members),
            tuple(
                Event(kind, at, vendor_id, None if usd is None else Decimal(usd) / _NANO, json.loads(more))
                for kind, at, vendor_id, usd, more in events
            ),
        )

    def _event(
        self, token: str, kind: str, vendor_id: str | None, usd: Decimal | None, detail: Mapping[str, Any]
    ) -> bool:
        done = self._database.execute(
            "INSERT OR IGNORE INTO event (task, kind, at, vendor_id, usd, detail) VALUES (?, ?, ?, ?, ?, ?)",
            (token, kind, time.time(), vendor_id, None if usd is None else _nano(usd), json.dumps(detail)),
        )
        return done.rowcount == 1

    def _ended(self, token: str) -> bool:
        found = self._database.execute(
            f"SELECT 1 FROM event WHERE task = ? AND kind IN {CLOSED} LIMIT 1", (token,)
        )
        return found.fetchone() is not None

    def _open(self, path: Path, expected: Mapping[str, str]) -> None:
        self.path = path
        self._counted = {"task": 0, "event": 0, "nano": 0}
        self._database = connect(path, expected)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, begun as a writer, so that what is read in it stays true until it ends."""
        with explaining(self.path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


def over_cap(spent: Decimal, more: Decimal, cap: Decimal, where: str) -> QcliError:
    """The refusal of a submission that might exceed the cap."""
    return QcliError(
        f"the cap of {cap:f} USD would be exceeded: {_cents(spent)} USD are paid or reserved for this run and device, "
        f"{_cents(more)} USD more are needed",
        where,
        f"raise --max-cost to {_cents(spent + more)} or more, or ask for fewer inferences or shots",
        exit_code=3,
    )


def _cents(usd: Decimal) -> str:
    """Rounded up, also where the current context lets nothing be rounded."""
    return f"{usd.quantize(Decimal('0.01'), ROUND_CEILING, Context(prec=60)):,f}"


def _nano(usd: Decimal) -> int:
    return int((usd * _NANO).to_integral_value(ROUND_CEILING))


def _parts(keys: Sequence[str]) -> Iterable[Sequence[str]]:
    return (keys[k : k + _AT_ONCE] for k in range(0, len(keys), _AT_ONCE))


def _marks(part: Sequence[str]) -> str:
    return ", ".join("?" * len(part))
