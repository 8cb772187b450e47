"""Wide circuits exactly: the circuit's Pauli transfer matrices as a tensor network, contracted in a good order.

States of many qubits are never built: a shallow circuit on a chain of any length takes the work of a few qubits. How
much depends on the circuit's depth and couplings; the cost is known before anything is computed
(I. L. Markov and Y. Shi, SIAM J. Comput. 38, 963, 2008).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import opt_einsum
import torch
from numpy.typing import NDArray

from qcli.noise.exact import IDENTITY, Reading
from qcli.noise.matrices import Channels
from qcli.noise.network import Network

Array = NDArray[np.float64]

_OBSERVABLES = 0
_TRIALS = 64
_LITTLE = 1e6
"""Multiplications below which no better order is looked for."""


@dataclass(frozen=True)
class Order:
    """Pairs of tensors to contract one after the other, the multiplications they take and the largest tensor."""

    path: Any
    work: float
    largest: float


def order(net: Network, observables: int, search: bool) -> Order:
    """A greedy order for one sample or, with `search`, the best of some randomised ones if that is better."""
    sizes = {_OBSERVABLES: observables}
    labels = _labels(net)
    shaped = [np.broadcast_to(0.0, [sizes.get(label, 4) for label in each]) for each in labels]

    def ordered(optimizer: Any) -> Order:
        path, info = opt_einsum.contract_path(*_beside(shaped, labels), optimize=optimizer)
        return Order(path, float(info.opt_cost), float(info.largest_intermediate))

    greedy = ordered("greedy")
    if not search or greedy.work < _LITTLE:
        return greedy
    return min(greedy, ordered(opt_einsum.RandomGreedy(max_repeats=_TRIALS)), key=lambda each: each.work)


def contracted(channels: Channels, net: Network, reading: Reading, how: Order) -> Array:
    """Expectation values `(samples or 1, observables)` of products of vectors on the observed sites.

    `channels` are bound to the samples, which are contracted one after the other.
    """
    states = [channels.initial(net, site) for site in net.initial]
    blocks = [np.atleast_3d(channels.blocks(net)(k).numpy().T).T for k in range(len(net.blocks))]
    reads = [np.broadcast_to(reading.vectors.get(site, IDENTITY), (reading.count, 4)) for site in net.initial]
    samples = max((len(each) for each in (*states, *blocks)), default=1)
    labels = _labels(net)
    shapes = [tuple(reading.count if label == _OBSERVABLES else 4 for label in each) for each in labels]
    expression = opt_einsum.contract_expression(*_beside(shapes, labels), optimize=how.path)
    found = np.empty((samples, reading.count))
    for row in range(samples):
        one = [each[min(row, len(each) - 1)] for each in states]
        one += [each[min(row, len(each) - 1)].reshape(4, 4, 4, 4) for each in blocks]
        tensors = [torch.from_numpy(np.array(each)) for each in (*one, *reads)]
        found[row] = expression(*tensors).numpy()
    return found


def _labels(net: Network) -> list[Sequence[int]]:
    """Of the sites' initial vectors, the blocks and the sites' observables."""
    leg = {site: number for number, site in enumerate(net.initial, start=1)}
    labels: list[Sequence[int]] = [(leg[site],) for site in net.initial]
    fresh = 1 + len(leg)
    for block in net.blocks:
        a, b = block.sites
        labels.append((fresh, fresh + 1, leg[a], leg[b]))
        leg |= {a: fresh, b: fresh + 1}
        fresh += 2
    return [*labels, *((_OBSERVABLES, leg[site]) for site in net.initial)]


def _beside(tensors: Sequence[Any], labels: Sequence[Sequence[int]]) -> list[Any]:
    """Each tensor, then its labels, and last those of the result."""
    return [part for pair in zip(tensors, labels, strict=True) for part in pair] + [(_OBSERVABLES,)]
