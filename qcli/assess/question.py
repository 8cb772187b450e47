"""What a validation on a real device is about, before anything is submitted; and where it is kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from torch import Tensor, nn

from qcli.assess.bill import Bill, bill, choose_plan
from qcli.assess.canary import SAMPLES
from qcli.assess.foreseen import Foreseen, foreseen
from qcli.assess.measured import plan_stages
from qcli.assess.request import SCHEMA, Request, Vendor, parse_for
from qcli.device.catalogue import find
from qcli.device.record import Device, load_device
from qcli.errors import QcliError
from qcli.execute.select import ServiceOptions
from qcli.files import read_json, sha256
from qcli.forecast.shots import check_shots
from qcli.price.bill import Plan, per
from qcli.price.plans import shots_range
from qcli.price.policy import Breach, Policy, breaches
from qcli.price.record import Call, record
from qcli.price.sheet import load_sheets, terms
from qcli.price.subject import Subject, inference
from qcli.price.tariff import Terms
from qcli.price.workload import Mitigation, mitigated
from qcli.train.run import Run


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
        policy: the team's; what is against it is not submitted.
    """

    max_cost: Decimal | None = None
    confirm: Callable[[dict[str, Any]], Decimal | None] | None = None
    plan: str | None = None
    canary: int = SAMPLES
    recalibrate: bool = False
    pay_again: bool = False
    services: ServiceOptions = field(default_factory=ServiceOptions)
    policy: Policy | None = None


@dataclass(frozen=True, eq=False)
class Question:
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
    policy: Policy | None
    breaches: tuple[Breach, ...]

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


def question_of(run: Run, request: Request, spending: Spending, device: Device) -> Question:
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
    chosen = choose_plan(replace(work, debias=vendor.debias), entry, spending.plan, spending.policy)
    kept = hardware_folder(run, request.device) / "foreseen.json"
    forecast = foreseen(run, device, request.inferences, request.shots, kept)
    asked = request.model_copy(
        update={"plan": chosen.name, "canary": min(spending.canary, request.inferences)}
    )
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
    planned = bill(calls, asked, mitigation, entry, chosen.name)
    return Question(
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
        bill=planned,
        forecast=forecast,
        policy=spending.policy,
        breaches=_breaches(spending.policy, request, planned, chosen),
    )


def _breaches(policy: Policy | None, request: Request, planned: Bill, chosen: Plan) -> tuple[Breach, ...]:
    if policy is None:
        return ()
    high = planned.usd_high
    high_s = chosen.time.high_s if chosen.time else None
    return breaches(policy, request.device, planned.plan, high, per(high, request.inferences), high_s)


def refusal(question: Question, cap: Decimal) -> QcliError | None:
    """By the team's policy: of device, plan or bill, or of a cap under which more could be spent than it allows."""
    policy, found = question.policy, list(question.breaches)
    if policy is None:
        return None
    most = policy.max_usd
    if most is not None and cap > most and all(each.rule != "max_usd" for each in found):
        found.append(Breach("max_usd", f"{most:,f} USD", f"a cap of {cap:,f} USD"))
    return against_policy(question.request.device, str(policy.path), map(str, found)) if found else None


def against_policy(device: str, path: str, found: Iterable[str]) -> QcliError:
    return QcliError(
        f"{device}: {'; '.join(found)}",
        path,
        "ask for fewer inferences or shots, a lower --max-cost or another device; or change the rule",
        exit_code=3,
    )


def hardware_folder(run: Run, device: str) -> Path:
    """Where the results of a device lie in a run directory."""
    return run.path / "hardware" / device.replace("/", "-").replace(":", "-")


def identity(run: Run) -> str:
    """Of a trained run: journals of other weights or data are not mixed up with its own."""
    described = run.info.model_dump_json(by_alias=True).encode()
    return sha256(described + run.weights_file.read_bytes())


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


def known_record(run: Run, device: str) -> Device:
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
