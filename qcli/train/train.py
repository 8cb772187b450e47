"""Training a model on data: a run directory from start, or from where it stopped, to metrics."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from qcli.data.dataset import load
from qcli.data.split import check_batch, fit_scaler, split
from qcli.errors import QcliError
from qcli.files import write_atomic, write_json
from qcli.model.checkpoint import save_tensors
from qcli.model.layer import quantum_layers
from qcli.model.load import build_model, call_model, find_model, parse_options
from qcli.simulate import memory
from qcli.simulate.engine import Choice, choose, precision_named
from qcli.simulate.exact import Blank, Exact
from qcli.simulate.executor import using
from qcli.simulate.fuse import fuse
from qcli.train.baselines import Baseline, baselines
from qcli.train.loop import Listener, fit, predict_all
from qcli.train.metrics import Metrics, evaluate, summary
from qcli.train.preempt import at_once
from qcli.train.run import (
    DataInfo,
    ModelInfo,
    Noise,
    Parameters,
    Run,
    RunInfo,
    Settings,
    SplitInfo,
    now,
    versions,
)
from qcli.train.state import Epoch, Weights
from qcli.train.workers import ALONE, Workers

Histories = dict[int, list[Epoch]]
"""Epochs by seed."""
EPSILON = 0.05
"""`iterations_to_epsilon`: optimizer steps until the validation loss first came this close (in nats) to its best."""


class Silent:
    """A listener that shows nothing."""

    def on_start(self, seed: int, steps_done: int) -> None:
        pass

    def on_step(self, seed: int, epoch: int, loss: float) -> None:
        pass

    def on_epoch(self, epoch: Epoch) -> None:
        pass

    def on_stop(self, seed: int, skipped_steps: int) -> None:
        pass


def train(
    model: str,
    data: str,
    *,
    target: str | None = None,
    options: Mapping[str, str] | None = None,
    test_size: float | int = 0.2,
    settings: Settings | None = None,
    out: Path | None = None,
    listener: Listener | None = None,
) -> Run:
    """Train a model of the zoo or a model file on `data`, and compare it with classical baselines.

    Raises:
        QcliError: bad model, data or settings; nothing is written then.
    """
    run = prepare(model, data, target, options or {}, test_size, settings or Settings(), out)
    return resume(run, listener)


def prepare(
    model: str,
    data: str,
    target: str | None,
    options: Mapping[str, str],
    test_size: float | int,
    settings: Settings,
    out: Path | None,
    noise: Noise | None = None,
    check: Callable[[Run], None] = lambda run: None,
) -> Run:
    """Check everything, at last with `check`, then create the run directory with its run.json."""
    source = find_model(model)
    values = parse_options(source, options)
    dataset = load(data, target)
    parts = split(dataset, test_size, seed=settings.seed)
    check_batch(parts, settings.batch)
    scaler = fit_scaler(dataset, parts)
    hybrid = build_model(source, dataset.x.shape[1], len(dataset.classes), values, settings.seed)
    _check_trainable(hybrid, str(source.file), settings)
    info = RunInfo(
        schema="qcli.run/1",
        model=ModelInfo(name=source.name, path=source.path, sha256=source.sha256, options=values),
        data=DataInfo(**dataset.to_json()),
        split=SplitInfo(**parts.to_json()),
        training=settings,
        noise=noise,
        parameters=Parameters(
            total=_count(hybrid),
            quantum=sum(layer.flat_weights().numel() for layer in quantum_layers(hybrid)),
        ),
        created=now(),
        versions=versions(),
    )
    run = Run(_directory(out, source.name, dataset.label), info)
    vars(run).update(dataset=dataset, split=parts, scaler=scaler)  # its cached properties: not read again
    if run.dtype == torch.float64:
        with using(Blank()), torch.no_grad():
            call_model(run.new_model(), run.rows("train", 2)[0], len(dataset.classes), str(source.file))
    check(run)
    run.save()
    return run


def resume(
    run: Run,
    listener: Listener | None = None,
    finish: Callable[[int, Weights], tuple[Weights, dict[str, Any]]] = lambda seed, weights: (weights, {}),
    workers: Workers = ALONE,
) -> Run:
    """Train what is not trained yet of a run, then write its weights and metrics.

    `finish` is given the chosen seed with its best weights, and returns those to keep and what else metrics.json is to
    hold. Of several `workers` the first alone writes, and does what comes after the training.

    Raises:
        Preempted: a signal asked to stop (preempt.SIGNALS); resuming loses at most a step.
    """
    with at_once(), using(Exact(run.info.training.engine, precision_named(run.info.training.precision))):
        best, histories = _train(run, listener or Silent(), workers)
        if workers.rank == 0:
            _conclude(run, best, histories, finish)
    return run


def _train(run: Run, listener: Listener, workers: Workers) -> tuple[dict[int, Weights], Histories]:
    training, validation, settings = run.stream("train"), run.stream("validation"), run.info.training
    best: dict[int, Weights] = {}
    histories: Histories = {}
    for seed in range(settings.seed, settings.seed + settings.seeds):
        checkpoint = run.path / "checkpoints" / f"seed-{seed}.safetensors"
        log = listener if workers.rank else _Log(run.path / "history.jsonl", _lines(histories), listener)
        best[seed], histories[seed] = fit(
            run.new_model(seed), training, validation, settings, seed, checkpoint, log, workers=workers
        )
    return best, histories


def _conclude(
    run: Run,
    best: dict[int, Weights],
    histories: Histories,
    finish: Callable[[int, Weights], tuple[Weights, dict[str, Any]]],
) -> None:
    write_history(run.path / "history.jsonl", _lines(histories))
    chosen = min(histories, key=lambda seed: min(epoch.val_loss for epoch in histories[seed]))
    best[chosen], more = finish(chosen, best[chosen])
    save_tensors(run.weights_file, best[chosen], {"seed": chosen, "model": run.info.model.name})
    write_json(run.path / "metrics.json", _metrics(run, best, histories, chosen) | more)


def _lines(histories: Histories) -> list[Epoch]:
    return [epoch for history in histories.values() for epoch in history]


def engine_of(run: Run) -> Choice:
    """The engine that trains a run's widest circuit, and why."""
    model = run.new_model(run.info.training.seed)
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    return choose(run.info.training.engine, wires, run.info.training.batch)


