"""What is under way on real devices, by the journals in run directories."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qcli.assess.question import identity, load_calibration, recorded
from qcli.errors import QcliError
from qcli.execute.journal import Journal
from qcli.execute.pennylane import is_pennylane
from qcli.execute.record import Entry
from qcli.execute.select import ServiceOptions, service
from qcli.execute.service import Pace
from qcli.execute.tasks import Tasks
from qcli.files import nearest
from qcli.price.sheet import load_sheets, terms
from qcli.train.run import Run


@dataclass(frozen=True)
class Job:
    """A task of a run on a device."""

    run: Path
    device: str
    entry: Entry

    def to_json(self) -> dict[str, Any]:
        entry = self.entry
        submitted, last = entry.event("submitted"), entry.events[-1] if entry.events else None
        return {
            "run": str(self.run),
            "device": self.device,
            "number": entry.number,
            "token": entry.token,
            "vendor_id": entry.vendor_id,
            "state": entry.state,
            "plan": entry.plan,
            "circuits": len(entry.circuits),
            "shots": sum(entry.detail["shots"]),
            "reserved_usd": f"{entry.reserved:f}",
            "usd": None if entry.usd is None else f"{entry.usd:f}",
            "calibration": entry.calibration,
            "created": entry.created,
            "submitted": submitted.at if submitted else None,
            "changed": last.at if last else entry.created,
            "events": [
                {"kind": event.kind, "at": event.at, "detail": dict(event.detail)} for event in entry.events
            ],
        }


def devices(run: Path) -> list[str]:
    """Those that have results; where none has, all that something was submitted to.

    Raises:
        QcliError: there are none.
    """
    with_results = [job.device for job in jobs(run) if job.entry.event("done")]
    return list(dict.fromkeys(with_results or _journals(run, None)))


def jobs(run: Path, device: str | None = None) -> list[Job]:
    """All tasks of a run, or of its device, in the order they were recorded.

    Raises:
        QcliError: nothing was submitted from there.
    """
    found = []
    for name, path in _journals(run, device).items():
        journal = Journal.reading(path)
        found += [Job(run, name, entry) for entry in journal.entries()]
        journal.close()
    return found


def wait(
    run: Path,
    device: str | None = None,
    services: ServiceOptions | None = None,
    on_open: Callable[[str, int], None] = lambda device, tasks: None,
    cancel: bool = False,
) -> None:
    """Collect what is under way until nothing is; with `cancel`, ask the vendor to cancel it first.

    PennyLane devices are left out: their tasks run in the process that submits them.

    Raises:
        QcliError: nothing was submitted, a fault of a service, or only a PennyLane device was asked for.
    """
    pace = Pace.from_environment()
    for name in _journals(run, device):
        if is_pennylane(name):
            if device is None:
                continue
            raise QcliError(
                f"tasks of {name} run in the command that submits them",
                "--device",
                f"run it again, it resumes: qcli validate-on-hardware {run} --device {name}",
            )
        with _tasks(run, name, services or ServiceOptions()) as tasks:
            if cancel:
                tasks.cancel(tasks.journal.entries(only_open=True))
            while still := _collected(tasks, cancel):
                on_open(name, still)
                time.sleep(pace.poll_s)


def _collected(tasks: Tasks, cancelling: bool) -> int:
    try:
        return tasks.collect()
    except QcliError as error:
        if cancelling and "was cancelled" in error.what:
            return sum(1 for _ in tasks.journal.entries(only_open=True))
        raise


@contextmanager
def _tasks(path: Path, device: str, services: ServiceOptions) -> Iterator[Tasks]:
    run = Run.open(path)
    folder = path / "hardware" / device.replace("/", "-")
    request = recorded(folder)
    if request is None:
        raise QcliError(
            "validation.json is missing",
            str(folder),
            "run the same validate-on-hardware again: it collects, too",
        )
    client = service(load_calibration(folder / "calibration.json"), services)
    entry = terms(device, load_sheets(contracts=request.contracts))
    journal = Journal(folder / "journal.sqlite", device, identity(run))
    try:
        yield Tasks(device, client, journal, entry)
    finally:
        journal.close()


def _journals(run: Path, device: str | None) -> dict[str, Path]:
    """By the device's name."""
    found = {}
    for path in sorted((run / "hardware").glob("*/journal.sqlite")):
        journal = Journal.reading(path)
        found[journal.meta("device") or path.parent.name] = path
        journal.close()
    if not found:
        raise QcliError(
            "nothing was submitted from this run directory", str(run), "qcli validate-on-hardware does"
        )
    if device is not None and device not in found:
        raise QcliError(f"nothing was submitted to {device}", str(run), nearest(device, found))
    return {device: found[device]} if device is not None else found
