"""`qcli train`."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qcli.errors import QcliError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from qcli.train.loop import Epoch
    from qcli.train.run import Run, Settings


def train(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model of the zoo (qcnn, vqc) or a Python file with build().")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            help="digits:0,1; a .csv, .npz or .parquet file; or a folder with one sub-folder of images per class."
        ),
    ] = "digits:0,1",
    target: Annotated[str | None, typer.Option(help="Column of a table that holds the class.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Option of the model, such as wires=6; may be repeated."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(help="Epochs at most.")] = 30,
    batch: Annotated[int, typer.Option(help="Samples per optimizer step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.01,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.")] = "adam",
    seed: Annotated[int, typer.Option(help="Seed of the split, the weights and the order of samples.")] = 0,
    seeds: Annotated[
        int, typer.Option(help="Repeat with this many seeds; the best on validation data is kept.")
    ] = 1,
    patience: Annotated[
        int, typer.Option(help="Stop after so many epochs without a better validation loss.")
    ] = 10,
    engine: Annotated[
        str,
        typer.Option(help="Simulator: auto, cpu, torch (CUDA if there is one) or lightning (PennyLane's)."),
    ] = "auto",
    precision: Annotated[str, typer.Option(help="Of the state vectors: float32 or float64.")] = "float32",
    test_size: Annotated[
        float, typer.Option(help="Share of the samples kept for testing, or their number.")
    ] = 0.2,
    out: Annotated[
        Path | None, typer.Option(help="Run directory; default runs/<model>-<data>-<time>.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print metrics as JSON.")] = False,
) -> None:
    """Train a hybrid model on simulators and compare it with classical baselines on the same split.

    \b
    qcli train qcnn --data digits:3,6 --seeds 3
    qcli train ./mine.py --data measurements.csv --target class --set wires=6
    qcli train --resume runs/qcnn-digits-3-6-20260405-120000
    """
    from qcli.cli.console import note, progress
    from qcli.train.train import engine_of, prepare
    from qcli.train.train import resume as go_on

    if (model is None) == (resume is None):
        raise QcliError(
            "name either a model or a run to resume",
            "qcli train",
            "qcli train qcnn, or qcli train --resume RUN",
        )
    with progress() as bar:
        if resume is not None:
            from qcli.train.run import Run

            _refuse_settings(context)
            run = Run.open(resume)
        else:
            assert model is not None
            settings = _settings(
                epochs=epochs,
                batch=batch,
                lr=lr,
                optimizer=optimizer,
                seed=seed,
                seeds=seeds,
                patience=patience,
                engine=engine,
                precision=precision,
            )
            run = prepare(model, data, target, pairs(set_ or []), test_size, settings, out)
        choice = engine_of(run)
        note(f"engine: {choice.engine}, {run.info.training.precision} ({choice.reason})")
        try:
            go_on(run, _Bar(bar, run))
        except KeyboardInterrupt:
            raise _stopped(run, "interrupted", "", 130) from None
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise _stopped(run, "the disk is full", "free some space, then ", 1) from error
    _show(run, json_)


def _stopped(run: Run, why: str, first: str, exit_code: int) -> QcliError:
    return QcliError(
        f"{why}; all finished epochs are kept",
        str(run.path),
        f"{first}qcli train --resume {run.path}",
        exit_code=exit_code,
    )


def _refuse_settings(context: typer.Context) -> None:
    """A run keeps the settings it was started with: others beside --resume would have no effect."""
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in ("resume", "json_")
        and getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise QcliError(
            f"a run is resumed with its own settings: {', '.join(given)} cannot be changed",
            "--resume",
            "leave them out, or start a new run",
        )


def _show(run: Run, as_json: bool) -> None:
    from qcli.cli.console import answer, note
    from qcli.files import read_json
    from qcli.report.html import write_report
    from qcli.report.tables import metrics_table

    metrics = read_json(run.path / "metrics.json", "qcli.metrics/1")
    report = write_report(run.path)
    answer(
        {"run": str(run.path), **metrics},
        [metrics_table(metrics, run.info.model.name, run.info.parameters.total)],
        as_json,
    )
    note(f"run: {run.path}\nreport: {report}\nnext: qcli estimate-cost {run.path}")


def _settings(**values: object) -> Settings:
    from pydantic import ValidationError

    from qcli.train.run import Settings

    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise QcliError(
            f"--{name} {values[name]}: {first['msg']}", f"--{name}", "see qcli train --help"
        ) from None


def pairs(settings: list[str], option: str = "--set", example: str = "wires=6") -> dict[str, str]:
    """`["wires=6"]` to `{"wires": "6"}`."""
    for setting in settings:
        if "=" not in setting:
            raise QcliError(
                f"{option} takes key=value, got {setting!r}",
                f"{option} {setting}",
                f"write {option} {example}",
            )
    return dict(setting.partition("=")[::2] for setting in settings)


class _Bar:
    """Shows training as one progress bar over all steps of all seeds."""

    def __init__(self, bar: Progress, run: Run) -> None:
        training = run.info.training
        self.steps_per_epoch = -(-run.info.split.train // training.batch)
        self.total = training.seeds * training.epochs * self.steps_per_epoch
        self.bar = bar
        self.task: TaskID = bar.add_task("starting", total=self.total)
        self.latest: Epoch | None = None

    def on_start(self, seed: int, steps_done: int) -> None:
        self.bar.update(self.task, advance=steps_done, description=f"seed {seed}")

    def on_step(self, seed: int, epoch: int, loss: float) -> None:
        text = f"seed {seed} epoch {epoch} loss {loss:.3f}"
        if self.latest is not None:
            text += f" val. accuracy {self.latest.val_accuracy:.1%}"
        self.bar.update(self.task, advance=1, description=text)

    def on_epoch(self, epoch: Epoch) -> None:
        self.latest = epoch

    def on_stop(self, seed: int, skipped_steps: int) -> None:
        self.total -= skipped_steps
        self.bar.update(self.task, total=self.total)
