"""One device at one calibration date: what it can do and how wrong it is, as data.

Errors are average gate infidelities, 1 − F. Times are seconds. A figure that was not calibrated is None:
absent, never perfect. What a run costs and how many shots a machine takes per second is not in a record: they
change with contracts, not with calibrations, and stand with their sources in the price sheets (pricing/*.toml).
"""

import datetime
import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qcli.errors import QcliError

SCHEMA = "qcli.device/1"
STALE_DAYS = 7
_AGAIN = "import the device again (`qcli devices import`), or delete the file if it is your own"

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
QubitId = Annotated[int, Field(ge=0)]
Basis = Literal["published", "assumed"]
Status = Literal["online", "offline", "retired", "unknown"]
OneQubitGate = Literal["r", "rx", "sx", "x", "rz"]
TwoQubitGate = Literal["cz", "iswap", "ecr", "cx", "rzz", "rxx"]


class Qubit(NamedTuple):
    """One qubit, numbered as its vendor numbers it.

    `p1_given_0` is the probability to read 1 after preparing 0, `p0_given_1` the reverse; `duration_s` of its gates is
    given where it differs from the device's figure.
    """

    id: QubitId
    t1_s: Seconds | None = None
    t2_s: Seconds | None = None
    error_1q: Probability | None = None
    p1_given_0: Probability | None = None
    p0_given_1: Probability | None = None
    duration_s: Seconds | None = None

    @property
    def readout_error(self) -> float | None:
        """Mean assignment error, None where not calibrated."""
        if self.p1_given_0 is None or self.p0_given_1 is None:
            return None
        return (self.p1_given_0 + self.p0_given_1) / 2

    @property
    def calibrated(self) -> bool:
        """Whether a circuit may use it: gate and readout errors are known (T1 and T2 need not be)."""
        return self.error_1q is not None and self.readout_error is not None


class Edge(NamedTuple):
    """Two qubits that share a native gate; for a directed gate (`ecr`) `a` is the control.

    `duration_s` is given where it differs from the device's figure.
    """

    a: QubitId
    b: QubitId
    error: Probability | None = None
    duration_s: Seconds | None = None


class Durations(BaseModel):
    """Gate and readout times, and whether the vendor published them or somebody assumed them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    one_qubit_s: Seconds
    two_qubit_s: Seconds
    readout_s: Seconds
    basis: Basis
    source: str = Field(min_length=1)


class ProgramSetLimits(BaseModel):
    """How much one task with many circuits may hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_executables: int = Field(ge=1)
    max_total_shots: int = Field(ge=1)


class Window(NamedTuple):
    """Hours, UTC, in which the device works on tasks; `day` is Braket's: `Monday`, `Weekdays`, `Everyday`."""

    day: str
    start: datetime.time
    end: datetime.time


