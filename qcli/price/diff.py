"""What a change of model or shots does to the bill: two estimates side by side."""

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from qcli.errors import QcliError
from qcli.files import read_json

SCHEMA = "qcli.diff/1"
_FACTS = (
    "model",
    "inferences",
    "shots",
    "circuits_per_inference",
    "wires",
    "mitigation",
    "hybrid_job",
    "per_month",
    "training",
    "contracts",
)


@dataclass(frozen=True)
class Change:
    """One device: its cheapest plan and bill before and after, all repetitions of a month; None where it has none."""

    device: str
    plan_before: str | None
    plan_after: str | None
    usd_before: Decimal | None
    usd_after: Decimal | None
    two_qubit_gates_before: int | None
    two_qubit_gates_after: int | None

    @property
    def usd(self) -> Decimal | None:
        """After minus before."""
        if self.usd_before is None or self.usd_after is None:
            return None
        return self.usd_after - self.usd_before


@dataclass(frozen=True)
class Diff:
    """`facts` are what differs in the question: name, before, after."""

    before: str
    after: str
    facts: tuple[tuple[str, Any, Any], ...]
    changes: tuple[Change, ...]


def last_estimate(path: Path) -> tuple[str, dict[str, Any]]:
    """The estimate in a file, or the last one of a run directory, with its name.

    Raises:
        QcliError: there is none, or it is damaged.
    """
    if path.is_file():
        return str(path), read_json(path, "qcli.estimate/1")
    files = sorted((path / "estimates").glob("*.json"))
    if not files:
        raise QcliError("no estimate to compare", str(path), f"make one: qcli estimate-cost {path}")
    read = [(read_json(file, "qcli.estimate/1"), file) for file in files]
    content, file = max(read, key=lambda entry: (entry[0].get("created", ""), entry[1].stat().st_mtime_ns))
    return str(file), content


def compare(before: tuple[str, dict[str, Any]], after: tuple[str, dict[str, Any]]) -> Diff:
    """Every device of both estimates.

    Raises:
        QcliError: a figure is missing.
    """
    (name_before, old), (name_after, new) = before, after
    try:
        rows = [{row["device"]: row for row in content["rows"]} for content in (old, new)]
        names = list(dict.fromkeys([*rows[0], *rows[1]]))
        times = [int(content.get("per_month", 1)) for content in (old, new)]
        changes = tuple(_change(name, [each.get(name) for each in rows], times) for name in names)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise QcliError(
            f"not an estimate's content: {type(error).__name__} {error}",
            f"{name_before}, {name_after}",
            "make the estimates again",
        ) from None
    facts = tuple(
        (fact, _worded(old.get(fact)), _worded(new.get(fact)))
        for fact in _FACTS
        if old.get(fact) != new.get(fact)
    )
    return Diff(name_before, name_after, facts, changes)


def _worded(value: Any) -> Any:
    """A table as `epochs 10, batch 32`."""
    if not isinstance(value, dict):
        return value
    return ", ".join(f"{key} {each}" for key, each in value.items()) or "none"


def _change(name: str, rows: list[dict[str, Any] | None], times: list[int]) -> Change:
    plans = [_chosen(row, per_month) for row, per_month in zip(rows, times, strict=True)]
    gates = [row["two_qubit_gates"] if row else None for row in rows]
    return Change(name, plans[0][0], plans[1][0], plans[0][1], plans[1][1], *gates)


def _chosen(row: dict[str, Any] | None, per_month: int) -> tuple[str | None, Decimal | None]:
    if row is None or row["cheapest"] is None:
        return None, None
    plan = {plan["name"]: plan for plan in row["plans"]}[row["cheapest"]]
    usd = per_month * Decimal(plan["usd"])
    if not usd.is_finite():
        raise ValueError(f"a bill of {usd} USD")
    return plan["name"], usd


def diff_json(diff: Diff) -> dict[str, Any]:
    """The difference as plain data, money as strings."""
    changes = [asdict(change) | {"usd": change.usd} for change in diff.changes]
    content = {
        "schema": SCHEMA,
        "before": diff.before,
        "after": diff.after,
        "facts": [{"name": name, "before": old, "after": new} for name, old, new in diff.facts],
        "changes": changes,
    }
    plain: dict[str, Any] = json.loads(json.dumps(content, default=str))
    return plain
