"""Training on hardware: how many circuits its gradients take, compared with counting by hand and with PennyLane."""

from decimal import Decimal

import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from qcli import QcliError, QuantumLayer
from qcli.circuit.gates import GATES
from qcli.circuit.program import Program
from qcli.price.plans import plans
from qcli.price.record import record
from qcli.price.sheet import terms
from qcli.price.subject import Subject, Training, subject_of, training, training_of
from qcli.price.workload import Stage
from qcli.train.run import Run

ROTATIONS = sorted(name for name, kind in GATES.items() if kind.has_angle)
Rotation = tuple[str, tuple[int, int], str]
"""A gate's name, the wires it may act on, and what its angle comes from: `input`, `weight`, `both` or `constant`."""
rotations = st.tuples(
    st.sampled_from(ROTATIONS),
    st.permutations(range(3)).map(lambda wires: (wires[0], wires[1])),
    st.sampled_from(["input", "weight", "both", "constant"]),
)


def vqc(**options: str) -> Subject:
    return subject_of("vqc", {"wires": "2", "layers": "1", **options}, features=4)


def calls_of(model: nn.Module, features: int) -> Subject:
    return Subject("mine", 2, None, record(model, torch.ones(1, features)))


def embedding(inputs: Tensor, weights: Tensor) -> object:
    """Two angles from the inputs, one weight on each wire."""
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return qml.expval(qml.Z(0))


def sizes(stages: tuple[Stage, ...]) -> list[tuple[str, int, list[int]]]:
    return [(stage.what, stage.times, [piece.circuits for piece in stage.pieces]) for stage in stages]


def test_a_gradient_takes_two_circuits_for_each_angle_it_reaches() -> None:
    (call,) = vqc().calls
    assert call.shifts == 2 * (2 + 6)  # two embedded features, three Euler angles on each wire
    (deeper,) = vqc(layers="3").calls
    assert deeper.shifts == 3 * call.shifts


def test_a_step_runs_the_forward_pass_and_the_shifted_circuits_of_its_batch() -> None:
    work = training(vqc(), Training(epochs=3, batch=4, rows=10, validation=5), 100, {})
    assert sizes(work.stages) == [
        ("training step", 3 * 2, [4, 4 * 16]),
        ("training step", 3, [2, 2 * 16]),
        ("validation", 3, [5]),
    ]
    assert work.circuits == 3 * (10 * 17 + 5)
    assert work.inferences == 3 * 10
    assert work.executions == 100 * work.circuits


def test_a_batch_that_divides_the_rows_leaves_no_partial_step_and_a_larger_one_is_partial() -> None:
    def steps(batch: int) -> list[tuple[str, int, list[int]]]:
        return sizes(training(vqc(), Training(2, batch, 10, 0), 100, {}).stages)

    assert steps(5) == [("training step", 4, [5, 80])]
    assert steps(10) == [("training step", 2, [10, 160])]
    assert steps(64) == [("training step", 2, [10, 160])]


def test_spsa_takes_two_circuits_however_many_angles_there_are() -> None:
    for layers in ("1", "3"):
        work = training(vqc(layers=layers), Training(3, 4, 10, 5, "spsa"), 100, {})
        assert work.circuits == 3 * (10 * (1 + 2) + 5)


def test_without_a_trainable_layer_in_front_the_inputs_need_no_gradient() -> None:
    def shifts(model: nn.Module) -> int:
        (call,) = calls_of(model, 2).calls
        return call.shifts

    layer = QuantumLayer(embedding, {"weights": (3, 2)})
    assert shifts(layer) == 2 * 6
    assert shifts(nn.Sequential(nn.Linear(2, 2), layer)) == 2 * (2 + 6)
    assert shifts(nn.Sequential(nn.Linear(2, 2).requires_grad_(False), layer)) == 2 * 6
    layer.requires_grad_(False)
    assert shifts(nn.Sequential(nn.Linear(2, 2), layer)) == 2 * 2
    assert shifts(layer) == 0


def test_a_step_without_anything_to_train_on_the_device_runs_the_forward_pass_only() -> None:
    frozen = calls_of(QuantumLayer(embedding, {"weights": (3, 2)}).requires_grad_(False), 2)
    assert sizes(training(frozen, Training(1, 4, 8, 0), 100, {}).stages) == [("training step", 2, [4])]


def test_gradients_of_a_second_layer_reach_the_first_s_outputs_and_wait_for_it() -> None:
    def wide(inputs: Tensor, weights: Tensor) -> object:
        return [embedding(inputs, weights), qml.expval(qml.Z(1))]

    subject = calls_of(
        nn.Sequential(QuantumLayer(wide, {"weights": (1, 2)}), QuantumLayer(wide, {"weights": (1, 2)})), 2
    )
    assert [call.shifts for call in subject.calls] == [2 * 2, 2 * (2 + 2)]
    work = training(subject, Training(1, 5, 5, 0), 100, {})
    assert sizes(work.stages) == [("training step", 1, [5, 5 * 4]), ("training step", 1, [5, 5 * 8])]


