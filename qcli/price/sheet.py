"""Reading price sheets: one provider per TOML file in `pricing/`, the user's own laid over them."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qcli.errors import QcliError
from qcli.files import bundled, nearest, user_folder
from qcli.price.assemble import terms_of
from qcli.price.places import NOT_TOML, File, Key, line_of, origin
from qcli.price.refresh import REFRESHED
from qcli.price.schema import Sheet, cited
from qcli.price.tariff import KINDS, Terms, Unknown

_FIX = "correct the sheet; docs/pricing.md describes the format"
IN_PRICE_FILE = {
    "price.task_fee": "task_fee",
    "price.shot_price": "shot_price",
    "reservation": "reservation",
    "price.usd_per_min": "simulator",
}
"""Figures that Amazon's price file has, too: their keys in a sheet, and their names there."""


@dataclass(frozen=True)
class Sheets:
    """What all sheets say: devices keyed like "braket/garnet", and vendors without a public price."""

    devices: Mapping[str, Terms]
    unknown: tuple[Unknown, ...]


def read_sheets(paths: Sequence[Path], contracts: Mapping[str, str] | None = None) -> Sheets:
    """Read the sheets `paths`; a later file of the same provider is laid over the earlier ones.

    Tables under `[defaults]` are laid under every device, a contract's price over it; a figure is replaced whole,
    never mixed.

    Args:
        contracts: the contract of a provider, such as `{"ibm": "flex"}`; the first of its sheet otherwise, and for
            devices that the chosen one does not cover.

    Raises:
        QcliError: not readable, not TOML, a key that is missing, unknown or has a wrong value (names file, key and
            line), or a contract that does not exist.
    """
    chosen = dict(contracts or {})
    files: dict[str, list[File]] = {}
    for path in paths:
        file = _read(path)
        files.setdefault(str(file.raw.get("provider", path.stem)), []).append(file)
    for provider in chosen:
        if provider not in files:
            raise QcliError(f"no price sheet for {provider!r}", "--contract", nearest(provider, files))
    devices: dict[str, Terms] = {}
    unknown: list[Unknown] = []
    for provider, layers in files.items():
        raw: dict[str, Any] = {}
        for layer in layers:
            raw = _laid_over(raw, layer.raw)
        agreed = _agreed(raw, chosen.get(provider), layers[-1].path)
        sheet = _validated(raw, agreed, layers)
        for name in sheet.devices:
            entry = terms_of(sheet, name, agreed[name], tuple(_contracts(raw, name)))
            devices[entry.name] = entry
        unknown += [Unknown(v.full_name, v.what, v.searched_on) for v in sheet.unknown.values()]
    return Sheets(devices, tuple(unknown))


def load_sheets(prices: Path | None = None, contracts: Mapping[str, str] | None = None) -> Sheets:
    """The bundled sheets, then those in the user's folder, then `prices`; read once.

    Raises:
        QcliError: a sheet does not validate, or there is none.
    """
    own = sorted((user_folder() / "pricing").glob("*.toml"), key=lambda path: (path.name != REFRESHED, path))
    paths = [*sorted(bundled("pricing").glob("*.toml")), *own, *([prices] if prices else [])]
    stamps = tuple((path, path.stat().st_mtime_ns if path.exists() else 0) for path in paths)
    return _loaded(stamps, tuple(sorted((contracts or {}).items())))


@lru_cache(maxsize=64)
def _loaded(stamps: tuple[tuple[Path, int], ...], contracts: tuple[tuple[str, str], ...]) -> Sheets:
    if not stamps:
        raise QcliError(
            "no price sheets found", str(bundled("pricing")), "install qcli again: the sheets come with it"
        )
    return read_sheets([path for path, _ in stamps], dict(contracts))


def terms(name: str, sheets: Sheets | None = None) -> Terms:
    """The terms of the device `name`, such as "braket/garnet" or "garnet".

    Raises:
        QcliError: no sheet has the device; hints at the nearest names.
    """
    devices = (sheets or load_sheets()).devices
    for known, entry in devices.items():
        if name.lower() in (known, known.partition("/")[2]):
            return entry
    raise QcliError(f"no price for device {name!r}", "price sheets", nearest(name, devices))


def figures(sheets: Sheets, provider: str) -> dict[str, dict[str, Decimal]]:
    """By device, the figures of its price and reservation that Amazon's price file has, too."""
    return {
        name: {IN_PRICE_FILE[quote.key]: quote.value for quote in entry.quotes if quote.key in IN_PRICE_FILE}
        for name, entry in sheets.devices.items()
        if entry.provider == provider
    }


