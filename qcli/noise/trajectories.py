"""Noisy outputs of circuits too wide for density matrices: pure states with random Pauli errors.

Every error is twirled into a Pauli channel: depolarising is one, relaxation loses its pull towards |0⟩ (J. Ghosh,
A. G. Fowler, M. R. Geller, Phys. Rev. A 86, 062318 (2012)). The circuit becomes one Program, in which each wire has a
rotation RZ·RX·RZ between two-qubit gates; a Pauli before or after a rotation only changes its angles, so trajectories
of all samples are rows of one batch. The run without errors is evaluated once and weighted with its probability p₀; the
others are drawn with at least one error, so their variance counts (1 − p₀)².
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from qcli.circuit.angles import AngleMap, Entries
from qcli.circuit.gates import GATES
from qcli.circuit.program import Gate, Measurement, Program
from qcli.noise.matrices import Channels
from qcli.noise.network import Network
from qcli.noise.steps import Bound, Pair
from qcli.simulate.exact import Exact

Array = NDArray[np.float64]
Bits = NDArray[np.int64]

_PILOT = 64
"""Trajectories per sample from which the number still needed is judged."""
_AMPLITUDES, _ROWS = 2**24, 2**12
"""Of the states in one call of the engine, and how many of them at most."""
_COMMUTE = np.array([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
"""Sign of Pauli j under conjugation with Pauli i."""
_X_BIT, _Z_BIT = np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1])


@dataclass(frozen=True)
class Noisy:
    """Values and their standard errors `(samples, outputs)`; exact ones have none.

    `trajectories`: pure states for each sample, besides the one without errors.
    """

    values: Array
    standard_error: Array
    method: Literal["exact", "trajectories"]
    trajectories: int = 0


@dataclass(frozen=True)
class Sampling:
    """How long trajectories go on: to a largest standard error, or until states have so many amplitudes in all.

    The latter takes some minutes. `exact`: the Pauli coefficients up to which exact results are taken
    instead, as far as these go at all.
    """

    standard_error: float = 0.005
    amplitudes: float = 2.0**32
    exact: float = float("inf")


@dataclass(frozen=True)
class Layout:
    """The circuit of a light cone as rotations and two-qubit gates.

    Attributes:
        wires: the wire of each site.
        rotations: the site of each rotation and the steps it comprises.
        pairs: the step of each two-qubit gate, and the rotations that follow on its wires.
        gates: of the Program; columns 3k to 3k + 2 of its angles are rotation k's, those of two-qubit gates follow.
        turned: the two-qubit gates with an angle.
    """

    wires: dict[int, int]
    rotations: tuple[tuple[int, tuple[int, ...]], ...]
    pairs: tuple[tuple[int, tuple[int, int]], ...]
    gates: tuple[Gate, ...]
    turned: tuple[int, ...]


def layout(channels: Channels, net: Network) -> Layout:
    """Of the steps in the light cone `net`."""
    held = [*net.initial.values(), *(block.steps for block in net.blocks)]
    steps = [(k, channels.steps[k]) for k in sorted(number for numbers in held for number in numbers)]
    wires = {site: wire for wire, site in enumerate(net.initial)}
    turned = [k for k, step in steps if isinstance(step, Pair) and step.gate.turns]
    rotations: list[tuple[int, list[int]]] = []
    pairs: list[tuple[int, tuple[int, int]]] = []
    gates: list[Gate] = []
    first = 3 * (len(wires) + 2 * sum(isinstance(step, Pair) for _, step in steps))

    def rotate(site: int) -> int:
        column = 3 * len(rotations)
        gates.extend(
            Gate(name, (wires[site],), column + part) for part, name in enumerate(("RZ", "RX", "RZ"))
        )
        rotations.append((site, []))
        return column // 3

    current = {site: rotate(site) for site in wires}
    for number, step in steps:
        if not isinstance(step, Pair):
            rotations[current[step.sites[0]]][1].append(number)
            continue
        for name, on in step.gate.program:
            angle = first + turned.index(number) if GATES[name].has_angle else None
            gates.append(Gate(name, tuple(wires[step.sites[k]] for k in on), angle))
        a, b = step.sites
        current |= {a: rotate(a), b: rotate(b)}
        pairs.append((number, (current[a], current[b])))
    filled = tuple((site, tuple(numbers)) for site, numbers in rotations)
    return Layout(wires, filled, tuple(pairs), tuple(gates), tuple(turned))


def program(found: Layout, measurements: tuple[Measurement, ...]) -> Program:
    """With every angle an input of its own."""
    count = 3 * len(found.rotations) + len(found.turned)
    none = Entries.of(torch.zeros(count, 1))
    angles = AngleMap(
        torch.zeros(count),
        none,
        none,
        None,
        torch.zeros(0, dtype=torch.long),
        (True,) * count,
        (False,) * count,
    )
    return Program(len(found.wires), found.gates, measurements, angles)


@dataclass(frozen=True)
class Errors:
    """A batch of samples.

    Attributes:
        angles: `(samples, angles)` without errors.
        single: `(samples, rotations, 4)`, probabilities of I, X, Y, Z after each rotation.
        double: `(samples, pairs, 16)`, of II, IX, … after each two-qubit gate.
    """

    angles: Array
    single: Array
    double: Array

    @property
    def none(self) -> Array:
        """Probability `(samples,)` that there is no error at all."""
        return np.asarray(self.single[..., 0].prod(axis=1) * self.double[..., 0].prod(axis=1))


def errors(found: Layout, noisy: Channels, ideal: Channels, angles: Bound, samples: int) -> Errors:
    """Channels and angles of a batch; `noisy` and `ideal` are bound to it, `ideal` at strength 0."""
    turns, single = [], []
    for _, numbers in found.rotations:
        clean, dirty = np.eye(4)[None], np.eye(4)[None]
        for k in numbers:
            clean, dirty = ideal.of(k) @ clean, noisy.of(k) @ dirty
        rotation = Rotation.from_matrix(clean[:, 1:, 1:]).as_euler("ZXZ", suppress_warnings=True)
        turns.append(np.broadcast_to(rotation[:, ::-1], (samples, 3)))
        kept = (dirty * clean).sum(axis=2)
        single.append(np.broadcast_to(kept @ _COMMUTE / 4, (samples, 4)))
    for k in found.turned:
        step = noisy.steps[k]
        assert isinstance(step, Pair)
        angle = angles.pairs[step.slot] if step.varies else step.gate.angles(step.turn)
        turns.append(np.broadcast_to(angle[:, None], (samples, 1)))
    double = np.zeros((samples, len(found.pairs), 16))
    for place, (k, _) in enumerate(found.pairs):
        step = noisy.steps[k]
        assert isinstance(step, Pair)
        double[:, place] = noisy.figures.pair(step.sites).diagonal() @ np.kron(_COMMUTE, _COMMUTE) / 16
    return Errors(np.concatenate(turns, axis=1), np.stack(single, axis=1).clip(min=0), double.clip(min=0))


def draw(found: Layout, batch: Errors, count: int, generator: np.random.Generator) -> Array:
    """Angles `(samples, count, angles)` of trajectories with at least one error."""
    single, double = (
        _paulis(which, happens, generator)
        for which, happens in zip(
            (batch.single, batch.double), _happens(batch, count, generator), strict=True
        )
    )
    before = np.zeros_like(single)
    for place, (_, following) in enumerate(found.pairs):
        before[..., following[0]], before[..., following[1]] = double[..., place] // 4, double[..., place] % 4
    angles = np.repeat(batch.angles[:, None], count, axis=1)
    turns = angles[..., : 3 * len(found.rotations)].reshape(*single.shape, 3)
    flip_before, flip_after = _X_BIT[before], _X_BIT[single]
    turns[..., 0] = (turns[..., 0] + np.pi * _Z_BIT[before]) * (1 - 2 * flip_before)
    turns[..., 1] += np.pi * (flip_before + flip_after)
    turns[..., 2] = (turns[..., 2] + np.pi * _Z_BIT[single]) * (1 - 2 * flip_after)
    angles[..., : 3 * len(found.rotations)] = turns.reshape(*single.shape[:2], -1)
    return angles


def _happens(batch: Errors, count: int, generator: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Where errors happen, `(samples, count, rotations)` and `(samples, count, pairs)`, at least one in each row.

    The first error's place is drawn from its distribution given that there is one; those after it are independent.
    """
    kept = np.concatenate([batch.single[..., 0], batch.double[..., 0]], axis=1)
    clean_before = np.cumprod(np.pad(kept, ((0, 0), (1, 0)), constant_values=1.0), axis=1)[:, :-1]
    until = np.cumsum(clean_before * (1 - kept), axis=1)
    drawn = generator.random((len(kept), count)) * until[:, -1:]
    first = (drawn[..., None] >= until[:, None]).sum(axis=2)[..., None]
    place = np.arange(kept.shape[1])
    later = generator.random((*drawn.shape, len(place))) >= kept[:, None]
    happens = (later & (place > first)) | (place == first)
    return np.split(happens, [batch.single.shape[1]], axis=2)


