from itertools import permutations

import numpy as np
import pytest

from qcli.compile.place import placements, spread
from qcli.compile.schedule import steps_of
from qcli.compile.tally import success, tally
from qcli.compile.transpile import Compiled, bind_and_merge, compile_circuit
from qcli.device.catalogue import catalogue
from qcli.device.record import Device
from tests.compile.circuits import template


def moved_success(compiled: Compiled, qubits: tuple[int, ...]) -> float | None:
    """Counted gate by gate with the used qubits on others; None where a pair is no edge."""
    device = compiled.device
    (merged,) = bind_and_merge(compiled, np.full((1, len(compiled.parameters)), 0.7))
    counted = tally(steps_of(merged, list(qubits)), device)
    edges = {frozenset(edge[:2]) for edge in device.usable_edges}
    if any(frozenset(pair) not in edges for pair in counted.pairs):
        return None
    return success(counted, device)


def part_of_emerald() -> Device:
    device = catalogue()["braket/emerald"]
    ids = {qubit.id for qubit in device.usable[:12]}
    return device.model_copy(
        update={
            "qubits": tuple(qubit for qubit in device.qubits if qubit.id in ids),
            "edges": tuple(edge for edge in device.edges if {edge.a, edge.b} <= ids),
        }
    )


@pytest.mark.parametrize("wires", [2, 3])
def test_a_wide_search_finds_every_placement_with_its_success(wires: int) -> None:
    device = part_of_emerald()
    compiled = compile_circuit(template(wires), device, trials=1)
    (merged,) = bind_and_merge(compiled, np.full((1, 2 * wires), 0.7), physical=True)
    found = placements(tally(steps_of(merged), device), compiled.used_qubits, device, width=10_000)
    ids = [qubit.id for qubit in device.usable]
    expected = {q: moved_success(compiled, q) for q in permutations(ids, wires)}
    possible = {q: value for q, value in expected.items() if value is not None}
    assert {tuple(row) for row in found.qubits.tolist()} == set(possible)
    for row, value in zip(found.qubits.tolist(), found.success, strict=True):
        assert value == pytest.approx(possible[tuple(row)], rel=1e-9)
    assert np.all(np.diff(found.success) <= 0)


def test_a_narrow_search_finds_the_best_placement_of_a_line() -> None:
    device = catalogue()["ibm/fez"]
    compiled = compile_circuit(template(6), device, trials=1)
    (merged,) = bind_and_merge(compiled, np.full((1, 12), 0.7), physical=True)
    counted = tally(steps_of(merged), device)
    narrow, wide = (placements(counted, compiled.used_qubits, device, width) for width in (16, 10_000))
    assert narrow.success[0] == pytest.approx(wide.success[0])


def test_chosen_placements_share_few_qubits_with_each_other_and_with_what_is_taken() -> None:
    device = catalogue()["ibm/fez"]
    compiled = compile_circuit(template(6), device, trials=1)
    (merged,) = bind_and_merge(compiled, np.full((1, 12), 0.7), physical=True)
    found = placements(tally(steps_of(merged), device), compiled.used_qubits, device)
    taken = {*found.qubits[0].tolist()}
    chosen = [{*found.qubits[k].tolist()} for k in spread(found, 4, [sorted(taken)])]
    assert len(chosen) == 4
    sets = [taken, *chosen]
    assert all(len(one & other) <= 3 for i, one in enumerate(sets) for other in sets[:i])
