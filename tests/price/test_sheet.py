"""What the bundled sheets hold, and what is said about a sheet that is wrong."""

import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from qcli.errors import QcliError
from qcli.price.sheet import load_sheets, read_sheet, terms
from qcli.price.tariff import PerSecond, PerTask, ProgramSets

GOOD = """
provider = "acme"
[sources]
page = { title = "acme.example/prices", verified_on = 2026-01-02 }
old = { title = "acme.example/old", verified_on = 2025-01-02 }
[defaults.price]
kind = "per-task"
task_fee = { value = "0.30", unit = "USD/task", basis = "published", source = "page" }
[devices.one]
full_name = "Acme One"
availability = { qubits = 20, status = "online", basis = "published", source = "page" }
shots = { min = 10, max = 1000, basis = "published", source = "page" }
program_sets = { max_executables = 100, max_total_shots = 5000, basis = "published", source = "page" }
machine_time = [
  { what = "fast", per_task_s = "0", per_shot_s = "0.001", basis = "assumed", source = "page" },
  { what = "slow", per_task_s = "1", per_shot_s = "0.004", basis = "assumed", source = "page" },
]
[devices.one.price]
shot_price = { value = "0.00145", unit = "USD/shot", basis = "transcribed", source = "old" }
"""


def sheet(folder: Path, text: str | bytes) -> Path:
    path = folder / "acme.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_sheet_gives_terms_per_device(tmp_path: Path) -> None:
    one = read_sheet(sheet(tmp_path, GOOD))["acme/one"]
    assert (one.name, one.provider, one.full_name, one.status) == ("acme/one", "acme", "Acme One", "online")
    assert one.price == PerTask(Decimal("0.30"), Decimal("0.00145"))
    assert one.program_set == ProgramSets(100, 5000)
    assert (one.shots_min, one.shots_max) == (10, 1000)


def test_a_bill_is_as_old_and_as_weak_as_the_oldest_and_weakest_figure_in_it(tmp_path: Path) -> None:
    one = read_sheet(sheet(tmp_path, GOOD))["acme/one"]
    assert one.basis == "transcribed"
    assert one.verified_on == date(2025, 1, 2)
    assert one.source == "acme.example/prices; acme.example/old"


def test_an_unquoted_price_is_exact_too(tmp_path: Path) -> None:
    one = read_sheet(sheet(tmp_path, GOOD.replace('"0.00145"', "0.00145")))["acme/one"]
    assert isinstance(one.price, PerTask) and one.price.shot_price == Decimal("0.00145")


def test_a_device_s_own_figure_replaces_the_default_whole(tmp_path: Path) -> None:
    own = 'task_fee = { value = "0.10", unit = "USD/task", basis = "assumed", source = "old" }'
    one = read_sheet(sheet(tmp_path, GOOD + own))["acme/one"]
    assert isinstance(one.price, PerTask) and one.price.task_fee == Decimal("0.10")
    assert one.basis == "assumed"
    with pytest.raises(QcliError, match=r"devices\.one\.price\.task_fee\.basis: Field required"):
        read_sheet(sheet(tmp_path, GOOD + own.replace('basis = "assumed", ', "")))


