"""The journal of a run on a device: what was asked, submitted, answered and paid; nothing in it is ever changed.

An SQLite file, readable by anything that reads SQLite. A `task` is one submission; it is recorded with all that is
needed to submit it before it is submitted. What happens to it are `event`s; the last one is its state. Results belong
to circuits, which are named by their content. Money is kept in whole nano-USD, rounded up.
"""

import errno
import json
import sqlite3
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Context, Decimal
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from qcli.errors import QcliError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

SCHEMA = "qcli.journal/1"
State = Literal["intent", "submitted", "done", "failed", "cancelled", "refused", "quarantined"]
CLOSED = ("done", "failed", "cancelled", "refused")
"""States that a task does not leave; a quarantined one may still turn out well."""
_END = f"SELECT 1 FROM event WHERE event.task = token AND kind IN {CLOSED}"
_BUSY_S = 30.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_AT_ONCE = 500
_NANO = Decimal(10) ** 9

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE circuit (
    key TEXT PRIMARY KEY, program TEXT NOT NULL, angles BLOB NOT NULL, shots INTEGER NOT NULL, settings TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX circuit_like ON circuit (program, settings, shots);
CREATE TABLE task (
    token TEXT PRIMARY KEY, number INTEGER NOT NULL, created REAL NOT NULL, plan TEXT NOT NULL,
    reserved INTEGER NOT NULL, limit_s INTEGER, calibration TEXT NOT NULL, detail TEXT NOT NULL, payload BLOB NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX task_number ON task (number);
CREATE TABLE member (
    task TEXT NOT NULL REFERENCES task, place INTEGER NOT NULL, circuit TEXT NOT NULL REFERENCES circuit,
    PRIMARY KEY (task, place)
) WITHOUT ROWID;
CREATE INDEX member_circuit ON member (circuit);
CREATE TABLE event (
    id INTEGER PRIMARY KEY, task TEXT NOT NULL REFERENCES task, kind TEXT NOT NULL, at REAL NOT NULL,
    vendor_id TEXT, usd INTEGER, detail TEXT NOT NULL
);
CREATE INDEX event_task ON event (task, id);
CREATE UNIQUE INDEX event_once ON event (task, kind) WHERE kind NOT IN ('quarantined');
CREATE UNIQUE INDEX event_paid ON event (task) WHERE usd IS NOT NULL;
CREATE TABLE result (
    circuit TEXT NOT NULL REFERENCES circuit, task TEXT NOT NULL REFERENCES task, counts TEXT NOT NULL,
    PRIMARY KEY (circuit)
) WITHOUT ROWID;
CREATE TABLE kept (id INTEGER PRIMARY KEY, task TEXT NOT NULL REFERENCES task, at REAL NOT NULL, raw BLOB NOT NULL);
"""
_SAME = {
    "meta": "name = NEW.name",
    "circuit": "key = NEW.key",
    "task": "token = NEW.token OR number = NEW.number",
    "member": "task = NEW.task AND place = NEW.place",
    "event": "id = NEW.id OR (task = NEW.task AND kind = NEW.kind AND kind <> 'quarantined') "
    "OR (task = NEW.task AND usd IS NOT NULL AND NEW.usd IS NOT NULL)",
    "result": "circuit = NEW.circuit",
    "kept": "id = NEW.id",
}
"""Rows of each table that a new one would replace."""

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


class Journal:
    """One run on one device. Any number of processes may use it at once.

    Args:
        path: the file; made if it is not there.
        device, run: what it is the journal of; another's is refused.
    """

    def __init__(self, path: Path, device: str, run: str) -> None:
        expected = {"schema": SCHEMA, "device": device, "run": run}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                with _locked(path):
                    _create(path, expected)
        except (OSError, sqlite3.Error) as error:
            raise _explained(error, path) from error
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
        with self._explained():
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
        with self._explained():
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
        with self._explained():
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
        with self._explained():
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
        with self._explained():
            counts = [
                self._database.execute("SELECT count(*) FROM member WHERE circuit = ?", (key,)).fetchone()[0]
                for key in keys
            ]
        return max(counts, default=0)

    def like(self, program: str, settings: str, shots: int) -> tuple[list[str], NDArray[np.float64]]:
        """Keys and angles `(circuits, angles)` of the circuits with these settings."""
        with self._explained():
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
        with self._explained():
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
        with self._explained():
            for (packed,) in self._database.execute("SELECT payload FROM task WHERE token = ?", (token,)):
                return zlib.decompress(packed)
        raise _damaged(f"it has no task {token}", self.path)

    def entry(self, token: str) -> Entry:
        for found in self._entries("WHERE token = ?", (token,)):
            return found
        raise _damaged(f"it has no task {token}", self.path)

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
        with self._explained():
            self._database.execute("BEGIN")
            try:
                yield
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")

    @contextmanager
    def submitting(self) -> Iterator[None]:
        """One process at a time may submit; the lock goes with the process that holds it."""
        with ExitStack() as held:
            try:
                held.enter_context(_locked(self.path))
            except OSError as error:
                raise _explained(error, self.path) from error
            yield

    def _entries(self, where: str, values: tuple[str, ...]) -> list[Entry]:
        with self._explained():
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
        _check_there(path)
        with self._explained(), ExitStack() as unless_sound:
            self._database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            unless_sound.callback(self.close)
            self._database.execute("PRAGMA synchronous=FULL")
            (state,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            found = dict(self._database.execute("SELECT name, value FROM meta"))
            for name, value in expected.items():
                if found.get(name) != value:
                    raise QcliError(
                        f"the journal is of another {name}: {found.get(name)}, not {value}",
                        str(path),
                        "restore the run directory as it was; the journal holds paid results, so keep it",
                    )
            unless_sound.pop_all()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction, begun as a writer, so that what is read in it stays true until it ends."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except (sqlite3.Error, ValueError, zlib.error) as error:
            raise _explained(error, self.path) from error


def over_cap(spent: Decimal, more: Decimal, cap: Decimal, where: str) -> QcliError:
    """The refusal of a submission that might exceed the cap."""
    return QcliError(
        f"the cap of {cap:f} USD would be exceeded: {_cents(spent)} USD are paid or reserved for this run and device, "
        f"{_cents(more)} USD more are needed",
        where,
        f"raise --max-cost to {_cents(spent + more)} or more, or ask for fewer inferences or shots",
        exit_code=3,
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Beside the journal at `path`, for one process at a time."""
    if fcntl is None:
        yield
        return
    with path.with_suffix(".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(path: Path, meta: Mapping[str, str]) -> None:
    """Made beside its place and then moved there: a journal is never seen half made."""
    if path.exists():
        return
    _check_there(path)
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with closing(sqlite3.connect(made, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=FULL")
            database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES.split(";"):
                database.execute(statement)
            for table, same in _SAME.items():
                for change in ("UPDATE", "DELETE"):
                    database.execute(
                        f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                        "BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"
                    )
                database.execute(
                    f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
                    f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN SELECT RAISE(IGNORE); END"
                )
            database.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
            database.execute("COMMIT")
        made.rename(path)
    finally:
        for end in ("", "-wal", "-shm"):
            made.with_name(made.name + end).unlink(missing_ok=True)


def _check_there(path: Path) -> None:
    """SQLite takes a file of no bytes for a new database, and throws away what else there is of the old one."""
    there = path.is_file()
    if (there and not path.stat().st_size) or (not there and path.with_name(path.name + "-wal").exists()):
        raise _damaged(
            "its file is empty" if there else "its file is gone, but not what was last added", path
        )


def _explained(error: Exception, path: Path) -> QcliError:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if "database is locked" in text or "busy" in text:
        what, fix = "another process holds the journal", "wait for it to end, then run the same command again"
    elif "is full" in text or getattr(error, "errno", None) in _NO_SPACE:
        what, fix = (
            "the disk is full; what the journal held before is unharmed",
            "free some space, then run the same command again: what was submitted is found again",
        )
    elif "disk I/O" in text:
        what, fix = (
            f"the journal cannot be read or written: {text}; what it held before is unharmed",
            "check the disk and your quota on it, then run the same command again: what was submitted is found again",
        )
    elif isinstance(error, OSError) or "readonly" in text or "unable to open" in text:
        what, fix = f"the journal cannot be written: {text}", "check the folder and its permissions"
    else:
        return _damaged(text, path)
    return QcliError(what, str(path), fix, exit_code=1)


def _damaged(what: str, path: Path) -> QcliError:
    return QcliError(
        f"the journal is damaged: {what}",
        str(path),
        "nothing more was submitted. It holds paid results: keep it, and restore a backup or try "
        "`sqlite3 journal.sqlite .recover`",
        exit_code=1,
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
