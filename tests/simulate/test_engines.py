"""Every engine gives default.qubit's values and gradients, in both precisions, for whatever can be traced."""

import numpy as np
import pennylane as qml
import pytest
import torch

from qcli import QcliError, QuantumLayer
from qcli.circuit.gates import GATES
from qcli.circuit.trace import trace
from qcli.model.layer import quantum_layers
from qcli.model.load import build_model, find_model, zoo
from qcli.simulate import cpu, memory
from qcli.simulate.cpu import CpuEngine
from qcli.simulate.engine import NAMES, choose, create
from qcli.simulate.exact import Exact
from qcli.simulate.executor import using
from tests.circuit.random_circuits import RandomCircuit
from tests.simulate.reference import default_qubit

TOLERANCE = {torch.float64: 1e-10, torch.float32: 2e-5}


def random_case(seed):
    """A program with angles `(batch, angles)`: 1 to 12 wires, batch 1 to 67, all gates, words and distributions."""
    rng = np.random.default_rng(seed)
    wires, features, weights = int(rng.integers(1, 13)), int(rng.integers(1, 5)), int(rng.integers(1, 5))
    batch = int(rng.integers(1, 68)) if wires < 9 else int(rng.integers(1, 20))
    circuit = RandomCircuit(seed, wires, features, weights, depth=int(rng.integers(1, 40)))
    program = trace(circuit, features, {"weights": (weights,)})
    inputs = torch.from_numpy(rng.uniform(0, 3, (batch, features)))
    return program, program.angle_map(inputs, torch.from_numpy(rng.uniform(0, 6, weights)))


def differences(evaluate, program, angles, dtype=torch.float64):
    """Largest differences of values and gradients to default.qubit, on equal angles."""
    angles = angles.detach().to(dtype)
    by_output = torch.from_numpy(np.random.default_rng(1).normal(size=(len(angles), program.outputs)))
    theirs, ours = (angles.detach().to(kind, copy=True).requires_grad_() for kind in (torch.float64, dtype))
    expected, values = default_qubit(program, theirs), evaluate(program, ours)
    assert values.dtype == dtype
    value = (values.double() - expected).abs().max().item()
    if not expected.requires_grad:
        return value, 0.0
    (expected * by_output).sum().backward()
    (values.double() * by_output).sum().backward()
    from_inputs = torch.tensor(program.angle_map.from_inputs)

    def comparable(gradient):
        return torch.cat([gradient[:, from_inputs].flatten(), gradient[:, ~from_inputs].sum(0)])

    gradient = comparable(ours.grad.double()) - comparable(theirs.grad)
    return value, gradient.abs().max().item()


def check(evaluate, program, angles, dtype):
    value, gradient = differences(evaluate, program, angles, dtype)
    assert value <= TOLERANCE[dtype]
    assert gradient <= TOLERANCE[dtype]


@pytest.mark.parametrize(
    "start",
    [*range(0, 60, 20), *(pytest.param(start, marks=pytest.mark.slow) for start in range(60, 500, 20))],
)
def test_cpu_equals_default_qubit_on_500_random_circuits(start):
    for seed in range(start, start + 20):
        program, angles = random_case(seed)
        for dtype in TOLERANCE:
            check(CpuEngine().evaluate, program, angles, dtype)


@pytest.mark.parametrize("batch, wide", [(1, True), (8, True), (64, False)])
def test_few_samples_on_many_wires_are_laid_out_by_amplitudes(batch, wide):
    assert cpu.lanes_are_wires(12, batch, width=16) is wide
    assert cpu.lanes_are_wires(20, batch, width=16)
    assert not cpu.lanes_are_wires(8, batch, width=16)


@pytest.mark.parametrize("start", range(0, 30, 10))
def test_lanes_of_amplitudes_give_the_same_as_lanes_of_samples(start, monkeypatch):
    monkeypatch.setattr(cpu, "lanes_are_wires", lambda wires, batch, width: wires >= 9)
    for seed in range(start, start + 10):
        circuit = RandomCircuit(seed, 9 + seed % 4, 2, 3, depth=40)
        program = trace(circuit, 2, {"weights": (3,)})
        rng = np.random.default_rng(seed)
        angles = program.angle_map(
            torch.from_numpy(rng.uniform(0, 3, (seed % 5 + 1, 2))), torch.from_numpy(rng.uniform(0, 6, 3))
        )
        for dtype in TOLERANCE:
            check(CpuEngine().evaluate, program, angles, dtype)


def test_a_wide_register_is_split_into_tiles_without_changing_the_outcome():
    program = trace(RandomCircuit(1, 16, 2, 3, depth=60), 2, {"weights": (3,)})
    angles = program.angle_map(torch.rand(2, 2, dtype=torch.float64), torch.rand(3, dtype=torch.float64))
    check(CpuEngine().evaluate, program, angles, torch.float64)