def _read(path: Path) -> File:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return File(path, text, tomllib.loads(text, parse_float=Decimal))
    except OSError as error:
        raise QcliError(f"cannot read the price sheet: {error.strerror}", str(path), _FIX) from None
    except NOT_TOML as error:
        raise QcliError(f"the price sheet is not valid TOML: {error}", str(path), _FIX) from None


def _contracts(raw: dict[str, Any], device: str) -> list[str]:
    """The contracts that cover a device: those that name it, or no device at all."""
    tables = raw.get("contracts")
    return [
        name for name, table in (tables.items() if isinstance(tables, dict) else ()) if _covers(table, device)
    ]


def _covers(contract: Any, device: str) -> bool:
    if not isinstance(contract, dict):
        return False
    only = contract.get("devices")
    return not isinstance(only, list) or not only or device in only


def _agreed(raw: dict[str, Any], chosen: str | None, path: Path) -> dict[str, str | None]:
    """The contract of each device: the chosen one if it covers it, else the first that does."""
    devices, known = raw.get("devices"), raw.get("contracts")
    names = list(known) if isinstance(known, dict) else []
    if chosen is not None and chosen not in names:
        hint = nearest(chosen, names) if names else "leave --contract out: the sheet has none"
        raise QcliError(f"no contract {chosen!r} in this price sheet", str(path), hint)
    covering = {name: _contracts(raw, name) for name in (devices if isinstance(devices, dict) else ())}
    return {name: chosen if chosen in some else next(iter(some), None) for name, some in covering.items()}


def _validated(raw: dict[str, Any], agreed: Mapping[str, str | None], layers: list[File]) -> Sheet:
    full = _with_defaults(raw, agreed)
    try:
        sheet = Sheet.model_validate(full)
        wrong = list(_dangling(sheet))
    except ValidationError as error:
        wrong = [(_location(item), item["msg"].removeprefix("Value error, ")) for item in error.errors()]
    if not wrong:
        return sheet
    places = [origin(location, full, agreed, layers) for location, _ in wrong[:3]]
    first = places[0][0]
    texts = []
    for (file, key), (_, text) in zip(places, wrong, strict=False):
        line = f"line {line_of(file.text, key)}: " if file is first else ""
        texts.append(f"{line}{'.'.join(map(str, key)) or 'devices'}: {text}")
    more = f" (and {len(wrong) - 3} more)" if len(wrong) > 3 else ""
    raise QcliError("; ".join(texts) + more, str(first.path), _FIX)


def _with_defaults(raw: dict[str, Any], agreed: Mapping[str, str | None]) -> dict[str, Any]:
    defaults, devices = raw.get("defaults", {}), raw.get("devices")
    if not isinstance(defaults, dict) or not isinstance(devices, dict):
        return raw
    full = {name: _laid_over(defaults, own) for name, own in devices.items()}
    for name, contract in agreed.items():
        if contract is not None and isinstance(full[name], dict):
            full[name] = _laid_over(full[name], {"price": raw["contracts"][contract].get("price", {})})
    return {**raw, "devices": full}


def _laid_over(under: Any, over: Any) -> Any:
    if not isinstance(under, dict) or not isinstance(over, dict) or "source" in under or "source" in over:
        return over
    if "kind" in under and over.get("kind", under["kind"]) != under["kind"]:
        return over
    return {**under, **{key: _laid_over(under.get(key), value) for key, value in over.items()}}


def _dangling(sheet: Sheet) -> Iterator[tuple[Key, str]]:
    """Names of sources and devices that the sheet does not have, each with its place."""
    tables: dict[Key, BaseModel] = {("devices", name): device for name, device in sheet.devices.items()}
    tables |= {("contracts", name): contract for name, contract in sheet.contracts.items()}
    for base, table in tables.items():
        for dotted, figure in cited(table):
            key = tuple(int(part) if part.isdecimal() else part for part in dotted.split("."))
            for field in ("source", "confirmed"):
                if (source := getattr(figure, field)) is not None and source not in sheet.sources:
                    yield (*base, *key, field), f"unknown source {source!r}; {nearest(source, sheet.sources)}"
    for name, contract in sheet.contracts.items():
        for index, device in enumerate(contract.devices):
            if device not in sheet.devices:
                hint = nearest(device, sheet.devices)
                yield ("contracts", name, "devices", index), f"unknown device {device!r}; {hint}"


def _location(error: ErrorDetails) -> Key:
    """Where pydantic found the error, without the kind of price that it adds."""
    location = error["loc"]
    if location[2:3] == ("price",) and location[3:4] and location[3] in KINDS.values():
        location = (*location[:3], *location[4:])
    return (*location, "kind") if error["type"].startswith("union_tag") else location
