"""`qcli ledger`: what runs were estimated to cost, and what was billed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from qcli.price.ledger import Deviation, DeviceDeviation, Entry


def ledger(
    device: Annotated[
        str | None, typer.Option(help="Only this device, such as braket/garnet or emulator/garnet.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List executed runs, newest last: estimate, bill, and how far apart they are on each device.

    \b
    qcli ledger
    qcli ledger --device braket/garnet --json
    """
    from dataclasses import asdict

    from qcli.cli.console import answer, note
    from qcli.errors import QcliError
    from qcli.files import nearest
    from qcli.price.ledger import errors, ledger_path, read

    path = ledger_path()
    found = read(path)
    entries = [entry for entry in found.entries if device in (None, entry.device)]
    if device and found.entries and not entries:
        devices = {entry.device for entry in found.entries}
        raise QcliError(f"no run on {device!r} in the ledger", str(path), nearest(device, devices))
    by_device = errors(entries)
    content = {
        "schema": "qcli.ledger-report/1",
        "path": str(path),
        "entries": [entry.model_dump(mode="json", by_alias=True) for entry in entries],
        "devices": [asdict(item) for item in by_device],
        "broken": list(found.broken),
    }
    answer(content, [_runs(entries), _errors(by_device)] if entries else [], json_)
    if found.broken:
        note(f"left out, damaged: {', '.join(found.broken)} of {path}")
    if not found.entries:
        note(f"no runs in {path} yet: every run that is executed on a device adds a line")


def _runs(entries: list[Entry]) -> Table:
    from rich.text import Text

    from qcli.price.ledger import qpu_error, usd_error
    from qcli.report.parse import printable
    from qcli.report.text import NONE, count, duration, duration_range, usd, usd_range

    table = _table("Executed runs")
    for heading in ("run", "device\nplan"):
        table.add_column(heading, overflow="fold")
    table.add_column("inferences", justify="right")
    table.add_column("", no_wrap=True)
    for heading in ("tasks", "shots", "USD", "QPU time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in entries:
        estimate, actual, seconds = entry.estimate, entry.actual, entry.estimate.qpu_s
        spread = usd_range(estimate.usd_low, estimate.usd_high)
        cells = (
            f"{entry.created:%Y-%m-%d %H:%M}\n{entry.run}",
            f"{entry.device}\n{entry.plan or NONE}",
            count(entry.inferences),
            "estimate\nactual\nerror",
            f"{count(estimate.tasks)}\n{count(actual.tasks)}",
            f"{count(estimate.shots)}\n{count(actual.shots)}",
            f"{usd(estimate.usd)}{f' ({spread})' if spread else ''}\n{usd(actual.usd)}\n{_signed(usd_error(entry))}",
            f"{duration_range(seconds.low, seconds.high) if seconds else NONE}\n{duration(actual.qpu_s)}\n"
            f"{_signed(qpu_error(entry))}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _errors(devices: tuple[DeviceDeviation, ...]) -> Table:
    from rich.text import Text

    from qcli.report.parse import printable

    table = _table("Error of the estimates: (actual − estimate) / estimate")
    table.add_column("device", overflow="fold")
    for heading in (
        "runs",
        "USD\nmean",
        "USD\nmean |error|",
        "QPU time\nmean",
        "QPU time\nmean |error|",
        "bill within\nestimate",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for item in devices:
        cells = (
            item.device,
            str(item.runs),
            *_means(item.usd),
            *_means(item.qpu_s),
            f"{item.usd_within} of {item.runs}",
        )
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


def _means(error: Deviation | None) -> tuple[str, str]:
    from qcli.report.text import NONE, percent

    return (_signed(error.mean), percent(error.mean_absolute)) if error else (NONE, NONE)


def _signed(fraction: float | None) -> str:
    from qcli.report.text import NONE, points

    return NONE if fraction is None else f"{points(100 * fraction)} %"


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
