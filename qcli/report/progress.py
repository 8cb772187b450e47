"""Terminal tables of a progression."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from qcli.progress.bounds import Bound
from qcli.progress.stage import Result
from qcli.report import text
from qcli.report.tables import new_table

TITLES = {"laptop": "Laptop", "hpc": "HPC", "qpu": "QPU"}
STYLES = {"passed": "green", "stopped": "bold red", "begun": "yellow", "dry run": "cyan"}


def checks_table(stage: str, result: Result) -> Table:
    """A stage's gate, condition by condition."""
    caption = "" if result.submitted else _unsubmitted(result.facts)
    table = new_table(f"{TITLES[stage]}: {_verdict(result)}", caption)
    table.add_column("", no_wrap=True)
    table.add_column("condition", overflow="fold")
    table.add_column("measured", overflow="fold")
    table.add_column("asked", overflow="fold")
    for check in result.checks:
        mark = Text("✓", "green") if check.met else Text("✗", "bold red")
        table.add_row(mark, *map(Text, (check.name, check.measured, check.asked)))
    return table


def _verdict(result: Result) -> str:
    if not result.submitted:
        return "dry run, nothing was submitted"
    return "the gate is met" if result.met else "the gate is not met"


def _unsubmitted(facts: Mapping[str, Any]) -> str:
    return (
        f"{facts['device']} would cost at most {text.usd(facts['usd_high'])} USD; to submit, set spend = true and "
        "max_cost in [qpu] and run again"
    )


def status_table(content: Mapping[str, Any]) -> Table:
    """Stages with their trials, jobs, time and money."""
    table = new_table("Progression", content["folder"])
    table.add_column("stage", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("trials", overflow="fold")
    table.add_column("jobs", overflow="fold")
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("USD", justify="right", no_wrap=True)
    table.add_column("result", overflow="fold")
    for stage in content["stages"]:
        table.add_row(
            TITLES[stage["stage"]],
            Text(stage["state"], STYLES.get(stage["state"], "")),
            "\n".join(
                f"{part['name']}: {part['broken'] or _counts(part['trials'])}" for part in stage["parts"]
            ),
            _counts(stage["jobs"]),
            text.duration(stage["seconds"]) if stage["seconds"] else "",
            text.usd(stage["usd"]) if stage["usd"] is not None else "",
            Text("\n".join(_lines(stage))),
        )
    return table


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(found.items()))


def _lines(stage: Mapping[str, Any]) -> list[str]:
    """What is worth knowing of a stage in its row."""
    facts = stage["facts"]
    lines = [f"✗ {check['name']}: {check['measured']}" for check in stage["checks"] if not check["met"]]
    if stage["stage"] == "laptop" and "loss" in facts:
        lines.append(f"loss {facts['loss'][0]:.3f} → {facts['loss'][1]:.3f}")
    if "accuracy" in facts:
        lines.append(f"accuracy {text.percent(facts['accuracy']['value'])}")
    if facts.get("device"):
        lines.append(str(facts["device"]))
    return lines


def bounds_table(parts: Sequence[Bound]) -> Table:
    """Before anything starts."""
    table = new_table(
        "What would run",
        "core hours: at most, where a job has a time limit and none is lost and submitted again",
    )
    for header in ("stage", "what"):
        table.add_column(header, overflow="fold")
    for header in ("jobs", "cores", "limit", "core hours", "USD"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for part in parts:
        hours = part.core_hours
        table.add_row(
            TITLES[part.stage],
            part.what,
            str(part.jobs),
            str(part.cores),
            "" if part.time_s is None else text.duration(part.time_s),
            "" if hours is None else f"{hours:,.1f}",
            "" if part.usd is None else text.usd(part.usd),
            Text(part.note),
        )
    return table


def bounds_to_json(parts: Sequence[Bound]) -> dict[str, Any]:
    """The same for machines."""
    rows = [{**vars(part), "core_hours": part.core_hours} for part in parts]
    return {"schema": "qcli.progress-dry-run/1", "parts": rows}
