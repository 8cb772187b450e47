"""What may be compiled: gates, then one measurement of each wire that is read."""

from typing import TYPE_CHECKING

from qcli.compile.compiled import relabel
from qcli.device.record import Device
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit

_NO_GATES = ("delay", "reset", "store")


def checked(circuit: "QuantumCircuit", device: Device) -> "QuantumCircuit":
    """The circuit on the wires that it uses, in their order, without resets of fresh qubits.

    Raises:
        QcliError: nothing is measured, more wires are used than the device has calibrated qubits, wires share gates
            and none of its couplers is calibrated, or an operation is no gate: a condition, a loop, a delay, a reset
            or a gate after a measurement.
    """
    used = used_wires(circuit, device)
    if len(used) > device.qubit_count:
        raise QcliError(
            f"the circuit has {len(used)} wires, the device {device.qubit_count} calibrated qubits",
            device.key,
            "use fewer wires or a larger device",
        )
    if not device.usable_edges and circuit.num_nonlocal_gates():
        raise QcliError(
            "none of the device's couplers is calibrated", device.key, "import a newer calibration of it"
        )
    bare = circuit.copy_empty_like()
    for instruction in circuit.data:
        if instruction.name != "reset":
            bare._append(instruction)
    return relabel(bare, {wire: i for i, wire in enumerate(used)}, len(used))


def used_wires(circuit: "QuantumCircuit", device: Device) -> list[int]:
    """Wires with a gate or a measurement, ascending. Raises QcliError as `checked` does."""
    from qiskit.circuit import ControlFlowOp

    index = {bit: number for bits in (circuit.qubits, circuit.clbits) for number, bit in enumerate(bits)}
    touched: set[int] = set()
    read: set[int] = set()
    written: set[int] = set()
    for instruction in circuit.data:
        name = instruction.name
        wires = [index[bit] for bit in instruction.qubits]
        if name == "barrier" or (name == "reset" and not touched & set(wires)):
            continue
        if name == "measure":
            bit = index[instruction.clbits[0]]
            if wires[0] in read or bit in written:
                raise _refused(f"wire {wires[0]} or bit {bit} is measured twice", device)
            read.add(wires[0])
            written.add(bit)
        elif read & set(wires):
            raise _refused(f"{name} on wire {min(read & set(wires))} comes after its measurement", device)
        elif name in _NO_GATES or instruction.clbits or isinstance(instruction.operation, ControlFlowOp):
            raise _refused(f"{name} on wires {wires} is no gate", device)
        touched |= set(wires)
    if not read:
        raise QcliError("the circuit measures nothing", device.key, "measure at least one wire")
    return sorted(touched)


def _refused(what: str, device: Device) -> QcliError:
    return QcliError(
        f"the circuit is not gates followed by measurements: {what}",
        device.key,
        "leave resets, delays, conditions and measurements before the end out",
    )
