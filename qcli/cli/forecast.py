"""`qcli forecast`: what a device would measure of a trained model or of any circuit, and how good forecasts are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcli.cli.groups import with_default

if TYPE_CHECKING:
    from datetime import date

HELP = """Forecast what a QPU would measure, with an interval: of a trained model, or of any OpenQASM circuit.

\b
qcli forecast runs/first --device braket/garnet --why
qcli forecast circuit.qasm --device ibm/boston --target 0000 --shots 1000
qcli forecast score results.csv
"""
app = typer.Typer(cls=with_default("of"), help=HELP)


@app.command("of")
def of(
    target: Annotated[
        Path, typer.Argument(metavar="RUN|CIRCUIT", help="A run directory or an OpenQASM file.")
    ],
    device: Annotated[
        list[str] | None,
        typer.Option(help="Such as braket/garnet; may be repeated. Default for a run: all in the catalogue."),
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Per circuit; default 512 for a run, 1000 for a circuit.")
    ] = None,
    inferences: Annotated[
        int | None, typer.Option(help="Test samples of a run; default 48, or all if fewer.")
    ] = None,
    include_retired: Annotated[
        bool, typer.Option("--include-retired", help="Of a run: devices that no longer exist, too.")
    ] = False,
    why: Annotated[bool, typer.Option("--why", help="Of a run: where the loss comes from.")] = False,
    mitigation: Annotated[
        bool, typer.Option("--mitigation", help="Of a run: what error mitigation regains, and its price.")
    ] = False,
    bits: Annotated[
        str | None, typer.Option("--target", metavar="BITS", help="Of a circuit: a bitstring, bit 0 first.")
    ] = None,
    observable: Annotated[
        str | None, typer.Option(metavar="PAULI", help="Of a circuit: such as ZIIX, or 'Z0 X3'.")
    ] = None,
    on: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Day of the run; default today.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the days that are drawn.")] = 0,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Accuracy of a trained run on devices, or the value of one circuit, each with its 90 % interval.

    \b
    qcli forecast runs/first
    qcli forecast runs/first --device braket/garnet --why --mitigation
    qcli forecast circuit.qasm --device ibm/boston --target 0000 --shots 1000
    qcli forecast circuit.qasm --device braket/garnet --observable 'Z0 Z3' --json
    """
    from qcli.errors import QcliError

    if not target.exists():
        raise QcliError(f"{target} does not exist", str(target), "give a run directory or an OpenQASM file")
    day = on.date() if on else None
    given = {"--target": bits, "--observable": observable}
    for_runs = {"--why": why, "--mitigation": mitigation, "--include-retired": include_retired}
    for_runs |= {"--inferences": inferences is not None}
    wrong = for_runs if target.is_file() else {name: value is not None for name, value in given.items()}
    if named := [name for name, is_given in wrong.items() if is_given]:
        kind = "a circuit" if target.is_file() else "a run"
        raise QcliError(f"{', '.join(named)} for {kind}", str(target), "leave it out")
    if target.is_file():
        _circuit(target, device or [], bits, observable, 1000 if shots is None else shots, day, seed, json_)
    else:
        _run(
            target,
            json_,
            devices=device or [],
            inferences=inferences,
            shots=512 if shots is None else shots,
            on=day,
            seed=seed,
            include_retired=include_retired,
            why=why,
            mitigation=mitigation,
        )


@app.command()
def score(
    results: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Measured results.")],
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the days that are drawn.")] = 0,
) -> None:
    """Compare forecasts with measured results: error, bias, and how often the 90 % interval holds the truth.

    The file has the columns circuit (an OpenQASM file, relative to it), device, date, shots, target (a bitstring) and
    measured (the share of shots that gave it).

    \b
    qcli forecast score results.csv
    qcli forecast score results.csv --json
    """
    from qcli.cli.console import answer, note, progress
    from qcli.forecast.score import NO_CALIBRATION, read_results, summary
    from qcli.forecast.score import score as scored
    from qcli.report.forecast_tables import score_table

    rows = read_results(results)
    with progress() as bar:
        task = bar.add_task("forecasting", total=len(rows))
        found, refused = scored(rows, lambda done: bar.update(task, completed=done), seed)
    content = summary(found, refused)
    answer(content, [score_table(content)], json_)
    nameless = {each.result.device for each in found if NO_CALIBRATION in each.forecast.basis}
    if nameless:
        note(
            f"no calibration of {', '.join(sorted(nameless))}: their forecasts are the guess for their vendor"
        )
    for each in found:
        if each.forecast.note:
            note(f"line {each.result.line}: {each.forecast.note}")
    for row in refused:
        note(f"not scored: {row.error.what}")


def _circuit(
    path: Path,
    devices: list[str],
    bits: str | None,
    observable: str | None,
    shots: int,
    on: date | None,
    seed: int,
    as_json: bool,
) -> None:
    from qcli.circuit.openqasm import read_circuit
    from qcli.cli.console import answer, note, progress
    from qcli.device.catalogue import find
    from qcli.errors import QcliError
    from qcli.forecast.circuit import bitstring, forecast_circuit, pauli_word
    from qcli.report.forecast_tables import prediction_table

    if len(devices) != 1:
        raise QcliError(
            f"a circuit is forecast for one device, not {len(devices)}",
            "--device",
            "name one, such as ibm/boston",
        )
    if (bits is None) == (observable is None):
        raise QcliError(
            "what is to be forecast?",
            "--target, --observable",
            "give a bitstring or a Pauli word, one of the two",
        )
    record, circuit = find(devices[0]), read_circuit(path)
    asked = bitstring(circuit, bits) if bits is not None else pauli_word(circuit, str(observable))
    with progress() as bar:
        bar.add_task(f"simulating {record.key}", total=None)
        found = forecast_circuit(asked, record, shots, on, seed)
    content: dict[str, Any] = {"schema": "qcli.prediction/1", "circuit": str(path), "device": record.key}
    content |= {"shots": shots, "calibrated_on": record.calibrated_on.isoformat(), **found.to_json()}
    content |= {"target": bits} if bits is not None else {"observable": observable}
    answer(content, [prediction_table(content)], as_json)
    if found.note:
        note(found.note)


def _run(path: Path, as_json: bool, **asked: Any) -> None:
    from qcli.cli.console import answer, note, progress
    from qcli.forecast.document import forecast
    from qcli.report.forecast_tables import forecast_tables
    from qcli.report.html import write_report
    from qcli.train.run import Run

    run = Run.open(path)
    with progress() as bar:
        task = bar.add_task("forecasting", total=None)
        content = forecast(
            run,
            **asked,
            on_step=lambda text, done, total: bar.update(task, description=text, completed=done, total=total),
        )
    answer(content, forecast_tables(content), as_json)
    note(f"report: {write_report(run.path)}")
