"""qulacs: backpropagated gradients, sample after sample, threads inside a gate.

Threads over samples gain nothing, since its Python calls hold the interpreter's lock.
"""

import os

import numpy as np

from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("qulacs",)
PARALLEL_WIRES = 14
"""Below, a gate is too little work for more than one thread."""
_PAULI = {"X": 1, "Y": 2, "Z": 3}


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    if circuit.wires < PARALLEL_WIRES:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    from qulacs import Observable, ParametricQuantumCircuit, QuantumState

    native = ParametricQuantumCircuit(circuit.wires)
    places: list[int] = []
    scales: list[float] = []

    def add(letter: str, wires: tuple[int, ...], source: tuple[str, int], scale: float) -> None:
        if len(wires) == 1:
            getattr(native, f"add_parametric_R{letter}_gate")(wires[0], 0.0)
        else:
            native.add_parametric_multi_Pauli_rotation_gate(list(wires), [3, _PAULI[letter]], 0.0)
        kind, i = source
        places.append(i if kind == "x" else circuit.wires + i)
        scales.append(-scale)

    for gate in circuit.gates:
        if gate.source is None:
            getattr(native, f"add_{gate.name}_gate")(*gate.wires)
        elif gate.name.startswith("CR"):
            add(gate.name[-1], gate.wires[1:], gate.source, 0.5)
            add(gate.name[-1], gate.wires, gate.source, -0.5)
        else:
            add(gate.name[-1], gate.wires, gate.source, 1.0)

    observable = Observable(circuit.wires)
    for wire in circuit.measured:
        observable.add_operator(1.0 / len(circuit.measured), f"Z {wire}")
    state = QuantumState(circuit.wires)
    columns, factors = np.array(places), np.array(scales)

    def output(sample: Array, weights: Array) -> float:
        for i, angle in enumerate((factors * np.concatenate([sample, weights])[columns]).tolist()):
            native.set_parameter(i, angle)
        state.set_zero_state()
        native.update_quantum_state(state)
        return float(observable.get_expectation_value(state))

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        loss, per_gate = 0.0, np.zeros(len(factors))
        for sample, goal in zip(x, target, strict=True):
            error = output(sample, weights) - goal
            loss += error**2 / len(x)
            per_gate += 2.0 / len(x) * error * np.array(native.backprop(observable))
        return loss, np.bincount(columns, factors * per_gate)[circuit.wires :]

    def forward(x: Array, weights: Array) -> Array:
        return np.array([output(sample, weights) for sample in x])

    return step, forward
