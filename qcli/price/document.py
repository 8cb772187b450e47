"""The content of estimates/*.json: an estimate with its cliffs and advice as plain data, money as strings."""

from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

from qcli.files import write_json
from qcli.price import advice
from qcli.price.advice import Advice, Comparison
from qcli.price.bill import MachineTime, Plan
from qcli.price.cliffs import Cliff, cliffs
from qcli.price.estimate import Estimate, Row

SCHEMA = "qcli.estimate/1"


def document(found: Estimate, given: Advice | None = None) -> dict[str, Any]:
    """Everything as plain data."""
    subject, question, given = found.subject, found.question, given or Advice()
    warned = cliffs(found)
    return {
        "schema": SCHEMA,
        "created": found.created,
        "model": subject.model,
        "run": str(subject.run.path) if subject.run else None,
        "devices": list(question.devices),
        "inferences": question.inferences,
        "shots": question.shots,
        "circuits_per_inference": subject.per_inference,
        "wires": subject.wires,
        "unit": found.unit,
        "training": _training(found),
        "mitigation": str(question.mitigation),
        "hybrid_job": question.hybrid_job,
        "per_month": question.per_month,
        "contracts": dict(question.contracts),
        "rows": [_row(row, question.per_month, warned) for row in found.rows],
        "cliffs": [_cliff(cliff) for cliff in warned if not cliff.device],
        "unknown": [{"name": each.name, "what": each.what} for each in found.unknown],
        "policy": str(question.policy.path) if question.policy else None,
        "shot_plans": [advice.plan_json(plan) for plan in given.shot_plans],
        "compared": _compared(given.compared),
        "detect": advice.detection_json(given.detection) if given.detection else None,
        "budget": {
            "usd": f"{given.budget:f}",
            "devices": [advice.spending_json(each) for each in given.spending],
        }
        if given.budget is not None
        else None,
        "curves": [advice.curve_json(curve) for curve in given.curves],
    }


def keep(content: dict[str, Any], run: Path) -> Path:
    """Write the document into the run's estimates/ under a name of its own."""
    stem = content["created"][:19].replace(":", "")
    names = chain([f"{stem}.json"], (f"{stem}-{n}.json" for n in count(2)))
    path = next(path for name in names if not (path := run / "estimates" / name).exists())
    write_json(path, content)
    return path


def _training(estimate: Estimate) -> dict[str, Any] | None:
    plan = estimate.question.training
    if plan is None:
        return None
    circuits = sum(
        circuit.count * (1 + plan.evaluations(call))
        for call in estimate.subject.calls
        for circuit in call.circuits
    )
    return {
        "epochs": plan.epochs,
        "batch": plan.batch,
        "rows": plan.rows,
        "validation": plan.validation,
        "gradient": plan.gradient,
        "circuits_per_sample": circuits,
    }


def _compared(compared: Comparison | None) -> dict[str, Any] | None:
    if compared is None:
        return None
    return {
        "accuracy": compared.classifier.accuracy,
        "classes": compared.classifier.classes,
        "basis": compared.basis,
        "available": compared.available,
    }


def _cliff(cliff: Cliff) -> dict[str, str]:
    return {
        "name": cliff.name,
        "effect": cliff.effect,
        "usd": f"{cliff.usd:f}",
        "what": cliff.what,
        "fix": cliff.fix,
    }


def _row(row: Row, per_month: int, found: Sequence[Cliff]) -> dict[str, Any]:
    best, terms = row.cheapest, row.terms
    calibrated = row.device if row.device and row.device.key == terms.name else None
    return {
        "device": terms.name,
        "kind": terms.kind,
        "status": terms.status,
        "fits": row.fits,
        "note": row.note,
        "qubits": calibrated.qubit_count if calibrated else terms.qubits,
        "two_qubit_gates": row.two_qubit_gates,
        "depth": row.depth,
        "plans": [_plan(plan) for plan in row.plans],
        "cheapest": best.name if best else None,
        "usd_per_inference": f"{best.usd_per_inference:f}" if best else None,
        "usd_per_month": f"{per_month * best.usd:f}" if best else None,
        "machine_time_s": _time(row.time),
        "queue": {"low": terms.queue.low_s, "high": terms.queue.high_s, "what": terms.queue.what}
        | {"basis": terms.queue.basis, "source": terms.queue.source}
        if terms.queue
        else None,
        "price": {
            "source": terms.source,
            "verified_on": terms.verified_on.isoformat(),
            "basis": terms.basis,
            "contract": terms.contract,
            "other_contracts": {name: f"{usd:f}" for name, usd in row.other_contracts.items()},
        },
        "calibration": {"calibrated_on": row.device.calibrated_on.isoformat(), "source": row.device.source}
        if row.device
        else None,
        "cliffs": [_cliff(cliff) for cliff in found if cliff.device == terms.name],
        "breaches": [str(breach) for breach in row.breaches],
    }


def _time(time: MachineTime | None) -> dict[str, Any] | None:
    if time is None:
        return None
    return {"low": time.low_s, "high": time.high_s, "basis": time.basis, "source": time.source}


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "tasks": plan.tasks,
        "shots": plan.shots,
        "usd": f"{plan.usd:f}",
        "usd_low": f"{plan.usd_low:f}",
        "usd_high": f"{plan.usd_high:f}",
        "usd_per_inference": f"{plan.usd_per_inference:f}",
        "barred": plan.barred,
        "remarks": list(plan.remarks),
        "machine_time_s": _time(plan.time),
        "lines": [
            {
                "text": line.text,
                "quantity": f"{line.quantity:f}",
                "unit_usd": f"{line.unit_usd:f}",
                "usd": f"{line.usd:f}",
            }
            for line in plan.lines
        ],
    }
