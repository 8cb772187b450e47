"""What a bound native circuit asks of each qubit, and the success to expect of it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qcli.compile.schedule import FREE, Step, Timeline, timeline_of
from qcli.device.record import Device, Qubit


@dataclass(frozen=True)
class Tally:
    """Pulses by qubit, two-qubit gates by pair in their direction, readouts by qubit, and when all of it happens.

    Qubits are physical. `depth` is of gates that take a pulse.
    """

    pulses: Mapping[int, int]
    pairs: Mapping[tuple[int, ...], int]
    reads: Mapping[int, int]
    depth: int
    timeline: Timeline


def tally(steps: Sequence[Step], device: Device) -> Tally:
    """Of a native circuit without free parameters."""
    pulses: Counter[int] = Counter()
    reads: Counter[int] = Counter()
    pairs: Counter[tuple[int, ...]] = Counter()
    depth: dict[int, int] = {}
    for name, qubits in steps:
        if name == "measure":
            reads[qubits[0]] += 1
        elif name not in FREE:
            if len(qubits) == 1:
                pulses[qubits[0]] += 1
            else:
                pairs[qubits] += 1
            layer = 1 + max([depth.get(q, 0) for q in qubits])
            for q in qubits:
                depth[q] = layer
    return Tally(pulses, pairs, reads, max(depth.values(), default=0), timeline_of(steps, device))


def success(counted: Tally, device: Device) -> float:
    """The product of 1 − error over pulses, two-qubit gates and readouts, and of the survival of idle windows."""
    qubits, edges = figures(device)
    logarithm = sum(n * math.log1p(-_known(qubits[q].error_1q)) for q, n in counted.pulses.items())
    logarithm += sum(n * math.log1p(-edges[frozenset(pair)]) for pair, n in counted.pairs.items())
    logarithm += sum(n * math.log1p(-_known(qubits[q].readout_error)) for q, n in counted.reads.items())
    idles = counted.timeline.idles
    waits = survival([idle.seconds for idle in idles], [qubits[idle.qubit] for idle in idles])
    return float(np.exp(logarithm + np.log(waits).sum()))


def survival(seconds: ArrayLike, qubits: Sequence[Qubit]) -> NDArray[np.float64]:
    """Average fidelity of relaxation for `seconds` on each qubit: 1/2 + exp(−t/T1)/6 + exp(−t/T2)/3.

    `seconds` is broadcast against (qubits,). T2 is capped at 2 T1; an unknown T2 is taken as 2 T1, an unknown T1 as
    infinite.
    """
    t1 = np.array([qubit.t1_s or np.inf for qubit in qubits])
    t2 = np.minimum([qubit.t2_s or np.inf for qubit in qubits], 2 * t1)
    wait = np.asarray(seconds, dtype=float)
    return np.asarray(0.5 + np.exp(-wait / t1) / 6 + np.exp(-wait / t2) / 3)


@lru_cache(maxsize=64)
def figures(device: Device) -> tuple[dict[int, Qubit], dict[frozenset[int], float]]:
    """Usable qubits by their number, and errors of usable edges by their pair."""
    edges = {frozenset(edge[:2]): _known(edge.error) for edge in device.usable_edges}
    return {qubit.id: qubit for qubit in device.usable}, edges


def _known(figure: float | None) -> float:
    assert figure is not None
    return figure
