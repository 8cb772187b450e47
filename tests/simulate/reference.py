"""What the engines are compared with."""

import pennylane as qml
import torch
from pennylane.devices.qubit import simulate
from torch import Tensor

from qcli.circuit.program import Expectation, Gate, Measurement, Program


def default_qubit(program: Program, angles: Tensor) -> Tensor:
    """Outputs in float64, differentiable, of PennyLane's default.qubit by backpropagation."""
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
