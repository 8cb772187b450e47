"""What came of a validation on a real device, from its journal alone; again, at any time, offline."""

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from qcli.assess.canary import Verdict
from qcli.assess.document import assessment, cost_of, forecast_beside, latency_of, samples
from qcli.assess.drop import ReadoutErrors, split_error
from qcli.assess.inference import infer
from qcli.assess.measured import Measured, measure
from qcli.assess.question import (
    Question,
    Spending,
    hardware_folder,
    identity,
    known_record,
    question_of,
    recorded,
)
from qcli.assess.spent import spent
from qcli.errors import QcliError
from qcli.execute.hardware import Hardware, Progress
from qcli.execute.journal import Journal
from qcli.execute.reading import Shared
from qcli.execute.service import Service
from qcli.files import sha256, write_atomic, write_json
from qcli.price import ledger
from qcli.price.estimate import compile_for
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.train.run import Run

_SIMULATED_AT_ONCE = 64
_log = logging.getLogger(__name__)


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
    question = question_of(run, request, Spending(plan=request.plan), known_record(run, request.device))
    Journal.reading(folder / "journal.sqlite").close()
    journal = Journal(folder / "journal.sqlite", request.device, identity(run))
    try:
        before = _read_assessment(folder)
        hardware = hardware_of(question, None, journal, None, lambda progress: None)
        measured = measured_on(question, hardware)
        content = assess(question, hardware, measured, None, None, on_step)
        content["canary"] = before.get("canary")
        content["cost"]["max_cost"] = before.get("cost", {}).get("max_cost")
        write_json(folder / "assessment.json", content)
        return content
    finally:
        journal.close()


def hardware_of(
    question: Question,
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


def measured_on(question: Question, hardware: Hardware) -> Measured:
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


def assess(
    question: Question,
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


def to_ledger(question: Question, hardware: Hardware) -> None:
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


def _measured_readout(question: Question, hardware: Hardware) -> ReadoutErrors:
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


def _layout(question: Question, program: str, hardware: Hardware) -> list[int]:
    """The qubits that a program's circuits measured, by the journal."""
    used = set(hardware.used)
    programs = hardware.journal.programs(list(used))
    for entry in hardware.journal.entries():
        for place, key in enumerate(entry.circuits):
            if key in used and programs.get(key) == program:
                return list(entry.detail["layouts"][place])
    return []


def _circuit(question: Question, hardware: Hardware) -> dict[str, Any] | None:
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


def _read_assessment(folder: Path) -> dict[str, Any]:
    path = folder / "assessment.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
