"""What training and rehearsals say, as text: shared by the terminal tables and the HTML page."""

from dataclasses import dataclass

from qcli.report import text
from qcli.report.inputs import Assessment, Estimated, Metrics, Scores
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
