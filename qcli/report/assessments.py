"""What validations say, as text: shared by the terminal tables and the HTML page."""

from dataclasses import dataclass

from qcli.report import text
from qcli.report.assessment_inputs import Assessment, Compared
from qcli.report.inputs import Estimated
from qcli.report.text import NONE

HEADER = (
    "",
    "accuracy",
    "interval",
    "change,\npoints",
    "interval",
    "flipped",
    "lost,\ngained",
    "McNemar\np",
    "mean\n|Δ⟨Z⟩|",
)


@dataclass(frozen=True)
class ComparedRow:
    """Where the samples were classified, and how well, in the order of `HEADER`; `measured`: on the device."""

    name: str
    accuracy: str
    interval: str
    change: str = ""
    change_interval: str = ""
    flipped: str = ""
    lost_gained: str = ""
    p: str = ""
    mean_delta: str = ""
    measured: bool = False

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            *(self.name, self.accuracy, self.interval, self.change, self.change_interval),
            *(self.flipped, self.lost_gained, self.p, self.mean_delta),
        )


def title(assessment: Assessment) -> str:
    """What was run where."""
    return f"{assessment.device}: {text.count(assessment.inferences)} inferences{_shots(assessment)}"


def _shots(assessment: Assessment) -> str:
    if (stages := assessment.adaptive) is not None:
        more = f", {text.count(stages.second)} more where the label is unclear" if stages.second else ""
        return f" × {text.count(stages.first)} shots{more}"
    return f" × {text.count(assessment.shots)} shots" if assessment.shots else ""


def compared_rows(assessment: Assessment) -> list[ComparedRow]:
    """Simulation, the forecast, and the device: without and with mitigation where there is one."""
    simulated = assessment.simulation.accuracy
    rows = [ComparedRow("simulation", text.percent(simulated.value), _range(simulated))]
    if (seen := assessment.forecast) is not None:
        lost = seen.degradation
        rows.append(
            ComparedRow(
                name=f"forecast{f' for {text.count(assessment.shots)} shots' * bool(assessment.adaptive)}",
                accuracy=text.percent(seen.accuracy.value),
                interval=text.percent_range(seen.accuracy.low, seen.accuracy.high),
                change=text.points(-100 * lost.value),
                change_interval=f"{text.points(-100 * lost.high)} to {text.points(-100 * lost.low)}",
            )
        )
    if assessment.raw is not None:
        rows.append(_measured("unmitigated", assessment.raw, assessment))
    used = " + ".join(assessment.mitigation)
    return [*rows, _measured(used or assessment.device, assessment, assessment)]


def legend(assessment: Assessment) -> list[str]:
    """How to read the rows."""
    forecast = ", 90 % of a forecast" if assessment.forecast else ""
    return [
        f"intervals: 95 % of an accuracy, paired 95 % of a change{forecast}; p: exact, two-sided",
        "lost, gained: samples right only in simulation, and only on the device",
        "|Δ⟨Z⟩|: of the quantum outputs, device against simulation",
    ]


def _measured(name: str, found: Compared, assessment: Assessment) -> ComparedRow:
    accuracy, lost = found.hardware.accuracy, found.degradation_points
    return ComparedRow(
        name=name,
        accuracy=text.percent(accuracy.value),
        interval=_range(accuracy),
        change=text.points(-lost.value),
        change_interval=_change_range(lost) or NONE,
        flipped=f"{text.count(found.flipped.count)} of {text.count(assessment.inferences)}",
        lost_gained=f"{text.count(found.only_simulation_right)}, {text.count(found.only_device_right)}",
        p=text.p_value(found.mcnemar_p),
        mean_delta=text.number(found.mean_abs_delta_expval),
        measured=True,
    )


def _range(found: Estimated) -> str:
    return text.percent_range(found.low, found.high)


def _change_range(lost: Estimated) -> str:
    if lost.low is None or lost.high is None:
        return ""
    return f"{text.points(-lost.high)} to {text.points(-lost.low)}"


def change(lost: Estimated) -> str:
    """The device's accuracy minus the simulation's, in points, with its paired interval."""
    interval = _change_range(lost)
    return f"{text.points(-lost.value)} points" + (f", 95 % interval {interval}" if interval else "")


def readings(assessment: Assessment) -> list[str]:
    """Whether the paired interval excludes no change, and whether the forecast holds."""
    return [*_significance(assessment), *_foreseen(assessment)]


def _significance(assessment: Assessment) -> list[str]:
    low, high = assessment.degradation_points.low, assessment.degradation_points.high
    if low is None or high is None:
        return []
    if low <= 0 <= high:
        return [
            f"The interval includes 0: {text.count(assessment.inferences)} samples do not show "
            "that the device changes the accuracy, nor that it does not."
        ]
    return [f"The interval excludes 0: the device is {'worse' if low > 0 else 'better'} than the simulation."]


def _foreseen(assessment: Assessment) -> list[str]:
    seen = assessment.forecast
    if seen is None:
        return []
    what = "unmitigated accuracy" if assessment.raw else "accuracy"
    measured = assessment.unmitigated.hardware.accuracy.value
    if seen.inside:
        return [f"The measured {what} lies inside the forecast's 90 % interval."]
    side = "below" if measured < seen.accuracy.low else "above"
    return [f"The measured {what} lies outside the forecast's 90 % interval, {side} it."]
