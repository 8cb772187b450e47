"""The format of a price sheet: how it is read, laid over another, and what is said about one that is wrong."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.files import bundled
from qcli.price.sheet import line_of, load_sheets, read_sheets
from qcli.price.tariff import Credits, GateShots, Metered, PerTask, ProgramSets, Terms, Unknown

GOOD = """\
provider = "acme"
[sources]
page = { title = "acme.example/prices", verified_on = 2026-01-02 }
old = { title = "acme.example/old", verified_on = 2025-01-02 }
[defaults.price]
kind = "per-task"
task_fee = { value = "0.30", unit = "USD/task", basis = "published", source = "page" }
[contracts.list]
what = "list prices"
[contracts.own]
what = "negotiated"
allowance = { value = "60", unit = "s", basis = "contract", source = "page" }
devices = ["one"]
[contracts.own.price]
task_fee = { value = "0.10", unit = "USD/task", basis = "contract", source = "page" }
[devices.one]
full_name = "Acme One"
availability = { qubits = 20, status = "online", basis = "published", source = "page" }
shots = { min = 10, max = 1000, basis = "published", source = "page" }
program_sets = { max_executables = 100, max_total_shots = 5000, basis = "published", source = "page" }
debias = { value = "500", unit = "shots", basis = "published", source = "page" }
machine_time = [
  { what = "fast", per_task_s = "0", per_shot_s = "0.001", basis = "assumed", source = "page" },
  { what = "slow", per_task_s = "1", per_shot_s = "0.004", basis = "assumed", source = "page" },
]
[devices.one.price]
shot_price = { value = "0.00145", unit = "USD/shot", basis = "transcribed", source = "old" }
[unknown.else]
full_name = "Elsewhere"
what = "no public price found"
searched_on = 2026-01-02
"""
SHOT = "devices.one.price.shot_price"
SHOT_PRICE = 'shot_price = { value = "0.00145", unit = "USD/shot", basis = "transcribed", source = "old" }\n'


Change = Callable[[str], str]


def figure(name: str, value: str, unit: str, source: str = "page") -> str:
    return f'{name} = {{ value = "{value}", unit = "{unit}", basis = "published", source = "{source}" }}\n'


def sheet(folder: Path, text: str | bytes) -> Path:
    path = folder / "acme.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def one(folder: Path, text: str, contract: str | None = None) -> Terms:
    return read_sheets([sheet(folder, text)], {"acme": contract} if contract else None).devices["acme/one"]


def refusal(path: Path, contract: str | None = None) -> QcliError:
    with pytest.raises(QcliError) as caught:
        read_sheets([path], {"acme": contract} if contract else None)
    assert caught.value.fix and caught.value.exit_code == 2
    return caught.value


# What a sheet says


def test_a_sheet_gives_terms_per_device(tmp_path: Path) -> None:
    device = one(tmp_path, GOOD)
    assert (device.name, device.provider, device.full_name) == ("acme/one", "acme", "Acme One")
    assert (device.kind, device.status, device.retired_on, device.qubits) == ("qpu", "online", None, 20)
    assert device.price == PerTask(Decimal("0.30"), Decimal("0.00145"))
    assert device.program_set == ProgramSets(100, 5000)
    assert (device.shots_min, device.shots_max, device.debias_min_shots) == (10, 1000, 500)
    assert device.compile_as == "acme/one"


def test_vendors_without_a_public_price_are_listed_apart(tmp_path: Path) -> None:
    sheets = read_sheets([sheet(tmp_path, GOOD)])
    assert sheets.unknown == (Unknown("Elsewhere", "no public price found", date(2026, 1, 2)),)
    assert set(sheets.devices) == {"acme/one"}


def test_a_bill_is_as_old_and_as_weak_as_the_oldest_and_weakest_figure_in_it(tmp_path: Path) -> None:
    device = one(tmp_path, GOOD)
    assert (device.basis, device.verified_on) == ("transcribed", date(2025, 1, 2))
    assert device.source == "acme.example/prices; acme.example/old"


def test_a_bill_is_stale_from_the_91st_day_after_its_oldest_figure_was_verified(tmp_path: Path) -> None:
    device = one(tmp_path, GOOD)
    assert not device.stale(device.verified_on + timedelta(days=90))
    assert device.stale(device.verified_on + timedelta(days=91))


def test_a_confirmed_figure_is_as_young_as_the_later_source_and_names_both(tmp_path: Path) -> None:
    device = one(tmp_path, GOOD.replace('source = "old"', 'source = "old", confirmed = "page"'))
    assert device.verified_on == date(2026, 1, 2)
    (shot_price,) = [quote for quote in device.quotes if quote.key == "price.shot_price"]
    assert shot_price.source == "acme.example/old; the same in acme.example/prices"


def test_an_unquoted_price_is_exact_too(tmp_path: Path) -> None:
    price = one(tmp_path, GOOD.replace('"0.00145"', "0.00145")).price
    assert isinstance(price, PerTask) and price.shot_price == Decimal("0.00145")


def test_a_device_s_own_figure_replaces_the_default_whole(tmp_path: Path) -> None:
    own = 'task_fee = { value = "0.20", unit = "USD/task", basis = "assumed", source = "old" }\n'
    device = one(tmp_path, GOOD.replace(SHOT_PRICE, SHOT_PRICE + own))
    assert isinstance(device.price, PerTask) and device.price.task_fee == Decimal("0.20")
    assert device.basis == "assumed"
    part = own.replace('basis = "assumed", ', "")
    error = refusal(sheet(tmp_path, GOOD.replace(SHOT_PRICE, SHOT_PRICE + part)))
    assert error.what == "line 28: devices.one.price.task_fee.basis: Field required"


def test_another_kind_of_price_takes_nothing_from_the_defaults(tmp_path: Path) -> None:
    credits = figure("usd_per_credit", "12.50", "USD/HQC") + figure("base", "5", "HQC/circuit")
    device = one(tmp_path, GOOD.replace(SHOT_PRICE, 'kind = "credits"\n' + credits), "list")
    assert device.price == Credits(Decimal("12.50"), Decimal(5))


def test_a_price_in_euros_is_converted_at_the_sheet_s_rate_and_as_weak_as_it(tmp_path: Path) -> None:
    euros = figure("shot_price", "0.001", "EUR/shot") + figure("usd_per_eur", "1.1", "USD/EUR", "old")
    reserved = figure("reservation", "2000", "EUR/h")
    text = GOOD.replace(SHOT_PRICE, euros).replace("[devices.one.price]", reserved + "[devices.one.price]")
    device = one(tmp_path, text)
    assert device.price == PerTask(Decimal("0.30"), Decimal("0.0011"))
    assert (device.reservation, device.verified_on) == (Decimal(2200), date(2025, 1, 2))


def test_a_price_per_minute_becomes_one_per_step(tmp_path: Path) -> None:
    times = figure("step_s", "0.001", "s") + figure("minimum_s", "3", "s")
    per_minute = 'kind = "metered"\n' + figure("usd_per_min", "0.075", "USD/min") + times
    device = one(tmp_path, GOOD.replace(SHOT_PRICE, per_minute), "list")
    assert device.price == Metered(Decimal("0.00000125"), Decimal("0.001"), Decimal(3))


def test_debiasing_that_is_never_forced_has_no_shot_count(tmp_path: Path) -> None:
    gates = figure("one_qubit", "0.1", "USD/gate-shot") + figure("two_qubit", "0.2", "USD/gate-shot")
    least = figure("minimum", "1", "USD/circuit") + figure("minimum_debiased", "2", "USD/circuit")
    device = one(tmp_path, GOOD.replace(SHOT_PRICE, 'kind = "gate-shots"\n' + gates + least), "list")
    assert device.price == GateShots(Decimal("0.1"), Decimal("0.2"), Decimal(1), Decimal(2), None)


def test_the_first_contract_holds_unless_another_is_chosen(tmp_path: Path) -> None:
    plain, own = one(tmp_path, GOOD), one(tmp_path, GOOD, "own")
    assert (plain.contract, own.contract, own.contracts) == ("list", "own", ("list", "own"))
    assert own.price == PerTask(Decimal("0.10"), Decimal("0.00145"))
    assert (plain.allowance_s, own.allowance_s) == (None, Decimal(60))


def test_a_contract_leaves_devices_that_it_does_not_cover_as_they_are(tmp_path: Path) -> None:
    two = GOOD[GOOD.index("[devices.one]") : GOOD.index("[unknown")].replace("one", "two")
    path = sheet(tmp_path, GOOD + two)
    before, after = (
        read_sheets([path], contracts).devices["acme/two"] for contracts in (None, {"acme": "own"})
    )
    assert before == after and after.contract == "list" and after.contracts == ("list",)


def test_a_contract_that_does_not_exist_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    error = refusal(sheet(tmp_path, GOOD), "onw")
    assert error.what == "no contract 'onw' in this price sheet" and "own" in error.fix
    with pytest.raises(QcliError, match="no price sheet for 'acem'") as caught:
        read_sheets([sheet(tmp_path, GOOD)], {"acem": "own"})
    assert "acme" in caught.value.fix


# What is said about a sheet that is wrong

ONE, TIME, FEE = "devices.one", "devices.one.machine_time", "defaults.price.task_fee"
BAD = [
    ("unknown key", 'full_name = "Acme One"', 'full_name = "Acme One"\nqubits = 5', f"{ONE}.qubits", 18),
    ("unknown key in a figure", 'source = "old" }', 'source = "old", x = 1 }', f"{SHOT}.x", 27),
    ("unknown key at the top", 'provider = "acme"', 'provider = "acme"\nx = 1', "x", 2),
    ("missing source", ', source = "old"', "", f"{SHOT}.source", 27),
    ("empty source", 'source = "old"', 'source = ""', f"{SHOT}.source", 27),
    ("source not listed", 'source = "old"', 'source = "odl"', f"{SHOT}.source", 27),
    ("confirmed not listed", 'source = "old"', 'source = "old", confirmed = "pgae"', f"{SHOT}.confirmed", 27),
    ("missing basis", 'basis = "transcribed", ', "", f"{SHOT}.basis", 27),
    ("unknown basis", '"transcribed"', '"rumoured"', f"{SHOT}.basis", 27),
    ("text for a number", '"0.00145"', '"cheap"', f"{SHOT}.value", 27),
    ("truth for a number", '"0.00145"', "true", f"{SHOT}.value", 27),
    ("not a number", '"0.00145"', '"NaN"', f"{SHOT}.value", 27),
    ("infinite", '"0.00145"', "inf", f"{SHOT}.value", 27),
    ("negative price", '"0.00145"', '"-0.00145"', f"{SHOT}.value", 27),
    ("wrong unit", "USD/shot", "USD/hour", f"{SHOT}.unit", 27),
    ("euros without a rate", "USD/shot", "EUR/shot", "devices.one.price", 26),
    ("missing price", "shot_price", "# shot_price", SHOT, 26),
    ("missing table", "[devices.one.price]", "[devices.two]", SHOT, 16),
    ("misspelt table", "[devices.one.price]", "[devices.one.costs]", f"{ONE}.costs", 26),
    ("missing name", 'full_name = "Acme One"', "", f"{ONE}.full_name", 16),
    ("negative default", '"0.30"', '"-0.30"', f"{FEE}.value", 7),
    ("default of no source", '"page" }\n[con', '"p" }\n[con', f"{FEE}.source", 7),
    ("default without a basis", '"USD/task", basis = "published"', '"USD/task"', f"{FEE}.basis", 7),
    ("unknown kind", '"per-task"', '"per-mood"', "defaults.price.kind", 6),
    ("missing kind", 'kind = "per-task"', "", "devices.one.price.kind", 26),
    ("kind without its figures", SHOT_PRICE, 'kind = "gate-shots"\n', "devices.one.price.minimum", 26),
    ("unknown status", '"online"', '"asleep"', f"{ONE}.availability.status", 18),
    ("retired when online", '"online"', '"online", retired_on = 2026-01-01', f"{ONE}.availability", 18),
    ("no date", "verified_on = 2025-01-02", 'verified_on = "lately"', "sources.old.verified_on", 4),
    ("range upside down", "min = 10", "min = 2000", f"{ONE}.shots", 19),
    ("no shots", "min = 10", "min = 0", f"{ONE}.shots.min", 19),
    ("half a circuit", "executables = 100", "executables = 1.5", f"{ONE}.program_sets.max_executables", 20),
    ("debiasing from 0 shots", '"500"', '"0"', f"{ONE}.debias.value", 21),
    ("debiasing from half a shot", '"500"', '"0.5"', f"{ONE}.debias.value", 21),
    ("a rule without its text", 'what = "slow", ', "", f"{TIME}.1.what", 24),
    ("a rule of no source", '"page" },\n]', '"pgae" },\n]', f"{TIME}.1.source", 24),
    ("a negative rate", '"0.001"', '"-1"', f"{TIME}.0.per_shot_s", 23),
    ("one rule only", '  { what = "slow"', '#  { what = "slow"', TIME, 22),
    ("a rule is no table", '  { what = "slow"', '  3,\n#  { what = "slow"', f"{TIME}.1", 24),
    ("reservation in euros", "debias =", figure("reservation", "9", "EUR/h") + "debias =", ONE, 16),
    ("contract without text", 'what = "negotiated"', "", "contracts.own.what", 10),
    ("contract of no device", '["one"]', '["one", "tow"]', "contracts.own.devices.1", 13),
    ("contract of a number", '["one"]', "3", "contracts.own.devices", 13),
    ("contract is no table", "[contracts.own.price]", "[contracts]\nnew = 3", "contracts.new", 15),
    ("allowance of no source", '"page" }\ndev', '"p" }\ndev', "contracts.own.allowance.source", 12),
    ("vendor never searched", "searched_on = 2026-01-02\n", "", "unknown.else.searched_on", 28),
    ("no provider", 'provider = "acme"', "", "provider", 1),
    ("provider in capitals", '"acme"', '"Acme"', "provider", 1),
    ("sources are a list", "[sources]", "[[sources]]", "sources", 2),
    ("a device is a number", "[devices.one]", "[devices]\ntwo = 2\n[devices.one]", "devices.two", 17),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "line"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_wrong_sheet_is_refused_naming_file_key_and_line(
    tmp_path: Path, old: str, new: str, key: str, line: int
) -> None:
    assert old in GOOD
    path = sheet(tmp_path, GOOD.replace(old, new, 1))
    error = refusal(path)
    assert error.where == str(path)
    assert f"line {line}: {key}: " in error.what


BAD_CONTRACTS = [
    ("text for a number", '"0.10"', '"cheap"', "task_fee.value"),
    (
        "missing basis",
        'basis = "contract", source = "page" }\n[dev',
        'source = "page" }\n[dev',
        "task_fee.basis",
    ),
    ("source not listed", '"page" }\n[devices', '"p" }\n[devices', "task_fee.source"),
    ("unknown key", 'fee = { value = "0.10"', 'tax = { value = "0.10"', "task_tax"),
]


@pytest.mark.parametrize(
    ("old", "new", "key"), [case[1:] for case in BAD_CONTRACTS], ids=[case[0] for case in BAD_CONTRACTS]
)
def test_a_wrong_figure_of_the_chosen_contract_is_named_where_it_stands(
    tmp_path: Path, old: str, new: str, key: str
) -> None:
    assert old in GOOD
    error = refusal(sheet(tmp_path, GOOD.replace(old, new, 1)), "own")
    assert f"line 15: contracts.own.price.{key}: " in error.what


TIMES = figure("step_s", "1", "s") + figure("minimum_s", "0", "s")
STEP, MINUTE = figure("usd_per_step", "1", "USD/step"), figure("usd_per_min", "1", "USD/min")
GATES = figure("one_qubit", "0.1", "USD/gate-shot") + figure("two_qubit", "0.1", "USD/gate-shot")
MINIMA = figure("minimum", "1", "USD/circuit") + figure("minimum_debiased", "1", "USD/circuit")
FORCED = figure("debiased_from", "0", "shots")
HQC = figure("usd_per_credit", "12.50", "USD/HQC")
PER_SECOND = figure("usd_per_s", "1", "USD/s") + figure("overhead_s", "2", "s")
PER_SECOND += figure("rate_hz", "9", "Hz") + figure("minimum_s", "1", "s")
EUROS = figure("shot_price", "1", "EUR/shot")
BAD_PRICES = [
    ("no price of a step", "metered", TIMES, ": give usd_per_step or usd_per_min", 26),
    ("two prices of a step", "metered", TIMES + STEP + MINUTE, ": give usd_per_step or usd_per_min", 26),
    ("step of no length", "metered", TIMES.replace('"1"', '"0"') + STEP, ".step_s.value: ", 28),
    ("no rate of euros", "per-task", EUROS, ": a price in EUR needs usd_per_eur", 26),
    (
        "a negative rate",
        "per-task",
        EUROS + figure("usd_per_eur", "-1", "USD/EUR"),
        ".usd_per_eur.value: ",
        29,
    ),
    ("gates without a minimum", "gate-shots", GATES, ".minimum: Field required", 26),
    ("forced from 0 shots", "gate-shots", GATES + MINIMA + FORCED, ".debiased_from.value: ", 32),
    ("credits without a base", "credits", HQC, ".base: Field required", 26),
    ("credits of another unit", "credits", HQC.replace("HQC", "QC"), ".usd_per_credit.unit: ", 28),
    ("seconds without a limit", "per-second", PER_SECOND, ".max_executions_per_job: Field required", 26),
    ("seconds at no rate", "per-second", PER_SECOND.replace('"9"', '"0"'), ".rate_hz.value: ", 30),
]


@pytest.mark.parametrize(
    ("kind", "price", "what", "line"), [case[1:] for case in BAD_PRICES], ids=[case[0] for case in BAD_PRICES]
)
def test_a_price_that_does_not_make_a_bill_is_refused(
    tmp_path: Path, kind: str, price: str, what: str, line: int
) -> None:
    error = refusal(sheet(tmp_path, GOOD.replace(SHOT_PRICE, f'kind = "{kind}"\n{price}')), "list")
    assert f"line {line}: devices.one.price{what}" in error.what


def test_a_price_by_time_needs_the_time(tmp_path: Path) -> None:
    text = GOOD.replace(SHOT_PRICE, f'kind = "metered"\n{STEP}{TIMES}')
    start, end = text.index("machine_time"), text.index("[devices.one.price]")
    error = refusal(sheet(tmp_path, text[:start] + text[end:]), "list")
    assert "line 16: devices.one: machine_time is needed for a metered price" in error.what


JUNK = [
    "3",
    "-0.5",
    "true",
    "''",
    "'own'",
    "2026-01-02",
    "[]",
    "[1]",
    "['one']",
    "{}",
    "{ source = 1 }",
    "{ kind = [] }",
]


@pytest.mark.parametrize("chosen", [None, "own"])
def test_whatever_stands_in_a_line_the_sheet_is_read_or_refused_with_a_place(
    tmp_path: Path, chosen: str | None
) -> None:
    lines = GOOD.splitlines()
    for number, line in enumerate(lines):
        name = re.match(r"\w+(?= = )", line)
        for other in (
            [f"{name[0]} = {junk}" for junk in JUNK] if name else ["[[other]]", "[other.one]", "other = 1"]
        ):
            path = sheet(tmp_path, "\n".join([*lines[:number], other, *lines[number + 1 :]]))
            try:
                read_sheets([path, path], {"acme": chosen} if chosen else None)
            except QcliError as error:
                assert error.where in (str(path), "--contract") and error.fix, other


def test_three_mistakes_are_told_at_once_and_the_others_counted(tmp_path: Path) -> None:
    error = refusal(sheet(tmp_path, GOOD.replace('basis = "published", ', "")))
    assert error.what.count("; ") == 2 and error.what.endswith("(and 2 more)")


@pytest.mark.parametrize(
    "content",
    [
        b"provider = ",
        b"\xff\xfe",
        b"a = 1\na = 2",
        b"<html>",
        b"a = 1e" + b"9" * 30,
        b"a = " + b"9" * 5000,
        b"a = " + b"[" * 5000,
    ],
    ids=["no value", "not UTF-8", "a key twice", "a web page", "too large", "too long", "too deep"],
)
def test_a_file_that_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = sheet(tmp_path, content)
    error = refusal(path)
    assert "not valid TOML" in error.what and error.where == str(path)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "devices = 3",
        "devices = []",
        'provider = "acme"\nsources = {}\ndevices = {}',
        "defaults = 1",
        "contracts = 3",
    ],
)
def test_a_sheet_without_devices_is_refused(tmp_path: Path, content: str) -> None:
    error = refusal(sheet(tmp_path, content))
    assert any(f"{key}: " in error.what for key in ("devices", "provider"))


@pytest.mark.parametrize("name", ["none.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    error = refusal(tmp_path / name)
    assert "cannot read" in error.what and error.where == str(tmp_path / name)


def test_no_bundled_sheet_is_a_broken_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qcli.price.sheet.bundled", lambda name: tmp_path)
    with pytest.raises(QcliError, match="no price sheets"):
        load_sheets()


# The line of a key

EVERY_STYLE = """\
# after `#:` the keys that the line holds, as much of them as is there
provider = "acme" #: provider
sources.page = { title = "[devices.one] full_name = 3", verified_on = 2026-01-02 } #: sources/page/title sources/page/x
"quoted".'key'.bare = 1 #: quoted/key/bare

