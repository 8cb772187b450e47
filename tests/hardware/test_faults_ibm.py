"""Faults of IBM's service and of the way to it: each ends in success, or in one clear message."""

import logging
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from qcli.assess.jobs import wait
from tests.hardware.helpers import CAP, FEZ, FOREVER, NOTED, PATIENCE_S, Ends, prove, undisturbed
from tests.standins.ibm import SPOILT
from tests.standins.server import Fault

BACKEND = "ibm_fez"
PASSING = (
    "throttle",
    "500",
    "503",
    "504-after",
    "drop-before",
    "drop-after",
    "cut",
    "hang-before",
    "hang-after",
)
CALLS = (
    "GetBackends",
    "GetConfiguration",
    "GetStatus",
    "GetProperties",
    "GetUsage",
    "GetJobs",
    "CreateJob",
    "GetJob",
    "GetResults",
    "GetMetrics",
)
AGAIN = "same command again"
CREDENTIALS = "QISKIT_IBM_TOKEN"


@pytest.mark.parametrize("kind", PASSING)
def test_passing_trouble_at_every_operation_is_overcome(bench, kind):
    prove(bench(FEZ), [Fault(operation, kind) for operation in CALLS])


@pytest.mark.parametrize("kind", ["504-after", "drop-after", "cut"])
def test_passing_trouble_in_the_middle_is_overcome(bench, kind):
    later = ("GetBackends", "GetJobs", "CreateJob", "GetJob", "GetResults", "GetMetrics")
    prove(bench(FEZ), [Fault(operation, kind, after=1) for operation in later])


@pytest.mark.parametrize(
    ("operation", "kinds"),
    [
        ("GetBackends", PASSING),
        ("CreateJob", ("throttle", "500", "503", "drop-before", "hang-before", "cut")),
        ("GetJob", PASSING),
        ("GetToken", ("500",)),
    ],
)
def test_one_trouble_after_the_other_is_overcome(bench, operation, kinds):
    prove(bench(FEZ), [Fault(operation, kind) for kind in kinds])


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("GetBackends", "503"),
        ("GetProperties", "cut"),
        ("CreateJob", "504-after"),
        ("CreateJob", "hang-after"),
        ("GetJob", "503"),
        ("GetResults", "late"),
        ("GetMetrics", "500"),
    ],
)
def test_lasting_trouble_ends_when_patience_does(bench, operation, kind):
    table = bench(FEZ)
    table.patient(0.2)
    # a job that was made is found the next time it is looked for, so that only the search for it may not fail
    times = 1 if kind.endswith("after") and operation == "CreateJob" else FOREVER
    faults = [Fault(operation, kind, times)]
    if times == 1:
        faults.append(Fault("GetJobs", "503", FOREVER, after=1))
    prove(table, faults, Ends(1, ["did not answer for 0.2 s", FEZ, AGAIN]))
    assert table.stand_in.submissions == 2


@pytest.mark.parametrize(
    ("operation", "kind", "expected"),
    [
        ("*", "unauthorized", Ends(1, [CREDENTIALS])),
        ("*", "forbidden", Ends(1, [CREDENTIALS])),
        ("CreateJob", "unauthorized", Ends(1, [CREDENTIALS])),
        ("CreateJob", "bad-request", Ends(1, ["validation", "no job was made"])),
        ("CreateJob", "quota", Ends(3, ["Usage exceeds", "no time left"])),
        ("CreateJob", "backend-offline", Ends(1, ["not available"])),
        ("GetJob", "unauthorized", Ends(1, [CREDENTIALS, "1 task is under way"])),
        ("GetResults", "forbidden", Ends(1, [CREDENTIALS, "1 task is under way"])),
    ],
)
def test_a_refusal_says_what_to_do(bench, operation, kind, expected):
    prove(bench(FEZ), [Fault(operation, kind, FOREVER)], expected)


