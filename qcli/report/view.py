"""What training says, as text: shared by the terminal tables and the HTML page."""

from dataclasses import dataclass

from qcli.report import text
from qcli.report.inputs import Metrics, Scores
from qcli.report.text import NONE


@dataclass(frozen=True)
class MetricsRow:
    """One model on the test set. `interval` belongs to the accuracy."""

    name: str
    parameters: str
    accuracy: str
    interval: str
    macro_f1: str
    ece: str
    baseline: bool


@dataclass(frozen=True)
class Fact:
    """A figure with its name, and a remark. `part`: it is a part of the fact before."""

    label: str
    value: str
    remark: str = ""
    part: bool = False


def part(label: str, value: str, remark: str = "") -> Fact:
    """A part of the fact before it."""
    return Fact(label, value, remark, part=True)


def metrics_rows(metrics: Metrics, model_name: str, parameters: int | None = None) -> list[MetricsRow]:
    """The hybrid model (mean over several seeds, then the kept seed), then the baselines."""
    rows = []
    own = text.count(parameters)
    if len(metrics.seeds) > 1:
        accuracy, macro_f1, ece = metrics.summary.accuracy, metrics.summary.macro_f1, metrics.summary.ece
        rows.append(
            MetricsRow(
                name=f"{model_name}, mean ± sd of {len(metrics.seeds)} seeds",
                parameters=own,
                accuracy=f"{text.number(100 * accuracy.mean, 1)} ± {_points_sd(accuracy.sd)} %",
                interval=NONE,
                macro_f1=f"{text.number(macro_f1.mean)} ± {text.number(macro_f1.sd)}",
                ece=f"{text.number(ece.mean)} ± {text.number(ece.sd)}",
                baseline=False,
            )
        )
    models: list[tuple[str, str, Scores, bool]] = [
        (f"{model_name}, seed {metrics.chosen_seed}", own, metrics.chosen, False)
    ]
    models += [(each.name, text.count(each.parameters), each, True) for each in metrics.baselines]
    for name, size, scores, baseline in models:
        rows.append(
            MetricsRow(
                name=name,
                parameters=size,
                accuracy=text.percent(scores.accuracy.value),
                interval=text.percent_range(scores.accuracy.low, scores.accuracy.high),
                macro_f1=text.number(scores.macro_f1.value),
                ece=text.number(scores.ece.value),
                baseline=baseline,
            )
        )
    return rows


def _points_sd(sd: float | None) -> str:
    return text.number(None if sd is None else 100 * sd, 1)
