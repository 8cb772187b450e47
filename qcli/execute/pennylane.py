"""A device of PennyLane's, its own or of any plugin that is installed: circuits run with shots, in this process.

Source: docs.pennylane.ai/en/stable/code/api/pennylane.device.html
"""

import inspect
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pennylane as qml
from pennylane.exceptions import WireError
from pydantic import JsonValue

from qcli.circuit.program import Probabilities
from qcli.circuit.tape import operation
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.execute.record import Counts, Entry
from qcli.execute.secrets import hide, redacted
from qcli.execute.service import DamagedError, Order, Outcome, Packed, RefusedError, Status
from qcli.files import nearest, write_json
from qcli.simulate import memory

PREFIX = "pennylane:"

_HERE = (
    "default.",
    "lightning.",
    "reference.",
    "null.",
    "braket.local.",
    "qiskit.aer",
    "qiskit.basicsim",
    "cirq.simulator",
    "cirq.mixedsimulator",
    "cirq.qsim",
    "qulacs.",
    "qrack.",
)
"""How names of devices begin that are known to be simulators on this machine."""
_PACKAGES = {
    "lightning.gpu": "pennylane-lightning-gpu",
    "lightning.kokkos": "pennylane-lightning-kokkos",
    "lightning.tensor": "pennylane-lightning-tensor",
    "braket": "amazon-braket-pennylane-plugin",
    **{name: f"pennylane-{name}" for name in ("aqt", "cirq", "ionq", "qiskit", "qrack", "qulacs", "rigetti")},
}
"""Which package brings a device, by the beginning of its name."""
_SECRET = re.compile("key|token|secret|password|credential|bucket|s3", re.IGNORECASE)
_DENSITY = "default.mixed"
_LOST = "the process that ran it ended before its result came"


def is_pennylane(device: str) -> bool:
    return device.startswith(PREFIX)


def known_free(device: str) -> bool:
    """Whether it is known to be a simulator on this machine: anything else may be paid for."""
    return device.removeprefix(PREFIX).startswith(_HERE)


def installed() -> list[str]:
    """PennyLane's devices by name."""
    return sorted(qml.plugin_devices)


