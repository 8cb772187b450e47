"""What a disturbed validation is held against: an undisturbed one, and the books of the stand-in."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore import loaders
from qiskit_ibm_runtime import ibm_backend

from qcli.assess import foreseen, on_hardware, scored
from qcli.assess.question import Spending, hardware_folder
from qcli.assess.validate import validate_on_hardware
from qcli.errors import QcliError
from qcli.execute import braket, compiling, ibm
from qcli.execute.journal import Journal
from qcli.execute.record import Entry
from qcli.train.run import Run
from tests.standins.braket import BraketStandIn
from tests.standins.ibm import IbmStandIn
from tests.standins.server import Fault, StandIn

GARNET, FEZ = "braket/garnet", "ibm/fez"
INFERENCES, SHOTS, CANARY = 6, 64, 2
CAP = Decimal(100)
FOREVER = 10**6
PATIENCE_S = 30
"""Where trouble passes: no slow machine may use it up. Tests of lasting trouble set their own."""
READ_S, HANG_S = 0.6, 1.5
"""So long the vendors' clients wait for an answer, and so long it does not come. Undisturbed it takes 0.02 s."""
STAND_INS: dict[str, Callable[..., StandIn]] = {"braket": BraketStandIn, "ibm": IbmStandIn}


@dataclass(frozen=True)
class Ends:
    """How a disturbed validation ends: with exit code `code`, and these words in what, where or fix."""

    code: int
    words: Sequence[str] = ()


WELL = None
"""In success, once the faults have happened."""
NOTED = Ends(0)
"""In success although the faults go on."""


@dataclass
class Bench:
    """A run directory, and a service that it is validated on."""

    run: Run
    device: str
    stand_in: Any
    patch: pytest.MonkeyPatch
    plan: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def validate(self, cap: Decimal | str | None = CAP, **changes: Any) -> dict[str, Any]:
        spending = {"max_cost": cap if cap is None else Decimal(cap), "canary": CANARY, "plan": self.plan}
        known = Spending.__dataclass_fields__
        spending |= {name: changes.pop(name) for name in list(changes) if name in known}
        asked: dict[str, Any] = {"inferences": INFERENCES, "shots": SHOTS, **self.options, **changes}
        return validate_on_hardware(self.run, self.device, spending=Spending(**spending), **asked)

    def fails(self, expected: Ends, **options: Any) -> QcliError:
        """One clear message, and the books are right."""
        with pytest.raises(QcliError) as caught:
            self.validate(**options)
        error = caught.value
        said = "\n".join((error.what, error.where, error.fix))
        assert error.exit_code == expected.code, said
        assert error.what and error.where and error.fix, said
        for word in expected.words:
            assert word in said, said
        known = {entry.vendor_id for entry in self.entries}
        unconfirmed = sum(entry.is_open and entry.vendor_id is None for entry in self.entries)
        assert len(self.made.keys() - known) <= unconfirmed, "a task is lost"
        assert not self.entries or self.committed <= Decimal(options.get("cap", CAP))
        return error

    def patient(self, seconds: float) -> None:
        self.patch.setenv("QCLI_PATIENCE_S", str(seconds))

    @property
    def folder(self) -> Path:
        return hardware_folder(self.run, self.device)

    @property
    def table(self) -> bytes:
        return (self.folder / "samples.csv").read_bytes()

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        found = Journal.reading(self.folder / "journal.sqlite")
        try:
            yield found
        finally:
            found.close()

    @property
    def entries(self) -> list[Entry]:
        if not (self.folder / "journal.sqlite").is_file():
            return []
        with self.journal() as found:
            return list(found.entries())

    @property
    def states(self) -> list[str]:
        return [entry.state for entry in self.entries]

    @property
    def committed(self) -> Decimal:
        with self.journal() as found:
            return found.committed()

    @property
    def made(self) -> dict[str, bool]:
        """The vendor's ids of all tasks, and whether they were completed."""
        if isinstance(self.stand_in, BraketStandIn):
            tasks = self.stand_in.tasks.values()
            return {task.arn.rpartition("/")[2]: task.status == "COMPLETED" for task in tasks}
        return {job.id: job.status == "Completed" for job in self.stand_in.jobs.values()}

    def check_books(self, given_up: int = 0) -> None:
        """No result that was paid for is lost, and nothing stands in the journal that the vendor does not know."""
        known = {entry.vendor_id: entry for entry in self.entries if entry.vendor_id}
        assert self.made.keys() <= known.keys(), "a task of the vendor's is not in the journal"
        ended = [name for name, completed in self.made.items() if completed and not known[name].is_open]
        assert sum(known[name].state != "done" for name in ended) == given_up
        assert known.keys() <= self.made.keys()
        assert all(entry.usd is not None for entry in known.values() if not entry.is_open)
        assert sum(entry.usd or 0 for entry in self.entries) <= self.committed

    def check_ended(self, paid_again: int = 0) -> None:
        """The table is that of an undisturbed run, and as much was paid; `paid_again` tasks were given up."""
        before = undisturbed(self.device, self.plan, tuple(sorted(self.options.items())))
        assert self.table == before.table
        self.check_books(paid_again)
        assert not any(entry.is_open for entry in self.entries)
        assert sum(self.made.values()) == before.tasks + paid_again
        assert sum(state == "done" for state in self.states) == before.tasks
        if not paid_again:
            assert self.committed == before.usd
        if isinstance(self.stand_in, BraketStandIn):
            assert self.stand_in.charged == self.committed