@pytest.mark.parametrize("name", ["torch", "lightning"])
def test_the_other_engines_equal_default_qubit(name):
    for seed in range(12):
        program, angles = random_case(seed)
        if name == "lightning":
            words = tuple(m for m in program.measurements if m.columns == 1)
            program = trace(without_distributions(seed), 2, {"weights": (2,)})
            angles = program.angle_map(torch.rand(3, 2).double(), torch.rand(2).double())
            assert words
        for dtype in TOLERANCE:
            check(create(name).evaluate, program, angles, dtype)


def without_distributions(seed):
    circuit = RandomCircuit(seed, 4, 2, 2, depth=20)
    return lambda inputs, weights: circuit(inputs, weights)[:2]


@pytest.mark.parametrize("gate", sorted(GATES))
@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_every_gate_of_the_vocabulary(gate, engine):
    kind = GATES[gate]

    def circuit(inputs):
        for wire in range(3):
            qml.RY(0.3 + inputs[0] * (wire + 1), wires=wire)
            qml.RZ(inputs[1], wires=wire)
        name = getattr(qml, gate[8:-1]) if gate.startswith("Adjoint") else getattr(qml, gate)
        operation = qml.adjoint(name) if gate.startswith("Adjoint") else name
        operation(*([inputs[2]] if kind.has_angle else []), wires=[2, 0, 1][: kind.wires])
        return [qml.probs(wires=[1, 0, 2]), qml.expval(qml.X(0) @ qml.Y(1) @ qml.Z(2)), qml.expval(qml.Y(2))]

    program = trace(circuit, 3, {})
    angles = program.angle_map(torch.rand(5, 3, dtype=torch.float64), torch.zeros(0, dtype=torch.float64))
    check(create(engine).evaluate, program, angles, torch.float64)


@pytest.mark.parametrize("name", sorted(zoo()))
@pytest.mark.parametrize("options", [{}, {"wires": 5}])
def test_the_zoo(name, options):
    model = build_model(find_model(name), 7, 3, options, seed=0)
    (layer,) = quantum_layers(model)
    (program,) = layer.programs
    features = torch.rand(33, program.angle_map.inputs.columns, dtype=torch.float64) * 3
    angles = program.angle_map(features, layer.flat_weights().double())
    for dtype in TOLERANCE:
        check(CpuEngine().evaluate, program, angles, dtype)


def entangled(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(4))
    qml.StronglyEntanglingLayers(weights, wires=range(4))
    return [qml.expval(qml.Z(wire)) for wire in range(4)]


def gradients(engine, threads=None):
    torch.manual_seed(0)
    layer = QuantumLayer(entangled, {"weights": (2, 4, 3)})
    inputs = torch.rand(50, 4, requires_grad=True)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with using(Exact(engine)):
            (layer(inputs) ** 2).mean().backward()
    finally:
        torch.set_num_threads(before)
    return inputs.grad, layer.weights["weights"].grad


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_same_seed_same_bits(engine):
    for once, again in zip(gradients(engine), gradients(engine), strict=True):
        assert torch.equal(once, again)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_number_of_threads_does_not_change_a_bit(threads):
    for one, many in zip(gradients("cpu", 1), gradients("cpu", threads), strict=True):
        assert torch.equal(one, many)


def test_states_that_do_not_all_fit_are_computed_again_for_the_gradient(monkeypatch):
    expected = gradients("cpu")
    monkeypatch.setattr(cpu.memory, "plan", lambda groups, size, gradient, all_states: (False, 1))
    for kept, repeated in zip(expected, gradients("cpu"), strict=True):
        assert torch.equal(kept, repeated)


def test_a_second_backward_pass_and_one_after_other_evaluations_give_the_same_gradient():
    layer = QuantumLayer(entangled, {"weights": (2, 4, 3)})
    inputs = torch.rand(20, 4, requires_grad=True)
    outputs = layer(inputs).sum()
    layer(torch.rand(20, 4)).sum().backward()
    (first,) = torch.autograd.grad(outputs, inputs, retain_graph=True)
    layer(torch.rand(20, 4))
    (second,) = torch.autograd.grad(outputs, inputs)
    assert torch.equal(first, second)


def test_large_batches_on_the_torch_engine_are_split_without_changing_the_outcome(monkeypatch):
    from qcli.simulate import torch_ops

    expected = gradients("torch")
    monkeypatch.setattr(torch_ops, "_BYTES", 2**12)
    for whole, split in zip(expected, gradients("torch"), strict=True):
        assert torch.allclose(whole, split, atol=1e-6)


