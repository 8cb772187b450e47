"""A validation on a real device from the bill to the assessment, through the vendors' clients, on stand-ins."""

import json
from decimal import Decimal

import pandas as pd
import pytest

from qcli import QcliError
from qcli.assess.on_hardware import DRY_RUN
from qcli.assess.question import Spending
from qcli.assess.scored import rescore
from qcli.assess.validate import validate_on_hardware
from qcli.execute.journal import Journal
from qcli.price import ledger
from tests.standins.braket import BraketStandIn
from tests.standins.ibm import IbmStandIn

COUNT, SHOTS = 16, 64
STAND_INS = {"braket/garnet": BraketStandIn, "ibm/fez": IbmStandIn}


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("QCLI_POLL_S", "0.02")
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))


@pytest.fixture(params=STAND_INS)
def device(request):
    return request.param


@pytest.fixture
def service(device, monkeypatch):
    with STAND_INS[device]() as stand_in:
        for name, value in stand_in.environment().items():
            monkeypatch.setenv(name, value)
        yield stand_in


def validated(run, device, usd="60", canary=2, plan=None, **more):
    spending = Spending(max_cost=Decimal(usd), canary=canary, plan=plan)
    return validate_on_hardware(run, device, inferences=COUNT, shots=SHOTS, spending=spending, **more)


def bill(run, device, **more):
    return validate_on_hardware(
        run, device, inferences=COUNT, shots=SHOTS, spending=Spending(canary=2), **more
    )


def test_without_a_cap_nothing_is_asked_of_anybody(run_copy, device):
    content = bill(run_copy, device)
    assert content["schema"] == DRY_RUN
    assert not (run_copy.path / "hardware").exists()
    assert [step["circuits"] for step in content["bill"]["steps"]] == [2, COUNT - 2]


def test_a_validation_costs_what_its_bill_says_and_ends_in_the_ledger_once(run_copy, device, service):
    foreseen = Decimal(bill(run_copy, device)["bill"]["usd"])
    content = validated(run_copy, device)
    assert Decimal(content["cost"]["usd_estimated"]) == foreseen
    assert abs(Decimal(content["cost"]["usd"]) - foreseen) <= (0 if device.startswith("braket") else 2)
    assert content["hardware"]["accuracy"]["value"] > 0.8
    assert content["canary"]["passed"]
    assert content["forecast"]["accuracy"]["low"] <= content["forecast"]["accuracy"]["high"]
    drop = content["drop"]
    assert drop["readout"] + drop["shot_noise"] + drop["rest"] == pytest.approx(drop["mean_squared_error"])
    assert all(seconds is None or seconds >= 0 for seconds in content["latency_s_per_inference"].values())
    again = validated(run_copy, device)
    assert service.submissions == 2
    assert again["hardware"] == content["hardware"]
    (entry,) = ledger.read().entries
    assert entry.actual.usd == Decimal(content["cost"]["usd"])
    assert entry.estimate.usd == foreseen


def test_the_journal_alone_gives_the_same_assessment(run_copy, device, service, monkeypatch):
    content = validated(run_copy, device)
    for name in service.environment():
        monkeypatch.delenv(name)
    found = rescore(run_copy, device)
    changing = ("created", "latency_s_per_inference", "simulation")
    assert {k: v for k, v in found.items() if k not in changing} == {
        k: v for k, v in json.loads(json.dumps(content)).items() if k not in changing
    }


def test_more_inferences_pay_for_the_new_ones_alone(run_copy, device, service):
    validated(run_copy, device, canary=0)
    more = validate_on_hardware(
        run_copy,
        device,
        inferences=COUNT + 4,
        shots=SHOTS,
        spending=Spending(max_cost=Decimal(60), canary=0),
    )
    path = run_copy.path / "hardware" / device.replace("/", "-") / "journal.sqlite"
    journal = Journal.reading(path)
    assert [len(entry.circuits) for entry in journal.entries()] == [COUNT, 4]
    journal.close()
    assert more["inferences"] == COUNT + 4


