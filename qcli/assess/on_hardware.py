"""A validation on a real device: what it will cost, the canary, the run, and its assessment from the journal alone."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from qcli.assess.bill import Bill, bill, choose_plan
from qcli.assess.canary import SAMPLES, Verdict, foresee, judge, stopped
from qcli.assess.document import assessment, cost_of, forecast_beside, latency_of, samples
from qcli.assess.drop import ReadoutErrors, split_error
from qcli.assess.foreseen import Foreseen, foreseen, keep
from qcli.assess.inference import infer
from qcli.assess.measured import Measured, measure, plan_stages
from qcli.assess.request import SCHEMA, Request, Vendor, parse_for
from qcli.assess.spent import spent
from qcli.device.catalogue import find
from qcli.device.record import Device, dump_device, load_device
from qcli.device.vendor_file import device_of
from qcli.errors import QcliError
from qcli.execute.hardware import Hardware, Progress
from qcli.execute.journal import Journal, over_cap
from qcli.execute.reading import Shared
from qcli.execute.select import ServiceOptions, service
from qcli.execute.service import Pace, RefusedError, Service, patiently
from qcli.files import read_json, sha256, write_atomic, write_json
from qcli.forecast.shots import check_shots
from qcli.price import ledger
from qcli.price.estimate import compile_for
from qcli.price.plans import shots_range
from qcli.price.record import Call, record
from qcli.price.sheet import load_sheets, terms
from qcli.price.subject import Subject, inference
from qcli.price.tariff import Terms
from qcli.price.workload import Mitigation, mitigated
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.train.run import Run, now

DRY_RUN = "qcli.dry-run/1"
_SIMULATED_AT_ONCE = 64
_FAREWELL_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Spending:
    """What may be spent, and how careful to be.

    Attributes:
        max_cost: USD that this run may cost on this device in all, earlier invocations included; None for a dry run.
        confirm: asked with the dry run where there is no `max_cost`; answers the cap, or None to submit nothing.
        plan: how to submit; None for the cheapest way.
        canary: samples that are compared with the forecast before the rest is submitted; 0 for none.
        recalibrate: compile what is not submitted yet for today's calibration.
        pay_again: submit again what was quarantined.
        services: how to reach the vendors.
    """

    max_cost: Decimal | None = None
    confirm: Callable[[dict[str, Any]], Decimal | None] | None = None
    plan: str | None = None
    canary: int = SAMPLES
    recalibrate: bool = False
    pay_again: bool = False
    services: ServiceOptions = field(default_factory=ServiceOptions)


@dataclass(frozen=True, eq=False)
class _Question:
    """All that a validation is about, before anything is submitted."""

    run: Run
    request: Request
    device: Device
    terms: Terms
    model: nn.Module
    x: Tensor
    labels: NDArray[np.int64]
    calls: tuple[Call, ...]
    mitigation: Mitigation
    vendor: Vendor
    bill: Bill
    forecast: Foreseen

    @property
    def classes(self) -> int:
        return len(self.run.info.data.classes)

    @property
    def folder(self) -> Path:
        return hardware_folder(self.run, self.request.device)

    @property
    def options(self) -> dict[str, Any]:
        """What results depend on besides circuits and shots."""
        return {"vendor_compile": self.request.vendor_compile, **self.vendor.model_dump()}


def validate(
    run: Run,
    request: Request,
    spending: Spending,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Run `request` on its device, or tell what that would submit and cost.

    Returns:
        The assessment, or a dry run (`"schema": "qcli.dry-run/1"`) where nothing may be spent.

    Raises:
        QcliError: bad input (2), the cap (3), the canary (4), or a fault of the service (1).
    """
    on_step("reading the bill")
    device = _known_record(run, request.device)
    if spending.max_cost is None:
        question = _question(run, request, spending, device)
        content = _dry_run(question)
        cap = spending.confirm(content) if spending.confirm else None
        if cap is None:
            return content
        spending = replace(spending, max_cost=cap)
    cap = spending.max_cost
    if cap is None or not cap.is_finite() or cap < 0:
        raise QcliError(f"a cap of {cap} USD", "--max-cost", "give an amount of 0 or more")
    _, vendor = parse_for(request.mitigation, device, hardware=True)
    client = service(device, _services(spending.services, request, vendor))
    on_step(f"asking {request.device}")
    closed = _ask(run, client)
    if closed is None:
        device = _calibration(run, client, device, spending.recalibrate)
    client.use(device)
    question = _question(run, request, spending, device)
    journal = Journal(question.folder / "journal.sqlite", request.device, identity(run))
    try:
        if not journal.committed() and question.bill.usd_high > cap:
            raise over_cap(Decimal(0), question.bill.usd_high, cap, request.device)
        write_json(
            question.folder / "validation.json", question.request.model_dump(by_alias=True, mode="json")
        )
        keep(question.forecast, question.folder / "foreseen.json")
        hardware = _hardware(question, client, journal, cap, on_progress)
        hardware.tasks.closed = closed
        if spending.pay_again:
            hardware.tasks.give_up_quarantined()
        verdict = _canary(question, hardware, on_step)
        on_step(f"running on {request.device}")
        measured = _measure(question, hardware)
        _close(client)
        content = _assess(question, hardware, measured, cap, verdict, on_step)
        _to_ledger(question, hardware)
        return content
    finally:
        _close(client)
        journal.close()


