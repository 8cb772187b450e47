"""AWS's public price file of Amazon Braket: fetched, checked, compared with the sheets, and laid over them.

Rows are named as the Braket SDK's cost tracker looks them up (braket/tracking/tracker.py of amazon-braket-sdk 1.127.5).
"""

import csv
import io
import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

from qcli.errors import QcliError
from qcli.files import user_folder, write_atomic

DEFAULT_URL = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/AmazonBraket/current/index.csv"
VARIABLE = "BRAKET_PRICE_OFFERS_URL"
MAX_BYTES = 50 * 2**20

REFRESHED = "braket-price-file.toml"
"""In the user's folder: list prices, so any other sheet of the user beats them."""
FigureName = Literal["task_fee", "shot_price", "reservation", "simulator"]
Known = Mapping[str, Mapping[str, Decimal]]
"""Device such as "braket/garnet" -> figure -> value in the unit of `UNITS`."""
UNITS: dict[FigureName, str] = {
    "task_fee": "USD/task",
    "shot_price": "USD/shot",
    "reservation": "USD/h",
    "simulator": "USD/min",
}

_METADATA_LINES = 5
_COLUMNS = {
    "Region Code",
    "Product Family",
    "DeviceName",
    "Version",
    "operation",
    "PricePerUnit",
    "Currency",
    "Unit",
}
_FAMILIES: dict[str, FigureName] = {
    "Quantum Task": "task_fee",
    "Quantum Task-Shot": "shot_price",
    "Quantum Reservation": "reservation",
    "Simulator Task": "simulator",
}
_TIME_UNITS: dict[FigureName, str] = {"reservation": r"h(ou)?rs?", "simulator": r"min(ute)?s?"}
_NUMBER = re.compile(r"\d+(\.\d+)?([eE][+-]?\d{1,2})?", re.ASCII)
_FIX = "try again later, or point BRAKET_PRICE_OFFERS_URL to a good copy"


@dataclass(frozen=True)
class Offer:
    """One row that matters; `device` and `unit` as AWS spells them."""

    device: str
    region: str
    figure: FigureName
    usd: Decimal
    unit: str


@dataclass(frozen=True)
class PriceFile:
    """The on-demand and reservation prices of one publication."""

    published_on: date
    url: str
    offers: tuple[Offer, ...]


@dataclass(frozen=True)
class Change:
    """A figure of a known device that the file has otherwise; `before` is None where we had none."""

    device: str
    figure: FigureName
    before: Decimal | None
    after: Decimal
    unit: str


def source_url(url: str | None = None) -> str:
    """`url`, else $BRAKET_PRICE_OFFERS_URL, else AWS's own; a plain path becomes a file:// URL."""
    chosen = url or os.environ.get(VARIABLE) or DEFAULT_URL
    return chosen if "://" in chosen else Path(chosen).expanduser().absolute().as_uri()


def fetch(url: str | None = None, timeout_s: float = 30) -> str:
    """The text at `source_url(url)`. `timeout_s` is for each answer of the server, and for the whole download.

    Raises:
        QcliError: not reachable, no such file, too slow, cut short, larger than MAX_BYTES, or not UTF-8.
    """
    address = source_url(url)
    scheme = address.partition("://")[0].lower()
    if scheme not in ("http", "https", "file"):
        raise QcliError(
            f"cannot fetch a price file by {scheme!r}", address, "give http, https, file or a path"
        )
    try:
        with urlopen(address, timeout=timeout_s) as response:
            content = _read(response, time.monotonic() + timeout_s)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, HTTPError):
            error.close()
        reason = error.reason if type(error) is URLError else error
        fix = "check the path" if scheme == "file" else f"check the network and ${VARIABLE}, then try again"
        code = 2 if scheme == "file" else 1
        raise QcliError(f"cannot fetch the price file: {reason}", address, fix, exit_code=code) from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise QcliError("not a price file: not UTF-8 text", address, _FIX) from None


def _read(response: Any, deadline: float) -> bytes:
    content = bytearray()
    while chunk := response.read1(2**16):
        content += chunk
        if len(content) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES // 2**20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError("timed out")
    length = response.headers.get("Content-Length")
    if length is not None and len(content) < int(length):
        raise ValueError(f"the connection ended after {len(content)} of {length} bytes")
    return bytes(content)


def parse(text: str, url: str) -> PriceFile:
    """Read the CSV: five lines of metadata, the header, one price a line. Rows that name no device are left out.

    Raises:
        QcliError: not Braket's price file, cut short, another currency or unit, a price that is no number or
            negative, or two prices for one figure of a device in a region.
    """
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise QcliError(f"the price file is damaged: {error}", url, _FIX) from None
    metadata = {line[0]: line[1] for line in lines[:_METADATA_LINES] if len(line) > 1}
    if metadata.get("OfferCode") != "AmazonBraket":
        raise QcliError("not a price file of Amazon Braket: no such OfferCode in its first lines", url, _FIX)
    try:
        published_on = date.fromisoformat(metadata.get("Publication Date", "")[:10])
    except ValueError:
        raise QcliError("the price file has no valid Publication Date", url, _FIX) from None
    header = lines[_METADATA_LINES] if len(lines) > _METADATA_LINES else []
    if missing := sorted(_COLUMNS.difference(header)):
        raise QcliError(f"the price file's header lacks {', '.join(missing)}", url, _FIX)
    offers: dict[tuple[str, str, str], Offer] = {}
    for number, line in enumerate(lines[_METADATA_LINES + 1 :], start=_METADATA_LINES + 2):
        where = f"{url}, line {number}"
        if line and len(line) != len(header):
            raise QcliError(f"cut short: {len(line)} of {len(header)} fields", where, _FIX)
        offer = _offer(dict(zip(header, line, strict=True)), where) if line else None
        if offer is None:
            continue
        first = offers.setdefault((offer.device.lower(), offer.region, offer.figure), offer)
        if first.usd != offer.usd:
            what = f"{offer.device} in {offer.region} has two prices as {offer.figure}: {first.usd} and {offer.usd}"
            raise QcliError(what, where, _FIX)
    if not offers:
        raise QcliError("the price file has no price of a QPU or simulator", url, _FIX)
    return PriceFile(published_on, url, tuple(offers.values()))


