"""The second stage: the search, seeds of its best trials, the final training, and what it is worth on the targets."""

import sys
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from qcli.cluster.jobs import Jobs
from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.files import read_json
from qcli.forecast.estimate import estimate_cost
from qcli.price.estimate import Question
from qcli.progress.context import Context
from qcli.progress.plan import RECOMMENDED, Progression
from qcli.progress.stage import Check, Result
from qcli.progress.training import train_as_job
from qcli.search.plan import REPETITION, SHOTS, Plan
from qcli.search.run import Trial, begin, ranked, search, table
from qcli.search.space import Choice, Point, Value
from qcli.train.parallel import launch
from qcli.train.run import Run
from qcli.train.train import prepare

_MOST_DEGRADATION = 100.0


def hpc(context: Context, jobs: Jobs, final_jobs: Jobs) -> Result:
    """Search, choose, train, and look at accuracy, forecast and bill."""
    point = _chosen(context, jobs)
    context.step("training")
    run = _trained(context, final_jobs, point)
    context.step("forecasting and pricing")
    metrics = read_json(run.path / "metrics.json", "qcli.metrics/1")
    estimate = _estimated(context.plan, run)
    checks = (*_accuracy(context.plan, metrics), *_on_device(context.plan, estimate))
    facts = {
        "run": str(run.path),
        "point": point,
        "trials": len(table(context.work / "search")) if context.plan.space else 0,
        "accuracy": _chosen_seed(metrics)["accuracy"],
        "verdict": metrics["verdict"],
        "device": device_of(context.plan, estimate),
    }
    return Result(checks, facts)


def search_plan(plan: Progression) -> Plan:
    """The search of a progression that has a space."""
    settings = plan.settings.model_copy(
        update={"seeds": 1, "epochs": plan.hpc.epochs or plan.training.epochs}
    )
    return Plan(
        schema="qcli.search/1",
        model=plan.model,
        data=plan.data,
        target=plan.target,
        test_size=plan.test_size,
        options=plan.model_options,
        settings=settings,
        space=plan.space,
        sampler=plan.hpc.sampler,
        trials=plan.hpc.trials,
        generation=plan.hpc.generation,
        seed=plan.seed,
        prune=plan.hpc.prune,
        objectives=plan.hpc.objectives,
        device=plan.targets[0],
        inferences=plan.inferences,
        shots=plan.shots,
        storage=plan.hpc.storage,
    )


def seeds_plan(plan: Progression, best: Sequence[Trial]) -> Plan:
    """The best trials again, each with several seeds of weights and order on the same split."""
    points: list[Point] = [
        {**trial.params, REPETITION: number} for trial in best for number in range(plan.hpc.seeds)
    ]
    values: dict[str, list[Value]] = {
        name: list(dict.fromkeys(point[name] for point in points)) for name in points[0]
    }
    return search_plan(plan).model_copy(
        update={
            "space": {name: Choice(choice=tuple(each)) for name, each in values.items()},
            "listed": tuple(points),
            "trials": len(points),
            "prune": False,
        }
    )


def _chosen(context: Context, jobs: Jobs) -> Point:
    """The point of the space with the best mean over its seeds in the first objective; nothing without a space."""
    plan = context.plan
    if not plan.space:
        return {}
    found = _searched(context, search_plan(plan), "search", jobs)
    best = ranked(found, search_plan(plan))[: plan.hpc.best]
    if not best:
        raise QcliError(
            "no trial of the search was finished",
            str(context.work / "search"),
            f"see qcli sweep --resume {context.work / 'search'}",
            exit_code=1,
        )
    if plan.hpc.seeds == 1:
        return best[0].params
    seeds = seeds_plan(plan, best)
    rows = [row for row in _searched(context, seeds, "seeds", jobs) if row.values]
    first = plan.hpc.objectives[0]

    def mean(trial: Trial) -> float:
        found = [row.values[first] for row in rows if trial.params.items() <= row.params.items()]
        return sum(found) / len(found) if found else trial.values[first]

    by_mean = [Trial(**{**vars(trial), "values": {first: mean(trial)}}) for trial in best]
    return ranked(by_mean, seeds)[0].params


def _searched(context: Context, plan: Plan, name: str, jobs: Jobs) -> list[Trial]:
    folder, settings = context.work / name, context.plan.hpc
    begin(plan, folder)
    return search(
        folder,
        jobs,
        together=settings.together,
        attempts=settings.attempts,
        poll_s=poll_s(context.plan),
        on_poll=partial(context.seen, name),
    )


def poll_s(plan: Progression) -> float:
    """Between two looks at the jobs: a Slurm controller is everybody's."""
    return 0.2 if plan.hpc.executor == "local" else 5.0


