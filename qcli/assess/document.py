"""A validation's answer as plain data: the content of assessment.json, and its table of samples."""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from qcli.assess.foreseen import Foreseen
from qcli.assess.inference import Inference
from qcli.assess.measured import Measured
from qcli.assess.request import Request
from qcli.assess.spent import Spent
from qcli.assess.statistics import paired_difference
from qcli.price.bill import EXACT, per
from qcli.train.metrics import accuracy
from qcli.train.run import Run, now

SCHEMA = "qcli.assessment/1"
Labels = NDArray[np.int64]


def compared(labels: Labels, simulated: Inference, measured: Inference) -> dict[str, Any]:
    """A device's predictions beside simulation's, on the same samples."""
    right_simulated, right_measured = simulated.labels == labels, measured.labels == labels
    difference = paired_difference(right_simulated, right_measured)
    flipped = int((simulated.labels != measured.labels).sum())
    return {
        "hardware": {"accuracy": accuracy(right_measured).to_json()},
        "degradation_points": {name: 100 * getattr(difference, name) for name in ("value", "low", "high")},
        "mcnemar_p": difference.p,
        "only_simulation_right": difference.only_first,
        "only_device_right": difference.only_second,
        "flipped": {"count": flipped, "share": flipped / len(labels)},
        "mean_abs_delta_expval": float(np.abs(simulated.outputs - measured.outputs).mean()),
    }


def assessment(
    request: Request,
    device: str,
    labels: Labels,
    simulated: Inference,
    measured: Measured,
    engine: Mapping[str, str],
    **more: Any,
) -> dict[str, Any]:
    """Everything that every device has; `more` is what only some have."""
    n = len(labels)
    raw = None if measured.raw is None else compared(labels, simulated, measured.raw)
    stages = request.stages
    return {
        "schema": SCHEMA,
        "created": now(),
        "device": device,
        "inferences": n,
        "shots": None if device == "sim" else request.shots,
        "seed": request.seed,
        "mitigation": list(request.mitigation),
        "simulation": {
            "accuracy": accuracy(simulated.labels == labels).to_json(),
            "engine": {**engine, "precision": request.precision},
            "seconds_per_inference": simulated.seconds / n,
        },
        **compared(labels, simulated, measured.final),
        "raw": raw,
        "adaptive": None
        if stages is None or measured.revisited is None
        else {
            **stages.model_dump(),
            "max_flips": request.max_flips,
            "revisited": int(measured.revisited.mask.sum()),
            "mean_shots": measured.revisited.mean_shots,
        },
        **more,
        "samples": "samples.csv",
    }


def forecast_beside(forecast: Foreseen, labels: Labels, measured: Inference) -> dict[str, Any]:
    """What was foreseen without mitigation, and whether the measurement lies inside."""
    found = float((measured.labels == labels).mean())
    return {
        "accuracy": asdict(forecast.accuracy),
        "degradation": asdict(forecast.degradation),
        "guess": forecast.guess,
        "contrast": forecast.contrast,
        "inside": forecast.accuracy.low <= found <= forecast.accuracy.high,
    }


def latency_of(spent: Spent, inferences: int, postprocess_s: float) -> dict[str, float | None]:
    """Per inference. Parts are summed over tasks that may wait side by side; `total` is by the clock on the wall."""
    parts = {
        "compile": spent.latency.compile,
        "submit": spent.latency.submit,
        "queue": spent.latency.queue,
        "qpu": spent.latency.qpu,
        "returned": spent.latency.returned,
        "postprocess": postprocess_s,
        "total": spent.wall_s + postprocess_s,
    }
    return {name: None if seconds is None else seconds / inferences for name, seconds in parts.items()}


def cost_of(
    spent: Spent, plan: str | None, max_cost: Decimal | None, inferences: int, right: int
) -> dict[str, Any]:
    """What was paid; `usd_open` is reserved for tasks whose bill is not known yet."""
    with localcontext(EXACT):
        paid = spent.usd + spent.usd_open
    return {
        "usd": f"{paid:f}",
        "usd_open": f"{spent.usd_open:f}",
        "usd_estimated": f"{spent.usd_estimated:f}",
        "usd_per_inference": f"{per(paid, inferences):f}",
        "usd_per_correct_inference": f"{per(paid, right):f}" if right else None,
        "max_cost": None if max_cost is None else f"{max_cost:f}",
        "plan": plan,
        "tasks": spent.tasks,
        "failed_tasks": spent.failed_tasks,
        "circuits": spent.circuits,
        "shots": spent.shots,
        "qpu_s": spent.qpu_s,
        "real_device": None,
        "real_usd": None,
        "real_plan": None,
    }


def samples(run: Run, labels: Labels, simulated: Inference, measured: Measured) -> pd.DataFrame:
    """A line per test sample."""
    names, final = np.array(run.info.data.classes), measured.final
    columns: dict[str, Any] = {
        "index": run.split.test[: len(labels)],
        "label": names[labels],
        "simulated": names[simulated.labels],
        "measured": names[final.labels],
        "flipped": simulated.labels != final.labels,
    }
    for k in range(simulated.outputs.shape[1]):
        columns[f"z_sim_{k}"] = simulated.outputs[:, k]
        columns[f"z_dev_{k}"] = final.outputs[:, k]
        if measured.raw is not None:
            columns[f"z_raw_{k}"] = measured.raw.outputs[:, k]
    return pd.DataFrame(columns)
