"""The trials of a search in Optuna's storage, which all workers share."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qcli.errors import QcliError
from qcli.search.plan import DIRECTIONS, Plan
from qcli.search.space import Point, distributions, grid

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial, TrialState

JOURNAL = "study.journal"
_ENDED = ("COMPLETE", "PRUNED", "FAIL")
_STARTUP = 8
"""Trials that TPE draws at random first, and that the median of pruning is taken over at least."""


def make_study(folder: Path, plan: Plan) -> "Study":
    """The study of a search, made if it is not there."""
    optuna = quiet_optuna()
    return optuna.create_study(
        study_name=_study_name(folder, plan),
        storage=_storage(folder, plan),
        directions=[DIRECTIONS[objective] for objective in plan.objectives],
        load_if_exists=True,
    )


def open_study(folder: Path, plan: Plan) -> "Study | None":
    """The study of a search, None where it has none yet; nothing is written."""
    optuna = quiet_optuna()
    if plan.storage is None and not (folder / JOURNAL).is_file():
        return None
    try:
        return optuna.load_study(study_name=_study_name(folder, plan), storage=_storage(folder, plan))
    except KeyError:
        return None


def _study_name(folder: Path, plan: Plan) -> str:
    return "search" if plan.storage is None else name_of(folder)


def name_of(folder: Path) -> str:
    """Unlike that of a search in another folder, which may use the same database or cluster."""
    name = re.sub(r"[^\w.-]+", "-", folder.name)
    return f"{name}-{hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


def quiet_optuna() -> Any:
    """Optuna, which has to be installed."""
    try:
        import optuna
    except ImportError:
        raise QcliError("Optuna is not installed", "a search", "pip install 'qcli[hpc]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def _storage(folder: Path, plan: Plan) -> "BaseStorage | str":
    """A journal in the folder, or the database behind a URL, in which $NAME is taken from the environment."""
    if plan.storage is not None:
        return os.path.expandvars(plan.storage)
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(folder / JOURNAL)))


def add_trials(study: "Study", plan: Plan, numbers: range) -> None:
    """Draw the trials of a generation that are not there yet."""
    from optuna.trial import TrialState, create_trial

    known = study.get_trials(deepcopy=False)
    missing = range(max(len(known), numbers.start), numbers.stop)
    for point in points(plan, missing, known[: numbers.start]):
        study.add_trial(
            create_trial(state=TrialState.RUNNING, params=point, distributions=distributions(plan.space))
        )


def points(plan: Plan, numbers: Iterable[int], earlier: "Sequence[FrozenTrial]") -> list[Point]:
    """What is tried in trials of one generation, given those of the generations before.

    Each is drawn with a generator of its own, seeded by the search's seed and the trial's number.
    """
    from optuna.samplers import RandomSampler, TPESampler
    from optuna.trial import TrialState

    if plan.listed or plan.sampler == "grid":
        combinations = plan.listed or grid(plan.space)
        return [combinations[number] for number in numbers]
    view, drawn = _view(plan, earlier if plan.sampler == "tpe" else ()), []
    for number in numbers:
        seed = int.from_bytes(hashlib.sha256(f"{plan.seed}/{number}".encode()).digest()[:4])
        view.sampler = (
            RandomSampler(seed)
            if plan.sampler == "random"
            else TPESampler(n_startup_trials=_STARTUP, multivariate=True, seed=seed)
        )
        trial = view.ask(distributions(plan.space))
        drawn.append(dict(trial.params))
        view.tell(trial, state=TrialState.FAIL)  # so that those after it do not see it
    return drawn


def trial_of(study: "Study", number: int) -> "Trial":
    """A trial that is running, to report to."""
    from optuna.trial import Trial

    return Trial(study, study.get_trials(deepcopy=False)[number]._trial_id)


def ended(trial: "FrozenTrial") -> bool:
    """Whether nothing more comes of it."""
    return trial.state.name in _ENDED


def prune(plan: Plan, earlier: "Sequence[FrozenTrial]", trial: "FrozenTrial") -> bool:
    """Whether to end a trial, judged by those of generations before."""
    from optuna.pruners import MedianPruner

    pruner: MedianPruner = MedianPruner(n_startup_trials=_STARTUP, n_warmup_steps=1)
    return pruner.prune(_view(plan, earlier), trial)


def tell_failed(study: "Study", number: int, why: str) -> None:
    """End a trial without a value."""
    from optuna.trial import TrialState

    trial_of(study, number).set_user_attr("error", why)
    _tell(study, number, TrialState.FAIL)


def tell(study: "Study", number: int, values: Sequence[float]) -> None:
    """End a trial with its values, in the order of the objectives."""
    from optuna.trial import TrialState

    _tell(study, number, TrialState.COMPLETE, list(values))


def tell_pruned(study: "Study", number: int) -> None:
    """End a trial early."""
    from optuna.trial import TrialState

    _tell(study, number, TrialState.PRUNED)


def _tell(study: "Study", number: int, state: "TrialState", values: list[float] | None = None) -> None:
    study.tell(number, values, state, skip_if_finished=True)


def _view(plan: Plan, trials: "Sequence[FrozenTrial]") -> "Study":
    """A study in memory that holds just these trials."""
    optuna = quiet_optuna()
    view: Study = optuna.create_study(directions=[DIRECTIONS[objective] for objective in plan.objectives])
    view.add_trials([trial for trial in trials if ended(trial)])
    return view
