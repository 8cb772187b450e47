"""A search's table: its trials, the best first."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from qcli.report.tables import new_table

SHOWN = 20
HEADERS = {
    "accuracy": "validation\naccuracy",
    "loss": "validation\nloss",
    "gates": "two-qubit\ngates",
    "forecast": "forecast\naccuracy",
    "usd": "USD",
}


def search_tables(content: Mapping[str, Any]) -> list[Table]:
    """Of the document of `qcli sweep`: at most so many trials, those of the front first."""
    plan, trials = content["plan"], content["trials"]
    front = content["front"]
    rest = [trial for trial in trials if trial["number"] not in front]
    rest.sort(key=lambda trial: (not trial["values"], trial["number"]))
    shown = [*(trials[number] for number in front), *rest][:SHOWN]
    table = new_table(search_title(content), Text("\n".join(search_notes(content, len(shown)))))
    table.add_column("trial", justify="right", no_wrap=True)
    for name in plan["space"]:
        table.add_column(name, justify="right", no_wrap=True)
    for objective in plan["objectives"]:
        table.add_column(HEADERS[objective], justify="right", no_wrap=True)
    table.add_column("epochs", justify="right", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for trial in shown:
        cells = [str(trial["number"])]
        cells += [value_text(trial["params"][name]) for name in plan["space"]]
        cells += [objective_text(name, trial["values"].get(name)) for name in plan["objectives"]]
        cells += ["" if trial["epochs"] is None else str(trial["epochs"])]
        cells += ["" if trial["seconds"] is None else f"{trial['seconds']:,.1f}", _note(trial)]
        table.add_row(*map(Text, cells), style="bold" if trial["number"] in front else "")
    return [table]


def search_title(content: Mapping[str, Any]) -> str:
    """What was searched."""
    plan = content["plan"]
    where = f", {plan['device']}, {plan['inferences']} inferences" if plan["device"] else ""
    return f"Search of {plan['model']} on {plan['data']}: {len(content['trials'])} trials, {plan['sampler']}{where}"


def search_notes(content: Mapping[str, Any], shown: int) -> list[str]:
    """What belongs below a table of so many trials."""
    trials, front = content["trials"], content["front"]
    kind = (
        "no other trial beats them in every objective"
        if len(content["plan"]["objectives"]) > 1
        else "the best"
    )
    notes = [f"bold: {kind}"] if front else []
    if len(trials) > shown:
        notes.append(f"{len(trials) - shown} more trials: --json")
    states = [trial["state"] for trial in trials]
    counts = [f"{states.count(state)} {state}" for state in ("pruned", "failed") if state in states]
    notes += [", ".join(counts)] if counts else []
    shares = content["importances"]
    if shares:
        first = HEADERS[content["plan"]["objectives"][0]].replace("\n", " ")
        parts = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
        notes.append(f"share of the variance of {first}: {parts}")
    return notes


def value_text(value: Any) -> str:
    """A parameter as people write it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def objective_text(name: str, value: float | None) -> str:
    """An objective's value with its unit."""
    if value is None:
        return ""
    if name in ("accuracy", "forecast"):
        return f"{value:.1%}"
    return {"usd": f"{value:,.2f}", "gates": f"{value:.0f}", "loss": f"{value:.4f}"}[name]


def _note(trial: Mapping[str, Any]) -> str:
    if trial["error"]:
        return str(trial["error"])
    return {"complete": "", "open": "not finished"}.get(trial["state"], trial["state"])
