"""A circuit into a device's native gates on its best qubits, and its many bindings at once."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from qcli.compile.target import target, to_native, transpiler_basis
from qcli.device.record import Device, Qubit
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit
    from qiskit.transpiler import CouplingMap, PassManager, StagedPassManager, Target

_FREE = ("rz", "barrier", "measure")


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
        success: estimated success probability, the product of 1 − error over gates and readouts.

    The last four count a parametrised circuit after a generic binding, its one-qubit runs merged: as it runs.
    """

    device: Device
    circuit: "QuantumCircuit"
    parameters: tuple[str, ...]
    layout: tuple[int, ...]
    used_qubits: tuple[int, ...]
    two_qubit_gates: int
    one_qubit_gates: int
    depth: int
    success: float


def compile_circuit(circuit: "QuantumCircuit", device: Device, seed: int = 7, trials: int = 6) -> Compiled:
    """Compile with Qiskit's level 3 under several seeds and keep the best by estimated success.

    Layout and routing keep the lower levels' limits (2 for the first seed, then 1): level 3 searches 40 s a
    seed for a layout without swaps where there is none, such as 21 wires in a ring on a square lattice.

    The circuit keeps its measurements, so that readout errors count in the choice of qubits. Bind the
    weights and leave only what changes from sample to sample as parameters: blocks of fixed gates are
    resynthesised into fewer two-qubit gates, blocks with parameters are not.

    Raises:
        QcliError: more wires than calibrated qubits, nothing measured, or a gate without a native form.
    """
    from qiskit.transpiler import TranspilerError

    _check(circuit, device)
    limit = circuit.num_qubits if device.all_to_all else None
    backend = target(device, limit)
    best: Compiled | None = None
    for trial in range(max(1, trials)):
        passes = _passes(backend, seed + trial, layout_level=1 if trial else 2)
        try:
            found = _compiled(passes.run(circuit), circuit, device)
        except TranspilerError as error:
            raise QcliError(
                f"the circuit does not compile for {device.key}: {error.message}",
                device.key,
                "use fewer wires, standard gates, or another device",
            ) from None
        if best is None or found.success > best.success:
            best = found
    assert best is not None
    return best


def cut_down(compiled: Compiled) -> "QuantumCircuit":
    """The compiled circuit on its used qubits alone: index i is `compiled.used_qubits[i]`."""
    index = {physical: i for i, physical in enumerate(compiled.used_qubits)}
    return _relabel(compiled.circuit, index, len(index))


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
    held = {parameter.name: parameter for parameter in template.parameters}
    columns = [(held[name], i) for i, name in enumerate(compiled.parameters) if name in held]
    merge = _merger(compiled.device)
    circuits = []
    for row in matrix:
        bound = template.assign_parameters({p: float(row[i]) for p, i in columns})
        circuits.append(to_native(merge.run(bound), compiled.device))
    return circuits


def _passes(backend: "Target", seed: int, layout_level: int) -> "PassManager":
    """Level 3, with the layout and routing stages of lower levels, which alone depend on the seed."""
    from qiskit.transpiler import PassManagerConfig
    from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePluginManager

    level_3, coupling = _level_3(backend)
    passes = copy(level_3)
    stages = PassManagerStagePluginManager()
    config = PassManagerConfig(target=backend, coupling_map=coupling, seed_transpiler=seed)
    for name, level in (("layout", layout_level), ("routing", 2)):
        setattr(passes, name, stages.get_passmanager_stage(name, "default", config, optimization_level=level))
    return passes


@lru_cache(maxsize=64)
def _level_3(backend: "Target") -> tuple["StagedPassManager", "CouplingMap"]:
    from qiskit.transpiler import generate_preset_pass_manager

    return generate_preset_pass_manager(3, target=backend), backend.build_coupling_map()