@dataclass(frozen=True)
class Undisturbed:
    table: bytes
    tasks: int
    usd: Decimal


_trained: list[Path] = []
_place: list[Path] = []


def remember(trained: Path, place: Path) -> None:
    """The trained run directory that all tests copy, and a folder for undisturbed validations of it."""
    _trained[:], _place[:] = [trained], [place]


def copy(place: Path) -> Run:
    return Run.open(shutil.copytree(_trained[0], place))


@cache
def undisturbed(device: str, plan: str | None, options: tuple[tuple[str, Any], ...]) -> Undisturbed:
    with pytest.MonkeyPatch.context() as patch, STAND_INS[device.partition("/")[0]]() as stand_in:
        for name, value in stand_in.environment().items():
            patch.setenv(name, value)
        number = len(list(_place[0].iterdir()))
        bench = Bench(copy(_place[0] / str(number)), device, stand_in, patch, plan, dict(options))
        bench.validate()
        return Undisturbed(bench.table, len(bench.made), bench.committed)


def prove(
    bench: Bench,
    faults: Sequence[Fault] = (),
    expected: Ends | None = WELL,
    repair: Callable[[], object] = lambda: None,
    **options: Any,
) -> QcliError | None:
    """A validation under `faults` ends as `expected`, and says so in what, where and fix; once they are gone, and after
    `repair`, the same command ends it as if nothing had been."""
    bench.stand_in.faults.extend(faults)
    if any(fault.kind.startswith("hang") for fault in faults):
        impatient_clients(bench.patch)
    error = None
    if expected is WELL or expected is NOTED:
        bench.validate(**options)
        assert expected is NOTED or not any(fault.times for fault in faults), "a fault did not happen"
    else:
        error = bench.fails(expected, **options)
    bench.stand_in.faults.clear()
    repair()
    if expected is not WELL and expected is not NOTED:
        bench.patient(PATIENCE_S)
        bench.validate(**options)
    bench.check_ended()
    return error


def memoised(patch: pytest.MonkeyPatch) -> None:
    """What does not depend on faults is worked out once: forecasts, circuits compiled for a calibration, and what the
    vendors' clients make of descriptions of their services and backends."""
    patch.setattr(loaders, "create_loader", cache(loaders.create_loader))
    patch.setattr(ibm_backend, "deepcopy", lambda configuration: configuration)
    for module, name, key in _SLOW:
        patch.setattr(module, name, _once(getattr(module, name), key))


_known: dict[tuple[Any, ...], Any] = {}


def _once(function: Callable[..., Any], key: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    def answer(*args: Any, **options: Any) -> Any:
        asked = (function, *key(*args, **options))
        if asked not in _known:
            _known[asked] = function(*args, **options)
        return _known[asked]

    return answer


def _of(device: Any) -> tuple[Any, ...]:
    return device.key, device.calibrated_on


_SLOW: list[tuple[Any, str, Callable[..., tuple[Any, ...]]]] = [
    (
        foreseen,
        "forecast_run",
        lambda run, device, count, shots, *rest, **days: (*_of(device), count, shots),
    ),
    (on_hardware, "foresee", lambda model, x, classes, device, shots, *rest: (*_of(device), len(x), shots)),
    (scored, "split_error", lambda model, x, classes, device, *rest: (*_of(device), len(x))),
    (scored, "compile_for", lambda circuit, device: (*_of(device), circuit.program.key)),
    (compiling, "Circuits", _of),
    (
        ibm_backend,
        "properties_from_server_data",
        lambda given, **more: (given["backend_name"], str(given["last_update_date"])),
    ),
]


def impatient_clients(patch: pytest.MonkeyPatch, seconds: float = READ_S) -> None:
    for module in (braket, ibm):
        patch.setattr(module, "READ_S", seconds)