def _offer(row: Mapping[str, str], where: str) -> Offer | None:
    figure = _FAMILIES.get(row["Product Family"])
    if figure is None or (figure == "simulator" and row["operation"] != "CompleteTask"):
        return None
    device = row["Version"] if figure == "simulator" else row["DeviceName"] or row.get("Device Name", "")
    if not device:
        return None
    price, currency, unit = row["PricePerUnit"], row["Currency"], row["Unit"]
    if currency != "USD":
        raise QcliError(f"{device}: the currency is {currency!r}, not USD", where, _FIX)
    if figure in _TIME_UNITS and not re.fullmatch(_TIME_UNITS[figure], unit, re.IGNORECASE):
        raise QcliError(f"{device}: unknown unit {unit!r}, expected {UNITS[figure]}", where, _FIX)
    if not _NUMBER.fullmatch(price):
        raise QcliError(f"{device}: the price {price!r} is not a number of at least 0", where, _FIX)
    return Offer(device, row["Region Code"], figure, _shortest(Decimal(price)), unit)


def _shortest(value: Decimal) -> Decimal:
    """The same number without trailing zeros or exponent: 0.3000000000 -> 0.3, 3000.0 -> 3000."""
    whole, _, fraction = f"{value:f}".partition(".")
    return Decimal(f"{whole}.{fraction.rstrip('0')}".rstrip("."))


def _prices(file: PriceFile) -> dict[str, dict[FigureName, tuple[Decimal, str]]]:
    """Device -> figure -> USD and a note; where regions differ, the dearest counts and the note says so."""
    groups: dict[tuple[str, FigureName], list[Offer]] = {}
    for offer in file.offers:
        groups.setdefault((f"braket/{offer.device.lower()}", offer.figure), []).append(offer)
    prices: dict[str, dict[FigureName, tuple[Decimal, str]]] = {}
    for device, figure in sorted(groups, key=lambda group: (group[0], list(UNITS).index(group[1]))):
        same = groups[device, figure]
        differ = len({offer.usd for offer in same}) > 1
        note = "dearest of " + ", ".join(f"{offer.region} {offer.usd}" for offer in same) if differ else ""
        prices.setdefault(device, {})[figure] = (max(offer.usd for offer in same), note)
    return prices


def changes(file: PriceFile, known: Known) -> tuple[Change, ...]:
    """Every figure of a known device that the file has otherwise; where regions differ, the dearest counts."""
    return tuple(
        Change(device, figure, known[device].get(figure), usd, UNITS[figure])
        for device, figures in _prices(file).items()
        if device in known
        for figure, (usd, _) in figures.items()
        if known[device].get(figure) != usd
    )


def unknown_devices(file: PriceFile, known: Known) -> tuple[str, ...]:
    """Offered, but without a record. Retired ones stay in the file: presence is no proof that a device exists."""
    return tuple(device for device in _prices(file) if device not in known)


def missing_devices(file: PriceFile, known: Known) -> tuple[str, ...]:
    """Devices of Amazon Braket in our sheets, but not in the file."""
    offered = _prices(file)
    return tuple(sorted(name for name in known if name.startswith("braket/") and name not in offered))


def overlay(file: PriceFile, known: Known, verified_on: date | None = None) -> str:
    """A sheet to lay over pricing/braket.toml: all figures that the file has of known devices (docs/pricing.md).

    `verified_on` is the day the file was read at AWS, by default that of its publication.
    """
    source = f"price-file-{file.published_on}"
    url = quote(file.url, safe=":/?&=%")
    title = json.dumps(f"Amazon Braket price file {url}, publication {file.published_on}")
    parts = [
        'provider = "braket"',
        f"[sources]\n{source} = {{ title = {title}, verified_on = {verified_on or file.published_on} }}",
    ]
    for device, figures in _prices(file).items():
        if device not in known:
            continue
        name = json.dumps(device.removeprefix("braket/"))
        entries = {figure: _entry(figure, usd, note, source) for figure, (usd, note) in figures.items()}
        if own := entries.pop("reservation", None):
            parts.append(f"[devices.{name}]\n{own}")
        if entries:
            parts.append("\n".join([f"[devices.{name}.price]", *entries.values()]))
    return "\n\n".join(parts) + "\n"


def _entry(figure: FigureName, usd: Decimal, note: str, source: str) -> str:
    fields = {"value": str(usd), "unit": UNITS[figure], "basis": "published", "source": source, "note": note}
    table = ", ".join(f"{key} = {json.dumps(text)}" for key, text in fields.items() if text)
    return f"{'usd_per_min' if figure == 'simulator' else figure} = {{ {table} }}"


def write_overlay(text: str) -> Path:
    """Keep `text` as the user's own prices of Amazon Braket; returns the path."""
    path = user_folder() / "pricing" / REFRESHED
    write_atomic(path, text)
    return path
