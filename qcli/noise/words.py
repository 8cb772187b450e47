"""Product observables read from a Program: as Pauli words, or from the probabilities of all bitstrings."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Expectation, Measurement, PauliWord, Probabilities

Array = NDArray[np.float64]
Outputs = Callable[[Array], Array]

_WORDS = 256
"""Above so many Pauli words, probabilities are read."""


def looks(functions: Array) -> NDArray[np.bool_]:
    """Whether an observable `(observables, bits, 2)` looks at a bit: its function there is not 1."""
    return np.asarray(np.any(np.abs(functions - 1) > 1e-15, axis=2))


def halves(functions: Array) -> tuple[Array, Array]:
    """The coefficients of I and Z in each function."""
    return (functions[..., 0] + functions[..., 1]) / 2, (functions[..., 0] - functions[..., 1]) / 2


def measured(functions: Array, wires: Sequence[int]) -> tuple[tuple[Measurement, ...], Outputs]:
    """What a Program is to measure, and the observables `(rows, observables)` from its outputs.

    Bit i is read from `wires[i]`; every bit is looked at.
    """
    if (2.0 ** looks(functions).sum(axis=1)).sum() > _WORDS:
        return (Probabilities(tuple(wires)),), lambda outputs: _from_probabilities(functions, outputs)
    words = _words(functions)
    kept = [word for word in words if word]
    matrix = np.array([words[word] for word in kept]).reshape(len(kept), len(functions))
    constant = words.get((), np.zeros(len(functions)))
    names: list[PauliWord] = [tuple(sorted((wires[bit], "Z") for bit in word)) for word in kept]
    return tuple(Expectation(((1.0, name),)) for name in names), lambda outputs: outputs @ matrix + constant


def _words(functions: Array) -> Mapping[tuple[int, ...], Array]:
    """Sets of bits to the coefficients `(observables,)` of their Z word."""
    identity, z = halves(functions)
    words: dict[tuple[int, ...], Array] = {}
    for row, seen in enumerate(looks(functions)):
        support = np.flatnonzero(seen).tolist()
        for size in range(len(support) + 1):
            for word in combinations(support, size):
                rest = [bit for bit in support if bit not in word]
                coefficient = z[row, list(word)].prod() * identity[row, rest].prod()
                words.setdefault(word, np.zeros(len(functions)))[row] = coefficient
    return words


def _from_probabilities(functions: Array, probabilities: Array) -> Array:
    values = []
    for observable in functions:
        held = probabilities
        for function in observable[::-1]:
            held = held.reshape(len(probabilities), -1, 2) @ function
        values.append(held.reshape(len(probabilities)))
    return np.stack(values, axis=1)
