"""A team's spending limits: the table `[policy]` of the nearest qcli.toml."""

import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qcli.errors import QcliError
from qcli.files import nearest
from qcli.price.bill import PLANS

NAME = "qcli.toml"
_HALF_UP = Context(prec=200, rounding=ROUND_HALF_UP)

Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Text, ...], Field(min_length=1)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    max_usd: Amount | None = None
    max_usd_per_inference: Amount | None = None
    deadline_s: Amount | None = None
    devices: Names | None = None
    plans: Names | None = None


@dataclass(frozen=True)
class Policy:
    """What may be spent, where and how; None or an empty list sets no limit."""

    path: Path
    max_usd: Decimal | None
    max_usd_per_inference: Decimal | None
    deadline_s: Decimal | None
    devices: tuple[str, ...]
    plans: tuple[str, ...]

    def allows_device(self, name: str) -> bool:
        """Whether a pattern of `devices` matches, regardless of case."""
        return not self.devices or any(_matches(pattern, name) for pattern in self.devices)

    def allows_plan(self, name: str) -> bool:
        """Whether `plans` lists it."""
        return not self.plans or name in self.plans


@dataclass(frozen=True)
class Breach:
    """One rule that does not hold."""

    rule: str
    limit: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule} {self.limit}: found {self.found}"


def find_policy(
    path: Path | None = None, known_devices: Iterable[str] = (), start: Path | None = None
) -> Policy | None:
    """The policy in `path`, else in the nearest qcli.toml from `start` (the working directory) upwards, if any.

    Args:
        known_devices: if given, every pattern must match one of them.

    Raises:
        QcliError: not readable, not TOML, or a key that is unknown, of the wrong type, negative or not finite; a
            pattern without a device; a plan that does not exist; a `path` that has no policy.
    """
    found = path or _nearest_file((start or Path.cwd()).resolve())
    if found is None:
        return None
    content = _load(found).get("policy")
    if content is None:
        if path is None:
            return None
        raise QcliError("the file has no table [policy]", str(found), "add one, or name another file")
    fix = "correct the value or remove the key"
    try:
        table = _Table.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise QcliError(f"{_key(*first['loc'])}: {first['msg']}", str(found), fix) from None
    known = tuple(known_devices)
    for index, pattern in enumerate(table.devices or ()):
        if known and not any(_matches(pattern, name) for name in known):
            raise QcliError(
                f"{_key('devices', index)}: no device matches {pattern!r}",
                str(found),
                nearest(pattern, known),
            )
    for index, plan in enumerate(table.plans or ()):
        if plan not in PLANS:
            raise QcliError(f"{_key('plans', index)}: no plan {plan!r}", str(found), nearest(plan, PLANS))
    return Policy(
        found,
        table.max_usd,
        table.max_usd_per_inference,
        table.deadline_s,
        table.devices or (),
        table.plans or (),
    )


def _matches(pattern: str, name: str) -> bool:
    return fnmatchcase(name.lower(), pattern.lower())


def _key(*location: int | str) -> str:
    return ".".join(["policy", *map(str, location)])


def _nearest_file(start: Path) -> Path | None:
    candidates = (folder / NAME for folder in (start, *start.parents))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _load(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise QcliError(f"cannot read the policy: {error.strerror}", str(path), "check the path") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise QcliError(f"not valid TOML: {error}", str(path), "correct the file") from None


def breaches(
    policy: Policy,
    device: str,
    plan: str,
    usd_high: Decimal,
    usd_high_per_inference: Decimal,
    time_high_s: float | None,
) -> tuple[Breach, ...]:
    """Every rule that an estimate's upper end does not keep; equal to a limit is allowed.

    `time_high_s` is machine time, None if unknown: that keeps no deadline.
    """
    found = []
    if not policy.allows_device(device):
        found.append(Breach("devices", ", ".join(policy.devices), device))
    if not policy.allows_plan(plan):
        found.append(Breach("plans", ", ".join(policy.plans), plan))
    amounts = (
        ("max_usd", policy.max_usd, usd_high),
        ("max_usd_per_inference", policy.max_usd_per_inference, usd_high_per_inference),
    )
    for rule, limit, usd in amounts:
        if limit is not None and usd > limit:
            found.append(Breach(rule, f"{_shown(limit)} USD", f"{_shown(usd, limit)} USD (upper end)"))
    deadline = policy.deadline_s
    if deadline is not None:
        if time_high_s is None or not math.isfinite(time_high_s):
            found.append(Breach("deadline_s", f"{deadline:,f} s", "machine time unknown"))
        elif (seconds := Decimal(str(float(time_high_s)))) > deadline:
            found.append(
                Breach("deadline_s", f"{deadline:,f} s", f"{_shown(seconds, deadline)} s (upper end)")
            )
    return tuple(found)


def _shown(value: Decimal, limit: Decimal | None = None) -> str:
    """Two decimals; more where `value` needs them to show, or to be seen above `limit`."""
    places = max(2, -int(value.as_tuple().exponent))
    if limit is not None:
        rounded = (value.quantize(Decimal(1).scaleb(-n), context=_HALF_UP) for n in range(2, places + 1))
        return f"{next(shown for shown in rounded if shown > limit):,f}"
    return f"{value:,.{places}f}"