def _trained(context: Context, jobs: Jobs, point: Point) -> Run:
    """The final training, as one job of its own."""
    plan, folder = context.plan, context.work / "final"
    if not (folder / "run.json").is_file():
        base = search_plan(plan) if plan.space else None
        settings = base.settings_at({k: v for k, v in point.items() if k != SHOTS}) if base else plan.settings
        settings = settings.model_copy(update={"epochs": plan.training.epochs, "seeds": plan.hpc.seeds})
        options = base.options_at(point) if base else plan.model_options
        prepare(plan.model, plan.data, plan.target, options, plan.test_size, settings, folder)
    run = Run.open(folder)
    if (folder / "metrics.json").is_file():
        return run
    if plan.hpc.executor == "local" and plan.hpc.nproc > 1:
        launch(plan.hpc.nproc, (sys.executable, "-m", "qcli.cli.rank", str(folder)))
        return run
    seen = partial(context.seen, "training")
    train_as_job(run, jobs, attempts=plan.hpc.attempts, poll_s=poll_s(plan), on_poll=seen)
    return run


def _estimated(plan: Progression, run: Run) -> dict[str, Any]:
    question = Question(inferences=plan.inferences, shots=plan.shots, devices=plan.targets)
    most = plan.limits.max_degradation
    _, content = estimate_cost(
        run.path.as_posix(), question, max_degradation=_MOST_DEGRADATION if most is None else most
    )
    return content


def device_of(plan: Progression, estimate: dict[str, Any]) -> str | None:
    """The device of the last stage: the one named, or the cheapest target that the forecast allows."""
    if plan.qpu.device != RECOMMENDED:
        return plan.qpu.device
    device: str | None = estimate["recommendation"]["device"]
    return device


def _chosen_seed(metrics: dict[str, Any]) -> dict[str, Any]:
    return next(each for each in metrics["seeds"] if each["seed"] == metrics["chosen_seed"])


def _accuracy(plan: Progression, metrics: dict[str, Any]) -> list[Check]:
    ours = _chosen_seed(metrics)["accuracy"]
    best = max(metrics["baselines"], key=lambda each: each["accuracy"]["value"])
    theirs, name = best["accuracy"]["value"], best["name"]
    shown = f"{ours['value']:.1%} (95 %: {ours['low']:.1%} to {ours['high']:.1%})"
    advice = "search more, train longer, or use the classical model"
    checks = []
    if plan.limits.min_accuracy is not None:
        least = plan.limits.min_accuracy
        checks.append(Check("test accuracy", f"at least {least:.1%}", shown, ours["value"] >= least, advice))
    asked = plan.limits.baselines
    met = {"any": True, "not worse": ours["high"] >= theirs, "better": ours["value"] > theirs}[asked]
    text = f"{asked} than {name} with {theirs:.1%}" if asked != "any" else f"any ({name}: {theirs:.1%})"
    return [*checks, Check("test accuracy against the classical baselines", text, shown, met, advice)]


def _on_device(plan: Progression, estimate: dict[str, Any]) -> list[Check]:
    name = device_of(plan, estimate)
    most, budget = plan.limits.max_degradation, plan.limits.budget
    if name is None:
        return [
            Check(
                "forecast degradation",
                f"at most {most:g} points on one of {', '.join(plan.targets)}"
                if most is not None
                else "a device",
                estimate["recommendation"]["text"],
                False,
                "retrain with --noise, search fewer layers, take more shots, or allow more",
            )
        ]
    key = find(name).key
    row = next((row for row in estimate["rows"] if row["device"] == key), None)
    if row is None:
        raise QcliError(f"{name} is not among the targets", "qpu.device", f"add {key} to targets")
    checks = []
    if most is not None and row["forecast"] is not None:
        lost = row["forecast"]["degradation"]
        shown = (
            f"{100 * lost['value']:.1f} points (90 %: {100 * lost['low']:.1f} to {100 * lost['high']:.1f})"
        )
        advice = "retrain with --noise, search fewer layers, take more shots, or allow more"
        asked = f"at most {most:g} points"
        checks.append(
            Check(
                f"forecast degradation on {row['device']}", asked, shown, 100 * lost["value"] <= most, advice
            )
        )
    if budget is not None and row["plans"]:
        usd = min(Decimal(str(each["usd_high"])) for each in row["plans"])
        advice = "fewer inferences or shots, a cheaper device, or a larger budget"
        checks.append(
            Check(
                f"bill on {row['device']}", f"at most {budget} USD", f"{usd:.2f} USD", usd <= budget, advice
            )
        )
    return checks
