"""The lightning engine: PennyLane's C++ simulators, one sample after the other, with adjoint gradients."""

from functools import cache
from importlib.util import find_spec

import numpy as np
import pennylane as qml
import torch
from torch import Tensor

from qcli.circuit.program import Expectation, Gate, Measurement, Probabilities, Program
from qcli.errors import QcliError
from qcli.simulate import memory


class LightningEngine:
    """Exact outputs and gradients of Programs by lightning.gpu where CUDA and that package are, else lightning.qubit.

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
        tapes = [_tape(program, sample) for sample in angles.double().cpu()]
        results = qml.execute(
            tapes,
            _device(program.wires, double),
            diff_method="adjoint" if gradient else None,
            interface="torch",
        )
        rows = [result if isinstance(result, tuple) else (result,) for result in results]
        return torch.stack([torch.cat([torch.atleast_1d(column) for column in row]) for row in rows]).to(
            angles
        )


@cache
def _device(wires: int, double: bool) -> "qml.devices.Device":
    gpu = torch.cuda.is_available() and find_spec("pennylane_lightning.lightning_gpu") is not None
    name = "lightning.gpu" if gpu else "lightning.qubit"
    return qml.device(name, wires=wires, c_dtype=np.complex128 if double else np.complex64)


def _tape(program: Program, angles: Tensor) -> qml.tape.QuantumScript:
    def operation(gate: Gate) -> qml.operation.Operator:
        if gate.name.startswith("Adjoint("):
            return qml.adjoint(getattr(qml, gate.name[8:-1])(wires=gate.wires))
        kind = getattr(qml, gate.name)
        return kind(wires=gate.wires) if gate.angle is None else kind(angles[gate.angle], wires=gate.wires)

    with qml.QueuingManager.stop_recording():
        return qml.tape.QuantumScript(
            [operation(gate) for gate in program.gates], [_measurement(m) for m in program.measurements]
        )


def _measurement(measurement: Measurement) -> qml.measurements.MeasurementProcess:
    if not isinstance(measurement, Expectation):
        return qml.probs(wires=measurement.wires)
    words = [qml.pauli.PauliWord(dict(word)).operation(wire_order=[0]) for _, word in measurement.terms]
    return qml.expval(qml.dot([coefficient for coefficient, _ in measurement.terms], words))
