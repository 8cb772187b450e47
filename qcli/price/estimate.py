"""What running a model on every device would take: does it fit, gates, plans, USD, machine time, cliffs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from qcli.circuit.qiskit import template
from qcli.compile.transpile import Compiled, compile_circuit
from qcli.device.catalogue import catalogue
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.price.bill import MachineTime, Plan, per
from qcli.price.plans import cheapest, check, plans
from qcli.price.policy import Breach, Policy, breaches
from qcli.price.record import Recorded
from qcli.price.sheet import Sheets, load_sheets, terms
from qcli.price.subject import Subject, Training, inference, training
from qcli.price.tariff import Terms, Unknown
from qcli.price.workload import NO_MITIGATION, Gates, Mitigation, Workload, mitigated
from qcli.train.run import now

AGAINST_POLICY = "not among the policy's plans"


@dataclass(frozen=True)
class Question:
    """What is asked of every device.

    Attributes:
        training: price training on the device instead of inference.
        hybrid_job: add the instance of an Amazon Braket hybrid job.
        per_month: how often the whole is repeated in a month.
        contracts: by provider, such as `{"ibm": "flex"}`.
        prices: a sheet to lay over the others.
        policy: limits; plans that it does not list are not chosen.
        devices: names such as `braket/garnet`; all that are not retired if empty.
    """

    inferences: int = 48
    shots: int = 512
    training: Training | None = None
    mitigation: Mitigation = NO_MITIGATION
    hybrid_job: bool = False
    per_month: int = 1
    contracts: Mapping[str, str] = field(default_factory=dict)
    prices: Path | None = None
    policy: Policy | None = None
    devices: Sequence[str] = ()
    include_retired: bool = False


@dataclass(frozen=True)
class Row:
    """One device. `gates` by a circuit's key, where a calibration is known to compile for; `device` is that record.

    `success` is the smallest estimated success of a compiled circuit, `contrast` what a forecast leaves of expectation
    values, if there is one; `workload` is what is priced there,
    `two_qubit_gates` and `depth` those of the largest circuit; `other_contracts` has the cheapest bills under them.
    """

    terms: Terms
    device: Device | None
    fits: bool
    note: str
    two_qubit_gates: int | None = None
    depth: int | None = None
    gates: Mapping[str, Gates] = field(default_factory=dict)
    success: float | None = None
    contrast: float | None = None
    workload: Workload | None = None
    plans: tuple[Plan, ...] = ()
    breaches: tuple[Breach, ...] = ()
    other_contracts: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def cheapest(self) -> Plan | None:
        return cheapest(self.plans)

    @property
    def time(self) -> MachineTime | None:
        """Of the cheapest plan."""
        plan = self.cheapest
        return plan.time if plan else None


@dataclass(frozen=True)
class Estimate:
    """A bill per device and submission plan."""

    subject: Subject
    question: Question
    rows: tuple[Row, ...]
    unknown: tuple[Unknown, ...]
    created: str
    today: date

    @property
    def unit(self) -> str:
        """What a bill is divided by."""
        return "sample·epoch" if self.question.training else "inference"


def estimate(
    subject: Subject,
    question: Question,
    on_step: Callable[[str], None] = lambda step: None,
    today: date | None = None,
) -> Estimate:
    """Price a model on each device, offline.

    Args:
        on_step: called with what is done next, once a device.
        today: the day on which prices are looked at; they age.

    Raises:
        QcliError: an unknown device, a retired one without `include_retired`; shots or debiasing that a device which
            was named does not take.
    """
    sheets = load_sheets(question.prices, question.contracts)
    work = workload_for(subject, question, {})
    chosen = _chosen(question, sheets)
    if question.devices:
        for entry in chosen:
            check(work, entry)
    rows = []
    for entry in chosen:
        on_step(f"compiling for {entry.name}")
        rows.append(_row(subject, question, entry))
    return Estimate(subject, question, tuple(rows), sheets.unknown, now(), today or date.today())


def workload_for(subject: Subject, question: Question, gates: Mapping[str, Gates]) -> Workload:
    """What the question asks for, with the circuits of error mitigation."""
    if question.training is not None:
        work = training(subject, question.training, question.shots, gates)
    else:
        work = inference(subject, question.inferences, question.shots, gates)
    return mitigated(work, question.mitigation)


@lru_cache(maxsize=512)
def compile_for(circuit: Recorded, device: Device) -> Compiled:
    """The circuit in the device's native gates. Raises QcliError where it does not fit."""
    return compile_circuit(template(circuit.program, circuit.angles)[0], device)


def _chosen(question: Question, sheets: Sheets) -> list[Terms]:
    if not question.devices:
        shown = (entry for entry in sheets.devices.values() if entry.kind != "analog")
        return [entry for entry in shown if question.include_retired or entry.status != "retired"]
    chosen = list(
        {entry.name: entry for entry in (terms(name, sheets) for name in question.devices)}.values()
    )
    for entry in chosen:
        if entry.kind == "analog":
            raise QcliError(f"{entry.name} runs no gate circuits", "--device", "choose a gate-based device")
        if entry.status == "retired" and not question.include_retired:
            raise QcliError(
                f"{entry.name} was retired{f' on {entry.retired_on}' if entry.retired_on else ''}",
                "--device",
                "add --include-retired to price it all the same",
            )
    return chosen


