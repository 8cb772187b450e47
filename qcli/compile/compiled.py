"""A compiled circuit: the native template, what it takes, and its bindings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from qcli.compile.target import to_native, transpiler_basis
from qcli.device.record import Basis, Device
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit
    from qiskit.transpiler import PassManager


@dataclass(frozen=True)
class Compiled:
    """A circuit as it would run on a device.

    Attributes:
        device: the record it was compiled for.
        circuit: native gates on physical qubits, numbered as the vendor does; may hold parameters.
        parameters: names of the source's parameters, in the source's order.
        layout: the physical qubit read into each measured classical bit, in the order of the bits: with
            wire w measured into bit w, the qubit of each wire.
        used_qubits: physical qubits that carry a gate or a measurement, ascending.
        two_qubit_gates: native two-qubit gates.
        one_qubit_gates: native one-qubit gates that take a pulse, so without virtual rz.
        depth: of gates that take a pulse; virtual rz, barriers and measurements are not counted.
        duration_s: from the first gate to the end of readout.
        duration_basis: whether the device's gate times are published or assumed.
        success: estimated success probability: the product of 1 − error over gates and readouts, and of the
            survival of every idle window (`tally.survival`).

    The last six describe a parametrised circuit after a generic binding, its one-qubit runs merged: as it runs.
    """

    device: Device
    circuit: "QuantumCircuit"
    parameters: tuple[str, ...]
    layout: tuple[int, ...]
    used_qubits: tuple[int, ...]
    two_qubit_gates: int
    one_qubit_gates: int
    depth: int
    duration_s: float
    duration_basis: Basis
    success: float


def cut_down(compiled: Compiled) -> "QuantumCircuit":
    """The compiled circuit on its used qubits alone: index i is `compiled.used_qubits[i]`."""
    index = {physical: i for i, physical in enumerate(compiled.used_qubits)}
    return relabel(compiled.circuit, index, len(index))


def bind_and_merge(
    compiled: Compiled, values: "np.ndarray | Sequence[Sequence[float]]", physical: bool = False
) -> list["QuantumCircuit"]:
    """One native circuit per sample, with runs of one-qubit gates merged.

    Args:
        compiled: of a circuit with or without parameters.
        values: angles in radians, (samples, parameters), in the order of `compiled.parameters`.
        physical: on the device's own qubit numbers instead of the cut-down register.

    Raises:
        QcliError: the shape does not fit, or an angle is not finite.
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or matrix.shape[1] != len(compiled.parameters) or not np.isfinite(matrix).all():
        raise QcliError(
            f"angles of shape {matrix.shape} for a circuit with {len(compiled.parameters)} parameters",
            compiled.device.key,
            "give finite angles, one row per sample and one column per parameter",
        )
    template = compiled.circuit if physical else cut_down(compiled)
    return [
        to_native(merged_at(template, compiled.parameters, row, compiled.device), compiled.device)
        for row in matrix
    ]


def generic_angles(count: int) -> "np.ndarray":
    """A row of angles `(1, count)` at which no gate becomes another one, always the same: to count gates by."""
    return np.random.default_rng(0).uniform(0.1, 3.0, (1, count))


def merged_at(
    template: "QuantumCircuit", parameters: Sequence[str], row: "np.ndarray", device: Device
) -> "QuantumCircuit":
    """`template` at one row of angles, in the order of `parameters`, its one-qubit runs merged into stand-in gates."""
    held = {parameter.name: parameter for parameter in template.parameters}
    angles = {held[name]: float(row[i]) for i, name in enumerate(parameters) if name in held}
    return _merger(tuple(transpiler_basis(device))).run(template.assign_parameters(angles))


def relabel(circuit: "QuantumCircuit", index: Mapping[int, int], size: int) -> "QuantumCircuit":
    """The same gates on a register of `size` qubits, qubit q at `index[q]`. Barriers shrink to the qubits named."""
    from qiskit.circuit import Barrier, QuantumCircuit, QuantumRegister

    result = QuantumCircuit(
        QuantumRegister(size, "q"), circuit.clbits, *circuit.cregs, global_phase=circuit.global_phase
    )
    qubits = result.qubits
    place = {bit: qubits[index[number]] for number, bit in enumerate(circuit.qubits) if number in index}
    for instruction in circuit.data:
        if instruction.name == "barrier":
            kept = [place[q] for q in instruction.qubits if q in place]
            if kept:
                result.append(Barrier(len(kept)), kept)
        else:
            result._append(instruction.replace(qubits=[place[q] for q in instruction.qubits]))
    return result


@lru_cache(maxsize=16)
def _merger(basis: tuple[str, ...]) -> "PassManager":
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import Optimize1qGatesDecomposition

    return PassManager([Optimize1qGatesDecomposition(basis=list(basis))])
