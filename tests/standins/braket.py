"""Amazon Braket on 127.0.0.1, with as much of S3 and STS as it needs: the vendor's own SDK runs against it.

Routes, fields and errors are those of botocore's service model, results and capabilities those of the SDK's schemas;
it was never compared with the live service. Assumed are: most wordings, that circuits are refused when they are
submitted, that a client token holds for ever, and the form of a failed program set. Of a request's signature only the
name of the key is checked. A device takes tasks at any hour while its status is ONLINE.
"""

import csv
import io
import json
import random
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from tests.standins import braket_circuits as circuits
from tests.standins.braket_devices import (
    ALWAYS,
    CEPHEUS,
    EMERALD,
    FORTE,
    GARNET,
    PROGRAM,
    PROGRAM_SET,
    SHOT_PRICES,
    bundled,
    capabilities,
    name_of,
)
from tests.standins.braket_model import (
    ACCOUNT,
    BUSY,
    OPERATIONS,
    PRICES,
    UNKNOWN_KEY,
    XML,
    RefusalError,
    check,
    check_tags,
    invalid,
    operation_of,
    page,
    parameters,
    scope,
    service_of,
)
from tests.standins.braket_results import (
    ALTERED,
    Clock,
    Executable,
    Results,
    StoredTask,
    altered,
    executables_of,
    is_set,
    read_action,
    stamp,
)
from tests.standins.server import Fault, Reply, Request, StandIn, serve_for

__all__ = [
    "ACCESS_KEY",
    "ACCOUNT",
    "ALTERED",
    "ALWAYS",
    "BUCKET",
    "CEPHEUS",
    "EMERALD",
    "FORTE",
    "GARNET",
    "OUTCOMES",
    "SECRET_KEY",
    "SESSION_TOKEN",
    "BraketStandIn",
    "Fault",
    "StoredTask",
    "capabilities",
]

ACCESS_KEY = "ASIAPLANTEDACCESSKEY"
SECRET_KEY = "planted/secret+key/of/the/stand/in/00000"
SESSION_TOKEN = "planted-session-token-of-the-stand-in"
BUCKET = "amazon-braket-planted-bucket"

OUTCOMES = ("task-failed", "task-cancelled", "task-expired", "queue-forever", "partial")
"""Kinds of CreateQuantumTask that make a task and let it end so; `partial` fails every third circuit of a set."""

TASK_FEE = Decimal("0.30")
_VENDORS = {"iqm": "IQM", "rigetti": "Rigetti", "ionq": "IonQ"}
_BAD_PREFIX = re.compile(r"[{}\[\]<>\\|^~`%#\"]|[^ -~]|(?:^|/)\.\.?/")
_NEVER = datetime.max.replace(tzinfo=UTC)


class _Limit(NamedTuple):
    usd: Decimal
    created: datetime


class _Call(NamedTuple):
    """One of Braket's operations: its parameters, the region it is signed for, and the fault that is due."""

    params: dict[str, Any]
    region: str
    fault: str | None


