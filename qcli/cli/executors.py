"""The options `--executor`, `--workers` and `--slurm`."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcli.errors import QcliError

if TYPE_CHECKING:
    from qcli.cluster.jobs import Jobs, Resources

ExecutorOption = Annotated[str, typer.Option(help="Where jobs run: local or slurm.")]
SlurmOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slurm",
        metavar="KEY=VALUE",
        help="partition, account, qos, time_s, cpus, gpus, memory_gb, nodes, tasks_per_node, width or setup; "
        "may be repeated.",
    ),
]


def jobs_of(executor: str, folder: Path, workers: int, resources: Resources) -> AbstractContextManager[Jobs]:
    """What runs jobs: so many processes here, or Slurm. What this machine runs ends with the block.

    Raises:
        QcliError: no such executor.
    """
    check_executor(executor)
    if executor == "local":
        from qcli.cluster.local import Local

        return closing(Local(folder, workers))
    from qcli.cluster.slurm import Slurm

    return nullcontext(Slurm(folder, resources))


def check_executor(name: str) -> None:
    """Raises QcliError for one that is not there."""
    if name not in ("local", "slurm"):
        raise QcliError(f"no executor {name!r}", "--executor", "choose local or slurm")


def resources_of(options: list[str] | None) -> Resources:
    """`--slurm` as a record.

    Raises:
        QcliError: an unknown key, or a value that it does not take.
    """
    from pydantic import ValidationError

    from qcli.cli.train import pairs
    from qcli.cluster.jobs import Resources
    from qcli.files import nearest

    content: dict[str, Any] = {}
    for option in options or []:
        ((key, value),) = pairs([option], "--slurm", "partition=gpu").items()
        if key not in Resources.model_fields or key == "extra":
            known = sorted(set(Resources.model_fields) - {"extra"})
            raise QcliError(f"--slurm has no {key!r}", f"--slurm {option}", nearest(key, known))
        content[key] = (*content.get("setup", ()), value) if key == "setup" else value
    try:
        return Resources.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise QcliError(f"{key} = {content[key]}: {first['msg']}", "--slurm", "correct the value") from None
