"""The lightning engine: PennyLane's C++ simulators, one sample after the other, with adjoint gradients."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from qcli.circuit.program import Expectation, Measurement, Probabilities, Program
from qcli.circuit.tape import operation
from qcli.errors import QcliError
from qcli.simulate import memory


class LightningEngine:
    """Exact outputs and gradients of Programs by lightning.gpu where CUDA and that package are, lightning.kokkos where
    that is installed, else lightning.qubit.

    `precision` None follows the angles' dtype. Sources: docs.pennylane.ai/projects/lightning.
    """

    name = "lightning"

    def __init__(self, precision: torch.dtype | None = None) -> None:
        self.precision = precision

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)`, in the dtype of the angles.

        Raises:
            QcliError: a gradient of probabilities, which the adjoint method does not give; too wide a register.
        """
        double = (self.precision or angles.dtype) == torch.float64
        gradient = angles.requires_grad and torch.is_grad_enabled()
        if gradient and any(isinstance(m, Probabilities) for m in program.measurements):
            raise QcliError(
                "lightning's adjoint method has no gradient of probabilities",
                "--engine lightning",
                "use --engine cpu, or return expectation values",
            )
        memory.check(program.wires, 16 if double else 8, 3 if gradient else 1)
        outputs: Tensor = _Lightning.apply(angles, program, _device(program.wires, double), gradient)
        return outputs


class _Lightning(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, angles: Tensor, program: Program, device: "qml.devices.Device", gradient: bool
    ) -> Tensor:
        with torch.set_grad_enabled(gradient), _float64_by_default():
            leaf = angles.detach().double().cpu().requires_grad_(gradient)
            tapes = [_tape(program, sample) for sample in leaf]
            results = qml.execute(
                tapes, device, diff_method="adjoint" if gradient else None, interface="torch"
            )
            rows = [result if isinstance(result, tuple) else (result,) for result in results]
            outputs = torch.stack([torch.cat([torch.atleast_1d(column) for column in row]) for row in rows])
        ctx.leaf, ctx.outputs = leaf, outputs
        return outputs.detach().to(angles)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor, None, None, None]:
        with _float64_by_default():
            (gradient,) = torch.autograd.grad(ctx.outputs, ctx.leaf, by_output.to(ctx.outputs))
        return gradient.to(by_output), None, None, None


@contextmanager
def _float64_by_default() -> Iterator[None]:
    """PennyLane's torch interface turns Python floats, its simulators' results, into the default dtype."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@cache
def _device(wires: int, double: bool) -> "qml.devices.Device":
    return qml.device(_best(), wires=wires, c_dtype=np.complex128 if double else np.complex64)


def _best() -> str:
    if torch.cuda.is_available() and _installed("gpu"):
        return "lightning.gpu"
    return "lightning.kokkos" if _installed("kokkos") else "lightning.qubit"


def _installed(backend: str) -> bool:
    return find_spec(f"pennylane_lightning.lightning_{backend}") is not None


def _tape(program: Program, angles: Tensor) -> qml.tape.QuantumScript:
    with qml.QueuingManager.stop_recording():
        return qml.tape.QuantumScript(
            [
                operation(gate.name, gate.wires, None if gate.angle is None else angles[gate.angle])
                for gate in program.gates
            ],
            [_measurement(m) for m in program.measurements],
        )


def _measurement(measurement: Measurement) -> qml.measurements.MeasurementProcess:
    if not isinstance(measurement, Expectation):
        return qml.probs(wires=measurement.wires)
    words = [qml.pauli.PauliWord(dict(word)).operation(wire_order=[0]) for _, word in measurement.terms]
    return qml.expval(qml.dot([coefficient for coefficient, _ in measurement.terms], words))