class BraketStandIn(StandIn):
    """One account's devices, tasks and buckets; what a test may set are its attributes.

    Args:
        devices: capabilities by ARN; default Garnet, Emerald, Cepheus-1-108Q and Forte Enterprise 1, open at any hour.
        queue_s: how long a task is CREATED, then QUEUED.
        run_s: how long it is RUNNING after that.
        region: the clients' default.
        seed: of the outcomes, which depend on nothing else than the circuit, its inputs and the shots.
        contrast: share of shots that a perfect device would give; the others are random.
        inline: whether the results of a program set are in one object, or in one for each circuit.
        faults: TRANSPORT for every operation; for CreateQuantumTask OUTCOMES and `spending-limit`; for GetObject
            ALTERED, `late` and `forbidden`; for all of Braket the errors of its model, `ExpiredTokenException`,
            `UnrecognizedClientException`, `SignatureDoesNotMatch` and `RequestTimeTooSkewed`; for S3 and STS their
            codes, such as `NoSuchBucket`, `AccessDenied`, `ExpiredToken`.

    Attributes:
        tasks: by ARN, in order of creation.
        submissions: calls of CreateQuantumTask that made a task.
        tokens: ARN of the task that a client token made; cleared, all tokens are forgotten.
        statuses, depths: a device's status and the length of its queue, where not ONLINE and what there is.
        prices: USD a task and a shot, by ARN.
        buckets, objects: names of the buckets, and what was put into them, by bucket and key.
    """

    def __init__(
        self,
        devices: Mapping[str, dict[str, Any]] | None = None,
        *,
        queue_s: float = 0.0,
        run_s: float = 0.0,
        region: str = "eu-north-1",
        seed: int = 0,
        contrast: float = 0.8,
        inline: bool = True,
        faults: Iterable[Fault] = (),
        chaos: random.Random | None = None,
        rate: float = 0.0,
    ) -> None:
        super().__init__(faults, chaos, rate)
        self.devices = bundled() if devices is None else dict(devices)
        self.queue_s, self.run_s, self.region = queue_s, run_s, region
        self.account, self.bucket = ACCOUNT, BUCKET
        self.tasks: dict[str, StoredTask] = {}
        self.submissions = 0
        self.tokens: dict[str, str] = {}
        self.statuses: dict[str, str] = {}
        self.depths: dict[str, str] = {}
        self.prices = {arn: (TASK_FEE, SHOT_PRICES.get(name_of(arn), Decimal(0))) for arn in self.devices}
        self.buckets = {BUCKET}
        self.objects: dict[tuple[str, str], bytes] = {}
        self._results = Results(seed, contrast, inline)
        self._limits: dict[str, _Limit] = {}
        self._clock = Clock()
        self._calls: dict[str, Callable[[_Call], dict[str, Any]]] = {
            "GetDevice": self._get_device,
            "SearchDevices": self._search_devices,
            "CreateQuantumTask": self._create_quantum_task,
            "GetQuantumTask": self._get_quantum_task,
            "CancelQuantumTask": self._cancel_quantum_task,
            "SearchQuantumTasks": self._search_quantum_tasks,
            "SearchSpendingLimits": self._search_spending_limits,
        }

    @property
    def charged(self) -> Decimal:
        """What all tasks have cost, USD."""
        with self.lock:
            return sum((task.usd for task in self.tasks.values()), Decimal(0))

    def limit(self, device_arn: str, usd: str) -> None:
        """Set a spending limit: a task whose price is more than what is left of it is refused."""
        self._limits[device_arn] = _Limit(Decimal(usd), self._clock.now())

    def advance(self, seconds: float) -> None:
        """Let time pass for the tasks."""
        self._clock.ahead += timedelta(seconds=seconds)

    def environment(self) -> dict[str, str]:
        """Endpoints, planted credentials, and whatever else keeps the clients away from other hosts and files."""
        services = ("", "_S3", "_STS", "_BRAKET")
        return {f"AWS_ENDPOINT_URL{service}": self.url for service in services} | {
            "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
            "BRAKET_ENDPOINT": self.url,
            "BRAKET_PRICE_OFFERS_URL": self.url + PRICES,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_SESSION_TOKEN": SESSION_TOKEN,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def operation(self, request: Request) -> str:
        return operation_of(request)

    def act(self, operation: str, request: Request, fault: str | None) -> Reply:
        service = service_of(operation)
        try:
            if operation == "GetPrices":
                return Reply(body=self._price_file(), headers={"Content-Type": "text/csv"})
            key, region, _ = scope(request)
            if key != ACCESS_KEY:
                raise RefusalError(UNKNOWN_KEY[service])
            if fault and fault not in OUTCOMES + ALTERED:
                raise RefusalError(fault)
            if service == "sts":
                return _xml(
                    "GetCallerIdentityResponse", f"<Account>{ACCOUNT}</Account>", "GetCallerIdentityResult"
                )
            if service == "s3":
                return self._storage(operation, request, region, fault)
            if operation not in self._calls:
                raise invalid(f"The stand-in has no {operation}.")
            content = self._calls[operation](_Call(parameters(operation, request), region, fault))
            check(content, OPERATIONS[operation].output_shape)
            return Reply(OPERATIONS[operation].http.get("responseCode", 200), content)
        except RefusalError as refusal:
            return refusal.reply(service)

    def refusal(self, operation: str, kind: str) -> Reply:
        service = service_of(operation)
        return RefusalError(BUSY[service][kind]).reply(service)

    # Devices

    def _get_device(self, call: _Call) -> dict[str, Any]:
        arn = call.params["deviceArn"]
        content = json.dumps(self._device(arn, call.region))
        with self.lock:
            waiting = sum(task.waiting and task.device_arn == arn for task in self.tasks.values())
        tasks, depth = "QUANTUM_TASKS_QUEUE", self.depths.get(arn, str(waiting))
        queues = [
            {"queue": tasks, "queueSize": depth, "queuePriority": "Normal"},
            {"queue": tasks, "queueSize": "0", "queuePriority": "Priority"},
            {"queue": "JOBS_QUEUE", "queueSize": "0"},
        ]
        return self._summary(arn) | {"deviceCapabilities": content, "deviceQueueInfo": queues}

    def _device(self, arn: str, region: str) -> dict[str, Any]:
        if arn not in self.devices or arn.split(":")[3] != region:
            raise RefusalError("ResourceNotFoundException", f"Device not found: {arn}")
        return self.devices[arn]

    def _summary(self, arn: str) -> dict[str, Any]:
        vendor, name = arn.split("/")[-2:]
        return {
            "deviceArn": arn,
            "deviceName": name,
            "providerName": _VENDORS.get(vendor, vendor),
            "deviceType": "QPU",
            "deviceStatus": self.statuses.get(arn, "ONLINE"),
        }

    def _search_devices(self, call: _Call) -> dict[str, Any]:
        found = [self._summary(arn) for arn in self.devices if arn.split(":")[3] == call.region]
        return page("devices", _chosen(found, call.params), call.params)

    # Tasks

    def _create_quantum_task(self, call: _Call) -> dict[str, Any]:
        token = call.params["clientToken"]
        with self.lock:
            known = self.tasks.get(self.tokens.get(token, ""))
            if known and known.request != call.params:
                raise invalid("The client token was used with other parameters before.")
            if not known:
                known = self._new_task(call)
                self.tasks[known.arn] = known
                self.tokens[token] = known.arn
                self.submissions += 1
        return {"quantumTaskArn": known.arn}

    def _new_task(self, call: _Call) -> StoredTask:
        params = call.params
        arn, bucket = params["deviceArn"], params["outputS3Bucket"]
        try:
            device = self._device(arn, call.region)
        except RefusalError as refusal:
            raise invalid(refusal.message) from None
        if (status := self.statuses.get(arn, "ONLINE")) != "ONLINE":
            raise RefusalError("DeviceRetiredException" if status == "RETIRED" else "DeviceOfflineException")
        if bucket not in self.buckets:
            raise invalid(f"The bucket {bucket} does not exist or cannot be accessed.")
        if _BAD_PREFIX.search(params["outputS3KeyPrefix"]):
            raise invalid("outputS3KeyPrefix has characters that are not valid.")
        check_tags(params.get("tags") or {})
        action = read_action(params["action"])
        executables = executables_of(action)
        _check_shots(arn, device, params["shots"], len(executables) if is_set(action) else None)
        _check_circuits(device, executables, is_set(action))
        fee, shot_price = self.prices.get(arn, (TASK_FEE, Decimal(0)))
        created = self._clock.now()
        starts = created + timedelta(seconds=self.queue_s)
        task = StoredTask(
            arn=f"arn:aws:braket:{call.region}:{ACCOUNT}:quantum-task/{uuid.uuid4()}",
            token=params["clientToken"],
            device_arn=arn,
            shots=params["shots"],
            action=action,
            request=params,
            executables=executables,
            fee=fee,
            shot_price=shot_price,
            created=created,
            starts=starts,
            due=starts + timedelta(seconds=self.run_s),
            clock=self._clock,
        )
        _settle(task, call.fault)
        if limit := self._limits.get(arn):
            queued, spent = self._spending(arn, limit)
            if queued + spent + task.price > limit.usd:
                raise RefusalError("spending-limit")
        return task

    def _task(self, call: _Call) -> StoredTask:
        arn = call.params["quantumTaskArn"]
        with self.lock:
            task = self.tasks.get(arn)
        if task is None or task.region != call.region:
            raise RefusalError("ResourceNotFoundException", f"Quantum task not found: {arn}")
        return task

    def _get_quantum_task(self, call: _Call) -> dict[str, Any]:
        task = self._task(call)
        status = task.status
        content = _summary_of(task) | {
            "status": status,
            "deviceParameters": task.request.get("deviceParameters", "{}"),
            "actionMetadata": {"actionType": PROGRAM},
        }
        if task.is_set:
            programs, executables = len(task.action["programs"]), len(task.executables)
            counts = {"programCount": programs, "executableCount": executables}
            content["actionMetadata"] = {"actionType": PROGRAM_SET, **counts}
        if status == "FAILED" and task.failure:
            content["failureReason"] = task.failure
        if status == "COMPLETED":
            content["numSuccessfulShots"] = task.successful_shots
        if "associations" in task.request:
            content["associations"] = task.request["associations"]
        if "QueueInfo" in call.params.get("additionalAttributeNames", ()):
            queue = {"queue": "QUANTUM_TASKS_QUEUE", "queuePriority": "Normal"}
            content["queueInfo"] = queue | self._position(task, status)
        return content

    def _position(self, task: StoredTask, status: str) -> dict[str, str]:
        if status not in ("CREATED", "QUEUED"):
            message = (
                f"Task is in {status} status. AmazonBraket does not show queue position for this status."
            )
            return {"position": "None", "message": message}
        with self.lock:
            tasks = [each for each in self.tasks.values() if each.device_arn == task.device_arn]
        before = sum(each.waiting for each in tasks[: tasks.index(task)])
        return {"position": str(before + 1)}

    def _cancel_quantum_task(self, call: _Call) -> dict[str, Any]:
        task = self._task(call)
        with self.lock:
            status = task.status
            if status in ("COMPLETED", "FAILED"):
                raise RefusalError(
                    "ConflictException", f"The quantum task is {status} and cannot be cancelled."
                )
            task.cancelled = task.cancelled or self._clock.now()
        said = "CANCELLED" if status == "CANCELLED" else "CANCELLING"
        return {"quantumTaskArn": task.arn, "cancellationStatus": said}

    def _search_quantum_tasks(self, call: _Call) -> dict[str, Any]:
        with self.lock:
            tasks = [task for task in reversed(self.tasks.values()) if task.region == call.region]
        found = [
            _summary_of(task)
            for task in tasks
            if all(
                _matches(task, each["name"], each["operator"], each["values"])
                for each in call.params["filters"]
            )
        ]
        return page("quantumTasks", found, call.params)

    # Money

    def _spending(self, device_arn: str, limit: _Limit) -> tuple[Decimal, Decimal]:
        """Of unfinished and of completed tasks since the limit was set, USD."""
        with self.lock:
            tasks = [
                t for t in self.tasks.values() if t.device_arn == device_arn and t.created >= limit.created
            ]
        queued = sum((task.price for task in tasks if task.ended is None), Decimal(0))
        return queued, sum((task.usd for task in tasks), Decimal(0))

    def _search_spending_limits(self, call: _Call) -> dict[str, Any]:
        found = []
        for arn, limit in self._limits.items():
            queued, spent = self._spending(arn, limit)
            start = int(limit.created.timestamp())
            if arn.split(":")[3] == call.region:
                found.append(
                    {
                        "spendingLimitArn": f"arn:aws:braket:{call.region}:{ACCOUNT}:spending-limit/{name_of(arn)}",
                        "deviceArn": arn,
                        "timePeriod": {"startAt": start, "endAt": start + 365 * 86_400},
                        "spendingLimit": f"{limit.usd:.2f}",
                        "queuedSpend": f"{queued:.2f}",
                        "totalSpend": f"{spent:.2f}",
                        "createdAt": stamp(limit.created),
                        "updatedAt": stamp(limit.created),
                    }
                )
        return page("spendingLimits", _chosen(found, call.params), call.params)

    def _price_file(self) -> str:
        """AWS's price list, as far as the SDK's cost tracker reads it."""
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(("Region Code", "DeviceName", "Product Family", "PricePerUnit", "Currency"))
        for arn, (fee, shot_price) in self.prices.items():
            region, name = arn.split(":")[3], arn.rpartition("/")[2]
            rows.writerow((region, name, "Quantum Task", fee, "USD"))
            rows.writerow((region, name, "Quantum Task-Shot", shot_price, "USD"))
        return "\n" * 5 + text.getvalue()

    # Storage

    def _storage(self, operation: str, request: Request, region: str, fault: str | None) -> Reply:
        bucket, _, key = request.path.lstrip("/").partition("/")
        if operation == "CreateBucket":
            if bucket in self.buckets and region != "us-east-1":
                raise RefusalError("BucketAlreadyOwnedByYou")
            self.buckets.add(bucket)
            return Reply()
        if operation == "ListBuckets":
            names = "".join(f"<Bucket><Name>{escape(name)}</Name></Bucket>" for name in sorted(self.buckets))
            return _xml("ListAllMyBucketsResult", names, "Buckets")
        if bucket not in self.buckets:
            raise RefusalError("NoSuchBucket")
        if operation == "HeadBucket":
            return Reply(headers={"x-amz-bucket-region": region})
        if operation == "GetBucketLocation":
            return _xml("LocationConstraint", "" if region == "us-east-1" else region)
        if operation == "ListObjectsV2":
            prefix = request.query.get("prefix", [""])[0]
            keys = [key for name, key in self._objects() if name == bucket and key.startswith(prefix)]
            entries = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in sorted(keys))
            return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{entries}")
        if operation == "PutObject":
            self.objects[bucket, key] = request.body
            return Reply(headers={"ETag": '"0"'})
        if operation == "DeleteObject":
            self.objects.pop((bucket, key), None)
            return Reply(204)
        if operation not in ("GetObject", "HeadObject"):
            raise RefusalError("MethodNotAllowed")
        content = self._objects(key).get((bucket, key))
        if content is None:
            raise RefusalError("NoSuchKey")
        return Reply(
            body=altered(content, fault), headers={"Content-Type": "binary/octet-stream", "ETag": '"0"'}
        )

    def _objects(self, key: str | None = None) -> dict[tuple[str, str], bytes]:
        """What was put, and the results of the tasks; of all of them, or of the one whose object this is."""
        with self.lock:
            tasks = list(self.tasks.values())
        objects = dict(self.objects)
        for task in tasks:
            if task.has_results and (key is None or key.startswith(task.directory)):
                for name, content in self._results.documents(task).items():
                    objects.setdefault(
                        (task.bucket, f"{task.directory}/{name}"), json.dumps(content).encode()
                    )
        return objects


