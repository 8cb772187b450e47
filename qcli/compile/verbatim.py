"""The circuits to submit, so that what is forecast is what runs: the vendor's own gates on the chosen qubits."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qcli.compile.compiled import Compiled, bind_and_merge
from qcli.compile.native import NativeGate, native_gates, track_frames
from qcli.errors import QcliError

if TYPE_CHECKING:
    from braket.circuits import Circuit
    from qiskit.circuit import QuantumCircuit

_RIGHT_ANGLE = 1e-9


def verbatim(
    compiled: Compiled, values: "np.ndarray | Sequence[Sequence[float]]"
) -> "list[QuantumCircuit] | list[Circuit]":
    """One circuit per sample in the vendor's own form; the vendor's compiler leaves it as it is.

    For IBM a Qiskit circuit on physical qubits. For devices on Amazon Braket a Circuit with one verbatim box and the
    layout's qubits measured in order: `prx` and `cz` (IQM), `rx`, `rz` and `cz` or `iswap` (Rigetti), `gpi`, `gpi2`
    and `zz` (IonQ), `prx`, `rz` and `xx` (AQT). Where rz is no native gate, it is tracked in the phases of the
    pulses after it.

    Args:
        values: angles in radians, (samples, parameters), in the order of `compiled.parameters`.

    Raises:
        QcliError: the shape does not fit, an angle is not finite, or the device's gates have no verbatim form.
    """
    device = compiled.device
    if device.provider == "ibm":
        return bind_and_merge(compiled, values, physical=True)
    written = _FORMS.get((*sorted(device.one_qubit_gates), device.two_qubit_gate))
    if written is None:
        gates = ", ".join((*device.one_qubit_gates, device.two_qubit_gate))
        raise QcliError(f"no verbatim form for {gates}", device.key, "submit to another device")
    return [
        _box(written(native_gates(circuit)), compiled.layout)
        for circuit in bind_and_merge(compiled, values, physical=True)
    ]


def native_qasm(circuit: "QuantumCircuit | Circuit", physical: bool = True) -> str:
    """OpenQASM 3 of what `verbatim` gives, on physical qubits; else on virtual ones, which the vendor may place."""
    from qiskit.circuit import QuantumCircuit

    if isinstance(circuit, QuantumCircuit):
        from qiskit import qasm3

        return qasm3.dumps(circuit)
    from braket.circuits.serialization import (
        IRType,
        OpenQASMSerializationProperties,
        QubitReferenceType,
    )

    kind = QubitReferenceType.PHYSICAL if physical else QubitReferenceType.VIRTUAL
    properties = OpenQASMSerializationProperties(qubit_reference_type=kind)
    return str(circuit.to_ir(IRType.OPENQASM, properties).source)


Written = tuple[str, tuple[int, ...], tuple[float, ...]]
"""Name of a method of `braket.circuits.Circuit`, physical qubits, angles."""


def _iqm(gates: list[NativeGate]) -> list[Written]:
    return [({"r": "prx"}.get(name, name), qubits, angles) for name, qubits, angles in track_frames(gates)]


def _ionq(gates: list[NativeGate]) -> list[Written]:
    """r by π is gpi up to a global phase, r by π/2 is gpi2; there are no other pulses."""
    result: list[Written] = []
    for name, qubits, angles in track_frames(gates):
        if name == "rzz":
            result.append(("zz", qubits, angles))
        else:
            half = abs(angles[0] - math.pi) < _RIGHT_ANGLE
            result.append(("gpi" if half else "gpi2", qubits, angles[1:]))
    return result


def _aqt(gates: list[NativeGate]) -> list[Written]:
    return [({"r": "prx", "rxx": "xx"}.get(name, name), qubits, angles) for name, qubits, angles in gates]


_FORMS: dict[tuple[str, ...], Callable[[list[NativeGate]], list[Written]]] = {
    ("r", "rz", "cz"): _iqm,
    ("rx", "rz", "cz"): list,
    ("rx", "rz", "iswap"): list,
    ("rz", "sx", "x", "rzz"): _ionq,
    ("r", "rz", "rxx"): _aqt,
}


def _box(gates: list[Written], measured: Sequence[int]) -> "Circuit":
    from braket.circuits import Circuit

    inner: Any = Circuit()
    for name, qubits, angles in gates:
        getattr(inner, name)(*qubits, *angles)
    return Circuit().add_verbatim_box(inner).measure(list(measured))
