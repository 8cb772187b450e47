"""What forecasts say, as text: shared by the terminal tables and the HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qcli.device.record import STALE_DAYS
from qcli.report import text
from qcli.report.forecast_inputs import (
    Forecast,
    Foreseen,
    Mitigation,
    Prediction,
    Ranged,
    Score,
    TechniqueValue,
    Why,
)
from qcli.report.text import NONE
from qcli.report.view import Fact

LEGEND = f"""\
intervals, 90 %, of what as many new samples like these will show: over shot noise, the finite test sample, layouts, \
drift since the calibration, and how far devices differ from their calibration and from day to day
signal left: of the quantum outputs' differences between samples, on the median day
guess: accuracy with the errors of the vendor's other devices; published: if its calibration told the whole truth
factors: errors against those to expect from the calibration; fitted on the vendor's public results, or \
assumed; gate times: published or assumed
stale: a calibration older than {STALE_DAYS} days"""

WHY_LEGEND = (
    "parts add up to the whole (Shapley values over the sources); a part below 0 gains: such as a layout on better "
    "qubits than the median"
)
MITIGATION_LEGEND = (
    "means over runs on the device's median day, with what 90 % of the runs show; "
    "regained: against none in the same run"
)


@dataclass(frozen=True)
class ForecastRow:
    """One device. `*_range` are 90 % intervals; `brief` is the accuracy with its own; degradation is in points."""

    device: str
    asked: str
    simulated: str
    accuracy: str
    accuracy_range: str
    brief: str
    degradation: str
    degradation_range: str
    flips: str
    flips_range: str
    contrast: str
    guess: str
    as_published: str
    factor: str
    gate_times: str
    calibrated_on: str
    age: str
    stale: bool


@dataclass(frozen=True)
class PartRow:
    """One source; bars are parts of the largest source's, negative where it gains."""

    source: str
    outputs: str
    share: str
    outputs_bar: float
    points: str
    points_bar: float


@dataclass(frozen=True)
class TechniqueRow:
    """One technique of error mitigation."""

    technique: str
    offered: bool
    best: bool
    accuracy: str
    accuracy_range: str
    regained: str
    regained_range: str
    error: str
    error_range: str
    extra_usd: str
    extra_time: str
    remark: str


def forecast_row(device: str, found: Foreseen) -> ForecastRow:
    """A forecast of forecasts/, or one of an estimate, of which less is known."""
    full = found if isinstance(found, Forecast) else None
    return ForecastRow(
        device=device,
        asked=f"{full.inferences:,} × {full.shots:,} shots" if full else "",
        simulated=text.percent(found.simulated),
        accuracy=text.percent(found.accuracy.value),
        accuracy_range=text.percent_range(found.accuracy.low, found.accuracy.high),
        brief=f"{_whole(found.accuracy.value)} ({_whole(found.accuracy.low)}–{_whole(found.accuracy.high)})",
        degradation=text.number(100 * found.degradation.value, 1),
        degradation_range=text.points_range(100 * found.degradation.low, 100 * found.degradation.high),
        flips=text.percent(found.flips.value),
        flips_range=text.percent_range(found.flips.low, found.flips.high),
        contrast=text.percent(found.contrast),
        guess=text.percent(found.guess),
        as_published=text.percent(found.as_published),
        factor=basis_word(full.optimism.basis if full else found.basis),
        gate_times=full.gate_times if full else NONE,
        calibrated_on=found.calibrated_on,
        age=text.days(found.age_days) + ", stale" * found.stale,
        stale=found.stale,
    )


def _whole(share: float) -> str:
    return text.number(100 * share, 0)


def basis_word(basis: str) -> str:
    """`fitted` of `fitted on 68 public results …`."""
    return basis.replace(":", " ").partition(" ")[0] or NONE


def ages(found: Sequence[Foreseen]) -> str:
    """How many forecasts rest on an old calibration; empty if none does."""
    old = sorted(each.age_days for each in found if each.stale)
    if not old:
        return ""
    age = text.days(old[0]) if old[0] == old[-1] else f"{old[0]:,} to {text.days(old[-1])}"
    return f"stale: {len(old):,} of {len(found):,} calibrations are older than {STALE_DAYS} days ({age})"


def best_first(found: Mapping[str, Foreseen]) -> list[tuple[str, Foreseen]]:
    """Devices by what they lose, then by the signal left, without those forecast as another one that is listed."""
    own = ((device, each) for device, each in found.items() if each.stand_in not in found)
    return sorted(own, key=lambda each: (each[1].degradation.value, -(each[1].contrast or 0.0), each[0]))


def beliefs(forecasts: Sequence[Forecast]) -> list[tuple[str, list[str]]]:
    """Each sentence on what to believe, with the devices that it holds for."""
    sentences: dict[str, list[str]] = {}
    for forecast in forecasts:
        sentences.setdefault(forecast.believe, []).append(forecast.device)
    return list(sentences.items())


