"""tensorcircuit-ng on JAX: the whole step vectorized over the batch and compiled, in single precision."""

import jax
import jax.numpy as jnp
import tensorcircuit as tc

from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("tensorcircuit-ng", "jax")


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    tc.set_backend("jax")
    tc.set_dtype("complex64")
    diagonal = jnp.asarray(circuit.diagonal(), jnp.float32)

    def output(x: jax.Array, weights: jax.Array) -> jax.Array:
        native = tc.Circuit(circuit.wires)
        for gate in circuit.gates:
            if gate.source is None:
                getattr(native, gate.name.lower())(*gate.wires)
            else:
                kind, i = gate.source
                getattr(native, gate.name.lower())(*gate.wires, theta=x[i] if kind == "x" else weights[i])
        return jnp.sum(diagonal * jnp.abs(native.state()) ** 2)

    outputs = jax.vmap(output, in_axes=(0, None))

    def loss(weights: jax.Array, x: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.mean((outputs(x, weights) - target) ** 2)

    loss_and_gradient = jax.jit(jax.value_and_grad(loss))
    compiled = jax.jit(outputs)

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        return jax.device_get(loss_and_gradient(weights, x, target))

    def forward(x: Array, weights: Array) -> Array:
        return jax.device_get(compiled(x, weights))

    return step, forward
