"""Plots of a search as SVG text: its trials across all dimensions, what mattered, and what no trial beats."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qcli.report.plots import plain_ticks
from qcli.report.search import HEADERS, objective_text, value_text
from qcli.report.svg import BLUE, GREY, PAGE_COLOUR, VERMILLION, legend_line, new_figure
from qcli.search.plan import DIRECTIONS, Plan
from qcli.search.run import Trial
from qcli.search.space import Choice, Dimension, Log, Range

BEHIND = "#010204"
"""Stands for the colour of the page until the SVG is written."""
WORST = "#56B4E9"
LONGEST_LABEL, LONGEST_AXIS = 12, 16
MOST_CATEGORIES = 12
MOST_LINES = 500
MOST_PANELS = 4
APART = 0.06
"""Of an axis's height, between two ticks."""


@dataclass(frozen=True)
class Axis:
    """Where a value stands on a vertical axis, from 0 at the bottom to 1, None where it cannot; ticks with words."""

    name: str
    place: Callable[[Any], float | None]
    ticks: tuple[tuple[float, str], ...]


def dimension_axis(name: str, dimension: Dimension) -> Axis:
    """Of what is searched: a place per choice; a range by its value or its logarithm."""
    if isinstance(dimension, Choice):
        count = len(dimension.choice)
        places = {value: (k + 0.5) / count for k, value in enumerate(dimension.choice)}
        every = math.ceil(count / MOST_CATEGORIES)
        ticks = [(places[value], value_text(value)) for value in dimension.choice[::every]]
        return Axis(name, places.get, tuple(ticks))
    low, high = dimension.range if isinstance(dimension, Range) else dimension.log
    return Axis(name, *_scale([low, high], value_text, logarithmic=isinstance(dimension, Log)))


def objective_axis(name: str, values: Iterable[float]) -> Axis:
    """Of an objective, the better end up."""
    finite = [value for value in values if math.isfinite(value)]
    place, ticks = _scale(
        finite, lambda value: objective_text(name, value), logarithmic=_spreads(name, finite)
    )
    title = HEADERS[name]
    if DIRECTIONS[name] == "maximize":  # type: ignore[index]
        return Axis(title, place, ticks)

    def upside_down(value: Any) -> float | None:
        found = place(value)
        return None if found is None else 1 - found

    return Axis(title, upside_down, tuple((1 - at, word) for at, word in ticks))


def _spreads(name: str, values: Sequence[float]) -> bool:
    """Whether only a logarithm shows values apart."""
    return name in ("usd", "gates") and bool(values) and min(values) > 0 and max(values) > 20 * min(values)


def _scale(
    values: Sequence[float], word: Callable[[Any], str], logarithmic: bool
) -> tuple[Callable[[Any], float | None], tuple[tuple[float, str], ...]]:
    from matplotlib.ticker import LogLocator, MaxNLocator

    if not values:
        return lambda value: None, ()
    low, high = min(values), max(values)
    if low == high:
        return lambda value: 0.5 if value == low else None, ((0.5, word(low)),)
    change: Callable[[float], float] = math.log if logarithmic else float

    def place(value: Any) -> float | None:
        if not isinstance(value, int | float) or not math.isfinite(value) or (logarithmic and value <= 0):
            return None
        return (change(value) - change(low)) / (change(high) - change(low))

    whole = all(isinstance(value, int) for value in values)
    locator = LogLocator(10, subs=(1.0, 2.0, 5.0)) if logarithmic else MaxNLocator(5, integer=whole)
    inner = [int(tick) if whole else float(tick) for tick in locator.tick_values(low, high)]
    found: list[tuple[float, str]] = []
    for value in [low, high, *inner]:
        at, text = place(value), word(value)
        if at is None or not 0 <= at <= 1:
            continue
        if all(abs(at - other) >= APART and text != shown for other, shown in found):
            found.append((at, text))
    return place, tuple(found)


