"""Where a progression stands: from its files, and from Slurm where jobs may be under way."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qcli.cluster.log import Log
from qcli.errors import QcliError
from qcli.progress.plan import Progression
from qcli.progress.run import folder_of
from qcli.progress.stage import STAGES, Folder, Name, work_folder
from qcli.progress.training import LOG
from qcli.search.run import table

_PARTS = ("search", "seeds")


def status(plan: Progression) -> dict[str, Any]:
    """Stages with their trials, jobs, time in seconds and money in USD."""
    folder = folder_of(plan)
    return {
        "schema": "qcli.progress/1",
        "folder": str(folder.path),
        "stages": [_stage(plan, folder, stage) for stage in STAGES],
    }


def _stage(plan: Progression, folder: Folder, stage: Name) -> dict[str, Any]:
    result = folder.result(stage)
    work = work_folder(folder, plan, stage)
    return {
        "stage": stage,
        "state": folder.state(stage),
        "parts": [_part(work, name) for name in _PARTS if (work / name / "search.json").is_file()],
        "jobs": dict(_jobs(work)),
        "seconds": _seconds(folder, stage),
        "usd": result.facts.get("usd") if result else None,
        "checks": [vars(check) for check in result.checks] if result else [],
        "facts": dict(result.facts) if result else {},
    }


def _part(work: Path, name: str) -> dict[str, Any]:
    """A search: its trials by state, the best value, and seconds of work."""
    try:
        trials = table(work / name)
    except QcliError as error:
        return {"name": name, "trials": {}, "seconds": 0.0, "broken": error.what}
    return {
        "name": name,
        "broken": None,
        "trials": dict(Counter(trial.state for trial in trials)),
        "seconds": sum(trial.seconds or 0.0 for trial in trials),
    }


def _jobs(work: Path) -> Mapping[str, int]:
    """By how they ended, those that have not as `open`."""
    found: dict[str, str] = {}
    for path in (*(work / name / "events.jsonl" for name in _PARTS), work / "final" / LOG):
        for event in Log(path).events("submitted", "ended"):
            found |= dict.fromkeys(event["jobs"], "open") if event["event"] == "submitted" else event["jobs"]
    return Counter(found.values())


def _seconds(folder: Folder, stage: Name) -> float:
    """Of the driver, over all that ended."""
    return sum(
        event["seconds"] for event in folder.log.events() if event["stage"] == stage and "seconds" in event
    )
