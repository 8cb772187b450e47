"""The same test samples through simulation and an emulated device, or another simulator: free, offline."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from decimal import Decimal, localcontext
from typing import Any

from torch import Tensor, nn

from qcli.assess.bill import separate_usd
from qcli.assess.document import assessment, samples
from qcli.assess.inference import Inference, OnSamples, infer
from qcli.assess.measured import Measured, expected_revisits, measure, plan_stages
from qcli.assess.question import check_width, hardware_folder
from qcli.assess.request import Request, Stages, parse_for
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.execute.emulator import Emulator
from qcli.files import write_atomic, write_json
from qcli.forecast.accuracy import forecast_run
from qcli.forecast.shots import shots_taken
from qcli.model.layer import quantum_layers
from qcli.price import ledger
from qcli.price.bill import EXACT
from qcli.price.plans import cheapest, plans
from qcli.price.record import Call, record
from qcli.price.sheet import load_sheets
from qcli.price.subject import Subject, inference
from qcli.price.submission import charge, packed
from qcli.price.tariff import PerSecond, PerTask, Terms
from qcli.price.workload import Workload, mitigated
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor
from qcli.train.run import Run

_CHUNK = 8
_DAYS = 8
"""Enough for the contrast of a forecast."""
_log = logging.getLogger(__name__)


def simulate(run: Run, request: Request, executor: Executor, on_samples: OnSamples) -> dict[str, Any]:
    """The assessment of a simulator without noise.

    Raises:
        QcliError: mitigation or adaptive shots, which it has no use for.
    """
    if request.mitigation or request.adaptive:
        what = "--mitigation" if request.mitigation else "--adaptive"
        raise QcliError(
            f"{request.device} has no noise of a device", what, "choose an emulator or a real device"
        )
    model, (x, y) = run.model(), run.rows("test", request.inferences)
    simulated = _reference(run, model, x, request)
    measured = Measured(infer(model, x, len(run.info.data.classes), executor, _CHUNK, on_samples))
    content = assessment(
        request,
        executor.name,
        y.numpy(),
        simulated,
        measured,
        _engine(model, request),
        calibrated_on=None,
        latency_s_per_inference=_latency(executor.timings, measured.final),
        cost={"usd": "0", "real_device": None, "real_usd": None, "real_plan": None},
        circuit=None,
    )
    return _kept(run, content, samples(run, y.numpy(), simulated, measured).to_csv(index=False))


def rehearse(
    run: Run,
    request: Request,
    emulator: Emulator,
    on_samples: OnSamples,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    """The assessment of an emulated device, and what the real one would charge.

    Raises:
        QcliError: a circuit too wide, or mitigation that the emulator does not have.
    """
    model, (x, y) = run.model(), run.rows("test", request.inferences)
    classes, calls = len(run.info.data.classes), record(model, x[:1])
    subject = Subject(run.info.model.name, classes, run, calls)
    check_width(subject, emulator.device, emulator.name)
    own, _ = parse_for(request.mitigation, emulator.device, hardware=False)
    if request.adaptive:
        if request.mitigation:
            raise QcliError(
                "no shots can be planned under mitigation", "--adaptive, --mitigation", "give one of the two"
            )
        on_step("planning shots")
        request = request.model_copy(update={"stages": _stages(run, model, x, request, emulator.device)})
    on_step(f"running on {emulator.name}")
    simulated = _reference(run, model, x, request)
    measured = measure(model, x, classes, emulator, request.shots, own, request.stages, _CHUNK, on_samples)
    work = mitigated(inference(subject, request.inferences, request.shots, {}), own)
    content = assessment(
        request,
        emulator.name,
        y.numpy(),
        simulated,
        measured,
        _engine(model, request),
        calibrated_on=emulator.device.calibrated_on.isoformat(),
        latency_s_per_inference=_latency(emulator.timings, measured.final),
        cost=_cost(emulator, work, measured, request.stages, calls),
        circuit=_circuit(emulator),
    )
    _to_ledger(run, emulator, work, request.stages)
    return _kept(run, content, samples(run, y.numpy(), simulated, measured).to_csv(index=False))


def _reference(run: Run, model: nn.Module, x: Tensor, request: Request) -> Inference:
    exact = Exact(request.engine, precision_named(request.precision))
    return infer(model, x, len(run.info.data.classes), exact, _CHUNK)


def _engine(model: nn.Module, request: Request) -> dict[str, str]:
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    return asdict(choose(request.engine, wires, _CHUNK))


def _stages(run: Run, model: nn.Module, x: Tensor, request: Request, device: Device) -> Stages:
    seen = forecast_run(run, device, request.inferences, request.shots, device.calibrated_on, days=_DAYS)
    classes = len(run.info.data.classes)
    return plan_stages(
        model, x, classes, request.shots, request.max_flips, seen.contrast, shots_taken(device)
    )


def _kept(run: Run, content: dict[str, Any], table: str) -> dict[str, Any]:
    folder = hardware_folder(run, content["device"])
    write_atomic(folder / "samples.csv", table)
    write_json(folder / "assessment.json", content)
    return content


def _latency(timings: Any, measured: Inference) -> dict[str, float]:
    n = len(measured.outputs)
    stages = {name: getattr(timings, name) / n for name in ("compile", "execute", "postprocess")}
    stages["postprocess"] += measured.seconds / n - sum(stages.values())
    return {**stages, "total": measured.seconds / n}


def _cost(
    emulator: Emulator, work: Workload, measured: Measured, stages: Stages | None, calls: Sequence[Call]
) -> dict[str, Any]:
    """What this rehearsal cost, and what the same on the device itself would, in its cheapest plan."""
    entry = load_sheets().devices.get(emulator.device.key)
    plan = cheapest(plans(work, entry)) if entry else None
    usd = plan.usd if plan else None
    more: dict[str, Any] = {}
    if entry and plan and stages and measured.revisited is not None:
        again = int(measured.revisited.mask.sum())
        more["uniform_usd"] = f"{plan.usd:f}"
        more["separate_usd"] = f"{separate_usd(work, entry):f}"
        usd = _staged(entry, plan.name, work.inferences, again, stages, calls)
    return {
        "usd": "0",
        "real_device": emulator.device.key,
        "real_usd": None if usd is None else f"{usd:f}",
        "real_plan": plan.name if plan else None,
        **more,
    }


def _staged(
    entry: Terms, plan: str, inferences: int, again: int, stages: Stages, calls: Sequence[Call]
) -> Decimal | None:
    if not isinstance(entry.price, PerTask | PerSecond):
        return None
    circuits = sum(each.count for call in calls for each in call.circuits)
    usd = Decimal(0)
    with localcontext(EXACT):
        for count, shots in ((inferences * circuits, stages.first), (again * circuits, stages.second)):
            for group in packed([shots] * count, plan, entry):
                usd += charge(entry, [shots] * len(group), plan).usd
    return usd


def _to_ledger(run: Run, emulator: Emulator, work: Workload, stages: Stages | None) -> None:
    """The rehearsal in the ledger: nothing is billed, but circuits and shots were foreseen and counted."""
    nothing = Decimal(0)
    tasks, shots = work.circuits, work.executions
    if stages:
        again = expected_revisits(stages, work.inferences) * (work.circuits // work.inferences)
        tasks, shots = work.circuits + again, work.circuits * stages.first + again * stages.second
    entry = ledger.Entry(
        run=str(run.path),
        model=run.info.model.name,
        device=emulator.name,
        plan=None,
        inferences=work.inferences,
        estimate=ledger.Estimated(
            tasks=tasks, shots=shots, qpu_s=None, usd=nothing, usd_low=nothing, usd_high=nothing
        ),
        actual=ledger.Actual(tasks=emulator.circuits_run, shots=emulator.shots_run, qpu_s=None, usd=nothing),
    )
    try:
        ledger.append(entry)
    except OSError as error:
        _log.warning("not added to the ledger %s: %s", ledger.ledger_path(), error.strerror or error)


def _circuit(emulator: Emulator) -> dict[str, Any]:
    """Counts and layout of the largest circuit that was compiled."""
    compiled = max(
        (circuit.compiled for circuit in emulator.prepared.values()), key=lambda c: c.two_qubit_gates
    )
    return {
        "two_qubit_gates": compiled.two_qubit_gates,
        "depth": compiled.depth,
        "layout": list(compiled.used_qubits),
    }
