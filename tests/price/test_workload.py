"""What is submitted: counts, shots that a device takes, error mitigation, and stages that wait for each other."""

from dataclasses import replace
from decimal import Decimal

import pennylane as qml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qcli import QuantumLayer
from qcli.errors import QcliError
from qcli.price.bill import Plan
from qcli.price.plans import check_shots, plans
from qcli.price.record import record
from qcli.price.sheet import terms
from qcli.price.subject import Subject, inference
from qcli.price.tariff import PerSecond
from qcli.price.workload import Gates, Mitigation, Piece, Stage, Workload, mitigated, parse_mitigation

GATES = Gates(one_qubit=20, two_qubit=10, wires=4, measured=3)
FORTE, BOSTON = terms("braket/forte-enterprise-1"), terms("ibm/boston")


def circuit(inputs: Tensor, weights: Tensor) -> list[object]:
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.X(0))]


class TwoLayers(nn.Module):
    """Three patches of two features through one layer, then a second layer; each circuit in two bases."""

    def __init__(self) -> None:
        super().__init__()
        self.first = QuantumLayer(circuit, {"weights": (1, 2)})
        self.second = QuantumLayer(circuit, {"weights": (2, 2)})

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.first(x.reshape(-1, 3, 2))
        second: Tensor = self.second(inputs=first.mean(1))
        return second


def two_layers() -> Subject:
    return Subject("two layers", 2, None, record(TwoLayers(), torch.ones(1, 6)))


def by_name(workload: Workload, device: str) -> dict[str, Plan]:
    return {plan.name: plan for plan in plans(workload, terms(device))}


def pieces(workload: Workload) -> list[tuple[int, int]]:
    """Circuits and shots of each piece."""
    return [(piece.circuits, piece.shots) for stage in workload.stages for piece in stage.pieces]


def test_a_workload_counts_circuits_and_executions_over_all_stages() -> None:
    stages = (
        Stage("step", 10, (Piece("forward", 4, 100), Piece("shifted", 8, 50))),
        Stage("validation", 2, (Piece("validation", 3, 1000),)),
    )
    workload = Workload(40, stages)
    assert workload.circuits == 10 * (4 + 8) + 2 * 3
    assert workload.executions == 10 * (4 * 100 + 8 * 50) + 2 * 3 * 1000
    assert workload.shots == (50, 1000)
    assert stages[0].by_shots() == {100: 4, 50: 8}


@pytest.mark.parametrize(("inferences", "circuits", "shots"), [(0, 1, 1), (1, -1, 1), (1, 1, 0), (-5, 1, 1)])
def test_a_workload_of_nothing_is_refused(inferences: int, circuits: int, shots: int) -> None:
    with pytest.raises(QcliError, match="must be at least"):
        Workload.uniform(inferences, circuits, shots)


def test_a_negative_number_of_stages_and_pieces_without_a_program_are_refused() -> None:
    for times, programs in ((-1, 1), (1, 0)):
        with pytest.raises(QcliError, match="must be at least"):
            Workload(1, (Stage("stage", times, (Piece("some", 1, 1, programs=programs),)),))


@pytest.mark.parametrize(
    ("device", "shots", "range_"),
    [
        ("braket/forte-enterprise-1", 99, "100 to 5,000"),
        ("braket/forte-enterprise-1", 5001, "100 to 5,000"),
        ("braket/cepheus-1-108q", 9, "10 to 50,000"),
        ("braket/garnet", 20_001, "1 to 20,000"),
        ("braket/ibex-q1", 2001, "1 to 2,000"),
        ("braket/aria-1", 0, "at least 1"),
        ("ibm/boston", 100_001, "1 to 100,000"),
    ],
)
def test_shots_outside_the_range_are_refused_with_the_range(device: str, shots: int, range_: str) -> None:
    with pytest.raises(QcliError) as error:
        check_shots(shots, terms(device))
    assert range_ in error.value.what and range_ in error.value.fix and error.value.where == device


def test_one_circuit_with_shots_outside_the_range_refuses_the_whole_workload() -> None:
    for shots in (50, 5001):
        with pytest.raises(QcliError, match="100 to 5,000"):
            plans(Workload(1, (Stage("stage", 1, (Piece("a", 1, 200), Piece("b", 1, shots))),)), FORTE)


def test_the_ends_of_a_range_are_allowed_and_an_unknown_end_is_not_checked() -> None:
    for shots in (100, 5000):
        check_shots(shots, FORTE)
    check_shots(10**9, terms("braket/aria-1"))


def test_a_circuit_larger_than_a_job_is_refused() -> None:
    assert isinstance(BOSTON.price, PerSecond)
    small = replace(BOSTON, price=replace(BOSTON.price, max_executions_per_job=500))
    with pytest.raises(QcliError, match="1 to 500"):
        plans(Workload.uniform(1, 1, 501), small)


@pytest.mark.parametrize(
    ("names", "expected", "text"),
    [
        ((), Mitigation(), ""),
        (("zne",), Mitigation(folds=(1, 3, 5)), "zne=1,3,5"),
        (("zne=5,1",), Mitigation(folds=(1, 5)), "zne=1,5"),
        (("readout",), Mitigation(readout=True), "readout"),
        (("twirl",), Mitigation(twirls=16), "twirl=16"),
        (("twirl=1",), Mitigation(), ""),
        (
            ("debias", "twirl=4", "readout", "zne=1,3"),
            Mitigation((1, 3), True, 4, True),
            "zne=1,3 readout twirl=4 debias",
        ),
    ],
)
def test_mitigation_is_read_by_name_and_printed_in_the_same_words(
    names: tuple[str, ...], expected: Mitigation, text: str
) -> None:
    assert parse_mitigation(names) == expected
    assert str(expected) == text
    assert parse_mitigation(text.split()) == expected


