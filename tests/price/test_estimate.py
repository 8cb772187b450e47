"""estimate-cost counts what the model really submits, and prices it on every device."""

import json
import tracemalloc
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from qcli import QcliError, Question, Run, estimate_cost
from qcli.price.document import document
from qcli.price.estimate import Estimate, Row, estimate, verdict
from qcli.price.policy import Policy
from qcli.price.subject import Subject, subject_of, training_of
from qcli.price.workload import Mitigation

TALK = {
    "braket/ankaa-3": ("36.52", "58.64"),
    "braket/emerald": ("53.72", "93.04"),
    "braket/garnet": ("50.04", "85.67"),
    "braket/forte-enterprise-1": ("1980.48", "3946.56"),
}
TWO_CIRCUITS = '''
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.X(0))]

class Patches(nn.Module):
    """Three patches of two features each through one layer, then a second layer: 3 x 2 + 2 circuits."""
    def __init__(self, classes):
        super().__init__()
        self.first = QuantumLayer(circuit, {"weights": (1, 2)})
        self.second = QuantumLayer(circuit, {"weights": (2, 2)})
        self.head = nn.Linear(2, classes)
    def forward(self, x):
        return self.head(self.second(self.first(x.reshape(-1, 3, 2)).mean(1)))

def build(features, classes):
    return Patches(classes)
'''

GARNET, EMERALD, FORTE, FEZ = "braket/garnet", "braket/emerald", "braket/forte-enterprise-1", "ibm/fez"


@pytest.fixture(scope="module")
def small() -> Subject:
    """A circuit of two wires, one per inference."""
    return subject_of("vqc", {"wires": "2", "layers": "1"})


def rows_of(found: Estimate) -> dict[str, Row]:
    return {row.terms.name: row for row in found.rows}


def limits(**rules: object) -> Policy:
    nothing = {"max_usd": None, "max_usd_per_inference": None, "deadline_s": None, "devices": (), "plans": ()}
    return Policy(Path("qcli.toml"), **{**nothing, **rules})  # type: ignore[arg-type]


@pytest.mark.parametrize(("shots", "column"), [(512, 0), (1024, 1)])
def test_the_talks_table_comes_out_of_a_whole_model(shots: int, column: int) -> None:
    question = Question(inferences=48, shots=shots, devices=tuple(TALK), include_retired=True)
    _, result = estimate_cost("qcnn", question)
    assert result["circuits_per_inference"] == 1
    for row in result["rows"]:
        (separate,) = [plan for plan in row["plans"] if plan["name"] == "separate"]
        assert separate["tasks"] == 48
        assert Decimal(separate["usd"]).quantize(Decimal("0.01")) == Decimal(TALK[row["device"]][column])


def test_each_row_has_what_the_schema_promises(small: Subject) -> None:
    _, result = estimate_cost(small, Question(devices=(GARNET, FEZ, "iqm/garnet", "ionq/forte-1")))
    assert result["schema"] == "qcli.estimate/1"
    assert json.loads(json.dumps(result)) == result
    names = [[plan["name"] for plan in row["plans"]] for row in result["rows"]]
    assert names == [
        ["separate", "program-sets", "parametrised", "reservation"],
        ["job", "batch", "session", "separate"],
        ["separate"],
        ["debiased"],
    ]
    for row in result["rows"]:
        assert row["fits"] is True and row["two_qubit_gates"] > 0 and row["depth"] > 0
        assert 0 < row["machine_time_s"]["low"] <= row["machine_time_s"]["high"]
        assert row["machine_time_s"]["basis"] in ("published", "transcribed", "measured", "assumed")
        assert row["price"]["source"] and row["price"]["verified_on"].startswith("202")
        assert row["calibration"]["calibrated_on"].startswith("202")
        for plan in row["plans"]:
            assert sum(Decimal(line["usd"]) for line in plan["lines"]) == Decimal(plan["usd"])
            assert Decimal(plan["usd_low"]) <= Decimal(plan["usd"]) <= Decimal(plan["usd_high"])
        cheapest = min(row["plans"], key=lambda plan: Decimal(plan["usd"]))
        assert row["cheapest"] == cheapest["name"]
        assert Decimal(row["usd_per_inference"]) * 48 == pytest.approx(Decimal(cheapest["usd"]))