@pytest.mark.parametrize("refused", ["unauthorized", "quota"])
def test_a_refusal_after_a_lost_answer_does_not_mean_that_there_is_no_job(bench, refused):
    faults = [Fault("CreateJob", "504-after"), Fault("GetJobs", refused, FOREVER, after=1)]
    prove(bench(FEZ), faults, Ends(3 if refused == "quota" else 1, ["may be under way", "reserved"]))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"QISKIT_IBM_TOKEN": "of-somebody-else"}, Ends(1, [CREDENTIALS])),
        ({"QISKIT_IBM_TOKEN": None}, Ends(2, ["no credentials", CREDENTIALS])),
        (
            {"QISKIT_IBM_INSTANCE": "crn:v1:bluemix:public:quantum-computing:us-east:a/b:c::"},
            Ends(1, [CREDENTIALS]),
        ),
    ],
    ids=["wrong", "missing", "another instance"],
)
def test_credentials_of_the_environment(bench, changes, expected, tmp_path):
    table = bench(FEZ)
    table.patch.setattr("qiskit_ibm_runtime.QiskitRuntimeService.saved_accounts", lambda *args, **more: {})
    for name, value in changes.items():
        table.patch.delenv(name) if value is None else table.patch.setenv(name, value)

    def right():
        for name in changes:
            table.patch.setenv(name, table.stand_in.environment()[name])

    prove(table, (), expected, right)


def test_a_backend_that_the_instance_does_not_have(bench):
    table = bench(FEZ, backends=("marrakesh",))
    table.fails(Ends(1, ["ibm/fez", "--instance"]))
    assert table.stand_in.submissions == 0


def test_a_result_that_comes_right_at_a_later_look(bench):
    prove(bench(FEZ), [Fault("GetResults", kind, after=k == 2) for k, kind in enumerate(SPOILT)])


@pytest.mark.parametrize("kind", ["truncated", "not-json", "other-job"])
def test_a_result_that_stays_wrong_is_kept_in_quarantine(bench, kind):
    table = bench(FEZ)
    words = ["cannot be its result", "quarantine", "--pay-again"]
    prove(table, [Fault("GetResults", kind, FOREVER)], Ends(1, words))
    (kinds,) = [[event.kind for event in entry.events] for entry in table.entries if entry.number == 1]
    assert kinds == ["sending", "submitted", "quarantined", "done"]


def test_a_job_with_too_few_shots_is_paid_for_again_only_on_request(bench):
    table = bench(FEZ)
    table.stand_in.faults.append(Fault("CreateJob", "wrong-shots"))
    for _ in range(2):
        table.fails(Ends(1, ["32 shots, not 64", "--pay-again"]))
    assert table.stand_in.submissions == 1
    table.validate(pay_again=True)
    table.check_ended(paid_again=1)


def test_circuits_without_a_result_run_again(bench):
    table = bench(FEZ)
    table.stand_in.faults.append(Fault("CreateJob", "partial", after=1))
    table.validate()
    assert table.table == undisturbed(FEZ, None, ()).table
    assert [len(entry.circuits) for entry in table.entries] == [2, 4, 1]


@pytest.mark.parametrize("plan", ["job", "session", "separate"])
def test_a_failed_job_is_submitted_again(bench, plan):
    table = bench(FEZ, plan=plan)
    table.stand_in.faults.append(Fault("CreateJob", "job-error"))
    table.validate()
    assert table.table == undisturbed(FEZ, plan, ()).table
    assert table.states.count("failed") == 1
    table.check_books()


def test_what_fails_three_times_is_left_alone(bench):
    table = bench(FEZ)
    table.stand_in.faults.append(Fault("CreateJob", "job-error", FOREVER))
    table.fails(Ends(1, ["2 circuits failed 3 times", "control electronics", AGAIN]))
    assert table.states == 3 * ["failed"]
    table.stand_in.faults.clear()
    table.validate()
    assert table.table == undisturbed(FEZ, None, ()).table


def test_a_cancelled_job_is_not_submitted_again_by_itself(bench):
    table = bench(FEZ)
    table.stand_in.faults.append(Fault("CreateJob", "job-cancelled"))
    table.fails(Ends(1, ["task 1 was cancelled", AGAIN]))
    assert table.stand_in.submissions == 1
    table.validate()
    assert table.table == undisturbed(FEZ, None, ()).table


def test_a_job_that_runs_too_long_is_stopped_at_the_time_that_the_cap_leaves(bench):
    table = bench(FEZ)

    def never_ends(progress):
        for job in table.stand_in._jobs.values():
            job.quantum_s = 10_000.0

    table.stand_in.condition[BACKEND] = "paused"

    def released(progress):
        never_ends(progress)
        table.stand_in.condition[BACKEND] = "active"

    table.fails(Ends(1, ["ran longer", "raise --max-cost"]), on_progress=released)
    (entry,) = table.entries
    (job,) = table.stand_in.jobs.values()
    assert job.usage_s == job.max_execution_time == entry.limit_s
    assert entry.usd == entry.reserved <= CAP
    table.validate()
    assert table.table == undisturbed(FEZ, None, ()).table


