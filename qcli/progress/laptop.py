"""The first stage: a small training here. Does it learn, does it fit the devices, what would the last stage cost?"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from qcli.data.dataset import Dataset, load
from qcli.model.load import build_model, find_model, parse_options
from qcli.price.estimate import Question, Row, estimate
from qcli.price.subject import Subject, subject_of
from qcli.progress.context import Context
from qcli.progress.gradients import Gradients, look_at_gradients
from qcli.progress.plan import Progression
from qcli.progress.stage import Check, Result
from qcli.search.space import corners
from qcli.train.run import Run, Settings
from qcli.train.train import prepare, resume


def laptop(context: Context) -> Result:
    """Train on a subset, look at the gradients, compile for every target, price the last stage."""
    plan = context.plan
    dataset = load(plan.data, plan.target)
    context.step(f"training on {min(plan.laptop.samples, len(dataset.y))} samples")
    run = _trained(context, dataset)
    context.step("looking at gradients")
    gradients = look_at_gradients(run)
    context.step("compiling for the targets")
    rows = estimate(
        _widest(plan, dataset), Question(inferences=plan.inferences, shots=plan.shots, devices=plan.targets)
    ).rows
    history = [line["loss"] for line in _history(run)]
    checks = (_learns(history), *_reach(gradients, plan.limits.min_gradient_variance), *map(_fits, rows))
    facts: dict[str, Any] = {
        "run": str(run.path),
        "samples": run.info.data.rows,
        "loss": [history[0], history[-1]],
        "seconds": round(sum(line["seconds"] for line in _history(run)), 3),
        "gradients": vars(gradients),
        "bills": [_bill(row) for row in rows],
    }
    return Result(checks, facts)


def _trained(context: Context, dataset: Dataset) -> Run:
    folder, plan = context.work / "run", context.plan
    if (folder / "run.json").is_file():
        run = Run.open(folder)
    else:
        settings = plan.settings.model_copy(update={"epochs": plan.laptop.epochs, "seeds": 1})
        subset = write_subset(dataset, plan.laptop.samples, plan.seed, context.work / "subset.npz")
        run = prepare(plan.model, str(subset), None, plan.model_options, plan.test_size, settings, folder)
    return run if (folder / "metrics.json").is_file() else resume(run)


def write_subset(dataset: Dataset, samples: int, seed: int, path: Path) -> Path:
    """A stratified sample of at least `samples` rows where there are as many, as an .npz that `load` reads."""
    from sklearn.model_selection import train_test_split

    rows = np.arange(len(dataset.y))
    if samples < len(rows):
        rows, _ = train_test_split(rows, train_size=samples, stratify=dataset.y, random_state=seed)
    x = dataset.x[rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        x=x.reshape(len(x), *dataset.shape) if dataset.shape else x,
        y=np.array(dataset.classes)[dataset.y[rows]],
    )
    return path


def _widest(plan: Progression, dataset: Dataset) -> Subject:
    """Of all architectures that the search may try, the one with the most wires, then gates."""
    source = find_model(plan.model)
    features, classes = dataset.x.shape[1], len(dataset.classes)
    own = {name: each for name, each in plan.space.items() if name not in (*Settings.model_fields, "shots")}
    candidates = []
    for point in corners(own) or [{}]:
        options = plan.model_options | {name: str(value) for name, value in point.items()}
        build_model(source, features, classes, parse_options(source, options), seed=0)
        candidates.append(subject_of(plan.model, options, features, classes))
    return max(
        candidates, key=lambda subject: (subject.wires, len(subject.calls[0].circuits[0].program.gates))
    )


def _history(run: Run) -> list[Mapping[str, Any]]:
    from qcli.train.run import read_lines

    return list(read_lines(run.path / "history.jsonl"))


def _learns(losses: list[float]) -> Check:
    return Check(
        "training reduces the loss",
        "last below first",
        f"{losses[0]:.4f} → {losses[-1]:.4f}",
        losses[-1] < losses[0],
        "raise training.lr or laptop.epochs, or check the data's scale",
    )


def _reach(found: Gradients, least: float) -> tuple[Check, Check]:
    return (
        Check(
            "gradients reach every weight",
            "all",
            "all" if not found.unreached else f"none at {', '.join(found.unreached)}",
            not found.unreached,
            "leave out detach() and weights that no output depends on",
        ),
        Check(
            f"gradients do not vanish on {found.wires} wires",
            f"variance of at least {least:g} (assumed)",
            f"{found.variance:.2e}",
            not found.variance < least,
            "use fewer wires or layers, a local observable, or initial weights near 0",
        ),
    )


def _fits(row: Row) -> Check:
    return Check(
        f"the circuit fits {row.terms.name}",
        "compiled",
        f"{row.two_qubit_gates} two-qubit gates, depth {row.depth}" if row.fits else row.note,
        row.fits,
        "search fewer wires, or leave the device out of targets",
    )


def _bill(row: Row) -> dict[str, Any]:
    plan = row.cheapest
    return {
        "device": row.terms.name,
        "plan": plan.name if plan else None,
        "usd": str(plan.usd) if plan else None,
        "usd_high": str(plan.usd_high) if plan else None,
        "note": row.note,
    }
