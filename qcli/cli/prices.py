"""`qcli prices`: what the price sheets hold, with dates and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qcli.price.tariff import Terms


def prices(
    device: Annotated[
        str | None, typer.Argument(help="One device, such as braket/garnet or ibm/fez.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List the price of every QPU, or every figure of one with its source and date.

    \b
    qcli prices
    qcli prices braket/garnet
    """
    import json

    from qcli.price.sheet import load_sheets, terms

    shown = [terms(device)] if device else list(load_sheets().values())
    if json_:
        content = {"schema": "qcli.prices/1", "devices": [_content(item) for item in shown]}
        typer.echo(json.dumps(content, indent=1, default=str))
    elif device:
        _show_one(shown[0])
    else:
        _show_all(shown)


def _content(item: Terms) -> dict[str, Any]:
    from dataclasses import asdict

    from qcli.price.tariff import PerTask

    kind = "per-task" if isinstance(item.price, PerTask) else "per-second"
    content = asdict(item)
    return {**content, "price": {"kind": kind, **content["price"]}}


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
    from qcli.price.tariff import PerSecond, PerTask

    fees = _table("By task and shot", "USD/task", "USD/shot", "shots", "program sets")
    seconds = _table("By the second, in jobs", "USD/s", "s/job", "executions/s", "shots")
    for item in items:
        ends = (item.verified_on.isoformat(), item.basis)
        match item.price:
            case PerTask(fee, shot):
                fees.add_row(
                    item.name, _status(item), f"{fee:f}", f"{shot:f}", _shots(item), _sets(item), *ends
                )
            case PerSecond(usd, overhead, rate):
                middle = (f"{usd:f}", f"{overhead:f}", f"{rate:,f}", _shots(item))
                seconds.add_row(item.name, _status(item), *middle, *ends)
    console = _console()
    for table in (fees, seconds):
        if table.row_count:
            console.print(table)
    console.print(
        "Program sets: circuits / shots in all. Each figure's source: qcli prices DEVICE", highlight=False
    )


def _show_one(item: Terms) -> None:
    sources = list(dict.fromkeys(quote.source for quote in item.quotes))
    table = _table(f"{item.name}: {item.full_name}, {_status(item)}")
    for quote in item.quotes:
        number = str(sources.index(quote.source) + 1)
        day = quote.verified_on.isoformat()
        table.add_row(quote.key, f"{quote.value:,f}", quote.unit, quote.basis, day, number)
    remarks = [f"source {number}: {source}" for number, source in enumerate(sources, start=1)]
    remarks += [f"machine_time.{index}: {rule.what}" for index, rule in enumerate(item.machine_time)]
    remarks += [f"{quote.key}: {quote.note}" for quote in item.quotes if quote.note]
    remarks += [f"note: {note}" for note in item.notes]
    console = _console()
    console.print(table)
    for remark in remarks:
        console.print(remark, markup=False, highlight=False)


def _table(title: str, *prices: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    if not prices:
        for heading in ("figure", "value", "unit", "basis", "verified", "source"):
            table.add_column(heading, justify="right" if heading == "value" else "left", no_wrap=True)
        return table
    for heading in ("device", "status", *prices, "verified", "basis"):
        table.add_column(heading, justify="right" if heading in prices else "left", no_wrap=True)
    return table


def _console() -> Console:
    """At least as wide as the tables: a figure is never cut short, a narrow terminal wraps the line."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, 120)
    return console
