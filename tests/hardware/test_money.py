"""What is paid: nothing unasked, nothing above the cap, nothing twice, and every cent is written down."""

import io
import json
import os
import socket
import subprocess
import sys
from decimal import Decimal
from unittest import mock

import pytest

from qcli.assess.on_hardware import DRY_RUN
from qcli.assess.scored import rescore
from tests.cli.helpers import qcli
from tests.hardware.helpers import (
    CANARY,
    FEZ,
    FOREVER,
    GARNET,
    INFERENCES,
    PATIENCE_S,
    SHOTS,
    Ends,
    undisturbed,
)
from tests.standins.server import Fault

BOTH = pytest.mark.parametrize("device", [GARNET, FEZ])


def offline(patch):
    """No credentials, and no way out of this computer."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "QISKIT_", "BRAKET_", "IAM_")):
            patch.delenv(name)

    def refused(*args, **more):
        raise AssertionError("the network was asked for")

    patch.setattr(socket.socket, "connect", refused)
    patch.setattr(socket, "getaddrinfo", refused)


def command(table, *more):
    asked = f"--device {table.device} --inferences {INFERENCES} --shots {SHOTS} --canary {CANARY}"
    return " ".join([f"validate-on-hardware {table.run.path} {asked}", *more])


@BOTH
def test_without_a_cap_the_bill_is_shown_and_nobody_is_asked(bench, device):
    table = bench(device)
    offline(table.patch)
    content = table.validate(cap=None)
    assert content["schema"] == DRY_RUN
    assert Decimal(content["bill"]["usd_high"]) > 0
    result = qcli(command(table))
    assert result.code == 0
    assert "nothing was submitted" in result.err
    assert not table.stand_in.calls
    assert not table.folder.exists()


@pytest.mark.parametrize("cap", ["NaN", "Infinity", "-1", "much"])
def test_a_cap_is_an_amount(bench, cap):
    table = bench()
    result = qcli(command(table, f"--max-cost={cap}"))
    assert result.code == 2
    assert "a cap of" in result.what
    if cap != "much":
        table.fails(Ends(2, ["a cap of", "--max-cost"]), cap=cap)
    assert not table.stand_in.calls


@pytest.mark.parametrize(
    ("typed", "code", "tasks"),
    [("{bill}", 0, 2), ("1000", 3, 0), ("y", 3, 0), ("", 3, 0)],
    ids=["the amount", "another amount", "yes", "nothing"],
)
def test_submit_asks_for_the_amount_to_be_typed(bench, typed, code, tasks):
    table = bench()
    bill = f"{undisturbed(GARNET, None, ()).usd:.2f}"  # 1.1568 is shown rounded up, 1.16
    with mock.patch.object(sys, "stdin", io.StringIO(typed.format(bill=bill) + "\n")):
        result = qcli(command(table, "--submit"))
    assert result.code == code, result.err
    assert bill in result.out + result.err
    assert table.stand_in.submissions == tasks
    if code:
        assert "error: not confirmed: nothing was submitted" in result.err


@BOTH
def test_a_bill_above_the_cap_is_refused_before_anything_is_submitted(bench, device):
    table = bench(device)
    bill = Decimal(table.validate(cap=None)["bill"]["usd_high"])
    table.fails(Ends(3, ["cap of", "raise --max-cost", "fewer inferences"]), cap=bill - Decimal("0.0001"))
    assert table.stand_in.submissions == 0
    table.validate(cap=bill)
    table.check_ended()
    assert table.committed <= bill


def test_a_cap_below_what_is_paid_submits_nothing_more(bench):
    table = bench()
    table.stand_in.faults.append(Fault("CreateQuantumTask", "DeviceOfflineException", FOREVER, after=1))
    table.fails(Ends(1, ["offline"]))
    table.stand_in.faults.clear()
    paid = table.committed
    table.fails(Ends(3, [f"{paid:.2f} USD are paid or reserved"]), cap=paid)
    assert table.stand_in.submissions == 1
    table.validate(cap=undisturbed(GARNET, None, ()).usd)
    table.check_ended()


@BOTH
def test_a_canary_that_does_not_come_back_stops_the_run(bench, device):
    table = bench(device, contrast=0.0)
    for _ in range(2):  # the same command again does not pay again
        error = table.fails(Ends(4, ["the canary stopped the run", "off simulation", "--no-canary"]))
        assert f"{table.committed:.2f} USD were spent" in error.what
        assert table.stand_in.submissions == 1
    canary = table.committed
    content = table.validate(canary=0)
    assert content["canary"] is None
    assert table.states == ["done", "done"]
    assert table.stand_in.submissions == 2
    assert canary < table.committed <= Decimal(table.validate(cap=None)["bill"]["usd_high"])
    table.check_books()


@BOTH
def test_running_the_same_again_pays_nothing_and_changes_nothing(bench, device):
    table = bench(device)
    first = table.validate()
    again = table.validate()
    assert table.stand_in.submissions == 2
    told = ("hardware", "cost", "canary", "calibrations", "flipped", "forecast")
    assert {name: again[name] for name in told} == {name: first[name] for name in told}
    table.check_ended()


def test_more_samples_cost_only_what_is_new(bench):
    table = bench(plan="separate")
    table.validate()
    table.validate(inferences=INFERENCES + 2)
    assert table.stand_in.submissions == INFERENCES + 2
    assert table.committed == table.stand_in.charged


def test_a_repetition_is_measured_and_paid_anew(bench):
    table = bench()
    once = undisturbed(GARNET, None, ()).usd
    table.validate(cap=once)
    table.fails(Ends(3, ["cap of"]), cap=once, repetition=1)
    assert table.stand_in.submissions == 2
    table.validate(cap=2 * once, repetition=1)
    assert table.committed == table.stand_in.charged == 2 * once


@BOTH
def test_a_validation_is_one_line_of_the_ledger(bench, device, tmp_path):
    table = bench(device)
    table.patch.setenv("QCLI_HOME", str(tmp_path / "home"))
    operation = "GetObject" if device == GARNET else "GetResults"
    table.stand_in.faults.append(Fault(operation, "late", FOREVER))
    table.patient(0.2)
    table.fails(Ends(1))
    table.stand_in.faults.clear()
    table.patient(PATIENCE_S)
    assert not (tmp_path / "home" / "ledger.jsonl").exists()
    for _ in range(3):
        table.validate()
    (line,) = (tmp_path / "home" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    entry = json.loads(line)
    assert Decimal(entry["actual"]["usd"]) == table.committed
    assert entry["device"] == device
    assert entry["actual"]["tasks"] == 2


@BOTH
def test_it_is_scored_again_without_an_account(bench, device):
    table = bench(device)
    first = table.validate()
    measured = table.table
    offline(table.patch)
    again = rescore(table.run, device)
    for name in ("hardware", "cost", "canary", "flipped", "mean_abs_delta_expval", "forecast"):
        assert again[name] == first[name], name
    assert again["simulation"]["accuracy"] == first["simulation"]["accuracy"]
    assert table.table == measured


def test_qcli_assess_needs_no_account(bench):
    table = bench()
    first = table.validate()
    offline(table.patch)
    result = qcli(f"assess {table.run.path} --json")
    assert result.code == 0, result.err
    (content,) = json.loads(result.out)["assessments"]
    assert content["hardware"] == first["hardware"]


def rules(folder, text):
    path = folder / "qcli.toml"
    path.write_text(f"[policy]\n{text}\n")
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('max_usd = "1.15"', "max_usd 1.15 USD: found 1.16 USD (upper end)"),
        ('max_usd = "50"', "max_usd 50 USD: found a cap of 100 USD"),
        ('max_usd_per_inference = "0.1"', "max_usd_per_inference 0.10 USD: found 0.19 USD"),
        ('devices = ["ibm/*"]', "devices ibm/*: found braket/garnet"),
        ('plans = ["job"]', "plans job: found"),
        ("deadline_s = 0", "deadline_s 0 s: found"),
    ],
)
def test_what_is_against_the_policy_is_refused_before_anything_is_submitted(bench, tmp_path, text, said):
    table = bench()
    result = qcli(command(table, "--max-cost 100 --policy", str(rules(tmp_path, text))))
    assert result.code == 3, result.err
    assert said in result.what
    assert "change the rule" in result.err
    assert table.stand_in.submissions == 0
    assert not (table.folder / "journal.sqlite").exists()


@BOTH
def test_the_nearest_policy_holds_for_a_dry_run_too(bench, device, tmp_path):
    table = bench(device)
    rules(tmp_path, 'max_usd = "0.05"')
    table.patch.chdir(tmp_path)
    for more in ((), ("--submit",)):  # nobody is asked to confirm what is refused
        result = qcli(command(table, *more))
        assert result.code == 3
        assert "max_usd 0.05 USD: found" in result.what
        assert "against the policy: max_usd" in result.out
    content = json.loads(qcli(command(table, "--json")).out)
    assert len(content["policy"]["breaches"]) == 1
    assert not table.stand_in.calls


def test_the_cheapest_plan_is_one_that_the_policy_allows(bench, tmp_path):
    table = bench()
    result = qcli(command(table, "--json --policy", str(rules(tmp_path, 'plans = ["separate"]'))))
    assert result.code == 0
    content = json.loads(result.out)
    assert content["bill"]["plan"] == "separate"
    assert content["policy"]["breaches"] == []


def test_a_policy_that_came_later_keeps_what_is_paid_and_stops_the_rest(bench, tmp_path):
    table = bench()
    table.stand_in.faults.append(Fault("CreateQuantumTask", "DeviceOfflineException", FOREVER, after=1))
    table.fails(Ends(1, ["offline"]))
    table.stand_in.faults.clear()
    later = rules(tmp_path, 'devices = ["ibm/*"]')
    line = command(table, "--max-cost 20 --policy", str(later))
    result = qcli(line)
    assert result.code == 3
    assert "devices ibm/*: found braket/garnet" in result.what
    assert table.stand_in.submissions == 1
    table.validate()
    table.check_ended()
    assert qcli(line).code == 0  # all is in the journal
    assert table.stand_in.submissions == 2


@pytest.mark.slow
def test_two_at_once_on_one_run_directory_submit_every_circuit_once(bench):
    table = bench(plan="separate", queue_s=0.5)
    line = command(table, "--plan separate --max-cost", str(undisturbed(GARNET, "separate", ()).usd))
    script = [sys.executable, "-c", "from qcli.cli.main import run; run()", *line.split()]
    both = [subprocess.Popen(script, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) for _ in range(2)]
    said = [process.communicate(timeout=900)[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    table.check_ended()
    assert table.stand_in.submissions == INFERENCES
