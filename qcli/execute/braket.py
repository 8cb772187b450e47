"""Amazon Braket through its own SDK: quantum tasks and program sets of native verbatim circuits.

Written after the SDK's code and botocore's service model, tried against stand-ins; never run against the live service.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qcli.compile.verbatim import native_qasm, verbatim
from qcli.device.live import arn, no_credentials
from qcli.device.record import Device
from qcli.execute.braket_action import as_written, debiasing, program_action, set_action
from qcli.execute.braket_result import counts_of
from qcli.execute.compiling import Compiler
from qcli.execute.record import Entry
from qcli.execute.secrets import hide, redacted
from qcli.execute.service import Order, Outcome, Packed, RefusedError, Status, TransientError
from qcli.price.submission import SET_PLANS

if TYPE_CHECKING:
    from braket.aws import AwsDevice, AwsSession

_STATES = {"CREATED": "queued", "QUEUED": "queued", "RUNNING": "running", "CANCELLING": "running"}
_ENDS = {"COMPLETED": "done", "FAILED": "failed", "CANCELLED": "cancelled"}
_NEEDED = ("status", "outputS3Bucket", "outputS3Directory", "quantumTaskArn")
_CAPABILITIES = ("deviceStatus", "deviceCapabilities")
_PREFIX = "qcli"
CONNECT_S, READ_S = 10.0, 60.0
"""Time limits of one request."""

_PASSING = {
    "ThrottlingException",
    "Throttling",
    "TooManyRequestsException",
    "InternalServiceException",
    "InternalServerException",
    "InternalError",
    "ServiceUnavailableException",
    "ServiceUnavailable",
    "SlowDown",
    "RequestTimeout",
}
_CREDENTIALS = (
    "renew your AWS credentials: `aws sso login`, `aws configure`, or AWS_PROFILE for another profile"
)
_CLOCK = "set this computer's clock: AWS refuses requests more than five minutes off"
_FIXES = {
    "ExpiredTokenException": _CREDENTIALS,
    "ExpiredToken": _CREDENTIALS,
    "UnrecognizedClientException": _CREDENTIALS,
    "InvalidClientTokenId": _CREDENTIALS,
    "InvalidAccessKeyId": _CREDENTIALS,
    "SignatureDoesNotMatch": _CLOCK,
    "InvalidSignatureException": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "AccessDeniedException": "let the account use Amazon Braket and its bucket: the policy AmazonBraketFullAccess",
    "AccessDenied": "let the account read and write the bucket: the policy AmazonBraketFullAccess, or --s3 BUCKET",
    "NoSuchBucket": "make the bucket in the device's region, or name another with --s3 BUCKET",
    "DeviceOfflineException": "wait until it is back (see the Amazon Braket console), or choose another device",
    "DeviceRetiredException": "choose another device: qcli devices",
    "ServiceQuotaExceededException": "wait for tasks to end, or raise the quota in the AWS console (Service Quotas)",
    "ResourceNotFoundException": "check that device, task and profile belong to the same account and region",
}


@dataclass(frozen=True)
class BraketOptions:
    """How to reach Braket and what to ask of it.

    Attributes:
        profile: of the AWS configuration; None for the usual one.
        s3: the user's bucket, with or without a prefix: `bucket/prefix`; None for the account's default Braket bucket.
        vendor_compile: submit the circuit as written and let the vendor compile it.
        debias: IonQ's debiasing.
    """

    profile: str | None = None
    s3: str | None = None
    vendor_compile: bool = False
    debias: bool = False


class Braket:
    """One QPU on Amazon Braket."""

    def __init__(self, device: Device, options: BraketOptions | None = None) -> None:
        self.name = device.key
        self._options = options or BraketOptions()
        self.use(device)
        self._known_session: AwsSession | None = None
        self._known_device: AwsDevice | None = None
        self._known_s3: Any = None

    def use(self, device: Device) -> None:
        """Compile for another calibration from now on."""
        self.device, self.calibration = device, device.calibrated_on.isoformat()
        self._compiler = Compiler(device)

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        sources = [self._source(order) for order in orders]
        in_set = plan in SET_PLANS
        action = set_action(sources, plan == "parametrised") if in_set else program_action(sources[0])
        content: dict[str, Any] = {
            "deviceArn": arn(self.device.key),
            "shots": sum(order.shots for order in orders),
            "action": action,
        }
        if self._options.debias:
            content["deviceParameters"] = debiasing()
        if self._options.vendor_compile:
            layouts = [list(_measured(order)) for order in orders]
        else:
            layouts = self._compiler.layouts(orders)
        detail = {"set": in_set, "layouts": layouts, "rewired": self._options.vendor_compile}
        return Packed(json.dumps(content).encode(), detail)

    def submit(self, task: Entry, payload: bytes) -> str:
        content = json.loads(payload)
        with _translated(f"submitting to {self.name}"):
            bucket, prefix = self._destination()
            task_arn = self._session.create_quantum_task(
                **content, outputS3Bucket=bucket, outputS3KeyPrefix=prefix, clientToken=task.token
            )
        return task_arn.rpartition("/")[2]

    def status(self, task: Entry) -> Status:
        answer = self._task(task)
        state = answer["status"]
        if state in _ENDS:
            return Status(_ENDS[state], reason=answer.get("failureReason", ""))  # type: ignore[arg-type]
        position = answer.get("queueInfo", {}).get("position", "")
        return Status(_STATES.get(state, "queued"), str(position).replace("None", ""))  # type: ignore[arg-type]

    def fetch(self, task: Entry) -> Outcome:
        answer = self._task(task)

        def read(name: str) -> bytes:
            """An object in the task's folder."""
            with _translated(f"fetching results of task {task.number}", late=("NoSuchKey", "404")):
                key = f"{answer['outputS3Directory']}/{name}"
                body = self._s3.get_object(Bucket=answer["outputS3Bucket"], Key=key)["Body"]
                return bytes(body.read())

        counts = counts_of(task, read("results.json"), answer["quantumTaskArn"], read)
        return Outcome(counts, created=_time(answer.get("createdAt")), ended=_time(answer.get("endedAt")))

    def usage_s(self, task: Entry) -> float | None:
        return None

    def cancel(self, task: Entry) -> None:
        with _translated(f"cancelling task {task.number}"):
            if self._task(task)["status"] not in (*_ENDS, "CANCELLING"):
                self._session.cancel_quantum_task(self._arn(task))

    def close(self) -> None:
        """Nothing is held."""

    def notes(self) -> list[str]:
        """What a person should know before submitting: queue, window, spending limits.

        Raises:
            QcliError: no credentials, or the device is offline or retired.
        """
        with _translated(f"looking at {self.name}"):
            device = self._aws_device
            notes = []
            if device.status == "RETIRED":
                raise _refusal("DeviceRetiredException", f"{self.name} is retired", self.name)
            if device.status != "ONLINE":
                raise _refusal("DeviceOfflineException", f"{self.name} is {device.status.lower()}", self.name)
            if not device.is_available:
                notes.append(f"{self.name} is outside its execution window: tasks wait until it opens")
            depth = device.queue_depth().quantum_tasks
            notes.append("queue: " + ", ".join(f"{n} {kind.value.lower()}" for kind, n in depth.items()))
            notes += self._spending_limits()
        return notes

    def live(self) -> dict[str, Any]:
        """The device's capabilities as Braket serves them now."""
        with _translated(f"reading the calibration of {self.name}"):
            answer = dict(self._session.get_device(arn(self.device.key)))
            return {name: answer[name] for name in _CAPABILITIES} | answer

    def _source(self, order: Order) -> str:
        if self._options.vendor_compile:
            return as_written(order)
        compiled, values = self._compiler.compiled(order)
        (circuit,) = verbatim(compiled, values)
        return native_qasm(circuit)

    def _task(self, task: Entry) -> dict[str, Any]:
        with _translated(f"looking at task {task.number}"):
            # the SDK's own get_quantum_task has retries on top that no configuration shortens
            answer = self._session.braket_client.get_quantum_task(
                quantumTaskArn=self._arn(task), additionalAttributeNames=["QueueInfo"]
            )
            return {name: answer[name] for name in _NEEDED} | dict(answer)

    def _arn(self, task: Entry) -> str:
        region = self._session.region
        return f"arn:aws:braket:{region}:{self._account}:quantum-task/{task.vendor_id}"

    def _destination(self) -> tuple[str, str]:
        if self._options.s3:
            bucket, _, prefix = self._options.s3.removeprefix("s3://").strip("/").partition("/")
        else:
            bucket, prefix = self._default_bucket(), ""
        hide(bucket, "bucket")
        return bucket, prefix or _PREFIX

    def _default_bucket(self) -> str:
        try:
            return str(self._session.default_bucket())
        except ValueError as error:  # it belongs to somebody else
            raise _refusal("NoSuchBucket", str(error), "Amazon Braket") from None

    def _spending_limits(self) -> list[str]:
        """Worth knowing; an account that may not ask for them may submit all the same."""
        from botocore.exceptions import ClientError

        client = self._session.braket_client
        filters = [{"name": "deviceArn", "operator": "EQUAL", "values": [arn(self.device.key)]}]
        try:
            found = client.search_spending_limits(filters=filters)["spendingLimits"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") != "AccessDeniedException":
                raise
            return []
        return [
            f"AWS spending limit: {each['totalSpend']} spent and {each['queuedSpend']} queued of "
            f"{each['spendingLimit']} USD"
            for each in found
        ]

    @property
    def _s3(self) -> Any:
        if self._known_s3 is None:
            self._known_s3 = self._session.boto_session.client("s3", config=_config())
        return self._known_s3

    @property
    def _account(self) -> str:
        account = self._session.account_id
        hide(account, "account")
        return account

    @property
    def _session(self) -> "AwsSession":
        if self._known_session is None:
            self._known_session = _new_session(arn(self.device.key), self._options.profile)
        return self._known_session

    @property
    def _aws_device(self) -> "AwsDevice":
        from botocore.exceptions import ClientError
        from braket.aws import AwsDevice

        if self._known_device is None:
            try:
                self._known_device = AwsDevice(arn(self.device.key), self._session)
            except ValueError as error:
                if isinstance(error.__cause__, ClientError):
                    raise _refusal("ResourceNotFoundException", str(error), self.name) from None
                raise
        return self._known_device


def _new_session(device_arn: str, profile: str | None) -> "AwsSession":
    import boto3
    from botocore.exceptions import ProfileNotFound
    from braket.aws import AwsDevice, AwsSession

    try:
        boto = boto3.Session(profile_name=profile, region_name=AwsDevice.get_device_region(device_arn))
    except ProfileNotFound as error:
        raise RefusedError(str(error), "--profile", "`aws configure list-profiles` names yours") from None
    credentials = boto.get_credentials()
    if credentials is None:
        raise no_credentials("braket")
    for name in ("access_key", "secret_key", "token"):
        hide(getattr(credentials, name, None), name.replace("_", " "))
    return AwsSession(boto, config=_config())


def _config() -> Any:
    """Few retries of botocore's own: `patiently` comes on top, with the same client token."""
    from botocore.config import Config

    retries = {"mode": "standard", "total_max_attempts": 2}
    return Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries=retries)