SHOT = "devices.one.price.shot_price"
BAD = [
    ("unknown key", 'full_name = "Acme One"', 'full_name = "Acme One"\nqubits = 5', "devices.one.qubits"),
    ("unknown key in a figure", 'source = "old" }', 'source = "old", x = 1 }', f"{SHOT}.x"),
    ("unknown key at the top", 'provider = "acme"', 'provider = "acme"\nx = 1', "x"),
    ("missing source", ', source = "old"', "", f"{SHOT}.source"),
    ("empty source", 'source = "old"', 'source = ""', f"{SHOT}.source"),
    ("source not listed", 'source = "old"', 'source = "odl"', f"{SHOT}.source"),
    ("missing basis", 'basis = "transcribed", ', "", f"{SHOT}.basis"),
    ("unknown basis", '"transcribed"', '"rumoured"', f"{SHOT}.basis"),
    ("text for a number", '"0.00145"', '"cheap"', f"{SHOT}.value"),
    ("truth for a number", '"0.00145"', "true", f"{SHOT}.value"),
    ("not a number", '"0.00145"', '"NaN"', f"{SHOT}.value"),
    ("infinite", '"0.00145"', "inf", f"{SHOT}.value"),
    ("negative price", '"0.00145"', '"-0.00145"', f"{SHOT}.value"),
    ("wrong unit", "USD/shot", "EUR/shot", f"{SHOT}.unit"),
    ("missing price", "shot_price", "# shot_price", SHOT),
    ("negative default", '"0.30"', '"-0.30"', "defaults.price.task_fee.value"),
    ("foreign source", 'source = "page" }\n[dev', 'source = "p" }\n[dev', "defaults.price.task_fee.source"),
    ("unknown kind", '"per-task"', '"per-mood"', "devices.one.price"),
    ("unknown status", '"online"', '"asleep"', "devices.one.availability.status"),
    ("retired when online", '"online"', '"online", retired_on = 2026-01-01', "devices.one.availability"),
    ("no date", "verified_on = 2025-01-02", 'verified_on = "lately"', "sources.old.verified_on"),
    ("range upside down", "min = 10", "min = 2000", "devices.one.shots"),
    ("no shots", "min = 10", "min = 0", "devices.one.shots.min"),
    ("half a circuit", "executables = 100", "executables = 1.5", "devices.one.program_sets.max_executables"),
    ("one view of the time only", '  { what = "slow"', '#  { what = "slow"', "devices.one.machine_time"),
    ("misspelt table", "[devices.one.price]", "[devices.one.costs]", "devices.one.costs"),
    ("no provider", 'provider = "acme"', "", "provider"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "key"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_wrong_sheet_is_refused_naming_file_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    assert GOOD.count(old) >= 1
    path = sheet(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(QcliError) as error:
        read_sheet(path)
    assert error.value.where == str(path)
    assert f"{key}:" in error.value.what
    assert error.value.fix and error.value.exit_code == 2


@pytest.mark.parametrize("content", [b"provider = ", b"\xff\xfe", b"a = 1\na = 2", b"<html>"])
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = sheet(tmp_path, content)
    with pytest.raises(QcliError, match="not valid TOML") as error:
        read_sheet(path)
    assert error.value.where == str(path)


@pytest.mark.parametrize(
    "content", ["", "devices = 3", "devices = []", 'provider = "acme"\nsources = {}\ndevices = {}']
)
def test_a_sheet_without_devices_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(QcliError, match="devices: "):
        read_sheet(sheet(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QcliError, match="cannot read") as error:
        read_sheet(tmp_path / "none.toml")
    assert error.value.where == str(tmp_path / "none.toml")


def test_the_bundled_sheets_price_these_devices() -> None:
    braket = "garnet emerald cepheus-1-108q ankaa-3 forte-enterprise-1 forte-1 ibex-q1 aria-1 aria-2"
    ibm = "boston pittsburgh aachen kingston fez marrakesh torino miami berlin phoenix"
    names = [f"braket/{name}" for name in braket.split()] + [f"ibm/{name}" for name in ibm.split()]
    assert sorted(load_sheets()) == sorted(names)


def test_retired_and_offline_devices_say_so() -> None:
    found = {name: (t.status, t.retired_on) for name, t in load_sheets().items() if t.status != "online"}
    assert found == {
        "braket/ankaa-3": ("retired", date(2026, 4, 17)),
        "braket/aria-1": ("retired", None),
        "braket/aria-2": ("retired", None),
        "braket/forte-1": ("offline", None),
        "ibm/torino": ("retired", date(2026, 4, 1)),
        "ibm/marrakesh": ("offline", None),
    }


def test_every_bundled_figure_has_a_public_source_and_a_date_of_the_past() -> None:
    for name, device in load_sheets().items():
        assert {rule.basis for rule in device.machine_time} <= {quote.basis for quote in device.quotes}, name
        for quote in device.quotes:
            assert len(quote.source) > 15, (name, quote.key)
            assert date(2025, 1, 1) < quote.verified_on <= date.today(), (name, quote.key)


def test_ibm_devices_differ_in_their_rate() -> None:
    rates = {name: t.price.rate_hz for name, t in load_sheets().items() if isinstance(t.price, PerSecond)}
    assert rates["ibm/boston"] == 3800 and rates["ibm/fez"] == 3900 and rates["ibm/marrakesh"] == 3700
    assert rates["ibm/miami"] == rates["ibm/berlin"] == 250
    assert terms("ibm/torino").basis == "assumed" and terms("ibm/fez").basis == "transcribed"


def test_an_unknown_device_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(QcliError, match="no price for device 'braket/garnt'") as error:
        terms("braket/garnt")
    assert "braket/garnet" in error.value.fix


def test_no_bundled_sheet_is_a_broken_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcli.price.sheet.bundled", lambda name: tmp_path)
    load_sheets.cache_clear()
    try:
        with pytest.raises(QcliError, match="no price sheets"):
            load_sheets()
    finally:
        load_sheets.cache_clear()


def test_reading_a_price_imports_no_numerical_library() -> None:
    code = (
        "import sys, qcli.price.sheet, qcli.price.plans; qcli.price.sheet.load_sheets(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "numpy", "qiskit", "pennylane"} & set(done.stdout.split())
