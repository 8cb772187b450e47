"""The journal: nothing in it changes, money adds up to the nano-USD, and no fault of the disk harms it."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.execute import journal_file
from qcli.execute.journal import Journal
from qcli.execute.record import CLOSED, Circuit, Task

FORK = multiprocessing.get_context("fork")
NANO = Decimal("1e-9")


def circuit(name: str, shots: int = 100) -> Circuit:
    return Circuit(f"key-{name}", "program", np.array([0.5, 1.5]), shots, f'{{"of": "{name}"}}')


def task(token: str, names: str, usd: str | Decimal = "1") -> Task:
    """Of one circuit for each letter of `names`."""
    circuits = tuple(circuit(name) for name in names)
    detail = {"shots": [each.shots for each in circuits], "set": True}
    return Task(
        token, "program-sets", circuits, Decimal(usd), None, "2026-11-01", detail, token.encode() * 400
    )


def counts(names: str) -> dict[str, dict[int, int]]:
    return {f"key-{name}": {0: 60, 3: 40} for name in names}


def opened(folder: Path, durable: bool = True) -> Journal:
    """The journal of a folder; without waiting for the disk if not `durable`."""
    found = Journal(folder / "journal.sqlite", "braket/garnet", "run")
    if not durable:
        found._database.execute("PRAGMA synchronous=OFF")
    return found


def filled(folder: Path) -> Path:
    """A closed journal with tasks in every state."""
    journal = opened(folder, durable=False)
    for number in range(12):
        names = "abcdefghijkl"[number]
        journal.intend(task(f"t{number}", names), None)
        if number % 3:
            journal.sending(f"t{number}")
            journal.submitted(f"t{number}", f"vendor-{number}", {"submit_s": 0.1})
    journal.settle("t1", "done", Decimal("0.5"), {}, counts("b"))
    journal.settle("t2", "failed", Decimal(0), {"reason": "of itself"})
    journal.settle("t4", "cancelled", None, {"reason": "by the user"})
    journal.billed("t4", Decimal("0.25"), {})
    journal.quarantine("t5", "cut short", b"{" * 300)
    journal.settle("t7", "done", None, {}, counts("h"))
    journal.remember("note", "kept")
    journal.close()
    return folder / "journal.sqlite"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    found = opened(tmp_path)
    yield found
    found.close()


@pytest.fixture
def fast_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_file, "_BUSY_S", 0.05)


def content(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, read by SQLite alone."""
    database = sqlite3.connect(path)
    tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    database.close()
    return found


TABLES = ("meta", "circuit", "task", "member", "event", "result", "kept")


# nothing is changed


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_the_database_itself_refuses_to_change_or_delete(tmp_path: Path, table: str, change: str) -> None:
    path = filled(tmp_path)
    before = content(path)
    assert before[table]
    database = sqlite3.connect(path)
    column = database.execute(f"PRAGMA table_info({table})").fetchone()[1]
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(change.format(table, column))
    database.close()
    assert content(path) == before


@pytest.mark.parametrize("table", TABLES)
def test_the_database_itself_replaces_no_row_by_another(tmp_path: Path, table: str) -> None:
    path = filled(tmp_path)
    before = content(path)
    database = sqlite3.connect(path)
    for row in before[table]:
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*row[:-1], "changed"))
    database.commit()
    database.close()
    assert content(path) == before


def test_a_second_end_of_another_kind_changes_nothing(journal: Journal) -> None:
    journal.intend(task("t", "a"), None)
    journal.settle("t", "failed", None, {})
    journal.settle("t", "done", Decimal("0.1"), {}, counts("a"))
    entry = journal.entry("t")
    assert entry.state == "failed"
    assert entry.usd is None
    assert journal.results(["key-a"]) == {}
    assert journal.committed() == 1


def test_the_first_result_of_a_circuit_stays(journal: Journal) -> None:
    for token, ones in (("t", 10), ("u", 90)):
        journal.intend(task(token, "a" if token == "t" else "b"), None)
        journal.settle(token, "done", Decimal(1), {}, {"key-a": {0: 100 - ones, 1: ones}})
    assert journal.results(["key-a"]) == {"key-a": {0: 90, 1: 10}}


def test_what_is_remembered_stays_as_it_was_first(journal: Journal) -> None:
    assert journal.remember("ledger", "one") == "one"
    assert journal.remember("ledger", "two") == "one"


