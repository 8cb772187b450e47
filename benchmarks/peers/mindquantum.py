"""MindSpore Quantum's state vector simulator: adjoint gradients, the samples shared out among threads."""

import os

import numpy as np

from peers.circuit import Array, Circuit, Forward, Step

PACKAGES = ("mindquantum",)
PARALLEL_WIRES = 14
"""Below, a gate is too little work for more than one thread."""


def prepare(circuit: Circuit) -> tuple[Step, Forward]:
    if circuit.wires < PARALLEL_WIRES:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    import mindquantum
    from mindquantum.core import gates
    from mindquantum.core.circuit import Circuit as NativeCircuit
    from mindquantum.core.operators import Hamiltonian, QubitOperator
    from mindquantum.simulator import Simulator

    encoder, ansatz = NativeCircuit(), NativeCircuit()
    for gate in circuit.gates:
        *controls, target = gate.wires
        if gate.source is None:
            ansatz += gates.X.on(target, controls)
        else:
            kind, i = gate.source
            part = encoder if kind == "x" else ansatz
            part += getattr(gates, gate.name[-2:])(f"{kind}{i}").on(target, controls)
    native = encoder.as_encoder() + ansatz.as_ansatz()
    features, order = (
        [int(name[1:]) for name in names] for names in (native.encoder_params_name, native.ansatz_params_name)
    )
    mean = sum((QubitOperator(f"Z{wire}") for wire in circuit.measured), QubitOperator())
    observable = Hamiltonian(mean / len(circuit.measured)).astype(mindquantum.complex64)
    simulator = Simulator("mqvector", circuit.wires, dtype=mindquantum.complex64)
    workers = min(circuit.batch, os.cpu_count() or 1)
    outputs_and_jacobian = simulator.get_expectation_with_grad(observable, native, parallel_worker=workers)

    def step(x: Array, weights: Array, target: Array) -> tuple[float, Array]:
        outputs, _, jacobian = outputs_and_jacobian(x[:, features], weights[order])
        errors = outputs[:, 0].real - target
        gradient = np.zeros(circuit.weights)
        gradient[order] = 2.0 / len(x) * errors @ jacobian[:, 0].real
        return float(np.mean(errors**2)), gradient

    def forward(x: Array, weights: Array) -> Array:
        values = np.concatenate([x[:, features], np.tile(weights[order], (len(x), 1))], axis=1)
        names = native.encoder_params_name + native.ansatz_params_name
        pairs = (dict(zip(names, row, strict=True)) for row in values.tolist())
        return np.array([simulator.get_expectation(observable, native, pr=pair).real for pair in pairs])

    return step, forward