def test_every_circuit_of_a_forward_pass_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(TWO_CIRCUITS)
    subject = subject_of(str(path), {}, features=6)
    assert subject.per_inference == 3 * 2 + 2
    found, _ = estimate_cost(subject, Question(inferences=10, shots=100, devices=(GARNET,)))
    plans = {plan.name: plan for plan in found.rows[0].plans}
    assert (plans["separate"].tasks, plans["separate"].shots) == (80, 8000)
    assert plans["separate"].usd == Decimal("0.30") * 80 + Decimal("0.00145") * 8000
    assert plans["program-sets"].tasks == 2, "the second layer waits for the first"


def test_all_devices_are_listed_and_retired_ones_only_on_request(small: Subject) -> None:
    listed = rows_of(estimate(small, Question()))
    assert {GARNET, EMERALD, "braket/cepheus-1-108q", "ibm/boston", FEZ, "braket/sv1"} <= set(listed)
    assert all(row.terms.status != "retired" for row in listed.values())
    everything = rows_of(estimate(small, Question(include_retired=True)))
    assert {name for name in everything if name not in listed} == {
        "braket/ankaa-3", "braket/aria-1", "braket/aria-2", "ibm/torino",
    }  # fmt: skip
    assert everything["braket/ankaa-3"].terms.status == "retired"
    assert "braket/aquila" not in everything, "it runs no gate circuits"


def test_a_device_may_be_named_without_its_provider_and_counts_once(small: Subject) -> None:
    (row,) = estimate(small, Question(devices=("Garnet", GARNET))).rows
    assert row.terms.name == GARNET


def test_the_estimate_of_a_run_is_kept_in_its_directory(run_copy: Run) -> None:
    _, first = estimate_cost(str(run_copy.path), Question(devices=(GARNET,)))
    (kept,) = (run_copy.path / "estimates").glob("*.json")
    assert json.loads(kept.read_text()) == first
    _, second = estimate_cost(str(run_copy.path), Question(devices=(EMERALD,)))
    both = [json.loads(path.read_text()) for path in (run_copy.path / "estimates").glob("*.json")]
    assert len(both) == 2 and first in both and second in both


def test_a_trained_run_refuses_features_of_its_own(run_copy: Run) -> None:
    with pytest.raises(QcliError) as refusal:
        subject_of(str(run_copy.path), {}, features=10)
    assert "fixed" in refusal.value.what


def test_a_model_wider_than_a_device_does_not_fit() -> None:
    wide = subject_of("vqc", {"wires": "21", "layers": "1"})
    rows = estimate(wide, Question(devices=(GARNET, EMERALD, "braket/ibex-q1"))).rows
    assert [row.fits for row in rows] == [False, True, False]
    assert rows[0].plans == () and "21 wires" in rows[0].note and "21 wires" in rows[2].note


def test_a_million_inferences_are_counted_not_listed(small: Subject) -> None:
    garnet, fez = estimate(small, Question(inferences=1_000_000, devices=(GARNET, FEZ))).rows
    assert garnet.plans[0].usd == 1_000_000 * (Decimal("0.30") + 512 * Decimal("0.00145"))
    assert garnet.plans[1].tasks == 10_000
    assert fez.plans[0].tasks >= -(-1_000_000 // (10_000_000 // 512))


def test_memory_does_not_depend_on_the_number_of_inferences(small: Subject) -> None:
    def peak(inferences: int) -> int:
        question = Question(inferences=inferences, include_retired=True)
        tracemalloc.start()
        document(estimate(small, question))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)
    peaks = [peak(inferences) for inferences in (10**3, 10**6, 10**9)]
    assert max(peaks) < 4 * 2**20
    assert max(peaks) < 1.2 * min(peaks)


def test_shots_outside_a_named_devices_range_are_refused_and_noted_when_it_was_not_named(
    small: Subject,
) -> None:
    with pytest.raises(QcliError) as refusal:
        estimate(small, Question(shots=50, devices=(FORTE,)))
    assert "100 to 5,000" in refusal.value.what
    rows = rows_of(estimate(small, Question(shots=50)))
    assert rows[FORTE].plans == ()
    assert "100 to 5,000" in rows[FORTE].note
    assert rows[GARNET].plans


