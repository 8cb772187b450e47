"""`qcli validate-on-hardware`."""

from pathlib import Path
from typing import Annotated

import typer


def validate_on_hardware(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    device: Annotated[str, typer.Option(help="sim, sampled, or emulator/<device>, such as emulator/garnet.")],
    inferences: Annotated[
        int | None, typer.Option(help="Test samples to use; default 48, or all if fewer.")
    ] = None,
    shots: Annotated[int, typer.Option(help="Shots per circuit.")] = 512,
    seed: Annotated[int, typer.Option(help="Seed of the sampling.")] = 0,
    engine: Annotated[
        str, typer.Option(help="Simulator to compare with: auto, cpu, torch or lightning.")
    ] = "auto",
    precision: Annotated[str, typer.Option(help="Of its state vectors: float32 or float64.")] = "float32",
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Run the same test samples in simulation and on a device: accuracy lost, flips, latency, cost.

    \b
    qcli validate-on-hardware runs/first --device emulator/garnet
    qcli validate-on-hardware runs/first --device emulator/fez --shots 2000 --json
    """
    from qcli.assess.validate import hardware_folder
    from qcli.assess.validate import validate_on_hardware as validate
    from qcli.cli.console import answer, note, progress
    from qcli.report.html import write_report
    from qcli.report.tables import assessment_table
    from qcli.train.run import Run

    opened = Run.open(run)
    with progress() as bar:
        task = bar.add_task(f"running on {device}", total=None)
        assessment = validate(
            opened,
            device,
            inferences=inferences,
            shots=shots,
            seed=seed,
            engine=engine,
            precision=precision,
            on_samples=lambda done, total: bar.update(task, completed=done, total=total),
        )
    answer(assessment, [assessment_table(assessment)], json_)
    used = assessment["simulation"]["engine"]
    note(f"simulated by: {used['engine']}, {used['precision']} ({used['reason']})")
    note(
        f"samples: {hardware_folder(opened, assessment['device']) / 'samples.csv'}\nreport: {write_report(opened.path)}"
    )