def _paulis(probabilities: Array, happens: NDArray[np.bool_], generator: np.random.Generator) -> Bits:
    """Which Pauli each error is, `(samples, count, places)`; 0 where there is none."""
    until = np.cumsum(probabilities[..., 1:], axis=2)
    result = np.zeros(happens.shape, dtype=np.int64)
    sample, trajectory, place = np.nonzero(happens)
    limits = until[sample, place]
    drawn = generator.random(len(sample)) * limits[:, -1]
    result[sample, trajectory, place] = 1 + (drawn[:, None] >= limits[:, :-1]).sum(axis=1)
    return result


def mean(
    found: Layout,
    batch: Errors,
    circuit: Program,
    outputs: Callable[[Array], Array],
    sampling: Sampling,
    generator: np.random.Generator,
) -> Noisy:
    """Means of `outputs`, a function of the Program's outputs row by row."""
    executor = Exact(precision=torch.float32)
    rows = max(1, min(_ROWS, _AMPLITUDES >> circuit.wires))

    def evaluate(angles: Array) -> Array:
        parts = torch.from_numpy(angles.astype(np.float32)).split(rows)
        with torch.no_grad():
            return np.concatenate([outputs(executor.run(circuit, part).double().numpy()) for part in parts])

    clean, none = evaluate(batch.angles), batch.none[:, None]
    samples = len(clean)
    if (none > 1 - 1e-12).all():
        return Noisy(clean, np.zeros_like(clean), "trajectories")
    most = max(_PILOT, int(sampling.amplitudes / (samples * 2.0**circuit.wires)))
    total, squares, error = np.zeros_like(clean), np.zeros_like(clean), np.zeros_like(clean)
    done, wanted = 0, _PILOT
    while done < wanted:
        while done < wanted:
            count = min(wanted - done, max(1, rows // samples))
            angles = draw(found, batch, count, generator).reshape(samples * count, -1)
            away = evaluate(angles).reshape(samples, count, -1) - clean[:, None]
            total, squares, done = total + away.sum(axis=1), squares + (away**2).sum(axis=1), done + count
        variance = (squares - total**2 / done).clip(min=0) / (done - 1)
        error = (1 - none) * np.sqrt(variance / done)
        wanted = min(most, int(np.ceil(done * (error.max() / sampling.standard_error) ** 2)))
    return Noisy(clean + (1 - none) * total / done, error, "trajectories", done)
