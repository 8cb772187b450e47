"""What validations say beside the comparison, as facts: where the error came from, shots, latency, cost, circuit."""

from collections.abc import Sequence

from qcli.report import text
from qcli.report.assessment_inputs import Adaptive, Assessment, Canary, Cost, Drop, Latency
from qcli.report.text import NONE
from qcli.report.view import Fact, part


def fact_groups(assessment: Assessment) -> list[list[Fact]]:
    """All that is not a comparison, by subject; subjects that nothing is known of are left out."""
    cost, shots, latency = assessment.cost, assessment.adaptive, assessment.latency_s_per_inference
    groups = [
        _error_facts(assessment.drop, assessment.raw is not None) if assessment.drop else [],
        _adaptive_facts(shots, assessment.inferences) if shots else [],
        _latency_facts(latency) if latency else [],
        _cost_facts(cost, shots is not None, assessment.shots) if cost else [],
        [*(_canary_facts(assessment.canary) if assessment.canary else []), *_circuit_facts(assessment)],
    ]
    return [group for group in groups if group]


def _error_facts(drop: Drop, mitigated: bool) -> list[Fact]:
    whole = drop.mean_squared_error
    before = ", before mitigation" * mitigated

    def share(of_it: float) -> str:
        return text.percent(of_it / whole if whole > 0 else None)

    basis = {
        "measured": "by the readout errors measured",
        "published calibration": "by the published calibration",
    }
    return [
        Fact("mean squared error", text.number(whole, 4), f"of the quantum outputs{before}"),
        part("from readout", share(drop.readout), basis.get(drop.readout_basis, drop.readout_basis)),
        part("from shot noise", share(drop.shot_noise)),
        part("the rest", share(drop.rest), "gates, idling, drift, and what the parts share"),
    ]


def _adaptive_facts(found: Adaptive, inferences: int) -> list[Fact]:
    if not found.second:
        return [
            Fact("shots for every sample", text.count(found.first), "no second stage: it would not save any")
        ]
    again = f"{text.percent(found.revisited / inferences)}; expected {text.percent(found.expected_revisited)}"
    unclear = f"{text.count(found.second)} more within {found.band:.3g} of another label ({found.unit})"
    return [
        Fact("shots for every sample", text.count(found.first), unclear),
        Fact("samples revisited", f"{text.count(found.revisited)} of {text.count(inferences)}", again),
        Fact(
            "mean shots",
            text.number(found.mean_shots, 1),
            f"planned for {_rare(found.expected_flips)} flipped labels",
        ),
    ]


def _rare(share: float) -> str:
    """A share, without calling a small one nothing."""
    return "less than 0.1 %" if 0 < share < 0.0005 else text.percent(share)


def _latency_facts(latency: Latency) -> list[Fact]:
    if latency.execute is not None:
        parts = {"compile": latency.compile, "execute": latency.execute, "post-process": latency.postprocess}
        split = ", ".join(f"{name} {text.duration(seconds)}" for name, seconds in parts.items())
        return [Fact("latency per inference", text.duration(latency.total), f"measured: {split}")]
    silent = latency.qpu is None and latency.queue is not None
    queue = "queue and QPU" if silent else "queue"
    parts = {"compile": latency.compile, "submit": latency.submit, queue: latency.queue}
    parts |= {"QPU": latency.qpu, "return": latency.returned, "post-process": latency.postprocess}
    remarks = {
        "compile": "parts are summed over tasks that may wait side by side",
        "queue and QPU": "the vendor does not say how long it ran",
        "QPU": "as the vendor bills it",
        "return": "until the result was here",
    }
    facts = [Fact("latency per inference", text.duration(latency.total), "by the clock, queue included")]
    return facts + [
        part(name, text.duration(seconds), remarks.get(name, ""))
        for name, seconds in parts.items()
        if seconds is not None
    ]


def _cost_facts(cost: Cost, adaptive: bool, shots: int | None) -> list[Fact]:
    facts = [Fact("cost of this run", f"{text.usd(cost.usd)} USD", _submitted(cost))]
    if cost.usd_open:
        facts.append(part("not billed yet", f"{text.usd(cost.usd_open)} USD", "reserved: it may be less"))
    if cost.usd_estimated is not None:
        more = cost.usd - cost.usd_estimated
        facts.append(
            part(
                "against the estimate",
                f"{text.usd_change(more)} USD",
                f"estimated {text.usd(cost.usd_estimated)} USD",
            )
        )
    if cost.usd_per_inference is not None:
        facts.append(part("per inference", f"{text.usd(cost.usd_per_inference)} USD"))
        right = cost.usd_per_correct_inference
        facts.append(
            part(
                "per correct inference",
                f"{text.usd(right)} USD" if right is not None else NONE,
                "" if right is not None else "none was correct",
            )
        )
    if cost.max_cost is not None:
        facts.append(part("cap", f"{text.usd(cost.max_cost)} USD"))
    if cost.real_usd is not None:
        where = f"on {cost.real_device}" if cost.real_device else ""
        facts.append(
            Fact(
                "cost on the real device",
                f"{text.usd(cost.real_usd)} USD",
                _joined(where, _plan(cost.real_plan)),
            )
        )
    return facts + (_alternatives(cost, shots) if adaptive else [])


def _submitted(cost: Cost) -> str:
    return _joined(
        _plan(cost.plan),
        _counted(cost.tasks, "task"),
        _counted(cost.failed_tasks or None, "failed task"),
        _counted(cost.circuits, "circuit"),
        _counted(cost.shots, "shot"),
        f"{text.duration(cost.qpu_s)} of QPU" if cost.qpu_s is not None else "",
    )


def _alternatives(cost: Cost, shots: int | None) -> list[Fact]:
    """What the same samples cost without adaptive shots, and by how much that is more."""
    paid = cost.usd if cost.real_usd is None else cost.real_usd
    each = f"{text.count(shots)} shots each"
    offered = ((each, cost.uniform_usd), (f"{each}, a task a circuit", cost.separate_usd))
    return [
        part(name, f"{text.usd(usd)} USD", f"adaptive shots save {text.percent(float(1 - paid / usd))}")
        for name, usd in offered
        if usd
    ]


def _canary_facts(canary: Canary) -> list[Fact]:
    off = text.number(canary.mean_abs_delta_expval)
    seen = f"foreseen {text.number(canary.low)} to {text.number(canary.high)} ({100 * canary.level:g} %)"
    verdict = "passed" if canary.passed else "stopped"
    if canary.passed and canary.mean_abs_delta_expval < canary.low:
        verdict = "better than foreseen"
    return [Fact("canary", verdict, f"{_counted(canary.samples, 'sample')} {off} off simulation, {seen}")]


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
    used: Sequence[str] = assessment.calibrations or [assessment.calibrated_on or ""]
    if any(used):
        changed = "it changed during the run" if len(used) > 1 else ""
        facts.append(Fact("calibration", ", ".join(used), changed))
    return facts


def _plan(name: str | None) -> str:
    return f"plan {name}" if name else ""


def _counted(number: int | None, what: str) -> str:
    return "" if number is None else f"{text.count(number)} {what}{'' if number == 1 else 's'}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