def test_another_repetition_measures_anew(run_copy, device, service):
    validated(run_copy, device)
    validated(run_copy, device, repetition=1)
    assert service.submissions == 4


def test_mitigated_and_raw_stand_side_by_side_with_measured_readout(run_copy, device, service):
    content = validated(run_copy, device, mitigation=["readout", "zne=1,3"])
    assert content["raw"]["mean_abs_delta_expval"] != content["mean_abs_delta_expval"]
    assert content["drop"]["readout_basis"] == "measured"
    assert content["cost"]["circuits"] == 2 * COUNT + 2
    table = pd.read_csv(
        run_copy.path / "hardware" / device.replace("/", "-") / "samples.csv", dtype={"label": str}
    )
    assert {"z_sim_0", "z_dev_0", "z_raw_0"} <= set(table.columns)


def test_adaptive_shots_cost_less_than_uniform_ones(run_copy, device, service):
    content = validate_on_hardware(
        run_copy, device, inferences=COUNT, adaptive=True, spending=Spending(max_cost=Decimal(30), canary=2)
    )
    plan = content["adaptive"]
    assert plan["mean_shots"] < 512
    assert content["cost"]["shots"] == plan["first"] * COUNT + plan["second"] * plan["revisited"]


@pytest.mark.parametrize("plan", ["separate", "program-sets", "parametrised"])
def test_braket_takes_each_plan_for_what_it_says(run_copy, monkeypatch, plan):
    with BraketStandIn() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        content = validated(run_copy, "braket/garnet", plan=plan)
        tasks = list(service.tasks.values())
        assert Decimal(content["cost"]["usd"]) == service.charged
    assert len(tasks) == (COUNT if plan == "separate" else 2)
    if plan == "parametrised":
        (program,) = tasks[-1].action["programs"]
        assert {len(values) for values in program["inputs"].values()} == {COUNT - 2}


@pytest.mark.parametrize("plan", ["job", "batch", "session"])
def test_ibm_takes_each_mode(run_copy, monkeypatch, plan):
    with IbmStandIn() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        content = validated(run_copy, "ibm/fez", plan=plan)
        jobs = list(service.jobs.values())
    assert {job.session_id is None for job in jobs} == {plan == "job"}
    assert all(job.max_execution_time for job in jobs)
    assert content["cost"]["plan"] == plan


def test_mitigation_by_the_vendor_is_asked_of_the_vendor(run_copy, monkeypatch):
    with IbmStandIn() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        validated(run_copy, "ibm/fez", mitigation=["trex", "twirl=16", "dd"], canary=0)
        (job,) = service.jobs.values()
    assert len(job.program.items) == COUNT + 2
    text = json.dumps(job.inputs)
    assert "XpXm" in text


def test_the_vendor_s_compiler_may_place_the_circuit(run_copy, monkeypatch):
    with BraketStandIn() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        content = validated(run_copy, "braket/garnet", vendor_compile=True)
        assert all("verbatim" not in json.dumps(task.action) for task in service.tasks.values())
    assert content["hardware"]["accuracy"]["value"] > 0.8


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"plan": "session"}, "plan 'session' on braket/garnet"),
        ({"usd": "NaN"}, "a cap of NaN USD"),
        ({"usd": "-1"}, "a cap of -1 USD"),
        ({"mitigation": ["debias"]}, "no debiasing"),
        ({"adaptive": True, "mitigation": ["readout"]}, "no shots can be planned"),
        ({"vendor_compile": True, "mitigation": ["zne"]}, "does not go with folded gates"),
    ],
)
def test_bad_input_is_refused_before_anything_is_submitted(run_copy, monkeypatch, more, what):
    with BraketStandIn() as service:
        for name, value in service.environment().items():
            monkeypatch.setenv(name, value)
        with pytest.raises(QcliError) as refusal:
            validated(run_copy, "braket/garnet", **more)
        assert service.submissions == 0
    assert what in refusal.value.what and refusal.value.exit_code == 2
