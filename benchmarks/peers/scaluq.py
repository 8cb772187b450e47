"""Scaluq: backpropagated gradients in single precision, sample after sample, threads inside a gate.

Controlled rotations are written as Pauli rotations, since version 0.2.0 differentiates `controls` wrongly.
"""

import os

import numpy as np

from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("scaluq",)
PARALLEL_WIRES = 14
"""Below, a gate is too little work for more than one thread."""


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    if circuit.wires < PARALLEL_WIRES:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    import scaluq

    f32 = scaluq.default.f32
    native = f32.Circuit()
    for gate in circuit.gates:
        *controls, target = gate.wires
        if gate.source is None:
            native.add_gate(f32.gate.X(target, controls=controls))
            continue
        name = "".join(map(str, gate.source))
        letter = gate.name[-1]
        coefficient = 0.5 if controls else 1.0
        native.add_param_gate(getattr(f32.gate, f"ParamR{letter}")(target, coef=coefficient), name)
        for control in controls:
            word = f32.PauliOperator(f"Z {control} {letter} {target}")
            native.add_param_gate(f32.gate.ParamPauliRotation(word, coef=-coefficient), name)
    scale = 1.0 / len(circuit.measured)
    observable = f32.Operator([f32.PauliOperator(f"Z {wire}", scale) for wire in circuit.measured])
    names = [f"x{i}" for i in range(circuit.wires)] + [f"w{j}" for j in range(circuit.weights)]
    trained = names[circuit.wires :]

    def parameters(sample: Array, weights: Array) -> dict[str, float]:
        return dict(zip(names, [*sample.tolist(), *weights.tolist()], strict=True))

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        loss, gradient = 0.0, np.zeros(circuit.weights)
        for sample, goal in zip(x, target, strict=True):
            values = parameters(sample, weights)
            state = f32.StateVector(circuit.wires)
            native.update_quantum_state(state, params=values)
            error = observable.get_expectation_value(state).real - goal
            dual = state.copy()
            observable.apply_to_state(dual)
            by_name = native.compute_expectation_gradient_backprop(state, dual, values)
            loss += error**2 / len(x)
            gradient += 2.0 / len(x) * error * np.array([by_name[name] for name in trained])
        return loss, gradient

    def forward(x: Array, weights: Array) -> Array:
        rows = [parameters(sample, weights) for sample in x]
        states = f32.StateVectorBatched(len(x), circuit.wires)
        native.update_quantum_state(states, params={name: [row[name] for row in rows] for name in names})
        return np.array(observable.get_expectation_value(states)).real

    return step, forward
