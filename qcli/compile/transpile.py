"""A circuit into a device's native gates on its best qubits."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING

from qcli.compile.compiled import Compiled, bind_and_merge, cut_down, generic_angles, merged_at, relabel
from qcli.compile.place import Placements, placements, spread
from qcli.compile.schedule import steps_of
from qcli.compile.source import checked, used_wires
from qcli.compile.tally import Tally, success, tally
from qcli.compile.target import DIRECTED, target, to_native
from qcli.device.record import Device
from qcli.errors import QcliError

if TYPE_CHECKING:
    from qiskit.circuit import QuantumCircuit
    from qiskit.transpiler import CouplingMap, PassManager, StagedPassManager, Target
    from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePluginManager

__all__ = ["Compiled", "bind_and_merge", "compile_circuit", "compile_on", "cut_down", "layouts"]

_LEAST_TRIALS, _MOST_TRIALS, _ROUTED = 8, 32, 16_000
"""Seeds tried of a circuit: as many as route about so many operations in all."""


@dataclass(frozen=True)
class _Draft:
    """What the transpiler made: stand-in gates on the target's indices; counted at a generic binding."""

    circuit: "QuantumCircuit"
    parameters: tuple[str, ...]
    device: Device

    @cached_property
    def used(self) -> tuple[int, ...]:
        """Physical qubits with a gate or a measurement, ascending."""
        steps = steps_of(self.circuit, self._ids)
        return tuple(sorted({qubit for step in steps if step.name != "barrier" for qubit in step.qubits}))

    @cached_property
    def counted(self) -> Tally:
        (generic,) = generic_angles(len(self.parameters))
        merged = merged_at(self.circuit, self.parameters, generic, self.device)
        return tally(steps_of(merged, self._ids), self.device)

    @cached_property
    def places(self) -> Placements:
        """Where else it could run."""
        return placements(self.counted, self.used, self.device)

    @property
    def estimate(self) -> float:
        """Success in the best place, as long as that needs no other gates."""
        return max([success(self.counted, self.device), *self.places.success[:1]])

    @property
    def _ids(self) -> list[int]:
        return [qubit.id for qubit in self.device.usable]


def compile_circuit(
    circuit: "QuantumCircuit", device: Device, seed: int = 7, trials: int | None = None
) -> Compiled:
    """Compile with Qiskit's level 3 under several seeds, move each result to its best place, and keep the best.

    "Best" is by estimated success, idling included. Where the first seed needs no swaps, the others would differ in
    the place alone, and are left out. By default 8 (large circuits) to 32 seeds are tried.

    The circuit keeps its measurements, so that readout errors count in the choice of qubits. Bind the
    weights and leave only what changes from sample to sample as parameters: blocks of fixed gates are
    resynthesised into fewer two-qubit gates, blocks with parameters are not.

    Raises:
        QcliError: more wires than calibrated qubits, nothing measured, an operation that is no gate (a reset, a
            condition, a measurement before the end), or a gate without a native form.
    """
    drafts = _drafts(checked(circuit, device), device, seed, trials)
    return _best(drafts)


def layouts(circuit: "QuantumCircuit", device: Device, count: int = 5, seed: int = 7) -> list[Compiled]:
    """The circuit in up to `count` good but different places, best first, to quote the spread of layouts.

    They share at most half of their qubits where the device has room for that; the first is at least as good as
    what `compile_circuit` gives. Where all qubits and all pairs are alike there is one.

    Raises:
        QcliError: as `compile_circuit`.
    """
    drafts = _drafts(checked(circuit, device), device, seed)
    found = [_best(drafts)]
    for draft in [] if _alike(device) else drafts:
        if len(found) < count:
            known = {(each.used_qubits, each.layout) for each in found}
            others = _elsewhere(draft, count, [each.used_qubits for each in found])
            found += [each for each in others if (each.used_qubits, each.layout) not in known]
    return sorted(found[:count], key=_success, reverse=True)


def compile_on(circuit: "QuantumCircuit", device: Device, layout: Sequence[int], seed: int = 7) -> Compiled:
    """Compile with wire w starting on the physical qubit `layout[w]`, as the vendor numbers it.

    Where wires that share a gate are not on an edge, swaps move them; the best of some seeds is taken.

    Raises:
        QcliError: as `compile_circuit`; not one different calibrated qubit per wire.
    """
    source = checked(circuit, device)
    index = {qubit.id: i for i, qubit in enumerate(device.usable)}
    places = [layout[wire] for wire in used_wires(circuit, device) if wire < len(layout)]
    if len(layout) != circuit.num_qubits or len({*places} & index.keys()) != len(places):
        raise QcliError(
            f"layout {list(layout)} for {circuit.num_qubits} wires",
            device.key,
            f"name one different calibrated qubit per wire in use; there are {sorted(index)}",
        )
    start = tuple(index[place] for place in places)
    return max((_compiled(draft) for draft in _drafts(source, device, seed, start=start)), key=_success)


def _success(compiled: Compiled) -> float:
    return compiled.success


def _best(drafts: Sequence[_Draft]) -> Compiled:
    """Of the two most promising drafts, where they are and in their best places."""
    options = [each for draft in drafts[:2] for each in (_compiled(draft), *_elsewhere(draft, 1))]
    return max(options, key=_success)


