"""Shapley values: how much of an effect is due to each of several causes that act together."""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb


def shapley(causes: Sequence[str], effect: Callable[[frozenset[str]], float]) -> dict[str, float]:
    """Each cause's mean marginal effect over all orders in which causes may be switched on.

    The values add up to effect(all) − effect(none) (L. S. Shapley, in Contributions to the Theory of Games II, 1953).

    Args:
        effect: of a set of causes; asked once for each of the 2ⁿ sets.
    """
    n = len(causes)
    known = {
        frozenset(chosen): effect(frozenset(chosen))
        for size in range(n + 1)
        for chosen in combinations(causes, size)
    }
    return {
        cause: sum(
            (known[chosen | {cause}] - value) / (n * comb(n - 1, len(chosen)))
            for chosen, value in known.items()
            if cause not in chosen
        )
        for cause in causes
    }
