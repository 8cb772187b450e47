"""`qcli jobs`: what is under way on real devices."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qcli.assess.jobs import Job
    from qcli.execute.select import ServiceOptions

HELP = """Tasks that were submitted to real devices: list, show, wait for or cancel them.

\b
qcli jobs list
qcli jobs show runs/first --device braket/garnet 2
qcli jobs wait runs/first
qcli jobs cancel runs/first --device ibm/fez
"""
app = typer.Typer(help=HELP, no_args_is_help=True)

_Run = Annotated[Path, typer.Argument(help="A run directory.")]
_Device = Annotated[str | None, typer.Option(help="Only of this device, such as braket/garnet.")]
_Profile = Annotated[str | None, typer.Option(help="AWS: profile of your configuration.")]
_Account = Annotated[str | None, typer.Option(help="IBM: name of a saved account.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("list")
def list_(
    run: Annotated[Path | None, typer.Argument(help="A run directory; default: all under runs/.")] = None,
    device: _Device = None,
    open_: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    json_: _Json = False,
) -> None:
    """Every task with its state and cost, from the journals alone.

    \b
    qcli jobs list
    qcli jobs list runs/first --open --json
    """
    from qcli.assess.jobs import jobs
    from qcli.cli.console import answer
    from qcli.report.hardware import jobs_table

    runs = (
        [run] if run else sorted(path.parents[2] for path in Path("runs").glob("*/hardware/*/journal.sqlite"))
    )
    found = [job.to_json() for each in dict.fromkeys(runs) for job in jobs(each, device)]
    found = [job for job in found if not open_ or job["state"] in ("intent", "submitted", "quarantined")]
    answer({"schema": "qcli.jobs/1", "jobs": found}, [jobs_table(found)], json_)


@app.command()
def show(
    run: _Run,
    number: Annotated[int, typer.Argument(help="The task's number in `qcli jobs list`.")],
    device: _Device = None,
    json_: _Json = False,
) -> None:
    """What happened to one task, event by event.

    \b
    qcli jobs show runs/first 1 --device braket/garnet
    """
    from qcli.cli.console import answer
    from qcli.report.hardware import events_table

    job = _numbered(run, device, number).to_json()
    answer({"schema": "qcli.job/1", **job}, [events_table(job)], json_)


@app.command()
def wait(run: _Run, device: _Device = None, profile: _Profile = None, account: _Account = None) -> None:
    """Collect results until nothing is under way; Ctrl-C leaves the rest for later.

    \b
    qcli jobs wait runs/first
    """
    _wait(run, device, profile, account, cancel=False)


@app.command()
def cancel(run: _Run, device: _Device = None, profile: _Profile = None, account: _Account = None) -> None:
    """Ask the vendor to cancel what has not run yet; what has ended is collected and kept.

    \b
    qcli jobs cancel runs/first --device braket/garnet
    """
    _wait(run, device, profile, account, cancel=True)


def _wait(run: Path, device: str | None, profile: str | None, account: str | None, cancel: bool) -> None:
    from qcli.assess.jobs import jobs, wait
    from qcli.cli.console import answer, progress
    from qcli.report.hardware import jobs_table

    with progress() as bar:
        task = bar.add_task("looking", total=None)
        wait(
            run,
            device,
            _services(profile, account),
            lambda name, still: bar.update(task, description=f"{name}: {still} tasks under way"),
            cancel,
        )
    found = [job.to_json() for job in jobs(run, device)]
    answer({"schema": "qcli.jobs/1", "jobs": found}, [jobs_table(found)], as_json=False)


def _services(profile: str | None, account: str | None) -> "ServiceOptions":
    from qcli.execute.braket import BraketOptions
    from qcli.execute.ibm import IbmOptions
    from qcli.execute.select import ServiceOptions

    return ServiceOptions(BraketOptions(profile=profile), IbmOptions(account=account))


def _numbered(run: Path, device: str | None, number: int) -> "Job":
    from qcli.assess.jobs import jobs
    from qcli.errors import QcliError

    found = [job for job in jobs(run, device) if job.entry.number == number]
    if len(found) != 1:
        what = f"{len(found)} tasks have the number {number}" if found else f"no task has the number {number}"
        raise QcliError(what, str(run), "name the --device; `qcli jobs list` shows the numbers")
    return found[0]