def test_twirls_share_the_shots_that_a_device_limits(small: Subject) -> None:
    twirled = Question(shots=6_000, mitigation=Mitigation(twirls=16), devices=(FORTE,))
    (row,) = estimate(small, twirled).rows
    assert row.workload and row.workload.shots == (375, 375)
    with pytest.raises(QcliError, match="100 to 5,000"):
        estimate(small, Question(shots=512, mitigation=Mitigation(twirls=16), devices=(FORTE,)))


def test_debiasing_is_refused_where_it_was_named_and_noted_elsewhere(small: Subject) -> None:
    debias = Mitigation(debias=True)
    with pytest.raises(QcliError, match="no debiasing"):
        estimate(small, Question(shots=2_500, mitigation=debias, devices=(GARNET,)))
    rows = rows_of(estimate(small, Question(shots=2_500, mitigation=debias)))
    assert "no debiasing" in rows[GARNET].note and rows[GARNET].plans == ()
    assert rows[FORTE].plans


def test_an_analog_device_is_refused_when_named(small: Subject) -> None:
    with pytest.raises(QcliError, match="runs no gate circuits"):
        estimate(small, Question(devices=("aquila",)))


def test_the_age_of_prices_counts_from_the_day_given(small: Subject) -> None:
    found = estimate(small, Question(devices=(GARNET,)), today=date(2030, 1, 1))
    assert found.today == date(2030, 1, 1)


def test_a_month_is_so_many_repetitions(small: Subject) -> None:
    _, result = estimate_cost(small, Question(per_month=30, devices=(GARNET,)))
    (row,) = result["rows"]
    best = next(plan for plan in row["plans"] if plan["name"] == row["cheapest"])
    assert Decimal(row["usd_per_month"]) == 30 * Decimal(best["usd"])


def test_the_bill_under_the_other_contracts_is_that_of_an_estimate_under_them(small: Subject) -> None:
    (row,) = estimate(small, Question(devices=("ibm/kingston",))).rows
    assert set(row.other_contracts) == {"flex", "premium", "open"}
    for contract, usd in row.other_contracts.items():
        (other,) = estimate(small, Question(contracts={"ibm": contract}, devices=("ibm/kingston",))).rows
        assert other.cheapest and other.cheapest.usd == usd
    assert row.other_contracts["flex"] == 9 * Decimal("1.20")


def test_a_device_priced_by_the_gates_of_another_keeps_its_own_number_of_qubits(small: Subject) -> None:
    _, result = estimate_cost(small, Question(devices=("azure/ionq-aria-1", "azure/quantinuum-h2")))
    assert [row["qubits"] for row in result["rows"]] == [25, 56]
    assert all(row["two_qubit_gates"] for row in result["rows"])


def test_a_note_on_the_contract_leaves_the_one_on_unknown_gates(small: Subject) -> None:
    (row,) = estimate(small, Question(contracts={"ibm": "open"}, devices=("ibm/phoenix",))).rows
    assert "gates unknown" in row.note and "contract open does not cover it" in row.note


def test_training_is_divided_by_training_samples(small: Subject) -> None:
    steps = training_of(small, epochs=2, batch=4, rows=10)
    found = estimate(small, Question(training=steps, shots=100, devices=(GARNET,)))
    evaluations = sum(1 + call.shifts for call in small.calls)
    (row,) = found.rows
    assert row.workload and row.workload.circuits == 2 * 10 * evaluations
    assert row.cheapest and row.cheapest.usd_per_inference * 20 == pytest.approx(row.cheapest.usd)
    assert found.unit == "sample·epoch"


