"""Forecasts as plain data: the content of forecasts/*.json."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device, stale
from qcli.errors import QcliError
from qcli.files import write_json
from qcli.forecast.accuracy import Forecast, forecast_run, subject_of
from qcli.forecast.attribution import Attribution, attribute
from qcli.forecast.mitigation.value import Value, by_value
from qcli.forecast.shots import shots_taken
from qcli.train.run import Run, now

SCHEMA = "qcli.forecast/1"


def forecast(
    run: Run,
    devices: Sequence[str] = (),
    *,
    inferences: int | None = None,
    shots: int = 512,
    on: date | None = None,
    seed: int = 0,
    include_retired: bool = False,
    why: bool = False,
    mitigation: bool = False,
    on_step: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> dict[str, Any]:
    """Forecast a trained run's accuracy on devices, by default all in the catalogue that still exist.

    Each is kept in the run's forecasts/.

    Args:
        shots: per circuit; where all devices are asked, at least as many as a device takes.
        on: day of the run, by default today.
        include_retired: where all devices are asked, also those that no longer exist.
        why: split the loss over its sources.
        mitigation: try what error mitigation regains.
        on_step: called with what is done next, and how many of how many parts are.

    Raises:
        QcliError: an unknown device, one that is too small, or shots that one which was named does not take.
    """
    chosen = [find(name) for name in devices] or [
        device for device in catalogue().values() if include_retired or device.retired_on is None
    ]
    day, parts = on or date.today(), 1 + why + mitigation
    subject = subject_of(run, inferences)
    rows = []
    for number, device in enumerate(chosen):
        step = partial(_step, on_step, device, parts * number, parts * len(chosen))

        step("forecasting", 0)
        asked = shots if devices else _taken(device, shots)
        try:
            found = forecast_run(run, device, inferences, asked, day, seed)
            step("attributing the loss on", 1)
            cause = attribute(subject, device, asked, seed) if why else None
            step("trying mitigation on", parts - 1)
            tried = by_value(subject, device, asked, seed=seed) if mitigation else None
        except QcliError as error:
            if devices:
                raise
            rows.append({"device": device.key, "note": error.what})
            continue
        content = document(run, found, day, cause, tried)
        keep(content, run.path)
        rows.append(content)
    return {"schema": SCHEMA, "run": str(run.path), "model": run.info.model.name, "rows": rows}


def _step(
    on_step: Callable[[str, int, int], None], device: Device, before: int, total: int, text: str, part: int
) -> None:
    on_step(f"{text} {device.key}", before + part, total)


def _taken(device: Device, shots: int) -> int:
    """`shots`, or as many as the device at least takes."""
    least, most = shots_taken(device)
    return max(least, min(shots, most or shots))


def document(
    run: Run,
    forecast: Forecast,
    on: date,
    attribution: Attribution | None = None,
    mitigation: Value | None = None,
) -> dict[str, Any]:
    """One device's forecast with everything that it rests on."""
    device, view = forecast.device, forecast.outlook
    return {
        "schema": SCHEMA,
        "created": now(),
        "run": str(run.path),
        "model": run.info.model.name,
        "device": device.key,
        "on": on.isoformat(),
        "inferences": forecast.inferences,
        "shots": forecast.shots,
        "simulated": forecast.simulated,
        **summary(forecast),
        "believe": forecast.believe,
        "calibrated_on": device.calibrated_on.isoformat(),
        "stale": stale(device, on),
        "gate_times": device.durations.basis,
        "optimism": asdict(view.trust),
        "log_sd": asdict(view.spread),
        "layouts": forecast.layouts,
        "why": _why(attribution) if attribution else None,
        "mitigation": mitigation.to_json() if mitigation else None,
        "classes": list(run.info.data.classes),
        "samples": [asdict(sample) for sample in forecast.samples],
    }


def summary(forecast: Forecast) -> dict[str, Any]:
    """The figures that an estimate shows of a forecast."""
    return {
        "accuracy": asdict(forecast.accuracy),
        "degradation": asdict(forecast.degradation),
        "flips": asdict(forecast.flips),
        "guess": forecast.guess,
        "as_published": forecast.as_published,
        "contrast": forecast.contrast,
        "age_days": forecast.outlook.age_days,
    }


def keep(content: dict[str, Any], run: Path) -> Path:
    """Write a forecast into the run's forecasts/, in the place of an older one for the device."""
    path = run / "forecasts" / f"{content['device'].replace('/', '-')}.json"
    write_json(path, content)
    return path


def _why(attribution: Attribution) -> dict[str, Any]:
    return {
        "parts": [asdict(part) for part in attribution.parts],
        "accuracy": attribution.accuracy,
        "outputs": attribution.outputs,
        "advice": attribution.advice,
    }
