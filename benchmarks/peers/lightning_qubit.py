"""PennyLane's lightning.qubit under Catalyst: adjoint gradients, the loop over samples compiled as well.

One thread: the device's threads share out the terms of an observable, which is too little work to gain.

Type hints on a compiled function would make Catalyst compile it when it is defined.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import catalyst
import jax.numpy as jnp
import numpy as np
import pennylane as qml

from peers import pennylane_circuit
from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("pennylane-lightning", "pennylane-catalyst", "jax")


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    batch = circuit.batch

    @qml.qnode(qml.device("lightning.qubit", wires=circuit.wires), diff_method="adjoint")
    def output(weights, sample):
        pennylane_circuit.apply(circuit, [sample[i] for i in range(circuit.wires)], weights)
        return qml.expval(pennylane_circuit.observable(circuit))

    @qml.qjit
    def loss_and_gradient(weights, x, target):
        @catalyst.for_loop(0, batch, 1)
        def add(i, total):
            value, gradient = catalyst.value_and_grad(output)(weights, x[i])
            error = value - target[i]
            return total[0] + error**2 / batch, total[1] + 2.0 / batch * error * gradient

        return add((0.0, jnp.zeros_like(weights)))

    outputs = qml.qjit(catalyst.vmap(output, in_axes=(None, 0)))

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        loss, gradient = loss_and_gradient(weights, x, target)
        return float(loss), np.asarray(gradient)

    def forward(x: Array, weights: Array) -> Array:
        return np.asarray(outputs(weights, x))

    return step, forward