def parallel_coordinates(plan: Plan, trials: Sequence[Trial], front: Sequence[int], name: str) -> str:
    """A line per trial across dimensions and objectives.

    Complete trials are coloured by the first objective, those of the front drawn on top; those that were pruned, that
    failed or that are not finished end at the last dimension.

    Args:
        name: of the plot, unlike others' on its page.

    Returns:
        An `<svg>` element; an empty string without trials.
    """
    if not trials:
        return ""
    complete = [trial for trial in trials if trial.values]
    dimensions = [dimension_axis(key, dimension) for key, dimension in plan.space.items()]
    objectives = [objective_axis(key, (trial.values[key] for trial in complete)) for key in plan.objectives]
    columns = [*dimensions, *objectives]
    first, last = len(dimensions), len(columns) - 1
    colour = _colours()
    with new_figure(max(8.6, 1.1 * len(columns)), 4.4, name) as (figure, svg):
        axes = figure.subplots()
        axes.set_axis_off()
        for at, column in enumerate(columns):
            _draw_axis(axes, at, column, raised=len(columns) > 8 and at % 2 == 1)
        if len(objectives[0].ticks) > 1:
            strip: dict[str, Any] = {"linewidth": 5, "solid_capstyle": "butt", "zorder": 2}
            for k in range(32):
                axes.plot([first] * 2, [k / 32, 1], color=colour(k / 31), **strip)
        for trial in _drawn(trials, front, plan):
            place = objectives[0].place(trial.values[plan.objectives[0]]) if trial.values else None
            best = trial.number in front
            style: dict[str, Any] = (
                _BEST
                if best
                else {"color": colour(place), "linewidth": 1.3, "alpha": 0.75, "zorder": 3}
                if place is not None
                else _OTHERS.get(trial.state, _OTHERS["open"])
            )
            points = [
                axis.place(trial.params.get(key)) for key, axis in zip(plan.space, dimensions, strict=True)
            ]
            points += [
                axis.place(trial.values.get(key))
                for key, axis in zip(plan.objectives, objectives, strict=True)
            ]
            known = [(at, point) for at, point in enumerate(points) if point is not None]
            axes.plot([at for at, _ in known], [point for _, point in known], **style)
        axes.set(xlim=(-0.4, last + 0.15), ylim=(-0.04, 1.04))
        entries = _legend(trials, front)
        figure.legend(handles=entries, loc="outside lower center", ncols=len(entries), fontsize=9)
    return svg[0].replace(BEHIND, "var(--page, #fff)")


_BEST: dict[str, Any] = {
    "color": VERMILLION,
    "linewidth": 3,
    "marker": "o",
    "markersize": 6,
    "zorder": 5,
    "label": "best",
}
_OTHERS: dict[str, dict[str, Any]] = {
    "pruned": {
        "color": GREY,
        "linewidth": 1.1,
        "linestyle": "--",
        "marker": "v",
        "markersize": 4,
        "alpha": 0.8,
        "zorder": 2,
        "label": "pruned",
    },
    "failed": {
        "color": GREY,
        "linewidth": 1.3,
        "linestyle": ":",
        "marker": "x",
        "markersize": 6,
        "zorder": 2,
        "label": "failed",
    },
    "open": {
        "color": GREY,
        "linewidth": 0.8,
        "linestyle": (0, (1, 4)),
        "alpha": 0.8,
        "zorder": 2,
        "label": "not finished",
    },
}


def _drawn(trials: Sequence[Trial], front: Sequence[int], plan: Plan) -> list[Trial]:
    """At most so many, the best last and so on top."""
    key = plan.objectives[0]
    sign = 1 if DIRECTIONS[key] == "maximize" else -1

    def worth(trial: Trial) -> tuple[bool, bool, float, int]:
        value = sign * trial.values[key] if trial.values else 0.0
        return trial.number in front, bool(trial.values), value, -trial.number

    return sorted(trials, key=worth)[-MOST_LINES:]


def _draw_axis(axes: Any, at: int, column: Axis, raised: bool) -> None:
    axes.plot([at, at], [0, 1], color=PAGE_COLOUR, linewidth=1, zorder=1)
    box = {"facecolor": BEHIND, "edgecolor": "none", "pad": 1.0, "alpha": 0.75}
    for where, word in column.ticks:
        axes.plot([at - 0.02, at], [where, where], color=PAGE_COLOUR, linewidth=1, zorder=1)
        axes.text(
            at - 0.05,
            where,
            _cut(word, LONGEST_LABEL),
            ha="right",
            va="center",
            fontsize=9,
            bbox=box,
            zorder=6,
        )
    title = "\n".join(_cut(line, LONGEST_AXIS) for line in column.name.split("\n"))
    axes.text(at, 1.17 if raised else 1.06, title, ha="center", va="bottom", fontsize=10, fontweight="bold")


