"""The two tables of a hardware case study, from what a run directory holds: what an inference took, and what it costs.

They are those of D. Justice, Quantum Machine Learning Workflows (PSC webinar of 2026-04-03): by device the average
time and cost of an inference; its price, with what 48 inferences cost that are submitted one task each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

from qcli.assess.spent import Spent
from qcli.assess.talk_inputs import Assessed, Found, Kind, read_folders
from qcli.errors import QcliError
from qcli.price.bill import EXACT, Plan, per
from qcli.price.plans import plans
from qcli.price.subject import subject_of
from qcli.price.tariff import PerSecond, PerTask, Terms
from qcli.price.workload import Workload
from qcli.train.run import Run

SCHEMA = "qcli.talk/1"
INFERENCES = 48
SHOTS = (512, 1024)


@dataclass(frozen=True)
class Seconds:
    """A time per inference, or a range of it; `basis` is "measured", or that of the price sheet's machine time."""

    low: float
    high: float
    basis: str


@dataclass(frozen=True)
class Inferred:
    """A line of the first table.

    Attributes:
        device: as it was named; `priced_as` is the real device behind a rehearsal.
        qubits: of the device; of a simulator None, memory limits it.
        inferences, shots: what was run; `mean_shots` under adaptive shots.
        accuracy: share of right labels, with its 95 % interval.
        time: by the clock, queue included; of a rehearsal the machine time by the price sheet.
        usd_per_inference: paid, or reserved where the bill is open; of a rehearsal what the device would charge.
    """

    device: str
    kind: Kind
    priced_as: str | None
    vendor: str | None
    qubits: int | None
    inferences: int | None
    shots: int | None
    mean_shots: float | None
    mitigation: tuple[str, ...]
    accuracy: tuple[float, float, float] | None
    time: Seconds | None
    usd_per_inference: Decimal | None


@dataclass(frozen=True)
class Charged:
    """A line of the second table; prices are those of the sheet, under the contract that the validation had.

    Attributes:
        usd: what the validation cost; of a rehearsal what the device would charge. `usd_open` of it is not billed yet.
        tasks: submitted for it, failed ones left out.
        journal: everything that the run directory ever submitted to the device.
        one_task_each: USD of `INFERENCES` inferences, each circuit a task of its own, by shots.
    """

    device: str
    kind: Kind
    priced_as: str | None
    usd_per_task: Decimal | None
    usd_per_shot: Decimal | None
    usd_per_qpu_s: Decimal | None
    verified_on: str | None
    plan: str | None
    tasks: int | None
    inferences: int | None
    shots: int | None
    mean_shots: float | None
    usd: Decimal | None
    usd_open: Decimal | None
    journal: Spent | None
    one_task_each: Mapping[int, Decimal | None]


@dataclass(frozen=True)
class Talk:
    """Both tables; the simulator comes first, then devices, then rehearsals."""

    model: str
    circuits_per_inference: int
    inferred: tuple[Inferred, ...]
    charged: tuple[Charged, ...]

    def to_json(self) -> dict[str, Any]:
        """Money as text."""
        return {"schema": SCHEMA, **_plain(asdict(self))}


def talk_tables(path: Path) -> Talk:
    """Both tables of the run directory `path`.

    Raises:
        QcliError: nothing was validated, or a file is damaged.
    """
    run = Run.open(path)
    found = read_folders(path)
    if not found:
        raise QcliError(
            "nothing was validated from this run directory",
            str(path),
            f"qcli validate-on-hardware {path} --device emulator/garnet rehearses it, free and offline",
        )
    circuits = subject_of(str(path), {}).per_inference
    on_devices = [each for each in found if each.kind != "simulator"]
    assessed = [each.assessed for each in found if each.assessed]
    return Talk(
        model=run.info.model.name,
        circuits_per_inference=circuits,
        inferred=(*_simulator(assessed), *(_inferred(each, circuits) for each in on_devices)),
        charged=tuple(_charged(each, circuits) for each in on_devices),
    )


def _simulator(assessed: Sequence[Assessed]) -> list[Inferred]:
    """Timed by a validation on `sim`, else beside another; of several, by the one with the most samples."""
    best = max(
        assessed,
        key=lambda each: (_simulated_s(each) is not None, each.device == "sim", each.inferences),
        default=None,
    )
    if best is None:
        return []
    seconds = _simulated_s(best)
    return [
        Inferred(
            device="simulator",
            kind="simulator",
            priced_as=None,
            vendor=None,
            qubits=None,
            inferences=best.inferences,
            shots=None,
            mean_shots=None,
            mitigation=(),
            accuracy=best.simulation.interval,
            time=None if seconds is None else Seconds(seconds, seconds, "measured"),
            usd_per_inference=None,
        )
    ]


