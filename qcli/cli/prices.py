"""`qcli prices`: what the price sheets hold, with dates and sources, and Amazon Braket's latest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcli.cli.groups import with_default

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qcli.price.refresh import Change
    from qcli.price.tariff import Terms, Unknown

HELP = """Show the price of every QPU with source and date, or refresh Amazon Braket's.

\b
qcli prices
qcli prices braket/garnet
qcli prices refresh --dry-run
"""
app = typer.Typer(cls=with_default("show"), help=HELP)

Sheet = Annotated[
    Path | None, typer.Option("--prices", metavar="FILE", help="A price sheet to lay over qcli's.")
]


@app.command()
def show(
    device: Annotated[
        str | None, typer.Argument(help="One device, such as braket/garnet or ibm/fez.")
    ] = None,
    contract: Annotated[
        list[str] | None, typer.Option(metavar="PROVIDER=NAME", help="Such as ibm=flex; may be repeated.")
    ] = None,
    prices: Sheet = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List the price of every QPU, or every figure of one with its source and date.

    \b
    qcli prices
    qcli prices braket/garnet
    qcli prices ibm/fez --contract ibm=premium
    """
    import json

    from qcli.cli.console import note
    from qcli.cli.train import pairs
    from qcli.price.sheet import load_sheets, terms
    from qcli.price.tariff import STALE_DAYS

    sheets = load_sheets(prices, pairs(contract or [], "--contract", "ibm=flex"))
    shown = [terms(device, sheets)] if device else list(sheets.devices.values())
    if json_:
        unknown = [asdict(vendor) for vendor in sheets.unknown]
        content = {
            "schema": "qcli.prices/1",
            "devices": [_content(item) for item in shown],
            "unknown": unknown,
        }
        typer.echo(json.dumps(content, indent=1, default=str))
    elif device:
        _show_one(shown[0])
    else:
        _show_all(shown)
        _show_unknown(sheets.unknown)
    if stale := [item for item in shown if item.stale(date.today())]:
        oldest = min(stale, key=lambda item: item.verified_on)
        braket = any(item.provider == "braket" for item in stale)
        note(
            f"warning: {len(stale)} of {len(shown)} bills rest on a figure last verified more than {STALE_DAYS} days "
            f"ago, the oldest on {oldest.verified_on} ({oldest.name})"
            + ("; Amazon Braket's: qcli prices refresh" if braket else "")
        )


