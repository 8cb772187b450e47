"""Faults of Amazon Braket, S3 and STS, and of the way to them: each ends in success, or in one clear message."""

import datetime
import logging
from decimal import Decimal

import pytest

from qcli.assess.jobs import wait
from qcli.execute.braket import BraketOptions
from qcli.execute.select import ServiceOptions
from tests.cli.helpers import qcli
from tests.hardware.helpers import CAP, FOREVER, GARNET, PATIENCE_S, WELL, Ends, prove, undisturbed
from tests.standins import braket as stand_ins
from tests.standins.braket import ALTERED
from tests.standins.braket_devices import bundled
from tests.standins.server import Fault

ARN = stand_ins.GARNET
PASSING = ("throttle", "500", "503", "drop-before", "drop-after", "cut", "hang-before", "hang-after")
CALLS = (
    "GetDevice",
    "SearchSpendingLimits",
    "GetCallerIdentity",
    "CreateBucket",
    "CreateQuantumTask",
    "GetQuantumTask",
    "GetObject",
)
AGAIN = "same command again"


@pytest.mark.parametrize("kind", PASSING)
def test_passing_trouble_at_every_operation_is_overcome(bench, kind):
    prove(bench(), [Fault(operation, kind) for operation in CALLS])


@pytest.mark.parametrize("kind", ["500", "drop-after", "cut", "hang-after"])
def test_passing_trouble_in_the_middle_is_overcome(bench, kind):
    later = ("GetDevice", "CreateQuantumTask", "GetQuantumTask", "GetObject")
    prove(bench(), [Fault(operation, kind, after=1) for operation in later])


@pytest.mark.parametrize("operation", CALLS)
def test_one_trouble_after_the_other_is_overcome(bench, operation):
    prove(bench(), [Fault(operation, kind) for kind in PASSING])


def test_every_task_may_have_trouble(bench):
    kinds = ("drop-before", "drop-after", "cut", "500")
    faults = [Fault(name, kind, after=1) for name in ("CreateQuantumTask", "GetObject") for kind in kinds]
    prove(bench(plan="separate"), faults)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("GetDevice", "503"),
        ("SearchSpendingLimits", "500"),
        ("GetCallerIdentity", "throttle"),
        ("CreateBucket", "drop-before"),
        ("CreateQuantumTask", "throttle"),
        ("CreateQuantumTask", "hang-before"),
        ("CreateQuantumTask", "hang-after"),
        ("GetQuantumTask", "503"),
        ("GetObject", "cut"),
        ("GetObject", "late"),
    ],
)
def test_lasting_trouble_ends_when_patience_does(bench, operation, kind):
    table = bench()
    table.patient(0.2)
    prove(table, [Fault(operation, kind, FOREVER)], Ends(1, ["did not answer for 0.2 s", GARNET, AGAIN]))
    assert table.stand_in.submissions == 2


CREDENTIALS = "renew your AWS credentials"
CLOCK = "set this computer's clock"


@pytest.mark.parametrize(
    ("operation", "code", "expected"),
    [
        ("GetDevice", "ExpiredTokenException", Ends(1, ["token", CREDENTIALS])),
        ("GetDevice", "ResourceNotFoundException", Ends(1, ["same account and region"])),
        ("GetDevice", "AccessDeniedException", Ends(1, ["AmazonBraketFullAccess"])),
        ("SearchSpendingLimits", "AccessDeniedException", WELL),
        ("GetCallerIdentity", "ExpiredToken", Ends(1, [CREDENTIALS])),
        ("GetCallerIdentity", "InvalidClientTokenId", Ends(1, [CREDENTIALS])),
        ("CreateBucket", "AccessDenied", Ends(1, ["--s3 BUCKET"])),
        ("CreateBucket", "BucketAlreadyExists", Ends(1, ["another account", "--s3 BUCKET"])),
        ("CreateQuantumTask", "ExpiredTokenException", Ends(1, [CREDENTIALS])),
        ("CreateQuantumTask", "AccessDeniedException", Ends(1, ["AmazonBraketFullAccess"])),
        ("CreateQuantumTask", "ServiceQuotaExceededException", Ends(1, ["quota", "wait for tasks to end"])),
        ("CreateQuantumTask", "DeviceOfflineException", Ends(1, ["offline", "choose another device"])),
        ("CreateQuantumTask", "DeviceRetiredException", Ends(1, ["retired", "qcli devices"])),
        ("CreateQuantumTask", "RequestTimeTooSkewed", Ends(1, [CLOCK])),
        ("CreateQuantumTask", "SignatureDoesNotMatch", Ends(1, [CLOCK])),
        ("CreateQuantumTask", "ValidationException", Ends(1, ["the service's own"])),
        ("CreateQuantumTask", "spending-limit", Ends(3, ["raise the spending limit"])),
        ("GetQuantumTask", "ExpiredTokenException", Ends(1, [CREDENTIALS, "1 task is under way"])),
        ("GetQuantumTask", "ResourceNotFoundException", Ends(1, ["same account and region", "under way"])),
        ("GetObject", "ExpiredToken", Ends(1, [CREDENTIALS, "1 task is under way"])),
        ("GetObject", "forbidden", Ends(1, ["read and write the bucket", "1 task is under way"])),
        ("GetObject", "NoSuchBucket", Ends(1, ["bucket", "1 task is under way"])),
    ],
)
def test_a_refusal_says_what_to_do(bench, operation, code, expected):
    times = FOREVER if expected else 1
    prove(bench(), [Fault(operation, code, times)], expected)


