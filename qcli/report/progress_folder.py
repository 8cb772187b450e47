"""Reading a progression's folder: what is there, and what is missing or unreadable."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field

from qcli.errors import QcliError
from qcli.progress.plan import Progression
from qcli.progress.run import folder_of
from qcli.progress.stage import STAGES, Folder, Name, asked, work_folder
from qcli.progress.status import status
from qcli.report.folder import RunFolder, read_run
from qcli.report.inputs import Estimated
from qcli.report.parse import File, Money, parse, printable
from qcli.search.document import document

UNREADABLE = "unreadable"
T = TypeVar("T")


class CheckRead(File):
    """A condition of a gate."""

    name: str
    asked: str
    measured: str
    met: bool
    advice: str = ""


class Gradients(File):
    """As `qcli.progress.gradients` saw them."""

    unreached: list[str]
    variance: float | None
    wires: int
    draws: int


class Bill(File):
    """Of the last stage on one target, before the search."""

    device: str
    plan: str | None = None
    usd: Money | None = None
    usd_high: Money | None = None
    note: str = ""


class Facts(File):
    """What stages measured; each has some of it."""

    run: str | None = None
    samples: int | None = None
    loss: list[float] = Field(default_factory=list)
    seconds: float | None = None
    gradients: Gradients | None = None
    bills: list[Bill] = Field(default_factory=list)
    point: dict[str, Any] = Field(default_factory=dict)
    accuracy: Estimated | None = None
    device: str | None = None
    forecast: Estimated | None = None
    simulated: Estimated | None = None
    usd: Money | None = None
    usd_high: Money | None = None


class Part(File):
    """A search of a stage: its trials by state, and seconds of work."""

    name: str
    trials: dict[str, int]
    seconds: float


class StageRead(File):
    """A stage; `seconds` of its driver, over all of its turns that ended."""

    stage: Name
    state: str
    parts: list[Part] = Field(default_factory=list)
    jobs: dict[str, int] = Field(default_factory=dict)
    seconds: float = 0.0
    checks: list[CheckRead] = Field(default_factory=list)
    facts: Facts = Facts()


@dataclass(frozen=True)
class ProgressFolder:
    """Everything the page shows. `missing`: not there yet; `broken`: there, but unreadable."""

    name: str
    stages: tuple[StageRead, ...]
    laptop: RunFolder | None
    search: Mapping[str, Any] | None
    seeds: Mapping[str, Any] | None
    final: RunFolder | None
    edited: tuple[Name, ...]
    missing: tuple[str, ...]
    broken: tuple[str, ...]

    def stage(self, name: Name) -> StageRead:
        return next(stage for stage in self.stages if stage.stage == name)


@dataclass
class _Reader:
    """Reads what it is asked for, and notes what is not there or raises."""

    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def read(self, what: str, path: Path, get: Callable[[Path], T]) -> T | None:
        """`get(path)`, None where it is missing or raises."""
        if not path.exists():
            self.missing.append(what)
            return None
        try:
            return get(path)
        except QcliError as error:
            self.broken.append(printable(f"{what}: {error.what}"))
        except Exception as error:  # whatever a damaged journal or an unreachable database raises
            self.broken.append(f"{what}: {type(error).__name__}")
        return None


def read_progress(plan: Progression) -> ProgressFolder:
    """Read the folder of `plan`, as far as it can be read."""
    folder, reader = folder_of(plan), _Reader()
    stages = _stages(plan, folder, reader)
    work = {stage.stage: _work(plan, folder, stage) for stage in stages}
    laptop = _run(reader, "laptop's training", work["laptop"] / "run")
    search = seeds = None
    if plan.space:
        search = reader.read("search", work["hpc"] / "search", document)
        if plan.hpc.seeds > 1:
            seeds = reader.read("seeds of the best", work["hpc"] / "seeds", document)
    final = _run(reader, "final training", work["hpc"] / "final")
    return ProgressFolder(
        name=printable(str(folder.path)),
        stages=tuple(stages),
        laptop=laptop,
        search=search,
        seeds=seeds,
        final=final,
        edited=_edited(plan, folder),
        missing=tuple(reader.missing),
        broken=tuple(reader.broken),
    )


def _stages(plan: Progression, folder: Folder, reader: _Reader) -> list[StageRead]:
    """From `status` where it can be had; otherwise stage by stage, without trials and jobs."""
    try:
        rows = status(plan)["stages"]
    except Exception:  # the part that raises is named where it is read for itself
        rows = [_alone(folder, stage) for stage in STAGES]
    found = []
    for name, row in zip(STAGES, rows, strict=True):
        try:
            found.append(parse(StageRead, row, "progress.jsonl"))
        except QcliError as error:
            reader.broken.append(f"progress.jsonl, stage {name}: {error.what}")
            found.append(StageRead(stage=name, state=UNREADABLE))
    return found


def _alone(folder: Folder, stage: Name) -> dict[str, Any]:
    try:
        result = folder.result(stage)
        ended = [event for event in folder.log.events() if event["stage"] == stage and "seconds" in event]
        seconds = sum(event["seconds"] for event in ended)
        content: dict[str, Any] = {"stage": stage, "state": folder.state(stage), "seconds": seconds}
        if result is not None:
            content |= {"checks": [vars(check) for check in result.checks], "facts": dict(result.facts)}
    except (KeyError, TypeError, ValueError):
        return {"stage": stage}
    return content


def _work(plan: Progression, folder: Folder, stage: StageRead) -> Path:
    """Where a stage worked: for one that ended, where its run lies, whatever the file says by now."""
    if stage.facts.run and stage.stage != "qpu":
        before = folder.path / Path(stage.facts.run).parent.name
        if before.is_dir():
            return before
    return work_folder(folder, plan, stage.stage)


def _run(reader: _Reader, what: str, path: Path) -> RunFolder | None:
    run = reader.read(what, path, read_run)
    if run is not None:
        reader.missing += [f"{what}: {name}" for name in run.missing if name in _OF_A_TRAINING]
        reader.broken += [f"{what}: {problem}" for problem in run.broken]
    return run


_OF_A_TRAINING = ("history.jsonl", "metrics.json")
"""Of what a run directory may lack, what a stage writes before anything else of its own is missing."""


def _edited(plan: Progression, folder: Folder) -> tuple[Name, ...]:
    """Stages whose last turn was asked something else than the file asks now."""
    found: list[Name] = []
    for event in folder.log.events("begun"):
        stage = event.get("stage")
        if stage in STAGES:
            found = [name for name in found if name != stage]
            if event.get("asked") != json.loads(json.dumps(asked(plan, stage), default=str)):
                found.append(stage)
    return tuple(found)