def test_what_is_asked_of_ibm_never_exceeds_the_cap(bench):
    table = bench(FEZ)
    bill = Decimal(table.validate(cap=None)["bill"]["usd_high"])
    table.fails(Ends(3, ["cap of"]), cap=bill - Decimal("0.01"))
    assert not table.stand_in.submissions
    table.validate(cap=bill)
    table.check_ended()


def test_a_backend_that_takes_no_jobs(bench):
    table = bench(FEZ)
    table.stand_in.condition[BACKEND] = "offline"

    def back():
        table.stand_in.condition[BACKEND] = "active"

    prove(table, (), Ends(1, ["offline", "another backend"]), back)


def test_what_is_under_way_is_collected_from_a_backend_that_takes_no_more(bench):
    table = bench(FEZ)
    table.patient(0.3)
    table.stand_in.faults.append(Fault("GetResults", "late", FOREVER, after=1))
    table.fails(Ends(1, ["1 task is under way"]))
    table.stand_in.faults.clear()
    table.stand_in.condition[BACKEND] = "offline"
    table.validate()
    table.check_ended()


def test_jobs_wait_on_a_paused_backend_and_this_is_said(bench, caplog):
    table = bench(FEZ)
    table.stand_in.condition[BACKEND] = "paused"
    seen = []

    def resumed(progress):
        seen.append(progress.note)
        table.stand_in.condition[BACKEND] = "active"

    with caplog.at_level(logging.INFO, "qcli"):
        prove(table, on_progress=resumed)
    assert "jobs wait" in caplog.text
    assert seen[0] == "task 1 queued, position 1"


def test_ctrl_c_while_a_job_queues_leaves_a_journal_that_goes_on(bench):
    table = bench(FEZ)
    table.stand_in.faults.append(Fault("CreateJob", "queue-forever"))

    def interrupt(progress):
        if "queued" in progress.note:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        table.validate(on_progress=interrupt)
    assert table.states == ["submitted"]
    wait(table.run.path, cancel=True)
    assert table.states == ["cancelled"]
    table.validate()
    assert table.table == undisturbed(FEZ, None, ()).table
    table.check_books()


def test_a_run_keeps_the_circuits_of_the_calibration_that_it_began_on(bench, caplog):
    table = bench(FEZ)
    table.patient(0.3)
    table.stand_in.faults.append(Fault("CreateJob", "throttle", FOREVER, after=1))
    table.fails(Ends(1, ["did not answer"]))
    table.stand_in.faults.clear()
    table.patient(PATIENCE_S)
    table.stand_in.calibrate(datetime(2026, 11, 1, tzinfo=UTC), worse=1.1)
    content = table.validate()
    table.check_ended()
    assert "was calibrated anew on 2026-11-01" in caplog.text
    assert len(content["calibrations"]) == 1


@pytest.mark.parametrize("plan", ["batch", "session"])
@pytest.mark.parametrize("kind", ["504-after", "drop-after"])
def test_a_session_with_passing_trouble(bench, plan, kind):
    prove(
        bench(FEZ, plan=plan), [Fault(name, kind) for name in ("CreateSession", "CreateJob", "CloseSession")]
    )


@pytest.mark.parametrize("plan", ["batch", "session"])
def test_a_session_is_ended_whatever_becomes_of_the_validation(bench, plan):
    table = bench(FEZ, plan=plan)
    prove(table, [Fault("CreateJob", "quota", FOREVER, after=1)], Ends(3, ["no time left"]))
    assert len(table.stand_in._sessions) == 2
    assert not any(session.accepting for session in table.stand_in._sessions.values())


def test_a_session_that_cannot_be_ended_loses_no_result(bench, caplog):
    table = bench(FEZ, plan="session")
    table.patient(0.3)
    prove(table, [Fault("CloseSession", "500", FOREVER)], NOTED)
    assert "session on ibm/fez could not be ended" in caplog.text


def test_the_open_plan_costs_nothing_and_runs_under_a_cap_of_nothing(bench):
    table = bench("ibm/kingston", options={"contracts": {"ibm": "open"}}, backends=("kingston",))
    content = table.validate(cap=0)
    assert content["cost"]["usd"] == "0"
    assert table.committed == 0
    assert len(table.made) == 2
