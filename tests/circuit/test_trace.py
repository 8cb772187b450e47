"""A traced Program computes what PennyLane computes, and what cannot be traced is refused by name and line."""

import linecache

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qcli import QcliError, QuantumLayer
from qcli.circuit.gates import GATES
from qcli.circuit.trace import trace
from qcli.model.layer import quantum_layers
from qcli.model.load import build_model, find_model, zoo
from tests.circuit.random_circuits import RandomCircuit

RANDOM = np.random.default_rng(0)
OUTER = torch.nn.Parameter(torch.tensor(0.3))


def by_pennylane(circuit, inputs, weights):
    node = qml.QNode(circuit, qml.device("default.qubit"), interface="torch", diff_method="backprop")
    results = node(inputs, **weights)
    results = results if isinstance(results, tuple | list) else [results]
    columns = [torch.as_tensor(result).real for result in results]
    if any(len(column.shape) == 0 or len(column) != len(inputs) for column in columns):
        columns = [column.expand(len(inputs), *column.shape) for column in columns]
    return torch.hstack([column.reshape(len(inputs), -1) for column in columns])


def check_against_pennylane(circuit, layer, inputs):
    weights = dict(layer.weights.items())
    ours = layer(inputs)
    theirs = by_pennylane(circuit, inputs, weights)
    assert torch.allclose(ours, theirs, atol=1e-10)
    mixture = torch.linspace(0.3, 1.0, ours.numel(), dtype=ours.dtype).reshape(ours.shape)
    variables = [inputs, *weights.values()]
    gradients = [
        torch.autograd.grad((mixture * y).sum(), variables, allow_unused=True, materialize_grads=True)
        for y in (ours, theirs)
    ]
    for mine, reference in zip(*gradients, strict=True):
        assert torch.allclose(mine, reference, atol=1e-9)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), wires=st.integers(2, 5), batch=st.sampled_from([2, 3, 7]))