def _xml(root: str, body: str, inner: str = "") -> Reply:
    return Reply(body=f"<{root}>{f'<{inner}>{body}</{inner}>' if inner else body}</{root}>", headers=XML)


def _settle(task: StoredTask, fault: str | None) -> None:
    """Let a task end as one of OUTCOMES says."""
    count = len(task.executables)
    if fault == "task-failed":
        task.fate, task.failure = "FAILED", "The device failed to run the quantum task."
        task.failed = frozenset(range(count) if task.is_set else ())
    elif fault == "task-expired":
        task.fate, task.failure, task.due = "FAILED", "The quantum task expired in the queue.", task.starts
    elif fault == "task-cancelled":
        task.fate, task.due = "CANCELLED", task.starts
    elif fault == "queue-forever":
        task.starts = task.due = _NEVER
    elif fault == "partial" and task.is_set:
        task.failed = frozenset(range(1, count, 3))


def _summary_of(task: StoredTask) -> dict[str, Any]:
    ended = {"endedAt": stamp(task.ended)} if task.ended else {}
    return {
        "quantumTaskArn": task.arn,
        "status": task.status,
        "deviceArn": task.device_arn,
        "shots": task.shots,
        "outputS3Bucket": task.bucket,
        "outputS3Directory": task.directory,
        "createdAt": stamp(task.created),
        "tags": task.tags,
        **ended,
    }


