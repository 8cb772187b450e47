"""PennyLane's default.qubit: broadcast over the batch, backpropagated and compiled by JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import pennylane as qml

from peers import pennylane_circuit
from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("pennylane", "jax")


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    device = qml.device("default.qubit", wires=circuit.wires)

    @qml.qnode(device, interface="jax", diff_method="backprop")
    def outputs(x: jax.Array, weights: jax.Array) -> Any:
        pennylane_circuit.apply(circuit, [x[:, i] for i in range(circuit.wires)], weights)
        return qml.expval(pennylane_circuit.observable(circuit))

    def loss(weights: jax.Array, x: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.mean((outputs(x, weights) - target) ** 2)

    loss_and_gradient = jax.jit(jax.value_and_grad(loss))
    compiled = jax.jit(outputs)

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        return jax.device_get(loss_and_gradient(weights, x, target))

    def forward(x: Array, weights: Array) -> Array:
        return jax.device_get(compiled(x, weights))

    return step, forward