def test_random_circuits_agree_with_default_qubit_in_values_and_gradients(seed, wires, batch):
    circuit = RandomCircuit(seed, wires, features=3, weights=4, depth=25)
    layer = QuantumLayer(circuit, {"weights": 4}).double()
    generator = torch.Generator().manual_seed(seed % 1000)
    inputs = torch.randn(batch, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    check_against_pennylane(circuit, layer, inputs)


@pytest.mark.parametrize("name", zoo())
@pytest.mark.parametrize("classes", [2, 4])
def test_zoo_circuits_agree_with_default_qubit(name, classes):
    model = build_model(find_model(name), features=10, classes=classes, options={}, seed=1).double()
    (layer,) = quantum_layers(model)
    features = layer.program(8 if name == "qcnn" else 4).wires
    inputs = torch.rand(5, features, dtype=torch.float64, requires_grad=True)
    check_against_pennylane(layer.circuit, layer, inputs)


def test_zoo_circuits_have_purely_affine_angles():
    for name in zoo():
        model = build_model(find_model(name), features=10, classes=2, options={}, seed=1)
        (layer,) = quantum_layers(model)
        assert layer.program(8 if name == "qcnn" else 4).angle_map.graph is None


@pytest.mark.parametrize(
    "template",
    [
        lambda x, w: qml.AmplitudeEmbedding(x, wires=range(2), normalize=True),
        lambda x, w: qml.AmplitudeEmbedding(x, wires=range(2), normalize=True, pad_with=0.0),
        lambda x, w: qml.IQPEmbedding(x, wires=range(4), n_repeats=2),
        lambda x, w: qml.StronglyEntanglingLayers(w.reshape(1, 4, 3), wires=range(4)),
        lambda x, w: qml.BasicEntanglerLayers(w[:8].reshape(2, 4), wires=range(4), rotation=qml.RY),
        lambda x, w: qml.SimplifiedTwoDesign(w[:4], w[4:10].reshape(1, 3, 2), wires=range(4)),
        lambda x, w: qml.QFT(wires=range(3)),
        lambda x, w: qml.MultiRZ(x[..., 0], wires=range(3)),
        lambda x, w: qml.ctrl(qml.RX, control=[0, 1])(w[0], wires=2),
        lambda x, w: qml.adjoint(qml.StronglyEntanglingLayers)(w.reshape(1, 4, 3), wires=range(4)),
        lambda x, w: qml.QubitUnitary(qml.matrix(qml.SWAP([0, 1])), wires=[0, 1]),
        lambda x, w: qml.U3(w[0], w[1], x[..., 0], wires=0),
    ],
    ids=lambda template: linecache.getline(
        template.__code__.co_filename, template.__code__.co_firstlineno
    ).strip()[13:50],
)
def test_templates_are_decomposed_by_pennylane(template):
    def circuit(inputs, weights):
        template(inputs, weights)
        qml.RY(weights[0], wires=0)
        return [qml.expval(qml.Z(0) @ qml.X(1)), qml.probs(wires=[1, 0])]

    layer = QuantumLayer(circuit, {"weights": 12}).double()
    inputs = torch.tensor(
        [[0.3, 0.9, 0.4, 0.2], [0.5, 0.1, 0.8, 0.7]], dtype=torch.float64, requires_grad=True
    )
    assert all(gate.name in GATES for gate in layer.program(4).gates)
    check_against_pennylane(circuit, layer, inputs)


def test_amplitude_embedding_keeps_one_structure_for_every_input():
    """PennyLane leaves out rotations whose angle happens to be zero; a traced program must not."""

    def circuit(inputs):
        qml.AmplitudeEmbedding(inputs, wires=range(2), normalize=True)
        return qml.probs(wires=range(2))

    layer = QuantumLayer(circuit)
    basis = layer(torch.eye(4, dtype=torch.float64))
    assert torch.allclose(basis, torch.eye(4, dtype=torch.float64), atol=1e-10)


def test_affine_angles_become_a_sparse_map_and_others_keep_their_graph():
    def circuit(inputs, weights):
        qml.RX(2 * inputs[0] - weights[1] / 4 + 0.5, wires=0)
        qml.RY(torch.relu(inputs[1]), wires=0)
        qml.RZ(weights[0], wires=0)
        return qml.expval(qml.Z(0))

    angles = trace(circuit, 2, {"weights": (2,)}).angle_map
    assert angles.from_inputs == (True, True, False)
    assert angles.inputs.coefficient.tolist() == [2.0]
    assert angles.weights.coefficient.tolist() == [-0.25, 1.0]
    assert angles.graph_rows.tolist() == [1]
    values = angles(torch.tensor([[1.0, -3.0], [0.0, 2.0]]), torch.tensor([0.1, 0.4]))
    assert torch.allclose(values, torch.tensor([[2.4, 0.0, 0.1], [0.4, 2.0, 0.1]]))


def test_wires_keep_the_users_labels():
    def circuit(inputs):
        qml.RX(inputs[0], wires="ancilla")
        qml.CNOT(wires=["ancilla", "data"])
        return qml.expval(qml.Z("data"))

    assert trace(circuit, 1, {}).wire_labels == ("ancilla", "data")

    def numbered(inputs):
        qml.RX(inputs[0], wires=7)
        qml.CNOT(wires=[7, 3])
        return qml.probs(wires=[7, 3])

    program = trace(numbered, 1, {})
    assert program.wire_labels == (3, 7)
    assert program.measurements[0].wires == (1, 0)


def test_circuits_written_for_a_broadcast_batch_are_traced_too():
    def circuit(inputs, weights):
        qml.RX(inputs[:, 0], wires=0)
        qml.RY(inputs.T[1] * weights, wires=0)
        return qml.expval(qml.Z(0))

    layer = QuantumLayer(circuit, {"weights": ()}).double()
    check_against_pennylane(circuit, layer, torch.rand(3, 2, dtype=torch.float64, requires_grad=True))


def test_matrix_observables_are_measured_as_pauli_words():
    matrix = torch.tensor([[1.0, 0.5], [0.5, -1.0]], dtype=torch.complex128)

    def circuit(inputs):
        qml.RX(inputs[..., 0], wires=0)
        return qml.expval(qml.Hermitian(matrix.numpy(), wires=0))

    check_against_pennylane(
        circuit, QuantumLayer(circuit), torch.rand(3, 1, dtype=torch.float64, requires_grad=True)
    )


def branching(inputs):
    if inputs[0] > 0:
        qml.RX(inputs[0], wires=0)
    return qml.expval(qml.Z(0))


def reading_a_value(inputs):
    qml.RX(float(inputs[0]), wires=0)
    return qml.expval(qml.Z(0))


def through_numpy(inputs):
    qml.RY(inputs[0], wires=0)
    qml.RX(np.sin(inputs.detach().numpy()[0]), wires=0)
    return qml.expval(qml.Z(0))


def through_a_list(inputs):
    qml.RX(inputs.tolist()[1], wires=0)
    return qml.expval(qml.Z(0))


def random(inputs):
    qml.RX(RANDOM.random(), wires=0)
    return qml.expval(qml.Z(0))


def branching_through_numpy(inputs):
    if inputs.numpy()[0] > 0.5:
        qml.RX(inputs[0], wires=0)
    return qml.expval(qml.Z(0))


def outer_parameter(inputs):
    qml.RX(inputs[0] * OUTER, wires=0)
    return qml.expval(qml.Z(0))


def mid_circuit(inputs):
    qml.RX(inputs[0], wires=0)
    outcome = qml.measure(0)
    qml.cond(outcome, qml.RX)(inputs[1], wires=1)
    return qml.expval(qml.Z(1))


def density(inputs):
    qml.QubitDensityMatrix(torch.eye(2) / 2, wires=0)
    return qml.expval(qml.Z(0))


def channel(inputs):
    qml.DepolarizingChannel(0.1, wires=0)
    return qml.expval(qml.Z(0))


def variance(inputs):
    qml.RX(inputs[0], wires=0)
    return qml.var(qml.Z(0))


def state(inputs):
    qml.RX(inputs[0], wires=0)
    return qml.state()


def nothing(inputs):
    qml.RX(inputs[0], wires=0)


def many_values(inputs):
    qml.RX(inputs, wires=0)
    return qml.expval(qml.Z(0))


def beyond_the_features(inputs):
    qml.RX(inputs[5], wires=0)
    return qml.expval(qml.Z(0))


@pytest.mark.parametrize(
    ("circuit", "what", "line"),
    [
        (branching, "data-dependent control flow", "if inputs[0] > 0:"),
        (reading_a_value, "data-dependent control flow", "float(inputs[0])"),
        (through_numpy, "the trace does not follow", "qml.RX(np.sin("),
        (through_a_list, "the trace does not follow", "qml.RX(inputs.tolist()"),
        (random, "the trace does not follow", "qml.RX(RANDOM"),
        (branching_through_numpy, "the trace does not follow", "branching_through_numpy"),
        (outer_parameter, "trainable tensor that is not among its arguments", "outer_parameter"),
        (mid_circuit, "mid-circuit measurement", "outcome = qml.measure(0)"),
        (density, "QubitDensityMatrix has no gate form", "qml.QubitDensityMatrix("),
        (channel, "DepolarizingChannel has no gate form", "qml.DepolarizingChannel("),
        (variance, "var(Z(0)) is not supported", "return qml.var("),
        (state, "state", "return qml.state()"),
        (nothing, "NoneType", "nothing"),
        (many_values, "RX got 2 values", ""),
        (beyond_the_features, "out of range", "qml.RX(inputs[5]"),
    ],
)
def test_what_cannot_be_traced_is_refused_by_name_and_line(circuit, what, line):
    with pytest.raises(QcliError) as refusal:
        trace(circuit, 2, {})
    assert what in refusal.value.what
    assert line in refusal.value.where
    assert refusal.value.fix
