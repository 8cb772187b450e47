"""Faults of this computer: a full disk, a journal that is locked, damaged or gone, files that are damaged, Ctrl-C."""

import os
import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import pytest

from qcli.assess.jobs import jobs, wait
from qcli.assess.scored import rescore
from qcli.errors import QcliError
from qcli.execute import journal_file
from qcli.execute.journal import Journal
from tests.cli.helpers import qcli
from tests.hardware.helpers import FEZ, FOREVER, GARNET, INFERENCES, PATIENCE_S, SHOTS, Ends, undisturbed
from tests.standins.server import Fault

COMMAND = (
    f"validate-on-hardware {{run}} --device {GARNET} --inferences {INFERENCES} --shots {SHOTS} --canary 2"
)


class Failing(sqlite3.Connection):
    """Fails with `message` at the first statement with all of `words` in text or values, then always."""

    words: ClassVar[tuple[str, ...]] = ()
    message: ClassVar[str] = ""
    broken: ClassVar[bool] = False

    def _check(self, statement, values):
        writes = statement.startswith(("INSERT", "BEGIN", "COMMIT"))
        if (Failing.broken and writes) or all(word in f"{statement} {values}" for word in Failing.words):
            Failing.broken = True
            raise sqlite3.OperationalError(Failing.message)

    def execute(self, statement, values=()):
        self._check(statement, values)
        return super().execute(statement, values)

    def executemany(self, statement, values):
        self._check(statement, "")
        return super().executemany(statement, values)


MOMENTS = {
    "the intent": ("INSERT INTO task",),
    "that it is being sent": ("INTO event", "'sending'"),
    "the vendor's id": ("INTO event", "'submitted'"),
    "the end": ("INTO event", "'done'"),
    "the results": ("INTO result",),
}
FULL = "database or disk is full"


@pytest.mark.parametrize(
    ("device", "moment", "message", "words"),
    [
        *((GARNET, moment, FULL, ["the disk is full", "free some space"]) for moment in MOMENTS),
        (FEZ, "the vendor's id", FULL, ["the disk is full", "what was submitted is found again"]),
        (FEZ, "the results", FULL, ["the disk is full", "what was submitted is found again"]),
        (GARNET, "the vendor's id", "database is locked", ["another process holds the journal", "wait"]),
        (GARNET, "the vendor's id", "disk I/O error", ["cannot be read or written", "check the disk"]),
        (GARNET, "the intent", "attempt to write a readonly database", ["cannot be written", "permissions"]),
    ],
)
def test_a_journal_that_cannot_be_written(bench, device, moment, message, words):
    table = bench(device)
    undisturbed(device, None, ())
    with table.patch.context() as patch:
        patch.setattr(Failing, "words", MOMENTS[moment])
        patch.setattr(Failing, "message", message)
        patch.setattr(Failing, "broken", False)
        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Failing, **more))
        table.fails(Ends(1, [*words, "journal.sqlite"]))
    table.validate()
    table.check_ended()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("device", "method"),
    [
        (GARNET, "intend"),
        (GARNET, "sending"),
        (GARNET, "submitted"),
        (GARNET, "settle"),
        (FEZ, "submitted"),
    ],
)
def test_ctrl_c_at_any_moment_leaves_a_journal_that_goes_on(bench, device, method, when):
    table = bench(device)
    undisturbed(device, None, ())
    original = getattr(Journal, method)

    def interrupted(*args, **more):
        if when == "after":
            original(*args, **more)
        raise KeyboardInterrupt

    with table.patch.context() as patch:
        patch.setattr(Journal, method, interrupted)
        with pytest.raises(KeyboardInterrupt):
            table.validate()
    table.validate()
    table.check_ended()


def half_done(table):
    """The canary has its results; of the rest no request has gone out."""
    operation, kind = (
        ("CreateQuantumTask", "throttle") if table.device == GARNET else ("CreateJob", "throttle")
    )
    table.stand_in.faults.append(Fault(operation, kind, FOREVER, after=1))
    table.patient(0.2)
    table.fails(Ends(1, ["did not answer"]))
    table.stand_in.faults.clear()
    table.patient(PATIENCE_S)


