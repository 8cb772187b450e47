"""`qcli train`."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from qcli.cli.executors import ExecutorOption, SlurmOption
from qcli.errors import QcliError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.progress import Progress, TaskID

    from qcli.cluster.drive import Progress as Seen
    from qcli.cluster.jobs import Resources
    from qcli.train.loop import Epoch
    from qcli.train.run import Noise, Run, Settings
    from qcli.train.train import Weights

_FREE = ("resume", "json_", "noise", "noise_epochs", "shots", "nproc", "executor", "nodes", "ntasks", "slurm")
"""What a run does not keep."""
RecordT = TypeVar("RecordT", bound="BaseModel")


def train(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model of the zoo (qcnn, vqc) or a Python file with build().")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            help="digits:0,1; a .csv, .npz or .parquet file; a folder of .parquet files; or one with one sub-folder of "
            "images per class."
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
    precision: Annotated[
        str, typer.Option(help="Of state vectors, weights and features: float32 or float64.")
    ] = "float32",
    nproc: Annotated[
        int, typer.Option(help="Processes of this machine that share each batch; the losses are the same.")
    ] = 1,
    test_size: Annotated[
        float, typer.Option(help="Share of the samples kept for testing, or their number.")
    ] = 0.2,
    out: Annotated[
        Path | None, typer.Option(help="Run directory; default runs/<model>-<data>-<time>.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            metavar="DEVICE", help="Fine-tune afterwards under a device's noise: emulator/<device>."
        ),
    ] = None,
    noise_epochs: Annotated[
        int | None, typer.Option(help="With --noise: epochs of fine-tuning at most; default 10.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="With --noise: shots per circuit to train for; default 512.")
    ] = None,
    executor: ExecutorOption = "local",
    nodes: Annotated[int, typer.Option(min=1, help="Of executor slurm: nodes of the job.")] = 1,
    ntasks: Annotated[
        int, typer.Option(min=1, help="Of executor slurm: processes that share the training, over all nodes.")
    ] = 1,
    slurm: SlurmOption = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on with an interrupted run, or with --noise fine-tune a finished one."
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print metrics as JSON.")] = False,
) -> None:
    """Train a hybrid model on simulators and compare it with classical baselines on the same split.

    \b
    qcli train qcnn --data digits:3,6 --seeds 3
    qcli train ./mine.py --data measurements.csv --target class --set wires=6
    qcli train ./mine.py --data shards/ --batch 256 --nproc 8
    qcli train qcnn --executor slurm --nodes 2 --ntasks 8 --slurm partition=cpu --slurm time_s=3600
    qcli train --resume runs/qcnn-digits-3-6-20260405-120000
    qcli train --resume runs/first --noise emulator/garnet
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
    wanted = _noise(noise, noise_epochs, shots)
    resources = _resources(executor, nodes, ntasks, nproc, slurm)
    processes = ntasks if resources else nproc
    with progress() as bar:
        if resume is not None:
            from qcli.train.run import Run

            refuse_changes(context, "a run is resumed with its own settings", _FREE)
            run = Run.open(resume)
            _check_processes(processes, run.info.training.batch)
            run = _with_noise(run, wanted)
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
            _check_processes(processes, batch)
            run = prepare(
                model, data, target, pairs(set_ or []), test_size, settings, out, wanted, _check_noise
            )
        choice = engine_of(run)
        note(f"engine: {choice.engine}, {run.info.training.precision} ({choice.reason})")
        with _resumable(run):
            if resources is not None:
                _on_slurm(run, resources, bar)
            elif nproc == 1:
                go_on(run, *shown(run, bar))
    if nproc > 1:
        from qcli.train.parallel import launch

        with _resumable(run):
            launch(nproc, (sys.executable, "-m", "qcli.cli.rank", str(run.path)))
    _show(run, json_)


def _resources(
    executor: str, nodes: int, ntasks: int, nproc: int, slurm: list[str] | None
) -> Resources | None:
    """What a job on Slurm is given; None where the training runs here."""
    from qcli.cli.executors import check_executor, resources_of

    check_executor(executor)
    given = {"--nodes": nodes > 1, "--ntasks": ntasks > 1, "--slurm": bool(slurm)}
    if executor == "local":
        if named := [name for name, is_given in given.items() if is_given]:
            raise QcliError(f"{named[0]} without Slurm", named[0], "add --executor slurm, or use --nproc")
        return None
    if nproc > 1:
        raise QcliError("--nproc is for one machine", "--nproc", "use --nodes and --ntasks on Slurm")
    if ntasks % nodes:
        raise QcliError(
            f"{ntasks} tasks on {nodes} nodes",
            "--ntasks",
            f"choose a multiple of {nodes}: as many on every node",
        )
    shape = [f"nodes={nodes}", f"tasks_per_node={ntasks // nodes}"]
    return resources_of([*(slurm or []), *shape])


def _on_slurm(run: Run, resources: Resources, bar: Progress) -> None:
    from qcli.cluster.slurm import Slurm
    from qcli.progress.training import train_as_job
    from qcli.train.run import read_lines

    training = run.info.training
    task = bar.add_task("submitting to Slurm", total=training.seeds * training.epochs)

    def see(seen: Seen) -> None:
        state = "running" if seen.running else "done" if seen.done else "waiting for Slurm"
        bar.update(
            task, completed=len(read_lines(run.path / "history.jsonl")), description=f"{state}, epochs"
        )

    train_as_job(run, Slurm(run.path / "jobs", resources), poll_s=2.0, on_poll=see)


def shown(run: Run, bar: Progress) -> tuple[Any, ...]:
    """Arguments of `train.resume` and `parallel.rank`: a listener with a bar and, under noise, the fine-tuning."""
    more = () if run.info.noise is None else (partial(_fine_tune, bar, run),)
    return (_training_bar(bar, run), *more)