def option_value(text: str) -> JsonValue:
    """What a device's option means on the command line: a number, true, false, a JSON list, else the text."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        value: JsonValue = json.loads(text, parse_constant=refuse)
    except ValueError:
        return text
    return value


class PennyLane:
    """One device; a task's circuits are one batch, run as it is submitted.

    Args:
        device: `pennylane:` and PennyLane's name.
        options: for the device's constructor.
        answers: folder where results are kept until they are collected, so that a killed run loses none of them.
        on_run: called with the number of circuits that were run so far.

    Raises:
        QcliError: no such device is installed, or an option is no plain data.
    """

    def __init__(
        self,
        device: str,
        options: Mapping[str, JsonValue],
        answers: Path,
        on_run: Callable[[int], None] = lambda circuits: None,
    ) -> None:
        self.name, self.calibration = device, ""
        self._plugin_name = device.removeprefix(PREFIX)
        self._options, self._answers, self._on_run = dict(options), answers, on_run
        self._device: Any = None
        self._circuits_run = 0
        if self._plugin_name not in installed():
            raise _not_installed(self._plugin_name)
        _check_options(self._options)
        for name, value in self._options.items():
            if _SECRET.search(name):
                hide(str(value), name)

    @property
    def kept(self) -> dict[str, JsonValue]:
        """The options that may be written down: none that names a key, a token or a bucket."""
        plain = {name: json.dumps(value) for name, value in self._options.items() if not _SECRET.search(name)}
        return {name: json.loads(text) for name, text in plain.items() if redacted(text) == text}

    def open(self, wires: int) -> None:
        """Make the device, so that what is wrong with it shows before anything is recorded.

        Raises:
            QcliError: it does not take its options or so many wires, or they do not fit into memory.
        """
        if self._device is not None and len(self._device.wires or range(wires)) >= wires:
            return
        if known_free(self.name):
            memory.check(2 * wires if self._plugin_name == _DENSITY else wires, 16, 2)
        with self._explained("cannot be opened"):
            try:
                self._device = qml.device(self._plugin_name, **{"wires": wires, **self._options})
            except TypeError as error:
                what = f"{self.name} does not take its options: {_said(error)}"
                raise QcliError(what, "--device-option", self._taken()) from None
        if self._device.wires is not None and len(self._device.wires) < wires:
            raise QcliError(
                f"the circuit has {wires} wires, {self.name} {len(self._device.wires)}",
                "--device-option wires",
                "leave the option out, choose a larger device, or train with fewer wires",
            )

    def notes(self) -> list[str]:
        return []

    def live(self) -> None:
        return None

    def use(self, device: Device) -> None:
        """Circuits run as they are written: there is no calibration to compile for."""

    def pack(self, orders: Sequence[Order], plan: str) -> Packed:
        return Packed(json.dumps([_circuit(order) for order in orders]).encode(), {})

    def submit(self, task: Entry, payload: bytes) -> str:
        """Run it and keep what comes; a task that was run before is not run again.

        Raises:
            RefusedError: the device did not run it.
        """
        if not self._answer(task).is_file():
            write_json(self._answer(task), self._run(json.loads(payload)))
        return task.token

    def status(self, task: Entry) -> Status:
        return Status("done") if self._answer(task).is_file() else Status("failed", reason=_LOST)

    def fetch(self, task: Entry) -> Outcome:
        raw = self._answer(task).read_bytes()
        try:
            content = json.loads(raw)
            counts = [{int(outcome): int(n) for outcome, n in each.items()} for each in content["counts"]]
            started, ended = float(content["started"]), float(content["ended"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"it cannot be read: {type(error).__name__} {error}", raw) from None
        return Outcome(counts, created=started, started=started, ended=ended)

    def usage_s(self, task: Entry) -> None:
        return None

    def cancel(self, task: Entry) -> None:
        """It has ended: PennyLane waits for results."""

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, task: Entry) -> Path:
        return self._answers / f"{task.token}.json"

    def _run(self, circuits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        self.open(max(each["wires"] for each in circuits))
        started = time.time()
        with self._explained("did not run the circuits"):
            results = qml.execute(
                [_tape(each) for each in circuits], self._device, diff_method=None, cache=False
            )
        ended = time.time()
        counts = [
            self._counts(result, each["measured"]) for result, each in zip(results, circuits, strict=True)
        ]
        self._circuits_run += len(circuits)
        self._on_run(self._circuits_run)
        return {"started": started, "ended": ended, "counts": counts}

    def _counts(self, result: Any, measured: Sequence[int]) -> Counts:
        if not isinstance(result, Mapping) or not all(_is_bits(str(key), len(measured)) for key in result):
            raise RefusedError(
                f"{self.name} answered {str(result)[:60]} where counts of {len(measured)} wires were asked for",
                "--device",
                "choose a device of qubits that returns qml.counts",
                exit_code=1,
            )
        return {int(str(bits), 2): int(n) for bits, n in result.items()}

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Whatever a plugin raises, as an error of a device that the user chose."""
        try:
            yield
        except QcliError:
            raise
        except WireError as error:
            fix = "leave --device-option wires out, or choose a larger device"
            raise RefusedError(f"{self.name} has too few wires: {_said(error)}", "--device", fix) from None
        except MemoryError as error:
            fix = "choose another device, or train with fewer wires"
            raise RefusedError(f"{self.name} is out of memory: {_said(error)}", "--device", fix) from None
        except ImportError as error:
            fix = "install what the message asks for"
            raise RefusedError(f"{self.name} {what}: {_said(error)}", "--device", fix) from None
        except Exception as error:
            raise RefusedError(
                f"{self.name} {what}: {type(error).__name__}: {_said(error)}",
                "--device",
                "the message is the device's own; it must take gates on qubits, and finite shots",
                exit_code=1,
            ) from None

    def _taken(self) -> str:
        """Which options the device has, in words."""
        try:
            parameters = inspect.signature(qml.plugin_devices[self._plugin_name].load()).parameters.values()
        except Exception:
            return "look at the options in the plugin's documentation"
        names = [each.name for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
        return f"it takes: {', '.join(name for name in names if name != 'shots')}"


def _circuit(order: Order) -> dict[str, Any]:
    (measured,) = order.program.measurements
    assert isinstance(measured, Probabilities) and order.scale == 1 and order.prepared is None
    angles = order.angles.tolist()
    return {
        "wires": order.program.wires,
        "gates": [
            [gate.name, gate.wires, None if gate.angle is None else angles[gate.angle]]
            for gate in order.program.gates
        ],
        "measured": measured.wires,
        "shots": order.shots,
    }


def _tape(circuit: Mapping[str, Any]) -> "qml.tape.QuantumScript":
    with qml.QueuingManager.stop_recording():
        return qml.tape.QuantumScript(
            [operation(*gate) for gate in circuit["gates"]],
            [qml.counts(wires=circuit["measured"])],
            shots=circuit["shots"],
        )


def _is_bits(text: str, length: int) -> bool:
    return len(text) == length and set(text) <= {"0", "1"}


def _check_options(options: Mapping[str, JsonValue]) -> None:
    for name, value in options.items():
        where = f"--device-option {name}"
        if name == "shots":
            raise QcliError("shots are no option of the device", where, "give --shots")
        if not name.isidentifier():
            raise QcliError(f"{name!r} cannot be an option's name", where, "write --device-option name=value")
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise QcliError(
                f"the value of {name} is no plain data", where, "give a number, true, false, text or a list"
            ) from None


def _not_installed(name: str) -> QcliError:
    known = installed()
    close = nearest(name, known)
    package = next((package for start, package in _PACKAGES.items() if name.startswith(start)), None)
    fix = f"install it: pip install {package}" if package else "install the plugin that has it"
    hint = f"{close}, or " if close.startswith("did you mean") else ""
    return QcliError(
        f"no PennyLane device {name!r} is installed",
        "--device",
        f"{hint}{fix}. Installed: {', '.join(known)}",
    )


def _said(error: BaseException) -> str:
    """A plugin's message on one line."""
    return redacted(" ".join(str(error).split()))[:300] or type(error).__name__
