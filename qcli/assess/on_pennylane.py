"""A validation on a PennyLane device: nothing is known of its qubits and prices, so no cap, canary or forecast."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor, nn

from qcli.assess.document import assessment, samples
from qcli.assess.inference import Inference, infer
from qcli.assess.measured import measure
from qcli.assess.question import Spending, hardware_folder, identity, recorded
from qcli.assess.request import Request
from qcli.assess.spent import spent
from qcli.errors import QcliError
from qcli.execute.hardware import Hardware
from qcli.execute.journal import Journal
from qcli.execute.pennylane import PennyLane, known_free
from qcli.execute.record import Entry
from qcli.execute.service import Service
from qcli.files import write_atomic, write_json
from qcli.model.layer import quantum_layers
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.train.run import Run

_PLAN = "separate"
_SIMULATED_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class _Question:
    """What is run: `labels` `(samples,)` of the samples `x` `(samples, features)`."""

    run: Run
    request: Request
    model: nn.Module
    x: Tensor
    labels: NDArray[np.int64]

    @property
    def classes(self) -> int:
        return len(self.run.info.data.classes)

    @property
    def folder(self) -> Path:
        return hardware_folder(self.run, self.request.device)

    @property
    def wires(self) -> int:
        return max(program.wires for layer in quantum_layers(self.model) for program in layer.programs)


def validate(
    run: Run,
    request: Request,
    spending: Spending,
    options: Mapping[str, JsonValue],
    unpriced: bool = False,
    on_step: Callable[[str], None] = lambda step: None,
) -> dict[str, Any]:
    """Run `request` on its PennyLane device; running the same again resumes.

    Args:
        options: for the device's constructor.
        unpriced: it may cost what qcli can neither price nor cap.

    Raises:
        QcliError: bad input (2), a device that may be paid for (3), or a fault of the device (1).
    """
    _check(request, spending)
    device = request.device
    folder = hardware_folder(run, device)

    def ran(circuits: int) -> None:
        on_step(f"running on {device}: {circuits:,} circuits done")

    client = PennyLane(device, options, folder / "answers", ran)
    if not unpriced and not known_free(device):
        raise QcliError(
            f"{device} is not known to be a simulator on this machine: running on it may cost money that qcli can "
            "neither price nor cap",
            "--device",
            "say with --unpriced that you know; qcli prices and caps braket/ and ibm/ devices (qcli devices)",
            exit_code=3,
        )
    question = _question(run, request.model_copy(update={"device_options": client.kept}))
    client.open(question.wires)
    simulated = _simulated(question, on_step)
    journal = Journal(folder / "journal.sqlite", device, identity(run))
    try:
        write_json(folder / "validation.json", question.request.model_dump(by_alias=True, mode="json"))
        hardware = _hardware(question, client, journal)
        if spending.pay_again:
            hardware.tasks.give_up_quarantined()
        on_step(f"running on {device}")
        return _assess(question, hardware, simulated)
    finally:
        journal.close()


def rescore(run: Run, device: str, on_step: Callable[[str], None] = lambda step: None) -> dict[str, Any]:
    """The assessment of a device again, from its journal alone; the device need not be installed.

    Raises:
        QcliError: no validation is recorded, or it is not complete.
    """
    folder = hardware_folder(run, device)
    request = recorded(folder)
    if request is None:
        raise QcliError(
            f"no validation on {device} is recorded",
            str(folder),
            f"run one: qcli validate-on-hardware {run.path} --device {device}",
        )
    question = _question(run, request)
    Journal.reading(folder / "journal.sqlite").close()
    journal = Journal(folder / "journal.sqlite", device, identity(run))
    try:
        return _assess(question, _hardware(question, None, journal), _simulated(question, on_step))
    finally:
        journal.close()


def _check(request: Request, spending: Spending) -> None:
    """Refuse what needs a record of the device, or its prices."""
    device = request.device
    asked = {
        "--mitigation": bool(request.mitigation),
        "--adaptive": request.adaptive,
        "--vendor-compile": request.vendor_compile,
        "--plan": spending.plan is not None,
        "--recalibrate": spending.recalibrate,
    }
    for option in (name for name, given in asked.items() if given):
        raise QcliError(
            f"{option} does not go with {device}: qcli hands it circuits as they are, and knows nothing else of it",
            option,
            "leave it out; braket/, ibm/ and emulator/ devices have it",
        )
    if spending.max_cost is not None:
        raise QcliError(
            f"qcli has no prices of {device}, so it could not keep to a cap",
            "--max-cost",
            "leave it out" + ("" if known_free(device) else ", and say with --unpriced that you know"),
        )


def _question(run: Run, request: Request) -> _Question:
    x, y = run.rows("test", request.inferences)
    return _Question(run, request, run.model(), x, y.numpy())


def _simulated(question: _Question, on_step: Callable[[str], None]) -> Inference:
    on_step("simulating")
    reference = Exact(question.request.engine, precision_named(question.request.precision))
    return infer(question.model, question.x, question.classes, reference, _SIMULATED_AT_ONCE)


def _hardware(question: _Question, client: Service | None, journal: Journal) -> Hardware:
    request = question.request
    return Hardware(
        request.device,
        client,
        journal,
        None,
        _PLAN,
        options=request.device_options,
        repetition=request.repetition,
    )


def _assess(question: _Question, hardware: Hardware, simulated: Inference) -> dict[str, Any]:
    """Measure what is missing, and write assessment.json and samples.csv."""
    request, labels = question.request, question.labels
    measured = measure(question.model, question.x, question.classes, hardware, request.shots)
    content = assessment(
        request,
        request.device,
        labels,
        simulated,
        measured,
        asdict(choose(request.engine, question.wires, _SIMULATED_AT_ONCE)),
        calibrated_on=None,
        device_options=request.device_options,
        latency_s_per_inference=_latency(hardware, len(labels)),
        cost=_cost(question, hardware),
        circuit=None,
    )
    write_atomic(
        question.folder / "samples.csv",
        samples(question.run, labels, simulated, measured).to_csv(index=False),
    )
    write_json(question.folder / "assessment.json", content)
    return content


def _cost(question: _Question, hardware: Hardware) -> dict[str, Any] | None:
    """Nothing on this machine; elsewhere nobody here knows."""
    if not known_free(question.request.device):
        return None
    used = spent(hardware.journal, hardware.used)
    return {
        "usd": "0",
        "tasks": used.tasks,
        "failed_tasks": used.failed_tasks,
        "circuits": used.circuits,
        "shots": used.shots,
        "real_device": None,
        "real_usd": None,
        "real_plan": None,
    }


def _latency(hardware: Hardware, inferences: int) -> dict[str, float]:
    used = set(hardware.used)
    done = [
        entry for entry in hardware.journal.entries() if used & set(entry.circuits) and entry.event("done")
    ]
    stages = {
        "compile": sum(entry.detail["compile_s"] for entry in done) / inferences,
        "execute": _executed_s(done) / inferences,
        "postprocess": hardware.timings.postprocess / inferences,
    }
    return {**stages, "total": sum(stages.values())}


def _executed_s(done: Sequence[Entry]) -> float:
    details = [event.detail for entry in done if (event := entry.event("done"))]
    return float(sum(detail["ended"] - detail["started"] for detail in details))
