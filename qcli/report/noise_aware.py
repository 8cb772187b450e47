"""What fine-tuning under a device's noise regains: rows of text, and the terminal table."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from qcli.report import text
from qcli.report.inputs import Metrics, NoiseAware
from qcli.report.parse import parse

HEADERS = ("in simulation", "emulated", "cross-entropy", "margin", "flips")


def noise_aware_table(metrics: Mapping[str, Any]) -> Table | None:
    """Every set of weights on the test samples, with what the noise-aware ones gain; None without fine-tuning.

    Args:
        metrics: content of metrics.json.

    Raises:
        QcliError: `metrics` lacks a figure the table shows.
    """
    content = parse(Metrics, metrics, "metrics.json").noise_aware
    if content is None:
        return None
    table = Table(
        title=Text(tuned_title(content), "bold"),
        title_justify="left",
        caption=Text("\n".join((content.verdict, *tuned_notes(content)))),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("weights", no_wrap=True)
    for header in HEADERS:
        table.add_column(header, justify="right", no_wrap=True)
    for cells, kept in tuned_rows(content):
        table.add_row(*map(Text, cells), style="bold" if kept else "")
    return table


def tuned_title(content: NoiseAware) -> str:
    samples = f"{content.test_samples:,} test samples"
    return f"Fine-tuned for {content.device}, {content.shots:,} shots: accuracy on {samples}"


def tuned_rows(content: NoiseAware) -> list[tuple[tuple[str, ...], bool]]:
    """A name and the figures of `HEADERS` for each set of weights, and whether the run kept it."""
    rows: list[tuple[tuple[str, ...], bool]] = []
    for weights in content.weights:
        there, kept = weights.device, weights.name == content.kept
        cells = (
            weights.name + (", kept" if kept else ""),
            text.percent(weights.simulation.accuracy),
            text.percent(there.accuracy),
            text.number(there.loss),
            text.number(there.margin),
            text.percent(there.flips),
        )
        rows.append((cells, kept))
    return rows


def tuned_notes(content: NoiseAware) -> list[str]:
    """Gains with their intervals, and what was emulated."""
    lines = []
    for name, gain in content.gain_over.items():
        accuracy, loss = gain.accuracy, gain.loss
        points = (text.points(100 * share) for share in (accuracy.value, accuracy.low, accuracy.high))
        nats = (text.number(part) for part in (loss.value, loss.low, loss.high))
        lines.append(
            f"noise-aware against {name}: accuracy {_range(points)} points, cross-entropy {_range(nats)} nats"
        )
    factors = content.error_factors
    lines += [
        f"intervals {content.interval}",
        f"emulated: gate errors {factors.gates:g} times and readout errors {factors.readout:g} times those to expect "
        f"from the calibration of {content.calibrated_on}",
    ]
    return lines


def _range(figures: Iterable[str]) -> str:
    value, low, high = figures
    return f"{value} ({low} to {high})"