def _chosen(found: Sequence[dict[str, Any]], params: Mapping[str, Any]) -> list[dict[str, Any]]:
    filters = params.get("filters", ())
    return [each for each in found if all(each.get(one["name"]) in one["values"] for one in filters)]


def _matches(task: StoredTask, name: str, operator: str, values: Sequence[str]) -> bool:
    """The filters that the service model names, and `tags:KEY`, which others use."""
    known = {
        "quantumTaskArn": task.arn,
        "deviceArn": task.device_arn,
        "status": task.status,
        "createdAt": stamp(task.created),
        "jobArn": "",
    }
    if name.startswith("tags:"):
        value = task.tags.get(name.removeprefix("tags:"), "")
    elif name in known:
        value = known[name]
    else:
        raise invalid(f"Unknown filter {name}.")
    answers = {
        "EQUAL": value in values,
        "LT": value < values[0],
        "LTE": value <= values[0],
        "GT": value > values[0],
        "GTE": value >= values[0],
        "BETWEEN": values[0] <= value <= values[-1],
    }
    return answers[operator]


def _check_shots(arn: str, device: Mapping[str, Any], shots: int, executables: int | None) -> None:
    """`executables` are those of a program set."""
    each = shots
    if executables is not None:
        limits = device["action"].get(PROGRAM_SET)
        if limits is None:
            raise invalid(f"Program sets are not supported on {arn}.")
        most, total = limits["maximumExecutables"], limits["maximumTotalShots"]
        if executables > most:
            raise invalid(f"Executable count should be at most {most} on {arn}, but found {executables}.")
        if shots > total:
            raise invalid(f"Total shot count should be at most {total} on {arn}, but found {shots}.")
        if shots % executables:
            raise invalid(f"Shot count {shots} is not divisible by {executables} executables.")
        each = shots // executables
    low, high = device["service"]["shotsRange"]
    if not low <= each <= high:
        raise invalid(f"Shot count should be between {low} and {high} on {arn}, but found {each}.")


def _check_circuits(device: Mapping[str, Any], executables: Sequence[Executable], many: bool) -> None:
    failures = []
    for executable in executables:
        try:
            program = circuits.read(executable.source)
            errors = list(circuits.faults(program, circuits.bind(program, executable.inputs), device))
        except circuits.CircuitError as error:
            errors = [str(error)]
        if errors and not many:
            raise invalid("; ".join(errors))
        if errors:
            place = {"programIndex": executable.program, "inputsIndex": executable.inputs_index}
            failures.append({**place, "errors": errors})
    if failures:
        raise invalid(
            f"{len(failures)} executables of the program set are not valid.",
            reason="ProgramSetValidationFailed",
            programSetValidationFailures=failures,
        )


if __name__ == "__main__":
    serve_for(BraketStandIn(), float(sys.argv[1]))