@pytest.mark.parametrize(
    ("lost", "refused"),
    [
        ("hang-after", "ExpiredTokenException"),
        ("drop-after", "DeviceOfflineException"),
        ("drop-after", "spending-limit"),
    ],
)
def test_a_refusal_after_a_lost_answer_does_not_mean_that_there_is_no_task(bench, lost, refused):
    faults = [Fault("CreateQuantumTask", lost, 2), Fault("CreateQuantumTask", refused, FOREVER)]
    code = 3 if refused == "spending-limit" else 1
    prove(bench(), faults, Ends(code, ["may be under way", "reserved"]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIAOFSOMEBODYELSE00"}, Ends(1, ["invalid", CREDENTIALS])),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            Ends(2, ["no credentials", "AWS_PROFILE"]),
        ),
        ({"AWS_SECRET_ACCESS_KEY": None}, Ends(1, [CREDENTIALS])),
        ({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-west-2"}, WELL),
    ],
    ids=["wrong", "missing", "half", "another region"],
)
def test_credentials_of_the_environment(bench, changes, expected):
    table = bench()

    def set_to(values):
        for name, value in values.items():
            if value is None:
                table.patch.delenv(name)
            else:
                table.patch.setenv(name, value)

    right = {name: table.stand_in.environment()[name] for name in changes}
    set_to(changes)
    prove(table, (), expected, lambda: set_to(right))


def test_an_unknown_profile_is_named(bench):
    table = bench()
    services = ServiceOptions(BraketOptions(profile="nobodys"))
    table.fails(Ends(2, ["nobodys", "--profile", "list-profiles"]), services=services)
    assert not table.stand_in.calls


def test_a_bucket_of_ones_own_that_is_not_there(bench):
    table = bench()
    services = ServiceOptions(BraketOptions(s3="laboratory/qcli"))
    repair = lambda: table.stand_in.buckets.add("laboratory")  # noqa: E731
    error = prove(table, (), Ends(1, ["does not exist"]), repair, services=services)
    assert "laboratory" not in str(error)
    assert {task.bucket for task in table.stand_in.tasks.values()} == {"laboratory"}


def test_a_result_that_comes_right_at_a_later_look(bench):
    table = bench(plan="separate")
    prove(table, [Fault("GetObject", kind) for kind in ("late", *ALTERED)])
    assert table.states == 6 * ["done"]


@pytest.mark.parametrize(
    ("kind", "inline"),
    [*((kind, True) for kind in ALTERED), ("other-task", False), ("wrong-shots", False)],
)
def test_a_result_that_stays_wrong_is_kept_in_quarantine(bench, kind, inline):
    table = bench(inline=inline)
    words = ["cannot be its result", "quarantine", "--pay-again"]
    prove(table, [Fault("GetObject", kind, FOREVER)], Ends(1, words))
    (kinds,) = [[event.kind for event in entry.events] for entry in table.entries if entry.number == 1]
    assert kinds == ["sending", "submitted", "quarantined", "done"]


def test_what_stays_wrong_for_ever_can_be_paid_for_again(bench):
    table = bench()
    table.stand_in.faults.append(Fault("GetObject", "other-task", FOREVER))
    for _ in range(2):  # nothing is submitted by trying again
        table.fails(Ends(1, ["quarantine"]))
        assert table.stand_in.submissions == 1
    table.stand_in.faults.clear()
    lost = table.entries[0].reserved
    cap = undisturbed(GARNET, None, ()).usd + lost
    table.validate(pay_again=True, cap=cap)
    table.check_ended(paid_again=1)
    assert table.committed == cap
    assert table.states == ["failed", "done", "done"]


@pytest.mark.parametrize("plan", ["program-sets", "separate"])
@pytest.mark.parametrize("fate", ["task-failed", "task-expired"])
def test_a_failed_task_is_submitted_again_and_costs_nothing(bench, fate, plan):
    table = bench(plan=plan)
    prove(table, [Fault("CreateQuantumTask", fate, 2)])
    assert table.states.count("failed") == 2


def test_what_a_vendor_says_is_text_and_no_markup(bench):
    said = "<script>alert(1)</script> [bold]& [/nothing]"
    table = bench()
    settle = stand_ins._settle

    def settled(task, fault):
        settle(task, fault)
        task.failure = said if fault == "task-failed" else None

    table.patch.setattr(stand_ins, "_settle", settled)
    table.stand_in.faults.append(Fault("CreateQuantumTask", "task-failed"))
    run = table.run.path
    result = qcli(f"validate-on-hardware {run} --device {GARNET} --inferences 6 --shots 64 --max-cost 20")
    assert result.code == 0, result.err
    assert "1 failed" in result.out
    shown = qcli(f"jobs show {run} 1")
    assert "<script>alert(1)</script>" in "".join(shown.out.split("\n"))
    assert qcli(f"jobs list {run}").code == 0
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "alert(1)" not in report.replace("&lt;script&gt;alert(1)&lt;/script&gt;", "")


def test_what_fails_three_times_is_left_alone(bench):
    table = bench()
    ends = Ends(1, ["2 circuits failed 3 times", "The device failed to run", AGAIN])
    prove(table, [Fault("CreateQuantumTask", "task-failed", FOREVER)], ends)
    assert table.states.count("failed") == 3


def test_a_cancelled_task_is_not_submitted_again_by_itself(bench):
    table = bench()
    prove(table, [Fault("CreateQuantumTask", "task-cancelled")], Ends(1, ["task 1 was cancelled", AGAIN]))
    assert table.stand_in.submissions == 3


@pytest.mark.parametrize("plan", ["program-sets", "parametrised"])
def test_of_a_set_the_good_circuits_are_kept_and_the_failed_run_again(bench, plan):
    table = bench(plan=plan)
    table.stand_in.faults.append(Fault("CreateQuantumTask", "partial"))
    table.validate()
    if plan == "program-sets":  # the stand-in takes other parametrised text for another circuit
        assert table.table == undisturbed(GARNET, plan, ()).table
    assert [len(entry.circuits) for entry in table.entries] == [2, 1, 4]
    assert table.stand_in.charged <= table.committed


def test_retries_that_do_not_fit_the_cap_are_refused_and_nothing_is_lost(bench):
    table = bench()
    bill = undisturbed(GARNET, None, ()).usd
    table.stand_in.faults.append(Fault("CreateQuantumTask", "partial", after=1))
    error = table.fails(Ends(3, ["cap of", "raise --max-cost"]), cap=bill)
    assert table.committed <= bill
    assert table.states == ["done", "done"]
    asked = error.fix.split("--max-cost to ")[1].split()[0]
    table.validate(cap=asked)
    assert table.table == undisturbed(GARNET, None, ()).table
    assert table.committed <= Decimal(asked)


@pytest.mark.parametrize("status", ["OFFLINE", "RETIRED"])
def test_a_device_that_takes_no_tasks(bench, status):
    table = bench()
    table.stand_in.statuses[ARN] = status
    prove(table, (), Ends(1, [status.lower()]), table.stand_in.statuses.clear)
    assert table.stand_in.submissions == 2


@pytest.mark.parametrize("status", ["OFFLINE", "RETIRED"])
def test_what_is_under_way_is_collected_from_a_device_that_takes_no_more(bench, status):
    table = bench()
    table.patient(0.3)
    table.stand_in.faults.append(Fault("GetObject", "late", FOREVER, after=1))
    table.fails(Ends(1, ["1 task is under way"]))
    table.stand_in.faults.clear()
    table.stand_in.statuses[ARN] = status
    table.validate()
    table.check_ended()


def test_outside_its_hours_tasks_wait_and_this_is_said(bench, caplog):
    today = datetime.datetime.now(datetime.UTC)
    tomorrow = (today + datetime.timedelta(days=2)).strftime("%A")
    devices = bundled()
    devices[ARN]["service"]["executionWindows"] = [
        {"executionDay": tomorrow, "windowStartHour": "00:00:00", "windowEndHour": "01:00:00"}
    ]
    with caplog.at_level(logging.INFO, "qcli"):
        prove(bench(devices=devices))
    assert "outside its execution window" in caplog.text


def test_a_spending_limit_of_the_account_is_shown_and_holds(bench, caplog):
    table = bench()
    bill = undisturbed(GARNET, None, ()).usd
    table.stand_in.limit(ARN, f"{bill - Decimal('0.01'):.2f}")

    def raised():
        table.stand_in.limit(ARN, "10")

    with caplog.at_level(logging.INFO, "qcli"):
        prove(table, (), Ends(3, ["spending limit", "Amazon Braket console"]), raised)
    assert "AWS spending limit: 0.00 spent" in caplog.text


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_vendor_whose_clock_is_hours_off_gives_no_negative_times(bench, hours):
    table = bench()
    table.stand_in.advance(3600 * hours)
    content = table.validate()
    table.check_ended()
    assert all(
        seconds is None or 0 <= seconds < 60 for seconds in content["latency_s_per_inference"].values()
    )


def recalibrated(table, day="2026-11-01"):
    content = table.stand_in.devices[ARN]
    content["service"]["updatedAt"] = f"{day}T00:00:00+00:00"


def half_done(table):
    """Only the canary has its result."""
    table.patient(0.3)
    table.stand_in.faults.append(Fault("CreateQuantumTask", "throttle", FOREVER, after=1))
    table.fails(Ends(1, ["did not answer"]))
    table.stand_in.faults.clear()
    table.patient(PATIENCE_S)


def test_a_run_keeps_the_circuits_of_the_calibration_that_it_began_on(bench, caplog):
    table = bench()
    half_done(table)
    recalibrated(table)
    content = table.validate()
    table.check_ended()
    assert "was calibrated anew on 2026-11-01" in caplog.text
    assert "--recalibrate" in caplog.text
    assert len(content["calibrations"]) == 1


def test_what_is_left_is_compiled_anew_on_request(bench):
    table = bench()
    table.stand_in.faults.append(Fault("CreateQuantumTask", "DeviceOfflineException", FOREVER, after=1))
    table.fails(Ends(1, ["offline"]))
    table.stand_in.faults.clear()
    recalibrated(table)
    content = table.validate(recalibrate=True)
    table.check_books()
    assert table.committed == undisturbed(GARNET, None, ()).usd
    assert len(content["calibrations"]) == 2
    assert content["calibrations"][1] == "2026-11-01"
    kept = {path.name for path in table.folder.glob("calibration*.json")}
    assert kept == {"calibration.json", f"calibration-{content['calibrations'][0]}.json"}


def test_ctrl_c_while_a_task_queues_leaves_a_journal_that_goes_on(bench):
    table = bench()
    table.stand_in.faults.append(Fault("CreateQuantumTask", "queue-forever"))
    with pytest.raises(KeyboardInterrupt):
        table.validate(on_progress=interrupt)
    assert table.states == ["submitted"]
    wait(table.run.path, cancel=True)
    assert table.states == ["cancelled"]
    table.validate()
    table.check_ended()


def interrupt(progress):
    if "queued" in progress.note:
        raise KeyboardInterrupt


def test_cancelling_keeps_what_had_ended(bench):
    table = bench(plan="separate")
    table.stand_in.faults.append(Fault("CreateQuantumTask", "queue-forever", after=4))
    with pytest.raises(KeyboardInterrupt):
        table.validate(on_progress=interrupt)
    wait(table.run.path, GARNET, cancel=True)
    assert sorted(table.states) == ["cancelled"] + 5 * ["done"]
    assert table.committed == table.stand_in.charged < CAP
    table.validate()
    table.check_ended()
