"""estimate-cost counts what the model really submits, and prices it on every device."""

import json
from decimal import Decimal

import pytest

from qcli import QcliError
from qcli.price.estimate import estimate_cost

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


@pytest.mark.parametrize(("shots", "column"), [(512, 0), (1024, 1)])
def test_the_talks_table_comes_out_of_a_whole_model(shots, column):
    result = estimate_cost(
        "qcnn", inferences=48, shots=shots, devices=tuple(TALK), include_retired=True
    ).to_json()
    assert result["circuits_per_inference"] == 1
    for row in result["rows"]:
        (separate,) = [plan for plan in row["plans"] if plan["name"] == "separate"]
        assert separate["tasks"] == 48
        assert Decimal(separate["usd"]).quantize(Decimal("0.01")) == Decimal(TALK[row["device"]][column])


def test_each_row_has_what_the_schema_promises():
    result = estimate_cost("vqc", devices=("braket/garnet", "ibm/fez"), options={"wires": "3"}).to_json()
    assert result["schema"] == "qcli.estimate/1"
    assert json.loads(json.dumps(result)) == result
    garnet, fez = result["rows"]
    assert {plan["name"] for plan in garnet["plans"]} == {"separate", "program-sets"}
    assert [plan["name"] for plan in fez["plans"]] == ["job"]
    for row in result["rows"]:
        assert row["status"] == "online" and row["fits"] is True
        assert row["two_qubit_gates"] > 0 and row["depth"] > 0
        assert 0 < row["machine_time_s"]["low"] <= row["machine_time_s"]["high"]
        assert row["machine_time_s"]["basis"] in ("published", "transcribed", "measured", "assumed")
        assert row["price"]["source"] and row["price"]["verified_on"].startswith("202")
        for plan in row["plans"]:
            assert set(plan) >= {"name", "tasks", "shots", "usd"}
            assert sum(Decimal(line["usd"]) for line in plan["lines"]) == Decimal(plan["usd"])
        cheapest = min(row["plans"], key=lambda plan: Decimal(plan["usd"]))
        assert row["cheapest"] == cheapest["name"]
        assert Decimal(row["usd_per_inference"]) * 48 == pytest.approx(Decimal(cheapest["usd"]))


def test_every_circuit_of_a_forward_pass_is_counted(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(TWO_CIRCUITS)
    result = estimate_cost(str(path), inferences=10, shots=100, devices=("braket/garnet",), features=6)
    assert result.subject.per_inference == 3 * 2 + 2
    (separate, _) = result.rows[0].plans
    assert (separate.tasks, separate.shots) == (80, 8000)
    assert separate.usd == Decimal("0.30") * 80 + Decimal("0.00145") * 8000


def test_all_devices_are_listed_and_retired_ones_only_on_request(run_copy):
    listed = {row.terms.name: row for row in estimate_cost(str(run_copy.path)).rows}
    assert {"braket/garnet", "braket/emerald", "braket/cepheus-1-108q", "ibm/boston", "ibm/fez"} <= set(
        listed
    )
    assert all(row.terms.status != "retired" for row in listed.values())
    everything = {row.terms.name: row for row in estimate_cost(str(run_copy.path), include_retired=True).rows}
    assert {name for name in everything if name not in listed} == {
        "braket/ankaa-3", "braket/aria-1", "braket/aria-2", "ibm/torino",
    }  # fmt: skip
    assert everything["braket/ankaa-3"].terms.status == "retired"


def test_a_device_may_be_named_without_its_provider():
    (row,) = estimate_cost("vqc", options={"wires": "2"}, devices=("Garnet",)).rows
    assert row.terms.name == "braket/garnet"


def test_the_estimate_of_a_run_is_kept_in_its_directory(run_copy):
    result = estimate_cost(str(run_copy.path), devices=("braket/garnet",))
    (kept,) = (run_copy.path / "estimates").glob("*.json")
    assert json.loads(kept.read_text()) == json.loads(json.dumps(result.to_json()))
    estimate_cost(str(run_copy.path), devices=("braket/emerald",))
    assert len(list((run_copy.path / "estimates").glob("*.json"))) == 2


def test_a_trained_run_refuses_features_of_its_own(run_copy):
    with pytest.raises(QcliError) as refusal:
        estimate_cost(str(run_copy.path), features=10)
    assert "fixed" in refusal.value.what


def test_a_model_wider_than_a_device_does_not_fit():
    rows = estimate_cost(
        "vqc",
        options={"wires": "21", "layers": "1"},
        devices=("braket/garnet", "braket/emerald", "braket/ibex-q1"),
    ).rows
    assert [row.fits for row in rows] == [False, True, False]
    assert rows[0].plans == () and "21 wires" in rows[0].note and "21 wires" in rows[2].note


def test_a_million_inferences_are_counted_not_listed():
    result = estimate_cost(
        "vqc", inferences=1_000_000, options={"wires": "2"}, devices=("braket/garnet", "ibm/fez")
    )
    garnet, fez = result.rows
    assert garnet.plans[0].usd == 1_000_000 * (Decimal("0.30") + 512 * Decimal("0.00145"))
    assert garnet.plans[1].tasks == 10_000
    assert fez.plans[0].tasks == -(-1_000_000 // (10_000_000 // 512))


def test_shots_outside_a_named_devices_range_are_refused_and_noted_when_it_was_not_named(run_copy):
    with pytest.raises(QcliError) as refusal:
        estimate_cost(str(run_copy.path), shots=50, devices=("braket/forte-enterprise-1",))
    assert "100 to 5,000" in refusal.value.what
    rows = {row.terms.name: row for row in estimate_cost(str(run_copy.path), shots=50).rows}
    assert rows["braket/forte-enterprise-1"].plans == ()
    assert "100 to 5,000" in rows["braket/forte-enterprise-1"].note
    assert rows["braket/garnet"].plans
