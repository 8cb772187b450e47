"""How a Program's measurements are read from shots: which circuits to run, and how to combine their results."""

from dataclasses import dataclass, replace

import numpy as np
import pennylane as qml
from numpy.typing import NDArray

from qcli.circuit.program import Expectation, Gate, PauliWord, Probabilities, Program

_TO_Z_BASIS = {"X": ("Hadamard",), "Y": ("Adjoint(S)", "Hadamard"), "Z": ()}


@dataclass(frozen=True)
class Group:
    """Measurements that one circuit serves: each wire of `wires` is measured in the basis given beside it.

    `terms` are (output column, coefficient, Pauli word); `distributions` are (first output column, wires).
    """

    wires: tuple[int, ...]
    bases: tuple[str, ...]
    terms: tuple[tuple[int, float, PauliWord], ...]
    distributions: tuple[tuple[int, tuple[int, ...]], ...]


def groups(program: Program) -> tuple[Group, ...]:
    """Qubit-wise commuting groups of the program's measurements, as few as PennyLane's colouring finds.

    Identity terms need no circuit: they are added by `combine`.
    """
    terms: list[tuple[int, float, PauliWord]] = []
    distributions: list[tuple[int, tuple[int, ...]]] = []
    column = 0
    for measurement in program.measurements:
        if isinstance(measurement, Probabilities):
            distributions.append((column, measurement.wires))
        else:
            terms += [(column, coefficient, word) for coefficient, word in measurement.terms if word]
        column += measurement.columns

    words = list(dict.fromkeys(word for _, _, word in terms))
    words += [tuple((wire, "Z") for wire in sorted(wires)) for _, wires in distributions]
    if not words:
        return ()
    operators = [qml.pauli.PauliWord(dict(word)).operation() for word in words]
    partition = (
        qml.pauli.compute_partition_indices(operators, grouping_type="qwc") if len(words) > 1 else ((0,),)
    )
    return tuple(
        _group([words[i] for i in sorted(int(i) for i in indices)], terms, distributions)
        for indices in partition
    )


def _group(
    words: list[PauliWord],
    terms: list[tuple[int, float, PauliWord]],
    distributions: list[tuple[int, tuple[int, ...]]],
) -> Group:
    basis = {wire: letter for word in words for wire, letter in word}
    wires = tuple(sorted(basis))
    return Group(
        wires,
        tuple(basis[wire] for wire in wires),
        tuple(term for term in terms if term[2] in words),
        tuple(d for d in distributions if tuple((wire, "Z") for wire in sorted(d[1])) in words),
    )


def group_program(program: Program, group: Group) -> Program:
    """The circuit of one group: basis changes appended, the joint distribution of the group's wires measured."""
    changes = [
        Gate(name, (wire,))
        for wire, basis in zip(group.wires, group.bases, strict=True)
        for name in _TO_Z_BASIS[basis]
    ]
    return replace(program, gates=(*program.gates, *changes), measurements=(Probabilities(group.wires),))


def combine(
    program: Program, grouped: tuple[Group, ...], frequencies: list[NDArray[np.float64]], batch: int
) -> NDArray[np.float64]:
    """Outputs `(batch, outputs)` from each group's relative frequencies `(batch, 2**len(group.wires))`."""
    outputs = np.zeros((batch, program.outputs))
    column = 0
    for measurement in program.measurements:
        if isinstance(measurement, Expectation):
            outputs[:, column] = sum(coefficient for coefficient, word in measurement.terms if not word)
        column += measurement.columns
    for group, frequency in zip(grouped, frequencies, strict=True):
        n = len(group.wires)
        bits = (np.arange(2**n)[:, None] >> np.arange(n - 1, -1, -1)) & 1
        place = {wire: i for i, wire in enumerate(group.wires)}
        for column, coefficient, word in group.terms:
            parity = bits[:, [place[wire] for wire, _ in word]].sum(axis=1) % 2
            outputs[:, column] += coefficient * (frequency @ (1.0 - 2.0 * parity))
        for column, wires in group.distributions:
            index = bits[:, [place[wire] for wire in wires]] @ (1 << np.arange(len(wires) - 1, -1, -1))
            marginal = np.zeros((2**n, 2 ** len(wires)))
            marginal[np.arange(2**n), index] = 1.0
            outputs[:, column : column + 2 ** len(wires)] = frequency @ marginal
    return outputs
