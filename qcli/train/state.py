"""Where a training stands, in memory and on disk."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from qcli.errors import QcliError
from qcli.model.checkpoint import check_weights, load_tensors, load_weights, save_tensors

Weights = dict[str, Tensor]


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


@dataclass(frozen=True)
class Within:
    """How far an epoch has come: its steps, sums of loss (nats) and of right answers over their rows, seconds."""

    steps: int = 0
    loss: float = 0.0
    right: float = 0.0
    seconds: float = 0.0


@dataclass
class State:
    """Everything a checkpoint holds.

    `order`: state of the generator before it orders the rows of the epoch under way; `start`: weights at that moment.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    order: Tensor
    best: Weights = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)
    within: Within = Within()
    start: Weights = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Optimizer steps done."""
        return (self.history[-1].steps if self.history else 0) + self.within.steps

    def weights(self) -> Weights:
        """A copy of the model's weights now."""
        return {name: tensor.clone() for name, tensor in self.model.state_dict().items()}


def save(state: State, path: Path) -> None:
    """Write a checkpoint; in the middle of an epoch it holds the weights from its start, too."""
    tensors = {f"model.{name}": tensor for name, tensor in state.model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in state.best.items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{name}": value for name, value in slots.items() if isinstance(value, Tensor)
        }
    tensors["rng"] = state.order
    facts: dict[str, Any] = {"history": [asdict(epoch) for epoch in state.history]}
    if state.within.steps:
        tensors |= {f"start.{name}": tensor for name, tensor in state.start.items()}
        facts["within"] = asdict(state.within)
    save_tensors(path, tensors, facts)


def restore(state: State, path: Path) -> None:
    """Read a checkpoint into `state`.

    Raises:
        QcliError: it is damaged, or of another model.
    """
    tensors, facts = load_tensors(path)

    def part(prefix: str) -> Weights:
        return {
            name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
        }

    load_weights(state.model, part("model."), path)
    state.best, state.start = part("best."), part("start.")
    slots: dict[int, dict[str, Any]] = {}
    try:
        state.history = [Epoch(**line) for line in facts["history"]]
        state.within = Within(**facts.get("within", {}))
        for name, tensor in part("optimizer.").items():
            index, slot = name.split(".", 1)
            slots.setdefault(int(index), {})[slot] = tensor
        state.optimizer.load_state_dict(
            {"state": slots, "param_groups": state.optimizer.state_dict()["param_groups"]}
        )
        state.order = tensors["rng"]
        torch.Generator().set_state(state.order)
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise QcliError(f"{path.name} is not a training checkpoint", str(path), "train again") from None
    if state.history:
        check_weights(state.model, state.best, path)
    if state.within.steps:
        check_weights(state.model, state.start, path)
