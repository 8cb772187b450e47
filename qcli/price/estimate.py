"""What running a model on every device would take: does it fit, gates, plans, USD, machine time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qcli.circuit.qiskit import template
from qcli.compile.transpile import Compiled, compile_circuit
from qcli.device.catalogue import catalogue
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.files import write_json
from qcli.model.load import build_model, find_model, parse_options, zoo
from qcli.price.plans import MachineTime, Plan, Workload, check_shots, machine_time, plans
from qcli.price.record import Recorded, record
from qcli.price.sheet import load_sheets, terms
from qcli.price.tariff import Terms
from qcli.train.run import Run, now

SCHEMA = "qcli.estimate/1"


@dataclass(frozen=True)
class Subject:
    """What is priced: a model's name, its run directory if trained, and the circuits of one inference."""

    model: str
    run: Run | None
    circuits: tuple[Recorded, ...]

    @property
    def per_inference(self) -> int:
        return sum(circuit.count for circuit in self.circuits)

    @property
    def wires(self) -> int:
        return max(circuit.program.wires for circuit in self.circuits)


@dataclass(frozen=True)
class Row:
    """One device. Gate counts and depth are those of the model's largest circuit after compiling, None where no
    calibration is known to compile for.
    """

    terms: Terms
    device: Device | None
    fits: bool
    note: str
    two_qubit_gates: int | None
    depth: int | None
    plans: tuple[Plan, ...]
    time: MachineTime | None

    @property
    def cheapest(self) -> Plan | None:
        return min(self.plans, key=lambda plan: plan.usd, default=None)


@dataclass(frozen=True)
class Estimate:
    """A bill per device and submission plan."""

    subject: Subject
    inferences: int
    shots: int
    rows: tuple[Row, ...]
    created: str

    def to_json(self) -> dict[str, Any]:
        """The content of estimates/*.json; money as strings."""
        return {
            "schema": SCHEMA,
            "created": self.created,
            "model": self.subject.model,
            "run": str(self.subject.run.path) if self.subject.run else None,
            "inferences": self.inferences,
            "shots": self.shots,
            "circuits_per_inference": self.subject.per_inference,
            "wires": self.subject.wires,
            "rows": [_row_json(row) for row in self.rows],
        }


def estimate_cost(
    target: str,
    *,
    inferences: int = 48,
    shots: int = 512,
    devices: Sequence[str] = (),
    include_retired: bool = False,
    options: Mapping[str, str] | None = None,
    features: int | None = None,
    classes: int | None = None,
    on_device: Callable[[str], None] = lambda name: None,
) -> Estimate:
    """Price `inferences` of a run directory or of an untrained model on each device, offline.

    Args:
        target: a run directory, or a model by name or path; then `options`, `features` (default 64) and
            `classes` (default 2) build it.
        devices: names such as `braket/garnet`; all that are not retired if empty.
        on_device: called with each device's name before it is compiled for.

    Raises:
        QcliError: unknown target or device, a retired device without `include_retired`, or shots outside the
            range of a device that was named.
    """
    subject = subject_of(target, options or {}, features, classes)
    if not subject.circuits:
        raise QcliError(
            "the model submits no circuit in a forward pass",
            subject.model,
            "use its quantum layer in forward()",
        )
    workload = Workload(inferences, inferences * subject.per_inference, shots)
    chosen = _chosen(devices, include_retired)
    if devices:
        for entry in chosen:
            check_shots(shots, entry)
    rows = []
    for entry in chosen:
        on_device(entry.name)
        rows.append(_row(subject, workload, entry))
    result = Estimate(subject, inferences, shots, tuple(rows), now())
    if subject.run:
        write_json(_next_file(subject.run.path / "estimates", result.created), result.to_json())
    return result


def subject_of(
    target: str, options: Mapping[str, str], features: int | None = None, classes: int | None = None
) -> Subject:
    """The model behind a run directory, or behind a name or path, with the circuits of one inference."""
    if _is_run(target):
        run = Run.open(target)
        if options or features or classes:
            raise QcliError(
                "a trained run has its options, features and classes fixed",
                "--set, --features, --classes",
                "leave them out, or name the model instead",
            )
        return Subject(run.info.model.name, run, record(run.model(), run.rows("test", 1)[0]))
    source = find_model(target)
    features, classes = features or 64, classes or 2
    model = build_model(source, features, classes, parse_options(source, options), seed=0)
    return Subject(source.name, None, record(model, torch.full((1, features), 0.5)))


