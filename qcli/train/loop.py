"""One seed of training: epochs, early stopping, a checkpoint after each epoch."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from qcli.errors import QcliError
from qcli.model.checkpoint import check_weights, load_tensors, load_weights, save_tensors
from qcli.model.load import call_model, class_logits
from qcli.train.run import Settings

_OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
Rows = tuple[Tensor, Tensor]
"""Features `(rows, features)` and labels `(rows,)`."""


@dataclass(frozen=True)
class Epoch:
    """One line of history.jsonl. Losses are mean cross-entropies in nats; `steps` counts optimizer steps so far."""

    seed: int
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    seconds: float
    steps: int


class Listener(Protocol):
    """Told about progress, for a display."""

    def on_start(self, seed: int, steps_done: int) -> None: ...

    def on_step(self, seed: int, epoch: int, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None: ...

    def on_stop(self, seed: int, skipped_steps: int) -> None: ...


@dataclass
class _State:
    """Everything a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    best: dict[str, Tensor]
    history: list[Epoch]


def fit(
    model: nn.Module,
    train: Rows,
    validation: Rows,
    settings: Settings,
    seed: int,
    checkpoint: Path,
    listener: Listener,
    on_weights: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Tensor], list[Epoch]]:
    """Train `model` in place from `checkpoint` if it exists; return the best weights and the history.

    An interrupted training that is resumed ends with the same weights, to the bit, as one that was not.
    `on_weights` is called before the first step and after the last of each epoch, for an executor that depends on the
    weights.

    Raises:
        QcliError: the loss is no longer finite, or the checkpoint is damaged or of another model.
    """
    classes = int(train[1].max()) + 1
    state = _State(model, _OPTIMIZERS[settings.optimizer](model.parameters(), lr=settings.lr), {}, [])
    steps_per_epoch = -(-len(train[1]) // settings.batch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if checkpoint.is_file():
            _restore(state, checkpoint)
        listener.on_start(seed, state.history[-1].steps if state.history else 0)
        if not _finished(state.history, settings):
            on_weights()
        while not _finished(state.history, settings):
            state.history.append(
                _epoch(state, train, validation, settings, seed, classes, listener, on_weights)
            )
            if _best(state.history) is state.history[-1]:
                state.best = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            _save(state, checkpoint)
            listener.on_epoch(state.history[-1])
    listener.on_stop(seed, (settings.epochs - len(state.history)) * steps_per_epoch)
    return state.best, state.history


def _best(history: list[Epoch]) -> Epoch:
    return min(history, key=lambda epoch: epoch.val_loss)


def _finished(history: list[Epoch], settings: Settings) -> bool:
    if not history:
        return False
    return len(history) >= settings.epochs or len(history) - _best(history).epoch >= settings.patience


def _epoch(
    state: _State,
    train: Rows,
    validation: Rows,
    settings: Settings,
    seed: int,
    classes: int,
    listener: Listener,
    on_weights: Callable[[], None],
) -> Epoch:
    started = time.perf_counter()
    x, y = train
    number = len(state.history) + 1
    steps = state.history[-1].steps if state.history else 0
    total = right = 0.0
    state.model.train()
    for rows in torch.randperm(len(y)).split(settings.batch):
        state.optimizer.zero_grad()
        logits = call_model(state.model, x[rows], classes)
        loss = nn.functional.cross_entropy(logits, y[rows])
        if not torch.isfinite(loss):
            raise QcliError(
                f"the loss is {loss.item()} in epoch {number}",
                f"seed {seed}",
                "lower --lr, or check the data's scale",
                exit_code=1,
            )
        if not loss.requires_grad:
            raise QcliError(
                "no gradient reaches the model's parameters",
                "the model's forward pass",
                "leave out detach(), no_grad() and conversions to NumPy",
            )
        loss.backward()
        state.optimizer.step()
        steps += 1
        total += loss.item() * len(rows)
        right += (logits.argmax(1) == y[rows]).sum().item()
        listener.on_step(seed, number, loss.item())
    on_weights()
    val_loss, val_accuracy = _evaluate(state.model, validation, classes)
    seconds = time.perf_counter() - started
    return Epoch(seed, number, total / len(y), right / len(y), val_loss, val_accuracy, seconds, steps)


def predict(model: nn.Module, x: Tensor, classes: int) -> Tensor:
    """Class probabilities `(rows, classes)` under the current executor."""
    model.eval()
    with torch.no_grad():
        return torch.softmax(class_logits(model(x), classes).double(), dim=1)


def _evaluate(model: nn.Module, rows: Rows, classes: int) -> tuple[float, float]:
    x, y = rows
    model.eval()
    with torch.no_grad():
        logits = class_logits(model(x), classes)
    return nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).double().mean().item()


def _save(state: _State, path: Path) -> None:
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": value for name, value in slots.items() if isinstance(value, Tensor)
        }
    tensors["rng"] = torch.get_rng_state()
    save_tensors(path, tensors, {"history": [asdict(epoch) for epoch in state.history]})


def _restore(state: _State, path: Path) -> None:
    tensors, facts = load_tensors(path)

    def part(prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }

    load_weights(state.model, part("model."), path)
    state.best = part("best.")
    check_weights(state.model, state.best, path)
    slots: dict[int, dict[str, Any]] = {}
    try:
        for name, tensor in part("optimizer.").items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = tensor
        state.optimizer.load_state_dict(
            {"state": slots, "param_groups": state.optimizer.state_dict()["param_groups"]}
        )
        state.history = [Epoch(**line) for line in facts["history"]]
        torch.set_rng_state(tensors["rng"])
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise QcliError(f"{path.name} is not a training checkpoint", str(path), "train again") from None
