"""The section of the HTML page on a search: its trials, what mattered, and its best again with several seeds."""

import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from qcli.report import search_plots
from qcli.report.parse import printable
from qcli.report.search import HEADERS, objective_text, search_title, value_text
from qcli.report.text import NONE
from qcli.search.plan import REPETITION, Plan
from qcli.search.run import Trial, ranked

SHOWN_TRIALS = 500
SQUEEZED = 14
"""As many axes as are legible within the page's width."""
ENDED = ("complete", "pruned", "failed")
STATES = {"complete": "", "open": "not finished"}


def content(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of the document of a search (`qcli.search.document`)."""
    from markupsafe import Markup

    document = printable(document)
    plan, trials = read(document)
    several = len(plan.objectives) > 1
    equal = set(document["front"])
    front = document["front"] if several else document["front"][:1]
    ordered = _ordered(trials, plan, front)
    first = plan.objectives[0]
    return {
        "title": search_title(document),
        "folder": document["folder"],
        "state": _state(trials, plan),
        "parallel": Markup(search_plots.parallel_coordinates(plan, trials, front, "search-parallel")),
        "lines": min(len(trials), search_plots.MOST_LINES),
        "first": HEADERS[first].replace("\n", " "),
        "importance": Markup(search_plots.importance_bars(document["importances"], first, "search-share")),
        "pareto": Markup(search_plots.pareto_front(plan, trials, front, "search-pareto")),
        "scrolls": len(plan.space) + len(plan.objectives) > SQUEEZED,
        "dimensions": list(plan.space),
        "objectives": [HEADERS[objective] for objective in plan.objectives],
        "rows": [_row(trial, plan, front, equal) for trial in ordered[:SHOWN_TRIALS]],
        "count": len(trials),
    }


def seeds_content(document: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of the search that trained the best again: one row per candidate.

    Args:
        chosen: the candidate that was trained to the end, empty where none is yet.
    """
    document = printable(document)
    plan, trials = read(document)
    names = [name for name in plan.space if name != REPETITION]
    candidates: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in trials:
        candidates.setdefault(tuple(trial.params.get(name) for name in names), []).append(trial)
    rows = []
    for values, found in candidates.items():
        complete = [trial for trial in found if trial.values]
        own = dict(zip(names, values, strict=True))
        rows.append(
            {
                "cells": [value_text(value) for value in values],
                "objectives": [
                    spread(objective, [trial.values[objective] for trial in complete])
                    for objective in plan.objectives
                ],
                "seeds": f"{len(complete)} of {len(found)}"
                if len(complete) < len(found)
                else str(len(found)),
                "chosen": bool(chosen) and own == dict(chosen),
            }
        )
    return {
        "state": _state(trials, plan),
        "dimensions": names,
        "objectives": [HEADERS[objective] for objective in plan.objectives],
        "rows": rows,
    }


def read(document: Mapping[str, Any]) -> tuple[Plan, list[Trial]]:
    """The plan and the trials of a search's document."""
    return Plan.model_validate(document["plan"]), [Trial(**each) for each in document["trials"]]


def spread(objective: str, values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds, in the objective's unit."""
    if not values:
        return NONE
    mean = objective_text(objective, statistics.fmean(values))
    if len(values) < 2:
        return mean
    sd = statistics.stdev(values)
    if objective in ("accuracy", "forecast"):
        return f"{mean.removesuffix('%')} ± {100 * sd:.1f} %"
    return f"{mean} ± {sd:.1f}" if objective == "gates" else f"{mean} ± {objective_text(objective, sd)}"


def _ordered(trials: Sequence[Trial], plan: Plan, front: Sequence[int]) -> list[Trial]:
    """The front, then complete ones, the best in the first objective first, then the rest by number."""
    best = ranked(trials, plan)
    rest = sorted((t for t in trials if not t.values), key=lambda t: (t.state not in ENDED, t.number))
    return [*sorted(best, key=lambda t: t.number not in front), *rest]


def _row(trial: Trial, plan: Plan, front: Sequence[int], equal: Collection[int]) -> dict[str, Any]:
    tied = "as good as the best" if trial.number in equal and trial.number not in front else ""
    return {
        "number": trial.number,
        "dimensions": [
            value_text(trial.params[name]) if name in trial.params else NONE for name in plan.space
        ],
        "objectives": [
            objective_text(objective, trial.values.get(objective)) or NONE for objective in plan.objectives
        ],
        "epochs": trial.epochs,
        "seconds": trial.seconds,
        "note": trial.error or tied or STATES.get(trial.state, trial.state),
        "best": trial.number in front,
        "off": not trial.values,
    }


def _state(trials: Sequence[Trial], plan: Plan) -> str:
    """Empty where all trials have ended."""
    ended = sum(trial.state in ENDED for trial in trials)
    return "" if ended == plan.trials else f"{ended} of {plan.trials} trials have ended so far"
