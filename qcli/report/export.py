"""An estimate as CSV for spreadsheets and as Markdown for a pull request."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qcli.price.diff import Diff
from qcli.report import bills, spending, text
from qcli.report.estimate_inputs import Estimate
from qcli.report.forecast_inputs import Foreseen
from qcli.report.parse import parse

_COLUMNS = (
    "device", "status", "fits", "plan", "chosen", "tasks", "shots", "usd", "usd_low", "usd_high",
    "usd_per_inference", "machine_time_low_s", "machine_time_high_s", "machine_time_basis", "two_qubit_gates",
    "depth", "price_basis", "price_verified_on", "barred", "note", "forecast_accuracy", "forecast_accuracy_low",
    "forecast_accuracy_high", "forecast_degradation_points", "forecast_degradation_points_low",
    "forecast_degradation_points_high", "forecast_flips", "forecast_guess", "forecast_as_published",
    "forecast_calibrated_on", "forecast_age_days", "forecast_stand_in",
)  # fmt: skip


def estimate_csv(estimate: Mapping[str, Any]) -> str:
    """One line per device and plan; a device without a plan has one line with its note."""
    content = parse(Estimate, estimate, "estimate")
    lines: list[Sequence[Any]] = []
    for row in content.rows:
        price = (row.price.basis, row.price.verified_on) if row.price else ("", "")
        foreseen = _foreseen(row.forecast)
        gates = (row.two_qubit_gates, row.depth, *price)
        for plan in row.plans:
            time = plan.machine_time_s
            seconds = (time.low, time.high, time.basis) if time else (None, None, None)
            bill = (plan.usd, plan.usd_low, plan.usd_high, plan.usd_per_inference)
            chosen = plan is row.cheapest_plan
            head = (row.device, row.status, row.fits, plan.name, chosen, plan.tasks, plan.shots)
            lines.append((*head, *bill, *seconds, *gates, plan.barred, row.note, *foreseen))
        if not row.plans:
            empty = (None,) * 10
            lines.append((row.device, row.status, row.fits, None, *empty, *gates, "", row.note, *foreseen))
    return _csv(_COLUMNS, lines)


def _foreseen(found: Foreseen | None) -> tuple[Any, ...]:
    if found is None:
        return (None,) * 12
    accuracy, lost = found.accuracy, found.degradation
    points = [round(100 * share, 6) for share in (lost.value, lost.low, lost.high)]
    shares = (accuracy.value, accuracy.low, accuracy.high, *points, found.flips.value, found.guess)
    return (*shares, found.as_published, found.calibrated_on, found.age_days, found.stand_in)


def estimate_markdown(estimate: Mapping[str, Any]) -> str:
    """The devices, the cliffs, the shot plan, what a comparison needs, and breaches of the policy."""
    content = parse(Estimate, estimate, "estimate")
    each = f"USD per {bills.each(content)}"
    legend = bills.forecast_legend(content)
    columns = ["device", "plan", "tasks", "USD", "range", each, "machine time", "price"]
    columns += bills.FORECAST_HEADER if legend else ()
    rows = []
    for row in bills.estimate_rows(content):
        plan = row.plan
        name = f"{row.device} ({row.status})" if row.status != "online" else row.device
        price = f"{row.verified_on}, {row.price_basis}"
        lost = (row.forecast.brief, row.forecast.degradation) if row.forecast else ("", "")
        foreseen = lost if legend else ()
        if plan is None:
            rows.append((name, row.note or row.fit, "", "", "", "", "", price, *foreseen))
        else:
            bill = (plan.name, plan.tasks, plan.usd, plan.usd_range, plan.usd_each)
            rows.append((name, *bill, f"{row.machine_time} ({row.time_basis})", price, *foreseen))
    table = _table(columns, rows, right=(*range(2, 7), *range(8, len(columns))))
    parts = [f"**{_cell(bills.estimate_title(content))}**", table, *map(_cell, legend)]
    if content.recommendation is not None:
        parts.append(f"**{_cell(content.recommendation.text)}**")
    if cliffs := bills.cliff_rows(content):
        lines = [(c.name, c.where, f"{c.effect} {c.usd}", c.what, c.fix) for c in cliffs]
        parts.append(_table(("cliff", "where", "USD", "what", "fix"), lines))
    if shots := spending.shot_rows(content):
        header = spending.shot_header(content)
        parts += [
            f"**{_cell(spending.shot_title(content))}**",
            _table(header, shots, right=range(1, len(header))),
        ]
    if content.compared is not None:
        compared = f"{_cell(spending.compared_text(content.compared))}."
        if content.detect is not None:
            header = spending.detect_header(content)
            costs = _table(header, spending.detect_rows(content), right=range(1, len(header)))
            parts += [f"**{_cell(spending.detect_title(content))}**", costs, compared]
        if content.budget is not None:
            uses = _table(spending.BUDGET_HEADER, spending.budget_rows(content), right=range(1, 5))
            parts += [
                f"**{_cell(spending.budget_title(content))}**",
                uses,
                f"{spending.BUDGET_LEGEND}; {compared}",
            ]
    breaches = [f"- {_cell(row.device)}: {_cell(breach)}" for row in content.rows for breach in row.breaches]
    if breaches:
        parts += ["**Against the policy**", "\n".join(breaches)]
    parts.append("Nothing was submitted; figures are estimates from dated price sheets.")
    return "\n\n".join(parts) + "\n"


def diff_csv(diff: Diff) -> str:
    """One line per device."""
    columns = ("device", "plan_before", "usd_before", "plan_after", "usd_after", "usd_change")
    lines = [(c.device, c.plan_before, c.usd_before, c.plan_after, c.usd_after, c.usd) for c in diff.changes]
    return _csv(columns, lines)


def diff_markdown(diff: Diff) -> str:
    """What differs in the question, and the bills."""
    table = _table(
        ("device", "before", "USD", "after", "USD", "change"), bills.diff_rows(diff), right=(2, 4, 5)
    )
    return f"`{diff.before}` → `{diff.after}`\n\n{_cell(bills.diff_facts(diff))}\n\n{table}\n"


def _csv(columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(lines)
    return buffer.getvalue()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int] = ()) -> str:
    rule = ["---:" if index in right else "---" for index in range(len(header))]
    lines = [[_cell(name) for name in header], rule, *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: str) -> str:
    for character, shown in (("\\", "\\\\"), ("|", "\\|"), ("\n", ", "), ("<", "&lt;")):
        value = value.replace(character, shown)
    return value or text.NONE
