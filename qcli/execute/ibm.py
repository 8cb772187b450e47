"""IBM Quantum through its own runtime client: jobs of the client-side Sampler, in job, batch or session mode.

IBM has no client token. A job carries a tag made from the journal's, and jobs with that tag are looked for before one
is submitted; the client's own repetition of POST requests is switched off. Written after the client's code, tried
against stand-ins; never run against the live service.
"""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from qcli.compile.verbatim import verbatim
from qcli.device.live import has_credentials, no_credentials, served
from qcli.device.record import Device
from qcli.execute.compiling import Compiler
from qcli.execute.record import Counts, Entry
from qcli.execute.secrets import hide, redacted
from qcli.execute.service import DamagedError, Order, Outcome, Packed, RefusedError, Status, TransientError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService, RuntimeJobV2

CONNECT_S, READ_S = 10.0, 60.0
"""Time limits of one request."""
_TAG = "qcli"
_MOST_RANDOMIZATIONS = 32
_RETRIED = (500, 502, 503, 504, 520, 521, 522, 524)
_TOO_LONG = ("1305", "too long", "ran longer", "maximum execution time")
_CREDENTIALS = (
    "set QISKIT_IBM_TOKEN and QISKIT_IBM_INSTANCE, or save an account: QiskitRuntimeService.save_account(…)"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IbmOptions:
    """How to reach IBM and what to ask of it.

    Attributes:
        account: name of a saved account; None for the environment's or the default one.
        instance: CRN or name of the instance, where the account has several.
        twirl: random Pauli twirls of two-qubit gates that share the shots; 0 for none.
        measure_twirl: twirl measurements.
        dd: sequence of dynamical decoupling.
    """

    account: str | None = None
    instance: str | None = None
    twirl: int = 0
    measure_twirl: bool = False
    dd: str | None = None


class Ibm:
    """One backend."""

    def __init__(self, device: Device, options: IbmOptions | None = None) -> None:
        self.name = device.key
        self._options = options or IbmOptions()
        self._known_service: QiskitRuntimeService | None = None
        self._known_backend: Any = None
        self._mode: Any = None
        self._known_jobs: dict[str | None, RuntimeJobV2] = {}
        self.use(device)

    def use(self, device: Device) -> None:
        """Compile for another calibration from now on."""
        self.device, self.calibration = device, device.calibrated_on.isoformat()
        self._compiler = Compiler(device)

    def notes(self) -> list[str]:
        with self._translated(f"looking at {self.name}"):
            status = self._backend.status()
        if not status.operational:
            raise RefusedError(
                f"{self.name} is offline: {redacted(status.status_msg)}",
                self.name,
                "wait until it is back, or choose another backend",
                exit_code=1,
            )
        notes = [f"queue: {status.pending_jobs} jobs"]
        if status.status_msg != "active":
            notes.append(f"{self.name} is {redacted(status.status_msg)}: jobs wait")
        return notes

    def live(self) -> dict[str, Any] | None:
        with self._translated(f"reading the calibration of {self.name}"):
            backend = self._service.backend(f"ibm_{self.device.name}")
            return served(backend)

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        from qiskit import qpy

        circuits = []
        for order in orders:
            compiled, values = self._compiler.compiled(order)
            (circuit,) = verbatim(compiled, values)
            circuit.metadata = {_TAG: order.key}
            circuits.append(circuit)
        file = io.BytesIO()
        qpy.dump(circuits, file)
        detail = {
            "layouts": self._compiler.layouts(orders),
            "sampler": _sampler_options(self._options, orders[0].shots),
        }
        return Packed(file.getvalue(), detail)

    def submit(self, task: Entry, payload: bytes) -> str:
        from qiskit import qpy
        from qiskit_ibm_runtime.executor_sampler import Sampler

        tag = f"{_TAG}-{task.token}"
        with self._translated(f"looking for task {task.number}"):
            known = self._service.jobs(job_tags=[tag], limit=None, descending=False)
        if known:
            self._cancel_others(known[1:])
            return str(known[0].job_id())
        circuits = qpy.load(io.BytesIO(payload))
        with self._translated(f"submitting to {self.name}", creating=True):
            sampler = Sampler(mode=self._mode_of(task), options=task.detail["sampler"])
            sampler.options.environment.job_tags = [_TAG, tag]
            sampler.options.max_execution_time = task.limit_s
            return str(sampler.run(circuits, shots=task.detail["shots"][0]).job_id())

    def status(self, task: Entry) -> Status:
        with self._translated(f"looking at task {task.number}"):
            job = self._job(task)
            try:
                state = str(job.status())
            except Exception:  # it may hold half of an answer
                del self._known_jobs[task.vendor_id]
                raise
            if state == "DONE":
                return Status("done")
            if state == "CANCELLED":
                return Status("cancelled")
            if state == "ERROR":
                return self._failure(task, job)
            position = job.metrics().get("position_in_queue") if state == "QUEUED" else None
        return Status(
            "running" if state == "RUNNING" else "queued", "" if position is None else str(position)
        )

    def fetch(self, task: Entry) -> Outcome:
        with self._translated(f"fetching results of task {task.number}"):
            job = self._job(task)
            try:
                result = job.result()
            except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
                raise DamagedError(f"it cannot be read: {type(error).__name__} {error}", b"") from None
            if result is None:
                raise TransientError(f"results of task {task.number} are not there yet")
            times = {name: _time(value) for name, value in job.metrics().get("timestamps", {}).items()}
            usage = self._seconds(job)
        return Outcome(
            _counts(task, result),
            usage,
            times.get("created"),
            times.get("running"),
            times.get("finished"),
        )

    def usage_s(self, task: Entry) -> float | None:
        with self._translated(f"reading the usage of task {task.number}"):
            return self._seconds(self._job(task))

    def cancel(self, task: Entry) -> None:
        with self._translated(f"cancelling task {task.number}"):
            job = self._job(task)
            if str(job.status()) in ("QUEUED", "RUNNING", "INITIALIZING"):
                job.cancel()

    def close(self) -> None:
        if self._mode is not None:
            with self._translated(f"closing the session on {self.name}"):
                self._mode.close()
            self._mode = None

    def _failure(self, task: Entry, job: "RuntimeJobV2") -> Status:
        message = str(job.error_message() or "no reason given")
        if any(mark in message.lower() for mark in _TOO_LONG):
            limit = f"the {task.limit_s} s that the cap left for it"
            return Status(
                "cancelled", reason=f"it ran longer than {limit}: raise --max-cost, or ask for fewer shots"
            )
        return Status("failed", reason=message)

    def _cancel_others(self, jobs: Sequence["RuntimeJobV2"]) -> None:
        """Of one task only the first job counts; should there be others, the vendor is asked not to run them."""
        for job in jobs:
            _log.warning("job %s on %s is a second one of a task: cancelled", job.job_id(), self.name)
            with self._translated("cancelling a second job"):
                if str(job.status()) == "QUEUED":
                    job.cancel()

    def _seconds(self, job: "RuntimeJobV2") -> float | None:
        usage = job.metrics().get("usage", {})
        if usage.get("status", "complete") != "complete":
            return None
        found = [usage.get(name) for name in ("qpu_charge_time_seconds", "quantum_seconds", "seconds")]
        return next((float(value) for value in found if value is not None), None)

    def _mode_of(self, task: Entry) -> Any:
        """The backend, or the batch or session that is open for this plan."""
        from qiskit_ibm_runtime import Batch, Session

        if task.plan not in ("batch", "session"):
            return self._backend
        if self._mode is None:
            kind = Session if task.plan == "session" else Batch
            self._mode = kind(
                backend=self._backend, max_time=None if task.limit_s is None else max(task.limit_s, 60)
            )
        return self._mode

    def _job(self, task: Entry) -> "RuntimeJobV2":
        """Looked up once: with every look-up IBM's client asks for the backend, too."""
        if task.vendor_id not in self._known_jobs:
            self._known_jobs[task.vendor_id] = self._service.job(task.vendor_id)
        return self._known_jobs[task.vendor_id]

    @property
    def _backend(self) -> Any:
        if self._known_backend is None:
            self._known_backend = self._service.backend(self._backend_name)
        return self._known_backend

    @property
    def _backend_name(self) -> str:
        return f"ibm_{self.device.name}"

    @property
    def _service(self) -> "QiskitRuntimeService":
        if self._known_service is None:
            self._known_service = _new_service(self._options)
        return self._known_service

    @contextmanager
    def _translated(self, what: str, creating: bool = False) -> Iterator[None]:
        """IBM's errors as passing or final ones."""
        from qiskit.providers.exceptions import QiskitBackendNotFoundError
        from qiskit_ibm_runtime.accounts.exceptions import AccountsError
        from qiskit_ibm_runtime.exceptions import IBMError, IBMNotAuthorizedError
        from requests.exceptions import RequestException

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except (IBMNotAuthorizedError, AccountsError) as error:
            raise _refusal(f"{what}: {error}", _CREDENTIALS) from None
        except QiskitBackendNotFoundError as error:
            raise self._no_backend(what, error) from None
        except (IBMError, RequestException, OSError, ValueError, TypeError, KeyError) as error:
            code = _status_code(error)
            if code is None or code == 429 or code >= 500 or code < 0:
                raise TransientError(f"{what}: {type(error).__name__} {error}") from None
            if code in (401, 403):
                raise _refusal(f"{what}: {error}", _CREDENTIALS) from None
            text = str(error).lower()
            if code == 409 or "usage" in text or "quota" in text or "limit" in text:
                fix = "the instance has no time left: wait for its next period, or raise its limit with IBM"
                raise _refusal(f"{what}: {error}", fix, exit_code=3) from None
            raise _refusal(f"{what}: {error}", "the message is the service's own; no job was made") from None

    def _no_backend(self, what: str, error: Exception) -> Exception:
        """The client says so as well where it could not read the list, or the token is wrong."""
        from qiskit_ibm_runtime.exceptions import IBMError, IBMNotAuthorizedError

        service, self._known_service = self._known_service, None
        try:
            listed = [backend.name for backend in service.backends()] if service is not None else []
            if listed and self._backend_name not in listed:
                return _refusal(
                    f"{what}: {error}", "choose a backend of your instance: --instance names another"
                )
            if service is not None and not listed:
                service.usage()
        except IBMNotAuthorizedError as refused:
            return _refusal(f"{what}: {refused}", _CREDENTIALS)
        except (IBMError, OSError, ValueError, KeyError, TypeError) as trouble:
            if _status_code(trouble) in (401, 403):
                return _refusal(f"{what}: {trouble}", _CREDENTIALS)
        return TransientError(f"{what}: {error}")


def _new_service(options: IbmOptions) -> "QiskitRuntimeService":
    import os

    from qiskit_ibm_runtime import QiskitRuntimeService

    if not has_credentials("ibm") and options.account is None:
        raise no_credentials("ibm")
    hide(os.environ.get("QISKIT_IBM_TOKEN"), "token")
    hide(options.instance, "instance")
    for chatty in ("qiskit_ibm_runtime", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    service = QiskitRuntimeService(name=options.account, instance=options.instance)
    account = service.active_account() or {}
    hide(account.get("token"), "token")
    hide(account.get("instance"), "instance")
    _repeat_no_post(service)
    return service


def _repeat_no_post(service: "QiskitRuntimeService") -> None:
    """The client repeats a POST that was answered with a 5xx, which makes a second job; and may wait forever.

    Raises:
        RefusedError: this version of the client has no such place.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class Bounded(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            return super().send(request, *args, **(options | {"timeout": (CONNECT_S, READ_S)}))

    # Retry leaves POST alone unless told otherwise
    retries = Retry(2, connect=2, backoff_factor=0.2, status_forcelist=_RETRIED)
    try:
        for client in service._get_api_clients().values():
            for scheme in ("https://", "http://"):
                client._session.mount(scheme, Bounded(max_retries=retries))
            _ask_for_tokens_at_once(client._session.auth)
    except AttributeError as error:
        raise RefusedError(
            f"jobs cannot be submitted safely with this version of qiskit-ibm-runtime: {error}",
            "qiskit-ibm-runtime",
            "install the version that qcli was tested with (0.51)",
            exit_code=1,
        ) from None


def _ask_for_tokens_at_once(auth: Any) -> None:
    """After a token was refused, IBM's client waits a minute before every further request."""
    tokens = getattr(auth, "tm", None)
    if tokens is not None:
        tokens.http_config = {"timeout": (CONNECT_S, READ_S)}
        tokens.paced_request_token = lambda: tokens._save_token_info(tokens.request_token())


def _refusal(what: str, fix: str, exit_code: int = 1) -> RefusedError:
    return RefusedError(redacted(what), "IBM Quantum", fix, exit_code)


def _status_code(error: BaseException | None) -> int | None:
    """Of the HTTP answer behind an error."""
    while error is not None:
        code = getattr(error, "status_code", None)
        if isinstance(code, int):
            return code
        error = error.__cause__ or error.__context__
    return None


def _sampler_options(options: IbmOptions, shots: int) -> dict[str, Any]:
    """Of the client-side Sampler; random copies share the shots without a rest."""
    found: dict[str, Any] = {}
    if options.twirl or options.measure_twirl:
        copies = options.twirl or next(n for n in range(_MOST_RANDOMIZATIONS, 0, -1) if shots % n == 0)
        found["twirling"] = {
            "enable_gates": bool(options.twirl),
            "enable_measure": options.measure_twirl,
            "num_randomizations": copies,
            "shots_per_randomization": -(-shots // copies),
        }
    if options.dd:
        found["dynamical_decoupling"] = {"enable": True, "sequence_type": options.dd}
    return found


def _counts(task: Entry, result: Any) -> list[Counts | str]:
    """Of each circuit of the task.

    Raises:
        DamagedError: a result is of another circuit.
    """
    found: list[Counts | str] = []
    for key, pub in zip(task.circuits, result, strict=False):
        mark = pub.metadata.get("circuit_metadata")
        if mark is not None and mark.get(_TAG) != key:
            raise DamagedError("it is the result of another circuit", repr(result).encode())
        (bits,) = pub.data.values()
        width = len(task.detail["layouts"][len(found)])
        if bits.num_bits != width:
            raise DamagedError(f"{bits.num_bits} bits were read, not {width}", repr(result).encode())
        counts = {int(text[::-1], 2): count for text, count in bits.get_counts().items()}
        found.append(dict(sorted(counts.items())))
    missing = len(task.circuits) - len(found)
    return found + ["the job has no result for this circuit"] * missing


def _time(text: Any) -> float | None:
    """Seconds since 1970 of an ISO time in UTC."""
    return None if not text else datetime.fromisoformat(str(text).replace("Z", "+00:00")).timestamp()
