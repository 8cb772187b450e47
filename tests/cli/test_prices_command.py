"""`qcli prices` as a user types it: what it shows, and Amazon Braket's price file fetched, compared and kept."""

import functools
import http.server
import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from qcli.files import bundled
from qcli.price.refresh import VARIABLE
from qcli.price.sheet import load_sheets, terms
from tests.cli.helpers import Result, qcli, snapshot
from tests.price.price_file import ROWS, price_file, qpu

DEARER = price_file(
    [
        *(fields for fields in ROWS if "Garnet" not in (fields.get("DeviceName"), fields.get("Device Name"))),
        *qpu("Garnet", "eu-north-1", "0.0015000000", "3100.0000000000"),
    ]
)
"""A price file in which Garnet's shots and reservations have become dearer."""
WRITTEN = Path("pricing") / "braket-price-file.toml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user who has no sheets yet."""
    folder = tmp_path / "home"
    monkeypatch.setenv("QCLI_HOME", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


@pytest.fixture(params=["http", "path"])
def dearer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of `DEARER`, on a server or on the disk, which `qcli prices refresh` will read."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    path = folder / "index.csv"
    path.write_text(DEARER)
    if request.param == "path":
        monkeypatch.setenv(VARIABLE, str(path))
        yield path.as_uri()
        return
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/index.csv"
        monkeypatch.setenv(VARIABLE, url)
        try:
            yield url
        finally:
            server.shutdown()
            thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass


def done(command: str) -> Result:
    result = qcli(command)
    assert result.code == 0, result.err
    return result


def document(command: str) -> Any:
    return json.loads(done(command).out)


def words(text: str) -> str:
    return " ".join(text.split())


# What it shows


@pytest.mark.parametrize("columns", ["40", "110", "300"])
def test_the_table_has_every_device_on_one_uncut_line(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = done("prices").out.splitlines()
    for name, device in load_sheets().devices.items():
        (line,) = [line for line in lines if f" {name} " in line]
        assert device.verified_on.isoformat() in line and f" {device.basis} " in line
        assert device.status in line and "…" not in line


@pytest.mark.parametrize(
    ("heading", "line"),
    [
        ("By task and shot", "braket/garnet online 0.30 0.00145 1–20,000 100 / 200,000"),
        ("By the second, in jobs", "ibm/fez online 1.60 2 3,900 1–100,000"),
        ("By execution time, a task at a time", "braket/sv1 online 0.00000125 0.001 3 1–100,000"),
        ("By gate and shot", "azure/ionq-aria-1 online 0.000220 0.000975 12.4166 97.50"),
        ("By credit (HQC)", "azure/quantinuum-h2 online 12.50 5"),
    ],
)
def test_each_way_of_billing_has_its_table(heading: str, line: str) -> None:
    assert line in words(done("prices").out.partition(heading)[2].partition("\nBy ")[0])


def test_vendors_without_a_public_price_are_listed_below() -> None:
    below = done("prices").out.partition("No public price")[2]
    for vendor in load_sheets().unknown:
        assert f"{vendor.name}: {vendor.what} (searched on {vendor.searched_on})" in below


@pytest.mark.parametrize("command", ["prices braket/garnet", "prices garnet", "prices show garnet"])
def test_one_device_shows_every_figure_with_its_source_and_remarks(command: str) -> None:
    out = done(command).out
    for quote in terms("braket/garnet").quotes:
        number = next(line for line in out.splitlines() if line.endswith(f": {quote.source}"))
        assert number.startswith("source ")
        row = f"{quote.key} {quote.value:,f} {quote.unit} {quote.basis} {quote.verified_on} {number[7]}"
        assert row in words(out)
        assert not quote.note or f"{quote.key}: {quote.note}" in out
    assert "emerald" not in out


def test_a_contract_is_shown_in_place_of_the_list_price() -> None:
    plain, premium = done("prices ibm/fez").out, done("prices ibm/fez --contract ibm=premium").out
    assert "price.usd_per_s 1.60 USD/s" in words(plain) and "contract: pay-as-you-go, of " in plain
    assert "price.usd_per_s 0.80 USD/s" in words(premium) and "contract: premium, of " in premium
    several = document("prices --json --contract ibm=flex --contract azure=premium")
    prices = {device["name"]: device["price"] for device in several["devices"]}
    assert prices["ibm/boston"]["usd_per_s"] == "1.20"
    assert prices["azure/quantinuum-h2"]["usd_per_credit"] == "10.30"


def test_a_device_that_the_contract_does_not_cover_keeps_the_first() -> None:
    out = done("prices ibm/fez --contract ibm=open").out
    assert "price.usd_per_s 1.60 USD/s" in words(out) and "contract: pay-as-you-go, of " in out


def test_json_has_money_as_strings_and_the_vendors_without_a_price() -> None:
    content = document("prices --json")
    devices = {device["name"]: device for device in content["devices"]}
    assert content["schema"] == "qcli.prices/1" and set(devices) == set(load_sheets().devices)
    assert devices["braket/garnet"]["price"] == {
        "kind": "per-task",
        "task_fee": "0.30",
        "shot_price": "0.00145",
    }
    assert devices["ibm/torino"]["retired_on"] == "2026-04-01"
    assert [vendor["name"] for vendor in content["unknown"]] == [v.name for v in load_sheets().unknown]
    (garnet,) = document("prices garnet --json")["devices"]
    assert garnet == devices["braket/garnet"]


ACME = """\
provider = "acme"
[sources]
page = {{ title = "acme.example [/prices] :boom:", verified_on = {day} }}
[devices.one]
full_name = "Acme [bold]One[/bold] [/]"
availability = {{ qubits = 5, status = "online", basis = "contract", source = "page", note = "[red]" }}
[devices.one.price]
kind = "credits"
usd_per_credit = {{ value = "2", unit = "USD/HQC", basis = "contract", source = "page", note = "[/red]" }}
base = {{ value = "5", unit = "HQC/circuit", basis = "contract", source = "page" }}
[unknown.else]
full_name = "Else [/]"
what = "no [/] price"
searched_on = 2026-01-02
"""


def acme(folder: Path, age_days: int = 0) -> Path:
    path = folder / "acme.toml"
    path.write_text(ACME.format(day=date.today() - timedelta(days=age_days)))
    return path


def test_a_sheet_of_one_s_own_is_shown_as_it_is_written(tmp_path: Path) -> None:
    path = acme(tmp_path)
    one, everything = done(f"prices acme/one --prices {path}").out, done(f"prices --prices {path}").out
    assert "Acme [bold]One[/bold] [/]" in one and "acme.example [/prices] :boom:" in one
    assert "price.usd_per_credit: [/red]" in one
    assert " acme/one " in everything and "Else [/]: no [/] price" in everything


def test_a_bill_on_a_figure_of_more_than_90_days_is_warned_of_on_stderr(tmp_path: Path) -> None:
    assert done(f"prices acme/one --prices {acme(tmp_path, 90)}").err.strip() == ""
    old = done(f"prices acme/one --prices {acme(tmp_path, 91)}")
    day = date.today() - timedelta(days=91)
    assert (
        f"warning: 1 of 1 bills rest on a figure last verified more than 90 days ago, the oldest on {day}"
        in old.err
    )
    assert "warning" not in old.out
    assert json.loads(done(f"prices acme/one --json --prices {acme(tmp_path, 91)}").out)


def test_help_names_both_commands_and_all_options() -> None:
    assert all(f"  {name} " in done("prices --help").out for name in ("show", "refresh"))
    shown, refreshed = done("prices show -h").out, done("prices refresh -h").out
    assert all(option in shown for option in ("--contract", "--prices", "--json"))
    assert all(option in refreshed for option in ("--yes", "--dry-run", "--json", VARIABLE))


@pytest.mark.parametrize(
    ("command", "what", "fix"),
    [
        ("prices braket/garnt", "no price for device 'braket/garnt'", "braket/garnet"),
        ("prices refrehs", "no price for device 'refrehs'", "choose one of"),
        ("prices --contract ibm=platinum", "no contract 'platinum'", "premium"),
        ("prices --contract braket=gold", "no contract 'gold'", "leave --contract out"),
        ("prices --contract imb=flex", "no price sheet for 'imb'", "ibm"),
        ("prices --contract flex", "--contract takes key=value", "ibm=flex"),
        ("prices --prices none.toml", "cannot read the price sheet", "docs/pricing.md"),
    ],
)
def test_a_wrong_name_is_a_user_error_with_a_way_out(command: str, what: str, fix: str) -> None:
    result = qcli(command)
    assert (result.code, result.out) == (2, "")
    assert what in result.what and fix in result.err.partition("fix: ")[2]


def test_a_mistake_in_one_s_own_sheet_is_a_user_error_naming_file_and_line(home: Path) -> None:
    path = home / "pricing" / "mine.toml"
    path.parent.mkdir(parents=True)
    path.write_text('provider = "braket"\n[devices.garnet]\nshot = 1\n')
    result = qcli("prices garnet")
    assert result.code == 2 and result.what.startswith("error: line 3: devices.garnet.shot: ")
    assert f"where: {path}" in result.err


def test_no_numerical_library_is_loaded() -> None:
    program = "import sys; from qcli.cli.main import app; app(['prices'], standalone_mode=False); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "braket/garnet" in found.stdout
    modules = set(found.stdout.splitlines()[-1].split())
    assert not {"torch", "numpy", "scipy", "pandas", "sklearn", "qiskit", "pennylane"} & modules


# The price file


def answered(monkeypatch: pytest.MonkeyPatch, home: Path, line: str) -> tuple[Result, str, bool]:
    """Refresh and answer `line`: the result, what stood on stdout when it was asked, whether a file was there."""
    seen: list[tuple[str, bool]] = []

    class Person(io.StringIO):
        def readline(self, *_: Any) -> str:
            assert isinstance(sys.stdout, io.StringIO)
            seen.append((sys.stdout.getvalue(), home.exists()))
            return line

    monkeypatch.setattr(sys, "stdin", Person())
    result = qcli("prices refresh")
    ((shown, written),) = seen
    return result, shown, written


def shows_the_difference(out: str) -> bool:
    rows = (
        "braket/garnet shot_price 0.00145 0.0015 USD/shot",
        "braket/garnet reservation 3000 3100 USD/h",
    )
    return "2026-09-11" in out and all(row in words(out) for row in rows) and "emerald" not in out


def garnet() -> dict[str, Any]:
    (device,) = document("prices garnet --json")["devices"]
    assert isinstance(device, dict)
    return device


def test_a_dry_run_shows_the_difference_and_writes_nothing(dearer: str, home: Path) -> None:
    result = done("prices refresh --dry-run")
    assert shows_the_difference(result.out) and "nothing was written" in result.err
    assert "offered, but not in qcli's sheets: braket/lucy, braket/tn1" in result.err
    assert not home.exists()


def test_yes_writes_to_the_user_s_folder_only_and_the_new_price_is_shown(dearer: str, home: Path) -> None:
    before = snapshot(bundled("pricing"))
    result = done("prices refresh --yes")
    assert shows_the_difference(result.out) and f"written: {home / WRITTEN}" in words(result.err)
    assert set(snapshot(home)) == {"pricing", str(WRITTEN)} and snapshot(bundled("pricing")) == before
    device = garnet()
    assert (device["price"]["shot_price"], device["reservation"]) == ("0.0015", "3100")
    assert (device["verified_on"], device["basis"]) == (date.today().isoformat(), "published")
    assert "braket/garnet online 0.3 0.0015" in words(done("prices").out)
    (source,) = {quote["source"] for quote in device["quotes"] if quote["key"].startswith("price.")}
    assert source == f"Amazon Braket price file {dearer}, publication 2026-09-11"


def test_a_second_refresh_finds_no_difference_and_deleting_the_file_undoes_both(
    dearer: str, home: Path
) -> None:
    done("prices refresh --yes")
    assert "nothing has changed" in done("prices refresh --yes").out
    (home / WRITTEN).unlink()
    assert garnet()["price"]["shot_price"] == "0.00145"


@pytest.mark.parametrize("answer", ["y\n", "yes\n"])
def test_after_a_yes_the_prices_are_kept(
    dearer: str, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    result, shown, written = answered(monkeypatch, home, answer)
    assert shows_the_difference(shown) and not written
    assert result.code == 0 and "keep these prices? [y/N]" in result.err
    assert (home / WRITTEN).is_file() and garnet()["price"]["shot_price"] == "0.0015"


@pytest.mark.parametrize(
    ("answer", "code"), [("n\n", 0), ("\n", 0), ("", 1)], ids=["no", "enter", "end of input"]
)
def test_without_a_yes_nothing_is_written(
    dearer: str, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    result, shown, _ = answered(monkeypatch, home, answer)
    assert result.code == code and shows_the_difference(shown) and not home.exists()
    assert garnet()["price"]["shot_price"] == "0.00145"


def test_json_lists_the_changes_and_writes_only_with_yes(dearer: str, home: Path) -> None:
    result = done("prices refresh --json")
    content = json.loads(result.out)
    assert (content["schema"], content["url"]) == ("qcli.price-refresh/1", dearer)
    assert content["published_on"] == "2026-09-11"
    assert content["changes"] == [
        {
            "device": "braket/garnet",
            "figure": "shot_price",
            "before": "0.00145",
            "after": "0.0015",
            "unit": "USD/shot",
        },
        {
            "device": "braket/garnet",
            "figure": "reservation",
            "before": "3000",
            "after": "3100",
            "unit": "USD/h",
        },
    ]
    assert content["offered_without_record"] == ["braket/lucy", "braket/tn1"] and content["not_offered"] == []
    assert "add --yes" in result.err and not home.exists()
    assert json.loads(done("prices refresh --json --yes").out) == content
    assert (home / WRITTEN).is_file()


def test_without_a_network_the_refresh_fails_and_writes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/index.csv"
    monkeypatch.setenv(VARIABLE, url)
    result = qcli("prices refresh --yes")
    assert (result.code, result.out) == (1, "") and "cannot fetch the price file" in result.what
    assert f"where: {url}" in result.err and "check the network" in result.err.partition("fix: ")[2]
    assert not home.exists()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "cannot fetch the price file"),
        ("<html>Service unavailable</html>", "not a price file"),
        (DEARER[: len(DEARER) // 2], "the price file is damaged"),
        (DEARER.replace('"0.0015000000"', '"-1"'), "not a number of at least 0"),
    ],
    ids=["missing", "a web page", "half", "a negative price"],
)
def test_a_price_file_that_is_not_whole_and_right_is_refused(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, what: str
) -> None:
    path = tmp_path / "index.csv"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(VARIABLE, str(path))
    result = qcli("prices refresh --yes")
    assert (result.code, result.out) == (2, "") and what in result.what
    assert path.as_uri() in result.err.partition("where: ")[2] and "fix: " in result.err
    assert not home.exists()


def test_a_contract_of_one_s_own_survives_a_refresh(dearer: str, home: Path) -> None:
    own = home / "pricing" / "aws.toml"
    own.parent.mkdir(parents=True)
    own.write_text(
        'provider = "braket"\n[sources]\nmine = { title = "our contract", verified_on = 2026-10-01 }\n'
        "[devices.garnet.price]\n"
        'shot_price = { value = "0.001", unit = "USD/shot", basis = "contract", source = "mine" }\n'
    )
    done("prices refresh --yes")
    assert garnet()["price"]["shot_price"] == "0.001"
    assert garnet()["reservation"] == "3100"
