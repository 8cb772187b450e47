"""`qcli report`."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    talk_tables: Annotated[
        bool,
        typer.Option(
            "--talk-tables",
            help="Print the two tables of a case study: time and cost of an inference by device, and prices.",
        ),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Write report.html anew from what a run directory holds: offline, without an account.

    \b
    qcli report runs/first
    qcli report runs/first --talk-tables
    qcli report runs/first --talk-tables --json
    """
    from qcli.assess.talk import talk_tables as read_tables
    from qcli.cli.console import answer, note
    from qcli.report.html import write_report
    from qcli.report.talk import talk_tables as tables_of

    page = write_report(run)
    note(f"report: {page}")
    talk = read_tables(run) if talk_tables else None
    content = {"schema": "qcli.report/1", "report": str(page), "talk": talk.to_json() if talk else None}
    answer(content, tables_of(talk) if talk else [], json_)