def test_a_step_s_circuits_share_program_sets_and_steps_do_not() -> None:
    work = training(vqc(), Training(epochs=3, batch=4, rows=10, validation=5), 100, {})
    bills = {plan.name: plan for plan in plans(work, terms("braket/garnet"))}
    assert [(batch.tasks, batch.circuits) for batch in bills["program-sets"].batches] == [
        (6, 68),
        (3, 34),
        (3, 5),
    ]
    assert bills["program-sets"].usd == 12 * Decimal("0.30") + 100 * work.circuits * Decimal("0.00145")


@pytest.mark.parametrize(
    ("gate", "circuits"),
    [
        ("RX", 2),
        ("PhaseShift", 2),
        ("IsingZZ", 2),
        ("ControlledPhaseShift", 2),
        ("CRX", 4),
        ("CRY", 4),
        ("CRZ", 4),
    ],
)
def test_controlled_rotations_have_two_frequencies_and_take_four_circuits(gate: str, circuits: int) -> None:
    def one_gate(inputs: Tensor, weights: Tensor) -> object:
        getattr(qml, gate)(weights[0], wires=range(GATES[gate].wires))
        return qml.expval(qml.X(0))

    (call,) = calls_of(QuantumLayer(one_gate, {"weights": (1,)}), 1).calls
    assert call.shifts == circuits


def shifted_by_pennylane(program: Program, trainable: list[bool], observables: list[object]) -> int:
    """Circuits that PennyLane's parameter-shift rule makes, measurement groups taken apart first."""
    operations, positions = [], []
    for gate in program.gates:
        angles = [] if gate.angle is None else [0.1]
        positions += [gate.angle] * len(angles)
        operations.append(getattr(qml, gate.name)(*angles, wires=gate.wires))
    measured = [qml.expval(observable) for observable in observables]
    tape = qml.tape.QuantumScript(operations, measured)
    groups, _ = qml.transforms.split_non_commuting(tape)
    count = 0
    for group in groups if any(trainable) else ():
        group.trainable_params = [place for place, angle in enumerate(positions) if trainable[angle]]
        shifted, _ = qml.gradients.param_shift(group)
        count += len(shifted)
    return count


@settings(max_examples=40)
@given(
    st.lists(rotations, min_size=1, max_size=8),
    st.sampled_from([["Z"], ["Z", "X"], ["X", "Y", "Z"]]),
    st.booleans(),
    st.booleans(),
)
def test_pennylane_s_parameter_shift_rule_makes_as_many_circuits(
    gates: list[Rotation], letters: list[str], in_front: bool, frozen: bool
) -> None:
    observables = [getattr(qml, letter)(0) for letter in letters]

    def circuit(inputs: Tensor, weights: Tensor) -> list[object]:
        for k, (name, wires, source) in enumerate(gates):
            angle = {
                "input": inputs[0],
                "weight": weights[k],
                "both": inputs[1] * weights[k],
                "constant": 0.3,
            }[source]
            getattr(qml, name)(angle, wires=wires[: GATES[name].wires])
        for wires in ([0, 1], [1, 2], [2, 0], [0, 1]):
            qml.CNOT(wires=wires)
        return [qml.expval(observable) for observable in observables]

    layer = QuantumLayer(circuit, {"weights": (len(gates),)}).requires_grad_(not frozen)
    subject = calls_of(nn.Sequential(nn.Linear(2, 2), layer) if in_front else layer, 2)
    reached = {"input": in_front, "weight": not frozen, "both": in_front or not frozen, "constant": False}
    trainable = [reached[source] for _, _, source in gates]
    (call,), (program,) = subject.calls, layer.programs
    expected = shifted_by_pennylane(program, trainable, observables)
    work = training(subject, Training(1, 1, 1, 0), 100, {})
    assert len(call.circuits) * call.shifts == expected
    assert work.circuits == len(call.circuits) + expected


def test_a_trained_run_is_priced_with_its_own_settings(trained: Run) -> None:
    subject = subject_of(str(trained.path), {})
    plan = training_of(subject)
    assert (plan.epochs, plan.batch, plan.gradient) == (3, 64, "parameter-shift")
    assert (plan.rows, plan.validation) == (trained.info.split.train, trained.info.split.validation)
    assert training_of(subject, "spsa", epochs=7, batch=8, rows=9) == Training(
        7, 8, 9, plan.validation, "spsa"
    )


def test_an_unknown_gradient_and_an_unknown_number_of_samples_are_refused() -> None:
    with pytest.raises(QcliError, match="unknown gradient 'adjoint'"):
        training_of(vqc(), "adjoint", rows=10)
    with pytest.raises(QcliError, match="how many training samples"):
        training_of(vqc())