class _Log:
    """Keeps history.jsonl complete after every epoch, and passes events on."""

    def __init__(self, path: Path, before: list[Epoch], listener: Listener) -> None:
        self.path, self.epochs, self.listener = path, list(before), listener
        self.on_start, self.on_step, self.on_stop = listener.on_start, listener.on_step, listener.on_stop

    def on_epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        write_history(self.path, self.epochs)
        self.listener.on_epoch(epoch)


def write_history(path: Path, epochs: list[Epoch]) -> None:
    """One line of JSON per epoch."""
    write_atomic(path, "".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))


def _metrics(run: Run, best: dict[int, Weights], histories: Histories, chosen: int) -> dict[str, Any]:
    test = run.stream("test")
    classes = len(run.info.data.classes)
    per_seed: dict[int, Metrics] = {}
    for seed, weights in best.items():
        model = run.new_model(seed)
        model.load_state_dict(weights)
        per_seed[seed] = evaluate(predict_all(model, test, classes).numpy(), test[1].numpy(), seed)
    rivals = baselines(run.dataset, run.split, run.scaler, run.info.parameters.total, run.info.training.seed)
    return {
        "schema": "qcli.metrics/1",
        "seeds": [
            {
                "seed": seed,
                **metrics.to_json(),
                "epochs": len(histories[seed]),
                "train_s": round(sum(epoch.seconds for epoch in histories[seed]), 3),
                "iterations_to_epsilon": _steps_to_epsilon(histories[seed]),
            }
            for seed, metrics in per_seed.items()
        ],
        "chosen_seed": chosen,
        "summary": summary(list(per_seed.values())).to_json(),
        "baselines": [baseline.to_json() for baseline in rivals],
        "epsilon": EPSILON,
        "engine": {**asdict(engine_of(run)), "precision": run.info.training.precision},
        "test_samples": len(test[1]),
        "interval": "95 %: Wilson for accuracy, percentile bootstrap for macro-F1 and ECE",
        "verdict": _verdict(run.info.model.name, per_seed[chosen], rivals),
    }


def _steps_to_epsilon(history: list[Epoch]) -> int:
    threshold = min(epoch.val_loss for epoch in history) + EPSILON
    return next(epoch.steps for epoch in history if epoch.val_loss <= threshold)


def _verdict(name: str, hybrid: Metrics, rivals: list[Baseline]) -> str:
    best = max(rivals, key=lambda rival: rival.metrics.accuracy.value)
    ours, theirs = hybrid.accuracy, best.metrics.accuracy
    comparison = f"{name} {ours.value:.1%}, {best.name} {theirs.value:.1%} on the same test rows"
    if ours.value < theirs.value:
        clearly = "clearly " if ours.high < theirs.low else ""
        return f"The classical baseline is {clearly}better: {comparison}."
    if ours.value == theirs.value:
        return f"No advantage over the classical baseline: {comparison}."
    if ours.low > theirs.high:
        return f"Clearly better than the classical baselines: {comparison}."
    return f"Ahead of the classical baselines, within the intervals: {comparison}."


def _check_trainable(model: nn.Module, where: str, settings: Settings) -> None:
    """Raises QcliError for a model without parameters to train, or whose states do not fit into memory."""
    if _count(model) == 0:
        raise QcliError("the model has nothing to train", where, "give it weights that require a gradient")
    wires = max(len(fuse(program).wires) for layer in quantum_layers(model) for program in layer.programs)
    memory.check(wires, 8 if settings.precision == "float32" else 16, states=2)


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _directory(out: Path | None, model: str, data: str) -> Path:
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise QcliError(
                f"{out} exists and is not an empty folder", str(out.absolute()), "choose another --out"
            )
        return out
    stem = f"{re.sub(r'[^A-Za-z0-9]+', '-', model)}-{data}-{datetime.now():%Y%m%d-%H%M%S}"
    candidates = (Path("runs") / (stem + suffix) for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(path for path in candidates if not path.exists())
