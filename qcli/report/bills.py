"""What an estimate says, as text: shared by the terminal tables, the HTML page and Markdown."""

from dataclasses import dataclass
from decimal import Decimal

from qcli.price.diff import Diff
from qcli.report import text
from qcli.report.inputs import Cliff, Compared, DeviceEstimate, Estimate, MachineTime, Plan
from qcli.report.text import NONE


@dataclass(frozen=True)
class PlanRow:
    """One way to submit, and what it costs."""

    name: str
    tasks: str
    usd: str
    usd_range: str
    usd_each: str
    machine_time: str
    barred: str
    cheapest: bool


@dataclass(frozen=True)
class DeviceRow:
    """One device of an estimate."""

    device: str
    status: str
    fits: bool
    fit: str
    note: str
    two_qubit_gates: str
    depth: str
    plans: tuple[PlanRow, ...]
    machine_time: str
    time_basis: str
    queue: str
    verified_on: str
    price_basis: str
    calibrated_on: str
    breaches: tuple[str, ...]

    @property
    def plan(self) -> PlanRow | None:
        """The cheapest."""
        return next((plan for plan in self.plans if plan.cheapest), None)


@dataclass(frozen=True)
class CliffRow:
    """One kind of cliff over all devices."""

    name: str
    where: str
    effect: str
    usd: str
    what: str
    fix: str


def estimate_rows(estimate: Estimate) -> list[DeviceRow]:
    """Devices compiled for first, those that do not fit last; retired after others; then by price."""

    def order(row: DeviceEstimate) -> tuple[int, bool, Decimal, str]:
        plan = row.cheapest_plan
        rank = 0 if row.compiled else 1 if row.fits else 2
        return (rank, row.status == "retired", plan.usd if plan else Decimal("Infinity"), row.device)

    return [_device_row(row, estimate) for row in sorted(estimate.rows, key=order)]


def _device_row(row: DeviceEstimate, estimate: Estimate) -> DeviceRow:
    time, price, calibration = row.machine_time_s, row.price, row.calibration
    return DeviceRow(
        device=row.device,
        status=row.status or NONE,
        fits=row.fits,
        fit="fits" if row.fits else "does not fit",
        note=row.note or "",
        two_qubit_gates=text.count(row.two_qubit_gates),
        depth=text.count(row.depth),
        plans=tuple(_plan_row(plan, plan is row.cheapest_plan, estimate) for plan in row.plans),
        machine_time=_time(time),
        time_basis=(time and time.basis) or NONE,
        queue=queue(row),
        verified_on=(price and price.verified_on) or NONE,
        price_basis=(price and price.basis) or NONE,
        calibrated_on=(calibration and calibration.calibrated_on) or NONE,
        breaches=tuple(row.breaches),
    )


def _plan_row(plan: Plan, cheapest: bool, estimate: Estimate) -> PlanRow:
    return PlanRow(
        name=plan.name,
        tasks=text.count(plan.tasks),
        usd=text.usd(plan.usd),
        usd_range=text.usd_range(plan.usd_low, plan.usd_high),
        usd_each=text.usd(
            estimate.per_month * plan.usd
            if estimate.per_month > 1
            else _per_inference(plan, estimate.inferences)
        ),
        machine_time=_time(plan.machine_time_s),
        barred=plan.barred,
        cheapest=cheapest,
    )


def _time(time: MachineTime | None) -> str:
    return text.duration_range(time.low, time.high) if time else NONE


def queue(row: DeviceEstimate) -> str:
    """Waiting is not forecast: what was seen, if anything."""
    if row.kind == "simulator":
        return "none to speak of"
    if row.queue is None:
        return "unknown, no public figure"
    low, high = text.duration(row.queue.low), text.duration(row.queue.high)
    return f"unknown, seen from {low} to {high}"


def each(estimate: Estimate) -> str:
    """What `usd_each` is for: a month of repetitions, or one inference."""
    return "month" if estimate.per_month > 1 else estimate.unit


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


def queue_text(estimate: Estimate) -> str:
    """What is known of waiting, over all devices."""
    seen = [row.queue for row in estimate.rows if row.queue is not None]
    if not seen:
        return "machine time is without the queue, which is unknown"
    low, high = min(each.low for each in seen), max(each.high for each in seen)
    return (
        "machine time is without the queue, which is unknown: seen from "
        f"{text.duration(low)} to {text.duration(high)} a task (--breakdown has each device's source)"
    )


