"""The answer in one sentence, and the commands that repeat it."""

import json
import shlex
from collections.abc import Iterable, Mapping

from qcli.report import assessments, text
from qcli.report.assessment_inputs import Assessment
from qcli.report.estimate_inputs import DeviceEstimate, Estimate, Plan
from qcli.report.folder import RunFolder, Validation
from qcli.report.forecast_inputs import Forecast, Foreseen
from qcli.report.forecasts import best_first
from qcli.train.run import RunInfo

NAMED = 3
"""As many devices as a sentence bears."""


def headline(folder: RunFolder) -> str:
    """Accuracy in simulation and on the device, and what it costs, as far as `folder` knows."""
    parts = []
    if folder.validations:
        parts.append(_validated([validation.assessment for validation in folder.validations]))
    elif folder.metrics is not None:
        parts.append(_trained(folder))
    if folder.foreseen:
        parts.append(_forecast(folder.foreseen))
    if folder.estimate is not None:
        parts.append(_priced(folder.estimate))
    return "; ".join(parts) + "." if parts else f"{folder.run.model.name} has not finished training."


def _trained(folder: RunFolder) -> str:
    assert folder.metrics is not None
    accuracy = folder.metrics.chosen.accuracy
    interval = f"95 % interval {text.percent_range(accuracy.low, accuracy.high)}"
    return (
        f"{folder.run.model.name} on {folder.run.data.name}: {text.percent(accuracy.value)} test accuracy in "
        f"simulation ({interval}), not yet rehearsed on a device"
    )


def _validated(found: list[Assessment]) -> str:
    sentences: list[str] = []
    simulated = ""
    for assessment in found[:NAMED]:
        before = f"{text.percent(assessment.simulation.accuracy.value)} accuracy in simulation, "
        after = text.percent(assessment.hardware.accuracy.value)
        sentences.append(
            f"{before if before != simulated else ''}{after} on {assessment.device} "
            f"({assessments.change(assessment.degradation_points)}{_paid(assessment)})"
        )
        simulated = before
    if len(found) > NAMED:
        sentences.append(f"{len(found) - NAMED} more below")
    return ", ".join(sentences)


def _paid(assessment: Assessment) -> str:
    cost = assessment.cost
    return f", for {text.usd(cost.usd)} USD" if cost is not None and cost.usd else ""


def _forecast(found: Mapping[str, Foreseen]) -> str:
    ordered = best_first(found)
    (best, first), (worst, last) = ordered[0], ordered[-1]
    if best == worst:
        return f"forecast on {best}: {_accuracy(first)}"
    return f"forecast on {len(ordered)} devices: {_accuracy(first)} on {best} to {_accuracy(last)} on {worst}"


def _accuracy(found: Foreseen) -> str:
    accuracy = found.accuracy
    return f"{text.percent(accuracy.value)} ({text.percent_range(accuracy.low, accuracy.high)})"


def _priced(estimate: Estimate) -> str:
    steps = estimate.training
    what = (
        f"{steps.epochs:,} epochs of training" if steps else f"{text.count(estimate.inferences)} inferences"
    )
    usable = [(row, plan) for row in estimate.rows if _usable(row) and (plan := row.cheapest_plan)]
    if not usable:
        return f"{what} were compiled for no device that is online"

    def amount(entry: tuple[DeviceEstimate, Plan]) -> tuple[object, str]:
        return entry[1].usd, entry[0].device

    (low_row, low), (high_row, high) = min(usable, key=amount), max(usable, key=amount)
    if len(usable) == 1:
        return f"{what} cost {text.usd(low.usd)} USD on {low_row.device}, the only online QPU compiled for"
    return (
        f"{what} cost {text.usd(low.usd)} USD ({low_row.device}, {low.name}) "
        f"to {text.usd(high.usd)} USD ({high_row.device}, {high.name}) "
        f"on the {len(usable)} online QPUs compiled for"
    )


def _usable(row: DeviceEstimate) -> bool:
    return row.compiled and row.status == "online"


