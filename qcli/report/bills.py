"""What an estimate says, as text: shared by the terminal tables, the HTML page and Markdown."""

from dataclasses import dataclass
from decimal import Decimal

from qcli.price.diff import Diff
from qcli.report import forecasts, text
from qcli.report.estimate_inputs import Cliff, DeviceEstimate, Estimate, MachineTime, Plan
from qcli.report.forecasts import ForecastRow
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
    forecast: ForecastRow | None

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
        note="; ".join(filter(None, (row.note, _stand_in(row)))),
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
        forecast=forecasts.forecast_row(row.device, row.forecast) if row.forecast else None,
    )


def _stand_in(row: DeviceEstimate) -> str:
    other = row.forecast.stand_in if row.forecast else None
    if not other:
        return ""
    return "so is the forecast" if other in (row.note or "") else f"forecast as for {other}"


FORECAST_HEADER = ("accuracy %", "points lost")


def forecast_legend(estimate: Estimate) -> list[str]:
    """What the forecasts in an estimate are; empty without any."""
    found = [row.forecast for row in estimate.rows if row.forecast]
    if not found:
        return []
    about = (
        "accuracy %: a forecast, with its 90 % interval; points lost: against simulation "
        "(qcli forecast RUN --why says where)"
    )
    return [line for line in (about, forecasts.ages(found)) if line]


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
            change = f"{text.usd_change(each.usd)}{share}"
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
