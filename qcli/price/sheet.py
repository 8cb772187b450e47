"""Price sheets: one provider per TOML file in `pricing/`, each figure with unit, source, date and basis."""

import tomllib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from qcli.errors import QcliError
from qcli.files import bundled, nearest
from qcli.price.tariff import Basis, PerSecond, PerTask, ProgramSets, Quote, Rule, Status, Terms, weakest

Amount = Annotated[Decimal, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Part = tuple[str, Decimal, str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Source(_Strict):
    title: Text
    verified_on: date


class _Cited(_Strict):
    basis: Basis
    source: Text
    note: str = ""

    def parts(self) -> list[Part]:
        return []


class _Figure(_Cited):
    value: Amount
    unit: str

    def parts(self) -> list[Part]:
        return [("", self.value, self.unit)]


class _UsdPerTask(_Figure):
    unit: Literal["USD/task"]


class _UsdPerShot(_Figure):
    unit: Literal["USD/shot"]


class _UsdPerSecond(_Figure):
    unit: Literal["USD/s"]


class _UsdPerHour(_Figure):
    unit: Literal["USD/h"]


class _Seconds(_Figure):
    unit: Literal["s"]


class _Hertz(_Figure):
    value: Annotated[Decimal, Field(gt=0)]
    unit: Literal["Hz"]


class _Executions(_Figure):
    unit: Literal["executions/job"]

    @field_validator("value")
    @classmethod
    def _whole(cls, value: Decimal) -> Decimal:
        if value < 1 or value != value.to_integral_value():
            raise ValueError("must be a whole number of at least 1")
        return value


class _PerTaskPrice(_Strict):
    kind: Literal["per-task"]
    task_fee: _UsdPerTask
    shot_price: _UsdPerShot

    def terms(self) -> PerTask:
        return PerTask(self.task_fee.value, self.shot_price.value)


class _PerSecondPrice(_Strict):
    kind: Literal["per-second"]
    usd_per_s: _UsdPerSecond
    overhead_s: _Seconds
    rate_hz: _Hertz
    minimum_s: _Seconds
    max_executions_per_job: _Executions

    def terms(self) -> PerSecond:
        limit = int(self.max_executions_per_job.value)
        return PerSecond(
            self.usd_per_s.value, self.overhead_s.value, self.rate_hz.value, self.minimum_s.value, limit
        )


class _Availability(_Cited):
    status: Status
    qubits: Count
    retired_on: date | None = None

    @model_validator(mode="after")
    def _date_only_if_retired(self) -> "_Availability":
        if self.retired_on and self.status != "retired":
            raise ValueError("retired_on is given but status is not retired")
        return self


class _Shots(_Cited):
    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> "_Shots":
        if self.min > self.max:
            raise ValueError("min is larger than max")
        return self

    def parts(self) -> list[Part]:
        return [(".min", Decimal(self.min), "shots"), (".max", Decimal(self.max), "shots")]


class _ProgramSets(_Cited):
    max_executables: Count
    max_total_shots: Count

    def parts(self) -> list[Part]:
        return [
            (".max_executables", Decimal(self.max_executables), "circuits"),
            (".max_total_shots", Decimal(self.max_total_shots), "shots"),
        ]


class _Rule(_Cited):
    what: Text
    per_task_s: Amount
    per_shot_s: Amount

    def parts(self) -> list[Part]:
        return [(".per_task_s", self.per_task_s, "s/task"), (".per_shot_s", self.per_shot_s, "s/shot")]


class _Device(_Strict):
    full_name: Text
    availability: _Availability
    shots: _Shots | None = None
    price: Annotated[_PerTaskPrice | _PerSecondPrice, Field(discriminator="kind")]
    program_sets: _ProgramSets | None = None
    reservation: _UsdPerHour | None = None
    machine_time: Annotated[tuple[_Rule, ...], Field(min_length=2)]
    notes: tuple[Text, ...] = ()


class _Sheet(_Strict):
    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    sources: dict[str, _Source]
    defaults: dict[str, Any] = {}
    devices: Annotated[dict[str, _Device], Field(min_length=1)]


def read_sheet(path: Path) -> dict[str, Terms]:
    """The devices of one sheet, keyed like "braket/garnet".

    Tables under `[defaults]` are laid under every device; a figure is replaced whole, never mixed.

    Raises:
        QcliError: not readable, not TOML, or a key that is missing, unknown or has a wrong value;
            names the file and the key.
    """
    fix = "correct the sheet; docs/pricing.md describes the format"
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise QcliError(f"cannot read the price sheet: {error.strerror}", str(path), fix) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise QcliError(f"the price sheet is not valid TOML: {error}", str(path), fix) from None
    try:
        sheet = _Sheet.model_validate(_with_defaults(raw))
    except ValidationError as error:
        found = [f"{_key(item['loc'], raw)}: {item['msg']}" for item in error.errors()]
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise QcliError("; ".join(found[:3]) + more, str(path), fix) from None
    for name, device in sheet.devices.items():
        for key, cited in _cited(device):
            if cited.source not in sheet.sources:
                where = _key(("devices", name, *key.split("."), "source"), raw)
                what = f"{where}: unknown source {cited.source!r}; {nearest(cited.source, sheet.sources)}"
                raise QcliError(what, str(path), fix)
    return {f"{sheet.provider}/{name}": _terms(sheet, name) for name in sheet.devices}


@cache
def load_sheets() -> dict[str, Terms]:
    """All devices of all bundled sheets, keyed like "braket/garnet"; read once.

    Raises:
        QcliError: a sheet does not validate.
    """
    folder = bundled("pricing")
    sheets = [read_sheet(path) for path in sorted(folder.glob("*.toml"))]
    if not sheets:
        raise QcliError("no price sheets found", str(folder), "install qcli again: the sheets come with it")
    return {name: terms for sheet in sheets for name, terms in sheet.items()}


def terms(name: str) -> Terms:
    """The terms of the device `name`, such as "braket/garnet" or "garnet".

    Raises:
        QcliError: no sheet has the device; hints at the nearest names.
    """
    sheets = load_sheets()
    for known, entry in sheets.items():
        if name.lower() in (known, known.partition("/")[2]):
            return entry
    raise QcliError(f"no price for device {name!r}", "price sheets", nearest(name, sheets))


def _with_defaults(raw: dict[str, Any]) -> dict[str, Any]:
    defaults, devices = raw.get("defaults", {}), raw.get("devices")
    if not isinstance(defaults, dict) or not isinstance(devices, dict):
        return raw
    return {**raw, "devices": {name: _laid_over(defaults, own) for name, own in devices.items()}}


def _laid_over(under: Any, over: Any) -> Any:
    tables = isinstance(under, dict) and isinstance(over, dict)
    if not tables or "source" in under or "source" in over:
        return over
    return {**under, **{key: _laid_over(under.get(key), value) for key, value in over.items()}}


def _key(location: tuple[int | str, ...], raw: dict[str, Any]) -> str:
    """The dotted key a reader finds in the file: below `defaults` if the device has none of its own."""
    parts = [part for part in location if part not in ("per-task", "per-second")]
    if parts[0] == "devices" and len(parts) > 3:
        own: Any = raw["devices"].get(parts[1])
        default: Any = raw.get("defaults")
        for part in parts[2:-1]:
            own, default = (table.get(part) if isinstance(table, dict) else table for table in (own, default))
        if own is None and default is not None:
            parts = ["defaults", *parts[2:]]
    return ".".join(str(part) for part in parts)


def _cited(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, _Cited]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        for index, item in enumerate(value if isinstance(value, tuple) else [value]):
            key = f"{prefix}{name}" + (f".{index}" if isinstance(value, tuple) else "")
            if isinstance(item, _Cited):
                yield key, item
            elif isinstance(item, BaseModel):
                yield from _cited(item, f"{key}.")


def _terms(sheet: _Sheet, name: str) -> Terms:
    device, sources = sheet.devices[name], sheet.sources
    quotes = tuple(
        Quote(
            key + suffix, value, unit, sources[c.source].title, sources[c.source].verified_on, c.basis, c.note
        )
        for key, c in _cited(device)
        for suffix, value, unit in c.parts()
    )
    bill = [quote for quote in quotes if quote.key.startswith("price.")]
    sets = device.program_sets
    return Terms(
        name=f"{sheet.provider}/{name}",
        provider=sheet.provider,
        full_name=device.full_name,
        status=device.availability.status,
        retired_on=device.availability.retired_on,
        qubits=device.availability.qubits,
        shots_min=device.shots.min if device.shots else None,
        shots_max=device.shots.max if device.shots else None,
        price=device.price.terms(),
        program_set=ProgramSets(sets.max_executables, sets.max_total_shots) if sets else None,
        machine_time=tuple(
            Rule(r.what, float(r.per_task_s), float(r.per_shot_s), r.basis, sources[r.source].title)
            for r in device.machine_time
        ),
        source="; ".join(dict.fromkeys(quote.source for quote in bill)),
        verified_on=min(quote.verified_on for quote in bill),
        basis=weakest([quote.basis for quote in bill]),
        notes=device.notes,
        quotes=quotes,
    )
