"""One seed of training: epochs, early stopping, a checkpoint after each epoch and where a signal stops it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from qcli.errors import QcliError
from qcli.model.load import call_model, class_logits
from qcli.train.preempt import SIGNALS, Preempted, Received, deferred, signalled
from qcli.train.run import Rows, Settings
from qcli.train.state import Epoch, State, Weights, Within, restore, save
from qcli.train.workers import ALONE, Workers

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
_AT_ONCE = 8192
"""Rows of one forward pass without gradients: memory does not grow with the data."""


class Listener(Protocol):
    """Told about progress, for a display."""

    def on_start(self, seed: int, steps_done: int) -> None: ...

    def on_step(self, seed: int, epoch: int, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None: ...

    def on_stop(self, seed: int, skipped_steps: int) -> None: ...


@dataclass
class _Training:
    """What does not change during one training."""

    state: State
    train: Rows
    validation: Rows
    classes: int
    settings: Settings
    seed: int
    workers: Workers
    signals: Received
    listener: Listener
    on_weights: Callable[[], None]


def fit(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    settings: Settings,
    seed: int,
    checkpoint: Path,
    listener: Listener,
    on_weights: Callable[[], None] = lambda: None,
    workers: Workers = ALONE,
) -> tuple[Weights, list[Epoch]]:
    """Train `model` in place from `checkpoint` if it exists; return the best weights and the history.

    An interrupted training that is resumed ends with the same weights, to the bit, as one that was not. So does one
    shared by several `workers`, up to the order of sums; the first of them writes the checkpoints. `on_weights` is
    called before the first step and after the last of each epoch, for an executor that depends on the weights.

    Raises:
        QcliError: the loss is no longer finite, or the checkpoint is damaged or of another model.
        Preempted: a signal came to one of the workers; the checkpoint holds the last step.
    """
    order = torch.Generator().manual_seed(seed).get_state()
    state = State(model, _OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.lr), order)
    steps_per_epoch = -(-len(train[1]) // settings.batch)
    with torch.random.fork_rng(devices=[]), deferred() as signals:
        if checkpoint.is_file():
            restore(state, checkpoint)
        training = _Training(
            state,
            train,
            validation,
            int(train[1].max()) + 1,
            settings,
            seed,
            workers,
            signals,
            listener,
            on_weights,
        )
        workers.check_same(state.steps)
        listener.on_start(seed, state.steps)
        try:
            if not _finished(state.history, settings):
                _at_start(state, on_weights)
            while not _finished(state.history, settings):
                _epoch(training)
                if workers.rank == 0:
                    save(state, checkpoint)
                listener.on_epoch(state.history[-1])
            _stop_if(workers.sum(torch.tensor(signals.flags())))
        except Preempted:
            if workers.rank == 0:
                save(state, checkpoint)
            workers.sum(torch.zeros(1))
            signals.number = None
            raise
    listener.on_stop(seed, (settings.epochs - len(state.history)) * steps_per_epoch)
    return state.best, state.history


def _best(history: list[Epoch]) -> Epoch:
    return min(history, key=lambda epoch: epoch.val_loss)


def _finished(history: list[Epoch], settings: Settings) -> bool:
    if not history:
        return False
    return len(history) >= settings.epochs or len(history) - _best(history).epoch >= settings.patience


def _at_start(state: State, on_weights: Callable[[], None]) -> None:
    """Call `on_weights` with the weights that the epoch under way began with."""
    now = state.weights()
    state.start = state.start or now
    state.model.load_state_dict(state.start)
    on_weights()
    state.model.load_state_dict(now)


def _epoch(training: _Training) -> None:
    """What is left of the epoch under way, up to its line in the history."""
    state, y, number = training.state, training.train[1], len(training.state.history) + 1
    generator = torch.Generator()
    generator.set_state(state.order)
    batches = torch.randperm(len(y), generator=generator).split(training.settings.batch)
    since = time.perf_counter() - state.within.seconds
    state.model.train()
    for rows in batches[state.within.steps :]:
        loss, right, *flags = _step(training, rows).tolist()
        state.within = Within(
            state.within.steps + 1,
            state.within.loss + loss * len(rows),
            state.within.right + right,
            time.perf_counter() - since,
        )
        training.listener.on_step(training.seed, number, loss)
        _stop_if(flags)
    training.on_weights()
    val_loss, val_accuracy = _evaluate(training)
    seconds, done = time.perf_counter() - since, state.within
    loss, accuracy = done.loss / len(y), done.right / len(y)
    epoch = Epoch(training.seed, number, loss, accuracy, val_loss, val_accuracy, seconds, state.steps)
    state.history.append(epoch)
    state.order, state.within, state.start = generator.get_state(), Within(), state.weights()
    if _best(state.history) is epoch:
        state.best = state.start


def _step(training: _Training, rows: Tensor) -> Tensor:
    """One optimizer step on a batch, of which this process sees its share.

    Returns the batch's mean loss, its right answers, and the flags of signals: float64, equal in all processes.
    """
    state, workers, (x, y) = training.state, training.workers, training.train
    own = workers.share(rows)
    torch.default_generator.manual_seed(_noise_seed(training.seed, state.steps, workers.rank))
    state.optimizer.zero_grad()
    mean = right = 0.0
    if len(own):
        logits = call_model(state.model, x[own], training.classes)
        loss = nn.functional.cross_entropy(logits, y[own], reduction="sum") / len(rows)
        if not loss.requires_grad:
            raise QcliError(
                "no gradient reaches the model's parameters",
                "the model's forward pass",
                "leave out detach(), no_grad() and conversions to NumPy",
            )
        mean, right = loss.item(), (logits.argmax(1) == y[own]).sum().item()
        if torch.isfinite(loss):
            loss.backward()
    figures = torch.tensor([mean, right, *training.signals.flags()], dtype=torch.float64)
    figures = workers.sum_gradients(list(state.model.parameters()), figures)
    if not torch.isfinite(figures[0]):
        raise QcliError(
            f"the loss is {figures[0].item()} in epoch {len(state.history) + 1}",
            f"seed {training.seed}",
            "lower --lr, or check the data's scale",
            exit_code=1,
        )
    state.optimizer.step()
    return figures


def _noise_seed(seed: int, step: int, rank: int) -> int:
    """Of what the model itself draws (dropout) in a step: no checkpoint needs to hold the state of that generator."""
    return int(np.random.SeedSequence([seed, step, rank]).generate_state(1, np.uint32)[0])


def _stop_if(flags: Tensor | list[float]) -> None:
    number = signalled(list(flags))
    if number is not None:
        raise Preempted(number)


def predict(model: nn.Module, x: Tensor, classes: int) -> Tensor:
    """Class probabilities `(rows, classes)` under the current executor."""
    model.eval()
    with torch.no_grad():
        return torch.softmax(class_logits(model(x), classes).double(), dim=1)


def predict_all(model: nn.Module, rows: Rows, classes: int) -> Tensor:
    """`predict` for any number of rows, some at a time."""
    x, y = rows
    return torch.cat([predict(model, x[some], classes) for some in torch.arange(len(y)).split(_AT_ONCE)])


def _evaluate(training: _Training) -> tuple[float, float]:
    """Mean loss and accuracy of the validation rows, which the processes share.

    Raises:
        Preempted: a signal came; the epoch's steps are done, its validation is repeated.
    """
    (x, y), workers, model = training.validation, training.workers, training.state.model
    total = torch.zeros(2 + len(SIGNALS), dtype=torch.float64)
    model.eval()
    for rows in torch.arange(len(y)).split(_AT_ONCE * workers.size):
        own = workers.share(rows)
        loss = right = 0.0
        if len(own):
            with torch.no_grad():
                logits = class_logits(model(x[own]), training.classes)
            loss = nn.functional.cross_entropy(logits, y[own], reduction="sum").item()
            right = (logits.argmax(1) == y[own]).sum().item()
        figures = torch.tensor([loss, right, *training.signals.flags()], dtype=torch.float64)
        total += workers.sum(figures)
        _stop_if(total[2:])
    return total[0].item() / len(y), total[1].item() / len(y)