def test_what_comes_after_the_end_of_a_task_does_not_open_it_again(journal: Journal) -> None:
    journal.intend(task("t", "a"), None)
    journal.settle("t", "failed", Decimal(1), {"reason": "given up"})
    journal.quarantine("t", "late", b"raw")
    journal.submitted("t", "vendor", {})
    assert journal.entry("t").state == "failed"
    assert not journal.entry("t").is_open
    assert journal.under_way(["key-a"]) == {}
    assert list(journal.entries(only_open=True)) == []


# whose it is


@pytest.mark.parametrize(
    ("device", "run", "what"),
    [("braket/emerald", "run", "another device"), ("braket/garnet", "other", "another run")],
)
def test_a_journal_of_another_device_or_run_is_refused(
    tmp_path: Path, device: str, run: str, what: str
) -> None:
    before = filled(tmp_path).read_bytes()
    with pytest.raises(QcliError, match=what) as refusal:
        Journal(tmp_path / "journal.sqlite", device, run)
    assert "keep it" in refusal.value.fix
    assert (tmp_path / "journal.sqlite").read_bytes() == before


def test_a_journal_of_another_schema_is_refused_by_writers_and_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path)
    monkeypatch.setattr("qcli.execute.journal.SCHEMA", "qcli.journal/2")
    with pytest.raises(QcliError, match=r"another schema: qcli\.journal/1"):
        opened(tmp_path)
    with pytest.raises(QcliError, match="another schema"):
        Journal.reading(path)


def test_reading_makes_no_journal(tmp_path: Path) -> None:
    with pytest.raises(QcliError, match="no journal"):
        Journal.reading(tmp_path / "journal.sqlite")
    assert list(tmp_path.iterdir()) == []


# what it knows


def test_a_journal_opened_again_knows_everything(tmp_path: Path) -> None:
    path = filled(tmp_path)
    first, again = Journal.reading(path), opened(tmp_path)
    assert [entry.number for entry in again.entries()] == list(range(1, 13))
    assert list(first.entries()) == list(again.entries())
    states = {entry.token: entry.state for entry in again.entries()}
    assert states == {
        **{
            "t0": "intent",
            "t1": "done",
            "t2": "failed",
            "t3": "intent",
            "t4": "cancelled",
            "t5": "quarantined",
        },
        **{
            "t6": "intent",
            "t7": "done",
            "t8": "submitted",
            "t9": "intent",
            "t10": "submitted",
            "t11": "submitted",
        },
    }
    assert [entry.token for entry in again.unbilled()] == ["t7"]
    assert {entry.token for entry in again.entries(only_open=True)} == {
        token for token, state in states.items() if state not in CLOSED
    }
    assert again.results(["key-b", "key-h", "key-a"]) == counts("bh")
    assert again.payload("t3") == b"t3" * 400
    assert again.entry("t8").vendor_id == "vendor-8"
    assert again.entry("t5").event("quarantined").detail == {"what": "cut short"}  # type: ignore[union-attr]
    assert again.programs(["key-a", "key-z"]) == {"key-a": "program"}
    assert (again.meta("note"), again.meta("device"), again.meta("nothing")) == (
        "kept",
        "braket/garnet",
        None,
    )


def test_circuits_are_under_way_until_their_task_ends(journal: Journal) -> None:
    keys = ["key-a", "key-b", "key-c"]
    journal.intend(task("t", "ab"), None)
    assert journal.under_way(keys) == {"key-a": "t", "key-b": "t"}
    journal.submitted("t", "vendor", {})
    journal.quarantine("t", "odd", b"")
    assert journal.under_way(keys) == {"key-a": "t", "key-b": "t"}
    journal.settle("t", "done", Decimal(1), {}, counts("a"))
    assert journal.under_way(keys) == {}


def test_a_circuit_with_a_result_or_under_way_is_not_intended_again(journal: Journal) -> None:
    assert journal.intend(task("t", "ab"), None)
    assert not journal.intend(task("u", "bc"), None)
    journal.settle("t", "done", Decimal(1), {}, counts("a"))
    assert not journal.intend(task("v", "ac"), None)
    assert journal.intend(task("w", "bc"), None)
    assert [entry.token for entry in journal.entries()] == ["t", "w"]


def test_a_task_that_was_recorded_and_ended_by_another_process_is_not_recorded_again(
    journal: Journal,
) -> None:
    assert journal.intend(task("t", "a"), None)
    journal.settle("t", "refused", Decimal(0), {})
    assert not journal.intend(task("t", "a"), None)
    assert journal.entry("t").state == "refused"


