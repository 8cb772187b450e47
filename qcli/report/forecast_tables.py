"""Forecasts as terminal tables, readable in 110 columns, from the plain answers of `qcli forecast`."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from qcli.report import forecasts as rows
from qcli.report import text
from qcli.report.forecast_inputs import Forecast, Mitigation, Prediction, Score, Why
from qcli.report.parse import parse
from qcli.report.tables import longest, new_table
from qcli.report.view import Fact

BAR = 20
"""Characters of the longest bar."""

SHOWN_RESULTS = 40


def forecast_tables(content: Mapping[str, Any]) -> list[Table]:
    """All devices, then for each device where the loss comes from and what mitigation regains, where that was asked.

    Args:
        content: the answer of qcli.forecast.document.forecast.

    Raises:
        QcliError: `content` lacks a figure that a table shows.
    """
    found = [
        parse(Forecast, row, f"forecast of {row['device']}") for row in content["rows"] if "note" not in row
    ]
    notes = [f"{row['device']}: {row['note']}" for row in content["rows"] if "note" in row]
    tables = [_devices(content["model"], found, notes)]
    tables += [_why(forecast.device, forecast.why) for forecast in found if forecast.why]
    return tables + [_mitigation(each.device, each.mitigation) for each in found if each.mitigation]


def _devices(model: str, found: Sequence[Forecast], notes: Sequence[str]) -> Table:
    caption = Text("\n".join([rows.LEGEND, *rows.factors(found)]))
    for sentence, devices in rows.beliefs(found):
        caption.append(f"\n{', '.join(devices)}: {sentence}")
    for note in notes:
        caption.append(f"\nnot forecast: {note}")
    shown = [
        rows.forecast_row(device, each)
        for device, each in rows.best_first({each.device: each for each in found})
    ]
    simulated = "; ".join(dict.fromkeys(row.simulated for row in shown)) or text.NONE
    days = ", ".join(dict.fromkeys(forecast.on for forecast in found))
    table = new_table(f"{model}: forecast for {days}, accuracy in simulation {simulated}", caption)
    table.padding = 0
    table.add_column("device", overflow="fold", min_width=longest(row.device for row in shown))
    for header in ("accuracy", "degradation\npoints", "flips", "signal\nleft", "guess\npublished"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("factors\ngate times", no_wrap=True)
    table.add_column("calibration\nage", no_wrap=True)
    for row in shown:
        table.add_row(
            Text.assemble(row.device, (f"\n{row.asked}", "dim")),
            Text.assemble((row.accuracy, "bold"), f"\n{row.accuracy_range}"),
            Text.assemble((row.degradation, "bold"), f"\n{row.degradation_range}"),
            Text(f"{row.flips}\n{row.flips_range}"),
            Text.assemble((row.contrast, "bold")),
            Text(f"{row.guess}\n{row.as_published}"),
            Text(f"{row.factor}\n{row.gate_times}"),
            Text.assemble(row.calibrated_on, (f"\n{row.age}", "red" if row.stale else "")),
        )
    return table


def _why(device: str, why: Why) -> Table:
    caption = Text.assemble(f"{rows.WHY_LEGEND}; its bar is pale", ("\n→ " + why.advice, "bold"))
    table = new_table(rows.why_title(device, why), caption)
    table.add_column("source", no_wrap=True)
    table.add_column("mean |error|\nof outputs", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR)
    table.add_column("accuracy\npoints", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=BAR)
    for row in rows.part_rows(why):
        bars = _bar(row.outputs_bar), _bar(row.points_bar)
        table.add_row(*map(Text, (row.source, row.outputs, row.share, bars[0], row.points, bars[1])))
    whole = rows.whole_row(why)
    table.add_row(whole.source, whole.outputs, "", "", whole.points, "", style="bold")
    return table


def _bar(share: float) -> str:
    return ("█" if share > 0 else "░") * round(BAR * abs(share))


def _mitigation(device: str, mitigation: Mitigation) -> Table:
    caption = Text.assemble(rows.MITIGATION_LEGEND, ("\n→ " + mitigation.verdict, "bold"))
    table = new_table(rows.mitigation_title(device, mitigation), caption)
    table.add_column("technique", no_wrap=True)
    for header in ("accuracy", "regained\npoints", "mean |error|\nof outputs", "extra USD", "extra time"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("remark", overflow="fold")
    for row in rows.technique_rows(mitigation):
        table.add_row(
            Text(row.technique),
            Text(f"{row.accuracy}\n{row.accuracy_range}"),
            Text(f"{row.regained}\n{row.regained_range}"),
            Text(f"{row.error}\n{row.error_range}"),
            Text(row.extra_usd),
            Text(row.extra_time),
            Text(row.remark),
            style="bold" if row.best else "" if row.offered else "dim",
        )
    return table


def prediction_table(content: Mapping[str, Any]) -> Table:
    """What a device would measure of one circuit.

    Raises:
        QcliError: `content` lacks a figure that the table shows.
    """
    prediction = parse(Prediction, content, "forecast of a circuit")
    return _facts(rows.prediction_title(prediction), rows.prediction_facts(prediction))


def _facts(title: str, facts: Sequence[Fact]) -> Table:
    table = new_table(title, "")
    table.add_column("measure", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for fact in facts:
        table.add_row(Text(fact.label), Text(fact.value, "bold"), Text(fact.remark))
    return table


def score_table(content: Mapping[str, Any]) -> Group:
    """How good forecasts were, then the results, the worst forecast first.

    Args:
        content: the answer of qcli.forecast.score.summary.

    Raises:
        QcliError: `content` lacks a figure that the tables show.
    """
    forecast = [row for row in content["rows"] if "error" not in row]
    score = parse(Score, {**content, "rows": forecast}, "score")
    summary = _facts(f"{score.n:,} forecasts against measured results", rows.score_facts(score))
    left_out = max(0, score.n - SHOWN_RESULTS)
    note = f"and {left_out:,} more, nearer to their forecasts (--json has all)" if left_out else ""
    table = new_table("Worst first; ✗: outside its 90 % interval", note)
    table.add_column("circuit", overflow="fold")
    for header in ("device", "date"):
        table.add_column(header, overflow="fold")
    table.add_column("shots", justify="right", no_wrap=True)
    table.add_column("target", overflow="fold")
    for header in ("measured", "forecast", "interval", "guess", ""):
        table.add_column(header, justify="right", no_wrap=True)
    for row in sorted(score.rows, key=lambda row: -abs(row.error))[:SHOWN_RESULTS]:
        interval = f"{text.number(row.low)}–{text.number(row.high)}"
        figures = map(text.number, (row.measured, row.value))
        named = row.circuit, row.device, row.date, text.count(row.shots), row.target
        marked = text.number(row.guess), "" if row.covered else "✗"
        table.add_row(*map(Text, (*named, *figures, interval, *marked)), style="" if row.covered else "red")
    return Group(summary, table)
