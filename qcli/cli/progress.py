"""`qcli progress`: from laptop through HPC to QPU, each stage gated by the one before."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcli.errors import QcliError

if TYPE_CHECKING:
    from qcli.cluster.jobs import Jobs, Resources
    from qcli.progress.plan import Hpc

HELP = """From laptop through HPC to QPU: one file, each stage gated by the one before.

\b
qcli progress init progression.toml
qcli progress run progression.toml --dry-run
qcli progress run progression.toml
qcli progress status progression.toml --watch
qcli progress report progression.toml
"""
app = typer.Typer(help=HELP, no_args_is_help=True)

_File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="A progression.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command()
def init(
    file: _File = Path("progression.toml"),
    slurm: Annotated[bool, typer.Option("--slurm", help="With the middle stage on a Slurm cluster.")] = False,
) -> None:
    """Write a progression of the demo's QCNN to start from.

    \b
    qcli progress init
    qcli progress init cluster.toml --slurm
    """
    from qcli.cli.console import note
    from qcli.files import write_atomic
    from qcli.progress import toml

    if file.exists():
        raise QcliError(f"{file} exists", str(file.absolute()), "name another file, or remove it")
    template = Path(toml.__file__).with_name("slurm.toml" if slurm else "laptop.toml")
    write_atomic(file, template.read_text(encoding="utf-8"))
    note(f"wrote {file}\nnext: qcli progress run {file} --dry-run")


@app.command()
def run(
    file: _File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Every job, core hour and dollar; nothing is started.")
    ] = False,
    json_: _Json = False,
) -> None:
    """Run the stages that have not passed their gates yet; exit 4 where a gate is not met.

    \b
    qcli progress run progression.toml --dry-run
    qcli progress run progression.toml
    """
    from qcli.cli.console import answer, note, progress
    from qcli.progress.bounds import bounds
    from qcli.progress.run import folder_of
    from qcli.progress.run import progress as go
    from qcli.progress.status import status
    from qcli.progress.toml import read_progression
    from qcli.report.progress import bounds_table, bounds_to_json, checks_table, status_table

    plan = read_progression(file)
    folder = folder_of(plan)
    if dry_run:
        folder.check_unchanged(plan)
        parts = bounds(plan)
        answer(bounds_to_json(parts), [bounds_table(parts)], json_)
        return
    try:
        with progress() as bar:
            task = bar.add_task("starting", total=None)
            go(
                plan,
                _jobs,
                on_step=lambda stage, text: bar.update(
                    task, description=f"{stage}: {text}", total=None, completed=0
                ),
                on_seen=lambda stage, text, seen: bar.update(
                    task,
                    total=seen.total,
                    completed=seen.done,
                    description=f"{stage}: {text}, {seen.running} running",
                ),
                on_result=lambda stage, result: bar.console.print(checks_table(stage, result)),
            )
    except KeyboardInterrupt:
        raise QcliError(
            "interrupted; what is finished is kept, jobs on Slurm go on",
            str(folder.path),
            f"qcli progress resume {file}",
            exit_code=130,
        ) from None
    content = status(plan)
    answer(content, [status_table(content)], json_)
    note(f"next: qcli progress report {file}")


@app.command()
def resume(file: _File, json_: _Json = False) -> None:
    """Go on with a progression that was interrupted; jobs that run on Slurm are picked up, not started again.

    \b
    qcli progress resume progression.toml
    """
    from qcli.progress.run import folder_of
    from qcli.progress.toml import read_progression

    folder = folder_of(read_progression(file))
    if not folder.log.path.is_file():
        raise QcliError("nothing to resume", str(folder.path), f"qcli progress run {file}")
    run(file, False, json_)


@app.command("status")
def status_(
    file: _File,
    watch: Annotated[bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")] = False,
    json_: _Json = False,
) -> None:
    """Stages, trials, jobs, time and money of a progression.

    \b
    qcli progress status progression.toml
    qcli progress status progression.toml --watch
    """
    import time

    from rich.console import Console
    from rich.live import Live

    from qcli.cli.console import answer
    from qcli.progress.status import status
    from qcli.progress.toml import read_progression
    from qcli.report.progress import status_table

    plan = read_progression(file)
    content = status(plan)
    if not watch:
        answer(content, [status_table(content)], json_)
        return
    try:
        with Live(status_table(content), console=Console(), auto_refresh=False) as live:
            while any(stage["state"] in ("begun", "not begun") for stage in content["stages"]):
                time.sleep(2.0)
                content = status(plan)
                live.update(status_table(content), refresh=True)
    except KeyboardInterrupt:
        return


@app.command()
def report(file: _File) -> None:
    """One HTML page of all stages: search, training, cost, forecast, hardware.

    \b
    qcli progress report progression.toml
    """
    from qcli.progress.toml import read_progression
    from qcli.report.progress_page import write_progress_report

    print(write_progress_report(read_progression(file)))


def _jobs(folder: Path, settings: Hpc, given: Resources) -> AbstractContextManager[Jobs]:
    from qcli.cli.executors import jobs_of

    return jobs_of(settings.executor, folder, settings.workers, given)
