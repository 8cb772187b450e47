"""What the report says, as text: shared by the terminal tables and the HTML page."""

from dataclasses import dataclass
from decimal import Decimal

from qcli.price.diff import Diff
from qcli.report import text
from qcli.report.inputs import (
    Assessment,
    Cliff,
    Compared,
    DeviceEstimate,
    Estimate,
    Estimated,
    MachineTime,
    Metrics,
    Plan,
    Scores,
)
from qcli.report.text import NONE


@dataclass(frozen=True)
class MetricsRow:
    """One model on the test set. `interval` belongs to the accuracy."""

    name: str
    parameters: str
    accuracy: str
    interval: str
    macro_f1: str
    ece: str
    baseline: bool


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


@dataclass(frozen=True)
class Fact:
    """One line of an assessment."""

    label: str
    value: str
    remark: str = ""


def metrics_rows(metrics: Metrics, model_name: str, parameters: int | None = None) -> list[MetricsRow]:
    """The hybrid model (mean over several seeds, then the kept seed), then the baselines."""
    rows = []
    own = text.count(parameters)
    if len(metrics.seeds) > 1:
        accuracy, macro_f1, ece = metrics.summary.accuracy, metrics.summary.macro_f1, metrics.summary.ece
        rows.append(
            MetricsRow(
                name=f"{model_name}, mean ± sd of {len(metrics.seeds)} seeds",
                parameters=own,
                accuracy=f"{text.number(100 * accuracy.mean, 1)} ± {_points_sd(accuracy.sd)} %",
                interval=NONE,
                macro_f1=f"{text.number(macro_f1.mean)} ± {text.number(macro_f1.sd)}",
                ece=f"{text.number(ece.mean)} ± {text.number(ece.sd)}",
                baseline=False,
            )
        )
    models: list[tuple[str, str, Scores, bool]] = [
        (f"{model_name}, seed {metrics.chosen_seed}", own, metrics.chosen, False)
    ]
    models += [(each.name, text.count(each.parameters), each, True) for each in metrics.baselines]
    for name, size, scores, baseline in models:
        rows.append(
            MetricsRow(
                name=name,
                parameters=size,
                accuracy=text.percent(scores.accuracy.value),
                interval=text.percent_range(scores.accuracy.low, scores.accuracy.high),
                macro_f1=text.number(scores.macro_f1.value),
                ece=text.number(scores.ece.value),
                baseline=baseline,
            )
        )
    return rows


def _points_sd(sd: float | None) -> str:
    return text.number(None if sd is None else 100 * sd, 1)


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


def change(degradation: Estimated) -> str:
    """The device's accuracy minus the simulation's, in points, with its paired interval."""
    low, high = degradation.low, degradation.high
    if low is None or high is None:
        return f"{text.points(-degradation.value)} points"
    return (
        f"{text.points(-degradation.value)} points, 95 % interval {text.points(-high)} to {text.points(-low)}"
    )


def reading(assessment: Assessment) -> str:
    """Whether the paired interval excludes no change at all."""
    low, high = assessment.degradation_points.low, assessment.degradation_points.high
    if low is None or high is None:
        return ""
    if low <= 0 <= high:
        return (
            f"The interval includes 0: {text.count(assessment.inferences)} samples do not show "
            "that the device changes the accuracy, nor that it does not."
        )
    return f"The interval excludes 0: the device is {'worse' if low > 0 else 'better'} than the simulation."


def assessment_facts(assessment: Assessment) -> list[Fact]:
    """Simulation against device, line by line."""
    simulated, measured = assessment.simulation.accuracy, assessment.hardware.accuracy
    pairs = assessment.only_simulation_right, assessment.only_device_right
    facts = [
        Fact("accuracy in simulation", text.percent(simulated.value), _interval(simulated)),
        Fact(f"accuracy on {assessment.device}", text.percent(measured.value), _interval(measured)),
        Fact(
            "change on the device",
            f"{text.points(-assessment.degradation_points.value)} points",
            "paired" + change(assessment.degradation_points).partition(",")[2],
        ),
        Fact(
            "McNemar's p",
            text.p_value(assessment.mcnemar_p),
            f"right only in simulation {text.count(pairs[0])}, only on the device {text.count(pairs[1])}",
        ),
        Fact(
            "flipped predictions",
            f"{text.count(assessment.flipped.count)} of {text.count(assessment.inferences)}",
            text.percent(assessment.flipped.share),
        ),
        Fact("mean |Δ⟨Z⟩|", text.number(assessment.mean_abs_delta_expval), "device against simulation"),
    ]
    return facts + _latency_facts(assessment) + _cost_facts(assessment) + _circuit_facts(assessment)


def _interval(scores: Estimated) -> str:
    return f"95 % interval {text.percent_range(scores.low, scores.high)}"


def _latency_facts(assessment: Assessment) -> list[Fact]:
    latency = assessment.latency_s_per_inference
    if latency is None:
        return []
    parts = {"compile": latency.compile, "execute": latency.execute, "post-process": latency.postprocess}
    split = ", ".join(f"{name} {text.duration(seconds)}" for name, seconds in parts.items())
    return [Fact("latency per inference", text.duration(latency.total), f"measured: {split}")]


def _cost_facts(assessment: Assessment) -> list[Fact]:
    cost = assessment.cost
    if cost is None:
        return []
    facts = [Fact("cost of this run", f"{text.usd(cost.usd)} USD")]
    if cost.real_usd is not None:
        where = f"on {cost.real_device}" if cost.real_device else ""
        plan = f"plan {cost.real_plan}" if cost.real_plan else ""
        remark = ", ".join(part for part in (where, plan) if part)
        facts.append(Fact("cost on the real device", f"{text.usd(cost.real_usd)} USD", remark))
    return facts


def _circuit_facts(assessment: Assessment) -> list[Fact]:
    facts = []
    if (circuit := assessment.circuit) is not None:
        layout = ", ".join(map(str, circuit.layout or []))
        facts.append(
            Fact(
                "compiled circuit",
                f"{text.count(circuit.two_qubit_gates)} two-qubit gates",
                f"depth {text.count(circuit.depth)}" + f"; physical qubits {layout}" * bool(layout),
            )
        )
    if assessment.calibrated_on:
        facts.append(Fact("calibration", assessment.calibrated_on))
    return facts