[ defaults . price ] # spaces and a remark #: defaults
    kind= "per-task" #: defaults/price/kind
task_fee={value="0.30",source="page"} #: defaults/price/task_fee/value defaults/price/task_fee/x
text = ''' #: defaults/price/text
[devices.one]
full_name = "not a key"
'''

[devices.one] #: devices devices/one devices/one/x
"full_name" = "# no remark [x]" #: devices/one/full_name
shots.min = 1 #: devices/one/shots/min devices/one/shots/x
shots.max = 2 #: devices/one/shots/max
# price = 3
machine_time = [ # a remark with ] and " #: devices/one/machine_time devices/one/machine_time/9

  # what = "no key"
  { what = "a ] b", per_task_s = 1 }, #: devices/one/machine_time/0/what
  { per_task_s = 2, what = "c" }, #: devices/one/machine_time/1/what devices/one/machine_time/1/x
]
notes = [ "one", #: devices/one/notes/0
  "two", "three" ] #: devices/one/notes/1 devices/one/notes/2
nested = [ [1, #: devices/one/nested/0 devices/one/nested/1/0
  2], [3] ]
queue = { deep = [ #: devices/one/queue/deep/1
  1, 2] }
[devices."two.five"] #: devices/two.five devices/two.five/x
full_name = "Two and a half" #: devices/two.five/full_name
[[devices.three.machine_time]] #: devices/three devices/three/machine_time devices/three/machine_time/0
what = "first" #: devices/three/machine_time/0/what
[devices.three.machine_time.more] #: devices/three/machine_time/0/more
x = 1 #: devices/three/machine_time/0/more/x
[[devices.three.machine_time]] #: devices/three/machine_time/1
what = "second" #: devices/three/machine_time/1/what
[devices.one.price.shot_price] #: devices/one/price devices/one/price/x devices/one/price/shot_price
value = "0.1" #: devices/one/price/shot_price/value
[devices]
"""
HELD = [
    (tuple(int(part) if part.isdecimal() else part for part in key.split("/")), number)
    for number, line in enumerate(EVERY_STYLE.split("\n"), start=1)
    for key in line.partition("#: ")[2].split()
]


@pytest.mark.parametrize(("key", "line"), HELD, ids=["/".join(map(str, key)) for key, _ in HELD])
def test_a_key_is_found_on_the_line_that_holds_it(key: tuple[str | int, ...], line: int) -> None:
    tomllib.loads(EVERY_STYLE)
    assert line_of(EVERY_STYLE, key) == line


def test_a_key_that_nothing_leads_to_is_on_the_first_line() -> None:
    assert line_of(EVERY_STYLE, ("absent", "key")) == line_of("", ("a",)) == line_of("a = 1", ()) == 1


@given(
    text=st.lists(
        st.sampled_from([*EVERY_STYLE.splitlines(), "[", "]", '"', "a = 1", "[[a]]", "\x00", "\u2028"])
    ).map("\n".join),
    key=st.lists(st.one_of(st.integers(-2, 9), st.text(), st.sampled_from(["devices", "one", "price"]))).map(
        tuple
    ),
)
def test_any_text_and_key_have_a_line(text: str, key: tuple[str | int, ...]) -> None:
    assert 1 <= line_of(text, key) <= text.count("\n") + 1


@pytest.mark.parametrize("name", ["scaleway", "ionq", "azure"])
def test_every_line_of_a_bundled_sheet_is_found_by_its_key(name: str) -> None:
    text = (bundled("pricing") / f"{name}.toml").read_text()
    table: tuple[str, ...] = ()
    found = 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.fullmatch(r"\[([\w.-]+)\]", line):
            table = tuple(header[1].split("."))
        elif entry := re.match(r"[\w-]+(?= = )", line):
            assert line_of(text, (*table, entry[0])) == number
            found += 1
    assert found > 20


SHOT_PRICE_OF_NO_BASIS = """{ value = "1", unit = "USD/shot", source = "old" }"""


@pytest.mark.parametrize(
    ("style", "line"),
    [
        ("price.shot_price = {}", 26),
        ("price = {{ shot_price = {} }}", 26),
        ('  [ devices . \'one\' . "price" ]  # a remark\n\n  "shot_price"={}', 28),
        ("[devices.one.price.shot_price]\nunit = 'USD/shot'\nvalue = 1\nsource = 'page'", 26),
        (
            "price.shot_price.unit = 'USD/shot'\nprice.shot_price.value = 1\nprice.shot_price.source = 'old'",
            26,
        ),
    ],
    ids=["dotted", "inline", "quoted", "table", "apart"],
)
def test_a_figure_is_found_in_whatever_style_it_is_written(tmp_path: Path, style: str, line: int) -> None:
    text = GOOD.replace("[devices.one.price]\n" + SHOT_PRICE, style.format(SHOT_PRICE_OF_NO_BASIS) + "\n")
    assert refusal(sheet(tmp_path, text)).what == f"line {line}: {SHOT}.basis: Field required"


@pytest.mark.parametrize("change", [lambda text: text.replace("\n", "\r\n"), lambda text: "\ufeff" + text])
def test_line_ends_and_byte_order_marks_of_windows_change_nothing(tmp_path: Path, change: Change) -> None:
    assert one(tmp_path, change(GOOD)) == one(tmp_path, GOOD)
    error = refusal(sheet(tmp_path, change(GOOD.replace("0.00145", "cheap"))))
    assert f"line 27: {SHOT}.value: " in error.what


# One sheet laid over another

MINE = """\
provider = "acme"
[sources]
mine = { title = "our contract of 2026-10-01", verified_on = 2026-10-01 }
"""


def contract(name: str, value: str, unit: str) -> str:
    return f'{name} = {{ value = "{value}", unit = "{unit}", basis = "contract", source = "mine" }}\n'


def laid_over(folder: Path, text: str) -> dict[str, Terms]:
    mine = folder / "mine.toml"
    mine.write_text(MINE + text)
    return dict(read_sheets([sheet(folder, GOOD), mine]).devices)


def test_a_sheet_laid_over_changes_only_the_figure_that_it_holds(tmp_path: Path) -> None:
    before = one(tmp_path, GOOD)
    after = laid_over(tmp_path, "[devices.one.price]\n" + contract("shot_price", "0.001", "USD/shot"))[
        "acme/one"
    ]
    assert after.price == PerTask(Decimal("0.30"), Decimal("0.001"))
    assert (after.source, after.verified_on) == (
        "acme.example/prices; our contract of 2026-10-01",
        date(2026, 1, 2),
    )
    changed = {quote.key: quote.basis for quote in set(after.quotes) - set(before.quotes)}
    assert changed == {"price.shot_price": "contract"}
    own = ("price", "source", "verified_on", "basis", "quotes")
    assert replace(before, **{name: getattr(after, name) for name in own}) == after


def test_a_default_laid_over_reaches_every_device_but_not_their_own_figures(tmp_path: Path) -> None:
    text = contract("task_fee", "0.20", "USD/task") + contract("shot_price", "9", "USD/shot")
    price = laid_over(tmp_path, "[defaults.price]\n" + text)["acme/one"].price
    assert price == PerTask(Decimal("0.20"), Decimal("0.00145"))


def test_a_sheet_laid_over_adds_a_device_with_the_defaults_of_the_sheet_below(tmp_path: Path) -> None:
    two = '[devices.two]\nfull_name = "Two"\n'
    two += 'availability = { qubits = 5, status = "online", basis = "contract", source = "mine" }\n'
    found = laid_over(tmp_path, two + "[devices.two.price]\n" + contract("shot_price", "0.001", "USD/shot"))
    assert set(found) == {"acme/one", "acme/two"}
    assert found["acme/two"].price == PerTask(Decimal("0.30"), Decimal("0.001"))
    assert found["acme/one"] == one(tmp_path, GOOD)


PRICE = "[devices.one.price]\n"
FREE = contract("task_fee", "-1", "USD/task")
RULE = "{ what = 'x', per_task_s = 1, per_shot_s = 1, basis = 'assumed', source = 'mine' }"
BROKEN = [
    ("text for a number", PRICE + contract("shot_price", "cheap", "USD/shot"), f"{SHOT}.value", 5),
    ("a basis only below", f"{PRICE}shot_price = {SHOT_PRICE_OF_NO_BASIS}", f"{SHOT}.basis", 5),
    ("no such source", PRICE + SHOT_PRICE.replace("old", "mien"), f"{SHOT}.source", 5),
    ("another kind", PRICE + "kind = 'credits'", "devices.one.price.usd_per_credit", 4),
    ("unknown key", "[devices.one]\nshot = 3", "devices.one.shot", 5),
    ("unfinished device", "[devices.two]\nfull_name = 'Two'", "devices.two.availability", 4),
    ("misspelt device", "[devices.oen.price]", "devices.oen.full_name", 4),
    ("one rule", f"[devices.one]\nmachine_time = [\n{RULE}]", TIME, 5),
    ("half a rule", f"[devices.one]\nmachine_time = [\n{RULE},\n{{ what = 'x' }}]", f"{TIME}.1.basis", 7),
    ("a default", "[defaults.price]\n" + FREE, f"{FEE}.value", 5),
    ("a default of no table", "[defaults]\nrule_of_thumb = 3", "defaults.rule_of_thumb", 5),
    ("a contract", "[contracts.list.price]\n" + FREE, "contracts.list.price.task_fee.value", 5),
]


@pytest.mark.parametrize(
    ("text", "key", "line"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN]
)
def test_a_mistake_in_a_sheet_laid_over_is_told_of_that_file(
    tmp_path: Path, text: str, key: str, line: int
) -> None:
    with pytest.raises(QcliError) as caught:
        laid_over(tmp_path, text)
    assert caught.value.where == str(tmp_path / "mine.toml")
    assert f"line {line}: {key}: " in caught.value.what


def test_a_mistake_in_the_sheet_below_is_told_of_that_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(MINE + "[devices.one.price]\n" + contract("task_fee", "1", "USD/task"))
    below = sheet(tmp_path, GOOD.replace("0.00145", "cheap"))
    with pytest.raises(QcliError) as caught:
        read_sheets([below, mine])
    assert caught.value.where == str(below) and f"line 27: {SHOT}.value: " in caught.value.what


def test_reading_a_price_imports_no_numerical_library() -> None:
    code = (
        "import sys, qcli.price.sheet, qcli.price.plans; qcli.price.sheet.load_sheets(); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "numpy", "qiskit", "pennylane"} & set(done.stdout.split())