def _drafts(
    source: "QuantumCircuit",
    device: Device,
    seed: int,
    trials: int | None = None,
    start: tuple[int, ...] | None = None,
) -> list[_Draft]:
    """One per seed, or one alone where no swaps are needed; the most promising first."""
    from qiskit.transpiler import TranspilerError

    limit = source.num_qubits if device.all_to_all and start is None else None
    backend = target(device, limit)
    parameters = tuple(parameter.name for parameter in source.parameters)
    if trials is None:
        trials = min(max(_LEAST_TRIALS, _ROUTED // (1 + source.size())), _MOST_TRIALS)
    drafts = []
    for trial in range(max(1, trials)):
        try:
            result = _passes(backend, seed, trial, start).run(source)
        except TranspilerError as error:
            raise QcliError(
                f"the circuit does not compile for {device.key}: {error.message}",
                device.key,
                "use fewer wires, standard gates, or another device",
            ) from None
        drafts.append(_Draft(result, parameters, device))
        if result.layout is None or result.layout.final_layout is None:
            break
    return sorted(drafts, key=lambda draft: -draft.estimate)


def _passes(backend: "Target", seed: int, trial: int, start: tuple[int, ...] | None) -> "PassManager":
    """Level 3 with stages for layout and routing of its own, which alone depend on the seed.

    The first two trials look for a layout without swaps, with the limits of levels 1 and 2: level 3 searches 40 s
    where there is none, such as for 21 wires in a ring on a square lattice. The others go straight to Sabre.
    Where a layout method is named, Qiskit searches no other place after routing: `placements` does that better.
    """
    from qiskit.transpiler import PassManagerConfig

    level_3, coupling = _level_3(backend, start is None)
    passes, stages = copy(level_3), _stages()
    config = PassManagerConfig(
        target=backend,
        coupling_map=coupling,
        seed_transpiler=seed + trial,
        initial_layout=None if start is None else list(start),
        layout_method="default",
    )
    method, level = [("default", 1), ("default", 2), ("sabre", 3)][min(trial, 2)]
    passes.layout = stages.get_passmanager_stage("layout", method, config, optimization_level=level)
    passes.routing = stages.get_passmanager_stage("routing", "default", config, optimization_level=2)
    return passes


@cache
def _stages() -> "PassManagerStagePluginManager":
    """Making one searches all that is installed for plugins."""
    from qiskit.transpiler.preset_passmanagers.plugin import PassManagerStagePluginManager

    return PassManagerStagePluginManager()


@lru_cache(maxsize=64)
def _level_3(backend: "Target", may_move: bool) -> tuple["StagedPassManager", "CouplingMap"]:
    from qiskit.transpiler import generate_preset_pass_manager

    method = None if may_move else "default"
    passes = generate_preset_pass_manager(3, target=backend, layout_method=method)
    return passes, backend.build_coupling_map()


def _elsewhere(draft: _Draft, count: int, taken: Sequence[Sequence[int]] = ()) -> list[Compiled]:
    """The same gates in up to `count` other places, apart from sets of qubits that are `taken` if possible."""
    device = draft.device
    index = {qubit.id: i for i, qubit in enumerate(device.usable)}
    result = []
    for k in spread(draft.places, count, taken):
        moves = {index[a]: index[b] for a, b in zip(draft.used, draft.places.qubits[k], strict=True)}
        circuit = relabel(draft.circuit, moves, len(index))
        if device.two_qubit_gate in DIRECTED:
            circuit = _turned(target(device)).run(circuit)
        result.append(_compiled(replace(draft, circuit=circuit)))
    return result


@lru_cache(maxsize=16)
def _turned(backend: "Target") -> "PassManager":
    """Two-qubit gates in the direction the device has."""
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import GateDirection, Optimize1qGatesDecomposition

    return PassManager([GateDirection(None, target=backend), Optimize1qGatesDecomposition(target=backend)])


def _compiled(draft: _Draft) -> Compiled:
    """In native gates on the device's own qubit numbers."""
    ids, counted = [qubit.id for qubit in draft.device.usable], draft.counted
    native = to_native(relabel(draft.circuit, dict(enumerate(ids)), max(ids) + 1), draft.device)
    bits = {bit: number for number, bit in enumerate(native.clbits)}
    reads = {
        bits[each.clbits[0]]: step.qubits[0]
        for each, step in zip(native.data, steps_of(native), strict=True)
        if step.name == "measure"
    }
    return Compiled(
        device=draft.device,
        circuit=native,
        parameters=draft.parameters,
        layout=tuple(reads[bit] for bit in sorted(reads)),
        used_qubits=draft.used,
        two_qubit_gates=sum(counted.pairs.values()),
        one_qubit_gates=sum(counted.pulses.values()),
        depth=counted.depth,
        duration_s=counted.timeline.duration_s,
        duration_basis=counted.timeline.basis,
        success=success(counted, draft.device),
    )


def _alike(device: Device) -> bool:
    """Whether all qubits and all pairs have the same figures, so that every layout is as good."""
    qubits, edges = {qubit[1:] for qubit in device.usable}, {edge[2:] for edge in device.usable_edges}
    return device.all_to_all and len(qubits) == len(edges) == 1
