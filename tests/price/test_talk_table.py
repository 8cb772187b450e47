"""What others printed: the price table of the PSC webinar of 2026-04-03, totals of AWS's notebooks, vendors' quotes and
formulas, spans measured on IBM's machines."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest

from qcli.price.bill import Plan
from qcli.price.plans import cheapest, plans
from qcli.price.sheet import load_sheets, terms
from qcli.price.tariff import PerSecond, Rule
from qcli.price.workload import Gates, Workload

TALK = [
    ("braket/ankaa-3", 512, "36.52", "36.5184"),
    ("braket/ankaa-3", 1024, "58.64", "58.6368"),
    ("braket/emerald", 512, "53.72", "53.7216"),
    ("braket/emerald", 1024, "93.04", "93.0432"),
    ("braket/garnet", 512, "50.04", "50.0352"),
    ("braket/garnet", 1024, "85.67", "85.6704"),
    ("braket/forte-enterprise-1", 512, "1980.48", "1980.48"),
    ("braket/forte-enterprise-1", 1024, "3946.56", "3946.56"),
]
BRAKET = [name for name in load_sheets().devices if name.startswith("braket/")]
QUOTED = Gates(one_qubit=128, two_qubit=32, wires=8, measured=8)
HERON_SPANS = [(1_000, 1.30, 1.30), (10_000, 3.4, 3.6), (100_000, 27, 29)]
MIAMI_SPANS = [(1_000, 4.96, 4.96), (8_192, 34.5, 34.5), (10_000, 41.1, 41.1), (100_000, 407, 407)]
SPANS = [("kingston", *span) for span in HERON_SPANS] + [("miami", *span) for span in MIAMI_SPANS]


def bills(device: str, circuits: int, shots: int, gates: Gates | None = None) -> dict[str, Plan]:
    workload = Workload.uniform(circuits, circuits, shots, gates)
    return {plan.name: plan for plan in plans(workload, terms(device))}


def usd(device: str, circuits: int, shots: int, plan: str = "separate") -> Decimal:
    return bills(device, circuits, shots)[plan].usd


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(("device", "shots", "printed", "exact"), TALK)
def test_the_talk_s_figure_is_the_exact_sum_rounded_half_up(
    device: str, shots: int, printed: str, exact: str
) -> None:
    assert usd(device, 48, shots) == Decimal(exact)
    assert cents(usd(device, 48, shots)) == Decimal(printed)


def test_one_inference_costs_what_the_talk_s_other_table_says() -> None:
    printed = {"ankaa-3": "0.76", "emerald": "1.12", "garnet": "1.04", "forte-enterprise-1": "41.26"}
    for name, amount in printed.items():
        separate = bills(f"braket/{name}", 48, 512)["separate"]
        assert cents(separate.usd_per_inference) == Decimal(amount)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("garnet", 1.166), ("emerald", 1.294), ("ankaa-3", 0.495), ("forte-enterprise-1", 371.405)],
)
def test_the_talk_s_inference_time_lies_in_the_machine_time(name: str, seconds: float) -> None:
    time = bills(f"braket/{name}", 1, 512)["separate"].time
    assert time is not None
    assert time.low_s < seconds < time.high_s


def test_three_cepheus_tasks_forte_and_garnet_cost_what_aws_printed() -> None:
    cepheus = usd("braket/cepheus-1-108q", 3, 700)
    forte, garnet = usd("braket/forte-enterprise-1", 1, 100), usd("braket/garnet", 1, 1000)
    assert cepheus + forte + garnet == Decimal("11.8425")


def test_a_hundred_shots_on_forte_cost_what_aws_printed() -> None:
    assert usd("braket/forte-enterprise-1", 1, 100) == Decimal("8.30")


@pytest.mark.parametrize(
    ("device", "separate", "together", "chosen"),
    [
        ("braket/cepheus-1-108q", "34.25", "4.55", "program-sets"),
        ("braket/garnet", "44.50", "14.80", "program-sets"),
        ("braket/emerald", "46.00", "16.30", "program-sets"),
        ("braket/forte-enterprise-1", "830.00", "800.30", "separate"),
    ],
)
def test_a_program_set_saves_99_task_fees_and_is_chosen_where_it_is_confirmed(
    device: str, separate: str, together: str, chosen: str
) -> None:
    found = bills(device, 100, 100)
    assert found["separate"].usd == Decimal(separate)
    assert found["program-sets"].usd == Decimal(together)
    assert cheapest(found.values()) == found[chosen]


@pytest.mark.parametrize(("seconds", "dollars"), [("0.7", "0.00375"), ("3", "0.00375"), ("4.2", "0.00525")])
def test_sv1_bills_milliseconds_and_at_least_three_seconds_of_a_task(seconds: str, dollars: str) -> None:
    rule = Rule("known", Decimal(seconds), Decimal(0), "measured", "")
    device = replace(terms("braket/sv1"), machine_time=(rule, rule))
    (plan,) = plans(Workload.uniform(5, 5, 1000), device)
    assert plan.usd_low == plan.usd == plan.usd_high == 5 * Decimal(dollars)


@pytest.mark.parametrize(
    ("shots", "quote", "plan"),
    [
        (1, "25.79", "separate"),
        (400, "25.79", "separate"),
        (500, "168.20", "debiased"),
        (2000, "168.20", "debiased"),
        (5000, "284.32", "debiased"),
        (10_000, "568.64", "debiased"),
    ],
)
def test_ionq_s_own_quotes_are_met_within_a_fifth_of_a_percent(shots: int, quote: str, plan: str) -> None:
    found = bills("ionq/forte-enterprise-1", 1, shots, QUOTED)
    assert set(found) == {plan}
    assert found[plan].usd == pytest.approx(Decimal(quote), rel=Decimal("0.002"))


def test_ionq_s_minimum_is_that_of_each_circuit_by_its_own_shots() -> None:
    (one,), (other,) = (bills("ionq/forte-1", 1, shots, QUOTED).values() for shots in (100, 500))
    (few,), (many,) = (Workload.uniform(1, 1, shots, QUOTED).stages for shots in (100, 500))
    both = plans(Workload(1, (few, many)), terms("ionq/forte-1"))
    assert [(plan.name, plan.usd) for plan in both] == [("separate", one.usd + other.usd)]


@pytest.mark.parametrize(
    ("device", "off", "on"),
    [
        ("ionq-forte-enterprise-1", "25.7899", "168.195"),
        ("ionq-forte-1", "25.7899", "168.195"),
        ("ionq-aria-1", "12.4166", "97.50"),
    ],
)
def test_ionq_on_azure_has_a_minimum_without_and_with_mitigation(device: str, off: str, on: str) -> None:
    found = bills(f"azure/{device}", 3, 100, QUOTED)
    assert (found["separate"].usd, found["debiased"].usd) == (3 * Decimal(off), 3 * Decimal(on))
    assert cheapest(found.values()) == found["separate"]
    workload = replace(Workload.uniform(3, 3, 100, QUOTED), debias=True)
    assert [plan.name for plan in plans(workload, terms(f"azure/{device}"))] == ["debiased"]


def test_ionq_above_the_minimum_bills_gates_times_shots() -> None:
    found = bills("azure/ionq-forte-1", 1, 4000, QUOTED)["separate"].usd
    assert found == 4000 * (128 * Decimal("0.0001645") + 32 * Decimal("0.001121"))


@pytest.mark.parametrize(("contract", "usd_per_hqc"), [("standard", "12.50"), ("premium", "10.30")])
def test_quantinuum_s_credits_follow_its_formula(contract: str, usd_per_hqc: str) -> None:
    device = terms("azure/quantinuum-h2", load_sheets(contracts={"azure": contract}))
    (plan,) = plans(Workload.uniform(3, 3, 1000, Gates(10, 5, 4, 4)), device)
    assert plan.usd == 3 * (5 + 1000 * (10 + 10 * 5 + 5 * (4 + 4)) // 5000) * Decimal(usd_per_hqc)


@pytest.mark.parametrize(
    ("device", "low", "high"),
    [
        ("azure/rigetti-cepheus-1-108q", 52 * Decimal("0.02"), 440 * Decimal("0.02")),
        ("iqm/garnet", 2 * Decimal("0.30"), 14 * Decimal("0.30")),
        ("iqm/emerald", 2 * Decimal("0.30"), 16 * Decimal("0.30")),
    ],
)
def test_execution_time_is_billed_by_the_started_10_ms_or_second(
    device: str, low: Decimal, high: Decimal
) -> None:
    (plan,) = bills(device, 7, 1000).values()
    assert (plan.usd_low, plan.usd, plan.usd_high) == (7 * low, 7 * high, 7 * high)


@pytest.mark.parametrize(
    ("device", "eur"),
    [("garnet", 22 + 120), ("emerald", 25 + 140), ("sirius", 20 + 75), ("ibex-q1", 30 + 2100)],
)
def test_scaleway_s_euros_are_changed_at_the_sheet_s_rate(device: str, eur: int) -> None:
    assert usd(f"scaleway/{device}", 100, 1000) == eur * Decimal("1.1687")


@pytest.mark.parametrize(("device", "executions", "shortest_s", "longest_s"), SPANS)
def test_spans_measured_on_ibm_lie_in_the_machine_time_widened_by_5_percent(
    device: str, executions: int, shortest_s: float, longest_s: float
) -> None:
    time = bills(f"ibm/{device}", 1, executions)["job"].time
    assert time is not None
    assert 0.95 * time.low_s <= shortest_s <= longest_s <= 1.05 * time.high_s
    assert time.basis in ("measured", "transcribed")


def model_s(device: str, executions: int) -> float:
    price = terms(f"ibm/{device}").price
    assert isinstance(price, PerSecond)
    return float(price.overhead_s + executions / price.rate_hz)


@pytest.mark.parametrize(
    ("device", "executions", "shortest_s", "longest_s"),
    [span for span in SPANS if span[0] == "miami" or span[1] == 100_000],
)
def test_the_seconds_ibm_is_assumed_to_bill_are_within_30_percent_where_executions_take_most_of_them(
    device: str, executions: int, shortest_s: float, longest_s: float
) -> None:
    assert model_s(device, executions) == pytest.approx(shortest_s, rel=0.3)
    assert model_s(device, executions) == pytest.approx(longest_s, rel=0.3)


@pytest.mark.parametrize(("executions", "shortest_s", "longest_s"), HERON_SPANS)
def test_on_heron_the_seconds_ibm_is_assumed_to_bill_exceed_a_span_by_at_most_its_overhead(
    executions: int, shortest_s: float, longest_s: float
) -> None:
    assert model_s("kingston", executions) >= 0.97 * longest_s
    assert model_s("kingston", executions) - shortest_s <= 2


@pytest.mark.parametrize("name", [name for name in BRAKET if terms(name).machine_time])
def test_machine_time_on_braket_is_an_assumed_band_of_at_least_three(name: str) -> None:
    for shots in (100, 1000):
        time = bills(name, 48, shots)["separate"].time
        assert time is not None
        assert time.basis == "assumed" and time.high_s >= 3 * time.low_s


def test_each_plan_has_the_machine_time_of_its_own_tasks() -> None:
    rules = tuple(Rule(f"{a}", Decimal(a), Decimal(0), "assumed", "") for a in (10, 30))
    device = replace(terms("braket/cepheus-1-108q"), machine_time=rules)
    times = {plan.name: plan.time for plan in plans(Workload.uniform(200, 200, 100), device)}
    found = {name: (time.low_s, time.high_s) for name, time in times.items() if time}
    assert found["separate"] == (2000, 6000)
    assert found["program-sets"] == found["reservation"] == (20, 60)