@contextmanager
def _translated(what: str, late: Sequence[str] = ()) -> Iterator[None]:
    """AWS's errors as passing or final ones; with a code of `late`, something is not there yet."""
    from botocore import exceptions as aws
    from botocore.parsers import ResponseParserError

    try:
        yield
    except aws.ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in late:
            raise TransientError(f"{what}: not there yet") from None
        if code in _PASSING or status >= 500 or status == 429 or not code.strip("0123456789"):
            # a code of digits alone, or none, is a refusal cut short
            raise TransientError(f"{what}: {error}") from None
        raise _refusal(code, f"{what}: {error}", "Amazon Braket") from None
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.CredentialRetrievalError) as error:
        raise _refusal("ExpiredToken", f"{what}: {error}", "Amazon Braket") from None
    except (aws.TokenRetrievalError, aws.SSOError) as error:
        raise _refusal("ExpiredToken", f"{what}: {error}", "Amazon Braket") from None
    except (aws.ParamValidationError, aws.NoRegionError, aws.UnknownServiceError) as error:
        raise _refusal("", f"{what}: {error}", "Amazon Braket") from None
    except ResponseParserError:  # its message holds the answer
        raise TransientError(f"{what}: an answer that cannot be read") from None
    except (aws.BotoCoreError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        # the last three are an answer cut short, which botocore takes for an empty one
        raise TransientError(f"{what}: {type(error).__name__} {error}") from None


def _refusal(code: str, what: str, where: str) -> RefusedError:
    text = redacted(what)
    fix = _FIXES.get(code, "the message is the service's own; nothing was submitted by this request")
    if "spending limit" in text.lower():
        fix = "raise the spending limit in the Amazon Braket console, or ask for less"
        return RefusedError(text, where, fix, exit_code=3)
    return RefusedError(text, where, fix, exit_code=1)


def _measured(order: Order) -> tuple[int, ...]:
    (measured,) = order.program.measurements
    return measured.wires  # type: ignore[union-attr]


def _time(value: datetime | None) -> float | None:
    return value.timestamp() if value else None
