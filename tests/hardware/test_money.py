"""Nothing is spent that was not allowed; several processes at once are benchmarks/chaos.py's."""

import json
from decimal import Decimal

import pytest

from qcli.assess.on_hardware import DRY_RUN, rescore
from qcli.assess.validate import validate_on_hardware
from qcli.price import ledger
from tests.cli.helpers import qcli
from tests.hardware.helpers import FEZ, GARNET, INFERENCES, SHOTS, Ends, copy

ASKED = f"--inferences {INFERENCES} --shots {SHOTS} --canary 2"


@pytest.fixture(autouse=True)
def own_ledger(tmp_path, monkeypatch):
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("device", [GARNET, FEZ])
def test_a_dry_run_asks_nobody_and_writes_nothing(remembered, tmp_path, monkeypatch, device):
    for name in ("AWS_ACCESS_KEY_ID", "QISKIT_IBM_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    run = copy(tmp_path / "run")
    content = validate_on_hardware(run, device, inferences=INFERENCES, shots=SHOTS)
    assert content["schema"] == DRY_RUN
    assert not (run.path / "hardware").exists()


@pytest.mark.parametrize("device", [GARNET, FEZ])
def test_a_cap_below_the_bill_is_refused_before_anything_is_submitted(bench, device):
    table = bench(device)
    usd = Decimal(table.validate(cap=None)["bill"]["usd_high"])
    table.fails(Ends(3, ["would be exceeded", "--max-cost"]), cap=usd - Decimal("0.01"))
    assert table.stand_in.submissions == 0
    table.validate(cap=usd)
    assert table.committed <= usd


def test_a_canary_that_does_not_come_back_costs_itself_alone(bench):
    table = bench(GARNET, contrast=0.0)
    table.fails(Ends(4, ["canary stopped", "foreseen were", "--no-canary"]))
    assert [len(entry.circuits) for entry in table.entries] == [2]
    content = table.validate(canary=0)
    assert [len(entry.circuits) for entry in table.entries] == [2, INFERENCES - 2]
    assert Decimal(content["cost"]["usd"]) == table.stand_in.charged


def test_the_ledger_has_one_entry_for_a_validation_however_often_it_is_run(bench):
    table = bench(GARNET)
    for _ in range(3):
        table.validate()
    (entry,) = ledger.read().entries
    assert entry.actual.usd == table.stand_in.charged == entry.estimate.usd


def test_offline_the_journal_gives_the_same_accuracy(bench, monkeypatch):
    table = bench(FEZ)
    content = table.validate()
    for name in table.stand_in.environment():
        monkeypatch.delenv(name)
    assert rescore(table.run, FEZ)["hardware"] == content["hardware"]


@pytest.mark.parametrize("typed", ["", "y\n", "99\n"])
def test_the_bill_must_be_typed(bench, monkeypatch, typed):
    table = bench(GARNET)
    monkeypatch.setattr("typer.prompt", lambda *args, **options: typed.strip())
    done = qcli(f"validate-on-hardware {table.run.path} --device {GARNET} --submit {ASKED}")
    assert done.code == 3
    assert "not confirmed" in done.what
    assert table.stand_in.submissions == 0


def test_a_bill_that_is_typed_is_the_cap(bench, monkeypatch):
    table = bench(GARNET)
    asked = []

    def agree(text, **options):
        asked.append(text.split()[1])
        return asked[-1]

    monkeypatch.setattr("typer.prompt", agree)
    done = qcli(f"validate-on-hardware {table.run.path} --device {GARNET} --submit {ASKED}")
    assert done.code == 0
    assert table.stand_in.charged <= Decimal(asked[0]) < table.stand_in.charged + Decimal("0.01")


@pytest.mark.parametrize("usd", ["NaN", "-1", "lots", "inf"])
def test_a_cap_is_an_amount(remembered, tmp_path, usd):
    run = copy(tmp_path / "run")
    done = qcli(f"validate-on-hardware {run.path} --device {GARNET} --max-cost={usd}")
    assert done.code == 2
    assert f"a cap of {usd} USD" in done.what


def test_jobs_are_listed_shown_and_awaited(bench):
    table = bench(GARNET)
    nothing = qcli(f"jobs list {table.run.path}")
    assert nothing.code == 2 and "nothing was submitted" in nothing.what
    table.validate()
    listed = json.loads(qcli(f"jobs list {table.run.path} --json").out)["jobs"]
    assert [(job["number"], job["state"], job["device"]) for job in listed] == [
        (1, "done", GARNET),
        (2, "done", GARNET),
    ]
    assert sum(Decimal(job["usd"]) for job in listed) == table.stand_in.charged
    shown = qcli(f"jobs show {table.run.path} 2 --device {GARNET}")
    assert shown.code == 0 and "submitted" in shown.out
    assert qcli(f"jobs show {table.run.path} 7").code == 2
    assert qcli(f"jobs wait {table.run.path}").code == 0
    assert json.loads(qcli(f"jobs list {table.run.path} --open --json").out)["jobs"] == []
    assert qcli(f"jobs wait {table.run.path} --device ibm/fez").code == 2
