"""What would be submitted, and what is under way, in the terminal."""

from typing import Any

from qcli.report.hardware import dry_run_table, events_table, jobs_table
from tests.report.test_tables import line_with, shown

HOSTILE = "[bold]<script>x</script>\x1b[2J"
SHOWN = "[bold]<script>x</script>�[2J"


def dry_run(**changed: Any) -> dict[str, Any]:
    step = {
        "what": "canary",
        "circuits": 4,
        "shots": 512,
        "tasks": 1,
        "usd": "3.26960",
        "usd_high": "3.26960",
    }
    rest = {
        "what": "inference",
        "circuits": 44,
        "shots": 512,
        "tasks": 1,
        "usd": "32.96560",
        "usd_high": "33",
    }
    return {
        "device": "braket/garnet",
        "inferences": 48,
        "bill": {"plan": "program-sets", "usd": "36.23520", "usd_high": "36.2696", "steps": [step, rest]},
        "already_committed": "0",
        "calibrated_on": "2026-05-05",
        "price_verified_on": "2026-09-11",
        "forecast": {"accuracy": 0.961, "low": 0.826, "high": 0.988, "simulated": 0.958},
        "adaptive": None,
        "policy": None,
    } | changed


def test_a_dry_run_says_what_is_against_the_policy() -> None:
    policy = {"path": "qcli.toml", "breaches": ["max_usd 20.00 USD: found 36.27 USD (upper end)"]}
    output = " ".join(shown(dry_run_table(dry_run(policy=policy)), 110).split())
    assert "against the policy: max_usd 20.00 USD: found 36.27 USD (upper end)" in output
    assert "policy" not in shown(dry_run_table(dry_run(policy=policy | {"breaches": []})), 110)


def job(**changed: Any) -> dict[str, Any]:
    return {
        "run": "runs/first",
        "device": "braket/garnet",
        "number": 1,
        "token": "a1b2",
        "vendor_id": "arn:1",
        "state": "done",
        "circuits": 4,
        "shots": 2048,
        "reserved_usd": "3.2696",
        "usd": "3.2696",
        "created": 0.0,
        "events": [],
    } | changed


def event(kind: str, **detail: Any) -> dict[str, Any]:
    return {"kind": kind, "at": 60.0, "detail": detail}


def test_a_dry_run_adds_up_step_by_step() -> None:
    output = shown(dry_run_table(dry_run()), 110)
    assert line_with(output, "canary").split() == ["canary", "4", "512", "1", "3.27", "3.27"]
    assert line_with(output, "in all").split() == ["in", "all", "48", "2", "36.24", "36.27"]
    assert "(82.6–98.8 %, 90 %), 95.8 % in simulation" in " ".join(output.split())
    assert "prices as of 2026-09-11, calibration of 2026-05-05" in output
    assert "paid or reserved" not in output


def test_a_dry_run_says_what_the_journal_holds_and_how_shots_are_spread() -> None:
    stages = {"first": 24, "second": 136, "expected_revisited": 0.21}
    output = " ".join(shown(dry_run_table(dry_run(already_committed="3.2696", adaptive=stages)), 110).split())
    assert "3.27 USD are paid or reserved in the journal" in output
    assert "24 for every sample, 136 more for those that are then unclear (21.0 % expected)" in output


def test_jobs_show_what_they_cost_or_may_cost() -> None:
    output = shown(jobs_table([job(), job(number=2, state="submitted", usd=None, vendor_id=None)]), 110)
    first, second = line_with(output, "runs/first"), output.splitlines()[-2]
    assert first.split()[2:7] == ["1", "done", "4", "2,048", "3.27"]
    assert "≤ 3.27" in second and "submitted" in second
    assert shown(jobs_table([job()]), 110).splitlines()[0].strip() == "1 task"


def test_events_tell_what_the_vendor_said() -> None:
    reasons = {"a": "queue closed", "b": "queue closed"}
    events = [
        event("submitted", submit_s=0.1),
        event("failed", reason="no calibration"),
        event("done", failed=reasons),
    ]
    output = shown(events_table(job(events=events)), 110)
    assert "≤ 3.27 USD reserved" in line_with(output, "1970-01-01 00:00:00")
    assert "no calibration" in output and "2 circuits failed: queue closed" in output


def test_a_vendor_s_words_are_no_markup_and_move_no_cursor() -> None:
    events = [
        event("failed", reason=HOSTILE),
        event("quarantined", what=HOSTILE),
        event("done", failed={"a": HOSTILE}),
    ]
    odd = job(device=HOSTILE, vendor_id=HOSTILE, events=events)
    outputs = shown(events_table(odd), 200), shown(jobs_table([odd]), 300)
    assert [output.count(SHOWN) for output in outputs] == [5, 2]
    bill = {**dry_run()["bill"], "plan": HOSTILE}
    assert SHOWN in shown(dry_run_table(dry_run(bill=bill)), 200)
    assert "\x1b" not in "".join(outputs)