def test_attempts_are_those_of_the_circuit_submitted_most_often(journal: Journal) -> None:
    assert journal.attempts(["key-a", "key-b"]) == 0
    for token, names in (("t", "ab"), ("u", "a"), ("v", "ac")):
        journal.intend(task(token, names), None)
        journal.settle(token, "failed", Decimal(0), {})
    assert journal.attempts(["key-b", "key-c"]) == 1
    assert journal.attempts(["key-b", "key-a"]) == 3
    assert journal.attempts([]) == 0


def test_thousands_of_keys_may_be_asked_for_at_once(journal: Journal) -> None:
    keys = [f"key-{n}" for n in range(2_500)]
    assert journal.results(keys) == journal.under_way(keys) == journal.programs(keys) == {}


def test_alike_circuits_are_found_with_their_angles(journal: Journal) -> None:
    journal.intend(task("t", "ab"), None)
    keys, angles = journal.like("program", '{"of": "a"}', 100)
    assert keys == ["key-a"]
    assert np.array_equal(angles, [[0.5, 1.5]])
    assert journal.like("program", '{"of": "a"}', 101)[0] == []


# money


def test_committed_is_what_is_paid_and_what_is_reserved(journal: Journal) -> None:
    assert journal.committed() == 0
    journal.intend(task("t", "a", "1.0424"), None)
    journal.intend(task("u", "b", "0.000000001"), None)
    assert journal.committed() == Decimal("1.042400001")
    journal.settle("t", "done", Decimal("0.75"), {}, counts("a"))
    assert journal.committed() == Decimal("0.750000001")
    journal.settle("u", "done", None, {}, counts("b"))
    assert journal.committed() == Decimal("0.750000001"), "an unknown cost keeps its reserve"
    journal.billed("u", Decimal(0), {})
    assert journal.committed() == Decimal("0.75")
    journal.billed("u", Decimal(5), {})
    journal.billed("t", Decimal(5), {})
    assert journal.committed() == Decimal("0.75"), "what is paid is said once"


def test_a_task_under_way_has_no_bill(journal: Journal) -> None:
    journal.intend(task("t", "a"), None)
    journal.billed("t", Decimal(0), {})
    assert journal.committed() == 1
    journal.settle("t", "done", Decimal("0.5"), {}, counts("a"))
    assert journal.results(["key-a"])
    assert journal.committed() == Decimal("0.5")


def test_amounts_are_rounded_up_to_nano_usd_before_they_are_held_against_the_cap(journal: Journal) -> None:
    with pytest.raises(QcliError, match="cap") as refusal:
        journal.intend(task("t", "a", "1.0000000001"), Decimal("1.0000000005"))
    assert refusal.value.exit_code == 3
    assert journal.committed() == 0
    assert list(journal.entries()) == []
    assert journal.intend(task("t", "a", "1.0000000001"), Decimal("1.000000001"))
    assert journal.committed() == Decimal("1.000000001")


def test_the_refusal_of_the_cap_names_the_cap_that_would_do(journal: Journal) -> None:
    journal.intend(task("t", "a", "2.004"), Decimal(3))
    with pytest.raises(QcliError) as refusal:
        journal.intend(task("u", "b", "1.5"), Decimal(3))
    assert "cap of 3 USD" in refusal.value.what
    assert "2.01 USD are paid or reserved" in refusal.value.what
    assert "--max-cost to 3.51" in refusal.value.fix