def test_a_journal_that_another_process_holds(bench):
    table = bench()
    half_done(table)
    table.patch.setattr(journal_file, "_BUSY_S", 0.1)
    with closing(sqlite3.connect(table.folder / "journal.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        table.fails(Ends(1, ["another process holds the journal"]))
    table.validate()
    table.check_ended()


def garbage(path):
    path.write_bytes(b"these are no bytes of a database" * 200)


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def scratched(path):
    content = bytearray(path.read_bytes())
    content[4096:8192] = bytes(4096)
    path.write_bytes(bytes(content))


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [garbage, cut, scratched, emptied])
def test_a_damaged_journal_is_never_written_to(bench, damage):
    table = bench()
    half_done(table)
    path = table.folder / "journal.sqlite"
    whole = path.with_name("backup")
    shutil.copy(path, whole)
    damage(path)
    damaged = path.read_bytes()
    made = table.stand_in.submissions
    with pytest.raises(QcliError) as caught:
        table.validate()
    assert caught.value.exit_code == 1
    assert "the journal is damaged" in caught.value.what
    assert "keep it" in caught.value.fix
    assert (path.read_bytes(), table.stand_in.submissions) == (damaged, made)
    with pytest.raises(QcliError, match="damaged"):
        jobs(table.run.path)
    shutil.copy(whole, path)
    table.validate()
    table.check_ended()


@pytest.mark.parametrize("device", [GARNET, FEZ])
def test_without_its_journal_a_run_finds_its_tasks_at_the_vendor(bench, device):
    table = bench(device)
    table.validate()
    table.check_ended()
    for path in table.folder.glob("journal*"):
        path.unlink()
    table.validate()
    table.check_ended()
    assert table.stand_in.submissions == 2


DAMAGES = {
    "cut short": lambda text: text[: len(text) // 2],
    "not JSON": lambda text: "<html>",
    "not text": lambda text: "\udcff\udcfe",
    "of another schema": lambda text: text.replace("qcli.", "other."),
    "a list": lambda text: "[]",
    "empty": lambda text: "",
}


def spoil(path, damage):
    text = path.read_text(encoding="utf-8")
    path.write_bytes(DAMAGES[damage](text).encode(errors="surrogateescape"))


def test_a_damaged_request_is_named_and_written_anew_by_the_same_command(bench):
    table = bench()
    table.validate()
    path = table.folder / "validation.json"
    whole = path.read_bytes()
    for damage in DAMAGES:
        path.write_bytes(whole)
        spoil(path, damage)
        for look in (lambda: rescore(table.run, GARNET), lambda: wait(table.run.path)):
            with pytest.raises(QcliError, match=r"validation\.json") as caught:
                look()
            assert "remove it and run the same validate-on-hardware again" in caught.value.fix, damage
    path.write_bytes(whole.replace(b'"shots": 64', b'"shots": "many"'))
    with pytest.raises(QcliError, match="damaged: shots"):
        rescore(table.run, GARNET)
    table.validate()
    table.check_ended()


def test_a_damaged_calibration_is_named_and_may_be_removed(bench):
    table = bench()
    half_done(table)
    path = table.folder / "calibration.json"
    whole = path.read_bytes()
    for damage in DAMAGES:
        path.write_bytes(whole)
        spoil(path, damage)
        table.fails(Ends(2, ["calibration.json", "remove it"]))
    path.unlink()
    table.validate()
    table.check_ended()


def test_a_run_directory_that_cannot_be_written(bench):
    table = bench()
    (table.run.path / "hardware").write_text("a file where the folder should be")
    result = qcli(COMMAND.format(run=table.run.path) + " --max-cost 20")
    assert result.code == 1
    assert "cannot read or write" in result.what
    assert "check the path and its permissions" in result.err
    assert table.stand_in.submissions == 0
    (table.run.path / "hardware").unlink()
    table.validate()
    table.check_ended()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_run_directory_that_is_read_only(bench):
    table = bench()
    table.run.path.chmod(0o500)
    result = qcli(COMMAND.format(run=table.run.path) + " --max-cost 20")
    table.run.path.chmod(0o700)
    assert result.code == 1
    assert "permissions" in result.err
    assert table.stand_in.submissions == 0


def test_a_ledger_that_cannot_be_written_loses_no_result(bench, tmp_path, caplog):
    table = bench()
    undisturbed(GARNET, None, ())
    (tmp_path / "home").write_text("a file where the folder should be")
    table.patch.setenv("QCLI_HOME", str(tmp_path / "home"))
    table.validate()
    table.check_ended()
    assert "not added to the ledger" in caplog.text


class Quota(sqlite3.Connection):
    """After the first recorded submission the journal may not grow, as the operating system enforces it; only while
    SQLite is at work, since the limit is this process's and so that of the tests' own output."""

    submitted: ClassVar[bool] = False
    most: ClassVar[int | None] = None

    def execute(self, statement, values=()):
        if Quota.submitted and Quota.most is None and statement.startswith("BEGIN"):
            (_, _, path) = super().execute("PRAGMA database_list").fetchone()
            Quota.most = Path(f"{path}-wal").stat().st_size
        Quota.submitted |= "INTO event" in statement and "submitted" in values
        if Quota.most is None:
            return super().execute(statement, values)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (Quota.most, before[1]))
        try:
            return super().execute(statement, values)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_that_may_not_grow(bench):
    table = bench()
    undisturbed(GARNET, None, ())
    with table.patch.context() as patch:
        patch.setattr(Quota, "submitted", False)
        patch.setattr(Quota, "most", None)
        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, factory=Quota, **more))
        table.fails(Ends(1, ["cannot be read or written", "check the disk and your quota"]))
    assert table.stand_in.submissions == 1
    table.validate()
    table.check_ended()
