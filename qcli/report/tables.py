"""Terminal tables, readable in 100 columns, made from the plain content of a run directory's files."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from qcli.report import view
from qcli.report.inputs import Assessment, Estimate, Metrics
from qcli.report.parse import parse

CHEAPEST = "◂"


def metrics_table(metrics: Mapping[str, Any], model_name: str, parameters: int | None = None) -> Table:
    """The hybrid model beside its classical baselines on the test set, with the verdict below.

    Args:
        metrics: content of metrics.json.
        model_name: how the hybrid model is called in the table.
        parameters: its trainable parameters, quantum and classical.

    Raises:
        QcliError: `metrics` lacks a figure the table shows.
    """
    content = parse(Metrics, metrics, "metrics.json")
    samples = f", {content.test_samples} samples" if content.test_samples else ""
    method = f"intervals, {content.level}: {content.method}" if content.method else ""
    table = _table(f"Test set{samples}", "\n".join(line for line in (content.verdict, method) if line))
    table.add_column("model", overflow="fold")
    for header in ("parameters", "accuracy", f"{content.level} interval", "macro-F1", "ECE"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in view.metrics_rows(content, model_name, parameters):
        cells = (row.name, row.parameters, row.accuracy, row.interval, row.macro_f1, row.ece)
        table.add_row(*map(Text, cells), style="" if row.baseline else "bold")
    return table


def estimate_table(estimate: Mapping[str, Any]) -> Table:
    """Every device with every way to submit, the cheapest one marked.

    Args:
        estimate: content of a file in estimates/.

    Raises:
        QcliError: `estimate` lacks a figure the table shows.
    """
    content = parse(Estimate, estimate, "estimate")
    rows = view.estimate_rows(content)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    legend = [f"{CHEAPEST} cheapest way to submit to the device; 2q: native two-qubit gates"]
    legend += [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]
    table = _table(view.estimate_title(content), "\n".join(legend))
    table.padding = 0
    table.add_column("device", overflow="fold")
    table.add_column("2q\ndepth", justify="right", no_wrap=True)
    table.add_column("plan", no_wrap=True)
    for header in ("tasks", "USD", "USD per\ninference"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("machine\ntime", justify="right", no_wrap=True)
    table.add_column("price\nchecked on", no_wrap=True)
    for row in rows:
        note = f" [{notes.index(row.note) + 1}]" if row.note else ""
        table.add_row(
            Text.assemble(row.device, (f"\n{row.status}, {row.fit}{note}", "" if row.fits else "red")),
            Text(f"{row.two_qubit_gates}\n{row.depth}"),
            _stack(row, [f"{plan.name} {CHEAPEST}" if plan.cheapest else plan.name for plan in row.plans]),
            _stack(row, [plan.tasks for plan in row.plans]),
            _stack(row, [plan.usd for plan in row.plans]),
            _stack(row, [plan.usd_per_inference for plan in row.plans]),
            Text(f"{row.machine_time}\n{row.time_basis}"),
            Text(f"{row.verified_on}\n{row.price_basis}"),
            style="dim" if row.status == "retired" else "",
        )
    return table


def _stack(row: view.DeviceRow, lines: list[str]) -> Text:
    marked = [(line, "bold" if plan.cheapest else "") for line, plan in zip(lines, row.plans, strict=True)]
    return Text("\n").join(Text(line, style) for line, style in marked) if marked else Text("–")


def assessment_table(assessment: Mapping[str, Any]) -> Table:
    """Simulation against the device: accuracy, degradation, flips, latency and cost.

    Args:
        assessment: content of assessment.json.

    Raises:
        QcliError: `assessment` lacks a figure the table shows, or contradicts itself.
    """
    content = parse(Assessment, assessment, "assessment.json")
    shots = f" × {content.shots:,} shots" if content.shots else ""
    title = f"{content.device}: {content.inferences:,} inferences{shots}, the same samples in simulation"
    table = _table(title, view.reading(content))
    table.add_column("measure")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for fact in view.assessment_facts(content):
        table.add_row(Text(fact.label), Text(fact.value, "bold"), Text(fact.remark))
    return table


def _table(title: str, caption: str) -> Table:
    return Table(
        title=Text(title, "bold"),
        title_justify="left",
        caption=Text(caption) if caption else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