@pytest.mark.parametrize(
    "name",
    ["zne=2", "zne=1,2,3", "zne=1,1", "zne=1", "zne=a", "zne=-1,3", "zne=1,,3", "readout=2", "twirl=0", "twirl=2,3",
     "twirl=x", "twirl=-4", "debias=1", "dd", "", "zne=1,٣"],
)  # fmt: skip
def test_unknown_mitigation_and_wrong_numbers_are_refused(name: str) -> None:
    with pytest.raises(QcliError) as refusal:
        parse_mitigation([name])
    assert repr(name) in refusal.value.what and refusal.value.where == "--mitigation"


def test_noise_extrapolation_runs_every_circuit_at_every_scale_and_folds_two_qubit_gates() -> None:
    workload = mitigated(Workload.uniform(10, 80, 100, GATES), Mitigation(folds=(1, 3, 5)))
    (stage,) = workload.stages
    assert [(piece.circuits, piece.shots) for piece in stage.pieces] == [(80, 100)] * 3
    assert [piece.gates for piece in stage.pieces] == [replace(GATES, two_qubit=10 * n) for n in (1, 3, 5)]


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_twirls_share_the_shots_of_a_circuit(shots: int, twirls: int) -> None:
    workload = mitigated(Workload.uniform(10, 80, shots), Mitigation(twirls=twirls))
    ((circuits, each),) = pieces(workload)
    assert circuits == 80 * twirls
    assert shots <= twirls * each < shots + twirls
    assert workload.stages[0].pieces[0].programs == twirls


def test_readout_is_calibrated_by_two_circuits_with_the_shots_of_the_others() -> None:
    workload = mitigated(Workload.uniform(10, 80, 100, GATES), Mitigation(readout=True, twirls=4))
    assert pieces(workload) == [(320, 25), (1, 100), (1, 100)]
    assert [piece.gates for piece in workload.stages[0].pieces[1:]] == [Gates(0, 0, 3, 3), Gates(3, 0, 3, 3)]


def test_readout_is_calibrated_once_for_each_program_wherever_it_recurs() -> None:
    subject = two_layers()
    workload = mitigated(inference(subject, 10, 100, {}), Mitigation(folds=(1, 3), readout=True))
    assert len(subject.circuits) == 4
    calibrations = [piece for stage in workload.stages for piece in stage.pieces if "readout" in piece.what]
    assert [(piece.circuits, piece.shots) for piece in calibrations] == [(4, 100), (4, 100)]
    again = replace(subject, calls=2 * subject.calls)
    assert mitigated(inference(again, 10, 100, {}), Mitigation(readout=True)).circuits == 2 * 80 + 8


def test_readout_of_repeated_stages_is_calibrated_before_the_first_of_them() -> None:
    steps = Workload(40, (Stage("step", 10, (Piece("forward", 4, 100), Piece("shifted", 8, 100))),))
    calibrated = mitigated(steps, Mitigation(readout=True))
    assert [(stage.what, stage.times) for stage in calibrated.stages] == [
        ("readout calibration", 1),
        ("step", 10),
    ]
    assert calibrated.circuits == steps.circuits + 2


@given(st.sampled_from([(1,), (1, 3), (1, 3, 5)]), st.booleans(), st.integers(1, 20), st.integers(1, 2000))
def test_mitigation_never_takes_fewer_executions(
    folds: tuple[int, ...], readout: bool, twirls: int, shots: int
) -> None:
    plain = Workload.uniform(10, 80, shots, GATES)
    more = mitigated(plain, Mitigation(folds, readout, twirls))
    assert more.circuits == 80 * len(folds) * twirls + 2 * readout
    assert more.executions >= len(folds) * plain.executions + 2 * readout * shots
    assert more.inferences == plain.inferences


def test_no_mitigation_changes_nothing_and_debiasing_only_asks_for_it() -> None:
    plain = Workload.uniform(10, 80, 3000, GATES)
    assert mitigated(plain, Mitigation()) == plain
    assert mitigated(plain, Mitigation(debias=True)) == replace(plain, debias=True)


def test_the_circuits_of_a_second_quantum_layer_wait_for_those_of_the_first() -> None:
    workload = inference(two_layers(), 10, 100, {})
    assert [stage.by_shots() for stage in workload.stages] == [{100: 10 * 3 * 2}, {100: 10 * 2}]
    sets = by_name(workload, "braket/garnet")["program-sets"]
    assert [(batch.tasks, batch.circuits) for batch in sets.batches] == [(1, 60), (1, 20)]
    assert sets.usd == 2 * Decimal("0.30") + 8000 * Decimal("0.00145")
    jobs = by_name(workload, "ibm/boston")["job"]
    assert [(batch.tasks, batch.circuits) for batch in jobs.batches] == [(1, 60), (1, 20)]


def test_only_circuits_of_equal_shots_share_a_program_set_and_all_of_a_stage_share_a_job() -> None:
    for shots, sets in ((100, 1), (101, 2)):
        workload = Workload(1, (Stage("stage", 1, (Piece("a", 20, 100), Piece("b", 20, shots))),))
        assert by_name(workload, "braket/garnet")["program-sets"].tasks == sets
        assert by_name(workload, "ibm/boston")["job"].tasks == 1


def test_the_gates_of_a_circuit_are_found_by_its_program() -> None:
    subject = two_layers()
    gates = {recorded.program.key: GATES for recorded in subject.calls[1].circuits}
    first, second = inference(subject, 10, 100, gates).stages
    assert [piece.gates for piece in first.pieces] == [None, None]
    assert [piece.gates for piece in second.pieces] == [GATES, GATES]
