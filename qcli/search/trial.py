"""One trial in a worker: train, measure its objectives, tell the study."""

import fcntl
import os
import platform
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qcli.cluster.jobs import Stopped
from qcli.errors import QcliError
from qcli.model.checkpoint import save_tensors
from qcli.search import study as studies
from qcli.search.objectives import measure
from qcli.search.plan import Plan, open_plan
from qcli.simulate.engine import precision_named
from qcli.simulate.exact import Exact
from qcli.simulate.executor import using
from qcli.train.loop import fit
from qcli.train.preempt import Preempted
from qcli.train.run import Run
from qcli.train.state import Epoch
from qcli.train.train import Silent, prepare, write_history

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial


def run_trials(folder: str, numbers: Sequence[int]) -> None:
    """Run trials of the search in `folder` one after the other; what has ended, or runs elsewhere, is left alone.

    A trial that was interrupted goes on from its last checkpoint. One that fails is told so, with the reason, and does
    not fail its job.
    """
    plan, study = opened(folder)
    for number in numbers:
        with _alone(trial_folder(Path(folder), number)) as alone:
            if alone and not studies.ended(study.get_trials(deepcopy=False)[number]):
                try:
                    _run(plan, study, Path(folder), number)
                except Preempted:
                    raise Stopped from None


@lru_cache(maxsize=4)
def opened(folder: str) -> "tuple[Plan, Study]":
    """A search's plan and study; a worker reads a study from its beginning once, and then what is new."""
    plan = open_plan(Path(folder))
    study = studies.open_study(Path(folder), plan)
    assert study is not None, "its driver has made it"
    return plan, study


def trial_folder(folder: Path, number: int) -> Path:
    """The run directory of a trial."""
    return folder / "trials" / f"{number:05d}"


class _PrunedError(Exception):
    pass


def _run(plan: Plan, study: "Study", folder: Path, number: int) -> None:
    started = time.time()
    path = trial_folder(folder, number)
    trial = studies.trial_of(study, number)
    try:
        values, epochs = _train(plan, study, path, number)
    except _PrunedError:
        studies.tell_pruned(study, number)
    except (QcliError, ArithmeticError, RuntimeError, ValueError) as error:
        what = error.what if isinstance(error, QcliError) else f"{type(error).__name__}: {error}"
        studies.tell_failed(study, number, what)
    else:
        trial.set_user_attr(
            "record",
            {
                "epochs": epochs,
                "seconds": round(time.time() - started, 3),
                "host": platform.node(),
                "job": os.environ.get("SLURM_JOB_ID"),
            },
        )
        studies.tell(study, number, values)
    shutil.rmtree(path / "checkpoints", ignore_errors=True)


def _train(plan: Plan, study: "Study", path: Path, number: int) -> tuple[list[float], int]:
    trials = study.get_trials(deepcopy=False)
    batch = next(batch for batch in plan.batches if number in batch)
    run = _prepared(plan, path, trials[number])
    settings = run.info.training
    seed = settings.seed + plan.repetition_at(trials[number].params)
    with using(Exact(settings.engine, precision_named(settings.precision))):
        best, history = fit(
            run.new_model(seed),
            run.rows("train"),
            run.rows("validation"),
            settings,
            seed,
            path / "checkpoints" / f"seed-{seed}.safetensors",
            _Reports(plan, study, number, trials[: batch.start]),
        )
    save_tensors(run.weights_file, best, {"seed": seed, "model": run.info.model.name})
    write_history(path / "history.jsonl", history)
    return measure(plan, run, history, plan.shots_at(trials[number].params)), len(history)


def _prepared(plan: Plan, path: Path, trial: "FrozenTrial") -> Run:
    if (path / "run.json").is_file():
        return Run.open(path)
    return prepare(
        plan.model,
        plan.data,
        plan.target,
        plan.options_at(trial.params),
        plan.test_size,
        plan.settings_at(trial.params),
        path,
    )


class _Reports(Silent):
    """Tells the study of every epoch, and ends a trial that is to be pruned."""

    def __init__(self, plan: Plan, study: "Study", number: int, earlier: "Sequence[FrozenTrial]") -> None:
        self._plan, self._study, self._number, self._earlier = plan, study, number, earlier
        self._trial = studies.trial_of(study, number)

    def on_epoch(self, epoch: Epoch) -> None:
        if not self._plan.prune:
            return
        score = epoch.val_loss if self._plan.objectives == ("loss",) else epoch.val_accuracy
        self._trial.report(score, epoch.epoch)
        if studies.prune(self._plan, self._earlier, self._study.get_trials(deepcopy=False)[self._number]):
            raise _PrunedError


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether no other process is at this trial; none can come while the block lasts."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
