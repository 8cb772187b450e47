"""AWS's price file: read from a real server or a file, checked line by line, and turned into a sheet."""

import http.server
import socket
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.price import refresh
from qcli.price.refresh import (
    DEFAULT_URL,
    VARIABLE,
    Change,
    Offer,
    PriceFile,
    changes,
    fetch,
    missing_devices,
    overlay,
    parse,
    source_url,
    unknown_devices,
    write_overlay,
)
from tests.price.price_file import HEADER, ROWS, price_file, qpu, row, simulator

URL = "https://example.org/index.csv"
KNOWN = {
    "braket/garnet": {
        "task_fee": Decimal("0.30"),
        "shot_price": Decimal("0.00145"),
        "reservation": Decimal("3000"),
    },
    "braket/ibex-q1": {
        "task_fee": Decimal("0.30"),
        "shot_price": Decimal("0.0235"),
        "reservation": Decimal(4800),
    },
    "braket/sv1": {"simulator": Decimal("0.075")},
}


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(VARIABLE, raising=False)


@contextmanager
def served(content: str, length: int | None = None, pause_s: float = 0) -> Iterator[str]:
    """The address of a server that answers /index.csv with `content` in four parts, `pause_s` apart; else 404."""
    body = content.encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/index.csv":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(length or len(body)))
            self.end_headers()
            for part in range(4):
                time.sleep(pause_s)
                self.wfile.write(body[part * len(body) // 4 : (part + 1) * len(body) // 4])

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/index.csv"
        finally:
            server.shutdown()
            thread.join()


def figures(file: PriceFile, device: str) -> dict[str, Decimal]:
    return {offer.figure: offer.usd for offer in file.offers if offer.device == device}


def refused(text: str) -> QcliError:
    with pytest.raises(QcliError) as caught:
        parse(text, URL)
    assert caught.value.exit_code == 2 and URL in caught.value.where and caught.value.fix
    return caught.value


def test_a_file_served_over_http_is_read_whole() -> None:
    with served(price_file()) as url:
        assert fetch(url) == price_file()


def test_a_path_and_a_file_url_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "my prices.csv"
    path.write_text(price_file(), encoding="utf-8-sig")
    assert fetch(str(path)) == fetch(path.as_uri()) == price_file()


def test_the_variable_stands_before_the_default_and_the_argument_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert source_url() == DEFAULT_URL
    monkeypatch.setenv(VARIABLE, "https://mirror.example/index.csv")
    assert source_url() == "https://mirror.example/index.csv"
    assert source_url("/prices/index.csv") == "file:///prices/index.csv"


def test_a_page_that_is_not_there_is_a_failure_that_names_the_address() -> None:
    with served(price_file()) as url, pytest.raises(QcliError, match="404") as caught:
        fetch(url.replace("index.csv", "gone.csv"))
    assert caught.value.exit_code == 1 and "gone.csv" in caught.value.where


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/index.csv"
        with pytest.raises(QcliError, match="timed out") as caught:
            fetch(url, timeout_s=0.5)
    assert caught.value.exit_code == 1 and caught.value.where == url


def test_a_download_that_takes_too_long_as_a_whole_is_given_up() -> None:
    with served(price_file(), pause_s=0.1) as url, pytest.raises(QcliError, match="timed out"):
        fetch(url, timeout_s=0.25)


def test_nobody_listening_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(QcliError, match="refused") as caught:
        fetch(f"http://127.0.0.1:{port}/index.csv")
    assert caught.value.exit_code == 1


def test_a_download_cut_short_is_a_failure() -> None:
    with served(price_file(), length=10**6) as url, pytest.raises(QcliError, match="of 1000000 bytes"):
        fetch(url)


def test_a_file_beyond_the_size_limit_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh, "MAX_BYTES", 2**20)
    with served("x" * 2**21) as url, pytest.raises(QcliError, match="larger than 1 MiB"):
        fetch(url)


@pytest.mark.parametrize("url", ["ftp://example.org/index.csv", "http://", "missing.csv", "/"])
def test_an_address_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(QcliError, match="cannot fetch"):
        fetch(url)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.csv"
    path.write_bytes(b"\x1f\x8b\x08\x00\xff")
    with pytest.raises(QcliError, match="not UTF-8"):
        fetch(str(path))


def test_every_device_has_its_figures_under_aws_s_names() -> None:
    file = parse(price_file(), URL)
    assert file.published_on == date(2026, 9, 11) and file.url == URL
    assert figures(file, "Garnet") == {
        "task_fee": Decimal("0.3"),
        "shot_price": Decimal("0.00145"),
        "reservation": Decimal(3000),
    }
    assert (
        Offer("Cepheus-1-108Q", "us-west-1", "shot_price", Decimal("0.000425"), "quantum-shot") in file.offers
    )
    assert figures(file, "SV1") == {"simulator": Decimal("0.075")}
    assert {offer.region for offer in file.offers if offer.device == "SV1"} == {
        "eu-west-2",
        "us-east-1",
        "us-west-1",
        "us-west-2",
    }


def test_prices_of_hybrid_jobs_and_failed_tasks_are_ignored() -> None:
    jobs = [
        fields
        for fields in ROWS
        if "Managed" in fields["Product Family"] or fields.get("operation") == "FailedTask"
    ]
    assert jobs and "no price" in refused(price_file(jobs)).what
    assert parse(price_file([*jobs, *ROWS]), URL).offers == parse(price_file(), URL).offers


def test_a_web_page_is_not_a_price_file() -> None:
    assert (
        "not a price file" in refused("<!DOCTYPE html>\n<html><body>Service unavailable</body></html>").what
    )


def test_the_file_of_another_service_is_not_taken() -> None:
    assert "not a price file" in refused(price_file().replace('"AmazonBraket"\n', '"AmazonEC2"\n', 1)).what


def test_an_empty_file_is_not_a_price_file() -> None:
    assert "not a price file" in refused("").what


def test_a_header_that_lacks_a_column_is_refused_and_the_column_named() -> None:
    short = [column for column in HEADER if column not in ("PricePerUnit", "Region Code")]
    assert "lacks PricePerUnit, Region Code" in refused(price_file(header=short)).what


def test_a_file_without_a_publication_date_is_refused() -> None:
    assert "Publication Date" in refused(price_file(published="soon")).what


def test_a_file_cut_off_anywhere_is_refused_or_holds_only_true_prices() -> None:
    text = price_file(
        [*qpu("Garnet", "eu-north-1", "0.00145", "3000"), *simulator("SV1", "us-east-1", "0.075")[:1]]
    )
    whole = parse(text, URL).offers
    held = set()
    for length in range(len(text)):
        try:
            offers = parse(text[:length], URL).offers
        except QcliError:
            continue
        assert offers == whole[: len(offers)]
        held.add(len(offers))
    assert held == {1, 2, 3, 4}


def test_rows_that_name_no_device_are_left_out() -> None:
    nameless = [
        row("Quantum Reservation", "us-east-1", "9", "hours"),
        row("Quantum Task", "us-east-1", "9", "task"),
    ]
    assert parse(price_file([*ROWS, *nameless]), URL) == parse(price_file(), URL)


def test_another_currency_is_refused() -> None:
    euros = row("Quantum Task", "eu-north-1", "0.28", "quantum-task", DeviceName="Garnet", Currency="EUR")
    error = refused(price_file([euros]))
    assert "Garnet" in error.what and "EUR" in error.what and "line 7" in error.where


@pytest.mark.parametrize("price", ["-0.3", "", "free", "NaN", "Infinity", "1_0", "0,3", "1e999"])
def test_a_price_that_is_no_number_of_at_least_zero_is_refused(price: str) -> None:
    assert repr(price) in refused(price_file(qpu("Garnet", "eu-north-1", price, "3000"))).what


def test_an_exponent_is_a_number() -> None:
    assert figures(parse(price_file(qpu("Garnet", "eu-north-1", "1.45E-3", "3e3")), URL), "Garnet") == {
        "task_fee": Decimal("0.3"),
        "shot_price": Decimal("0.00145"),
        "reservation": Decimal(3000),
    }


@pytest.mark.parametrize("unit", ["seconds", "hours", ""])
def test_a_simulator_not_priced_by_the_minute_is_refused(unit: str) -> None:
    hourly = row("Simulator Task", "us-east-1", "4.5", unit, Version="SV1", operation="CompleteTask")
    assert "USD/min" in refused(price_file([hourly])).what


def test_the_same_price_twice_is_fine() -> None:
    assert parse(price_file([*ROWS, *ROWS]), URL) == parse(price_file(), URL)


def test_two_prices_for_one_figure_in_one_region_are_refused() -> None:
    more = row("Quantum Task-Shot", "eu-north-1", "0.00150", "quantum-shot", DeviceName="Garnet")
    what = refused(price_file([*ROWS, more])).what
    assert "Garnet in eu-north-1" in what and "0.00145" in what and "0.0015" in what


def test_sheets_that_agree_with_the_file_have_no_changes() -> None:
    assert changes(parse(price_file(), URL), KNOWN) == ()


def test_a_changed_and_a_new_figure_are_reported_with_what_was_before() -> None:
    known = {
        "braket/garnet": {
            "task_fee": Decimal("0.30"),
            "shot_price": Decimal("0.001"),
            "reservation": Decimal(3000),
        },
        "braket/sv1": {},
    }
    assert changes(parse(price_file(), URL), known) == (
        Change("braket/garnet", "shot_price", Decimal("0.001"), Decimal("0.00145"), "USD/shot"),
        Change("braket/sv1", "simulator", None, Decimal("0.075"), "USD/min"),
    )


def test_where_regions_differ_the_dearest_counts_and_the_sheet_says_so() -> None:
    rows = [*simulator("SV1", "us-east-1", "0.075"), *simulator("SV1", "eu-west-2", "0.080")]
    file = parse(price_file(rows), URL)
    (change,) = changes(file, KNOWN)
    assert change.after == Decimal("0.08")
    price = tomllib.loads(overlay(file, KNOWN))["devices"]["sv1"]["price"]["usd_per_min"]
    assert price["value"] == "0.08" and price["note"] == "dearest of us-east-1 0.075, eu-west-2 0.08"


def test_devices_only_on_one_side_are_listed() -> None:
    file = parse(price_file(), URL)
    known = {**KNOWN, "braket/novel-1": {}, "ibm/fez": {}}
    assert missing_devices(file, known) == ("braket/novel-1",)
    unknown = unknown_devices(file, known)
    assert {"braket/lucy", "braket/ankaa-3", "braket/tn1"} <= set(unknown)
    assert not set(unknown) & set(known)


def test_the_overlay_has_every_figure_of_the_known_devices_with_source_and_date() -> None:
    source = "price-file-2026-09-11"
    content = tomllib.loads(overlay(parse(price_file(), URL), KNOWN))
    assert content["provider"] == "braket"
    assert content["sources"] == {
        source: {
            "title": f"Amazon Braket price file {URL}, publication 2026-09-11",
            "verified_on": date(2026, 9, 11),
        }
    }
    cited = {"basis": "published", "source": source}
    assert content["devices"]["garnet"] == {
        "reservation": {"value": "3000", "unit": "USD/h", **cited},
        "price": {
            "task_fee": {"value": "0.3", "unit": "USD/task", **cited},
            "shot_price": {"value": "0.00145", "unit": "USD/shot", **cited},
        },
    }
    assert content["devices"]["sv1"] == {
        "price": {"usd_per_min": {"value": "0.075", "unit": "USD/min", **cited}}
    }
    assert set(content["devices"]) == {"garnet", "ibex-q1", "sv1"}


def test_the_overlay_is_dated_when_the_file_was_read_if_that_is_known() -> None:
    content = tomllib.loads(overlay(parse(price_file(), URL), KNOWN, verified_on=date(2026, 11, 21)))
    assert content["sources"]["price-file-2026-09-11"]["verified_on"] == date(2026, 11, 21)


@given(
    usd=st.decimals(0, 10**6, allow_nan=False, places=10),
    path=st.text(),
    device=st.from_regex(r"[A-Za-z][A-Za-z0-9 .\"\\-]{0,20}", fullmatch=True),
)
def test_any_price_name_and_address_make_a_sheet_that_reads_back_exactly(
    usd: Decimal, path: str, device: str
) -> None:
    file = parse(price_file(qpu(device, "us-east-1", f"{usd:f}", "1")), f"file:///{path}")
    key = device.lower()
    content = tomllib.loads(overlay(file, {f"braket/{key}": {}}))
    assert Decimal(content["devices"][key]["price"]["shot_price"]["value"]) == usd


def test_the_overlay_is_kept_in_the_user_s_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "mine"))
    text = overlay(parse(price_file(), URL), KNOWN)
    path = write_overlay(text)
    assert path == tmp_path / "mine" / "pricing" / "braket-price-file.toml" and path.read_text() == text


def test_the_braket_sdk_finds_the_same_prices_in_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    from braket.tracking.pricing import Pricing

    with served(price_file()) as url:
        monkeypatch.setenv(VARIABLE, url)
        sdk = Pricing()
        sdk.get_prices()
        ours = parse(fetch(), url)
    for offer in ours.offers:
        if offer.figure == "reservation":
            continue
        family = {
            "task_fee": "Quantum Task",
            "shot_price": "Quantum Task-Shot",
            "simulator": "Simulator Task",
        }
        names = (
            {"Version": offer.device, "operation": "CompleteTask"}
            if offer.figure == "simulator"
            else {"DeviceName": offer.device}
        )
        keys = {"Region Code": offer.region, "Product Family": family[offer.figure], **names}
        (match,) = sdk.price_search(**keys)
        assert Decimal(match["PricePerUnit"]) == offer.usd and match["Currency"] == "USD"
