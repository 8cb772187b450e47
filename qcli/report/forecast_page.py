"""The section of the HTML page on forecasts."""

from collections.abc import Mapping, Sequence
from typing import Any

from qcli.report import forecast_plots, forecasts, text
from qcli.report.folder import Rehearsal, RunFolder
from qcli.report.forecast_inputs import Foreseen
from qcli.report.inputs import Assessment


def content(folder: RunFolder) -> dict[str, Any]:
    """What the template shows; a device forecast by another's record stands with that one."""
    from markupsafe import Markup

    found = folder.foreseen
    own = forecasts.best_first(found)
    rehearsed = {device: rehearsals_of(device, folder.rehearsals) for device, _ in own}
    causes = [(each.device, each.why) for each in folder.forecasts if each.why]
    return {
        "forecast_rows": [forecasts.forecast_row(device, each) for device, each in own],
        "also": _also(found),
        "rehearsed": {device: _results(each) for device, each in rehearsed.items() if each},
        "forecast_plot": Markup(
            forecast_plots.accuracy_by_device(
                own, {device: [a.hardware.accuracy.value for a in each] for device, each in rehearsed.items()}
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


def rehearsals_of(device: str, rehearsals: Sequence[Rehearsal]) -> list[Assessment]:
    """Rehearsals on a device or its emulator."""
    names = device, f"emulator/{device.rpartition('/')[2]}"
    return [each.assessment for each in rehearsals if each.assessment.device in names]


def _also(found: Mapping[str, Foreseen]) -> dict[str, list[str]]:
    """By device, those that are forecast by its record."""
    devices: dict[str, list[str]] = {}
    for device, each in sorted(found.items()):
        if each.stand_in in found:
            devices.setdefault(str(each.stand_in), []).append(device)
    return devices


def _results(assessments: Sequence[Assessment]) -> list[str]:
    return [
        f"{text.percent(each.hardware.accuracy.value)} of {each.inferences:,} on {each.device}"
        for each in assessments
    ]
