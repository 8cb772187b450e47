"""A circuit that belongs to no library, and the data of its training step."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray
Step = Callable[[Array, Array, Array], tuple[float, Array]]
Forward = Callable[[Array, Array], Array]

ROTATIONS = {"RX", "RY", "RZ", "CRX", "CRY", "CRZ"}


@dataclass(frozen=True)
class Gate:
    """A gate by PennyLane's name; `source` is where its angle comes from: ("x", i), ("w", j) or nothing."""

    name: str
    wires: tuple[int, ...]
    source: tuple[str, int] | None = None


@dataclass(frozen=True)
class Circuit:
    """The output is the expectation value of the mean of Z over `measured`; wire 0 is the most significant bit."""

    name: str
    batch: int
    wires: int
    weights: int
    gates: tuple[Gate, ...]
    measured: tuple[int, ...]

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Circuit":
        content = json.loads(path.read_text())
        gates = tuple(
            Gate(g["name"], tuple(g["wires"]), g["source"] and tuple(g["source"])) for g in content["gates"]
        )
        return cls(**content | {"gates": gates, "measured": tuple(content["measured"])})

    def data(self) -> tuple[Array, Array, Array]:
        """Features `(batch, wires)`, weights and targets `(batch,)`: the same in every process."""
        rng = np.random.default_rng(0)
        x = rng.uniform(0.0, np.pi, (self.batch, self.wires))
        weights = rng.uniform(0.0, 2.0 * np.pi, self.weights)
        return x, weights, rng.choice([-1.0, 1.0], self.batch)

    def diagonal(self) -> Array:
        """The measured observable's diagonal, `(2**wires,)`."""
        bits = np.arange(2**self.wires)[:, None] >> (self.wires - 1 - np.array(self.measured))
        return np.asarray((1.0 - 2.0 * (bits & 1)).mean(axis=1))


def hardware_efficient(wires: int, layers: int, batch: int) -> Circuit:
    """Angle embedding, then layers of RY and RZ on every wire and a ring of CNOTs."""
    gates = [Gate("RY", (wire,), ("x", wire)) for wire in range(wires)]
    weight = 0
    for _ in range(layers):
        for wire in range(wires):
            gates += [Gate("RY", (wire,), ("w", weight)), Gate("RZ", (wire,), ("w", weight + 1))]
            weight += 2
        gates += [Gate("CNOT", (wire, (wire + 1) % wires)) for wire in range(wires)]
    return Circuit(f"hea-{wires}x{layers}", batch, wires, weight, tuple(gates), tuple(range(wires)))


def convolutional(module: Any, wires: int, batch: int) -> Circuit:
    """circuits/qcnn.py, given as its module, with shared weights and one measured wire.

    The circuit is called with numbers that name their place, so every recorded angle tells its source.
    """
    import pennylane as qml

    shapes = module.weight_shapes(wires, 1, True)
    places = iter(range(wires, 10**6))
    weights = {
        name: [[next(places) for _ in range(columns)] for _ in range(rows)]
        for name, (rows, columns) in shapes.items()
    }
    with qml.queuing.AnnotatedQueue() as queue:
        (measurement,) = module.circuit(np.arange(wires), **weights, wires=wires, measured=1, shared=True)
    gates: list[Gate] = []

    def add(name: str, on: tuple[int, ...], place: Any) -> None:
        gates.append(Gate(name, on, ("x", int(place)) if place < wires else ("w", int(place) - wires)))

    for operation in qml.tape.QuantumScript.from_queue(queue).operations:
        parts = operation.decomposition() if operation.name == "AngleEmbedding" else [operation]
        for part in parts:
            on = tuple(part.wires)
            if part.name in {"Rot", "CRot"}:
                controlled = part.name.removesuffix("Rot")
                for axis, place in zip(("RZ", "RY", "RZ"), part.data, strict=True):
                    add(controlled + axis, on, place)
            elif part.name in ROTATIONS:
                add(part.name, on, part.data[0])
            else:
                gates.append(Gate(part.name, on))
    return Circuit(
        f"qcnn-{wires}", batch, wires, next(places) - wires, tuple(gates), tuple(measurement.wires)
    )


def parse(name: str) -> tuple[str, tuple[int, ...]]:
    """`qcnn-8` to `("qcnn", (8,))`, `hea-12x6` to `("hea", (12, 6))`.

    Raises:
        ValueError: another form of name.
    """
    if match := re.fullmatch(r"(qcnn)-(\d+)|(hea)-(\d+)x(\d+)", name):
        kind, *sizes = (group for group in match.groups() if group)
        return kind, tuple(int(size) for size in sizes)
    raise ValueError(f"unknown case {name!r}: write qcnn-N or hea-NxL")