def plan_remarks(row: DeviceEstimate, plan: Plan) -> list[str]:
    """Time, waiting and sources, below a bill."""
    remarks = [
        f"queue time: {queue(row)}" + (f" ({row.queue.what}; {row.queue.source})" if row.queue else "")
    ]
    if (time := plan.machine_time_s) is not None:
        remarks.insert(0, f"machine time: {_time(time)}, {time.basis}")
    if row.price is not None:
        contract = f", contract {row.price.contract}" if row.price.contract else ""
        remarks.append(f"price: {row.price.basis}, checked on {row.price.verified_on}{contract}")
        if plan is row.cheapest_plan:
            others = (f"{name} {text.usd(usd)} USD" for name, usd in row.price.other_contracts.items())
            remarks += [f"under other contracts: {', '.join(others)}"] if row.price.other_contracts else []
    return remarks


SHOT_LEGEND = """\
flips: expected share of labels that differ from the exact simulation because shots are few
contrast: assumed share of an expectation value that the device keeps, its compiled circuit's estimated success
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


def diff_facts(diff: Diff) -> str:
    """What differs in the question."""
    return "; ".join(f"{name}: {old} → {new}" for name, old, new in diff.facts) or "the same question"


def diff_rows(diff: Diff) -> list[tuple[str, str, str, str, str, str]]:
    """Device, plan and USD before, plan and USD after, change; the largest change first."""
    rows = []
    for each in sorted(
        diff.changes, key=lambda c: (-abs(c.usd) if c.usd is not None else Decimal(1), c.device)
    ):
        change = NONE
        if each.usd is not None and each.usd_before is not None:
            share = f" ({text.points(float(100 * each.usd / each.usd_before))} %)" if each.usd_before else ""
            sign = "+" if each.usd > 0 else text.MINUS if each.usd < 0 else ""
            change = f"{sign}{text.usd(abs(each.usd))}{share}"
        before = (each.plan_before or NONE, text.usd(each.usd_before))
        rows.append((each.device, *before, each.plan_after or NONE, text.usd(each.usd_after), change))
    return rows


def cliff_rows(estimate: Estimate) -> list[CliffRow]:
    """Cliffs of the same name put together, those of the whole workload first."""
    rows = [CliffRow(c.name, "", c.effect, text.usd(c.usd), c.what, c.fix) for c in estimate.cliffs]
    found: dict[str, list[tuple[str, Cliff]]] = {}
    for row in estimate.rows:
        for cliff in row.cliffs:
            found.setdefault(cliff.name, []).append((row.device, cliff))
    for name, each in found.items():
        amounts = sorted(cliff.usd for _, cliff in each)
        usd = text.usd_range(amounts[0], amounts[-1]) or text.usd(amounts[0])
        device, most = max(each, key=lambda entry: entry[1].usd)
        where = device if len(each) == 1 else f"{len(each)} devices"
        what = most.what if len(each) == 1 else f"{device}: {most.what}"
        rows.append(CliffRow(name, where, most.effect, usd, what, most.fix))
    return rows


def _per_inference(plan: Plan, inferences: int) -> Decimal | None:
    if plan.usd_per_inference is not None:
        return plan.usd_per_inference
    return plan.usd / inferences if inferences > 0 else None


def estimate_title(estimate: Estimate) -> str:
    """What is priced, in a line."""
    circuits = estimate.circuits_per_inference
    parts = [
        _subject(estimate),
        f"{circuits} circuit{'' if circuits == 1 else 's'} each" if circuits is not None else "",
        f"{text.count(estimate.shots)} shots",
        f"{estimate.wires} wires" if estimate.wires is not None else "",
        f"mitigation {estimate.mitigation}" if estimate.mitigation else "",
        "as a hybrid job" if estimate.hybrid_job else "",
        f"{estimate.per_month:,} times a month" if estimate.per_month > 1 else "",
        *(f"{provider} contract {name}" for provider, name in estimate.contracts.items()),
    ]
    return f"{estimate.model}: " * bool(estimate.model) + ", ".join(part for part in parts if part)


def _subject(estimate: Estimate) -> str:
    steps = estimate.training
    if steps is None:
        return f"{text.count(estimate.inferences)} inferences"
    return (
        f"training on the device, {steps.epochs:,} epochs of {steps.rows:,} samples in batches of "
        f"{steps.batch:,}, {steps.gradient} with {steps.circuits_per_sample:,} circuits a sample and epoch"
    )