def factors(forecasts: Sequence[Forecast]) -> list[str]:
    """The error factors in force, each with what it rests on."""
    seen = dict.fromkeys(
        (o.gates, o.readout, o.zeros, o.basis) for o in (forecast.optimism for forecast in forecasts)
    )
    return [
        f"error factors {gates:g} (gates, idling) and {readout:g} (readout"
        f"{'' if zeros == 1 else f', of zeros {readout * zeros:g}'}): {basis}"
        for gates, readout, zeros, basis in seen
    ]


def why_title(device: str, why: Why) -> str:
    """The whole that the parts add up to."""
    return (
        f"Why on {device}: outputs are off by {text.number(why.outputs)} on average, "
        f"{_points(why.accuracy)} points of accuracy are lost"
    )


def whole_row(why: Why) -> PartRow:
    """What the parts add up to."""
    return PartRow("in all", text.number(why.outputs), "", 0.0, _points(why.accuracy), 0.0)


def part_rows(why: Why) -> list[PartRow]:
    """The sources, in the order of the file."""
    most_outputs = max((abs(part.outputs) for part in why.parts), default=0.0)
    most_accuracy = max((abs(part.accuracy) for part in why.parts), default=0.0)
    return [
        PartRow(
            source=part.source,
            outputs=text.number(part.outputs),
            share=text.percent(part.outputs / why.outputs if why.outputs > 0 else None),
            outputs_bar=part.outputs / most_outputs if most_outputs else 0.0,
            points=_points(part.accuracy),
            points_bar=part.accuracy / most_accuracy if most_accuracy else 0.0,
        )
        for part in why.parts
    ]


def _points(share: float) -> str:
    return text.number(100 * share, 2)


def mitigation_title(device: str, mitigation: Mitigation) -> str:
    """Where, and what the bill is without any."""
    return (
        f"Error mitigation on {device}: {mitigation.runs:,} emulated runs, {mitigation.shots:,} shots a circuit, "
        f"{text.usd(mitigation.usd)} USD without any"
    )


def technique_rows(mitigation: Mitigation) -> list[TechniqueRow]:
    """The techniques, in the order of the file."""
    return [_technique_row(row, mitigation.best) for row in mitigation.rows]


def _technique_row(row: TechniqueValue, best: str) -> TechniqueRow:
    accuracy, accuracy_range = _percents(row.accuracy)
    regained, error = row.regained, row.error
    return TechniqueRow(
        technique=row.technique,
        offered=row.offered,
        best=row.technique == best,
        accuracy=accuracy,
        accuracy_range=accuracy_range,
        regained=text.points(100 * regained.value) if regained else NONE,
        regained_range=text.points_range(100 * regained.low, 100 * regained.high) if regained else "",
        error=text.number(error.value) if error else NONE,
        error_range=f"{text.number(error.low)}–{text.number(error.high)}" if error else "",
        extra_usd=text.usd_change(row.extra_usd),
        extra_time=_extra_time(row.extra_s),
        remark=row.remark,
    )


def _percents(found: Ranged | None) -> tuple[str, str]:
    return (text.percent(found.value), text.percent_range(found.low, found.high)) if found else (NONE, "")


def _extra_time(seconds: tuple[float, float] | None) -> str:
    if seconds is None:
        return NONE
    low, high = map(text.duration_change, seconds)
    return low if low == high else f"{low}\nto {high}"


def prediction_title(prediction: Prediction) -> str:
    """What of which circuit is forecast."""
    asked = f"probability of {prediction.target}" if prediction.target else f"mean of {prediction.observable}"
    return f"{prediction.circuit} on {prediction.device}, {prediction.shots:,} shots: {asked}"


def prediction_facts(prediction: Prediction) -> list[Fact]:
    """The forecast of a circuit, line by line; the last is what it rests on."""
    low, high = text.number(prediction.low), text.number(prediction.high)
    facts = [
        Fact("forecast", text.number(prediction.value), f"90 % interval {low} to {high}"),
        Fact("guess", text.number(prediction.guess), "if only the device's vendor were known"),
        Fact("ideal", text.number(prediction.ideal), "without noise"),
        Fact("as published", text.number(prediction.as_published), "if the calibration told the whole truth"),
    ]
    if prediction.numerical_error:
        error = text.number(prediction.numerical_error, 4)
        facts.append(Fact("numerical error", error, "standard error of the simulation, within the interval"))
    remark = f"stale: older than {STALE_DAYS} days" if prediction.stale else ""
    facts.append(Fact("age of the calibration", text.days(prediction.age_days), remark))
    return [*facts, Fact("basis", "", prediction.basis)]


def score_facts(score: Score) -> list[Fact]:
    """How good the forecasts were."""
    covered = sum(row.covered for row in score.rows)
    better = "less" if score.mae < score.guess_mae else "not less"
    return [
        Fact(
            "mean absolute error",
            text.number(score.mae),
            f"{better} than the guess's {text.number(score.guess_mae)}",
        ),
        Fact("bias", text.number(score.bias), "forecast − measured"),
        Fact("coverage", text.percent(score.coverage), f"{covered:,} of {score.n:,} in the 90 % interval"),
        Fact("mean width", text.number(score.mean_width), "of the interval"),
    ]
