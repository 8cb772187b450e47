"""Where a forecast loss comes from: its sources switched on one at a time, as Shapley values."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
import torch

from qcli.device.record import Device, Edge, Qubit
from qcli.forecast.accuracy import Inference, Subject
from qcli.forecast.executor import Noisy
from qcli.forecast.figures import expected
from qcli.forecast.optimism import optimism
from qcli.forecast.scenarios import usual
from qcli.forecast.shapley import shapley
from qcli.model.layer import quantum_layers
from qcli.noise.circuit import Strength
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact

SOURCES = ("two-qubit gates", "one-qubit gates", "idling", "readout", "layout", "shot noise")
_REPETITIONS = 32

_ADVICE = {
    "two-qubit gates": "fewer layers or entangling gates; then zero-noise extrapolation (--mitigation zne=1,3)",
    "one-qubit gates": "fewer rotations: merge those on one wire, or share an embedding's angles",
    "idling": "a shallower circuit, or dynamical decoupling where the device offers it",
    "readout": "readout correction (--mitigation readout), or fewer measured wires",
    "layout": "other qubits: fix a better layout, use a model whose entanglement follows the device's couplings, or a "
    "device with more of them",
    "shot noise": "more shots",
}


@dataclass(frozen=True)
class Part:
    """What one source contributes to the loss of accuracy (share) and to the mean |error| of the outputs."""

    source: str
    accuracy: float
    outputs: float


@dataclass(frozen=True)
class Attribution:
    """Parts that add up to the whole: the median day's loss of accuracy and mean |error| of the quantum outputs.

    A part can be negative: a layout on qubits better than the median gains.
    """

    parts: tuple[Part, ...]
    advice: str

    @property
    def accuracy(self) -> float:
        return sum(part.accuracy for part in self.parts)

    @property
    def outputs(self) -> float:
        return sum(part.outputs for part in self.parts)


def attribute(
    subject: Subject,
    device: Device,
    shots: int,
    seed: int = 0,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> Attribution:
    """Split the forecast loss of a model's samples on a device's median day over `SOURCES`.

    Without "layout", the circuit runs without routing on qubits and couplings that all have the device's median
    figures; without "shot noise", exactly. `on_step(done, total)` is called for each set of sources tried.
    """
    figures = expected(device)
    there = Circuits(device)
    nowhere = Circuits(unrouted(figures, _wires(subject)))
    ideal = subject.infer(Exact("auto", torch.float64))
    full = usual(optimism(device.vendor))
    losses: dict[frozenset[str], tuple[float, float]] = {}

    def loss(chosen: frozenset[str]) -> tuple[float, float]:
        if chosen not in losses:
            strength = Strength(
                full.two_qubit * ("two-qubit gates" in chosen),
                full.one_qubit * ("one-qubit gates" in chosen),
                full.idle * ("idling" in chosen),
                full.readout * ("readout" in chosen),
            )
            circuits, acting = (there, figures) if "layout" in chosen else (nowhere, nowhere.device)
            sampled = "shot noise" in chosen
            executor = Noisy(circuits, strength, acting, shots if sampled else None, seed)
            found = [subject.infer(executor) for _ in range(_REPETITIONS if sampled else 1)]
            losses[chosen] = _loss(subject, ideal, found)
            on_step(len(losses), 2 ** len(SOURCES))
        return losses[chosen]

    accuracy = shapley(SOURCES, lambda chosen: loss(chosen)[0])
    outputs = shapley(SOURCES, lambda chosen: loss(chosen)[1])
    parts = tuple(Part(source, accuracy[source], outputs[source]) for source in SOURCES)
    return Attribution(parts, _advice(parts))


def unrouted(device: Device, wires: int) -> Device:
    """`device` as if any two of its qubits were coupled, all with its median figures."""

    def middle(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return median(known) if known else None

    figures = [name for name in Qubit._fields if name not in ("id", "duration_s")]
    medians = {name: middle([getattr(qubit, name) for qubit in device.usable]) for name in figures}
    qubits = tuple(Qubit(number, **medians) for number in range(wires))
    error = middle([edge.error for edge in device.usable_edges])
    edges = tuple(Edge(a, b, error) for a in range(wires) for b in range(a + 1, wires))
    return device.model_copy(update={"qubits": qubits, "edges": edges})


def _wires(subject: Subject) -> int:
    return max(program.wires for layer in quantum_layers(subject.model) for program in layer.programs)


def _loss(subject: Subject, ideal: Inference, found: list[Inference]) -> tuple[float, float]:
    right = np.mean([(each.labels == subject.y).mean() for each in found])
    error = np.mean([np.abs(each.outputs - ideal.outputs).mean() for each in found])
    return float((ideal.labels == subject.y).mean() - right), float(error)


def _advice(parts: tuple[Part, ...]) -> str:
    by = "accuracy" if any(abs(part.accuracy) >= 0.005 for part in parts) else "outputs"
    worst = max(parts, key=lambda part: getattr(part, by))
    return f"first {worst.source}: {_ADVICE[worst.source]}"
