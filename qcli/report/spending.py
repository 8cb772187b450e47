"""What an estimate advises, as text: the shot plan, samples that show a loss, and the use of a budget."""

from decimal import Decimal

from qcli.report import text
from qcli.report.estimate_inputs import Compared, Estimate
from qcli.report.text import NONE

SHOT_LEGEND = """\
flips: expected share of labels that differ from the exact simulation because shots are few
contrast: share of an expectation value that the device keeps, by the forecast or else its compiled circuit's success
two stages: some shots for every sample, more for the unclear ones
saved: against the shots asked, negative where those flip too many; more: not even the most that the device takes"""


def shot_title(estimate: Estimate) -> str:
    """Target and method of the shot plan."""
    plan = estimate.shot_plans[0]
    return (
        f"Shot plan for at most {text.percent(plan.max_flips)} flipped labels, from the margins of "
        f"{plan.samples:,} validation samples ({plan.method})"
    )


def shot_header(estimate: Estimate) -> list[str]:
    """Over the columns of `shot_rows`."""
    asked = f"{estimate.shots:,} shots\nUSD, flips"
    stages = ["two stages\nshots, mean", "USD\nflips"]
    return ["device", "contrast", asked, "uniform\nshots", "USD\nflips", *stages, "saved\nUSD"]


def shot_rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """Devices whose calibration is known, the cheapest first."""
    rows: list[tuple[str, ...]] = []
    for plan in sorted(
        estimate.shot_plans, key=lambda plan: (plan.uniform_usd or Decimal("Infinity"), plan.device)
    ):
        if plan.contrast is None:
            continue
        uniform, stages, asked = plan.uniform, plan.two_stage, plan.asked
        bills = [usd for usd in (plan.uniform_usd, plan.two_stage_usd) if usd is not None]
        saved = asked.usd - min(bills) if asked.usd is not None and bills else None
        rows.append(
            (
                plan.device,
                text.number(plan.contrast, 2),
                f"{text.usd(asked.usd)}\n{text.percent(asked.flip_rate)}",
                text.count(uniform.shots) if uniform else f"more\n({text.percent(plan.flip_rate_at_most)})",
                f"{text.usd(plan.uniform_usd)}\n{text.percent(uniform.flip_rate)}" if uniform else NONE,
                f"{stages.first:,} + {stages.second:,}\n{stages.expected_shots:,.1f}" if stages else NONE,
                f"{text.usd(plan.two_stage_usd)}\n{text.percent(stages.flip_rate)}" if stages else NONE,
                text.usd(saved),
            )
        )
    return rows


def detect_rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """A device with its bill for each power, the cheapest first."""
    assert estimate.detect is not None

    def order(entry: tuple[str, list[Decimal | None]]) -> Decimal:
        return min((usd for usd in entry[1] if usd is not None), default=Decimal("Infinity"))

    return [
        (device, *map(text.usd, bills)) for device, bills in sorted(estimate.detect.usd.items(), key=order)
    ]


def detect_header(estimate: Estimate) -> list[str]:
    """Over the columns of `detect_rows`."""
    assert estimate.detect is not None
    needed = estimate.detect.needed.items()
    return [
        "device",
        *(f"USD at most, {n:,} inferences\n{100 * float(power):.0f} % power" for power, n in needed),
    ]


BUDGET_HEADER = ("device", "inferences", "shots", "USD at most", "loss, points")


BUDGET_LEGEND = "loss: the smallest that a paired test shows with 80 % power; not below the shot plan's flips"


def budget_rows(estimate: Estimate) -> list[tuple[str, ...]]:
    """What the budget buys on each device, the most inferences first."""
    assert estimate.budget is not None
    ordered = sorted(estimate.budget.devices, key=lambda each: (-each.inferences, each.device))
    return [
        (
            e.device,
            text.count(e.inferences),
            text.count(e.shots),
            text.usd(e.usd),
            text.number(e.detectable, 2),
        )
        for e in ordered
    ]


def budget_title(estimate: Estimate) -> str:
    assert estimate.budget is not None
    return f"The best use of {text.usd(estimate.budget.usd)} USD on each device"


def detect_title(estimate: Estimate) -> str:
    """What is to be shown."""
    assert estimate.detect is not None
    return (
        f"Samples that show a loss of {estimate.detect.points:g} points at {estimate.shots:,} shots "
        "(McNemar's exact test, 5 %, two-sided)"
    )


def compared_text(compared: Compared) -> str:
    """Whose loss, and how many samples there are."""
    held = f"; the test set has {compared.available:,} samples" if compared.available is not None else ""
    return f"accuracy in simulation taken as {text.percent(compared.accuracy)} ({compared.basis}){held}"
