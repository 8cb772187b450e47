"""Terminal tables, readable in 110 columns, made from the plain content of a run directory's files."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qcli.price.diff import Diff
from qcli.report import assessments, bills, spending, svg, text, view
from qcli.report.assessment_facts import fact_groups
from qcli.report.assessment_inputs import Assessment
from qcli.report.estimate_inputs import Estimate
from qcli.report.forecasts import ForecastRow
from qcli.report.inputs import Metrics
from qcli.report.parse import parse

CHEAPEST = "◂"
NARROWEST_NAME = 20
"""Characters that a device's name keeps where large bills stand beside forecasts."""

LONGEST_RANGE = 13
"""Characters of a range of amounts on one line."""


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
    table = new_table(f"Test set{samples}", "\n".join(line for line in (content.verdict, method) if line))
    table.add_column("model", overflow="fold")
    for header in ("parameters", "accuracy", f"{content.level} interval", "macro-F1", "ECE"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in view.metrics_rows(content, model_name, parameters):
        cells = (row.name, row.parameters, row.accuracy, row.interval, row.macro_f1, row.ece)
        table.add_row(*map(Text, cells), style="" if row.baseline else "bold")
    return table


def estimate_table(estimate: Mapping[str, Any]) -> Table:
    """Every device with the cheapest way to submit.

    Args:
        estimate: content of a file in estimates/.

    Raises:
        QcliError: `estimate` lacks a figure the table shows.
    """
    content = parse(Estimate, estimate, "estimate")
    rows = bills.estimate_rows(content)
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    legend = ["devices whose gates are known come first, each group by price; 2q: native two-qubit gates"]
    legend.append("second line of USD: its range, where the bill is by time")
    legend.append(bills.queue_text(content))
    legend += [f"[{number}] {note}" for number, note in enumerate(notes, start=1)]
    forecasts = bills.forecast_legend(content)
    caption = Text("\n".join([*legend, *forecasts]))
    if content.recommendation is not None:
        caption.append(f"\n{content.recommendation.text}", "bold")
    table = new_table(bills.estimate_title(content), caption)
    table.padding = 0
    width = NARROWEST_NAME if forecasts else longest(row.device for row in rows)
    table.add_column("device", overflow="fold", min_width=width)
    table.add_column("2q\ndepth", justify="right", no_wrap=True)
    table.add_column("plan\ntasks", no_wrap=True)
    for header in ("USD", f"USD per\n{bills.each(content)}", "machine\ntime"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("price\nchecked on", no_wrap=True)
    if forecasts:
        table.add_column("\n".join(bills.FORECAST_HEADER), justify="right", no_wrap=True)
    for row in rows:
        plan = row.plan
        note = f" [{notes.index(row.note) + 1}]" if row.note else ""
        breach = Text("".join(f"\n{breach}" for breach in row.breaches), "red")
        table.add_row(
            Text.assemble(
                row.device, (f"\n{row.status}, {row.fit}{note}", "" if row.fits else "red"), breach
            ),
            Text(f"{row.two_qubit_gates}\n{row.depth}"),
            Text.assemble((plan.name, "bold"), f"\n{plan.tasks}") if plan else Text(text.NONE),
            Text.assemble((plan.usd, "bold"), f"\n{_broken(plan.usd_range)}") if plan else Text(text.NONE),
            Text(plan.usd_each if plan else text.NONE),
            Text(f"{row.machine_time}\n{row.time_basis}"),
            Text(f"{row.verified_on}\n{row.price_basis}"),
            *([_foreseen(row.forecast)] if forecasts else []),
            style="dim" if row.status == "retired" or row.breaches else "",
        )
    return table


def _broken(amounts: str) -> str:
    """A range of large amounts on two lines."""
    return amounts.replace("–", "–\n") if len(amounts) > LONGEST_RANGE else amounts


def _foreseen(row: ForecastRow | None) -> Text:
    return Text.assemble((row.brief, "bold"), f"\n{row.degradation}") if row else Text(text.NONE)


def cliff_table(estimate: Mapping[str, Any]) -> Table | None:
    """What makes the bill larger than it need be, one line a kind; None without any."""
    rows = bills.cliff_rows(parse(Estimate, estimate, "estimate"))
    if not rows:
        return None
    table = new_table("Cliffs: where a small choice costs much", "")
    table.add_column("cliff", no_wrap=True)
    table.add_column("USD", justify="right", overflow="fold")
    table.add_column("what, and what to do", overflow="fold")
    for row in rows:
        table.add_row(
            Text.assemble((row.name, "bold"), f"\n{row.where}"),
            Text(f"{row.effect}\n{row.usd}"),
            Text.assemble(row.what, ("\n→ " + row.fix, "italic")),
        )
    return table


def breakdown_tables(estimate: Mapping[str, Any]) -> list[Table]:
    """The bill of every device and plan, line by line, as one would check an invoice."""
    content = parse(Estimate, estimate, "estimate")
    tables = []
    for row in sorted(content.rows, key=lambda row: row.device):
        for plan in row.plans:
            chosen = f", chosen {CHEAPEST}" if plan is row.cheapest_plan else ""
            about = [f"not chosen: {plan.barred}"] if plan.barred else []
            about += [*plan.remarks, *bills.plan_remarks(row, plan)]
            table = new_table(f"{row.device}, {plan.name}{chosen}", "\n".join(about))
            table.add_column("line", overflow="fold")
            for header in ("quantity", "USD each", "USD"):
                table.add_column(header, justify="right", no_wrap=True)
            for line in plan.lines:
                cells = (
                    line.text,
                    text.exact(line.quantity),
                    text.exact(line.unit_usd),
                    text.exact(line.usd),
                )
                table.add_row(*map(Text, cells))
            table.add_row("in all", "", "", text.exact(plan.usd), style="bold")
            tables.append(table)
    return tables


def shot_plan_table(estimate: Mapping[str, Any]) -> Table | None:
    """How many shots are enough, and what they cost, on the devices that a calibration is known of."""
    content = parse(Estimate, estimate, "estimate")
    rows = spending.shot_rows(content)
    if not rows:
        return None
    return _figures(spending.shot_title(content), spending.SHOT_LEGEND, spending.shot_header(content), rows)


def spending_tables(estimate: Mapping[str, Any]) -> list[Table]:
    """How many samples show a loss, what they cost, and the best use of a budget."""
    content = parse(Estimate, estimate, "estimate")
    if content.compared is None:
        return []
    tables = []
    compared = spending.compared_text(content.compared)
    if content.detect is not None:
        header = spending.detect_header(content)
        tables.append(
            _figures(spending.detect_title(content), compared, header, spending.detect_rows(content))
        )
    if content.budget is not None:
        legend = f"{spending.BUDGET_LEGEND}\n{compared}"
        rows = spending.budget_rows(content)
        tables.append(_figures(spending.budget_title(content), legend, spending.BUDGET_HEADER, rows))
    return tables


def longest(names: Iterable[str]) -> int:
    """The width at which no device's name is broken, as long as it is not an absurd one."""
    return min(svg.LONGEST_NAME, max(map(len, names), default=1))


def _figures(title: str, caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """A column of devices, the others right-aligned figures."""
    table = new_table(title, caption)
    table.add_column(header[0], overflow="fold", min_width=longest(row[0] for row in rows))
    for name in header[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def diff_table(diff: Diff) -> Table:
    """Two estimates side by side."""
    table = new_table(f"{diff.before} → {diff.after}", bills.diff_facts(diff))
    table.add_column("device", overflow="fold")
    for header in ("before", "USD", "after", "USD", "change"):
        table.add_column(header, justify="left" if header in ("before", "after") else "right", no_wrap=True)
    for row in bills.diff_rows(diff):
        table.add_row(*map(Text, row))
    return table


def assessment_table(assessment: Mapping[str, Any]) -> RenderableType:
    """Simulation, forecast and device side by side; below, where the error came from, shots, latency and cost.

    Args:
        assessment: content of assessment.json.

    Raises:
        QcliError: `assessment` lacks a figure the table shows, or contradicts itself.
    """
    content = parse(Assessment, assessment, "assessment.json")
    rows = assessments.compared_rows(content)
    caption = "\n".join((*assessments.readings(content), *assessments.legend(content)))
    compared = new_table(assessments.title(content), caption)
    compared.add_column(assessments.HEADER[0], overflow="fold", min_width=longest(row.name for row in rows))
    for header in assessments.HEADER[1:]:
        compared.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        compared.add_row(*map(Text, row.cells), style="bold" if row is rows[-1] else "")
    facts = new_table("", "")
    facts.show_header = False
    facts.add_column(no_wrap=True)
    facts.add_column(justify="right", no_wrap=True)
    facts.add_column(overflow="fold")
    for group in fact_groups(content):
        for fact in group:
            facts.add_row(Text("  " * fact.part + fact.label), Text(fact.value, "bold"), Text(fact.remark))
        facts.add_section()
    return Group(compared, facts)


def new_table(title: str, caption: str | Text) -> Table:
    """A table without columns, its title above and its caption below."""
    return Table(
        title=Text(title, "bold"),
        title_justify="left",
        caption=(Text(caption) if isinstance(caption, str) else caption) or None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