def rescore(run: Run, device: str, on_step: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """The assessment of a device again, offline, from its journal alone.

    Raises:
        QcliError: no validation is recorded, or it is not complete.
    """
    folder = hardware_folder(run, device)
    request = recorded(folder)
    if request is None:
        raise QcliError(
            f"no validation on {device} is recorded",
            str(folder),
            f"run one: qcli validate-on-hardware {run.path}",
        )
    question = _question(run, request, Spending(plan=request.plan), _known_record(run, request.device))
    Journal.reading(folder / "journal.sqlite").close()
    journal = Journal(folder / "journal.sqlite", request.device, identity(run))
    try:
        before = _read_assessment(folder)
        hardware = _hardware(question, None, journal, None, lambda progress: None)
        measured = _measure(question, hardware)
        content = _assess(question, hardware, measured, None, None, on_step)
        content["canary"] = before.get("canary")
        content["cost"]["max_cost"] = before.get("cost", {}).get("max_cost")
        write_json(folder / "assessment.json", content)
        return content
    finally:
        journal.close()


def hardware_folder(run: Run, device: str) -> Path:
    """Where the results of a device lie in a run directory."""
    return run.path / "hardware" / device.replace("/", "-").replace(":", "-")


def identity(run: Run) -> str:
    """Of a trained run: journals of other weights or data are not mixed up with its own."""
    described = run.info.model_dump_json(by_alias=True).encode()
    return sha256(described + run.weights_file.read_bytes())


def _question(run: Run, request: Request, spending: Spending, device: Device) -> _Question:
    """Raises QcliError for what the device does not take."""
    known = load_sheets(contracts=request.contracts)
    entry = terms(request.device, known)
    model, (x, y) = run.model(), run.rows("test", request.inferences)
    calls = record(model, x[:1])
    subject = Subject(run.info.model.name, len(run.info.data.classes), run, calls)
    check_width(subject, device, request.device)
    check_shots(request.shots, device)
    mitigation, vendor = parse_for(request.mitigation, device, hardware=True)
    _check_compatible(request, mitigation, vendor, device)
    work = mitigated(inference(subject, request.inferences, request.shots, {}), mitigation)
    plan = choose_plan(replace(work, debias=vendor.debias), entry, spending.plan)
    kept = hardware_folder(run, request.device) / "foreseen.json"
    forecast = foreseen(run, device, request.inferences, request.shots, kept)
    asked = request.model_copy(update={"plan": plan, "canary": min(spending.canary, request.inferences)})
    if request.adaptive and request.stages is None:
        before = recorded(hardware_folder(run, request.device))
        same = before and (before.max_flips, before.shots) == (request.max_flips, request.shots)
        known_stages = before.stages if before and same else None
        stages = known_stages or plan_stages(
            model,
            x,
            subject.classes,
            request.shots,
            request.max_flips,
            forecast.contrast,
            shots_range(entry),
        )
        asked = asked.model_copy(update={"stages": stages})
    return _Question(
        run=run,
        request=asked,
        device=device,
        terms=entry,
        model=model,
        x=x,
        labels=y.numpy(),
        calls=calls,
        mitigation=mitigation,
        vendor=vendor,
        bill=bill(calls, asked, mitigation, entry, plan),
        forecast=forecast,
    )


def check_width(subject: Subject, device: Device, where: str) -> None:
    """Refuse a circuit wider than the device before minutes go into it."""
    wires = max((circuit.program.wires for circuit in subject.circuits), default=0)
    if wires > device.qubit_count:
        raise QcliError(
            f"the circuit has {wires} wires, {device.key} {device.qubit_count} calibrated qubits",
            where,
            "use a larger device (qcli devices lists them), or train with fewer wires",
        )


def _check_compatible(request: Request, mitigation: Mitigation, vendor: Vendor, device: Device) -> None:
    if request.adaptive and request.mitigation:
        raise QcliError(
            "no shots can be planned under mitigation", "--adaptive, --mitigation", "give one of the two"
        )
    if request.vendor_compile and (device.provider == "ibm" or mitigation.folds != (1,)):
        what = "folded gates" if mitigation.folds != (1,) else device.key
        raise QcliError(
            f"the vendor's compiler does not go with {what}",
            "--vendor-compile",
            "leave it out: circuits are compiled here and run verbatim",
        )


def _dry_run(question: _Question) -> dict[str, Any]:
    request, folder = question.request, question.folder
    committed = Decimal(0)
    if (folder / "journal.sqlite").is_file():
        journal = Journal.reading(folder / "journal.sqlite")
        committed = journal.committed()
        journal.close()
    return {
        "schema": DRY_RUN,
        "created": now(),
        "device": request.device,
        "inferences": request.inferences,
        "shots": request.shots,
        "mitigation": list(request.mitigation),
        "adaptive": request.stages.model_dump() if request.stages else None,
        "bill": question.bill.to_json(),
        "already_committed": f"{committed:f}",
        "calibrated_on": question.device.calibrated_on.isoformat(),
        "price_verified_on": question.terms.verified_on.isoformat(),
        "forecast": {
            "accuracy": question.forecast.accuracy.value,
            "low": question.forecast.accuracy.low,
            "high": question.forecast.accuracy.high,
            "simulated": question.forecast.simulated,
        },
    }


def _known_record(run: Run, device: str) -> Device:
    """As the run's circuits were compiled for, else as the catalogue has it."""
    stored = hardware_folder(run, device) / "calibration.json"
    return load_calibration(stored) if stored.is_file() else find(device)


def load_calibration(path: Path) -> Device:
    """The calibration that a run's circuits were compiled for.

    Raises:
        QcliError: it is missing or damaged.
    """
    try:
        return load_device(path)
    except QcliError as error:
        fix = "restore it; or remove it: circuits that are left are then compiled for today's calibration"
        raise QcliError(error.what, error.where, fix) from None


def _ask(run: Run, client: Service) -> QcliError | None:
    """Tell what should be known before submitting; the answer is why nothing may be submitted now.

    Raises:
        QcliError: nothing may, and nothing was before that could be collected.
    """
    try:
        for note in patiently(client.notes, client.name, Pace.from_environment()):
            _log.info(note)
    except RefusedError as error:
        if not (hardware_folder(run, client.name) / "journal.sqlite").is_file():
            raise
        _log.warning("%s: nothing is submitted, what was submitted before is collected", error.what)
        return error
    return None


def _close(client: Service) -> None:
    """End a session, which may cost as long as it is open; whether that succeeds changes no result."""
    pace = Pace.from_environment()
    try:
        patiently(client.close, client.name, replace(pace, patience_s=min(pace.patience_s, _FAREWELL_S)))
    except QcliError as error:
        _log.warning("the session on %s could not be ended, its time limit will: %s", client.name, error.what)


def _calibration(run: Run, client: Service, known: Device, recalibrate: bool) -> Device:
    """The calibration to compile for: that of the run's first submission, or today's, which is then kept."""
    folder = hardware_folder(run, client.name)
    stored = folder / "calibration.json"
    content = patiently(client.live, client.name, Pace.from_environment())
    today = known if content is None else device_of(content, client.name, known.name, "read live")
    if stored.is_file() and not recalibrate:
        if today.calibrated_on != known.calibrated_on:
            _log.warning(
                "%s was calibrated anew on %s; this run began on the calibration of %s and keeps its circuits "
                "(--recalibrate compiles what is left anew)",
                client.name,
                today.calibrated_on,
                known.calibrated_on,
            )
        return known
    if stored.is_file():
        stored.replace(folder / f"calibration-{known.calibrated_on}.json")
    write_atomic(stored, dump_device(today))
    # as it will be read again: the file rounds
    return load_device(stored)


def _services(options: ServiceOptions, request: Request, vendor: Vendor) -> ServiceOptions:
    return ServiceOptions(
        replace(options.braket, vendor_compile=request.vendor_compile, debias=vendor.debias),
        replace(options.ibm, twirl=vendor.twirl, measure_twirl=vendor.measure_twirl, dd=vendor.dd),
    )


def _hardware(
    question: _Question,
    client: Service | None,
    journal: Journal,
    cap: Decimal | None,
    on_progress: Callable[[Progress], None],
) -> Hardware:
    return Hardware(
        question.request.device,
        client,
        journal,
        question.terms,
        question.bill.plan,
        cap=cap,
        options=question.options,
        repetition=question.request.repetition,
        on_progress=on_progress,
    )


def _canary(question: _Question, hardware: Hardware, on_step: Callable[[str], None]) -> Verdict | None:
    """Raises QcliError (4) where the device is worse than foreseen."""
    request, count = question.request, question.request.canary
    if not count:
        return None
    shots = request.stages.first if request.stages else request.shots
    name = f"canary {[count, shots, str(question.device.calibrated_on), request.repetition]}"
    if known := hardware.journal.meta(name):
        return Verdict(**json.loads(known))
    on_step("foreseeing the canary")
    few = question.x[:count]
    expected = foresee(question.model, few, question.classes, question.device, shots, date.today())
    on_step(f"canary of {count} samples on {request.device}")
    verdict = judge(expected, measure(question.model, few, question.classes, hardware, shots).final)
    if verdict.stop:
        raise stopped(verdict, request.device, f"{spent(hardware.journal, hardware.used).usd:,.2f}")
    if verdict.deviation < verdict.low:
        _log.info(
            "the canary did better than foreseen: %.3f off simulation, not %.3f or more",
            verdict.deviation,
            verdict.low,
        )
    hardware.journal.remember(name, json.dumps(asdict(verdict)))
    return verdict


def _measure(question: _Question, hardware: Hardware) -> Measured:
    request = question.request
    return measure(
        question.model,
        question.x,
        question.classes,
        hardware,
        request.shots,
        question.mitigation,
        request.stages,
    )


def _assess(
    question: _Question,
    hardware: Hardware,
    measured: Measured,
    cap: Decimal | None,
    verdict: Verdict | None,
    on_step: Callable[[str], None],
) -> dict[str, Any]:
    on_step("comparing with simulation")
    request, labels = question.request, question.labels
    reference = Exact(request.engine, precision_named(request.precision))
    simulated = infer(question.model, question.x, question.classes, reference, _SIMULATED_AT_ONCE)
    used = spent(hardware.journal, hardware.used)
    right = int((measured.final.labels == labels).sum())
    widest = max((each.program.wires for call in question.calls for each in call.circuits), default=1)
    raw = measured.raw or measured.final
    shots = measured.revisited.mean_shots if measured.revisited else float(request.shots)
    content = assessment(
        request,
        request.device,
        labels,
        simulated,
        measured,
        asdict(choose(request.engine, widest, _SIMULATED_AT_ONCE)),
        calibrated_on=question.device.calibrated_on.isoformat(),
        calibrations=list(used.calibrations),
        forecast=forecast_beside(question.forecast, labels, raw),
        canary=None if verdict is None else verdict.to_json(),
        drop=split_error(
            question.model,
            question.x,
            question.classes,
            question.device,
            simulated,
            raw,
            shots,
            _measured_readout(question, hardware),
        ),
        latency_s_per_inference=latency_of(used, len(labels), hardware.timings.postprocess),
        cost=cost_of(used, question.bill.plan, cap, len(labels), right),
        circuit=_circuit(question, hardware),
    )
    write_atomic(
        question.folder / "samples.csv",
        samples(question.run, labels, simulated, measured).to_csv(index=False),
    )
    write_json(question.folder / "assessment.json", content)
    return content


def _measured_readout(question: _Question, hardware: Hardware) -> ReadoutErrors:
    """From the calibration circuits, if the mitigation ran any."""
    if not question.mitigation.readout:
        return {}
    found: ReadoutErrors = {}
    shared = Shared(hardware, question.request.shots)
    for call in question.calls:
        for each in call.circuits:
            matrices = shared.assignment(each.program, np.atleast_2d(each.angles))
            layout = _layout(question, each.program.key, hardware)
            found |= {
                qubit: (float(matrix[1, 0]), float(matrix[0, 1]))
                for qubit, matrix in zip(layout, matrices, strict=True)
            }
    return found


def _layout(question: _Question, program: str, hardware: Hardware) -> list[int]:
    """The qubits that a program's circuits measured, by the journal."""
    used = set(hardware.used)
    programs = hardware.journal.programs(list(used))
    for entry in hardware.journal.entries():
        for place, key in enumerate(entry.circuits):
            if key in used and programs.get(key) == program:
                return list(entry.detail["layouts"][place])
    return []


def _circuit(question: _Question, hardware: Hardware) -> dict[str, Any] | None:
    if question.request.vendor_compile:
        return None
    compiled = max(
        (compile_for(each, question.device) for call in question.calls for each in call.circuits),
        key=lambda each: each.two_qubit_gates,
    )
    return {
        "two_qubit_gates": compiled.two_qubit_gates,
        "depth": compiled.depth,
        "layout": list(compiled.used_qubits),
    }


def _to_ledger(question: _Question, hardware: Hardware) -> None:
    """Once for a set of circuits: running the same command again adds nothing."""
    key = "ledger " + sha256("\n".join(sorted(hardware.used)).encode())
    entry_id = ledger.Entry.model_fields["id"].default_factory()  # type: ignore[misc, call-arg]
    if hardware.journal.remember(key, entry_id) != entry_id:
        return
    used, planned = spent(hardware.journal, hardware.used), question.bill
    entry = ledger.Entry(
        id=entry_id,
        run=str(question.run.path),
        model=question.run.info.model.name,
        device=question.request.device,
        plan=planned.plan,
        inferences=question.request.inferences,
        estimate=ledger.Estimated(
            tasks=sum(step.tasks for step in planned.steps),
            shots=sum(step.circuits * step.shots for step in planned.steps),
            qpu_s=None,
            usd=planned.usd,
            usd_low=min(planned.usd, planned.usd_high),
            usd_high=planned.usd_high,
        ),
        actual=ledger.Actual(
            tasks=used.tasks + used.failed_tasks,
            shots=used.shots,
            qpu_s=used.qpu_s,
            usd=used.usd + used.usd_open,
        ),
    )
    try:
        ledger.append(entry)
    except OSError as error:
        _log.warning("not added to the ledger %s: %s", ledger.ledger_path(), error.strerror or error)


def recorded(folder: Path) -> Request | None:
    """What the last validation on a device asked for.

    Raises:
        QcliError: its file is damaged.
    """
    path = folder / "validation.json"
    if not path.is_file():
        return None
    fix = "restore it, or remove it and run the same validate-on-hardware again: what is paid for is found again"
    try:
        return Request.model_validate(read_json(path, SCHEMA))
    except ValidationError as error:
        fields = ", ".join(str(each["loc"][0]) if each["loc"] else "all" for each in error.errors())
        raise QcliError(f"{path.name} is damaged: {fields}", str(path), fix) from None
    except QcliError as error:
        raise QcliError(error.what, error.where, fix) from None


def _read_assessment(folder: Path) -> dict[str, Any]:
    path = folder / "assessment.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
