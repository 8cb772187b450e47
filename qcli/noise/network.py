"""Which steps matter for what is read, joined into blocks on two sites, and the cheapest order to evaluate them.

A value is ⟨B, F⟩: a state F evolved forward through the blocks before a cut, and observables B evolved backward
(Heisenberg) through those after it. Each holds 4ᵂ Pauli coefficients on the W sites it has touched, once for all
samples until the first block that depends on the sample.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from qcli.noise.steps import Step


@dataclass(frozen=True)
class Block:
    """Consecutive steps (their indices) on two sites; `varies`: one depends on the sample."""

    sites: tuple[int, int]
    steps: tuple[int, ...]
    varies: bool


@dataclass(frozen=True)
class Network:
    """The light cone of the `observed` sites.

    `initial[site]` are the steps before a site's first block; `varying` the sites where one depends on the sample.
    """

    initial: dict[int, tuple[int, ...]]
    blocks: tuple[Block, ...]
    observed: frozenset[int]
    varying: frozenset[int]

    @property
    def loose(self) -> tuple[int, ...]:
        """Sites that no block touches."""
        joined = {site for block in self.blocks for site in block.sites}
        return tuple(site for site in self.initial if site not in joined)

    def last(self) -> dict[int, int]:
        """The last block that touches each site."""
        return {site: number for number, block in enumerate(self.blocks) for site in block.sites}


def network(steps: Sequence[Step], observed: Collection[int]) -> Network:
    """The light cone of the observed sites. A step on one site joins the block before it."""
    cone = set(observed)
    kept = []
    for number in reversed(range(len(steps))):
        if cone.intersection(steps[number].sites):
            cone.update(steps[number].sites)
            kept.append(number)
    initial: dict[int, list[int]] = {site: [] for site in sorted(cone)}
    blocks: list[tuple[tuple[int, int], list[int]]] = []
    last: dict[int, int] = {}
    for number in reversed(kept):
        sites = steps[number].sites
        if len(sites) == 1:
            (blocks[last[sites[0]]][1] if sites[0] in last else initial[sites[0]]).append(number)
        elif sites[0] in last and last[sites[0]] == last.get(sites[1]):
            blocks[last[sites[0]]][1].append(number)
        else:
            last |= dict.fromkeys(sites, len(blocks))
            blocks.append((sites, [number]))
    return Network(
        {site: tuple(held) for site, held in initial.items()},
        tuple(Block(sites, tuple(held), any(steps[k].varies for k in held)) for sites, held in blocks),
        frozenset(observed),
        frozenset(site for site, held in initial.items() if any(steps[k].varies for k in held)),
    )


@dataclass(frozen=True)
class Plan:
    """Blocks before `cut` act on states, the others on observables.

    Attributes:
        work: Pauli coefficients computed, over all blocks, samples and observables.
        shared, each: the most that are held at once, for all samples together and for each sample.
    """

    cut: int
    work: float
    shared: int
    each: int


_CONTRACTED = 1 / 8
"""Work for a coefficient in the product ⟨B, F⟩, against that in a block."""


def plans(net: Network, samples: int, observables: int) -> list[Plan]:
    """One for each cut. States that reach the end are read as probabilities, whatever the number of observables."""
    states, marks = _states(net), _observables(net)
    end = len(net.blocks)
    found = []
    for cut in range(end + 1):
        copies = observables if cut < end else 1
        met = len(
            (states[cut - 1].after if cut else frozenset()) | (marks[cut].after if cut < end else frozenset())
        )
        held = [*((each, 1) for each in states[:cut]), *((each, copies) for each in marks[cut:])]
        work = sum(4.0**each.width * many * (samples if each.varies else 1) for each, many in held)
        work += _CONTRACTED * 4.0**met * samples * copies
        shared = max((4**each.width * many for each, many in held if not each.varies), default=1)
        single = max((4**each.width * many for each, many in held if each.varies), default=1)
        found.append(Plan(cut, work, max(shared, 4**met * copies), max(single, 2**met * copies)))
    return found


@dataclass(frozen=True)
class _Side:
    """One side at a block: sites it holds while the block acts and `after`, and whether it depends on the sample."""

    width: int
    after: frozenset[int]
    varies: bool


def _states(net: Network) -> list[_Side]:
    last = net.last()
    joined: frozenset[int] = frozenset()
    varies = False
    found = []
    for number, block in enumerate(net.blocks):
        varies |= block.varies or bool(net.varying.intersection(block.sites) - joined)
        joined |= set(block.sites)
        width = len(joined)
        joined -= {site for site in block.sites if last[site] == number} - net.observed
        found.append(_Side(width, joined, varies))
    return found


def _observables(net: Network) -> list[_Side]:
    joined: frozenset[int] = frozenset()
    varies = False
    found = []
    for block in reversed(net.blocks):
        varies |= block.varies
        joined |= set(block.sites)
        found.append(_Side(len(joined), joined, varies))
    return found[::-1]
