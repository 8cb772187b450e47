"""The bill and the forecast side by side: what a model costs on every device, and what it is then worth."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from qcli.device.record import stale
from qcli.errors import QcliError
from qcli.forecast.accuracy import Forecast, Range, forecast_run
from qcli.forecast.document import summary
from qcli.price.advice import advise, check
from qcli.price.document import document, keep
from qcli.price.estimate import Estimate, Question, Row, estimate
from qcli.price.subject import Subject, subject_of
from qcli.price.workload import NO_MITIGATION

_DAYS = 128
_log = logging.getLogger(__name__)

Forecasts = Mapping[str, Forecast]
"""By the device's name in the price sheets."""


def estimate_cost(
    target: Subject | str,
    question: Question | None = None,
    *,
    max_flips: float = 0.01,
    detect: float | None = None,
    budget: Decimal | None = None,
    max_degradation: float | None = None,
    forecast: bool = True,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[Estimate, dict[str, Any]]:
    """Price a run directory or an untrained model on each device, offline, and forecast a trained model's accuracy.

    A run keeps the answer in estimates/.

    Args:
        target: a run directory, a model by name or path, or a model as `subject_of` gives it.
        question: the workload, devices and limits, such as `Question(inferences=300, devices=["braket/garnet"])`.
        max_flips: share of labels that sampling may flip under a shot plan.
        detect: loss of accuracy in percentage points to be shown.
        budget: USD to make the best of.
        max_degradation: the most percentage points that a device may lose, to recommend the cheapest.
        forecast: of a trained run's inference without mitigation; of nothing else there is one.
        on_step: called with what is done next: once a device to compile, to forecast, and to plan its shots.

    Returns:
        The estimate, and its document: the content of estimates/*.json.

    Raises:
        QcliError: unknown target or device, a retired device without `include_retired`, shots outside the range of a
            device that was named, or a question without an answer.
    """
    question = question or Question()
    check(question, max_flips, detect, budget)
    if max_degradation is not None and not 0 <= max_degradation <= 100:
        raise QcliError(
            f"a degradation of {max_degradation:g} points", "--max-degradation", "choose 0 to 100"
        )
    subject = subject_of(target, {}) if isinstance(target, str) else target
    foreseeable = forecast and _foreseeable(subject, question)
    if max_degradation is not None and not foreseeable:
        raise QcliError(
            "there is no forecast to compare with",
            "--max-degradation",
            "name a trained run, without --training, --mitigation and --no-forecast",
        )
    found = estimate(subject, question, on_step)
    forecasts = forecast_rows(found, on_step) if foreseeable else {}
    rows = tuple(
        replace(row, contrast=forecasts[row.terms.name].contrast) if row.terms.name in forecasts else row
        for row in found.rows
    )
    found = replace(found, rows=rows)
    content = document(found, advise(found, max_flips, detect, budget, on_step))
    for row, entry in zip(found.rows, content["rows"], strict=True):
        seen = forecasts.get(row.terms.name)
        entry["forecast"] = _forecast(row, seen, found.today) if seen else None
    content["recommendation"] = (
        None if max_degradation is None else recommendation(found, forecasts, max_degradation)
    )
    if subject.run:
        try:
            keep(content, subject.run.path)
        except OSError as error:
            _log.warning("the estimate was not kept: %s: %s", error.filename, error.strerror)
    return found, content


def forecast_rows(found: Estimate, on_step: Callable[[str], None] = lambda step: None) -> dict[str, Forecast]:
    """The forecast of each device that was priced and has a record, on the run's first test samples."""
    run, question = found.subject.run, found.question
    assert run is not None
    count = min(question.inferences, run.info.split.test)
    known: dict[str, Forecast] = {}
    forecasts = {}
    for row in found.rows:
        if row.device is None or not row.plans or row.terms.kind != "qpu":
            continue
        if not row.terms.name.endswith(row.device.name):
            # compiled for as another machine, whose errors say nothing of this one
            continue
        on_step(f"forecasting {row.terms.name}")
        try:
            if row.device.key not in known:
                known[row.device.key] = forecast_run(
                    run, row.device, count, question.shots, found.today, days=_DAYS
                )
        except QcliError as error:
            _log.warning("no forecast for %s: %s", row.terms.name, error.what)
            continue
        forecasts[row.terms.name] = known[row.device.key]
    return forecasts


def recommendation(found: Estimate, forecasts: Forecasts, max_degradation: float) -> dict[str, Any]:
    """The cheapest device online whose predicted degradation is at most so many percentage points, of equal bills the
    one that loses least, and the sentence for it.

    Raises:
        QcliError: no device that was asked has a forecast.
    """
    priced = [(row, forecasts[row.terms.name]) for row in found.rows if row.terms.name in forecasts]
    if not priced:
        raise QcliError(
            "none of the devices has a forecast",
            "--max-degradation",
            "name QPUs with a calibration (qcli devices)",
        )
    meeting = [
        (row, seen)
        for row, seen in priced
        if row.cheapest
        and not row.breaches
        and row.terms.status == "online"
        and 100 * seen.degradation.value <= max_degradation
    ]
    if not meeting:
        row, best = min(priced, key=lambda each: each[1].degradation.value)
        text = (
            f"no device online is predicted to lose at most {max_degradation:g} points; the least is {row.terms.name} "
            f"({row.terms.status}) with {_points(best.degradation)}"
        )
        return {"max_degradation": max_degradation, "device": None, "text": text}
    row, seen = min(meeting, key=lambda each: (_usd(each[0]), each[1].degradation.value, each[0].terms.name))
    text = (
        f"the cheapest device predicted to lose at most {max_degradation:g} points is {row.terms.name}: "
        f"{_usd(row):,.2f} USD, {_points(seen.degradation)}"
    )
    if 100 * seen.degradation.high > max_degradation:
        text += "; its interval reaches beyond"
    return {"max_degradation": max_degradation, "device": row.terms.name, "text": text}


def missed(content: Mapping[str, Any]) -> QcliError | None:
    """The refusal where no device meets the degradation that was asked for."""
    asked = content.get("recommendation")
    if not asked or asked["device"]:
        return None
    fix = "retrain (--noise), use fewer layers or more shots, or allow more"
    return QcliError(asked["text"], "--max-degradation", fix, exit_code=4)


def _foreseeable(subject: Subject, question: Question) -> bool:
    return subject.run is not None and question.training is None and question.mitigation == NO_MITIGATION


def _forecast(row: Row, seen: Forecast, today: date) -> dict[str, Any]:
    device = seen.device
    return summary(seen) | {
        "calibrated_on": device.calibrated_on.isoformat(),
        "stale": stale(device, today),
        "stand_in": None if device.key == row.terms.name else device.key,
        "basis": seen.outlook.trust.basis,
    }


def _points(degradation: Range) -> str:
    # adding 0 makes -0.0 of a small gain 0.0
    value, low, high = (
        round(100 * x, 1) + 0.0 for x in (degradation.value, degradation.low, degradation.high)
    )
    return f"{value:.1f} points (90 %: {low:.1f} to {high:.1f})"


def _usd(row: Row) -> Decimal:
    plan = row.cheapest
    return plan.usd if plan else Decimal("Infinity")
