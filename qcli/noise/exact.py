"""A plan carried out: what all samples share once, the rest in groups of samples."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.noise.evolve import (
    OBSERVABLES,
    SAMPLES,
    Labelled,
    Matrices,
    backward,
    forward,
    multiply,
    overlap,
    replaced,
)
from qcli.noise.matrices import Channels
from qcli.noise.network import Network, Plan
from qcli.noise.steps import Bound

Array = NDArray[np.float64]

_GROUP = 2**18
"""Coefficients of one group of samples, about."""
_LARGE = 2**20
"""Coefficients from which several threads work on one state: below, waking them takes longer than it saves."""
_DIAGONAL = torch.eye(4, dtype=torch.float64)[[0, 3]]
_PROBABILITIES = torch.tensor([[0.5, 0, 0, 0.5], [0.5, 0, 0, -0.5]], dtype=torch.float64)
IDENTITY = np.array([[1.0, 0.0, 0.0, 0.0]])
_ONE = Labelled(torch.ones((), dtype=torch.float64))


@dataclass(frozen=True)
class Reading:
    """Observables as products of vectors `(count, 4)` on the sites at which they look."""

    vectors: Mapping[int, Array]
    count: int

    @property
    def key(self) -> bytes:
        """Equal for equal observables."""
        vectors = (b"%d:%b" % (site, vector.tobytes()) for site, vector in self.vectors.items())
        return b"%d;" % self.count + b"".join(vectors)


@dataclass(frozen=True)
class Halfway:
    """Both sides of a plan as far as no sample matters.

    The state has met the blocks before `first`, the observables those from `last` on; `blocks` are those all share;
    `read[site]` is the observables' vector there, `(observables, 4)` or `(4,)`.
    """

    channels: Channels
    net: Network
    plan: Plan
    blocks: Matrices
    read: Mapping[int, Labelled]
    state: Labelled
    first: int
    observable: Labelled
    last: int


def prepare(channels: Channels, net: Network, plan: Plan, reading: Reading) -> Halfway:
    """Evolve both sides as far as no sample matters."""
    end = len(net.blocks)
    varying = [k for k, block in enumerate(net.blocks) if block.varies]
    joining = [k for k, block in enumerate(net.blocks) if net.varying.intersection(block.sites)]
    first = min([plan.cut, *varying, *joining])
    last = max([plan.cut, *(k + 1 for k in varying)])
    vectors = {site: _vector(reading.vectors.get(site, IDENTITY), OBSERVABLES, site) for site in net.initial}
    initial = {s: _vector(channels.initial(net, s), SAMPLES, s) for s in net.initial if s not in net.varying}
    ones = Labelled(torch.ones(reading.count, dtype=torch.float64), (OBSERVABLES,))
    blocks = cache(channels.blocks(net))
    with _threads(torch.get_num_threads() if plan.shared >= _LARGE else 1):
        state = forward(_ONE, net, range(first), blocks, initial)
        observable = backward(ones, net, reversed(range(last, end)), blocks, vectors)
    return Halfway(channels, net, plan, blocks, vectors, state, first, observable, last)


def values(half: Halfway, samples: int, angles: Bound) -> Array:
    """Expectation values `(samples, observables)`."""

    def work(state: Labelled, observable: Labelled, initial: Mapping[int, Labelled]) -> Tensor:
        if half.plan.cut == len(half.net.blocks):
            for site in _sites(state):
                state = replaced(state, site, _DIAGONAL)
                observable = multiply(observable, replaced(half.read[site], site, _DIAGONAL))
        for site in set(_sites(state)) - set(_sites(observable)):
            observable = multiply(observable, half.read[site])
        found = overlap(observable, state, [initial[s] for s in _sites(observable) if s not in state.labels])
        for site in half.net.loose:
            found = found * multiply(initial[site], half.read[site], [site]).ordered((SAMPLES, OBSERVABLES))
        return found

    return _in_groups(half, samples, angles, work)


def distribution(
    half: Halfway, samples: int, angles: Bound, order: Sequence[int], readout: Sequence[Array]
) -> Array:
    """Probabilities `(samples, 2**sites)` to read bitstrings of the sites in `order`; the plan cuts at the end.

    `readout[i]` is the assignment matrix of `order[i]`.
    """
    matrices = {site: torch.from_numpy(a) @ _PROBABILITIES for site, a in zip(order, readout, strict=True)}

    def work(state: Labelled, observable: Labelled, initial: Mapping[int, Labelled]) -> Tensor:
        for site in half.net.loose:
            state = multiply(state, initial[site])
        for site in order:
            state = replaced(state, site, matrices[site])
        return state.ordered((SAMPLES, *order)).flatten(1)

    return _in_groups(half, samples, angles, work)


def _in_groups(
    half: Halfway,
    samples: int,
    angles: Bound,
    work: Callable[[Labelled, Labelled, Mapping[int, Labelled]], Tensor],
) -> Array:
    """`work` on both sides of the plan carried to its cut, and on the initial vectors, for all samples."""
    net, cut = half.net, half.plan.cut

    def group(start: int) -> Tensor:
        channels = half.channels.bound(angles.part(start, start + size))
        initial = {site: _vector(channels.initial(net, site), SAMPLES, site) for site in net.initial}
        varying = channels.blocks(net)

        def blocks(number: int) -> Tensor:
            return varying(number) if net.blocks[number].varies else half.blocks(number)

        state = forward(half.state, net, range(half.first, cut), blocks, initial)
        observable = backward(half.observable, net, reversed(range(cut, half.last)), blocks, half.read)
        found = work(state, observable, initial)
        return found.expand(min(size, samples - start), *found.shape[1:])

    if not any(block.varies for block in net.blocks) and not net.varying:
        size = samples
        with _threads(1):
            return group(0).numpy()
    size = max(1, min(samples, _GROUP // half.plan.each))
    threads = torch.get_num_threads()
    with _threads(1), ThreadPoolExecutor(threads) as pool:
        return torch.cat(list(pool.map(group, range(0, samples, size)))).numpy()


def _vector(batch: Array, label: int, site: int) -> Labelled:
    """Vectors `(batch, 4)` of a site; without the axis of the batch where all are alike."""
    if (batch == batch[0]).all():
        return Labelled(torch.from_numpy(batch[0].copy()), (site,))
    return Labelled(torch.from_numpy(batch), (label, site))


def _sites(found: Labelled) -> list[int]:
    return [label for label in found.labels if label >= 0]


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