def _cut(word: str, longest: int) -> str:
    return word if len(word) <= longest else f"{word[: longest - 1]}…"


def _legend(trials: Sequence[Trial], front: Sequence[int]) -> list[Any]:
    states = {trial.state for trial in trials}
    entries = []
    if front:
        word = f"best: trial {front[0]}" if len(front) == 1 else "beaten by no other trial in every objective"
        entries.append(_entry(_BEST | {"label": word}))
    if any(trial.values and trial.number not in front for trial in trials):
        entries.append(legend_line(BLUE, linewidth=1.3, label="other trials"))
    return entries + [_entry(style) for state, style in _OTHERS.items() if state in states]


def _entry(style: Mapping[str, Any]) -> Any:
    rest = {key: value for key, value in style.items() if key not in ("color", "zorder")}
    return legend_line(style["color"], **rest)


def _colours() -> Callable[[float], Any]:
    """From the worst to the best: both are seen on light and dark pages, and told apart with any colour vision."""
    from matplotlib.colors import LinearSegmentedColormap

    colours: Callable[[float], Any] = LinearSegmentedColormap.from_list("search", [WORST, BLUE, VERMILLION])
    return colours


def importance_bars(shares: Mapping[str, float], objective: str, name: str) -> str:
    """Share of the first objective's variance that each dimension explains, the largest first.

    Returns:
        An `<svg>` element; an empty string without shares.
    """
    if not shares:
        return ""
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    with new_figure(8.6, 0.8 + 0.3 * len(ordered), name) as (figure, svg):
        axes = figure.subplots()
        places = range(len(ordered))
        axes.barh(places, [100 * share for _, share in ordered], height=0.7, color=BLUE)
        for place, (_, share) in zip(places, ordered, strict=True):
            axes.annotate(
                f"{share:.0%}",
                (100 * share, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_yticks(places, [_cut(key, 2 * LONGEST_AXIS) for key, _ in ordered])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlim(0, 112)
        axes.set_xticks([0, 25, 50, 75, 100])
        axes.set_xlabel(f"% of the variance of {HEADERS[objective].replace(chr(10), ' ')}")
    return svg[0]


def pareto_front(plan: Plan, trials: Sequence[Trial], front: Sequence[int], name: str) -> str:
    """The first objective against each other one, a point per complete trial, those of the front marked.

    Returns:
        An `<svg>` element; an empty string with one objective, or without complete trials.
    """
    complete = [trial for trial in trials if trial.values]
    if len(plan.objectives) < 2 or not complete:
        return ""
    first, others = plan.objectives[0], plan.objectives[1 : 1 + MOST_PANELS]
    width = max(5.2, min(8.6, 4.3 * len(others)))
    with new_figure(width, 3.8, name) as (figure, svg):
        panels = figure.subplots(1, len(others), squeeze=False)[0]
        for axes, other in zip(panels, others, strict=True):
            groups = (
                (False, {"color": BLUE, "marker": "o", "s": 28, "alpha": 0.8, "linewidths": 0}),
                (True, {"color": VERMILLION, "marker": "D", "s": 48, "linewidths": 0}),
            )
            for best, style in groups:
                chosen = [trial for trial in complete if (trial.number in front) is best]
                axes.scatter(
                    [_shown(other, trial.values[other]) for trial in chosen],
                    [_shown(first, trial.values[first]) for trial in chosen],
                    label="on the front" if best else "beaten by another trial",
                    **style,
                )
            if _spreads(other, [trial.values[other] for trial in complete]):
                axes.set_xscale("log")
                plain_ticks(axes.xaxis)
            axes.set_xlabel(_label(other))
            axes.grid(color=GREY, alpha=0.3, linewidth=0.6)
        panels[0].set_ylabel(_label(first))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=9)
    return svg[0]


def _shown(objective: str, value: float) -> float:
    return 100 * value if objective in ("accuracy", "forecast") else value


def _label(objective: str) -> str:
    unit = " (%)" if objective in ("accuracy", "forecast") else ""
    return HEADERS[objective].replace("\n", " ") + unit
