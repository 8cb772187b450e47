"""The last stage: the validation on a device, under its cap, against what was forecast."""

from typing import Any

from qcli.assess.canary import SAMPLES
from qcli.assess.on_hardware import DRY_RUN
from qcli.assess.question import Spending
from qcli.assess.validate import validate_on_hardware
from qcli.device.catalogue import find
from qcli.forecast.document import forecast
from qcli.price.policy import find_policy
from qcli.progress.context import Context
from qcli.progress.plan import Qpu
from qcli.progress.stage import Check, Result
from qcli.train.run import Run


def qpu(context: Context, run: Run, device: str) -> Result:
    """Forecast, then measure; on a real device a dry run unless money may be spent."""
    plan, known = context.plan, find(device).key
    inferences = min(plan.inferences, run.info.split.test)
    context.step(f"forecasting {known}")
    (foreseen,) = forecast(run, [known], inferences=inferences, shots=plan.shots)["rows"]
    context.step(f"running on {device}")
    content = validate_on_hardware(
        run,
        device,
        inferences=inferences,
        shots=plan.shots,
        seed=plan.seed,
        mitigation=plan.qpu.mitigation,
        adaptive=plan.qpu.adaptive,
        spending=_spending(plan.qpu),
        on_step=context.step,
    )
    facts = {"run": str(run.path), "device": device, "forecast": foreseen["accuracy"]}
    if content["schema"] == DRY_RUN:
        return Result((), {**facts, "usd_high": content["bill"]["usd_high"]}, submitted=False)
    return Result((_inside(content, foreseen),), {**facts, **_figures(content)})


def _spending(asked: Qpu) -> Spending:
    return Spending(
        max_cost=asked.max_cost if asked.spend else None,
        canary=SAMPLES if asked.canary else 0,
        policy=find_policy(),
    )


def _inside(content: dict[str, Any], foreseen: dict[str, Any]) -> Check:
    measured, interval = content["hardware"]["accuracy"], foreseen["accuracy"]
    return Check(
        f"accuracy on {content['device']} as forecast",
        f"{interval['low']:.1%} to {interval['high']:.1%} (90 %)",
        f"{measured['value']:.1%} of {content['inferences']} samples",
        interval["low"] <= measured["value"] <= interval["high"],
        "see the report's split of the loss; refresh the calibration (qcli devices refresh) and forecast anew",
    )


def _figures(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "accuracy": content["hardware"]["accuracy"],
        "simulated": content["simulation"]["accuracy"],
        "degradation_points": content["degradation_points"],
        "usd": content["cost"]["usd"],
        "seconds_per_inference": content["latency_s_per_inference"]["total"],
    }
