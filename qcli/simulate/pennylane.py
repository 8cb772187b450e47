"""The engine made of PennyLane's default.qubit: differentiable by backpropagation, batched by broadcasting."""

import pennylane as qml
import torch
from pennylane.devices.qubit import simulate
from torch import Tensor

from qcli.circuit.program import Expectation, Gate, Measurement, Program
from qcli.errors import QcliError

MAX_WIRES = 26
"""Above this a single complex128 state and its gradient no longer fit in the memory of a laptop."""
_AMPLITUDES_AT_ONCE = 2**22


class PennyLaneEngine:
    """Exact outputs of a Program; gradients with respect to the angles by torch."""

    name = "default.qubit"

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)`, in the dtype of the angles.

        Raises:
            QcliError: the register is too wide for a state vector in memory.
        """
        if program.wires > MAX_WIRES:
            raise QcliError(
                f"{program.wires} wires need {16 * 2**program.wires / 2**30:,.0f} GiB for one state vector",
                "simulation",
                f"use at most {MAX_WIRES} wires",
            )
        if not torch.isfinite(angles).all():
            raise QcliError(
                "an angle is NaN or infinite", "quantum layer", "lower --lr, or check the layer's inputs"
            )
        rows = max(1, _AMPLITUDES_AT_ONCE // 2**program.wires)
        return torch.cat([_evaluate(program, part) for part in torch.split(angles, rows)]).to(angles.dtype)


def _evaluate(program: Program, angles: Tensor) -> Tensor:
    from_inputs = program.angle_map.from_inputs
    values = angles.to(torch.float64)

    def operation(gate: Gate) -> qml.operation.Operator:
        if gate.angle is None:
            if gate.name.startswith("Adjoint("):
                return qml.adjoint(getattr(qml, gate.name[8:-1])(wires=gate.wires))
            return getattr(qml, gate.name)(wires=gate.wires)
        angle = values[:, gate.angle] if from_inputs[gate.angle] else values[0, gate.angle]
        return getattr(qml, gate.name)(angle, wires=gate.wires)

    with qml.QueuingManager.stop_recording():
        tape = qml.tape.QuantumScript(
            [operation(gate) for gate in program.gates], [_measurement(m) for m in program.measurements]
        )
        results = simulate(tape.map_to_standard_wires(), interface="torch")
    columns = results if isinstance(results, tuple) else (results,)
    return torch.cat(
        [_column(c, m, len(angles)) for c, m in zip(columns, program.measurements, strict=True)], dim=1
    )


def _measurement(measurement: Measurement) -> qml.measurements.MeasurementProcess:
    if not isinstance(measurement, Expectation):
        return qml.probs(wires=measurement.wires)
    words = [qml.pauli.PauliWord(dict(word)).operation(wire_order=[0]) for _, word in measurement.terms]
    return qml.expval(qml.dot([coefficient for coefficient, _ in measurement.terms], words))


def _column(result: Tensor, measurement: Measurement, batch: int) -> Tensor:
    """`()`, `(batch,)`, `(columns,)` or `(batch, columns)` to `(batch, columns)`: constant circuits have no batch."""
    values = torch.as_tensor(result)
    if isinstance(measurement, Expectation):
        values = values.unsqueeze(-1)
    return values.real.expand(batch, measurement.columns)
