"""The file of a journal: its tables, which refuse every change, its lock, and what is said where it has a fault."""

import errno
import sqlite3
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from qcli.errors import QcliError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_BUSY_S = 30.0
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)

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


def make(path: Path, meta: Mapping[str, str]) -> None:
    """An empty journal, where there is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with _locked(path):
                _create(path, meta)
    except (OSError, sqlite3.Error) as error:
        raise _explained(error, path) from error


def connect(path: Path, expected: Mapping[str, str]) -> sqlite3.Connection:
    """To a journal that is sound and of what is `expected`."""
    _check_there(path)
    with explaining(path), ExitStack() as unless_sound:
        database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        unless_sound.callback(database.close)
        database.execute("PRAGMA synchronous=FULL")
        (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise sqlite3.DatabaseError(state)
        found = dict(database.execute("SELECT name, value FROM meta"))
        for name, value in expected.items():
            if found.get(name) != value:
                raise QcliError(
                    f"the journal is of another {name}: {found.get(name)}, not {value}",
                    str(path),
                    "restore the run directory as it was; the journal holds paid results, so keep it",
                )
        unless_sound.pop_all()
    return database


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """For one process at a time; the lock goes with the process that holds it."""
    with ExitStack() as held:
        try:
            held.enter_context(_locked(path))
        except OSError as error:
            raise _explained(error, path) from error
        yield


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Errors of SQLite, and of what is read, as ones that a person can act on."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.Error, ValueError, zlib.error) as error:
        raise _explained(error, path) from error


def damaged(what: str, path: Path) -> QcliError:
    return QcliError(
        f"the journal is damaged: {what}",
        str(path),
        "nothing more was submitted. It holds paid results: keep it, and restore a backup or try "
        "`sqlite3 journal.sqlite .recover`",
        exit_code=1,
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
        raise damaged("its file is empty" if there else "its file is gone, but not what was last added", path)


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
        return damaged(text, path)
    return QcliError(what, str(path), fix, exit_code=1)