def test_gates_that_no_measurement_depends_on_are_dropped_but_their_angles_keep_a_zero_gradient():
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        qml.RX(inputs[1], wires=1)
        qml.IsingXX(inputs[1], wires=[1, 2])
        return qml.expval(qml.Z(0))

    inputs = torch.rand(3, 2, requires_grad=True)
    QuantumLayer(circuit)(inputs).sum().backward()
    assert torch.allclose(inputs.grad[:, 0], -torch.sin(inputs[:, 0]))
    assert not inputs.grad[:, 1].any()


def test_a_circuit_without_inputs_gives_the_same_output_for_every_sample():
    def constant(inputs):
        qml.Hadamard(0)
        return [qml.expval(qml.X(0)), qml.probs(wires=0)]

    assert torch.allclose(QuantumLayer(constant)(torch.rand(3, 1)), torch.tensor([[1.0, 0.5, 0.5]] * 3))


@pytest.mark.parametrize("engine", ["cpu", "torch", "lightning"])
def test_an_empty_batch_gives_no_outputs_and_no_gradient(engine):
    inputs = torch.rand(0, 4, requires_grad=True)
    with using(Exact(engine)):
        outputs = QuantumLayer(entangled, {"weights": (1, 4, 3)})(inputs)
    outputs.sum().backward()
    assert outputs.shape == (0, 4)
    assert inputs.grad.shape == (0, 4)


@pytest.mark.parametrize("engine", ["cpu", "torch"])
def test_an_observable_without_wires_is_its_constant(engine):
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        return qml.expval(0.25 * qml.I(0))

    with using(Exact(engine)):
        assert torch.allclose(QuantumLayer(circuit)(torch.rand(3, 1)), torch.full((3, 1), 0.25))


def test_a_register_beyond_memory_is_refused_before_it_is_allocated():
    def wide(inputs):
        qml.RX(inputs[0], wires=0)
        qml.Hadamard(40)
        return [qml.expval(qml.Z(w)) for w in range(41)]

    with pytest.raises(QcliError) as refusal:
        QuantumLayer(wide)(torch.rand(1, 1))
    assert "41 wires need 16,384.0 GiB" in refusal.value.what


@pytest.mark.parametrize(
    "groups, room, kept, threads", [(8, 100, True, 2), (8, 6, False, 2), (8, 3, False, 1), (1, 2, True, 1)]
)
def test_states_are_kept_while_they_fit_and_threads_share_what_is_left(
    monkeypatch, groups, room, kept, threads
):
    state = 2**30
    monkeypatch.setattr(memory, "available", lambda: room * state / 0.8 + 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert memory.plan(groups, state, gradient=True, all_states=False) == (kept, threads)


def test_too_little_memory_for_one_state_and_its_gradient_is_refused(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    with pytest.raises(QcliError) as refusal:
        memory.plan(1, 2**30, gradient=True, all_states=False)
    assert "2.0 GiB, 0.8 GiB are available" in refusal.value.what


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_inputs_that_are_not_finite_are_refused_with_the_layers_name(value):
    model = build_model(find_model("vqc"), 4, 2, {}, seed=0)
    with pytest.raises(QcliError) as refusal:
        model(torch.tensor([[0.1, 0.2, 0.3, value]]))
    assert "quantum layer '1', from its inputs" in refusal.value.what


def test_weights_that_are_not_finite_are_refused_with_their_name():
    layer = QuantumLayer(entangled, {"weights": (1, 4, 3)})
    torch.nn.init.constant_(layer.weights["weights"], float("nan"))
    with pytest.raises(QcliError) as refusal:
        layer(torch.rand(2, 4))
    assert "from its weights 'weights'" in refusal.value.what


def test_lightning_says_that_it_has_no_gradient_of_probabilities():
    def circuit(inputs):
        qml.RX(inputs[0], wires=0)
        return qml.probs(wires=0)

    layer = QuantumLayer(circuit)
    with using(Exact("lightning")):
        assert torch.allclose(layer(torch.zeros(1, 1)), torch.tensor([[1.0, 0.0]]))
        with pytest.raises(QcliError, match="no gradient of probabilities"):
            layer(torch.zeros(1, 1, requires_grad=True))


def test_auto_takes_the_cpu_engine_without_cuda_and_the_gpu_for_large_work(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose("auto", 8, 64).engine == "cpu"
    assert choose("auto", 20, 1).engine == "cpu"
    assert choose("torch", 8, 64).engine == "torch"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose("auto", 8, 64).engine == "cpu"
    assert choose("auto", 14, 4096).engine == "torch"
    with pytest.raises(QcliError, match="unknown engine"):
        choose("cuda", 8, 64)
    assert NAMES[0] == "auto"