class Device(BaseModel):
    """A QPU's topology, native gates (Qiskit's names) and dated calibration.

    `rz` among the gates is virtual: a change of frame, without error or duration. `status` is what GetDevice answered
    with the figures; where the calibration's source does not tell it, as IBM's properties do not, a bundled record has
    that of the price sheets, which name its source, and an imported one that of the record before. `grid` is the row
    and column of each qubit on the chip, in the order of `qubits`; `windows` and `program_sets` are None where the
    source does not name them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    provider: Literal["braket", "ibm"]
    full_name: str = Field(min_length=1)
    vendor: str = Field(min_length=1)
    technology: Literal["superconducting", "trapped ion"]
    one_qubit_gates: tuple[OneQubitGate, ...] = Field(min_length=1)
    two_qubit_gate: TwoQubitGate
    shots: tuple[int, int] | None = None
    durations: Durations
    calibrated_on: datetime.date
    status: Status = "unknown"
    retired_on: datetime.date | None = None
    program_sets: ProgramSetLimits | None = None
    windows: tuple[Window, ...] | None = None
    source: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    notes: tuple[str, ...] = ()
    grid: tuple[tuple[int, int], ...] | None = None
    qubits: tuple[Qubit, ...] = Field(min_length=1)
    edges: tuple[Edge, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _retired_if_dated(cls, content: Any) -> Any:
        if isinstance(content, dict) and content.get("retired_on"):
            return {"status": "retired", **content}
        return content

    @model_validator(mode="after")
    def _consistent(self) -> "Device":
        ids = {qubit.id for qubit in self.qubits}
        if len(ids) != len(self.qubits):
            raise ValueError("a qubit is listed twice")
        pairs = {frozenset(edge[:2]) for edge in self.edges}
        if len(pairs) != len(self.edges) or any(len(pair) != 2 for pair in pairs):
            raise ValueError("an edge is listed twice or joins a qubit to itself")
        unknown = {qubit for pair in pairs for qubit in pair} - ids
        if unknown:
            raise ValueError(f"edges name unknown qubits {sorted(unknown)}")
        if self.grid is not None and len(set(self.grid)) != len(self.qubits):
            raise ValueError("the grid does not give every qubit a place of its own")
        if self.retired_on and self.status != "retired":
            raise ValueError(f"retired on {self.retired_on}, but {self.status}")
        return self

    def __hash__(self) -> int:
        return hash((self.provider, self.name, self.calibrated_on, len(self.qubits), len(self.edges)))

    @property
    def key(self) -> str:
        """Name with provider, `braket/garnet`."""
        return f"{self.provider}/{self.name}"

    @property
    def emulator(self) -> str:
        """Name of the noisy rehearsal, `emulator/garnet`."""
        return f"emulator/{self.name}"

    @property
    def usable(self) -> tuple[Qubit, ...]:
        """Calibrated qubits, in the order of the record."""
        return tuple(qubit for qubit in self.qubits if qubit.calibrated)

    @property
    def usable_edges(self) -> tuple[Edge, ...]:
        """Calibrated edges between calibrated qubits."""
        ids = {qubit.id for qubit in self.usable}
        return tuple(e for e in self.edges if e.error is not None and e.a in ids and e.b in ids)

    @property
    def qubit_count(self) -> int:
        """Number of calibrated qubits."""
        return len(self.usable)

    @property
    def all_to_all(self) -> bool:
        """Whether every pair of calibrated qubits shares a calibrated edge."""
        n = len(self.usable)
        return len(self.usable_edges) == n * (n - 1) // 2

    def age_days(self, today: datetime.date) -> int:
        """Days between the calibration and `today`."""
        return (today - self.calibrated_on).days


def stale(device: Device, today: datetime.date) -> bool:
    """Whether the calibration is more than a week old: too old to forecast from without saying so."""
    return device.age_days(today) > STALE_DAYS


def device_from(content: dict[str, Any], where: str) -> Device:
    """Validate a device given as plain data.

    Raises:
        QcliError: a field is missing, unknown or out of range; names the first.
    """
    try:
        return Device.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = _place(first["loc"])
        message = f"{place}: {first['msg']}" if place else first["msg"]
        raise QcliError(
            f"not a valid device record: {message}", where, "correct the field or import the device again"
        ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """`qubits.0.t1_s` for the location ("qubits", 0, 1)."""
    parts = [str(part) for part in location]
    fields = {"qubits": Qubit._fields, "edges": Edge._fields}.get(parts[0]) if parts else None
    if fields and len(location) > 2 and isinstance(location[2], int) and location[2] < len(fields):
        parts[2] = fields[location[2]]
    return ".".join(parts)


def load_device(path: Path) -> Device:
    """Read a record in the project's own format.

    Raises:
        QcliError: the file is missing, cut short, of another schema, or a field is wrong.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QcliError(f"{path.name} is missing", str(path.parent), "`qcli devices` lists names") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise QcliError(f"cannot read the device record: {error}", str(path), _AGAIN) from None
    found = content.pop("schema", None) if isinstance(content, dict) else None
    if found != SCHEMA:
        what = f"schema is {found!r}, expected {SCHEMA!r}"
        raise QcliError(what, str(path), f"{_AGAIN}, or use the matching qcli version")
    return device_from(content, str(path))


def dump_device(device: Device) -> str:
    """The compact file form: six significant digits, a row per qubit and edge."""
    content = {"schema": SCHEMA, **device.model_dump(mode="json", exclude_none=True)}
    rows = {"qubits": content.pop("qubits"), "edges": content.pop("edges")}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in content.items()]
    for key, entries in rows.items():
        body = ",\n".join(json.dumps(_compact(entry), separators=(",", ":")) for entry in entries)
        lines.append(f'"{key}": [\n{body}\n]')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(row: list[Any]) -> list[Any]:
    rounded = [float(f"{value:.6g}") if isinstance(value, float) else value for value in row]
    while rounded and rounded[-1] is None:
        rounded.pop()
    return rounded
