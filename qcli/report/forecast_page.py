"""The section of the HTML page on forecasts."""

from collections.abc import Mapping, Sequence
from typing import Any

from qcli.report import forecast_plots, forecasts, text
from qcli.report.assessment_inputs import Assessment
from qcli.report.folder import RunFolder, Validation
from qcli.report.forecast_inputs import Foreseen


def content(folder: RunFolder) -> dict[str, Any]:
    """What the template shows; a device forecast by another's record stands with that one."""
    from markupsafe import Markup

    found = folder.foreseen
    own = forecasts.best_first(found)
    validated = {device: validations_of(device, folder.validations) for device, _ in own}
    causes = [(each.device, each.why) for each in folder.forecasts if each.why]
    return {
        "forecast_rows": [forecasts.forecast_row(device, each) for device, each in own],
        "also": _also(found),
        "validated": {device: _results(each) for device, each in validated.items() if each},
        "forecast_plot": Markup(
            forecast_plots.accuracy_by_device(
                own, {device: list(map(_point, each)) for device, each in validated.items()}
            )
        ),
        "forecast_notes": [*forecasts.LEGEND.split("\n"), *forecasts.factors(folder.forecasts)],
        "beliefs": forecasts.beliefs(folder.forecasts),
        "why_plot": Markup(forecast_plots.loss_by_source(causes)),
        "why_legend": forecasts.WHY_LEGEND,
        "causes": [
            (device, forecasts.part_rows(why), forecasts.whole_row(why), why.advice) for device, why in causes
        ],
        "mitigations": [
            (
                forecasts.mitigation_title(each.device, each.mitigation),
                forecasts.technique_rows(each.mitigation),
                each.mitigation.verdict,
            )
            for each in folder.forecasts
            if each.mitigation
        ],
        "mitigation_legend": forecasts.MITIGATION_LEGEND,
    }


def validations_of(device: str, validations: Sequence[Validation]) -> list[Assessment]:
    """Measurements on a device, and rehearsals on its emulator."""
    names = device, f"emulator/{device.rpartition('/')[2]}"
    return [each.assessment for each in validations if each.assessment.device in names]


def _point(found: Assessment) -> tuple[bool, float]:
    """Whether it was measured on the device, and the accuracy that the forecast is about."""
    return found.kind == "device", found.unmitigated.hardware.accuracy.value


def _also(found: Mapping[str, Foreseen]) -> dict[str, list[str]]:
    """By device, those that are forecast by its record."""
    devices: dict[str, list[str]] = {}
    for device, each in sorted(found.items()):
        if each.stand_in in found:
            devices.setdefault(str(each.stand_in), []).append(device)
    return devices


def _results(assessments: Sequence[Assessment]) -> list[tuple[str, str]]:
    """How each was got, and what it says."""
    found = []
    for each in assessments:
        measured, accuracy = _point(each)
        text_of_it = f"{text.percent(accuracy)} of {each.inferences:,}"
        found.append(("measured" if measured else "rehearsed", f"{text_of_it} on {each.device}"))
    return found
