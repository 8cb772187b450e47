"""Tables of the hardware path: what would be submitted, and what is under way."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from qcli.report import text
from qcli.report.parse import printable
from qcli.report.tables import new_table


def dry_run_table(content: Mapping[str, Any]) -> Table:
    """What a validation would submit, step by step; `content` is a `qcli.dry-run/1`."""
    content = printable(content)
    bill = content["bill"]
    table = new_table(
        f"{content['device']}: {content['inferences']:,} inferences, plan {bill['plan']}, nothing submitted yet",
        _foot(content),
    )
    table.add_column("step", overflow="fold")
    for header in ("circuits", "shots each", "tasks", "USD", "at most"):
        table.add_column(header, justify="right", no_wrap=True)
    for step in bill["steps"]:
        table.add_row(
            Text(step["what"]),
            text.count(step["circuits"]),
            text.count(step["shots"]),
            text.count(step["tasks"]),
            text.usd(step["usd"]),
            text.usd(step["usd_high"]),
        )
    table.add_section()
    steps = bill["steps"]
    table.add_row(
        Text("in all", "bold"),
        text.count(sum(step["circuits"] for step in steps)),
        "",
        text.count(sum(step["tasks"] for step in steps)),
        text.usd(bill["usd"]),
        Text(text.usd(bill["usd_high"]), "bold"),
    )
    return table


def _foot(content: Mapping[str, Any]) -> str:
    lines = [f"prices as of {content['price_verified_on']}, calibration of {content['calibrated_on']}"]
    if content["already_committed"] != "0":
        known = text.usd(content["already_committed"])
        lines.append(f"{known} USD are paid or reserved in the journal; what it holds is not paid for again")
    if policy := content["policy"]:
        lines += [f"against the policy: {each}" for each in policy["breaches"]]
    if seen := content["forecast"]:
        lines.append(
            f"forecast: {text.percent(seen['accuracy'])} accuracy "
            f"({text.percent_range(seen['low'], seen['high'])}, 90 %), {text.percent(seen['simulated'])} in simulation"
        )
    if stages := content["adaptive"]:
        lines.append(
            f"shots: {stages['first']:,} for every sample, {stages['second']:,} more for those that are then unclear "
            f"({text.percent(stages['expected_revisited'])} expected)"
        )
    return "\n".join(lines)


def jobs_table(found: Sequence[Mapping[str, Any]]) -> Table:
    """Tasks by run and device, as `qcli jobs list --json` has them."""
    found = printable(found)
    table = new_table(f"{len(found):,} task{'' if len(found) == 1 else 's'}", "")
    for header in ("run", "device", "no.", "state", "circuits", "shots", "USD", "recorded", "vendor's id"):
        right = header in ("no.", "circuits", "shots", "USD")
        table.add_column(header, justify="right" if right else "left", no_wrap=right, overflow="fold")
    for job in found:
        usd = text.usd(job["usd"]) if job["usd"] is not None else f"≤ {text.usd(job['reserved_usd'])}"
        table.add_row(
            *map(Text, (job["run"], job["device"], str(job["number"]), job["state"])),
            text.count(job["circuits"]),
            text.count(job["shots"]),
            usd,
            _moment(job["created"]),
            Text(job["vendor_id"] or "–"),
        )
    return table


def events_table(job: Mapping[str, Any]) -> Table:
    """What happened to one task, in the vendor's words, of which none is markup or moves the cursor."""
    job = printable(job)
    title = f"task {job['number']} on {job['device']}: {job['circuits']:,} circuits, {job['shots']:,} shots"
    table = new_table(title, f"vendor's id {job['vendor_id'] or '–'}; token {job['token']}")
    for header in ("when", "what", ""):
        table.add_column(header, overflow="fold")
    table.add_row(_moment(job["created"]), "recorded", f"≤ {text.usd(job['reserved_usd'])} USD reserved")
    for event in job["events"]:
        detail = event["detail"]
        said = detail.get("reason") or detail.get("what") or _failed(detail.get("failed") or {})
        table.add_row(_moment(event["at"]), Text(event["kind"]), Text(said))
    return table


def _failed(reasons: Mapping[str, str]) -> str:
    """How many circuits failed, and why."""
    return (
        f"{len(reasons):,} circuits failed: {', '.join(dict.fromkeys(reasons.values()))}" if reasons else ""
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
