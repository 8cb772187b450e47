"""The same test samples through simulation and through a device, side by side."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.assess.statistics import paired_difference
from qcli.errors import QcliError
from qcli.execute.emulator import Emulator
from qcli.execute.select import executor as executor_named
from qcli.files import write_atomic, write_json
from qcli.model.layer import quantum_layers
from qcli.price import ledger
from qcli.price.plans import cheapest, plans
from qcli.price.record import record
from qcli.price.sheet import load_sheets
from qcli.price.subject import Subject, inference
from qcli.price.workload import Workload
from qcli.simulate.engine import choose, precision_named
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor, Observed, using
from qcli.train.loop import predict
from qcli.train.metrics import accuracy
from qcli.train.run import Run, now

SCHEMA = "qcli.assessment/1"
_CHUNK = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inference:
    """Class probabilities `(samples, classes)`, all quantum outputs `(samples, outputs)`, and seconds in all."""

    probabilities: NDArray[np.float64]
    outputs: NDArray[np.float64]
    seconds: float

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.probabilities.argmax(axis=1)


def validate_on_hardware(
    run: Run,
    device: str,
    *,
    inferences: int | None = None,
    shots: int = 512,
    seed: int = 0,
    engine: str = "auto",
    precision: str = "float32",
    on_samples: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Any]:
    """Run the first `inferences` test samples (default 48, or all if fewer) in simulation and on `device`.

    `engine` and `precision` are those of the simulation.

    Writes assessment.json and samples.csv under hardware/<device>/ and returns the assessment.
    `on_samples(done, total)` is called as samples come in from the device.

    Raises:
        QcliError: unknown device, too many inferences, shots the device does not take, or a circuit too wide.
    """
    count = run.inferences(inferences)
    executor = executor_named(device, shots, seed, engine, precision)
    model, (x, y) = run.model(), run.rows("test", count)
    classes = len(run.info.data.classes)
    subject = Subject(run.info.model.name, classes, run, record(model, x[:1]))
    if isinstance(executor, Emulator):
        _check_width(subject, executor)
    reference = Exact(engine, precision_named(precision))
    simulated = _infer(model, x, classes, reference, lambda done, total: None)
    measured = _infer(model, x, classes, executor, on_samples)
    wires = max(program.wires for layer in quantum_layers(model) for program in layer.programs)
    chosen = {**asdict(choose(engine, wires, _CHUNK)), "precision": precision}
    work = inference(subject, count, shots, {})
    assessment = _assessment(executor, work, shots, seed, y.numpy(), simulated, measured, chosen)
    folder = hardware_folder(run, executor.name)
    write_atomic(folder / "samples.csv", _samples(run, y.numpy(), simulated, measured).to_csv(index=False))
    write_json(folder / "assessment.json", assessment)
    if isinstance(executor, Emulator):
        try:
            ledger.append(_entry(run, executor, work))
        except OSError as error:
            _log.warning("not added to the ledger %s: %s", ledger.ledger_path(), error.strerror or error)
    return assessment


def _check_width(subject: Subject, emulator: Emulator) -> None:
    """Refuse a circuit wider than the device before minutes go into simulating it."""
    wires = max((circuit.program.wires for circuit in subject.circuits), default=0)
    qubits = emulator.device.qubit_count
    if wires > qubits:
        raise QcliError(
            f"the circuit has {wires} wires, {emulator.device.key} {qubits} calibrated qubits",
            emulator.name,
            "use a larger device (qcli devices lists them), or train with fewer wires",
        )


def _infer(
    model: nn.Module, x: Tensor, classes: int, executor: Executor, on_samples: Callable[[int, int], None]
) -> Inference:
    observed = Observed(executor)
    probabilities, outputs = [], []
    started = time.perf_counter()
    with using(observed):
        for part in x.split(_CHUNK):
            probabilities.append(predict(model, part, classes))
            answers = [answer.double().reshape(len(part), -1) for _, _, answer in observed.calls]
            outputs.append(torch.cat(answers, dim=1))
            observed.calls.clear()
            on_samples(len(part) + sum(len(p) for p in probabilities[:-1]), len(x))
    seconds = time.perf_counter() - started
    return Inference(torch.cat(probabilities).numpy(), torch.cat(outputs).numpy(), seconds)


def _assessment(
    executor: Executor,
    work: Workload,
    shots: int,
    seed: int,
    labels: NDArray[np.int64],
    simulated: Inference,
    measured: Inference,
    engine: dict[str, str],
) -> dict[str, Any]:
    n = len(labels)
    right_simulated, right_measured = simulated.labels == labels, measured.labels == labels
    difference = paired_difference(right_simulated, right_measured)
    flipped = int((simulated.labels != measured.labels).sum())
    stages = {name: getattr(executor.timings, name) / n for name in ("compile", "execute", "postprocess")}
    stages["postprocess"] += measured.seconds / n - sum(stages.values())
    return {
        "schema": SCHEMA,
        "created": now(),
        "device": executor.name,
        "inferences": n,
        "shots": shots if executor.name != "sim" else None,
        "seed": seed,
        "calibrated_on": executor.device.calibrated_on.isoformat()
        if isinstance(executor, Emulator)
        else None,
        "simulation": {"accuracy": accuracy(right_simulated).to_json(), "engine": engine},
        "hardware": {"accuracy": accuracy(right_measured).to_json()},
        "degradation_points": {name: 100 * getattr(difference, name) for name in ("value", "low", "high")},
        "mcnemar_p": difference.p,
        "only_simulation_right": difference.only_first,
        "only_device_right": difference.only_second,
        "flipped": {"count": flipped, "share": flipped / n},
        "mean_abs_delta_expval": float(np.abs(simulated.outputs - measured.outputs).mean()),
        "latency_s_per_inference": {**stages, "total": measured.seconds / n},
        "cost": _cost(executor, work),
        "circuit": _circuit(executor),
        "samples": "samples.csv",
    }


def _cost(executor: Executor, work: Workload) -> dict[str, Any]:
    """What this rehearsal cost, and what the same on the device itself would, in its cheapest plan."""
    if not isinstance(executor, Emulator):
        return {"usd": "0", "real_device": None, "real_usd": None, "real_plan": None}
    entry = load_sheets().devices.get(executor.device.key)
    plan = cheapest(plans(work, entry)) if entry else None
    return {
        "usd": "0",
        "real_device": executor.device.key,
        "real_usd": f"{plan.usd:f}" if plan else None,
        "real_plan": plan.name if plan else None,
    }


def _entry(run: Run, emulator: Emulator, work: Workload) -> ledger.Entry:
    """The rehearsal in the ledger: nothing is billed, but circuits and shots were foreseen and counted."""
    nothing = Decimal(0)
    return ledger.Entry(
        run=str(run.path),
        model=run.info.model.name,
        device=emulator.name,
        plan=None,
        inferences=work.inferences,
        estimate=ledger.Estimated(
            tasks=work.circuits,
            shots=work.executions,
            qpu_s=None,
            usd=nothing,
            usd_low=nothing,
            usd_high=nothing,
        ),
        actual=ledger.Actual(
            tasks=emulator.circuits_run, shots=emulator.circuits_run * emulator.shots, qpu_s=None, usd=nothing
        ),
    )


def _circuit(executor: Executor) -> dict[str, Any] | None:
    """Counts and layout of the largest circuit that was compiled, if any was."""
    if not isinstance(executor, Emulator):
        return None
    compiled = max(
        (circuit.compiled for circuit in executor.prepared.values()), key=lambda c: c.two_qubit_gates
    )
    return {
        "two_qubit_gates": compiled.two_qubit_gates,
        "depth": compiled.depth,
        "layout": list(compiled.used_qubits),
    }


def _samples(run: Run, labels: NDArray[np.int64], simulated: Inference, measured: Inference) -> pd.DataFrame:
    names = np.array(run.info.data.classes)
    columns: dict[str, Any] = {
        "index": run.split.test[: len(labels)],
        "label": names[labels],
        "simulated": names[simulated.labels],
        "measured": names[measured.labels],
        "flipped": simulated.labels != measured.labels,
    }
    for k in range(simulated.outputs.shape[1]):
        columns[f"z_sim_{k}"] = simulated.outputs[:, k]
        columns[f"z_dev_{k}"] = measured.outputs[:, k]
    return pd.DataFrame(columns)


def hardware_folder(run: Run, device: str) -> Path:
    """Where the results of a device lie in a run directory."""
    return run.path / "hardware" / device.replace("/", "-")
