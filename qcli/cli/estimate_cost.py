"""`qcli estimate-cost`."""

from typing import Annotated

import typer


def estimate_cost(
    target: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="A run directory, or a model by name or file.")
    ],
    inferences: Annotated[int, typer.Option(max=10**9, help="Samples to classify.")] = 48,
    shots: Annotated[int, typer.Option(help="Shots per circuit.")] = 512,
    device: Annotated[
        list[str] | None, typer.Option(help="Such as braket/garnet; may be repeated. Default: all.")
    ] = None,
    include_retired: Annotated[bool, typer.Option(help="Show devices that no longer exist, too.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Option of an untrained model.")
    ] = None,
    features: Annotated[
        int | None, typer.Option(min=1, help="Features of an untrained model; default 64.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, help="Classes of an untrained model; default 2.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Price inference on every QPU before spending anything; nothing is submitted, no network is used.

    \b
    qcli estimate-cost runs/first
    qcli estimate-cost qcnn --inferences 1000 --shots 1024 --device braket/garnet --device ibm/fez
    """
    from qcli.cli.console import answer, note, progress
    from qcli.cli.train import pairs
    from qcli.price.estimate import estimate_cost as estimate
    from qcli.price.sheet import load_sheets
    from qcli.report.tables import estimate_table

    with progress() as bar:
        task = bar.add_task("tracing", total=len(device or load_sheets()))
        result = estimate(
            target,
            inferences=inferences,
            shots=shots,
            devices=device or (),
            include_retired=include_retired,
            options=pairs(set_ or []),
            features=features,
            classes=classes,
            on_device=lambda name: bar.update(task, advance=1, description=f"compiling for {name}"),
        )
    content = result.to_json()
    answer(content, [estimate_table(content)], json_)
    run = result.subject.run
    if run:
        from qcli.report.html import write_report

        note(
            f"report: {write_report(run.path)}\nnext: qcli validate-on-hardware {run.path} --device emulator/garnet"
        )
