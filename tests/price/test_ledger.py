"""The ledger: whole lines from many processes, damage survived, and how far estimates were off."""

import errno
import json
import multiprocessing
import os
from datetime import UTC, datetime
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import ValidationError
from typer.testing import CliRunner, Result

from qcli.cli.ledger import ledger
from qcli.errors import QcliError
from qcli.price.ledger import (
    Actual,
    Deviation,
    Entry,
    Estimated,
    SecondsRange,
    append,
    errors,
    ledger_path,
    read,
)

app = typer.Typer()
app.command()(ledger)


def entry(
    usd: str = "35.94",
    billed: str = "35.94",
    seconds: tuple[float, float] | None = (2.0, 6.0),
    used: float | None = 5.0,
    device: str = "braket/garnet",
    run: str = "runs/first",
) -> Entry:
    estimate = Estimated(
        tasks=1,
        shots=24576,
        qpu_s=SecondsRange(low=seconds[0], high=seconds[1]) if seconds else None,
        usd=Decimal(usd),
        usd_low=Decimal(usd),
        usd_high=Decimal(usd) + 1,
    )
    return Entry(
        run=run,
        model="qcnn",
        device=device,
        plan="program-sets",
        inferences=48,
        estimate=estimate,
        actual=Actual(tasks=1, shots=24576, qpu_s=used, usd=Decimal(billed)),
        created=datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    return ledger_path()


def output(*arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return result


def test_what_is_appended_is_read_back_in_order_to_the_cent(path: Path) -> None:
    written = [entry(usd="0.1000", billed="0.30"), entry(seconds=None, used=None)]
    for one in written:
        append(one)
    assert read().entries == tuple(written) and read().broken == ()


def test_a_line_is_json_with_its_schema_and_money_as_text(path: Path) -> None:
    append(entry())
    (line,) = path.read_text().splitlines()
    content = json.loads(line)
    assert content["schema"] == "qcli.ledger/1" and len(content["id"]) == 32
    assert datetime.fromisoformat(content["created"]) == datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    assert content["estimate"] == {
        "tasks": 1,
        "shots": 24576,
        "qpu_s": {"low": 2.0, "high": 6.0},
        "usd": "35.94",
        "usd_low": "35.94",
        "usd_high": "36.94",
    }
    assert content["actual"] == {"tasks": 1, "shots": 24576, "qpu_s": 5.0, "usd": "35.94"}


def test_a_missing_file_is_an_empty_ledger(tmp_path: Path) -> None:
    assert read(tmp_path / "ledger.jsonl").entries == ()


@pytest.mark.parametrize(
    "change", [{"usd": "-1"}, {"usd": "NaN"}, {"tasks": -1}, {"qpu_s": float("nan")}, {"coins": 1}]
)
def test_figures_that_cannot_be_are_not_taken(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(change))):
        Actual.model_validate({"tasks": 1, "shots": 1, "qpu_s": 1.0, "usd": "1"} | change)


def _append_many(path: Path, process: int, count: int, start: Barrier) -> None:
    start.wait()
    for number in range(count):
        append(entry(run=f"{process}/{number}/{'x' * 3000}"), path)


def test_processes_that_write_at_the_same_time_never_mix_their_lines(tmp_path: Path) -> None:
    path, processes, count = tmp_path / "ledger.jsonl", 4, 25
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes)
    writers = [
        context.Process(target=_append_many, args=(path, number, count, start)) for number in range(processes)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * processes
    found = read(path)
    assert found.broken == ()
    places = [tuple(map(int, one.run.split("/")[:2])) for one in found.entries]
    for process in range(processes):
        assert [number for writer, number in places if writer == process] == list(range(count))


def test_after_half_a_line_the_next_entry_starts_on_its_own(path: Path) -> None:
    append(entry(run="before"))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])
    append(entry(run="after"))
    found = read()
    assert [one.run for one in found.entries] == ["before", "after"] and found.broken == ("line 2",)