class TestPolicy:
    """What a policy does to the choice of a plan, and when it refuses."""

    def chosen(self, small: Subject, *devices: str, **rules: object) -> tuple[Estimate, dict[str, Row]]:
        found = estimate(small, Question(policy=limits(**rules), devices=devices))
        return found, rows_of(found)

    def test_a_plan_it_does_not_list_is_barred_and_another_chosen(self, small: Subject) -> None:
        found, rows = self.chosen(small, GARNET, plans=("separate",))
        best = rows[GARNET].cheapest
        assert best and best.name == "separate"
        assert {plan.name for plan in rows[GARNET].plans if plan.barred} == {
            *("program-sets", "parametrised", "reservation"),
        }
        assert rows[GARNET].breaches == () and verdict(found) is None

    def test_a_plan_the_device_has_not_confirmed_stays_barred_when_listed(self, small: Subject) -> None:
        found, rows = self.chosen(small, FORTE, plans=("program-sets",))
        assert rows[FORTE].cheapest is None
        (breach,) = rows[FORTE].breaches
        assert breach.rule == "plans"
        assert verdict(found) is not None

    def test_the_upper_end_of_all_repetitions_in_a_month_counts(self, small: Subject) -> None:
        policy = limits(max_usd=Decimal("107"))
        within, above = (
            estimate(small, Question(policy=policy, per_month=n, devices=(GARNET,))) for n in (2, 3)
        )
        assert verdict(within) is None
        refusal = verdict(above)
        assert refusal and refusal.exit_code == 3
        assert "max_usd 107.00 USD: found 107.81 USD" in refusal.what

    def test_a_deadline_that_machine_time_may_exceed_is_broken(self, small: Subject) -> None:
        seconds = Decimal("6.7") + 48 * 512 * Decimal("0.0067")
        for deadline, broken in ((seconds - Decimal("0.1"), True), (seconds + Decimal("0.1"), False)):
            _, rows = self.chosen(small, GARNET, deadline_s=deadline)
            assert [breach.rule for breach in rows[GARNET].breaches] == ["deadline_s"] * broken

    def test_one_named_device_in_breach_is_refused(self, small: Subject) -> None:
        found, _ = self.chosen(small, "ibm/fez", GARNET, max_usd=Decimal(20))
        refusal = verdict(found)
        assert refusal and refusal.what.startswith(GARNET)

    def test_without_named_devices_only_a_breach_on_all_is(self, small: Subject) -> None:
        found, rows = self.chosen(small, max_usd=Decimal(20))
        assert rows[GARNET].breaches and not rows[FEZ].breaches and verdict(found) is None
        found, rows = self.chosen(small, max_usd=Decimal("0.01"))
        refusal = verdict(found)
        assert all(row.breaches for row in rows.values() if row.plans)
        assert (
            refusal
            and f"and {sum(bool(row.plans) for row in rows.values()) - 1} more devices" in refusal.what
        )

    def test_a_named_device_that_cannot_be_priced_keeps_no_policy(self, small: Subject) -> None:
        policy, contracts = limits(max_usd=Decimal(10**9)), {"ibm": "open"}
        question = Question(10**5, policy=policy, contracts=contracts, devices=("ibm/kingston",))
        refusal = verdict(estimate(small, question))
        assert refusal and "ibm/kingston: not priced: " in refusal.what and "holds 600" in refusal.what

    def test_the_rule_that_stands_against_an_allowed_device_is_named_first(self, small: Subject) -> None:
        policy = limits(max_usd=Decimal("0.01"), devices=("ibm/fez",))
        found = estimate(small, Question(policy=policy))
        refusal = verdict(found)
        assert refusal and refusal.what.startswith("ibm/fez: max_usd")


def test_a_device_compiled_for_as_another_says_so_and_is_not_refused_for_being_wider() -> None:
    question = Question(1, 100, devices=("azure/quantinuum-h2", "scaleway/garnet"))
    narrow = rows_of(estimate(subject_of("vqc", {"wires": "2", "layers": "1"}), question))
    assert narrow["scaleway/garnet"].note == "gates as compiled for braket/garnet"
    wide = rows_of(estimate(subject_of("vqc", {"wires": "40", "layers": "1"}), question))
    assert not wide["scaleway/garnet"].fits
    h2 = wide["azure/quantinuum-h2"]
    assert h2.fits and h2.plans == () and "gates unknown" in h2.note


def test_an_estimate_that_cannot_be_kept_is_given_all_the_same(
    run_copy, caplog: pytest.LogCaptureFixture
) -> None:
    (run_copy.path / "estimates").write_text("in the way")
    _, content = estimate_cost(str(run_copy.path), Question(devices=(GARNET,)))
    assert content["rows"][0]["cheapest"] and "the estimate was not kept" in caplog.text


def test_error_mitigation_is_given_no_shot_plan(run_copy) -> None:
    question = Question(devices=(GARNET,), mitigation=Mitigation(readout=True))
    assert estimate_cost(str(run_copy.path), question)[1]["shot_plans"] == []