def commands(folder: RunFolder) -> list[str]:
    """The command lines that repeat what `folder` holds; `RUN` stands for the new run directory."""
    lines = [_train(folder.run)]
    if (estimate := folder.estimate) is not None:
        lines.append(shlex.join(["qcli", "estimate-cost", "RUN", *_asked(estimate)]))
    for options, devices in _forecast_questions(folder.forecasts).items():
        named = [word for name in devices for word in ("--device", name)]
        lines.append(shlex.join(["qcli", "forecast", "RUN", *named, *options]))
    return lines + [_validate(validation) for validation in folder.validations]


def _validate(validation: Validation) -> str:
    """Without the names of accounts and buckets, which nothing here knows."""
    found, asked, cost = validation.assessment, validation.asked, validation.assessment.cost
    words = ["qcli", "validate-on-hardware", "RUN", "--device", found.device]
    words += _options({"inferences": found.inferences, "shots": found.shots})
    words += _options({"seed": None if found.kind == "device" else found.seed})
    for name in found.mitigation:
        words += ["--mitigation", name]
    if found.adaptive is not None:
        words += ["--adaptive", *_options({"max-flips": asked.max_flips if asked else None})]
    for key, value in found.device_options.items():
        words += ["--device-option", f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    if asked is not None:
        words += _options({"repetition": asked.repetition or None})
        words += ["--vendor-compile"] * asked.vendor_compile
        for provider, name in asked.contracts.items():
            words += ["--contract", f"{provider}={name}"]
    if found.device.startswith("pennylane:"):
        words += ["--unpriced"] * (cost is None)
    elif found.kind == "device":
        words += _options({"plan": cost.plan if cost else None})
        words += _options({"canary": found.canary.samples}) if found.canary else ["--no-canary"]
        words += _options({"max-cost": cost.max_cost if cost else None})
    return shlex.join(words)


def _forecast_questions(forecasts: Iterable[Forecast]) -> dict[tuple[str, ...], list[str]]:
    """Devices by the options that they were asked with."""
    found: dict[tuple[str, ...], list[str]] = {}
    for each in forecasts:
        words = _options({"inferences": each.inferences, "shots": each.shots, "date": each.on})
        words += ["--why"] * (each.why is not None) + ["--mitigation"] * (each.mitigation is not None)
        found.setdefault(tuple(words), []).append(each.device)
    return found


def _asked(estimate: Estimate) -> list[str]:
    words = _options(
        {"inferences": None if estimate.training else estimate.inferences, "shots": estimate.shots}
    )
    if (steps := estimate.training) is not None:
        words += ["--training", *_options({"gradient": steps.gradient, "epochs": steps.epochs})]
        words += _options({"batch": steps.batch, "samples": steps.rows})
    for name in estimate.mitigation.split():
        words += ["--mitigation", name]
    for name in estimate.devices:
        words += ["--device", name]
    words += ["--hybrid-job"] * estimate.hybrid_job
    if estimate.recommendation is not None and estimate.recommendation.max_degradation is not None:
        words += _options({"max-degradation": estimate.recommendation.max_degradation})
    words += ["--per-month", str(estimate.per_month)] if estimate.per_month > 1 else []
    for provider, name in estimate.contracts.items():
        words += ["--contract", f"{provider}={name}"]
    return words


def _train(run: RunInfo) -> str:
    training = run.training
    words = ["qcli", "train", run.model.path or run.model.name, "--data", run.data.name]
    words += _options(
        {
            "target": run.data.target,
            "epochs": training.epochs,
            "batch": training.batch,
            "lr": training.lr,
            "optimizer": training.optimizer,
            "seed": training.seed,
            "seeds": training.seeds,
            "patience": training.patience,
            "engine": training.engine if training.engine != "auto" else None,
            "precision": training.precision if training.precision != "float32" else None,
            "test-size": run.split.test_size,
        }
    )
    for key, value in run.model.options.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _options(values: dict[str, object]) -> list[str]:
    words = []
    for name, value in values.items():
        if value is not None:
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return words
