"""A device record as Qiskit's Target, and the native gates behind the transpiler's.

Qiskit's transpiler writes one-qubit gates best in its own Euler bases, so it is given stand-ins that cost
the same on the device: `rx` for IQM's `r` (one pulse instead of two), `sx` and `x` for Rigetti's `rx` at
±π/2 and π. `to_native` writes them back.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from qcli.device.record import Device

if TYPE_CHECKING:
    from qiskit.circuit import Gate, QuantumCircuit
    from qiskit.transpiler import Target

STAND_INS: dict[str, tuple[str, ...]] = {"r": ("rx",), "rx": ("sx", "x")}

DIRECTED = ("ecr", "cx")
"""Two-qubit gates that an edge takes from `a` to `b` alone."""


def transpiler_basis(device: Device) -> list[str]:
    """One-qubit gate names in which the transpiler works for `device`."""
    return [name for gate in device.one_qubit_gates for name in STAND_INS.get(gate, (gate,))]


@lru_cache(maxsize=64)
def target(device: Device, limit: int | None = None) -> "Target":
    """The transpiler's view of a device: calibrated qubits and edges only, with errors and durations.

    Index i of the target is `device.usable[i]`, whatever its vendor's number; an uncalibrated qubit or edge
    is not in it and so cannot be chosen. Gates are the stand-ins of `transpiler_basis`. `limit` keeps the
    first qubits alone, which is all that matters on a device whose pairs are all alike.
    """
    chosen = [qubit.id for qubit in device.usable[:limit]]
    return _target(device, tuple(chosen), tuple(transpiler_basis(device)), relaxation=True)


def native_target(device: Device, qubits: Sequence[int]) -> "Target":
    """The device cut down to `qubits`: index i is `qubits[i]`, gates are the native ones.

    T1 and T2, with the durations they act for, are in it only where the durations are published.
    """
    published = device.durations.basis == "published"
    return _target(device, tuple(qubits), device.one_qubit_gates, relaxation=published)


def _target(device: Device, chosen: tuple[int, ...], basis: Sequence[str], relaxation: bool) -> "Target":
    from qiskit.circuit import Measure
    from qiskit.transpiler import InstructionProperties, QubitProperties, Target

    times = device.durations
    qubits = {qubit.id: qubit for qubit in device.usable}
    index = {physical: i for i, physical in enumerate(chosen)}
    result = Target(
        num_qubits=len(chosen),
        qubit_properties=[
            QubitProperties(t1=qubits[q].t1_s, t2=qubits[q].t2_s) if relaxation else QubitProperties()
            for q in chosen
        ],
    )
    for name in basis:
        virtual = name == "rz"
        entries = {}
        for q, i in index.items():
            duration = 0.0 if virtual else qubits[q].duration_s or times.one_qubit_s
            error = 0.0 if virtual else qubits[q].error_1q
            entries[i,] = InstructionProperties(duration=duration if relaxation else None, error=error)
        result.add_instruction(_gate(name), entries)
    pairs = {}
    for edge in device.usable_edges:
        if edge.a in index and edge.b in index:
            duration = edge.duration_s or times.two_qubit_s
            properties = InstructionProperties(duration=duration if relaxation else None, error=edge.error)
            pairs[index[edge.a], index[edge.b]] = properties
            if device.two_qubit_gate not in DIRECTED:
                pairs[index[edge.b], index[edge.a]] = properties
    if pairs:
        result.add_instruction(_gate(device.two_qubit_gate), pairs)
    result.add_instruction(
        Measure(),
        {
            (i,): InstructionProperties(duration=times.readout_s, error=qubits[q].readout_error)
            for q, i in index.items()
        },
    )
    return result


def to_native(circuit: "QuantumCircuit", device: Device) -> "QuantumCircuit":
    """The same circuit with every stand-in written as the native gate it stands for."""
    from qiskit.circuit.library import RGate, RXGate

    if "r" not in device.one_qubit_gates and "rx" not in device.one_qubit_gates:
        return circuit
    quarter, half = RXGate(math.pi / 2), RXGate(math.pi)
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        name = instruction.name
        if name == "rx" and "r" in device.one_qubit_gates:
            instruction = instruction.replace(operation=RGate(instruction.operation.params[0], 0.0))
        elif name in ("sx", "x") and "rx" in device.one_qubit_gates:
            native = quarter if name == "sx" else half
            instruction = instruction.replace(operation=native)
            result.global_phase += native.params[0] / 2
        result._append(instruction)
    return result


def _gate(name: str) -> "Gate":
    from qiskit.circuit import Parameter
    from qiskit.circuit import library as gates

    a, b = Parameter("a"), Parameter("b")
    known: dict[str, Gate] = {
        "r": gates.RGate(a, b),
        "rx": gates.RXGate(a),
        "rz": gates.RZGate(a),
        "sx": gates.SXGate(),
        "x": gates.XGate(),
        "cz": gates.CZGate(),
        "cx": gates.CXGate(),
        "ecr": gates.ECRGate(),
        "iswap": gates.iSwapGate(),
        "rzz": gates.RZZGate(a),
        "rxx": gates.RXXGate(a),
    }
    return known[name]
