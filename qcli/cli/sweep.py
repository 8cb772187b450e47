"""`qcli sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcli.cli.executors import ExecutorOption, SlurmOption
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qcli.search.plan import Plan

_FREE = ("resume", "json_", "executor", "workers", "together", "slurm")
"""Where a search runs, which its plan does not hold."""


def sweep(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(help="A model of the zoo (qcnn, vqc) or a Python file with build().")
    ] = None,
    data: Annotated[str, typer.Option(help="As in qcli train.")] = "digits:0,1",
    target: Annotated[str | None, typer.Option(help="Column of a table that holds the class.")] = None,
    space: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUES",
            help="A training setting or model option to search: 4,6,8, 1..4, 0.1..0.5 or log:0.001..0.1 "
            "(/5 behind a range: points of a grid); may be repeated.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Fixed option of the model; may be repeated."),
    ] = None,
    trials: Annotated[int, typer.Option(help="Trials in all.")] = 20,
    sampler: Annotated[str, typer.Option(help="tpe, random or grid.")] = "tpe",
    objective: Annotated[
        list[str] | None,
        typer.Option(
            help="accuracy (default) or loss on validation data; gates, forecast or usd on --device; "
            "repeated: a Pareto front."
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Such as braket/garnet.")] = None,
    inferences: Annotated[int, typer.Option(help="Samples that usd pays for.")] = 48,
    shots: Annotated[int, typer.Option(help="Shots per circuit on the device.")] = 512,
    prune: Annotated[
        bool, typer.Option("--prune", help="End trials early that are below the median.")
    ] = False,
    generation: Annotated[int, typer.Option(help="Trials that tpe draws together.")] = 8,
    epochs: Annotated[int, typer.Option(help="Epochs of a trial at most.")] = 30,
    batch: Annotated[int, typer.Option(help="Samples per optimizer step.")] = 32,
    lr: Annotated[float, typer.Option(help="Learning rate.")] = 0.01,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.")] = "adam",
    seed: Annotated[int, typer.Option(help="Of split, weights and search.")] = 0,
    executor: ExecutorOption = "local",
    workers: Annotated[int, typer.Option(min=1, help="Processes of executor local.")] = 1,
    together: Annotated[int, typer.Option(min=1, help="Trials in one Slurm job.")] = 1,
    slurm: SlurmOption = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="A database for Optuna; $NAME is read from the environment. Default: a file."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder; default runs/sweep-<model>-<time>.")] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Go on with an interrupted search.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Search training settings and circuit architectures, on this machine or on Slurm.

    With several objectives the answer is a Pareto front: the trials that no other one beats in all of them. The same
    search has the same trials, however many run at once and whatever is interrupted.

    \b
    qcli sweep qcnn --data digits:3,6 --space lr=log:0.005..0.1 --space wires=4,6,8 --workers 2
    qcli sweep vqc --space layers=1..4 --space encoding=X,Y --objective accuracy --objective gates --device ibm/fez
    qcli sweep qcnn --space wires=4,8 --space shots=128,512 --objective forecast --objective usd --device braket/garnet
    qcli sweep qcnn --space lr=log:0.001..0.1 --executor slurm --slurm partition=cpu --slurm time_s=1800
    qcli sweep --resume runs/sweep-qcnn-20260405-120000 --workers 2
    """
    from qcli.cli.console import answer, note, progress
    from qcli.cli.executors import check_executor, jobs_of, resources_of
    from qcli.cli.train import pairs, refuse_changes
    from qcli.report.search import search_tables
    from qcli.search.document import document
    from qcli.search.run import begin, search

    if (model is None) == (resume is None):
        raise QcliError(
            "name either a model or a search to resume", "qcli sweep", "qcli sweep qcnn --space wires=4,8"
        )
    check_executor(executor)
    resources = resources_of(slurm)
    if resume is not None:
        refuse_changes(context, "a search is resumed with its own plan", _FREE)
        folder = resume
    else:
        plan = _plan(
            model=model,
            data=data,
            target=target,
            options=pairs(set_ or []),
            settings={"epochs": epochs, "batch": batch, "lr": lr, "optimizer": optimizer, "seed": seed},
            space=pairs(space or [], "--space", "wires=4,8"),
            sampler=sampler,
            trials=trials,
            generation=generation,
            seed=seed,
            prune=prune,
            objectives=objective or ["accuracy"],
            device=device,
            inferences=inferences,
            shots=shots,
            storage=storage,
        )
        folder = out or _folder(plan.model)
        begin(plan, folder)
    try:
        with jobs_of(executor, folder / "jobs", workers, resources) as jobs, progress() as bar:
            jobs.check()
            task = bar.add_task("trials", total=None)
            search(
                folder,
                jobs,
                together=together,
                poll_s=0.2 if executor == "local" else 5.0,
                on_poll=lambda seen: bar.update(
                    task,
                    total=seen.total,
                    completed=seen.done,
                    description=f"{seen.running} of {seen.total} trials running",
                ),
            )
    except KeyboardInterrupt:
        left = "jobs on Slurm go on" if executor == "slurm" else "finished epochs are kept"
        raise QcliError(
            f"interrupted; {left}",
            str(folder),
            f"qcli sweep --resume {folder} --executor {executor}",
            exit_code=130,
        ) from None
    content = document(folder)
    answer(content, search_tables(content), json_)
    best = content["front"][0] if content["front"] else None
    note(f"search: {folder}")
    if best is not None:
        note(f"next: qcli train {_command(content, best)}")
    if not content["front"]:
        raise QcliError("no trial was finished", str(folder), "see the column 'note'", exit_code=1)


def _plan(**content: Any) -> Plan:
    from pydantic import ValidationError

    from qcli.files import nearest
    from qcli.search.plan import DIRECTIONS, Plan
    from qcli.search.space import parse_dimension

    for objective in content["objectives"]:
        if objective not in DIRECTIONS:
            raise QcliError(f"no objective {objective!r}", "--objective", nearest(objective, DIRECTIONS))
    if not content["space"]:
        raise QcliError(
            "nothing to search", "--space", "such as --space lr=log:0.001..0.1 --space wires=4,6,8"
        )
    content["space"] = {name: parse_dimension(text) for name, text in content["space"].items()}
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][-1]) if first["loc"] else "search"
        raise QcliError(
            f"{key}: {first['msg'].removeprefix('Value error, ')}", f"--{key}", "see qcli sweep --help"
        ) from None


def _folder(model: str) -> Path:
    from datetime import datetime

    return Path("runs") / f"sweep-{Path(model).stem}-{datetime.now():%Y%m%d-%H%M%S}"


def _command(content: dict[str, Any], number: int) -> str:
    """The arguments of `qcli train` that repeat a trial with all metrics."""
    plan = content["plan"]
    params = content["trials"][number]["params"]
    parts = [plan["model"], f"--data {plan['data']}"]
    parts += [f"--target {plan['target']}"] if plan["target"] else []
    settings = {name: plan["settings"][name] for name in ("epochs", "batch", "lr", "optimizer", "seed")}
    own = {name: params.get(name, value) for name, value in settings.items()}
    parts += [f"--{name} {value}" for name, value in own.items()]
    options = plan["options"] | {
        name: value for name, value in params.items() if name not in (*plan["settings"], "shots")
    }
    return " ".join([*parts, *(f"--set {name}={value}" for name, value in options.items())])