def _noise(device: str | None, epochs: int | None, shots: int | None) -> Noise | None:
    """What --noise, --noise-epochs and --shots ask for; the device by its one name."""
    given = {"epochs": epochs, "shots": shots}
    options = {"epochs": "noise-epochs", "shots": "shots"}
    chosen = {name: value for name, value in given.items() if value is not None}
    if device is None:
        if chosen:
            raise QcliError(
                f"--{options[next(iter(chosen))]} is for --noise", "qcli train", "add --noise emulator/garnet"
            )
        return None
    from qcli.forecast.finetune import emulated
    from qcli.train.run import Noise

    return _checked(Noise, {"device": emulated(device).emulator, **chosen}, options)


def _check_noise(run: Run) -> None:
    if run.info.noise is not None:
        from qcli.forecast.finetune import check

        check(run)


def _with_noise(run: Run, noise: Noise | None) -> Run:
    """A run that is to be fine-tuned under `noise`, if given, from now on."""
    if noise is None:
        return run
    noisy = replace(run, info=run.info.model_copy(update={"noise": noise}))
    _check_noise(noisy)
    noisy.save()
    return noisy


def _fine_tune(bar: Progress, run: Run, seed: int, weights: Weights) -> tuple[Weights, dict[str, Any]]:
    from qcli.forecast.finetune import fine_tune

    assert run.info.noise is not None
    steps = 2 * run.info.noise.epochs * _steps_per_epoch(run)
    return fine_tune(run, _Bar(bar, steps, f"under {run.info.noise.device}, "), seed, weights)


def _check_processes(nproc: int, batch: int) -> None:
    if not 1 <= nproc <= batch:
        raise QcliError(
            f"{nproc} processes for batches of {batch} rows",
            "--nproc",
            f"choose 1 to {batch}, or a larger --batch",
        )


@contextmanager
def _resumable(run: Run) -> Iterator[None]:
    """What stops a training halfway says how to go on."""
    from qcli.train.preempt import Preempted

    try:
        yield
    except KeyboardInterrupt:
        raise _stopped(run, "interrupted; all finished epochs are kept", "", 130) from None
    except Preempted as stopped:
        raise _stopped(run, f"{stopped}; all finished steps are kept", "", 128 + stopped.signal) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _stopped(
            run, "the disk is full; all finished epochs are kept", "free some space, then ", 1
        ) from error


def _stopped(run: Run, why: str, first: str, exit_code: int) -> QcliError:
    return QcliError(why, str(run.path), f"{first}qcli train --resume {run.path}", exit_code=exit_code)


def refuse_changes(context: typer.Context, what: str, free: Sequence[str]) -> None:
    """What is resumed keeps what it was started with: options beside --resume, but the `free`, would have no effect.

    Raises:
        QcliError: one is given.
    """
    given = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name not in free
        and getattr(context.get_parameter_source(parameter.name or ""), "name", "") == "COMMANDLINE"
    ]
    if given:
        raise QcliError(
            f"{what}: {', '.join(given)} cannot be changed", "--resume", "leave them out, or start a new one"
        )


def _show(run: Run, as_json: bool) -> None:
    from qcli.cli.console import answer, note
    from qcli.files import read_json
    from qcli.report.html import write_report
    from qcli.report.noise_aware import noise_aware_table
    from qcli.report.tables import metrics_table

    metrics = read_json(run.path / "metrics.json", "qcli.metrics/1")
    report = write_report(run.path)
    tables = (
        metrics_table(metrics, run.info.model.name, run.info.parameters.total),
        noise_aware_table(metrics),
    )
    answer({"run": str(run.path), **metrics}, [table for table in tables if table is not None], as_json)
    note(f"run: {run.path}\nreport: {report}\nnext: qcli estimate-cost {run.path}")


def _settings(**values: object) -> Settings:
    from qcli.train.run import Settings

    return _checked(Settings, values, {})


def _checked(kind: type[RecordT], values: Mapping[str, object], options: Mapping[str, str]) -> RecordT:
    """A record of options; `options` names those that are not called as its field is."""
    from pydantic import ValidationError

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        name = options.get(field, field)
        raise QcliError(
            f"--{name} {values[field]}: {first['msg']}", f"--{name}", "see qcli train --help"
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


def _steps_per_epoch(run: Run) -> int:
    return -(-run.info.split.train // run.info.training.batch)


def _training_bar(bar: Progress, run: Run) -> _Bar:
    training = run.info.training
    return _Bar(bar, training.seeds * training.epochs * _steps_per_epoch(run))


class _Bar:
    """Shows training as one progress bar over all steps of all seeds; `what` stands before each of its texts."""

    def __init__(self, bar: Progress, total: int, what: str = "") -> None:
        self.total = total
        self.bar, self.what = bar, what
        self.task: TaskID = bar.add_task("starting", total=self.total)
        self.latest: Epoch | None = None

    def on_start(self, seed: int, steps_done: int) -> None:
        self.bar.update(self.task, advance=steps_done, description=f"{self.what}seed {seed}")

    def on_step(self, seed: int, epoch: int, loss: float) -> None:
        text = f"{self.what}seed {seed} epoch {epoch} loss {loss:.3f}"
        if self.latest is not None:
            text += f" val. accuracy {self.latest.val_accuracy:.1%}"
        self.bar.update(self.task, advance=1, description=text)

    def on_epoch(self, epoch: Epoch) -> None:
        self.latest = epoch

    def on_stop(self, seed: int, skipped_steps: int) -> None:
        self.total -= skipped_steps
        self.bar.update(self.task, total=self.total)
