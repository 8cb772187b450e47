"""A stand-in for IBM Quantum's REST service, written after qiskit-ibm-runtime 0.51, which runs against it unchanged.

It was never compared with the live service. Error codes and wordings are those that the client's code, the error
registry or the REST reference show; assumed are the code of `quota`, the refusal of jobs by an offline backend, what a
closed session answers, and 1517 for a circuit that does not fit.
"""

import json
import random
import threading
import time
from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jwt
from ibm_quantum_schemas.common import CompressedTensorModel
from ibm_quantum_schemas.executor.version_2_0 import (
    ChunkPart,
    ChunkSpan,
    ItemMetadataModel,
    MetadataModel,
    QuantumProgramResultItemModel,
    QuantumProgramResultModel,
)
from qiskit_ibm_runtime import fake_provider
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

from tests.standins.ibm_machine import Machine, UnsupportedError, check
from tests.standins.server import TRANSPORT, Fault, Reply, Request, StandIn

TOKEN = "planted-api-key-4c5e1f0b7a"
ACCOUNT = "planted0account0id0d1e2f3a4b5c6d"
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:planted-instance-9f8e7d6c::"

ACCESS = jwt.encode(
    {"iat": int(time.time()), "exp": int(time.time()) + 360_000, "account": {"bss": ACCOUNT}},
    key="a key that only the stand-in has and no one checks",
    algorithm="HS256",
)
"""What the key is exchanged for."""

REFUSALS = {
    "unauthorized": (401, 1201, "Invalid credentials."),
    "forbidden": (403, 1200, "You are not authorized to perform this action."),
    "bad-request": (400, 1002, "Error in the validation process of the job."),
    "quota": (409, 1216, "Usage exceeds instance limit."),
    "backend-offline": (400, 1004, "The Backend is not available."),
    "throttle": (429, 1202, "Too many jobs requests received: limit is 5 per minute."),
    "500": (500, 1000, "API Internal error."),
    "503": (503, 1000, "Service unavailable."),
    "504-after": (504, 1000, "Gateway timeout."),
}
"""(status, code, message). `504-after`: the request is acted on all the same."""
FATES = ("job-error", "job-cancelled", "partial", "wrong-shots", "queue-forever")
SPOILT = ("late", "truncated", "not-json", "other-job")
KINDS = {*TRANSPORT, *REFUSALS, *FATES, *SPOILT}

TOO_LONG = 1305
FINAL = ("Completed", "Cancelled", "Failed")
_OPERATIONS = {
    ("POST", "identity/token"): "GetToken",
    ("GET", "backends"): "GetBackends",
    ("GET", "backends/*/configuration"): "GetConfiguration",
    ("GET", "backends/*/properties"): "GetProperties",
    ("GET", "backends/*/status"): "GetStatus",
    ("GET", "instances/usage"): "GetUsage",
    ("POST", "jobs"): "CreateJob",
    ("GET", "jobs"): "GetJobs",
    ("GET", "jobs/*"): "GetJob",
    ("DELETE", "jobs/*"): "DeleteJob",
    ("GET", "jobs/*/results"): "GetResults",
    ("GET", "jobs/*/metrics"): "GetMetrics",
    ("GET", "jobs/*/logs"): "GetLogs",
    ("POST", "jobs/*/cancel"): "CancelJob",
    ("PUT", "jobs/*/tags"): "UpdateTags",
    ("POST", "sessions"): "CreateSession",
    ("GET", "sessions/*"): "GetSession",
    ("PATCH", "sessions/*"): "CloseSession",
    ("DELETE", "sessions/*/close"): "CancelSession",
}


