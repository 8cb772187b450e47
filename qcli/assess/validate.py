"""The same test samples through simulation and through a device, side by side."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal, localcontext
from typing import Any

from pydantic import JsonValue
from torch import Tensor, nn

from qcli.assess import on_hardware, on_pennylane
from qcli.assess.bill import separate_usd
from qcli.assess.document import assessment, samples
from qcli.assess.inference import Inference, OnSamples, infer
from qcli.assess.measured import Measured, expected_revisits, measure, plan_stages
from qcli.assess.on_hardware import Spending, check_width, hardware_folder
from qcli.assess.request import Request, Stages, parse_for
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.execute.emulator import Emulator
from qcli.execute.hardware import Progress
from qcli.execute.pennylane import PREFIX, is_pennylane
from qcli.execute.select import executor as executor_named
from qcli.execute.select import is_hardware
from qcli.files import write_atomic, write_json
from qcli.forecast.accuracy import forecast_run
from qcli.forecast.shots import shots_taken
from qcli.model.layer import quantum_layers
from qcli.price import ledger
from qcli.price.bill import EXACT
from qcli.price.plans import cheapest, check_within, plans
from qcli.price.record import Call, record
from qcli.price.sheet import load_sheets
from qcli.price.subject import Subject, inference
from qcli.price.submission import charge, packed
from qcli.price.tariff import PerSecond, PerTask, Terms
from qcli.price.workload import Workload, mitigated
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.train.run import Run

__all__ = ["hardware_folder", "rescore", "validate_on_hardware"]

_CHUNK = 8
_DAYS = 8
"""Enough for the contrast of a forecast."""
_log = logging.getLogger(__name__)


def validate_on_hardware(
    run: Run,
    device: str,
    *,
    inferences: int | None = None,
    shots: int = 512,
    seed: int = 0,
    engine: str = "auto",
    precision: str = "float32",
    mitigation: Sequence[str] = (),
    adaptive: bool = False,
    max_flips: float | None = None,
    repetition: int = 0,
    vendor_compile: bool = False,
    contracts: Mapping[str, str] | None = None,
    device_options: Mapping[str, JsonValue] | None = None,
    unpriced: bool = False,
    spending: Spending | None = None,
    on_samples: OnSamples = lambda done, total: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Run the first `inferences` test samples (default 48, or all if fewer) in simulation and on `device`.

    Writes assessment.json and samples.csv under hardware/<device>/ and returns the assessment. On a real device nothing
    is submitted without `spending.max_cost`: what would be is returned instead, `"schema": "qcli.dry-run/1"`. Running
    the same again resumes.

    Args:
        engine, precision: of the simulation.
        mitigation: readout, zne=1,3; on hardware also debias (IonQ), twirl=16, trex, dd (IBM).
        adaptive: few shots for all samples, more only for those that are then unclear, so that at most `max_flips` of
            the labels hang on shot noise (default: as few as `shots` for every sample would flip).
        repetition: of a real device, another number measures everything anew.
        vendor_compile: submitted as written, for the vendor's compiler.
        contracts: by provider, such as `{"ibm": "flex"}`.
        device_options: of a PennyLane device (`pennylane:lightning.qubit`), for its constructor.
        unpriced: a PennyLane device may cost what qcli can neither price nor cap.
        on_samples: called with samples done and their number, on simulators and emulators.
        on_progress, on_step: the same of a real device: circuits, and what is done.

    Raises:
        QcliError: unknown device, too many inferences, shots the device does not take, a circuit too wide, the cap or
            a device without prices (exit code 3), the canary (4), or a fault of the service (1).
    """
    count = run.inferences(inferences)
    request = Request(
        device=device,
        inferences=count,
        shots=max(shots, 1),
        seed=max(seed, 0),
        mitigation=tuple(mitigation),
        adaptive=adaptive,
        max_flips=_share(max_flips) if adaptive else None,
        repetition=repetition,
        vendor_compile=vendor_compile,
        contracts=dict(contracts or {}),
        engine=engine,
        precision=precision,
    )
    if is_pennylane(device):
        check_within(shots, (1, None), device)
        return on_pennylane.validate(
            run, request, spending or Spending(), device_options or {}, unpriced, on_step
        )
    if device_options or unpriced:
        option = "--device-option" if device_options else "--unpriced"
        raise QcliError(
            f"{option} does not go with {device}", option, f"leave it out, or give --device {PREFIX}NAME"
        )
    if is_hardware(device):
        return on_hardware.validate(run, request, spending or Spending(), on_progress, on_step)
    executor = executor_named(device, shots, seed, engine, precision)
    if spending is not None and spending.max_cost is not None:
        raise QcliError(f"{device} costs nothing", "--max-cost", "leave it out")
    model, (x, y) = run.model(), run.rows("test", count)
    classes = len(run.info.data.classes)
    reference = Exact(engine, precision_named(precision))
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    chosen = asdict(choose(engine, wires, _CHUNK))
    if not isinstance(executor, Emulator):
        if mitigation or adaptive:
            what = "--mitigation" if mitigation else "--adaptive"
            raise QcliError(f"{device} has no noise of a device", what, "choose an emulator or a real device")
        simulated = infer(model, x, classes, reference, _CHUNK)
        measured = Measured(infer(model, x, classes, executor, _CHUNK, on_samples))
        content = assessment(
            request,
            executor.name,
            y.numpy(),
            simulated,
            measured,
            chosen,
            calibrated_on=None,
            latency_s_per_inference=_latency(executor.timings, measured.final),
            cost={"usd": "0", "real_device": None, "real_usd": None, "real_plan": None},
            circuit=None,
        )
        return _kept(run, content, samples(run, y.numpy(), simulated, measured).to_csv(index=False))
    calls = record(model, x[:1])
    subject = Subject(run.info.model.name, classes, run, calls)
    check_width(subject, executor.device, executor.name)
    own, _ = parse_for(request.mitigation, executor.device, hardware=False)
    if adaptive:
        if mitigation:
            raise QcliError(
                "no shots can be planned under mitigation", "--adaptive, --mitigation", "give one of the two"
            )
        on_step("planning shots")
        request = request.model_copy(update={"stages": _stages(run, model, x, request, executor.device)})
    on_step(f"running on {executor.name}")
    simulated = infer(model, x, classes, reference, _CHUNK)
    measured = measure(model, x, classes, executor, shots, own, request.stages, _CHUNK, on_samples)
    work = mitigated(inference(subject, count, shots, {}), own)
    content = assessment(
        request,
        executor.name,
        y.numpy(),
        simulated,
        measured,
        chosen,
        calibrated_on=executor.device.calibrated_on.isoformat(),
        latency_s_per_inference=_latency(executor.timings, measured.final),
        cost=_cost(executor, work, measured, request.stages, calls),
        circuit=_circuit(executor),
    )
    _to_ledger(run, executor, work, request.stages)
    return _kept(run, content, samples(run, y.numpy(), simulated, measured).to_csv(index=False))


def rescore(run: Run, device: str, on_step: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """The assessment of a device again, offline, from its journal alone.

    Raises:
        QcliError: no validation is recorded, or it is not complete.
    """
    again = on_pennylane.rescore if is_pennylane(device) else on_hardware.rescore
    return again(run, device, on_step)


def _share(max_flips: float | None) -> float | None:
    if max_flips is not None and not 0 < max_flips < 1:
        raise QcliError(f"a share of flips of {max_flips}", "--max-flips", "choose a share between 0 and 1")
    return max_flips


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