def test_damaged_lines_are_named_and_the_others_read(path: Path) -> None:
    append(entry())
    good = path.read_bytes()
    bad = [
        b"\xff\xfe\n",
        b"{}\n",
        b"[1]\n",
        good.replace(b"ledger/1", b"ledger/2"),
        good.replace(b"35.94", b"NaN"),
    ]
    path.write_bytes(good + b"\n" + b"".join(bad) + good)
    found = read()
    assert len(found.entries) == 2
    assert found.broken == ("line 3", "line 4", "line 5", "line 6", "line 7")


def test_a_full_disk_leaves_the_ledger_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(entry())
    before = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:40]))
    with pytest.raises(OSError) as caught:
        append(entry())
    assert caught.value.errno == errno.ENOSPC and caught.value.filename == str(path)
    assert path.read_bytes() == before


def test_errors_are_relative_to_the_estimate_and_by_device() -> None:
    runs = [
        entry(usd="10", billed="11", seconds=(2.0, 6.0), used=5.0),
        entry(usd="10", billed="7", seconds=(2.0, 6.0), used=2.0),
        entry(device="ibm/fez", usd="4.80", billed="4.80", seconds=None, used=3.0),
    ]
    garnet, fez = errors(runs)
    assert (garnet.device, garnet.runs, garnet.usd_within) == ("braket/garnet", 2, 1)
    assert garnet.usd == Deviation(2, pytest.approx(-0.1), pytest.approx(0.2))
    assert garnet.qpu_s == Deviation(2, pytest.approx(-0.125), pytest.approx(0.375))
    assert (fez.device, fez.usd, fez.qpu_s, fez.usd_within) == (
        "ibm/fez",
        Deviation(1, 0.0, 0.0),
        None,
        1,
    )


def test_runs_without_an_estimate_or_a_measurement_do_not_count_into_the_error() -> None:
    (item,) = errors(
        [
            entry(usd="0", billed="0", seconds=(0.0, 0.0)),
            entry(usd="2", billed="3", used=None),
        ]
    )
    assert item.runs == 2 and item.usd == Deviation(1, 0.5, 0.5) and item.qpu_s is None


def test_the_command_shows_every_run_and_the_error_of_each_device(path: Path) -> None:
    append(entry(usd="10", billed="11", run="runs/[red]a"))
    append(entry(device="ibm/fez", run="runs/b"))
    result = output()
    text = result.stdout
    assert text.index("runs/[red]a") < text.index("runs/b")
    assert "+10.0 %" in text and "+25.0 %" in text and "11.00" in text and "1 of 1" in text
    assert result.stderr == ""


def test_json_holds_entries_and_errors_and_can_be_limited_to_a_device(path: Path) -> None:
    append(entry(usd="10", billed="11"))
    append(entry(device="ibm/fez"))
    content = json.loads(output("--json", "--device", "braket/garnet").stdout)
    (shown,) = content["entries"]
    (item,) = content["devices"]
    assert content["schema"] == "qcli.ledger-report/1" and content["path"] == str(path)
    assert shown["device"] == "braket/garnet" and shown["actual"]["usd"] == "11"
    assert item["usd"] == {"n": 1, "mean": 0.1, "mean_absolute": 0.1}


def test_damage_is_a_note_beside_the_answer(path: Path) -> None:
    append(entry())
    with path.open("a") as file:
        file.write("half a li")
    result = output("--json")
    assert json.loads(result.stdout)["broken"] == ["line 2"] and "line 2" in result.stderr


def test_an_empty_ledger_says_what_fills_it(path: Path) -> None:
    result = output()
    assert result.stdout == "" and "adds a line" in result.stderr and str(path) in result.stderr
    assert json.loads(output("--json").stdout)["entries"] == []


def test_a_device_without_runs_is_a_user_error(path: Path) -> None:
    append(entry())
    with pytest.raises(QcliError, match="braket/garnt") as caught:
        CliRunner().invoke(app, ["--device", "braket/garnt"], catch_exceptions=False)
    assert "braket/garnet" in caught.value.fix
