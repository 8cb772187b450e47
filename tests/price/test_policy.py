"""qcli.toml: where it is found, what is refused in it, and which estimates it lets through."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from qcli.errors import QcliError
from qcli.price.bill import PLANS
from qcli.price.policy import Breach, Policy, breaches, find_policy

FULL = """
[policy]
max_usd = "50"
max_usd_per_inference = 1.10
deadline_s = 3600
devices = ["braket/garnet", "ibm/*"]
plans = ["program-sets", "job"]

[tool.another]
max_usd = -1
"""
DEVICES = ("braket/garnet", "braket/emerald", "ibm/fez", "ibm/boston")
NO_LIMITS = Policy(Path("qcli.toml"), None, None, None, (), ())
ALLOWED = ("braket/garnet", "program-sets", Decimal(50), Decimal("1.10"), 3600.0)


def written(folder: Path, text: str) -> Path:
    path = folder / "qcli.toml"
    path.write_text(text)
    return path


def read(folder: Path, text: str) -> Policy:
    policy = find_policy(written(folder, text), DEVICES)
    assert policy
    return policy


def test_all_keys_are_read_exactly_and_other_tables_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, FULL) == Policy(
        tmp_path / "qcli.toml",
        Decimal(50),
        Decimal("1.10"),
        Decimal(3600),
        ("braket/garnet", "ibm/*"),
        ("program-sets", "job"),
    )


def test_an_unquoted_amount_is_exact_too(tmp_path: Path) -> None:
    assert read(tmp_path, "[policy]\nmax_usd = 50.00000000000000000001").max_usd == Decimal(
        "50.00000000000000000001"
    )


def test_the_nearest_file_upwards_counts(tmp_path: Path) -> None:
    inner = tmp_path / "team" / "project" / "runs"
    inner.mkdir(parents=True)
    outer = written(tmp_path, '[policy]\nmax_usd = "9"')
    found = find_policy(start=inner)
    assert found and found.path == outer
    nearer = written(tmp_path / "team", '[policy]\nmax_usd = "1"')
    found = find_policy(start=inner)
    assert found and found.path == nearer and found.max_usd == 1


def test_the_search_starts_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, FULL)
    monkeypatch.chdir(tmp_path)
    found = find_policy()
    assert found and found.path == path


def test_without_a_file_or_a_table_there_is_no_policy(tmp_path: Path) -> None:
    assert find_policy(start=tmp_path) is None
    written(tmp_path, "[train]\nepochs = 3")
    assert find_policy(start=tmp_path) is None


def test_a_file_that_was_named_must_be_there_and_hold_a_policy(tmp_path: Path) -> None:
    with pytest.raises(QcliError, match="cannot read"):
        find_policy(tmp_path / "missing.toml")
    with pytest.raises(QcliError, match=r"no table \[policy\]"):
        find_policy(written(tmp_path, "[train]\nepochs = 3"))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("max_used = 3", "policy.max_used"),
        ("max_usd = -0.01", "policy.max_usd"),
        ("max_usd = nan", "policy.max_usd"),
        ("max_usd = inf", "policy.max_usd"),
        ('max_usd = "much"', "policy.max_usd"),
        ("max_usd_per_inference = true", "policy.max_usd_per_inference"),
        ("max_usd_per_inference = [1]", "policy.max_usd_per_inference"),
        ("deadline_s = 2026-01-01", "policy.deadline_s"),
        ('devices = "braket/garnet"', "policy.devices"),
        ("devices = [1]", "policy.devices.0"),
        ("devices = []", "policy.devices"),
        ('plans = [""]', "policy.plans.0"),
        ('devices = ["ibm/*", "braket/garnt"]', "policy.devices.1"),
        ('plans = ["job", "program-set"]', "policy.plans.1"),
        ('plans = ["Job"]', "policy.plans.0"),
    ],
)
def test_a_wrong_key_or_value_is_refused_by_its_name(tmp_path: Path, line: str, key: str) -> None:
    path = written(tmp_path, f"[policy]\n{line}\n")
    with pytest.raises(QcliError) as caught:
        find_policy(path, DEVICES)
    error = caught.value
    assert error.what.startswith(f"{key}: ") and error.where == str(path) and error.exit_code == 2


@pytest.mark.parametrize("text", ["policy = 3", "[policy\n", "[policy]\nmax_usd = ="])
def test_a_file_that_is_no_toml_or_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(QcliError) as caught:
        read(tmp_path, text)
    assert caught.value.where == str(tmp_path / "qcli.toml") and caught.value.exit_code == 2


def test_a_pattern_without_a_device_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(QcliError) as caught:
        read(tmp_path, '[policy]\ndevices = ["braket/garnt"]')
    assert "braket/garnt" in caught.value.what and "braket/garnet" in caught.value.fix


def test_a_misspelt_plan_names_the_nearest_even_without_known_devices(tmp_path: Path) -> None:
    with pytest.raises(QcliError) as caught:
        find_policy(written(tmp_path, '[policy]\nplans = ["program-set"]'))
    assert "program-set" in caught.value.what and "program-sets" in caught.value.fix


def test_every_plan_of_a_bill_may_be_listed(tmp_path: Path) -> None:
    listed = ", ".join(f'"{name}"' for name in PLANS)
    assert read(tmp_path, f"[policy]\nplans = [{listed}]").plans == PLANS


def test_patterns_are_matched_as_a_shell_does_whatever_the_case(tmp_path: Path) -> None:
    policy = read(tmp_path, '[policy]\ndevices = ["Braket/Garnet", "ibm/*"]')
    assert all(policy.allows_device(name) for name in ("braket/garnet", "ibm/fez", "IBM/Boston"))
    assert not any(policy.allows_device(name) for name in ("braket/emerald", "garnet", "my-ibm/fez"))


def test_only_the_plans_that_are_listed_are_allowed(tmp_path: Path) -> None:
    policy = read(tmp_path, FULL)
    assert policy.allows_plan("job") and not policy.allows_plan("separate")


def test_no_policy_key_no_limit() -> None:
    assert breaches(NO_LIMITS, "ibm/fez", "session", Decimal(10**9), Decimal(10**9), None) == ()


def test_an_estimate_equal_to_every_limit_is_allowed(tmp_path: Path) -> None:
    assert breaches(read(tmp_path, FULL), *ALLOWED) == ()


def test_a_cent_over_is_not(tmp_path: Path) -> None:
    (breach,) = breaches(
        read(tmp_path, FULL), "braket/garnet", "job", Decimal("50.01"), Decimal("1.10"), 3600.0
    )
    assert breach == Breach("max_usd", "50.00 USD", "50.01 USD (upper end)")
    assert str(breach) == "max_usd 50.00 USD: found 50.01 USD (upper end)"


def test_every_rule_that_is_broken_is_named(tmp_path: Path) -> None:
    found = breaches(
        read(tmp_path, FULL), "braket/emerald", "separate", Decimal("1980.48"), Decimal("41.26"), 3600.5
    )
    assert [str(breach) for breach in found] == [
        "devices braket/garnet, ibm/*: found braket/emerald",
        "plans program-sets, job: found separate",
        "max_usd 50.00 USD: found 1,980.48 USD (upper end)",
        "max_usd_per_inference 1.10 USD: found 41.26 USD (upper end)",
        "deadline_s 3,600 s: found 3,600.50 s (upper end)",
    ]


@pytest.mark.parametrize("seconds", [None, float("inf"), float("nan")])
def test_an_unknown_machine_time_keeps_no_deadline(tmp_path: Path, seconds: float | None) -> None:
    (breach,) = breaches(read(tmp_path, FULL), *ALLOWED[:4], seconds)
    assert breach == Breach("deadline_s", "3,600 s", "machine time unknown")


@example(limit=Decimal(50), usd=Decimal("50.004"))
@example(limit=Decimal("0.3"), usd=Decimal("0.3" + "0" * 50 + "1"))
@given(
    limit=st.decimals(0, 10**9, allow_nan=False, allow_infinity=False),
    usd=st.decimals(0, 10**9, allow_nan=False, allow_infinity=False),
)
def test_the_found_figure_is_shown_above_the_limit_however_close(limit: Decimal, usd: Decimal) -> None:
    policy = Policy(Path("qcli.toml"), limit, None, None, (), ())
    found = breaches(policy, "ibm/fez", "job", usd, usd, None)
    assert bool(found) == (usd > limit)
    for breach in found:
        shown, allowed = (
            Decimal(text.partition(" ")[0].replace(",", "")) for text in (breach.found, breach.limit)
        )
        assert allowed == limit < shown and abs(shown - usd) <= Decimal("0.005")


def test_a_quotient_of_many_digits_is_shown_in_cents() -> None:
    policy = Policy(Path("qcli.toml"), None, Decimal("0.30"), None, (), ())
    (breach,) = breaches(policy, "ibm/fez", "job", Decimal(1), Decimal(1) / Decimal(3), None)
    assert breach.found == "0.33 USD (upper end)"
