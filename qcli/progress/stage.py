"""What a stage leaves: what it measured and whether its gate is met; and the file that remembers it."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from qcli.cluster.log import Log
from qcli.errors import QcliError
from qcli.progress.plan import Progression

Name = Literal["laptop", "hpc", "qpu"]
STAGES: tuple[Name, ...] = get_args(Name)
State = Literal["not begun", "begun", "passed", "stopped", "dry run"]

_WHERE = {"executor", "workers", "slurm", "final", "together", "attempts", "nproc"}
"""Of [hpc]: where work runs, which results do not depend on."""
_PURSE = {"spend", "max_cost"}


@dataclass(frozen=True)
class Check:
    """One condition of a gate, in words: what was asked, what was measured, what to try where it is not met."""

    name: str
    asked: str
    measured: str
    met: bool
    advice: str = ""


@dataclass(frozen=True)
class Result:
    """A stage that came to its end.

    `facts` are figures for the report and for later stages; `submitted` is False after a dry run of the last stage.
    """

    checks: tuple[Check, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    submitted: bool = True

    @property
    def met(self) -> bool:
        return all(check.met for check in self.checks)


@dataclass(frozen=True)
class Folder:
    """A progression's folder: run directories, searches, and the append-only file of its stages."""

    path: Path

    @property
    def log(self) -> Log:
        return Log(self.path / "progress.jsonl")

    def state(self, stage: Name) -> State:
        """Of a stage, from its last event."""
        event = self._last(stage)
        return "not begun" if event is None else event["event"]

    def begin(self, plan: Progression, stage: Name) -> None:
        """Write down that a stage begins, and what is asked of it."""
        if self.state(stage) != "begun":
            self.log.append("begun", stage=stage, asked=asked(plan, stage))

    def end(self, stage: Name, result: Result, seconds: float) -> None:
        """Write down what became of a stage."""
        event: State = "dry run" if not result.submitted else "passed" if result.met else "stopped"
        self.log.append(
            event,
            stage=stage,
            checks=[asdict(check) for check in result.checks],
            facts=result.facts,
            seconds=round(seconds, 3),
        )

    def result(self, stage: Name) -> Result | None:
        """Of a stage that ended, None of others."""
        event = self._last(stage)
        if event is None or "checks" not in event:
            return None
        checks = tuple(Check(**check) for check in event["checks"])
        return Result(checks, event["facts"], event["event"] != "dry run")

    def check_unchanged(self, plan: Progression) -> None:
        """Raises QcliError, with the difference, where what a stage that has begun or passed was asked is edited."""
        for stage in STAGES:
            if self.state(stage) not in ("begun", "passed"):
                continue
            before = self.log.events("begun")
            then = next(event["asked"] for event in reversed(before) if event["stage"] == stage)
            now = json.loads(json.dumps(asked(plan, stage), default=str))
            if then != now:
                lines = difflib.unified_diff(_lines(then), _lines(now), "then", "now", n=0, lineterm="")
                shown = "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))
                raise QcliError(
                    f"the file was edited after stage {stage} had {self._word(stage)}:\n{shown}",
                    str(self.path),
                    "undo the change, or set another `out` for a progression of its own",
                )

    def _word(self, stage: Name) -> str:
        return "begun" if self.state(stage) == "begun" else "passed its gate"

    def _last(self, stage: Name) -> dict[str, Any] | None:
        events = [event for event in self.log.events(*get_args(State)) if event["stage"] == stage]
        return events[-1] if events else None


def asked(plan: Progression, stage: Name) -> dict[str, Any]:
    """All that a stage's results depend on."""
    content = plan.model_dump(mode="json", exclude={"out", *STAGES})
    own = plan.model_dump(mode="json")[stage]
    leave = _WHERE if stage == "hpc" else _PURSE if stage == "qpu" else set()
    content[stage] = {key: value for key, value in own.items() if key not in leave}
    if stage == "laptop":
        content["limits"] = {"min_gradient_variance": content["limits"]["min_gradient_variance"]}
    return content


def work_folder(folder: Folder, plan: Progression, stage: Name) -> Path:
    """Where a stage works: another place when anything but a limit is edited."""
    content = {key: value for key, value in asked(plan, stage).items() if key != "limits"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return folder.path / f"{stage}-{digest[:8]}"


def refusal(stage: Name, result: Result) -> QcliError:
    """The paragraph about a gate that is not met."""
    missed = [check for check in result.checks if not check.met]
    what = "; ".join(f"{check.name}: measured {check.measured}, asked {check.asked}" for check in missed)
    advice = "; ".join(dict.fromkeys(check.advice for check in missed if check.advice))
    return QcliError(f"the gate of stage {stage} is not met: {what}", f"stage {stage}", advice, exit_code=4)


def _lines(content: Mapping[str, Any], prefix: str = "") -> Sequence[str]:
    lines: list[str] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            lines += _lines(value, f"{prefix}{key}.")
        else:
            lines.append(f"{prefix}{key} = {json.dumps(value, default=str)}")
    return lines
