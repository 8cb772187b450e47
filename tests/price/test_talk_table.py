"""The price table of the PSC webinar of 2026-04-03, and the totals AWS printed, to the cent."""

from decimal import ROUND_HALF_UP, Decimal

import pytest

from qcli.price.plans import Workload, plans
from qcli.price.sheet import terms

TALK = [
    ("braket/ankaa-3", 512, "36.52"),
    ("braket/ankaa-3", 1024, "58.64"),
    ("braket/emerald", 512, "53.72"),
    ("braket/emerald", 1024, "93.04"),
    ("braket/garnet", 512, "50.04"),
    ("braket/garnet", 1024, "85.67"),
    ("braket/forte-enterprise-1", 512, "1980.48"),
    ("braket/forte-enterprise-1", 1024, "3946.56"),
]
EXACT = ["36.5184", "58.6368", "53.7216", "93.0432", "50.0352", "85.6704", "1980.48", "3946.56"]


def usd(device: str, circuits: int, shots: int, plan: str = "separate") -> Decimal:
    bills = {bill.name: bill.usd for bill in plans(Workload(circuits, circuits, shots), terms(device))}
    return bills[plan]


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


@pytest.mark.parametrize(("device", "shots", "printed"), TALK)
def test_the_talk_s_figure_is_the_exact_sum_rounded_half_up(device: str, shots: int, printed: str) -> None:
    assert cents(usd(device, 48, shots)) == Decimal(printed)


def test_no_cell_of_the_talk_differs_from_the_arithmetic() -> None:
    off = {}
    for (device, shots, printed), exact in zip(TALK, EXACT, strict=True):
        assert usd(device, 48, shots) == Decimal(exact)
        if cents(Decimal(exact)) != Decimal(printed):
            off[device, shots] = cents(Decimal(exact)) - Decimal(printed)
    assert off == {}


def test_one_inference_costs_what_the_talk_s_other_table_says() -> None:
    printed = {"ankaa-3": "0.76", "emerald": "1.12", "garnet": "1.04", "forte-enterprise-1": "41.26"}
    for name, amount in printed.items():
        (separate, *_) = plans(Workload(48, 48, 512), terms(f"braket/{name}"))
        assert cents(separate.usd_per_inference) == Decimal(amount)


def test_three_cepheus_tasks_forte_and_garnet_cost_what_aws_printed() -> None:
    cepheus = usd("braket/cepheus-1-108q", 3, 700)
    assert cepheus + usd("braket/forte-enterprise-1", 1, 100) + usd("braket/garnet", 1, 1000) == Decimal(
        "11.8425"
    )


def test_a_hundred_shots_on_forte_cost_what_aws_printed() -> None:
    assert usd("braket/forte-enterprise-1", 1, 100) == Decimal("8.30")


@pytest.mark.parametrize(
    ("device", "separate", "together"),
    [
        ("braket/cepheus-1-108q", "34.25", "4.55"),
        ("braket/garnet", "44.50", "14.80"),
        ("braket/emerald", "46.00", "16.30"),
    ],
)
def test_a_program_set_saves_99_task_fees(device: str, separate: str, together: str) -> None:
    assert usd(device, 100, 100) == Decimal(separate)
    assert usd(device, 100, 100, "program-sets") == Decimal(together)


def test_forte_is_offered_without_program_sets_while_its_limits_are_unpublished() -> None:
    names = [plan.name for plan in plans(Workload(100, 100, 100), terms("braket/forte-enterprise-1"))]
    assert names == ["separate"]
    assert usd("braket/forte-enterprise-1", 100, 100) == Decimal("830.00")
