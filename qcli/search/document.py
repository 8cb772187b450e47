"""A search as plain data."""

from pathlib import Path
from typing import Any

from qcli.search.plan import open_plan
from qcli.search.run import front, importances, ranked, table


def document(folder: Path) -> dict[str, Any]:
    """Plan, trials by number, the front's numbers (the best in the first objective first), and importances."""
    plan, trials = open_plan(folder), table(folder)
    best = set(front(folder))
    return {
        "schema": "qcli.sweep/1",
        "folder": str(folder),
        "plan": plan.model_dump(mode="json", by_alias=True),
        "trials": [trial.to_json() for trial in trials],
        "front": [trial.number for trial in ranked(trials, plan) if trial.number in best],
        "importances": importances(folder),
    }
