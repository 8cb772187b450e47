"""What the tables of a case study take from the folders under hardware/."""

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from qcli.assess.request import SCHEMA as REQUEST
from qcli.assess.request import Request
from qcli.assess.spent import Spent, spent
from qcli.device.catalogue import find
from qcli.device.record import Device, load_device
from qcli.errors import QcliError
from qcli.execute.journal import Journal
from qcli.files import read_json
from qcli.price.sheet import load_sheets
from qcli.price.tariff import Terms

Kind = Literal["simulator", "device", "rehearsal"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def _not_binary(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("money is written as a string, not as a binary float")
    return value


Money = Annotated[Decimal, BeforeValidator(_not_binary)]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Figure(_Part):
    value: float
    low: float
    high: float


class Scored(_Part):
    accuracy: Figure
    seconds_per_inference: float | None = None

    @property
    def interval(self) -> tuple[float, float, float]:
        return self.accuracy.value, self.accuracy.low, self.accuracy.high


class Latency(_Part):
    total: float | None = None


class Cost(_Part):
    usd: Money
    usd_open: Money = Decimal(0)
    plan: str | None = None
    tasks: int | None = None
    circuits: int | None = None
    real_device: str | None = None
    real_usd: Money | None = None
    real_plan: str | None = None


class Adaptive(_Part):
    mean_shots: float


class Assessed(_Part):
    """What the tables take from assessment.json."""

    device: str
    inferences: int
    shots: int | None = None
    mitigation: tuple[str, ...] = ()
    adaptive: Adaptive | None = None
    simulation: Scored
    hardware: Scored
    latency_s_per_inference: Latency | None = None
    cost: Cost | None = None


@dataclass(frozen=True)
class Found:
    """One folder under hardware/: a validation, or what a journal holds of one that is not finished.

    `journal` is everything ever submitted from here; `priced_as` is the real device, of a rehearsal, too.
    """

    device: str
    kind: Kind
    priced_as: str | None
    assessed: Assessed | None
    request: Request | None
    journal: Spent | None
    record: Device | None
    terms: Terms | None

    @property
    def inferences(self) -> int | None:
        known = self.assessed or self.request
        return known.inferences if known else None

    @property
    def shots(self) -> int | None:
        known = self.assessed or self.request
        return known.shots if known else None

    @property
    def mean_shots(self) -> float | None:
        """Under adaptive shots."""
        return self.assessed.adaptive.mean_shots if self.assessed and self.assessed.adaptive else None


def read_folders(path: Path) -> list[Found]:
    """All folders under hardware/ of a run directory: simulators, then devices, then rehearsals.

    Raises:
        QcliError: a file is damaged.
    """
    folders = sorted(folder for folder in (path / "hardware").glob("*") if folder.is_dir())
    found = [each for folder in folders if (each := _read(folder))]
    return sorted(found, key=lambda each: (KINDS.index(each.kind), each.device))


def _read(folder: Path) -> Found | None:
    assessed = _parsed(Assessed, folder / "assessment.json", "qcli.assessment/1")
    request = _parsed(Request, folder / "validation.json", REQUEST)
    name, journal = None, None
    if (folder / "journal.sqlite").is_file():
        opened = Journal.reading(folder / "journal.sqlite")
        try:
            name = opened.meta("device")
            journal = spent(opened, {key for entry in opened.entries() for key in entry.circuits})
        finally:
            opened.close()
    device = assessed.device if assessed else name
    if device is None:
        return None
    record = _record(folder, device)
    priced_as = record.key if record else None
    sheets = load_sheets(contracts=request.contracts if request else None)
    return Found(
        device=device,
        kind=_kind(device),
        priced_as=priced_as,
        assessed=assessed,
        request=request,
        journal=journal,
        record=record,
        terms=sheets.devices.get(priced_as or ""),
    )


def _kind(device: str) -> Kind:
    if device in ("sim", "sampled"):
        return "simulator"
    return "rehearsal" if device.startswith("emulator/") else "device"


def _record(folder: Path, device: str) -> Device | None:
    """As the circuits were compiled for, else as the catalogue has it; None for what it does not have."""
    if device.partition("/")[0] not in ("braket", "ibm", "emulator"):
        return None
    stored = folder / "calibration.json"
    with suppress(QcliError):
        return load_device(stored) if stored.is_file() else find(device)
    return None


def _parsed(kind: type[ModelT], path: Path, schema: str) -> ModelT | None:
    """None where there is no such file.

    Raises:
        QcliError: it is damaged.
    """
    if not path.is_file():
        return None
    try:
        return kind.model_validate(read_json(path, schema))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise QcliError(f"{key}: {first['msg']}", str(path), "run the command that writes it again") from None