AMOUNTS = st.decimals("0", "2", places=11) | st.decimals("0", "2", places=2)
STEPS = st.one_of(
    st.tuples(st.just("intend"), st.sets(st.sampled_from("abcdef"), min_size=1, max_size=3), AMOUNTS),
    st.tuples(st.just("settle"), st.integers(0, 9), st.none() | st.decimals("0", "1", places=3)),
    st.tuples(st.just("fail"), st.integers(0, 9), st.none() | st.decimals("0", "1", places=3)),
    st.tuples(st.just("billed"), st.integers(0, 9), st.decimals("0", "1", places=3)),
    st.tuples(st.just("quarantine"), st.integers(0, 9), st.none()),
)
CAP = Decimal("3.00000000050")


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2), STEPS), max_size=25))
def test_whatever_journals_of_one_file_do_the_cap_holds_and_no_circuit_is_in_two_open_tasks(
    steps: list[tuple[int, tuple[str, Any, Any]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journals = [opened(Path(folder), durable=False) for _ in range(3)]
        tokens: list[str] = []
        for which, (what, one, other) in steps:
            _act(journals[which], tokens, what, one, other)
            _check_money(journals[which], CAP)
            _check_open(journals[which])
        assert len({each.committed() for each in journals}) == 1
        for each in journals:
            each.close()


def _act(journal: Journal, tokens: list[str], what: str, one: Any, other: Any) -> None:
    if what == "intend":
        token = f"t{len(tokens)}"
        try:
            tokens += [token] * journal.intend(task(token, "".join(sorted(one)), other), CAP)
        except QcliError as refusal:
            assert refusal.exit_code == 3
        return
    if one >= len(tokens):
        return
    entry = journal.entry(tokens[one])
    usd = None if other is None else entry.reserved * other
    match what:
        case "settle":
            journal.settle(entry.token, "done", usd, {}, {key: {0: 100} for key in entry.circuits})
        case "fail":
            journal.settle(entry.token, "failed", usd, {})
        case "billed":
            journal.billed(entry.token, usd or Decimal(0), {})
        case "quarantine":
            journal.quarantine(entry.token, "odd", b"")


def _check_money(journal: Journal, cap: Decimal) -> None:
    entries = list(journal.entries())
    total = sum((entry.reserved if entry.usd is None else entry.usd for entry in entries), Decimal(0))
    assert journal.committed() == total <= cap


def _check_open(journal: Journal) -> None:
    held = Counter(key for entry in journal.entries(only_open=True) for key in entry.circuits)
    assert not held or max(held.values()) == 1
    assert journal.results(list(held)) == {}


def _work(folder: Path, seed: int, everybody: Any) -> None:
    """A process that intends and ends what it can."""
    journal, generator = opened(folder, durable=False), np.random.default_rng(seed)
    everybody.wait(30)
    for turn in range(50):
        names = "".join(sorted(generator.choice(list("abcdefghijklmnop"), 3, replace=False)))
        usd = Decimal(int(generator.integers(1, 10**10))) / 10**10
        try:
            mine = journal.intend(task(f"{seed}-{turn}", names, usd), CAP)
        except QcliError as refusal:
            assert refusal.exit_code == 3
            continue
        assert journal.committed() <= CAP
        _check_open(journal)
        if mine:
            paid = None if generator.random() < 0.3 else usd * Decimal("0.1")
            journal.settle(f"{seed}-{turn}", "failed", paid, {})
            if paid is None and generator.random() < 0.8:
                journal.billed(f"{seed}-{turn}", usd * Decimal("0.1"), {})
    journal.close()


def test_processes_at_once_keep_the_cap_and_share_no_circuit(tmp_path: Path) -> None:
    everybody = FORK.Barrier(4)
    _run_together([lambda seed=seed: _work(tmp_path, seed, everybody) for seed in range(4)])
    journal = opened(tmp_path)
    entries = list(journal.entries())
    assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
    _check_money(journal, CAP)
    assert journal.committed() + 1 > CAP, "the cap was reached"


def test_processes_that_make_a_journal_at_once_make_one(tmp_path: Path) -> None:
    def make() -> None:
        opened(tmp_path / "new").close()

    _run_together([make] * 6)
    assert {path.name for path in (tmp_path / "new").iterdir()} <= {"journal.sqlite", "journal.lock"}
    opened(tmp_path / "new").close()


def _run_together(actions: list[Callable[[], None]]) -> None:
    processes = [FORK.Process(target=action) for action in actions]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * len(actions)


# faults of the disk


def test_a_full_disk_is_one_error_and_harms_nothing(journal: Journal) -> None:
    journal.intend(task("t", "a"), None)
    journal.settle("t", "done", Decimal("0.5"), {}, counts("a"))
    (pages,) = journal._database.execute("PRAGMA page_count").fetchone()
    journal._database.execute(f"PRAGMA max_page_count={pages}")
    large = Task(
        "u", "job", (circuit("b"),), Decimal(1), None, "", {}, np.random.default_rng(0).bytes(200_000)
    )
    with pytest.raises(QcliError, match="disk is full") as error:
        journal.intend(large, None)
    assert error.value.exit_code == 1
    assert journal.committed() == Decimal("0.5")
    assert journal.results(["key-a"]) == counts("a")
    assert journal.under_way(["key-b"]) == {}
    journal._database.execute("PRAGMA max_page_count=1000000")
    assert journal.intend(large, None)


QUOTA = """
import numpy as np, resource, sys
from decimal import Decimal
from pathlib import Path
from qcli.errors import QcliError
from qcli.execute.journal import Journal
from qcli.execute.record import Circuit, Task
path, most = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
try:
    journal = Journal(path, "braket/garnet", "run")
    for n in range(1000):
        circuit = Circuit(str(n), "p", np.zeros(2), 100, "{}")
        payload = np.random.default_rng(n).bytes(20_000)
        journal.intend(Task(str(n), "job", (circuit,), Decimal(1), None, "", {}, payload), None)
        print(n, flush=True)
except QcliError as error:
    print(error, file=sys.stderr)
    sys.exit(10 + error.exit_code)
"""


def test_a_quota_that_is_used_up_loses_nothing_that_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", QUOTA, path, "1000000"], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 11, ended.stderr
    assert "quota" in ended.stderr and "Traceback" not in ended.stderr
    journal = opened(tmp_path)
    recorded = ended.stdout.split()
    assert len(recorded) > 10
    assert [entry.token for entry in journal.entries()] == recorded
    assert journal.committed() == len(recorded)


def test_no_half_made_journal_is_left_where_there_is_no_room_for_one(tmp_path: Path) -> None:
    path = tmp_path / "hardware" / "journal.sqlite"
    ended = subprocess.run(
        [sys.executable, "-c", QUOTA, path, "5000"], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 11, ended.stderr
    assert {each.name for each in path.parent.iterdir()} <= {"journal.lock"}
    Journal(path, "braket/garnet", "run").close()


def test_a_journal_held_by_another_process_is_one_error_and_may_be_read(
    tmp_path: Path, fast_lock: None
) -> None:
    path = filled(tmp_path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    journal = opened(tmp_path)
    assert journal.results(["key-b"]) == counts("b")
    for write in (
        lambda: journal.intend(task("u", "z"), None),
        lambda: journal.settle("t8", "done", None, {}),
        lambda: journal.remember("name", "value"),
    ):
        with pytest.raises(QcliError, match="another process holds") as error:
            write()
        assert error.value.exit_code == 1
    other.execute("ROLLBACK")
    assert journal.intend(task("u", "z"), None)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "the first bytes overwritten": lambda raw: b"\0" * 64 + raw[64:],
    "a page overwritten": lambda raw: raw[:8192] + b"\xa5" * 4096 + raw[12288:],
    "the middle overwritten": lambda raw: (
        raw[: len(raw) // 2] + os.urandom(4096) + raw[len(raw) // 2 + 4096 :]
    ),
    "the last page missing": lambda raw: raw[:-4096],
    "half of it missing": lambda raw: raw[: len(raw) // 2],
    "cut within its first page": lambda raw: raw[:1000],
    "cut within its header": lambda raw: raw[:50],
    "empty": lambda raw: b"",
    "another kind of file": lambda raw: b"%PDF-1.7 " * 1000,
    "one line of text": lambda raw: b"hello\n",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_journal_is_one_error_and_left_as_it_is(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    damaged = DAMAGES[damage](path.read_bytes())
    path.write_bytes(damaged)
    for way in (lambda: opened(tmp_path), lambda: Journal.reading(path)):
        with pytest.raises(QcliError, match="damaged") as error:
            way()
        assert error.value.exit_code == 1
        assert "backup" in error.value.fix
        assert path.read_bytes() == damaged


def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE contacts (name TEXT)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(QcliError, match="damaged") as error:
        opened(tmp_path)
    assert error.value.exit_code == 1
    assert path.read_bytes() == before


def test_a_journal_that_went_and_left_its_last_entries_behind_is_not_made_anew(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.intend(task("t", "a"), None)
    log = (tmp_path / "journal.sqlite-wal").read_bytes()
    journal.close()
    (tmp_path / "journal.sqlite").unlink()
    (tmp_path / "journal.sqlite-wal").write_bytes(log)
    with pytest.raises(QcliError, match="is gone") as error:
        opened(tmp_path)
    assert error.value.exit_code == 1
    assert (tmp_path / "journal.sqlite-wal").read_bytes() == log
    assert not (tmp_path / "journal.sqlite").exists()


def test_counts_that_are_not_of_the_shots_of_their_circuit_are_damage(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'{"0": 60', b'{"0": 61'))
    journal = opened(tmp_path)
    with pytest.raises(QcliError, match="not of 100 shots"):
        journal.results(["key-b"])


@settings(max_examples=150)
@given(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=40))
def test_bytes_overwritten_anywhere_are_an_error_of_the_journal_if_any(place: float, new: bytes) -> None:
    raw = _raw()
    start = int(place * (len(raw) - len(new)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        path.write_bytes(raw[:start] + new + raw[start + len(new) :])
        try:
            journal = Journal(path, "braket/garnet", "run")
            keys = [f"key-{name}" for name in "abcdefghijkl"]
            journal.results(keys)
            journal.under_way(keys)
            journal.like("program", '{"of": "a"}', 100)
            journal.committed()
            for entry in journal.entries():
                journal.payload(entry.token)
        except QcliError as error:
            assert "journal" in error.what


def _raw(known: list[bytes] = []) -> bytes:  # noqa: B006
    if not known:
        with tempfile.TemporaryDirectory() as folder:
            known.append(filled(Path(folder)).read_bytes())
    return known[0]


def _refused_as_nobody(folder: Path, answers: Any) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    for path in (folder / "journal.sqlite", folder / "new" / "journal.sqlite"):
        try:
            journal = Journal(path, "braket/garnet", "run")
            journal.intend(task("u", "z"), None)
        except QcliError as error:
            answers.put((error.exit_code, error.what, error.fix))


def test_a_read_only_folder_is_one_error_and_left_as_it_is() -> None:
    """Tried as somebody whom permissions bind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = filled(folder).read_bytes()
        (folder / "journal.lock").unlink(missing_ok=True)
        folder.chmod(0o555)
        answers = FORK.Queue()
        process = FORK.Process(target=_refused_as_nobody, args=(folder, answers))
        process.start()
        found = [answers.get(timeout=30) for _ in range(2)]
        process.join(30)
        folder.chmod(0o755)
        assert {code for code, _, _ in found} == {1}
        assert all("cannot be written" in what and "permissions" in fix for _, what, fix in found)
        assert [path.name for path in folder.iterdir()] == ["journal.sqlite"]
        assert (folder / "journal.sqlite").read_bytes() == before


def test_a_file_where_the_folder_should_be_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "hardware").write_text("a file")
    with pytest.raises(QcliError, match="cannot be written") as error:
        opened(tmp_path / "hardware")
    assert error.value.exit_code == 1


KILLED = """
import sys
from decimal import Decimal
from pathlib import Path
from tests.execute.test_journal import counts, opened, task
journal = opened(Path(sys.argv[1]))
if sys.argv[2] == "within":
    journal.intend(task("t0", "a"), None)
    journal._database.execute("BEGIN IMMEDIATE")
    journal._database.execute("INSERT INTO circuit VALUES ('half', 'p', x'00', 1, '{}')")
    print("ready", flush=True)
    sys.stdin.read()
for turn in range(100_000):
    journal.intend(task(f"t{turn}", "ab"), None)
    journal.submitted(f"t{turn}", f"v{turn}", {})
    journal.settle(f"t{turn}", "failed", Decimal("0.5"), {})
    if turn == 5:
        print("ready", flush=True)
"""


@pytest.mark.parametrize("when", ["within", "anywhere", "anywhere", "anywhere"])
def test_a_process_killed_at_work_leaves_a_sound_journal(tmp_path: Path, when: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, when],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    process.communicate()
    journal = opened(tmp_path)
    entries = list(journal.entries())
    assert entries
    assert journal.programs(["half"]) == {}
    assert all(entry.circuits for entry in entries)
    assert sum(entry.is_open for entry in entries) <= 1
    _check_money(journal, Decimal(10**6))
    assert journal.intend(task("next", "z"), None)


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    def hold() -> None:
        journal = opened(tmp_path)
        with journal.submitting():
            os._exit(0)

    _run_together([hold])
    with opened(tmp_path).submitting():
        pass


def test_one_process_at_a_time_submits(tmp_path: Path) -> None:
    inside = FORK.Value("i", 0)
    most = FORK.Value("i", 0)

    def submit() -> None:
        journal = opened(tmp_path)
        for _ in range(20):
            with journal.submitting():
                with inside.get_lock():
                    inside.value += 1
                    most.value = max(most.value, inside.value)
                with inside.get_lock():
                    inside.value -= 1

    _run_together([submit] * 3)
    assert most.value == 1
