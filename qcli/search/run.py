"""A search from its plan to its table: generation by generation, whoever runs the trials."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qcli.cluster.drive import Progress, Work, drive
from qcli.cluster.jobs import Jobs
from qcli.cluster.log import Log
from qcli.data.dataset import load
from qcli.data.split import split
from qcli.errors import QcliError
from qcli.search import study as studies
from qcli.search.plan import Plan, check, open_plan
from qcli.search.trial import run_trials

STATES = {"RUNNING": "open", "WAITING": "open", "COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """A row of a search's table. `values` by objective, empty unless `state` is complete; `seconds` of the last job."""

    number: int
    params: dict[str, Any]
    state: str
    values: dict[str, float]
    epochs: int | None
    seconds: float | None
    error: str | None

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def begin(plan: Plan, folder: Path) -> Plan:
    """Check a plan and write it down; the same plan again goes on with the search that is there.

    Raises:
        QcliError: bad model, data, settings or space; another search is in `folder`.
    """
    dataset = load(plan.data, plan.target)
    split(dataset, plan.test_size, seed=plan.settings.seed)
    plan = check(plan, dataset.x.shape[1], len(dataset.classes))
    if (folder / "search.json").exists():
        if open_plan(folder) != plan:
            raise QcliError(
                f"{folder} holds another search",
                str(folder.absolute()),
                "choose another --out, or --resume it",
            )
    elif folder.exists() and any(folder.iterdir()):
        raise QcliError(f"{folder} is not empty", str(folder.absolute()), "choose another --out")
    else:
        plan.save(folder)
    return plan


def search(
    folder: Path,
    jobs: Jobs,
    *,
    together: int = 1,
    attempts: int = 3,
    poll_s: float = 1.0,
    on_poll: Callable[[Progress], None] = lambda progress: None,
) -> list[Trial]:
    """Run the search in `folder`, or what is left of it.

    Args:
        together: trials in one job.
        attempts: jobs that a trial may lose to the machine before it is given up.

    Raises:
        QcliError: another process is at it; the cluster refuses the jobs.
    """
    plan = open_plan(folder)
    log = Log(folder / "events.jsonl")
    with log.driving():
        study = studies.make_study(folder, plan)
        for number, batch in enumerate(plan.batches):
            studies.add_trials(study, plan, batch)
            work = Work(
                name=f"{studies.name_of(folder)}-g{number}",
                function=run_trials,
                common=(str(folder.resolve()),),
                keys=list(batch),
                finished=partial(_finished, study, batch),
                give_up=partial(_give_up, study),
                together=together,
                attempts=attempts,
            )
            drive(work, jobs, log, partial(_overall, plan, batch, on_poll), poll_s)
    return table(folder)


def table(folder: Path) -> list[Trial]:
    """All trials so far, by number."""
    plan = open_plan(folder)
    return [
        Trial(
            number=trial.number,
            params=dict(trial.params),
            state=STATES[trial.state.name],
            values=dict(zip(plan.objectives, trial.values, strict=True)) if trial.values else {},
            epochs=trial.user_attrs.get("record", {}).get("epochs"),
            seconds=trial.user_attrs.get("record", {}).get("seconds"),
            error=trial.user_attrs.get("error"),
        )
        for trial in _trials(studies.open_study(folder, plan))
    ]


def front(folder: Path) -> list[int]:
    """Numbers of the trials that no other one beats in every objective; with one objective, of the best."""
    study = studies.open_study(folder, open_plan(folder))
    return sorted(trial.number for trial in study.best_trials) if study else []


def ranked(trials: Sequence[Trial], plan: Plan) -> list[Trial]:
    """Complete trials, the best in the first objective first; of equal ones the earlier."""
    first = plan.objectives[0]
    sign = -1 if studies.DIRECTIONS[first] == "maximize" else 1
    return sorted((t for t in trials if t.values), key=lambda t: (sign * t.values[first], t.number))


def importances(folder: Path) -> dict[str, float]:
    """Share of the first objective's variance that each dimension explains (functional ANOVA; Hutter et al., ICML
    2014), empty where there are too few trials or no variance."""
    plan = open_plan(folder)
    study = studies.open_study(folder, plan)
    complete = [trial for trial in _trials(study) if trial.values]
    if study is None or len(complete) < 4 or len({trial.values[0] for trial in complete}) < 2:
        return {}
    optuna = studies.quiet_optuna()
    found = optuna.importance.get_param_importances(
        study,
        evaluator=optuna.importance.FanovaImportanceEvaluator(seed=plan.seed),
        target=lambda trial: trial.values[0],
    )
    return {name: float(share) for name, share in found.items()}


def _trials(study: Any) -> "Sequence[Any]":
    return study.get_trials(deepcopy=False) if study else ()


def _finished(study: Any, batch: range) -> set[int]:
    trials = study.get_trials(deepcopy=False)
    return {number for number in batch if studies.ended(trials[number])}


def _give_up(study: Any, number: int, state: str) -> None:
    _log.warning("trial %d is given up: its last job ended as %s", number, state)
    studies.tell_failed(study, number, f"its jobs ended without a result, the last as {state}")


def _overall(plan: Plan, batch: range, on_poll: Callable[[Progress], None], seen: Progress) -> None:
    on_poll(Progress(plan.trials, batch.start + seen.done, seen.running, seen.pending))