def _next_file(folder: Path, created: str) -> Path:
    stem = created[:19].replace(":", "")
    names = (f"{stem}{suffix}.json" for suffix in ("", *(f"-{n}" for n in range(2, 1000))))
    return next(folder / name for name in names if not (folder / name).exists())


def compile_for(circuit: Recorded, device: Device) -> Compiled:
    """The circuit in the device's native gates. Raises QcliError where it does not fit."""
    return compile_circuit(template(circuit.program, circuit.angles)[0], device)


def _is_run(target: str) -> bool:
    """Whether a run directory is meant: one is there, or the text is a path that is not a Python file."""
    path = Path(target)
    if (path / "run.json").exists():
        return True
    return not target.endswith(".py") and target not in zoo() and (path.is_dir() or "/" in target)


def _chosen(devices: Sequence[str], include_retired: bool) -> list[Terms]:
    if not devices:
        return [entry for entry in load_sheets().values() if include_retired or entry.status != "retired"]
    chosen = list({entry.name: entry for entry in map(terms, devices)}.values())
    for entry in chosen:
        if entry.status == "retired" and not include_retired:
            raise QcliError(
                f"{entry.name} was retired on {entry.retired_on}",
                "--device",
                "add --include-retired to price it all the same",
            )
    return chosen


def _row(subject: Subject, workload: Workload, entry: Terms) -> Row:
    device = catalogue().get(entry.name)
    note, two_qubit_gates, depth = "", None, None
    try:
        if device is not None:
            compiled = [compile_for(circuit, device) for circuit in subject.circuits]
            largest = max(compiled, key=lambda c: c.two_qubit_gates)
            two_qubit_gates, depth = largest.two_qubit_gates, largest.depth
        elif subject.wires > entry.qubits:
            raise QcliError(f"the circuit has {subject.wires} wires, the device {entry.qubits} qubits")
        else:
            note = "gates unknown: no calibration in the catalogue"
    except QcliError as error:
        return Row(entry, device, False, error.what, None, None, (), None)
    try:
        bills, time = plans(workload, entry), machine_time(workload, entry)
    except QcliError as error:
        return Row(entry, device, True, error.what, two_qubit_gates, depth, (), None)
    return Row(entry, device, True, note, two_qubit_gates, depth, bills, time)


def _row_json(row: Row) -> dict[str, Any]:
    cheapest = row.cheapest
    return {
        "device": row.terms.name,
        "status": row.terms.status,
        "fits": row.fits,
        "note": row.note,
        "qubits": row.device.qubit_count if row.device else row.terms.qubits,
        "two_qubit_gates": row.two_qubit_gates,
        "depth": row.depth,
        "plans": [_plan_json(plan) for plan in row.plans],
        "cheapest": cheapest.name if cheapest else None,
        "usd_per_inference": str(cheapest.usd_per_inference) if cheapest else None,
        "machine_time_s": {
            "low": row.time.low_s,
            "high": row.time.high_s,
            "basis": row.time.basis,
            "source": row.time.source,
        }
        if row.time
        else None,
        "price": {
            "source": row.terms.source,
            "verified_on": row.terms.verified_on.isoformat(),
            "basis": row.terms.basis,
        },
        "calibration": {"calibrated_on": row.device.calibrated_on.isoformat(), "source": row.device.source}
        if row.device
        else None,
    }


def _plan_json(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "tasks": plan.tasks,
        "shots": plan.shots,
        "usd": f"{plan.usd:f}",
        "usd_per_inference": f"{plan.usd_per_inference:f}",
        "lines": [
            {
                "text": line.text,
                "quantity": line.quantity,
                "unit_usd": f"{line.unit_usd:f}",
                "usd": f"{line.usd:f}",
            }
            for line in plan.lines
        ],
    }
