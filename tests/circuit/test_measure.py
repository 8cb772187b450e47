"""Grouped circuits with their relative frequencies combine to the program's exact outputs."""

import numpy as np
import pennylane as qml
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli import QuantumLayer
from qcli.circuit import measure
from qcli.circuit.trace import trace
from qcli.simulate.cpu import CpuEngine
from qcli.simulate.exact import Sampled
from qcli.simulate.executor import using
from tests.circuit.random_circuits import RandomCircuit


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), wires=st.integers(2, 4))
def test_exact_frequencies_of_the_groups_combine_to_the_exact_outputs(seed, wires):
    program = trace(RandomCircuit(seed, wires, 2, 2, depth=12), 2, {"weights": (2,)})
    angles = program.angle_map(torch.rand(3, 2, dtype=torch.float64), torch.rand(2, dtype=torch.float64))
    engine = CpuEngine()
    groups = measure.groups(program)
    frequencies = [engine.evaluate(measure.group_program(program, g), angles).numpy() for g in groups]
    combined = measure.combine(program, groups, frequencies, 3)
    assert np.allclose(combined, engine.evaluate(program, angles).numpy(), atol=1e-10)


def test_commuting_observables_share_one_circuit():
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        return [
            qml.expval(qml.Z(0)),
            qml.expval(qml.Z(0) @ qml.Z(1)),
            qml.expval(qml.X(2)),
            qml.probs(wires=[0, 1]),
        ]

    (group,) = measure.groups(trace(circuit, 1, {}))
    assert dict(zip(group.wires, group.bases, strict=True)) == {0: "Z", 1: "Z", 2: "X"}


def test_observables_in_different_bases_need_a_circuit_each():
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        return [qml.expval(qml.X(0)), qml.expval(qml.Y(0)), qml.expval(qml.Z(0) + 2.0 * qml.I(0))]

    assert len(measure.groups(trace(circuit, 1, {}))) == 3


def test_sampled_outputs_scatter_as_shot_noise_does_and_repeat_with_their_seed():
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        return qml.expval(qml.Z(0))

    layer = QuantumLayer(circuit)
    inputs = torch.full((2000, 1), 1.0)
    with using(Sampled(shots=100, seed=3)), torch.no_grad():
        values = layer(inputs)
    with using(Sampled(shots=100, seed=3)), torch.no_grad():
        assert torch.equal(layer(inputs), values)
    expected_sd = np.sin(1.0) / np.sqrt(100)
    assert abs(values.mean().item() - np.cos(1.0)) < 4 * expected_sd / np.sqrt(2000)
    assert 0.93 < values.std().item() / expected_sd < 1.07
