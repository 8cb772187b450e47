"""From laptop through HPC to QPU, each stage gated by the one before."""

import json
from decimal import Decimal

import pytest

from qcli.errors import QcliError
from qcli.progress.run import folder_of, progress
from qcli.progress.stage import STAGES, Folder, work_folder
from qcli.progress.status import status
from qcli.train.run import Run
from tests.progress.helpers import inline, plan_of


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A progression that passed all its gates, and what it said on the way."""
    plan = plan_of(tmp_path_factory.mktemp("progression") / "p")
    said = []
    progress(plan, inline, on_step=lambda stage, text: said.append((stage, text)))
    return plan, said


def test_all_stages_pass_in_order_and_say_what_they_do(finished):
    plan, said = finished
    folder = folder_of(plan)
    assert [folder.state(stage) for stage in STAGES] == ["passed"] * 3
    assert [stage for stage, _ in said] == sorted((stage for stage, _ in said), key=STAGES.index)
    assert {check.name for check in folder.result("laptop").checks} >= {
        "training reduces the loss",
        "gradients reach every weight",
        "the circuit fits braket/garnet",
        "the circuit fits ibm/fez",
    }


def test_the_search_its_seeds_and_the_final_training_are_there(finished):
    plan, _ = finished
    content = status(plan)
    (_, hpc, qpu) = content["stages"]
    assert [(part["name"], part["trials"]) for part in hpc["parts"]] == [
        ("search", {"complete": 2}),
        ("seeds", {"complete": 4}),
    ]
    assert hpc["jobs"] == {"done": 7}
    run = Run.open(hpc["facts"]["run"])
    assert run.info.training.epochs == 6
    assert run.info.training.lr == hpc["facts"]["point"]["lr"]
    assert run.info.training.seeds == 2
    assert (run.path / "hardware" / "emulator-garnet" / "assessment.json").is_file()
    assert qpu["facts"]["device"] == "emulator/garnet"


def test_running_it_again_does_nothing(finished):
    plan, _ = finished
    before = folder_of(plan).log.path.read_bytes()
    said = []
    progress(plan, inline, on_step=lambda stage, text: said.append(text))
    assert said == []
    assert folder_of(plan).log.path.read_bytes() == before


def test_a_gate_that_is_not_met_says_what_was_measured_asked_and_what_to_try(tmp_path):
    plan = plan_of(tmp_path / "p", limits={"min_gradient_variance": 10.0})
    with pytest.raises(QcliError) as caught:
        progress(plan, inline)
    assert caught.value.exit_code == 4
    assert "measured" in caught.value.what
    assert "asked variance of at least 10 (assumed)" in caught.value.what
    assert "fewer wires" in caught.value.fix
    assert Folder(tmp_path / "p").state("laptop") == "stopped"
    assert Folder(tmp_path / "p").state("hpc") == "not begun"


def test_a_stage_that_was_stopped_may_be_asked_for_less_and_keeps_its_work(tmp_path):
    with pytest.raises(QcliError):
        progress(plan_of(tmp_path / "p", limits={"min_gradient_variance": 10.0}), inline)
    plan = plan_of(tmp_path / "p", limits={"max_degradation": 0.0, "budget": "0.01"})
    trained = work_folder(folder_of(plan), plan, "laptop") / "run" / "model.safetensors"
    stamp = trained.stat().st_mtime_ns
    with pytest.raises(QcliError) as caught:
        progress(plan, inline)
    assert trained.stat().st_mtime_ns == stamp
    assert "stage hpc" in caught.value.what
    assert "bill on braket/garnet: measured" in caught.value.what
    assert "asked at most 0.01 USD" in caught.value.what


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"shots": 256}, "-shots = 128\n+shots = 256"),
        ({"training": {"lr": 0.1}}, "-training.lr = 0.05\n+training.lr = 0.1"),
        ({"laptop": {"epochs": 9}}, "-laptop.epochs = 3\n+laptop.epochs = 9"),
        ({"space": {"lr": {"choice": [0.02]}}}, "space.lr.choice"),
    ],
)
def test_an_edited_file_is_refused_with_the_difference(finished, change, shown):
    plan, _ = finished
    edited = plan_of(plan.out, **change)
    with pytest.raises(QcliError, match="edited after stage laptop had passed its gate") as caught:
        progress(edited, inline)
    assert shown in caught.value.what


def test_where_the_work_runs_and_what_may_be_spent_may_be_edited(finished):
    plan, _ = finished
    progress(plan_of(plan.out, hpc={"workers": 7}, qpu={"max_cost": "3"}), inline)


def test_an_interrupted_stage_goes_on_where_it_was(tmp_path):
    plan = plan_of(tmp_path / "p")

    def stop(stage, text):
        if text == "forecasting and pricing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        progress(plan, inline, on_step=stop)
    folder = folder_of(plan)
    assert [folder.state(stage) for stage in STAGES] == ["passed", "begun", "not begun"]
    events = (work_folder(folder, plan, "hpc") / "search" / "events.jsonl").read_bytes()
    progress(plan, inline)
    assert folder.state("qpu") == "passed"
    assert (work_folder(folder, plan, "hpc") / "search" / "events.jsonl").read_bytes() == events


def test_a_real_device_is_a_dry_run_unless_money_may_be_spent(tmp_path):
    plan = plan_of(tmp_path / "p", qpu={"device": "braket/garnet"}, space={})
    progress(plan, inline)
    folder = folder_of(plan)
    assert folder.state("qpu") == "dry run"
    canary_and_rest = 2 * Decimal("0.30") + 12 * 128 * Decimal("0.00145")
    assert Decimal(folder.result("qpu").facts["usd_high"]) == canary_and_rest
    assert not list((tmp_path / "p").rglob("journal.sqlite"))


def test_the_forecast_may_choose_the_device(tmp_path):
    plan = plan_of(tmp_path / "p", qpu={"device": "recommended"}, limits={"max_degradation": 100}, space={})
    progress(plan, inline)
    chosen = folder_of(plan).result("hpc").facts["device"]
    estimates = sorted((tmp_path / "p").rglob("estimates/*.json"))
    assert chosen == json.loads(estimates[-1].read_text())["recommendation"]["device"]
    assert folder_of(plan).result("qpu").facts["device"] == chosen


def test_a_device_that_is_not_a_target_is_refused(tmp_path):
    with pytest.raises(QcliError, match="not among the targets") as caught:
        progress(plan_of(tmp_path / "p", qpu={"device": "emulator/emerald"}, space={}), inline)
    assert "braket/emerald" in caught.value.fix


def test_spending_needs_a_cap(tmp_path):
    with pytest.raises(ValueError, match="spend = true needs max_cost"):
        plan_of(tmp_path / "p", qpu={"spend": True})
