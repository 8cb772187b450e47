"""`qcli assess`."""

from pathlib import Path
from typing import Annotated

import typer


def assess(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    device: Annotated[
        list[str] | None,
        typer.Option(help="Such as braket/garnet; may be repeated. Default: all with a journal."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Score what real devices measured again, from the journal alone: offline, without an account.

    \b
    qcli assess runs/first
    qcli assess runs/first --device braket/garnet --json
    """
    from qcli.assess.jobs import devices
    from qcli.assess.validate import rescore
    from qcli.cli.console import answer, note, progress
    from qcli.report.html import write_report
    from qcli.report.tables import assessment_table
    from qcli.train.run import Run

    opened = Run.open(run)
    found = []
    with progress() as bar:
        task = bar.add_task("scoring", total=None)
        for name in device or devices(run):
            found.append(rescore(opened, name, lambda text: bar.update(task, description=text)))
    answer(
        {"schema": "qcli.assessments/1", "assessments": found},
        [assessment_table(each) for each in found],
        json_,
    )
    note(f"report: {write_report(opened.path)}")