def _simulated_s(assessed: Assessed) -> float | None:
    latency = assessed.latency_s_per_inference
    if assessed.device == "sim" and latency is not None:
        return latency.total
    return assessed.simulation.seconds_per_inference


def _inferred(found: Found, circuits: int) -> Inferred:
    assessed, terms, record = found.assessed, found.terms, found.record
    usd, _, _ = _bill(found)
    return Inferred(
        device=found.device,
        kind=found.kind,
        priced_as=found.priced_as,
        vendor=record.vendor if record else None,
        qubits=terms.qubits if terms else record.qubit_count if record else None,
        inferences=found.inferences,
        shots=found.shots,
        mean_shots=found.mean_shots,
        mitigation=assessed.mitigation if assessed else (),
        accuracy=assessed.hardware.interval if assessed else None,
        time=_machine_time(found, circuits) if found.kind == "rehearsal" else _measured_time(assessed),
        usd_per_inference=None if usd is None or not assessed else per(usd, assessed.inferences),
    )


def _measured_time(assessed: Assessed | None) -> Seconds | None:
    latency = assessed.latency_s_per_inference if assessed else None
    if latency is None or latency.total is None:
        return None
    return Seconds(latency.total, latency.total, "measured")


def _machine_time(found: Found, circuits: int) -> Seconds | None:
    """Of one task per circuit; None under mitigation or adaptive shots, which need others."""
    assessed = found.assessed
    if assessed is None or not assessed.shots or assessed.mitigation or assessed.adaptive:
        return None
    plan = _one_task_each(found.terms, assessed.inferences, circuits, assessed.shots)
    if plan is None or plan.time is None:
        return None
    low, high = plan.time.low_s / assessed.inferences, plan.time.high_s / assessed.inferences
    return Seconds(low, high, plan.time.basis)


def _charged(found: Found, circuits: int) -> Charged:
    assessed, terms = found.assessed, found.terms
    cost = assessed.cost if assessed else None
    price = terms.price if terms else None
    usd, usd_open, tasks = _bill(found)
    each = {shots: _one_task_each(terms, INFERENCES, circuits, shots) for shots in SHOTS}
    plan = cost and (cost.real_plan if found.kind == "rehearsal" else cost.plan)
    return Charged(
        device=found.device,
        kind=found.kind,
        priced_as=found.priced_as,
        usd_per_task=price.task_fee if isinstance(price, PerTask) else None,
        usd_per_shot=price.shot_price if isinstance(price, PerTask) else None,
        usd_per_qpu_s=price.usd_per_s if isinstance(price, PerSecond) else None,
        verified_on=terms.verified_on.isoformat() if terms else None,
        plan=plan or (found.request.plan if found.request else None),
        tasks=tasks,
        inferences=found.inferences,
        shots=found.shots,
        mean_shots=found.mean_shots,
        usd=usd,
        usd_open=usd_open,
        journal=found.journal,
        one_task_each={shots: plan.usd if plan else None for shots, plan in each.items()},
    )


def _bill(found: Found) -> tuple[Decimal | None, Decimal | None, int | None]:
    """USD in all, of it open, and tasks; from the journal where it holds nothing else, since bills may come late."""
    cost = found.assessed.cost if found.assessed else None
    if found.kind == "rehearsal":
        return (cost.real_usd if cost else None), None, None
    journal = found.journal if found.terms else None
    if journal and (found.assessed is None or (cost and cost.circuits == journal.circuits)):
        with localcontext(EXACT):
            return journal.usd + journal.usd_open, journal.usd_open, journal.tasks
    return (cost.usd, cost.usd_open, cost.tasks) if cost else (None, None, None)


def _one_task_each(terms: Terms | None, inferences: int, circuits: int, shots: int) -> Plan | None:
    """The plan of a task per circuit; None where the device does not take so many shots or inferences."""
    if terms is None:
        return None
    try:
        offered = plans(Workload.uniform(inferences, inferences * circuits, shots), terms)
    except QcliError:
        return None
    return next((plan for plan in offered if plan.name == "separate"), None)


def _plain(content: Any) -> Any:
    if isinstance(content, Decimal):
        return f"{content:f}"
    if isinstance(content, Mapping):
        return {str(key): _plain(value) for key, value in content.items()}
    return [_plain(item) for item in content] if isinstance(content, list | tuple) else content
