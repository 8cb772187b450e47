"""Where else on the device the same native gates could run, and how well: a beam search over placements.

A compiled circuit is moved as a whole: a placement is an injective map of its qubits to physical ones under which
every pair it uses stays an edge. Its score is the logarithm of the estimated success, a sum over qubits and edges, so
it grows as qubits are placed one after the other, neighbours first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qcli.compile.tally import Tally, survival
from qcli.device.record import Device

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Placements:
    """`qubits[k, i]` is where the circuit's i-th qubit goes in the k-th best placement found.

    `success[k]` is the success to expect there. No two placements are the same.
    """

    qubits: Integers
    success: Floats


def placements(counted: Tally, used: Sequence[int], device: Device, width: int = 16) -> Placements:
    """Good placements of the qubits `used`, from everywhere on the device, best first; none if all were dead ends.

    From each physical qubit on which the first of the circuit's qubits may stand, the `width` best partial placements
    are kept at every step. Durations are taken to be those of the circuit's present place.
    """
    index = {q: i for i, q in enumerate(used)}
    uses: dict[int, dict[int, int]] = {i: {} for i in range(len(used))}
    for (a, b), count in counted.pairs.items():
        for one, other in ((a, b), (b, a)):
            found = uses[index[one]]
            found[index[other]] = found.get(index[other], 0) + count
    on_qubit, on_edge = _qubit_scores(counted, used, device), _edge_scores(device)
    neighbours = _neighbours(on_edge)
    order = _order(uses)

    places = np.full((len(on_edge), len(used)), -1)
    places[:, order[0]] = np.arange(len(on_edge))
    scores = on_qubit[order[0]].copy()
    for step, node in enumerate(order[1:], start=1):
        joined = [other for other in uses[node] if other in order[:step]]
        if joined:
            candidates = neighbours[places[:, joined[0]]]
        else:
            best = np.argsort(-on_qubit[node], kind="stable")[: len(used) + width]
            candidates = np.broadcast_to(best, (len(places), len(best)))
        gains = np.where(candidates < 0, -np.inf, on_qubit[node][candidates])
        for other in joined:
            gains = gains + uses[node][other] * on_edge[places[:, [other]], candidates]
        for other in order[:step]:
            gains = np.where(candidates == places[:, [other]], -np.inf, gains)
        rows, columns = np.nonzero(gains > -np.inf)
        grown, chosen = scores[rows] + gains[rows, columns], candidates[rows, columns]
        kept = _best_of_each_root(grown, places[rows, order[0]], width)
        places, scores = places[rows[kept]], grown[kept]
        places[:, node] = chosen[kept]
    ids = np.array([qubit.id for qubit in device.usable])
    best_first = np.argsort(-scores, kind="stable")
    return Placements(ids[places[best_first]], np.exp(scores[best_first]))


def spread(found: Placements, count: int, taken: Sequence[Sequence[int]] = ()) -> list[int]:
    """Numbers of up to `count` placements: the best that share at most half of their qubits with each other and with
    each set that is `taken`; if there are too few, then the best on another set of qubits, then in another arrangement.
    """
    wires = found.qubits.shape[1]
    columns = np.unique(found.qubits)
    uses = (found.qubits[:, :, None] == columns).any(axis=1).astype(np.int64)
    others = [np.isin(columns, each).astype(np.int64) for each in taken]
    chosen: list[int] = []
    for shared in (wires // 2, wires - 1, wires):
        allowed = np.ones(len(uses), dtype=bool)
        for other in [*others, *(uses[k] for k in chosen)]:
            allowed &= uses @ other <= shared
        allowed[chosen] = False
        while len(chosen) < count and allowed.any():
            chosen.append(int(np.argmax(allowed)))
            allowed &= uses @ uses[chosen[-1]] <= shared
            allowed[chosen[-1]] = False
    return chosen


def _best_of_each_root(scores: Floats, roots: Integers, width: int) -> Integers:
    order = np.lexsort((-scores, roots))
    starts = np.flatnonzero(np.diff(roots[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < width]


def _order(uses: dict[int, dict[int, int]]) -> list[int]:
    """Each qubit after those it shares the most edges with; components of many qubits first."""
    order: list[int] = []
    left = set(uses)
    while left:
        node = max(left, key=lambda i: (len(uses[i].keys() & set(order)), len(uses[i]), -i))
        order.append(node)
        left.remove(node)
    return order


def _qubit_scores(counted: Tally, used: Sequence[int], device: Device) -> Floats:
    """Log success of what happens on each qubit of the circuit alone, if placed on each physical one."""
    usable = device.usable
    figures = np.array([[q.error_1q, q.readout_error] for q in usable], dtype=float)
    pulses = np.array([counted.pulses.get(q, 0) for q in used])
    reads = np.array([counted.reads.get(q, 0) for q in used])
    scores = np.column_stack((pulses, reads)) @ np.log1p(-figures).T
    index = {q: i for i, q in enumerate(used)}
    idles = counted.timeline.idles
    waits = survival(np.array([[idle.seconds] for idle in idles]).reshape(-1, 1), usable)
    np.add.at(scores, [index[idle.qubit] for idle in idles], np.log(waits))
    return scores


def _edge_scores(device: Device) -> Floats:
    """Log of 1 − error between physical qubits, −∞ where there is no edge."""
    index = {qubit.id: i for i, qubit in enumerate(device.usable)}
    scores = np.full((len(index), len(index)), -np.inf)
    for edge in device.usable_edges:
        a, b = index[edge.a], index[edge.b]
        scores[a, b] = scores[b, a] = np.log1p(-float(edge.error or 0.0))
    return scores


def _neighbours(on_edge: Floats) -> Integers:
    """The physical neighbours of each physical qubit, padded with −1."""
    linked = on_edge > -np.inf
    result = np.full((len(linked), max(1, int(linked.sum(axis=1).max()))), -1)
    for i, row in enumerate(linked):
        found = np.flatnonzero(row)
        result[i, : len(found)] = found
    return result
