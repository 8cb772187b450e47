"""The engines by name, and which one `auto` takes."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from qcli.circuit.program import Program
from qcli.errors import QcliError
from qcli.files import nearest

NAMES = ("auto", "cpu", "torch", "lightning")
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
_GPU_AMPLITUDES = 2**22
"""With CUDA, `auto` takes the GPU from so many amplitudes on (batch · 2^wires). Assumed, not measured."""


class Engine(Protocol):
    """Evaluates Programs, differentiably with respect to the angles."""

    name: str

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)` in radians, in the dtype of the angles.

        The gradient of an angle that no input reaches is that of the whole batch, wherever in its column it lies.
        """
        ...


@dataclass(frozen=True)
class Choice:
    """An engine's name, and why it was taken."""

    engine: str
    reason: str


def choose(engine: str, wires: int, batch: int) -> Choice:
    """The engine for circuits of so many wires and samples (measurements: docs/engine.md).

    Raises:
        QcliError: an unknown name.
    """
    if engine not in NAMES:
        raise QcliError(f"unknown engine {engine!r}", "--engine", nearest(engine, NAMES))
    if engine != "auto":
        return Choice(engine, "asked for")
    size = f"{wires} wires, batch {batch}"
    if not torch.cuda.is_available():
        return Choice("cpu", f"{size}, no CUDA device: the fastest at every size measured")
    if batch * 2**wires >= _GPU_AMPLITUDES:
        return Choice("torch", f"{size}: enough work for the CUDA device")
    return Choice("cpu", f"{size}: too little work for the CUDA device")


def create(name: str, precision: torch.dtype | None = None) -> Engine:
    """An engine by its name; `precision` None follows the angles' dtype."""
    if name == "torch":
        from qcli.simulate.torch_ops import TorchEngine

        return TorchEngine(precision)
    if name == "lightning":
        from qcli.simulate.lightning import LightningEngine

        return LightningEngine(precision)
    from qcli.simulate.cpu import CpuEngine

    return CpuEngine(precision)


def precision_named(name: str) -> torch.dtype:
    """Raises QcliError for an unknown name."""
    if name not in PRECISIONS:
        raise QcliError(f"unknown precision {name!r}", "--precision", nearest(name, PRECISIONS))
    return PRECISIONS[name]
