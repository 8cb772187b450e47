"""Tasks of the stand-in for Amazon Braket, and the documents that they leave in the bucket."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from tests.standins import braket_circuits as circuits
from tests.standins.braket_devices import PROGRAM, PROGRAM_SET, header
from tests.standins.braket_model import invalid

ALTERED = ("truncated", "not-json", "other-task", "wrong-shots", "wrong-qubits")
"""Kinds of GetObject that spoil a result."""

_FAILURE = {"failureReason": "The device failed to run the circuit.", "retryable": True, "category": "DEVICE"}


class Clock:
    """The service's time, which a test may put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def stamp(moment: datetime) -> str:
    """As Braket writes it, with milliseconds and Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Executable(NamedTuple):
    """One circuit with one set of inputs; `program` and `inputs_index` say where it stands in its task."""

    program: int
    inputs_index: int
    source: str
    inputs: dict[str, float]


@dataclass
class StoredTask:
    """What the service knows of a task: what it was made from, and the status `fate` that it comes to at `due`.

    `failed` are the places of the executables that fail.
    """

    arn: str
    token: str
    device_arn: str
    shots: int
    action: dict[str, Any]
    request: dict[str, Any]
    executables: list[Executable]
    fee: Decimal
    shot_price: Decimal
    created: datetime
    starts: datetime
    due: datetime
    clock: Clock = field(repr=False)
    fate: str = "COMPLETED"
    failure: str | None = None
    failed: frozenset[int] = frozenset()
    cancelled: datetime | None = None

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.request.get("tags") or {})

    @property
    def bucket(self) -> str:
        return str(self.request["outputS3Bucket"])

    @property
    def directory(self) -> str:
        return f"{self.request['outputS3KeyPrefix'].rstrip('/')}/{self.arn.rpartition('/')[2]}"

    @property
    def is_set(self) -> bool:
        return is_set(self.action)

    @property
    def status(self) -> str:
        moment = self.clock.now()
        if self.cancelled:
            return "CANCELLED"
        if moment >= self.due:
            return self.fate
        if moment >= self.starts:
            return "RUNNING"
        return "CREATED" if moment - self.created < (self.starts - self.created) / 10 else "QUEUED"

    @property
    def ended(self) -> datetime | None:
        return self.cancelled or (self.due if self.clock.now() >= self.due else None)

    @property
    def waiting(self) -> bool:
        return self.status in ("CREATED", "QUEUED")

    @property
    def successful_shots(self) -> int:
        count = len(self.executables)
        return self.shots // count * (count - len(self.failed))

    @property
    def price(self) -> Decimal:
        """USD, if it is completed."""
        return self.fee + self.successful_shots * self.shot_price

    @property
    def usd(self) -> Decimal:
        """What it has cost: nothing before it is completed, and nothing if it never is."""
        return self.price if self.status == "COMPLETED" else Decimal(0)

    @property
    def has_results(self) -> bool:
        """A failed program set has some, too, with its failures: the SDK downloads them."""
        return self.status == "COMPLETED" or (self.status == "FAILED" and bool(self.failed))


def read_action(text: str) -> dict[str, Any]:
    """Parse a program or a program set.

    Raises:
        RefusalError: it is neither.
    """
    try:
        action = dict(json.loads(text))
        kind = action["braketSchemaHeader"]["name"]
    except (ValueError, KeyError, TypeError):
        raise invalid("The action is not JSON of a known schema.") from None
    if kind not in (PROGRAM, PROGRAM_SET):
        raise invalid(f"Unsupported action {kind}.")
    return action


def is_set(action: Mapping[str, Any]) -> bool:
    return bool(action["braketSchemaHeader"]["name"] == PROGRAM_SET)


def executables_of(action: Mapping[str, Any]) -> list[Executable]:
    """The circuits of an action in order."""
    if not is_set(action):
        return [Executable(0, 0, action["source"], action.get("inputs") or {})]
    return [
        Executable(index, number, program["source"], inputs)
        for index, program in enumerate(action["programs"])
        for number, inputs in enumerate(_each(program.get("inputs") or {}))
    ]


def _each(inputs: Mapping[str, Sequence[float]]) -> Iterator[dict[str, float]]:
    if not inputs:
        yield {}
    elif len({len(values) for values in inputs.values()}) > 1:
        raise invalid("All inputs of a program must have the same length.")
    for values in zip(*inputs.values(), strict=True):
        yield dict(zip(inputs, values, strict=True))


class Results:
    """Measures the circuits of tasks; the same circuit always gives the same outcomes.

    With `inline`, the results of a program set are one document, else one for each circuit.
    """

    def __init__(self, seed: int, contrast: float, inline: bool) -> None:
        self._seed, self._contrast, self._inline = seed, contrast, inline
        self._measured: dict[tuple[Any, ...], list[list[int]]] = {}

    def documents(self, task: StoredTask) -> dict[str, dict[str, Any]]:
        """By their names under the task's directory."""
        if not task.is_set:
            return {"results.json": self._single(task)}
        metadata = _set_metadata(task)
        programs = [self._program(task, index) for index in range(len(task.action["programs"]))]
        whole: dict[str, Any] = {"braketSchemaHeader": header("task_result.program_set_task_result")}
        if self._inline:
            return {"results.json": whole | {"programResults": programs, "taskMetadata": metadata}}
        names = [f"programs/{index}/results.json" for index in range(len(programs))]
        place = {"taskMetadata": "metadata.json", "s3Location": [task.bucket, task.directory]}
        documents = {"results.json": whole | {"programResults": names} | place, "metadata.json": metadata}
        for index, program in enumerate(programs):
            documents |= {f"programs/{index}/{name}": each for name, each in _in_parts(program).items()}
        return documents

    def _single(self, task: StoredTask) -> dict[str, Any]:
        (executable,) = task.executables
        return {
            "braketSchemaHeader": header("task_result.gate_model_task_result"),
            **self._outcomes(task, executable),
            "taskMetadata": {
                "braketSchemaHeader": header("task_result.task_metadata"),
                "id": task.arn,
                "shots": task.shots,
                "deviceId": task.device_arn,
                **_times(task),
            },
            "additionalMetadata": {"action": task.action, **_compiled(task, executable.source)},
        }

    def _program(self, task: StoredTask, program: int) -> dict[str, Any]:
        results: list[dict[str, Any]] = []
        for place, executable in enumerate(task.executables):
            if executable.program != program:
                continue
            failed = place in task.failed
            kind = "failure" if failed else "result"
            results.append(
                {
                    "braketSchemaHeader": header(f"task_result.program_set_executable_{kind}"),
                    "inputsIndex": executable.inputs_index,
                    **({"failureMetadata": _FAILURE} if failed else self._outcomes(task, executable)),
                }
            )
        source = task.action["programs"][program]
        return {
            "braketSchemaHeader": header("task_result.program_result"),
            "executableResults": results,
            "source": source,
            "additionalMetadata": _compiled(task, source["source"]),
        }

    def _outcomes(self, task: StoredTask, executable: Executable) -> dict[str, Any]:
        source, inputs = executable.source, executable.inputs
        shots = task.shots // len(task.executables)
        key = (source, *sorted(inputs.items()), shots)
        if key not in self._measured:
            rows = circuits.measurements(source, inputs, shots, self._seed, self._contrast)
            self._measured[key] = rows.tolist()
        return {"measurements": self._measured[key], "measuredQubits": [*circuits.read(source).measured]}