class ServiceError(Exception):
    """An error in the service's own form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        error = {"code": code, "message": message, "solution": "", "more_info": ""}
        headers = {"Retry-After": "1"} if status == 429 else {}
        self.reply = Reply(status, {"errors": [error], "trace": "stand-in"}, headers)


@dataclass
class StoredJob:
    """Times are seconds since 1970; `options` is what else the request held: runtime, log_level, calibration_id, …

    `fate` is the fault that its creation had, if it decides how the job ends.
    """

    id: str
    backend: str
    program_id: str
    inputs: dict[str, Any]
    tags: list[str]
    options: dict[str, Any]
    session_id: str | None
    max_execution_time: float | None
    created: float
    due: float
    quantum_s: float
    fate: str | None = None
    status: str = "Queued"
    reason: str = ""
    reason_code: int | None = None
    usage_s: float = 0.0
    started: float | None = None
    ended: float | None = None
    program: QuantumProgram | None = field(default=None, repr=False)
    result: str | None = field(default=None, repr=False)

    @property
    def final(self) -> bool:
        return self.status in FINAL


@dataclass
class StoredSession:
    id: str
    backend: str
    mode: str
    max_ttl: int | None
    created: float
    accepting: bool = True


class IbmStandIn(StandIn):
    """One instance of IBM Quantum with a few backends: `fez` is served as `ibm_fez`.

    A job is Queued for `queue_s`, Running for `run_s`, then ends; its usage is 2 s and one more per 3,900 executions.
    `condition` of a backend is "active", "paused" (jobs are taken, none starts) or "offline" (jobs are refused).
    `usage_limit_s` is the instance's, if it has one; past it jobs are taken and none starts. Results come from state
    vectors and are the same for the same circuit, parameters, shots and seed; see `Machine`.

    Beyond those of transport, the faults are REFUSALS for every operation, FATES for CreateJob, and SPOILT for
    GetResults. Chaos spares GetToken: after a failed token request the client itself waits a minute before the next.
    """

    run_s = 0.0

    def __init__(
        self,
        backends: Iterable[str] = ("fez",),
        *,
        queue_s: float = 0.0,
        seed: int = 0,
        contrast: float = 0.85,
        faults: Iterable[Fault] = (),
        chaos: random.Random | None = None,
        rate: float = 0.0,
    ) -> None:
        super().__init__(faults, chaos, rate)
        if unknown := {fault.kind for fault in self.faults} - KINDS:
            raise ValueError(f"no such faults: {sorted(unknown)}")
        self.queue_s, self.seed = queue_s, seed
        self.submissions = 0
        self.usage_limit_s: float | None = None
        self.machine = Machine(seed, contrast)
        self._snapshots = {f"ibm_{name}": _Snapshot(name) for name in backends}
        self.condition = dict.fromkeys(self._snapshots, "active")
        self._jobs: dict[str, StoredJob] = {}
        self._sessions: dict[str, StoredSession] = {}
        self._computing = threading.Lock()

    @property
    def jobs(self) -> dict[str, StoredJob]:
        """By id, in order of creation, as they are now."""
        with self.lock:
            for job in self._jobs.values():
                self._settle(job)
            return dict(self._jobs)

    def environment(self) -> dict[str, str]:
        """The client leaves a URL with "experimental" in it as it is, and asks no one else for the instances."""
        return {
            "QISKIT_IBM_CHANNEL": "ibm_quantum_platform",
            "QISKIT_IBM_TOKEN": TOKEN,
            "QISKIT_IBM_INSTANCE": CRN,
            "QISKIT_IBM_URL": f"{self.url}/experimental",
            "IAM_URL": self.url,
            "QISKIT_FUNCTIONS_EXPERIMENTAL": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def account_file(self, home: Path) -> Path:
        """Save the account as a user would. IAM_URL and QISKIT_FUNCTIONS_EXPERIMENTAL are needed all the same, and
        HOME must be set before the client is imported."""
        from qiskit_ibm_runtime import QiskitRuntimeService

        path = home / ".qiskit" / "qiskit-ibm.json"
        QiskitRuntimeService.save_account(
            token=TOKEN, instance=CRN, url=f"{self.url}/experimental", filename=str(path), overwrite=True
        )
        return path

    def calibrate(self, when: datetime, backend: str = "ibm_fez", worse: float = 1.0) -> None:
        """From now on the properties are of this date, with every error so many times the snapshot's."""
        with self.lock:
            self._snapshots[backend].calibrations.append((when, worse))

    def operation(self, request: Request) -> str:
        parts = _path(request)
        if len(parts) > 1 and parts[0] in ("backends", "jobs", "sessions"):
            parts[1] = "*"
        return _OPERATIONS.get((request.method, "/".join(parts)), "Unknown")

    def due(self, operation: str) -> str | None:
        if operation != "GetToken":
            return super().due(operation)
        with self.lock:
            chaos, self.chaos = self.chaos, None
            try:
                return super().due(operation)
            finally:
                self.chaos = chaos

    def refusal(self, operation: str, kind: str) -> Reply:
        return ServiceError(*REFUSALS[kind]).reply

    def act(self, operation: str, request: Request, fault: str | None) -> Reply:
        shown = fault == "backend-offline" and operation in ("GetBackends", "GetStatus")
        try:
            if fault in REFUSALS and fault != "504-after" and not shown:
                raise ServiceError(*REFUSALS[fault])
            reply = self._answer(operation, request, fault)
        except ServiceError as refused:
            return refused.reply
        return self.refusal(operation, fault) if fault == "504-after" else reply

    def _answer(self, operation: str, request: Request, fault: str | None) -> Reply:
        if operation == "GetToken":
            return _token(request)
        given = request.headers.get("authorization", "")
        if given not in (f"Bearer {ACCESS}", f"apikey {TOKEN}"):
            raise ServiceError(*REFUSALS["unauthorized"])
        if request.headers.get("service-crn") != CRN:
            raise ServiceError(*REFUSALS["forbidden"])
        name = (*_path(request), "")[1]
        if operation == "GetResults":
            return self._results(self._job(name), fault)
        program = _read_program(request.json) if operation == "CreateJob" else None
        with self.lock:
            match operation:
                case "GetBackends":
                    return Reply(200, {"devices": [self._listed(each, fault) for each in self._snapshots]})
                case "GetConfiguration":
                    return Reply(200, self._snapshot(name).configuration)
                case "GetProperties":
                    before = request.query.get("updated_before", [None])[0]
                    return Reply(200, self._snapshot(name).properties(before))
                case "GetStatus":
                    return Reply(200, self._status(name, fault))
                case "GetUsage":
                    return Reply(200, self._usage())
                case "CreateJob":
                    return self._create(request.json, program, fault)
                case "GetJobs":
                    return self._list(request.query)
                case "GetJob":
                    whole = request.query.get("exclude_params") != ["true"]
                    return Reply(200, _described(self._job(name), whole))
                case "DeleteJob":
                    del self._jobs[self._job(name).id]
                    return Reply(204)
                case "GetMetrics":
                    return Reply(200, self._metrics(self._job(name)))
                case "GetLogs":
                    return Reply(200, "")
                case "CancelJob":
                    return self._cancel(self._job(name))
                case "UpdateTags":
                    self._job(name).tags = request.json["tags"]
                    return Reply(204)
                case "CreateSession":
                    return self._open(request.json)
                case "GetSession":
                    return Reply(200, self._session(name))
                case "CloseSession":
                    self._find_session(name).accepting = bool(request.json["accepting_jobs"])
                    return Reply(204)
                case "CancelSession":
                    self._find_session(name).accepting = False
                    for job in self.jobs.values():
                        if job.session_id == name and not job.final:
                            self._cancel(job)
                    return Reply(204)
        raise ServiceError(404, 1000, f"No such route: {request.method} {request.path}")

    def _snapshot(self, name: str) -> "_Snapshot":
        if name not in self._snapshots:
            raise ServiceError(404, 1007, "Backend not found.")
        return self._snapshots[name]

    def _listed(self, name: str, fault: str | None) -> dict[str, Any]:
        status = self._status(name, fault)
        configuration = self._snapshots[name].parsed
        return {
            "name": name,
            "status": {"name": "online" if status["state"] else "offline", "reason": status["status"]},
            "qubits": configuration["n_qubits"],
            "is_simulator": False,
            "queue_length": status["length_queue"],
            "processor_type": configuration.get("processor_type"),
        }

    def _status(self, name: str, fault: str | None) -> dict[str, Any]:
        version = self._snapshot(name).parsed["backend_version"]
        condition = "offline" if fault == "backend-offline" else self.condition[name]
        return {
            "backend_version": version,
            "state": condition != "offline",
            "status": {"paused": "internal", "offline": "maintenance"}.get(condition, condition),
            "length_queue": sum(job.backend == name and job.status == "Queued" for job in self.jobs.values()),
        }

    def _usage(self) -> dict[str, Any]:
        return {
            "instance_id": CRN,
            "usage_consumed_seconds": sum(job.usage_s for job in self.jobs.values()),
            "usage_limit_seconds": self.usage_limit_s,
            "usage_limit_reached": self._used_up(),
        }

    def _used_up(self) -> bool:
        limit = self.usage_limit_s
        return limit is not None and sum(job.usage_s for job in self._jobs.values()) >= limit

    def _create(self, payload: dict[str, Any], program: QuantumProgram, fault: str | None) -> Reply:
        name = payload.pop("backend")
        if self.condition.get(name) == "offline":
            raise ServiceError(*REFUSALS["backend-offline"])
        snapshot = self._snapshot(name)
        session_id = payload.pop("session_id", None)
        if session_id:
            session = self._find_session(session_id)
            if not session.accepting:
                raise ServiceError(400, 1217, "The session has been closed.")
        now = time.time()
        self.submissions += 1
        job = StoredJob(
            id=_identifier("job", self.seed, self.submissions),
            backend=name,
            program_id=payload.pop("program_id"),
            inputs=payload.pop("params"),
            tags=payload.pop("tags", []),
            session_id=session_id,
            max_execution_time=payload.pop("cost", None),
            options=payload,
            created=now,
            due=now + self.queue_s,
            quantum_s=2 + _executions(program) / 3900,
            fate=fault,
            program=program,
        )
        try:
            for item in program.items:
                check(item.circuit, snapshot.parsed)
        except UnsupportedError as rejected:
            job.fate, job.reason, job.reason_code = "job-error", str(rejected), 1517
        self._jobs[job.id] = job
        answer = {"id": job.id, "backend": name}
        return Reply(200, answer | ({"session_id": session_id} if session_id else {}))

    def _settle(self, job: StoredJob) -> None:
        """Let the time that has gone by have its effect."""
        now = time.time()
        if job.final or job.fate == "queue-forever":
            return
        if job.status == "Queued" and (self.condition[job.backend] != "active" or self._used_up()):
            job.due = max(job.due, now)
            return
        if now < job.due:
            return
        job.status, job.started = "Running", job.due
        if now < job.due + self.run_s:
            return
        job.status, job.ended, job.usage_s = "Completed", job.due + self.run_s, job.quantum_s
        if job.fate == "job-error":
            job.status = "Failed"
            job.reason = job.reason or "Internal error of the control electronics."
            job.reason_code = job.reason_code or 1010
            job.usage_s = 0.0
        elif job.fate == "job-cancelled":
            job.status, job.reason, job.usage_s = "Cancelled", "Cancelled by the service.", 0.0
        elif job.max_execution_time and job.quantum_s > job.max_execution_time:
            job.status, job.usage_s = "Cancelled", float(job.max_execution_time)
            job.reason, job.reason_code = "Job exceeded its maximum execution time.", TOO_LONG

    def _job(self, name: str) -> StoredJob:
        with self.lock:
            job = self._jobs.get(name)
            if job is None:
                raise ServiceError(404, 1291, "Job not found.")
            self._settle(job)
            return job

    def _list(self, query: dict[str, list[str]]) -> Reply:
        def one(name: str, default: str = "") -> str:
            return query.get(name, [default])[0]

        def kept(job: StoredJob) -> bool:
            return (
                set(query.get("tags", ())) <= set(job.tags)
                and one("backend", job.backend) == job.backend
                and one("program", job.program_id) == job.program_id
                and ("session_id" not in query or one("session_id") == job.session_id)
                and ("pending" not in query or (one("pending") == "true") != job.final)
                and ("created_after" not in query or _stamp(job.created) >= _utc(one("created_after")))
                and ("created_before" not in query or _stamp(job.created) <= _utc(one("created_before")))
            )

        found = [job for job in self.jobs.values() if kept(job)]
        if one("sort") != "ASC":
            found.reverse()
        offset, limit = int(one("offset", "0")), int(one("limit", "200"))
        page = [_described(job, whole=False) for job in found[offset : offset + limit]]
        return Reply(200, {"jobs": page, "count": len(found), "limit": limit, "offset": offset})

    def _metrics(self, job: StoredJob) -> dict[str, Any]:
        stamps = {"created": job.created, "running": job.started, "finished": job.ended}
        metrics = {
            "timestamps": {name: when and _stamp(when) for name, when in stamps.items()},
            "usage": {
                "status": "complete" if job.final else "pending",
                "qpu_charge_time_seconds": job.usage_s,
            },
            "qiskit_version": "2.6.2",
        }
        if job.status == "Completed":
            metrics["circuits_execution_time_ns"] = round((job.quantum_s - 2) * 1e9)
        if job.status == "Queued":
            ahead = [
                other
                for other in self.jobs.values()
                if other.status == "Queued" and other.backend == job.backend and other.created < job.created
            ]
            metrics["position_in_queue"] = len(ahead) + 1
            metrics["estimated_start_time"] = _stamp(job.due)
        return metrics

    def _cancel(self, job: StoredJob) -> Reply:
        if job.final:
            raise ServiceError(409, 1225, f"Job is already {job.status.lower()}.")
        job.usage_s = job.quantum_s if job.status == "Running" else 0.0
        job.status, job.ended = "Cancelled", time.time()
        return Reply(204)

    def _results(self, job: StoredJob, fault: str | None) -> Reply:
        if job.status in ("Failed", "Cancelled"):
            return Reply(200, job.reason, {"Content-Type": "text/plain"})
        if not job.final or fault == "late":
            return Reply(204)
        if fault == "not-json":
            return Reply(200, "<html><body>Sign in</body></html>", {"Content-Type": "text/html"})
        if fault == "other-job":
            others = [
                other for other in self.jobs.values() if other.id != job.id and other.status == "Completed"
            ]
            return Reply(200, self._result(others[-1]) if others else self._foreign(job))
        text = self._result(job)
        return Reply(200, text[: len(text) // 2] if fault == "truncated" else text)

    def _result(self, job: StoredJob) -> str:
        with self._computing:
            if job.result is None:
                job.result = self._compute(job, self.machine)
            return job.result

    def _foreign(self, job: StoredJob) -> str:
        """What a job of the same shape with circuits of another kind would have given."""
        text = json.loads(self._compute(job, Machine(self.seed, contrast=0)))
        passed = text["passthrough_data"]["post_processor"]
        passed["circuits_metadata"] = [{} for _ in passed["circuits_metadata"]]
        return json.dumps(text)

    def _compute(self, job: StoredJob, machine: Machine) -> str:
        items, passed = list(job.program.items), deepcopy(job.inputs["quantum_program"]["passthrough_data"])
        if job.fate == "partial":
            del items[-1]
            del passed["post_processor"]["circuits_metadata"][-1]
        shots = job.program.shots // 2 if job.fate == "wrong-shots" else job.program.shots
        data = [
            QuantumProgramResultItemModel(
                results={
                    name: CompressedTensorModel.from_numpy(values)
                    for name, values in machine.run(item, shots).items()
                },
                metadata=ItemMetadataModel(),
            )
            for item in items
        ]
        sizes = [prod(item.shape) for item in items]
        parts = [
            ChunkPart(idx_item=k, size=size, permutation=[], element_range=(0, size, 1))
            for k, size in enumerate(sizes)
        ]
        start, stop = (
            datetime.fromtimestamp(when, UTC).replace(tzinfo=None) for when in (job.started, job.ended)
        )
        return QuantumProgramResultModel(
            data=data,
            metadata=MetadataModel(chunk_timing=[ChunkSpan(start=start, stop=stop, parts=parts)]),
            passthrough_data=passed,
            semantic_role=job.inputs["quantum_program"]["semantic_role"],
        ).model_dump_json()

    def _open(self, payload: dict[str, Any]) -> Reply:
        self._snapshot(payload["backend"])
        session = StoredSession(
            id=_identifier("session", self.seed, len(self._sessions)),
            backend=payload["backend"],
            mode=payload["mode"],
            max_ttl=payload.get("max_ttl"),
            created=time.time(),
        )
        self._sessions[session.id] = session
        return Reply(200, self._session(session.id))

    def _find_session(self, name: str) -> StoredSession:
        if name not in self._sessions:
            raise ServiceError(404, 1226, "Session not found.")
        return self._sessions[name]

    def _session(self, name: str) -> dict[str, Any]:
        session = self._find_session(name)
        inside = [job for job in self.jobs.values() if job.session_id == name]
        pending = any(not job.final for job in inside)
        state = ("active" if inside else "open") if session.accepting or pending else "closed"
        return {
            "id": session.id,
            "backend_name": session.backend,
            "mode": session.mode,
            "max_ttl": session.max_ttl,
            "interactive_ttl": 60,
            "state": state,
            "accepting_jobs": session.accepting,
            "started_at": _stamp(inside[0].started) if inside and inside[0].started else None,
            "elapsed_time": sum(job.usage_s for job in inside),
        }


class _Snapshot:
    """Configuration and properties of one of the client's own fake backends."""

    def __init__(self, name: str) -> None:
        folder = Path(fake_provider.__file__).parent / "backends" / name
        self.name = f"ibm_{name}"
        self.parsed = json.loads((folder / f"conf_{name}.json").read_text()) | {"backend_name": self.name}
        self.configuration = json.dumps(self.parsed)
        self._properties = json.loads((folder / f"props_{name}.json").read_text())
        self.calibrations = [(_utc_date(self._properties["last_update_date"]), 1.0)]
        self._written: dict[tuple[datetime, float], str] = {}

    def properties(self, before: str | None) -> str:
        """Of the last calibration, or of the last one before a date."""
        dates = [each for each in self.calibrations if before is None or each[0] <= _utc_date(before)]
        when, worse = (dates or self.calibrations[:1])[-1]
        if (when, worse) not in self._written:
            properties = deepcopy(self._properties) | {"last_update_date": when.isoformat()}
            for values in (*properties["qubits"], *(gate["parameters"] for gate in properties["gates"])):
                for value in values:
                    if value["name"] in ("gate_error", "readout_error"):
                        value["value"] = min(1.0, value["value"] * worse)
            self._written[when, worse] = json.dumps(properties)
        return self._written[when, worse]


def _path(request: Request) -> list[str]:
    return request.path.removeprefix("/experimental").strip("/").split("/")


def _read_program(payload: dict[str, Any]) -> QuantumProgram:
    """Raises: ServiceError, if it is not what the executor takes."""
    params = payload.get("params", {})
    if payload.get("program_id") != "executor" or params.get("schema_version") != "v2.0":
        raise ServiceError(404, 1207, f"The stand-in has no program {payload.get('program_id')}.")
    converter = QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"]
    try:
        program, _ = converter.decoder(converter.model.model_validate(params))
    except ValueError as error:
        raise ServiceError(400, 1208, f"Invalid input: {error}") from None
    return program


def _executions(program: QuantumProgram) -> int:
    return program.shots * sum(prod(item.shape) for item in program.items)


def _described(job: StoredJob, whole: bool) -> dict[str, Any]:
    ran_too_long = job.reason_code == TOO_LONG
    described = {
        "id": job.id,
        "backend": job.backend,
        "state": {"status": job.status}
        | ({"reason": job.reason, "reason_code": job.reason_code} if job.final and job.reason else {}),
        "status": "Cancelled - Ran too long" if ran_too_long and job.final else job.status,
        "program": {"id": job.program_id},
        "created": _stamp(job.created),
        "ended": job.ended and _stamp(job.ended),
        "tags": job.tags,
        "user_id": f"IBMid-{ACCOUNT}",
        "cost": job.max_execution_time,
        "usage": {"qpu_charge_time_seconds": job.usage_s},
        "estimated_running_time_seconds": job.quantum_s,
        "private": job.options.get("private", False),
        "runtime": job.options.get("runtime"),
        "calibration_id": job.options.get("calibration_id"),
    }
    if job.session_id:
        described["session_id"] = job.session_id
    return described | ({"params": job.inputs} if whole else {})


def _identifier(kind: str, seed: int, number: int) -> str:
    return "d" + sha256(f"{kind} {seed} {number}".encode()).hexdigest()[:19]


def _stamp(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _utc_date(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _utc(text: str) -> str:
    return _stamp(_utc_date(text).timestamp())


def _token(request: Request) -> Reply:
    given = parse_qs(request.body.decode()).get("apikey", [""])[0]
    if given != TOKEN:
        wrong = {"errorCode": "BXNIM0415E", "errorMessage": "Provided API key could not be found."}
        return Reply(400, wrong)
    return Reply(200, {"access_token": ACCESS, "token_type": "Bearer", "expires_in": 360_000})