def _check(circuit: "QuantumCircuit", device: Device) -> None:
    if circuit.num_qubits > device.qubit_count:
        raise QcliError(
            f"the circuit has {circuit.num_qubits} wires, the device {device.qubit_count} calibrated qubits",
            device.key,
            "use fewer wires or a larger device",
        )
    if not any(instruction.name == "measure" for instruction in circuit.data):
        raise QcliError("the circuit measures nothing", device.key, "measure at least one wire")


def _compiled(result: "QuantumCircuit", source: "QuantumCircuit", device: Device) -> Compiled:
    """`result` (indices of the target, stand-in gates) as physical native circuit, with its counts."""
    ids = [qubit.id for qubit in device.usable]
    native = to_native(_relabel(result, dict(enumerate(ids)), max(ids) + 1), device)
    index = {bit: number for bits in (native.qubits, native.clbits) for number, bit in enumerate(bits)}
    parts = [(i.name, [index[q] for q in i.qubits], i) for i in native.data]
    reads = {index[i.clbits[0]]: qubits[0] for name, qubits, i in parts if name == "measure"}
    compiled = Compiled(
        device=device,
        circuit=native,
        parameters=tuple(parameter.name for parameter in source.parameters),
        layout=tuple(reads[bit] for bit in sorted(reads)),
        used_qubits=tuple(sorted({q for name, qubits, _ in parts if name != "barrier" for q in qubits})),
        two_qubit_gates=0,
        one_qubit_gates=0,
        depth=0,
        success=0.0,
    )
    generic = np.random.default_rng(0).uniform(0.1, 3.0, size=(1, len(compiled.parameters)))
    ones, twos, depth, success = _counts(bind_and_merge(compiled, generic, physical=True)[0], device)
    return replace(compiled, one_qubit_gates=ones, two_qubit_gates=twos, depth=depth, success=success)


def _counts(circuit: "QuantumCircuit", device: Device) -> tuple[int, int, int, float]:
    """One-qubit gates, two-qubit gates, depth and estimated success of a bound native circuit."""
    qubits, edges = _figures(device)
    index = {bit: number for number, bit in enumerate(circuit.qubits)}
    depth = [0] * len(index)
    log_success, ones, twos = 0.0, 0, 0
    for instruction in circuit.data:
        places = [index[q] for q in instruction.qubits]
        error: float | None = 0.0
        if instruction.name == "measure":
            error = qubits[places[0]].readout_error
        elif instruction.name not in _FREE:
            if len(places) == 1:
                error, ones = qubits[places[0]].error_1q, ones + 1
            else:
                error, twos = edges[frozenset(places)], twos + 1
            layer = 1 + max(depth[q] for q in places)
            for q in places:
                depth[q] = layer
        assert error is not None
        log_success += math.log1p(-error)
    return ones, twos, max(depth), math.exp(log_success)


@lru_cache(maxsize=64)
def _figures(device: Device) -> tuple[dict[int, Qubit], dict[frozenset[int], float | None]]:
    """Usable qubits by their number, and errors of usable edges by their pair."""
    qubits = {qubit.id: qubit for qubit in device.usable}
    return qubits, {frozenset(edge[:2]): edge.error for edge in device.usable_edges}


def _relabel(circuit: "QuantumCircuit", index: dict[int, int], size: int) -> "QuantumCircuit":
    """The same gates on a register of `size` qubits, qubit q at `index[q]`; barriers drop out."""
    from qiskit.circuit import QuantumCircuit, QuantumRegister

    result = QuantumCircuit(QuantumRegister(size, "q"), *circuit.cregs, global_phase=circuit.global_phase)
    qubits = result.qubits
    place = {bit: qubits[index[number]] for number, bit in enumerate(circuit.qubits) if number in index}
    for instruction in circuit.data:
        if instruction.name != "barrier":
            result._append(instruction.replace(qubits=[place[q] for q in instruction.qubits]))
    return result


def _merger(device: Device) -> "PassManager":
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import Optimize1qGatesDecomposition

    return PassManager([Optimize1qGatesDecomposition(basis=transpiler_basis(device))])
