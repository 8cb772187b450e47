"""Each cliff appears where hand calculation says so, with that amount, and the fix gives the money back."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qcli import Question, Run
from qcli.price.cliffs import Cliff, cliffs
from qcli.price.estimate import AGAINST_POLICY, Estimate, Row, estimate
from qcli.price.plans import cheapest, plans
from qcli.price.policy import Policy
from qcli.price.subject import Subject, subject_of, training_of
from qcli.price.tariff import GateShots, ProgramSets
from qcli.price.workload import Mitigation

GARNET, FORTE, FEZ = "braket/garnet", "braket/forte-enterprise-1", "ibm/fez"
IONQ = "ionq/forte-enterprise-1"
TODAY = date(2026, 9, 26)
"""The newest figures of the sheets are a day old then."""
MINIMUM = """
provider = "iqm"
[sources]
mine = { title = "our contract", verified_on = 2026-09-25 }
[devices.garnet.price]
minimum_s = { value = "60", unit = "s", basis = "contract", source = "mine" }
"""


@pytest.fixture(scope="module")
def small() -> Subject:
    """A circuit of two wires, one per inference."""
    return subject_of("vqc", {"wires": "2", "layers": "1"})


def priced(subject: Subject, devices: str | Iterable[str], today: date = TODAY, **asked: Any) -> Estimate:
    names = (devices,) if isinstance(devices, str) else tuple(devices)
    return estimate(subject, Question(devices=names, **asked), today=today)


def named(found: Estimate, name: str, device: str = "") -> Cliff | None:
    """The one cliff of that name on `device`, or of the workload."""
    cliff = [each for each in cliffs(found) if (each.name, each.device) == (name, device)]
    assert len(cliff) <= 1
    return cliff[0] if cliff else None


def amount(found: Estimate, name: str, device: str = "") -> tuple[str, Decimal]:
    cliff = named(found, name, device)
    assert cliff is not None
    return cliff.effect, cliff.usd


def best(found: Estimate) -> Decimal:
    """The cheapest bill on the only device."""
    (row,) = found.rows
    assert row.cheapest is not None
    return row.cheapest.usd


def only(found: Estimate) -> Row:
    (row,) = found.rows
    assert row.workload is not None
    return row


def rebilled(row: Row, **terms: Any) -> Decimal:
    """The cheapest bill of the same workload under changed terms."""
    assert row.workload is not None
    plan = cheapest(plans(row.workload, replace(row.terms, **terms)))
    assert plan is not None
    return plan.usd


def test_one_job_per_circuit_pays_every_fee_and_overhead(small: Subject) -> None:
    found = priced(small, GARNET, inferences=10, shots=100)
    assert amount(found, "one job per circuit", GARNET) == ("saves", 9 * Decimal("0.30"))
    cliff = named(found, "one job per circuit", GARNET)
    plans_of = {plan.name: plan.usd for plan in only(found).plans}
    assert cliff and cliff.fix == "submit as program-sets"
    assert plans_of["separate"] - cliff.usd == plans_of["program-sets"]
    found = priced(small, FEZ, inferences=10, shots=100)
    assert amount(found, "one job per circuit", FEZ) == ("saves", Decimal("1.60") * (10 * 3 - 3))


def test_one_job_per_circuit_is_no_cliff_with_one_circuit(small: Subject) -> None:
    for device in (GARNET, FEZ):
        assert named(priced(small, device, inferences=1), "one job per circuit", device) is None


def test_an_unconfirmed_plan_saves_what_its_bill_is_lower(small: Subject) -> None:
    found = priced(small, FORTE, inferences=10, shots=100)
    assert amount(found, "unconfirmed plan", FORTE) == ("saves", 9 * Decimal("0.30"))
    limits = only(found).terms.program_set
    assert limits is not None
    confirmed = rebilled(only(found), program_set=replace(limits, confirmed=True))
    assert best(found) - confirmed == 9 * Decimal("0.30")


def test_a_plan_that_only_a_policy_bars_is_not_called_unconfirmed(small: Subject) -> None:
    policy = Policy(Path("qcli.toml"), None, None, None, (), ("separate",))
    found = priced(small, GARNET, policy=policy)
    assert [plan.barred for plan in only(found).plans] == ["", *[AGAINST_POLICY] * 3]
    assert named(found, "unconfirmed plan", GARNET) is None
    assert named(found, "one job per circuit", GARNET) is None


@pytest.mark.parametrize("shots", [206, 207])
def test_fees_above_shots_are_a_cliff_up_to_the_shots_a_fee_buys(small: Subject, shots: int) -> None:
    found = priced(small, GARNET, inferences=1, shots=shots)
    cliff = named(found, "fees above shots", GARNET)
    assert (cliff is not None) == (shots * Decimal("0.00145") < Decimal("0.30"))
    if cliff is not None:
        assert (cliff.effect, cliff.usd) == ("at stake", Decimal("0.30"))
        assert "one fee buys 206 shots" in cliff.what and "program set" in cliff.fix


def test_fees_above_shots_where_circuits_share_no_fee(small: Subject) -> None:
    found = priced(small, "scaleway/garnet", inferences=48, shots=100)
    fee = Decimal("0.22") * Decimal("1.1687")
    assert amount(found, "fees above shots", "scaleway/garnet") == ("at stake", 48 * fee)
    cliff = named(found, "fees above shots", "scaleway/garnet")
    assert cliff and cliff.fix == "more shots cost little more"


def test_a_set_shared_by_many_circuits_has_no_fees_to_speak_of(small: Subject) -> None:
    assert named(priced(small, GARNET, inferences=48, shots=100), "fees above shots", GARNET) is None


@pytest.mark.parametrize(("inferences", "shots", "sets"), [(250, 1_000, 3), (100, 2_000, 1), (100, 2_001, 2)])
def test_a_batch_above_the_set_limits_pays_a_fee_for_each_further_set(
    small: Subject, inferences: int, shots: int, sets: int
) -> None:
    found = priced(small, GARNET, inferences=inferences, shots=shots)
    cliff = named(found, "batch above the set limit", GARNET)
    unlimited = rebilled(only(found), program_set=ProgramSets(10**12, 10**18))
    assert best(found) - unlimited == (sets - 1) * Decimal("0.30")
    assert (cliff is not None) == (sets > 1)
    if cliff is not None:
        assert (cliff.effect, cliff.usd) == ("adds", best(found) - unlimited)


def test_a_set_of_its_own_for_other_shots_is_no_limit_reached(small: Subject) -> None:
    mixed = Mitigation(readout=True, twirls=4)
    found = priced(small, GARNET, inferences=4, shots=400, mitigation=mixed)
    assert only(found).workload.shots == (100, 400)  # type: ignore[union-attr]
    assert named(found, "batch above the set limit", GARNET) is None


def test_a_session_pays_for_its_idle_time(small: Subject) -> None:
    found = priced(small, FEZ)
    assert amount(found, "session idle time", FEZ) == ("saves", 14 * Decimal("1.60"))
    plans_of = {plan.name: plan.usd for plan in only(found).plans}
    assert plans_of["session"] - 14 * Decimal("1.60") == plans_of["job"]
    assert named(priced(small, GARNET), "session idle time", GARNET) is None


def test_the_minimum_charge_is_what_gates_do_not_explain(small: Subject) -> None:
    found = priced(small, IONQ, inferences=10, shots=100)
    (gates,) = only(found).gates.values()
    cost = 100 * (gates.one_qubit * Decimal("0.0001645") + gates.two_qubit * Decimal("0.001121"))
    assert cost < Decimal("25.7899")
    assert amount(found, "minimum charge", IONQ) == ("adds", 10 * (Decimal("25.7899") - cost))
    price = only(found).terms.price
    assert isinstance(price, GateShots)
    free = rebilled(only(found), price=replace(price, minimum=Decimal(0), minimum_debiased=Decimal(0)))
    assert best(found) - free == 10 * (Decimal("25.7899") - cost)


def test_gates_above_the_minimum_are_no_minimum_charge(small: Subject) -> None:
    azure = "azure/ionq-forte-enterprise-1"
    found = priced(small, azure, shots=100_000)
    assert best(found) > 48 * Decimal("25.7899")
    assert named(found, "minimum charge", azure) is None


@pytest.mark.parametrize("hybrid_job", [False, True])
def test_a_minimum_time_is_what_the_execution_does_not_need(
    small: Subject, tmp_path: Path, hybrid_job: bool
) -> None:
    path = tmp_path / "contract.toml"
    path.write_text(MINIMUM)
    question: dict[str, Any] = {"inferences": 10, "shots": 100, "hybrid_job": hybrid_job}
    found = priced(small, "iqm/garnet", prices=path, **question)
    assert best(found) == 10 * 60 * Decimal("0.30")
    assert amount(found, "minimum charge", "iqm/garnet") == ("adds", 10 * (60 - 8) * Decimal("0.30"))
    without = priced(small, "iqm/garnet", **question)
    assert best(without) == 10 * 8 * Decimal("0.30")
    assert named(without, "minimum charge", "iqm/garnet") is None


def test_the_instance_of_a_hybrid_job_is_no_minimum_charge(small: Subject) -> None:
    found = priced(small, "braket/sv1", hybrid_job=True)
    assert best(found) > best(priced(small, "braket/sv1"))
    assert named(found, "minimum charge", "braket/sv1") is None, "5 s are above the minimum of 3 s"


def test_one_shot_fewer_than_forced_debiasing_has_the_lower_minimum(small: Subject) -> None:
    found = priced(small, IONQ, inferences=10, shots=500)
    below = priced(small, IONQ, inferences=10, shots=499)
    saved = 10 * (Decimal("168.195") - Decimal("25.7899"))
    assert amount(found, "mitigation minimum", IONQ) == ("saves", saved)
    assert best(found) - best(below) == saved
    assert named(below, "mitigation minimum", IONQ) is None


def test_twirls_below_the_shots_of_forced_debiasing_meet_no_minimum(small: Subject) -> None:
    deep = Mitigation(folds=(1, 999), twirls=2)
    found = priced(small, IONQ, shots=600, mitigation=deep)
    assert best(found) > best(priced(small, IONQ, shots=499, mitigation=deep)), (
        "shots cost, above the minimum"
    )
    assert named(found, "mitigation minimum", IONQ) is None


def test_debiasing_asked_below_its_least_shots_names_the_bill_at_them(small: Subject) -> None:
    debias = Mitigation(debias=True)
    found = priced(small, (), inferences=10, shots=512, mitigation=debias)
    bill = 10 * (Decimal("0.30") + 2_500 * Decimal("0.08"))
    assert amount(found, "mitigation minimum", FORTE) == ("at stake", bill)
    assert best(priced(small, FORTE, inferences=10, shots=2_500, mitigation=debias)) == bill


def test_mitigation_overhead_is_the_difference_to_the_bill_without(small: Subject) -> None:
    found = priced(small, GARNET, inferences=10, shots=100, mitigation=Mitigation(folds=(1, 3, 5)))
    more = 20 * 100 * Decimal("0.00145")
    assert amount(found, "mitigation overhead", GARNET) == ("adds", more)
    plain = priced(small, GARNET, inferences=10, shots=100)
    assert best(found) - best(plain) == more
    assert named(plain, "mitigation overhead", GARNET) is None


def test_mitigation_that_costs_nothing_is_no_overhead(small: Subject) -> None:
    found = priced(small, IONQ, shots=500, mitigation=Mitigation(debias=True))
    assert named(found, "mitigation overhead", IONQ) is None, "debiasing is forced there"


def test_uncertain_time_is_the_width_of_the_bill(small: Subject) -> None:
    found = priced(small, "iqm/garnet", inferences=10, shots=100)
    assert amount(found, "uncertain time", "iqm/garnet") == ("at stake", 10 * (8 - 1) * Decimal("0.30"))
    found = priced(small, "ibm/phoenix")
    assert amount(found, "uncertain time", "ibm/phoenix") == ("at stake", (11 - 3) * Decimal("1.60"))
    for device in (GARNET, FEZ):
        assert named(priced(small, device), "uncertain time", device) is None


def test_a_device_that_is_not_online_puts_its_bill_at_stake(small: Subject) -> None:
    found = priced(small, "braket/forte-1", inferences=10, shots=100)
    assert amount(found, "device not online", "braket/forte-1") == ("at stake", 10 * Decimal("8.30"))
    found = priced(small, "ibm/torino", include_retired=True)
    cliff = named(found, "device not online", "ibm/torino")
    assert cliff and "retired" in cliff.what and cliff.usd == best(found)
    assert named(priced(small, GARNET), "device not online", GARNET) is None


def test_a_price_is_stale_ninety_one_days_after_its_oldest_figure(small: Subject) -> None:
    verified = only(priced(small, GARNET)).terms.verified_on
    for days, stale in ((90, False), (91, True)):
        today = date.fromordinal(verified.toordinal() + days)
        found = priced(small, GARNET, today=today)
        cliff = named(found, "stale price", GARNET)
        assert (cliff is not None) == stale
        if cliff is not None:
            assert (cliff.effect, cliff.usd) == ("at stake", best(found))
            assert "91 days ago" in cliff.what and cliff.fix == "qcli prices refresh"


@pytest.mark.parametrize("device", ["braket/sv1", "ibm/fez"])
def test_a_stale_figure_that_no_refresh_reads_points_to_its_source(small: Subject, device: str) -> None:
    cliff = named(priced(small, device, today=date(2027, 6, 1)), "stale price", device)
    assert cliff and cliff.fix == f"qcli prices {device}: check its source"


def test_too_few_shots_for_a_device_name_the_bill_at_its_least(small: Subject) -> None:
    found = priced(small, (), inferences=10, shots=50)
    assert amount(found, "shots below the minimum", FORTE) == ("at stake", 10 * Decimal("8.30"))
    assert best(priced(small, FORTE, inferences=10, shots=100)) == 10 * Decimal("8.30")
    cliff = named(found, "shots below the minimum", FORTE)
    assert cliff and cliff.fix == "--shots 100, or another device"
    assert named(found, "shots below the minimum", GARNET) is None


def test_a_device_that_is_not_priced_for_another_reason_has_no_such_cliff(small: Subject) -> None:
    kingston = "ibm/kingston"
    found = priced(small, kingston, inferences=10**6, contracts={"ibm": "open"})
    (row,) = found.rows
    assert row.plans == () and "contract open holds 600" in row.note
    assert named(found, "shots below the minimum", kingston) is None


def test_training_on_a_qpu_adds_its_cheapest_bill(small: Subject) -> None:
    steps = training_of(small, epochs=1, batch=4, rows=8)
    found = priced(small, (GARNET, FEZ), training=steps, shots=100)
    bills = [row.cheapest.usd for row in found.rows if row.cheapest]
    assert amount(found, "training on a QPU") == ("adds", min(bills))
    assert named(priced(small, (GARNET, FEZ)), "training on a QPU") is None, "it was not trained"


def test_the_training_of_a_run_is_priced_beside_its_inferences(trained: Run) -> None:
    subject = subject_of(str(trained.path), {})
    found = priced(subject, (GARNET, FEZ))
    there = priced(subject, (GARNET, FEZ), training=training_of(subject))
    bills = [row.cheapest.usd for row in there.rows if row.cheapest]
    assert amount(found, "training on a QPU") == ("adds", min(bills))


def test_the_classical_alternative_costs_nothing_and_is_named_with_its_accuracy(
    small: Subject, trained: Run
) -> None:
    found = priced(small, (GARNET, FEZ))
    assert amount(found, "classical alternative") == ("adds", 9 * Decimal("1.60"))
    subject = subject_of(str(trained.path), {})
    cliff = named(priced(subject, GARNET), "classical alternative")
    assert subject.tested is not None
    name, accuracy = max(subject.tested.baselines.items(), key=lambda entry: entry[1])
    assert cliff and f"{name} reaches {100 * accuracy:.1f} % on the same test set" in cliff.what


def test_where_no_qpu_is_priced_nothing_is_compared(small: Subject) -> None:
    assert {cliff.device for cliff in cliffs(priced(small, "braket/sv1"))} == {"braket/sv1"}


def test_every_cliff_has_an_amount_above_zero_and_a_fix(small: Subject) -> None:
    found = cliffs(priced(small, (), include_retired=True, today=date(2027, 6, 1)))
    assert len({cliff.name for cliff in found}) >= 9
    assert all(cliff.usd > 0 and cliff.what and cliff.fix for cliff in found)
