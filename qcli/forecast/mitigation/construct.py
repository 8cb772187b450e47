"""The circuits that mitigation runs beside or instead of a compiled one: calibration of readout, folded gates."""

from collections.abc import Sequence
from dataclasses import replace
from math import pi

from qiskit.circuit import CircuitInstruction, QuantumCircuit
from qiskit.circuit.library import RXGate, RZGate, XGate, iSwapGate

from qcli.compile.compiled import Compiled, bind_and_merge, generic_angles
from qcli.compile.schedule import steps_of
from qcli.compile.tally import success, tally
from qcli.compile.target import to_native
from qcli.errors import QcliError


def calibration(compiled: Compiled) -> tuple[Compiled, Compiled]:
    """The measured qubits all prepared in 0, and all in 1, read into the same classical bits.

    From these two the assignment matrix of each bit is estimated, readout errors being independent of each other
    (S. Bravyi et al., Phys. Rev. A 103, 042605 (2021): the tensored model).
    """
    measurements = [each for each in compiled.circuit.data if each.name == "measure"]
    one = RXGate(pi) if "r" in compiled.device.one_qubit_gates else XGate()
    circuits = []
    for gates in ([], [one]):
        circuit = QuantumCircuit(*compiled.circuit.qregs, *compiled.circuit.cregs)
        for gate in gates:
            for measurement in measurements:
                circuit.append(gate, measurement.qubits)
        for measurement in measurements:
            circuit.append(measurement)
        circuits.append(to_native(circuit, compiled.device))
    bare = replace(compiled, parameters=(), used_qubits=tuple(sorted(set(compiled.layout))))
    zeros, ones = (_counted(bare, circuit) for circuit in circuits)
    return zeros, ones


def folded(compiled: Compiled, scale: int) -> Compiled:
    """The same circuit with every two-qubit gate G as G (G† G)ⁿ, scale = 2n + 1, in native gates.

    Errors of two-qubit gates, and of idling beside them, become about `scale` times as strong; those of one-qubit
    pulses and readout stay. T. Giurgica-Tiron et al., arXiv:2005.10921; A. He et al., Phys. Rev. A 102, 012426 (2020).

    Raises:
        QcliError: the scale is not odd and positive.
    """
    check_scales([scale])
    if scale == 1:
        return compiled
    circuit = compiled.circuit.copy_empty_like()
    for instruction in compiled.circuit.data:
        circuit.append(instruction)
        if len(instruction.qubits) == 2 and instruction.name not in ("barrier", "measure"):
            for each in scale // 2 * [*_inverse(instruction), instruction]:
                circuit.append(each)
    return _counted(compiled, circuit)


def check_scales(scales: Sequence[int]) -> None:
    """Refuse scales of noise that folding does not reach.

    Raises:
        QcliError: one is even or less than 1.
    """
    if wrong := [scale for scale in scales if scale < 1 or scale % 2 == 0]:
        raise QcliError(f"noise scale {wrong[0]}", "zne", "gates are folded to odd scales: 1, 3, 5")


def _inverse(instruction: CircuitInstruction) -> list[CircuitInstruction]:
    """In native gates: cz, cx and ecr are their own inverses, rzz and rxx turn their angles.

    Z on one qubit turns the sign of XX + YY, so iswap† is iswap between rz(π) and rz(−π) there.
    """
    if not isinstance(instruction.operation, iSwapGate):
        return [instruction.replace(operation=instruction.operation.inverse())]
    first = instruction.qubits[:1]
    return [
        CircuitInstruction(RZGate(pi), first),
        instruction,
        CircuitInstruction(RZGate(-pi), first),
    ]


def _counted(compiled: Compiled, circuit: QuantumCircuit) -> Compiled:
    """`compiled` with another circuit, its figures counted again at a generic binding."""
    device = compiled.device
    found = replace(compiled, circuit=circuit)
    (generic,) = bind_and_merge(found, generic_angles(len(compiled.parameters)), physical=True)
    counted = tally(steps_of(generic), device)
    return replace(
        found,
        two_qubit_gates=sum(counted.pairs.values()),
        one_qubit_gates=sum(counted.pulses.values()),
        depth=counted.depth,
        duration_s=counted.timeline.duration_s,
        success=success(counted, device),
    )