def _row(subject: Subject, question: Question, entry: Terms) -> Row:
    device = catalogue().get(entry.compile_as)
    note, gates, depth, largest = "", {}, None, None
    success: float | None = None
    try:
        if subject.wires > entry.qubits:
            raise QcliError(f"the circuit has {subject.wires} wires, the device {entry.qubits} qubits")
        if device is not None and entry.compile_as != entry.name:
            device, note = _stand_in(subject, device)
        if device is not None:
            for circuit in subject.circuits:
                compiled = compile_for(circuit, device)
                gates[circuit.program.key] = gates_of(circuit, compiled)
                success = min(compiled.success, 1.0 if success is None else success)
                if largest is None or compiled.two_qubit_gates > largest:
                    largest, depth = compiled.two_qubit_gates, compiled.depth
        elif entry.kind == "qpu" and not note:
            note = "gates unknown: no calibration in the catalogue"
    except QcliError as error:
        return Row(entry, device, False, error.what)
    if (asked := question.contracts.get(entry.provider)) and asked != entry.contract:
        other = f"contract {asked} does not cover it: priced under {entry.contract}"
        note = f"{note}; {other}" if note else other
    try:
        work = workload_for(subject, question, gates)
        bills = offered(work, entry, question)
    except QcliError as error:
        return Row(entry, device, True, error.what, largest, depth, gates, success)
    others = _under_other_contracts(question, entry, work)
    row = Row(
        entry,
        device,
        True,
        note,
        largest,
        depth,
        gates,
        success,
        workload=work,
        plans=bills,
        other_contracts=others,
    )
    return _under(question.policy, row, work.inferences, question.per_month) if question.policy else row


def _stand_in(subject: Subject, device: Device) -> tuple[Device | None, str]:
    """The record of an equal or alike device, None if that one is too small, and what to say of it."""
    if subject.wires > device.qubit_count:
        return None, f"gates unknown: compiled for as {device.key}, which has {device.qubit_count} qubits"
    return device, f"gates as compiled for {device.key}"


def _under_other_contracts(question: Question, entry: Terms, work: Workload) -> dict[str, Decimal]:
    bills = {}
    for contract in entry.contracts:
        if contract != entry.contract:
            sheets = load_sheets(question.prices, {**question.contracts, entry.provider: contract})
            usd = usd_of(work, sheets.devices[entry.name], question)
            if usd is not None:
                bills[contract] = usd
    return bills


def _under(policy: Policy, row: Row, inferences: int, per_month: int) -> Row:
    """The row with its breaches of the policy."""
    # without an allowed plan, the cheapest forbidden one says which rules stand against it
    plan = row.cheapest or min(row.plans, key=lambda each: (each.barred != AGAINST_POLICY, each.usd))
    usd = per_month * plan.usd_high
    per_inference = per(plan.usd_high, inferences)
    high_s = plan.time.high_s if plan.time else None
    return replace(row, breaches=breaches(policy, row.terms.name, plan.name, usd, per_inference, high_s))


def verdict(estimate: Estimate) -> QcliError | None:
    """The refusal of a policy: every device that was named must keep it, or one at least if none was named. What cannot
    be priced keeps no policy.
    """
    policy = estimate.question.policy
    broken = [row for row in estimate.rows if row.breaches or not row.plans]
    if policy is None or not broken or (not estimate.question.devices and len(broken) < len(estimate.rows)):
        return None
    shown = min(
        broken, key=lambda row: (not row.plans, not policy.allows_device(row.terms.name), len(row.breaches))
    )
    found = "; ".join(map(str, shown.breaches)) or f"not priced: {shown.note}"
    count = len(broken) - 1
    others = f" (and {count} more device{'s' * (count > 1)})" if count else ""
    fix = "make the workload smaller, choose another device, or change the rule"
    return QcliError(f"{shown.terms.name}: {found}{others}", str(policy.path), fix, exit_code=3)


def gates_of(circuit: Recorded, compiled: Compiled) -> Gates:
    """What is priced of a compiled circuit."""
    return Gates(
        compiled.one_qubit_gates, compiled.two_qubit_gates, circuit.program.wires, len(compiled.layout)
    )


def offered(workload: Workload, entry: Terms, question: Question) -> tuple[Plan, ...]:
    """Every legal plan, with the hybrid job asked for; those against the policy are barred. Raises QcliError."""
    policy = question.policy
    return tuple(
        each
        if policy is None or each.barred or policy.allows_plan(each.name)
        else replace(each, barred=AGAINST_POLICY)
        for each in plans(workload, entry, hybrid_job=question.hybrid_job, per_month=question.per_month)
    )


def plan_of(workload: Workload, entry: Terms, question: Question) -> Plan | None:
    """The cheapest plan for `workload` under the question's policy, None where there is none to choose."""
    try:
        return cheapest(offered(workload, entry, question))
    except QcliError:
        return None


def usd_of(workload: Workload, entry: Terms, question: Question) -> Decimal | None:
    """The bill of `plan_of`."""
    plan = plan_of(workload, entry, question)
    return plan.usd if plan else None