def _in_parts(program: Mapping[str, Any]) -> dict[str, Any]:
    results = program["executableResults"]
    names = [f"executables/{each['inputsIndex']}.json" for each in results]
    return {
        "results.json": {**program, "executableResults": names, "source": "program.json"},
        "program.json": program["source"],
        **dict(zip(names, results, strict=True)),
    }


def _set_metadata(task: StoredTask) -> dict[str, Any]:
    programs: list[dict[str, list[Any]]] = [{"executables": []} for _ in task.action["programs"]]
    for place, executable in enumerate(task.executables):
        programs[executable.program]["executables"].append(_FAILURE if place in task.failed else {})
    return {
        "braketSchemaHeader": header("task_result.program_set_task_metadata"),
        "id": task.arn,
        "deviceId": task.device_arn,
        "requestedShots": task.shots,
        "successfulShots": task.successful_shots,
        "programMetadata": programs,
        "totalFailedExecutables": len(task.failed),
        **_times(task),
    }


def _times(task: StoredTask) -> dict[str, str]:
    ended = {"endedAt": stamp(task.ended)} if task.ended else {}
    return {"createdAt": stamp(task.created), "status": task.status, **ended}


def _compiled(task: StoredTask, source: str) -> dict[str, Any]:
    """The program that ran, as IQM and Rigetti report it: here always the one submitted."""
    vendor = task.device_arn.split("/")[-2]
    if vendor not in ("iqm", "rigetti"):
        return {}
    kind = header(f"task_result.{vendor}_metadata")
    return {f"{vendor}Metadata": {"braketSchemaHeader": kind, "compiledProgram": source}}


def altered(content: bytes, kind: str | None) -> bytes:
    """A document as one of ALTERED spoils it."""
    if kind == "truncated":
        return content[: len(content) // 2]
    if kind == "not-json":
        return b"<html>502 Bad Gateway</html>"
    if kind == "other-task":
        return re.sub(rb"(:quantum-task/)[0-9a-f]{8}", rb"\g<1>00000000", content)
    if kind in ("wrong-shots", "wrong-qubits"):
        return json.dumps(_changed(json.loads(content), kind)).encode()
    return content


def _changed(content: Any, kind: str) -> Any:
    """One shot less in every circuit, or the numbers of the next qubits."""
    if isinstance(content, list):
        return [_changed(each, kind) for each in content]
    if not isinstance(content, dict):
        return content
    changed = {name: _changed(value, kind) for name, value in content.items() if name != "measurements"}
    if "measurements" in content:
        changed["measurements"] = content["measurements"][: -1 if kind == "wrong-shots" else None]
    if "shots" in content and kind == "wrong-shots":
        changed["shots"] -= 1
    if "measuredQubits" in content and kind == "wrong-qubits":
        changed["measuredQubits"] = [qubit + 1 for qubit in content["measuredQubits"]]
    return changed