@app.command()
def refresh(
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would change, write nothing.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Read Amazon Braket's public price file, show what differs, and keep it in your own folder.

    The file is read from pricing.us-east-1.amazonaws.com, or from $BRAKET_PRICE_OFFERS_URL (a URL or a path). The
    bundled sheets are not changed; deleting the written file undoes the refresh.

    \b
    qcli prices refresh --dry-run
    qcli prices refresh --yes
    """
    import json

    from qcli.cli.console import note
    from qcli.price import refresh as prices
    from qcli.price.sheet import figures, load_sheets

    url = prices.source_url()
    file = prices.parse(prices.fetch(url), url)
    known = figures(load_sheets(), "braket")
    changed = prices.changes(file, known)
    unlisted = list(prices.unknown_devices(file, known))
    missing = prices.missing_devices(file, known)
    content = {
        "schema": "qcli.price-refresh/1",
        "url": url,
        "published_on": file.published_on,
        "changes": [asdict(change) for change in changed],
        "offered_without_record": unlisted,
        "not_offered": missing,
    }
    if json_:
        typer.echo(json.dumps(content, indent=1, default=str))
    else:
        _show_changes(file.published_on, changed)
        for title, names in (("offered, but not in qcli's sheets", unlisted), ("not in the file", missing)):
            if names:
                note(f"{title}: {', '.join(names)}")
    if dry_run:
        note("nothing was written")
    elif json_ and not yes:
        note("nothing was written: add --yes")
    elif yes or typer.confirm("keep these prices?", err=True):
        note(f"written: {prices.write_overlay(prices.overlay(file, known, date.today()))}")
    else:
        note("nothing was written")


def _content(item: Terms) -> dict[str, Any]:
    from qcli.price.tariff import KINDS

    content = asdict(item)
    return {**content, "price": {"kind": KINDS[type(item.price)], **content["price"]}}


def _status(item: Terms) -> str:
    return f"{item.status} {item.retired_on}" if item.retired_on else item.status


def _shots(item: Terms) -> str:
    if item.shots_min is None or item.shots_max is None:
        return "unknown"
    return f"{item.shots_min:,}–{item.shots_max:,}"


def _sets(item: Terms) -> str:
    sets = item.program_set
    return f"{sets.max_executables} / {sets.max_total_shots:,}" if sets else "–"


def _show_all(items: list[Terms]) -> None:
    from qcli.price.tariff import Credits, GateShots, Metered, PerSecond, PerTask

    fees = _price_table("By task and shot", "USD/task", "USD/shot", "shots", "program sets")
    seconds = _price_table("By the second, in jobs", "USD/s", "s/job", "executions/s", "shots")
    metered = _price_table("By execution time, a task at a time", "USD/step", "step s", "minimum s", "shots")
    gates = _price_table("By gate and shot", "USD/1q gate", "USD/2q gate", "minimum", "debiased")
    credits = _price_table("By credit (HQC)", "USD/HQC", "HQC/circuit", "", "")
    for item in items:
        ends = (item.verified_on.isoformat(), item.basis)
        match item.price:
            case PerTask(fee, shot):
                table, middle = fees, (f"{fee:f}", f"{shot:f}", _shots(item), _sets(item))
            case PerSecond(usd, overhead, rate):
                table, middle = seconds, (f"{usd:f}", f"{overhead:f}", f"{rate:,f}", _shots(item))
            case Metered(usd, step, least):
                table, middle = metered, (f"{usd:f}", f"{step:f}", f"{least:f}", _shots(item))
            case GateShots(one, two, least, debiased):
                table, middle = gates, (f"{one:f}", f"{two:f}", f"{least:f}", f"{debiased:f}")
            case Credits(usd, base):
                table, middle = credits, (f"{usd:f}", f"{base:f}", "", "")
        table.add_row(item.name, _status(item), *middle, *ends)
    console = _console()
    for table in (fees, seconds, metered, gates, credits):
        if table.row_count:
            console.print(table)
    console.print(
        "Program sets: circuits / shots in all. Each figure's source: qcli prices DEVICE", highlight=False
    )


def _show_unknown(vendors: tuple[Unknown, ...]) -> None:
    console = _console()
    console.print("\nNo public price, so not priced:", highlight=False)
    for vendor in vendors:
        console.print(
            f"  {vendor.name}: {vendor.what} (searched on {vendor.searched_on})",
            highlight=False,
            soft_wrap=True,
        )


def _show_changes(published_on: date, changed: tuple[Change, ...]) -> None:
    console = _console()
    if not changed:
        console.print(f"Price file of {published_on}: nothing has changed.", highlight=False)
        return
    headings = ("device", "figure", "before", "after", "unit")
    table = _table(f"Price file of {published_on}: what differs", headings, ("before", "after"))
    for change in changed:
        before = "–" if change.before is None else f"{change.before:f}"
        table.add_row(change.device, change.figure, before, f"{change.after:f}", change.unit)
    console.print(table)


def _show_one(item: Terms) -> None:
    sources = list(dict.fromkeys(quote.source for quote in item.quotes))
    headings = ("figure", "value", "unit", "basis", "verified", "source")
    table = _table(f"{item.name}: {item.full_name}, {_status(item)}", headings, ("value",))
    for quote in item.quotes:
        number = str(sources.index(quote.source) + 1)
        day = quote.verified_on.isoformat()
        table.add_row(quote.key, f"{quote.value:,f}", quote.unit, quote.basis, day, number)
    remarks = [f"source {number}: {source}" for number, source in enumerate(sources, start=1)]
    remarks += [f"machine_time.{index}: {rule.what}" for index, rule in enumerate(item.machine_time)]
    remarks += [f"{quote.key}: {quote.note}" for quote in item.quotes if quote.note]
    remarks += [f"note: {note}" for note in item.notes]
    if item.contract:
        remarks.append(f"contract: {item.contract}, of {', '.join(item.contracts)}")
    console = _console()
    console.print(table)
    for remark in remarks:
        console.print(remark, highlight=False, soft_wrap=True)


def _price_table(title: str, *prices: str) -> Table:
    """`prices` are the columns between a device's status and the date of its price."""
    return _table(title, ("device", "status", *prices, "verified", "basis"), prices)


def _table(title: str, headings: Sequence[str], right: Sequence[str]) -> Table:
    """`right` names the right-aligned columns."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left", no_wrap=True)
    return table


def _console() -> Console:
    """Wide enough for every table: a figure is never cut short, a narrow terminal wraps the line."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    console.width = max(console.width, 160)
    return console
