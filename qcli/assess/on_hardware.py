"""A validation on a real device: what it would cost, the canary, the run."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from typing import Any

from qcli.assess.canary import Verdict, foresee, judge, stopped
from qcli.assess.foreseen import keep
from qcli.assess.measured import measure
from qcli.assess.question import (
    Question,
    Spending,
    hardware_folder,
    identity,
    known_record,
    question_of,
    refusal,
)
from qcli.assess.request import Request, Vendor, parse_for
from qcli.assess.scored import assess, hardware_of, measured_on, to_ledger
from qcli.assess.spent import spent
from qcli.device.record import Device, dump_device, load_device
from qcli.device.vendor_file import device_of
from qcli.errors import QcliError
from qcli.execute.hardware import Hardware, Progress
from qcli.execute.journal import Journal, over_cap
from qcli.execute.select import ServiceOptions, service
from qcli.execute.service import Pace, RefusedError, Service, patiently
from qcli.files import write_atomic, write_json
from qcli.train.run import Run, now

DRY_RUN = "qcli.dry-run/1"
_FAREWELL_S = 10.0
_log = logging.getLogger(__name__)


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
        QcliError: bad input (2), the cap or the policy (3), the canary (4), or a fault of the service (1).
    """
    on_step("reading the bill")
    device = known_record(run, request.device)
    if spending.max_cost is None:
        question = question_of(run, request, spending, device)
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
    question = question_of(run, request, spending, device)
    refused = refusal(question, cap)
    if refused and not (question.folder / "journal.sqlite").is_file():
        raise refused
    journal = Journal(question.folder / "journal.sqlite", request.device, identity(run))
    try:
        if not journal.committed() and question.bill.usd_high > cap:
            raise over_cap(Decimal(0), question.bill.usd_high, cap, request.device)
        write_json(
            question.folder / "validation.json", question.request.model_dump(by_alias=True, mode="json")
        )
        keep(question.forecast, question.folder / "foreseen.json")
        hardware = hardware_of(question, client, journal, cap, on_progress)
        hardware.tasks.closed = closed or refused
        if spending.pay_again:
            hardware.tasks.give_up_quarantined()
        verdict = _canary(question, hardware, on_step)
        on_step(f"running on {request.device}")
        measured = measured_on(question, hardware)
        _close(client)
        content = assess(question, hardware, measured, cap, verdict, on_step)
        to_ledger(question, hardware)
        return content
    finally:
        _close(client)
        journal.close()


def _dry_run(question: Question) -> dict[str, Any]:
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
        "policy": question.policy
        and {"path": str(question.policy.path), "breaches": [str(each) for each in question.breaches]},
        "calibrated_on": question.device.calibrated_on.isoformat(),
        "price_verified_on": question.terms.verified_on.isoformat(),
        "forecast": {
            "accuracy": question.forecast.accuracy.value,
            "low": question.forecast.accuracy.low,
            "high": question.forecast.accuracy.high,
            "simulated": question.forecast.simulated,
        },
    }


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


def _canary(question: Question, hardware: Hardware, on_step: Callable[[str], None]) -> Verdict | None:
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
