"""The tables of a case study: the talk's own figures, and a run directory's own money, time and accuracy."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qcli import QcliError, Run
from qcli.assess import talk
from qcli.assess.question import Spending, identity
from qcli.assess.talk import Charged, Inferred, talk_tables
from qcli.assess.validate import validate_on_hardware
from qcli.execute.journal import Journal
from qcli.execute.record import Circuit, Task
from tests.price.test_talk_table import TALK
from tests.report import example
from tests.standins.braket import BraketStandIn

SIZES = {"ankaa-3": 82, "emerald": 54, "garnet": 20, "forte-enterprise-1": 36}
SECONDS = {"ankaa-3": 0.495, "emerald": 1.294, "garnet": 1.166, "forte-enterprise-1": 371.405}


def put(run: Run, content: dict[str, Any], **validation: Any) -> Path:
    """An assessment into its folder, with what it was asked for if that is given."""
    folder = run.path / "hardware" / content["device"].replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "assessment.json").write_text(json.dumps(content))
    if validation:
        asked = example.validation() | {"device": content["device"], "contracts": {}} | validation
        (folder / "validation.json").write_text(json.dumps(asked))
    return folder


def rehearsed(device: str = "emulator/garnet", **changed: Any) -> dict[str, Any]:
    return example.assessment(device) | changed


def journal(run: Run, tasks: int = 3, circuits: int = 50, usd: str | None = "38.02") -> None:
    """Of braket/garnet: so many circuits in so many tasks that cost `usd` together, or are not billed yet."""
    folder = run.path / "hardware" / "braket-garnet"
    opened = Journal(folder / "journal.sqlite", "braket/garnet", identity(run))
    places = np.array_split(np.arange(circuits), tasks)
    each = None if usd is None else Decimal(usd) / tasks
    for number, part in enumerate(places):
        members = tuple(Circuit(f"c{k}", "program", np.array([float(k)]), 512, "{}") for k in part)
        detail = {"shots": [512] * len(part), "estimated_usd": "12", "compile_s": 0.1}
        token = f"t{number}"
        opened.intend(
            Task(token, "program-sets", members, Decimal(20), None, "2026-05-05", detail, b""), None
        )
        opened.submitted(token, f"arn:{number}", {"submit_s": 0.1})
        opened.settle(token, "done", each, {"qpu_s": None}, {member.key: {0: 512} for member in members})
    opened.close()


def tables(run: Run) -> tuple[dict[str, Inferred], dict[str, Charged]]:
    found = talk_tables(run.path)
    return {row.device: row for row in found.inferred}, {row.device: row for row in found.charged}


@pytest.mark.parametrize(("device", "shots", "printed", "exact"), TALK)
def test_one_task_per_inference_costs_what_the_talk_printed(
    run_copy: Run, device: str, shots: int, printed: str, exact: str
) -> None:
    name = device.replace("braket/", "emulator/")
    put(run_copy, rehearsed(name))
    assert tables(run_copy)[1][name].one_task_each[shots] == Decimal(exact)


@pytest.mark.parametrize("name", SIZES)
def test_vendor_size_and_time_are_those_of_the_talk_s_devices(run_copy: Run, name: str) -> None:
    put(run_copy, rehearsed(f"emulator/{name}"))
    row = tables(run_copy)[0][f"emulator/{name}"]
    assert row.vendor == {"forte-enterprise-1": "IonQ", "ankaa-3": "Rigetti"}.get(name, "IQM")
    assert row.qubits == SIZES[name]
    assert row.time is not None and row.time.low < SECONDS[name] < row.time.high
    assert row.time.basis == "assumed"


def test_a_rehearsal_is_labelled_and_priced_as_the_real_device(run_copy: Run) -> None:
    put(run_copy, rehearsed())
    inferred, charged = (found["emulator/garnet"] for found in tables(run_copy))
    assert (inferred.kind, inferred.priced_as) == (charged.kind, charged.priced_as)
    assert (inferred.kind, inferred.priced_as) == ("rehearsal", "braket/garnet")
    assert inferred.usd_per_inference == Decimal("50.04") / 48
    assert (charged.usd, charged.plan, charged.tasks) == (Decimal("50.04"), "separate", None)
    assert (charged.usd_per_task, charged.usd_per_shot) == (Decimal("0.30"), Decimal("0.00145"))
    assert charged.journal is None


@pytest.mark.parametrize("changed", [{"mitigation": ["zne=1,3"]}, {"adaptive": example.stages()}])
def test_no_time_is_claimed_for_a_rehearsal_that_is_more_than_one_circuit_a_task(
    run_copy: Run, changed: dict[str, Any]
) -> None:
    put(run_copy, rehearsed(**changed))
    assert tables(run_copy)[0]["emulator/garnet"].time is None


def test_a_device_shows_what_was_measured_and_paid(run_copy: Run) -> None:
    put(run_copy, example.measured())
    inferred, charged = (found["braket/garnet"] for found in tables(run_copy))
    assert inferred.kind == "device"
    assert inferred.accuracy is not None and inferred.accuracy[0] == 46 / 48, "with its mitigation"
    assert inferred.time == talk.Seconds(3.1, 3.1, "measured")
    assert inferred.usd_per_inference == Decimal("38.02") / 48
    assert (charged.usd, charged.usd_open, charged.tasks) == (Decimal("38.02"), Decimal(0), 3)
    assert (charged.inferences, charged.shots, charged.plan) == (48, 512, "program-sets")


def test_a_bill_that_came_after_the_assessment_is_taken_from_the_journal(run_copy: Run) -> None:
    put(run_copy, example.measured(cost=example.paid(usd="60", usd_open="60")))
    journal(run_copy, usd="36.24")
    charged = tables(run_copy)[1]["braket/garnet"]
    assert (charged.usd, charged.usd_open) == (Decimal("36.24"), Decimal(0))


def test_what_else_the_journal_holds_does_not_count_for_the_validation(run_copy: Run) -> None:
    put(run_copy, example.measured())
    journal(run_copy, tasks=5, circuits=80, usd="60")
    charged = tables(run_copy)[1]["braket/garnet"]
    assert (charged.usd, charged.tasks) == (Decimal("38.02"), 3)
    assert charged.journal is not None
    assert (charged.journal.usd, charged.journal.tasks, charged.journal.circuits) == (Decimal(60), 5, 80)


def test_what_an_unfinished_run_has_cost_is_shown_without_an_accuracy(run_copy: Run) -> None:
    put(run_copy, example.measured(), max_flips=None)
    journal(run_copy, tasks=2, circuits=8, usd=None)
    (run_copy.path / "hardware" / "braket-garnet" / "assessment.json").unlink()
    inferred, charged = (found["braket/garnet"] for found in tables(run_copy))
    assert (inferred.accuracy, inferred.time, inferred.usd_per_inference) == (None, None, None)
    assert (charged.usd, charged.usd_open, charged.tasks) == (Decimal(40), Decimal(40), 2)
    assert (charged.inferences, charged.shots, charged.plan) == (48, 512, "program-sets")


@pytest.mark.parametrize(
    ("contract", "usd_per_s"), [({}, "1.60"), ({"ibm": "flex"}, "1.20"), ({"ibm": "open"}, "0")]
)
def test_ibm_is_priced_by_the_qpu_second_under_the_contract_of_the_run(
    run_copy: Run, contract: dict[str, str], usd_per_s: str
) -> None:
    put(run_copy, example.measured(device="ibm/kingston"), contracts=contract)
    charged = tables(run_copy)[1]["ibm/kingston"]
    assert (charged.usd_per_task, charged.usd_per_shot) == (None, None)
    assert charged.usd_per_qpu_s == Decimal(usd_per_s)


def test_ibm_s_jobs_of_one_inference_cost_whole_seconds_each(run_copy: Run) -> None:
    put(run_copy, example.measured(device="ibm/fez"))
    usd = tables(run_copy)[1]["ibm/fez"].one_task_each[512]
    assert usd is not None and usd % (48 * Decimal("1.60")) == 0 < usd


def test_a_device_without_prices_is_listed_without_money(run_copy: Run) -> None:
    put(run_copy, rehearsed("pennylane:lightning.qubit", cost=None))
    inferred, charged = (found["pennylane:lightning.qubit"] for found in tables(run_copy))
    assert (inferred.kind, inferred.vendor, inferred.qubits) == ("device", None, None)
    assert inferred.accuracy is not None and inferred.time is not None
    assert (charged.usd, charged.usd_per_task, charged.one_task_each[512]) == (None, None, None)


def test_shots_that_a_device_does_not_take_have_no_price(
    run_copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "SHOTS", (512, 10**6))
    put(run_copy, rehearsed())
    assert tables(run_copy)[1]["emulator/garnet"].one_task_each == {512: Decimal("50.0352"), 10**6: None}


def test_a_model_of_several_circuits_has_as_many_tasks_an_inference(
    run_copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(run_copy, rehearsed())
    one = tables(run_copy)[1]["emulator/garnet"].one_task_each[512]
    monkeypatch.setattr(talk, "subject_of", lambda path, options: type("Subject", (), {"per_inference": 3}))
    assert one is not None and tables(run_copy)[1]["emulator/garnet"].one_task_each[512] == 3 * one


def simulator(run: Run) -> Inferred:
    return tables(run)[0]["simulator"]


def test_the_simulator_is_timed_by_its_own_validation(run_copy: Run) -> None:
    put(run_copy, rehearsed())
    assert simulator(run_copy).time is None
    latency = {"compile": 0.0, "execute": 0.1, "postprocess": 0.047, "total": 0.147}
    put(run_copy, rehearsed("sim", latency_s_per_inference=latency, shots=None, cost={"usd": "0"}))
    row = simulator(run_copy)
    assert row.time == talk.Seconds(0.147, 0.147, "measured")
    assert (row.kind, row.usd_per_inference, row.shots) == ("simulator", None, None)
    assert row.accuracy is not None and row.accuracy[0] == 47 / 48
    assert "sim" not in tables(run_copy)[1], "it charges nothing"


def test_the_simulator_is_timed_beside_a_device_where_the_assessment_has_it(run_copy: Run) -> None:
    content = rehearsed()
    content["simulation"]["seconds_per_inference"] = 0.002
    put(run_copy, content)
    put(run_copy, rehearsed("emulator/fez", inferences=60))
    assert simulator(run_copy).time == talk.Seconds(0.002, 0.002, "measured")


def test_simulator_devices_and_rehearsals_stand_in_this_order(run_copy: Run) -> None:
    for content in (rehearsed(), example.measured(), rehearsed("emulator/fez"), rehearsed("sim")):
        put(run_copy, content)
    found = talk_tables(run_copy.path)
    order = ["simulator", "braket/garnet", "emulator/fez", "emulator/garnet"]
    assert [row.device for row in found.inferred] == order
    assert [row.device for row in found.charged] == order[1:]


def test_money_is_exact_as_json_too(run_copy: Run) -> None:
    put(run_copy, example.measured())
    content = json.loads(json.dumps(talk_tables(run_copy.path).to_json()))
    assert (content["schema"], content["model"], content["circuits_per_inference"]) == (
        "qcli.talk/1",
        "vqc",
        1,
    )
    (row,) = content["charged"]
    assert (row["usd"], row["one_task_each"]) == ("38.0200", {"512": "50.03520", "1024": "85.67040"})
    money = [
        row["usd"],
        row["usd_per_task"],
        row["usd_per_shot"],
        content["inferred"][1]["usd_per_inference"],
    ]
    assert all(isinstance(amount, str) for amount in money)


def test_what_a_run_really_paid_is_what_the_vendor_charged(
    run_copy: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QCLI_POLL_S", "0.05")
    with BraketStandIn() as vendor:
        for name, value in vendor.environment().items():
            monkeypatch.setenv(name, value)
        spending = Spending(max_cost=Decimal(40))
        validate_on_hardware(run_copy, "braket/garnet", inferences=24, spending=spending)
        charged = tables(run_copy)[1]["braket/garnet"]
        assert charged.usd == vendor.charged
        assert charged.tasks == vendor.submissions
    assert charged.journal is not None and charged.journal.circuits == 24
    assert tables(run_copy)[0]["braket/garnet"].usd_per_inference == vendor.charged / 24


def test_without_a_validation_there_are_no_tables(run_copy: Run) -> None:
    with pytest.raises(QcliError, match="nothing was validated") as refusal:
        talk_tables(run_copy.path)
    assert "emulator/garnet" in refusal.value.fix


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"cost": example.paid(usd=38.02)}, r"cost\.usd: .*binary float"),
        ({"simulation": {}}, r"simulation\.accuracy"),
        ({"schema": "other"}, "schema"),
    ],
)
def test_a_damaged_assessment_is_named(run_copy: Run, change: dict[str, Any], what: str) -> None:
    folder = put(run_copy, example.measured(**change))
    with pytest.raises(QcliError, match=what) as refusal:
        talk_tables(run_copy.path)
    assert str(folder) in refusal.value.where
