"""A user's own file and the zoo go the same way; options are converted by build()'s own signature."""

import pytest
import torch

from qcli import QcliError
from qcli.model.load import build_model, class_logits, find_model, parse_options, zoo

OWN = """
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

def build(features: int, classes: int, layers: int = 1, scale: float = 1.0, bias: bool = True, head="linear"):
    quantum = QuantumLayer(circuit, {"weights": (layers, 2)})
    return nn.Sequential(nn.Linear(features, 2, bias=bias), quantum, nn.Linear(2, classes))
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(OWN)
    return find_model(str(path))


def test_the_zoo_has_the_promised_models():
    assert {"qcnn", "vqc"} <= set(zoo())


def test_a_users_own_file_is_built_with_its_options(own):
    options = parse_options(own, {"layers": "3", "scale": "0.5", "bias": "false", "head": "x"})
    assert options == {"layers": 3, "scale": 0.5, "bias": False, "head": "x"}
    model = build_model(own, 5, 3, options, seed=0)
    assert model(torch.rand(4, 5)).shape == (4, 3)
    assert model[1].weights["weights"].shape == (3, 2)
    assert model[0].bias is None


def test_the_same_seed_builds_the_same_weights_without_touching_the_callers_random_numbers(own):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    a, b = build_model(own, 4, 2, {}, seed=1), build_model(own, 4, 2, {}, seed=1)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    ("wires", "classes", "shared"), [(8, 2, True), (8, 4, False), (6, 3, True), (5, 2, False), (2, 2, True)]
)
def test_qcnn_measures_one_wire_per_class_bit(wires, classes, shared):
    model = build_model(find_model("qcnn"), 16, classes, {"wires": wires, "shared": shared}, seed=0)
    program = model[2].program(wires)
    assert program.wires == wires
    assert program.outputs == max(1, (classes - 1).bit_length())


def test_unshared_convolutions_have_weights_of_their_own():
    shared = build_model(find_model("qcnn"), 16, 2, {}, seed=0)[2].flat_weights().numel()
    unshared = build_model(find_model("qcnn"), 16, 2, {"shared": False}, seed=0)[2].flat_weights().numel()
    assert (shared, unshared) == (3 * 18, 11 * 15 + 7 * 3)


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 2)])
def test_a_binary_model_may_return_one_logit_or_two(shape):
    assert class_logits(torch.ones(shape), 2).shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def build(features, classes): return 3", "returned int"),
        (
            "def build(features, classes): raise RuntimeError('no luck')",
            "build() fails: RuntimeError: no luck",
        ),
        ("def build(features): ...", "build() fails: TypeError"),
        ("build = 3", "no function build"),
        ("x = ", "importing the model file fails: SyntaxError"),
        ("import no_such_package", "importing the model file fails: ModuleNotFoundError"),
        (
            "import torch\ndef build(features, classes): return torch.nn.Linear(features, classes)",
            "no quantum layer",
        ),
        (OWN.replace("nn.Linear(2, classes)", "nn.Linear(2, 7)"), "the model returns (2, 7)"),
        (
            OWN.replace("nn.Linear(2, classes)", "nn.Linear(3, classes)"),
            "the model's forward pass fails: RuntimeError",
        ),
        (
            OWN.replace("range(2))\n    qml.Basic", "range(1))\n    qml.Basic"),
            "the model's forward pass fails: ValueError",
        ),
        (
            OWN.replace("return [qml.expval", "return 1 or [qml.expval"),
            "the circuit returns int, not measurements",
        ),
    ],
)
def test_a_model_outside_the_contract_is_refused_with_a_reason(tmp_path, text, what):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(QcliError) as refusal:
        source = find_model(str(path))
        build_model(source, 4, 3, {}, seed=0)
    assert what in refusal.value.what
    assert "mine.py" in refusal.value.where or refusal.value.where == "circuit"
    assert refusal.value.fix


@pytest.mark.parametrize(
    ("settings", "what", "fix"),
    [
        ({"layer": "2"}, "no option 'layer'", "did you mean layers?"),
        ({"layers": "two"}, "layers is a whole number", "--set layers=8"),
        ({"layers": "2.5"}, "layers is a whole number", ""),
        ({"scale": "much"}, "scale is a number", ""),
        ({"bias": "maybe"}, "bias is true or false", ""),
        ({"features": "3"}, "no option 'features'", ""),
    ],
)
def test_wrong_options_are_named_with_the_nearest_right_one(own, settings, what, fix):
    with pytest.raises(QcliError) as refusal:
        parse_options(own, settings)
    assert what in refusal.value.what
    assert fix in refusal.value.fix
