"""States and observables as real tensors of Pauli coefficients, four to a site, and blocks that act on them.

Axes carry labels: a site's number, and below zero the samples and observables of a batch. A block's own axes come out
in front, so that it costs one copy and one matrix product.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from qcli.noise.network import Network

SAMPLES, OBSERVABLES = -1, -2

Matrices = Callable[[int], Tensor]
"""The Pauli transfer matrix of a block by its number: `(16, 16)`, or `(samples, 16, 16)`."""


@dataclass(frozen=True)
class Labelled:
    """A tensor and the label of each axis."""

    tensor: Tensor
    labels: tuple[int, ...] = ()

    def ordered(self, labels: Sequence[int]) -> Tensor:
        """With its axes in this order, of length one where it lacks a label."""
        held = self.tensor.permute([self.labels.index(label) for label in labels if label in self.labels])
        lengths = iter(held.shape)
        return held.reshape([next(lengths) if label in self.labels else 1 for label in labels])


def multiply(left: Labelled, right: Labelled, summed: Sequence[int] = ()) -> Labelled:
    """The product summed over these labels; of the others, those that both have run together and come first."""
    shared = [label for label in left.labels if label in right.labels and label not in summed]
    rest = [x for x in (*left.labels, *right.labels) if x not in shared and x not in summed]
    labels = (*shared, *rest)
    number = {label: k for k, label in enumerate((*labels, *summed))}
    product = torch.einsum(
        left.tensor, [number[x] for x in left.labels], right.tensor, [number[x] for x in right.labels],
        [number[x] for x in labels],
    )  # fmt: skip
    return Labelled(product, labels)


def forward(
    state: Labelled, net: Network, blocks: Iterable[int], matrices: Matrices, initial: Mapping[int, Labelled]
) -> Labelled:
    """The state after these blocks. Sites join with their `initial` vectors, and leave when they matter no more."""
    last = net.last()
    for number in blocks:
        sites = net.blocks[number].sites
        block = _block(matrices(number), sites)
        for site in sites:
            if site not in state.labels:
                block = multiply(block, _renamed(initial[site], site, _entering(site)), [_entering(site)])
            if last[site] == number and site not in net.observed:
                axis = block.labels.index(site)
                labels = (*block.labels[:axis], *block.labels[axis + 1 :])
                block = Labelled(block.tensor.select(axis, 0), labels)
        inner = [site for site in sites if site in state.labels]
        for site in inner:
            state = _renamed(state, site, _entering(site))
        state = multiply(block, state, [_entering(site) for site in inner])
    return state


def backward(
    observable: Labelled,
    net: Network,
    blocks: Iterable[int],
    matrices: Matrices,
    read: Mapping[int, Labelled],
) -> Labelled:
    """The observables before these blocks, given last to first. Sites join with their vectors in `read`."""
    for number in blocks:
        sites = net.blocks[number].sites
        block = _block(matrices(number), sites)
        for site in sites:
            if site not in observable.labels:
                observable = multiply(observable, read[site])
        observable = multiply(block, observable, sites)
        for site in sites:
            observable = _renamed(observable, _entering(site), site)
    return observable


def overlap(observable: Labelled, state: Labelled, vectors: Sequence[Labelled]) -> Tensor:
    """⟨B, F⟩ `(samples or 1, observables or 1)`, F being a state and vectors of further sites.

    The vectors are multiplied up in two halves, so that what the samples share meets them in one matrix product.
    """
    halves = [state, Labelled(state.tensor.new_ones(()))]
    for vector in vectors:
        smaller = int(len(halves[1].labels) < len(halves[0].labels))
        halves[smaller] = multiply(halves[smaller], vector)
    for half in halves:
        observable = multiply(half, observable, [label for label in half.labels if label >= 0])
    return observable.ordered((SAMPLES, OBSERVABLES))


def replaced(found: Labelled, site: int, matrix: Tensor) -> Labelled:
    """A matrix `(any, 4)` applied to one site."""
    inner = _renamed(found, site, _entering(site))
    return multiply(Labelled(matrix, (site, _entering(site))), inner, [_entering(site)])


def _entering(site: int) -> int:
    """The label of a site on the side of a block that meets the state."""
    return -3 - site


def _block(matrix: Tensor, sites: tuple[int, int]) -> Labelled:
    labels = (*(SAMPLES,) * (matrix.ndim - 2), *sites, *map(_entering, sites))
    return Labelled(matrix.reshape(*matrix.shape[:-2], 4, 4, 4, 4), labels)


def _renamed(found: Labelled, label: int, to: int) -> Labelled:
    return Labelled(found.tensor, tuple(to if x == label else x for x in found.labels))
