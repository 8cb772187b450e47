"""Plots of training, rehearsals and bills as SVG text; every series differs in shape or dash as well as in colour."""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qcli.report import text
from qcli.report.estimate_inputs import DeviceEstimate, Estimate, Plan
from qcli.report.folder import Sample
from qcli.report.inputs import Epoch
from qcli.report.svg import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALETTE,
    PURPLE,
    VERMILLION,
    legend_line,
    new_figure,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = ("-", "--", ":")
MARKERS = ("o", "s", "^", "D", "v", "X", "P")
PLAN_COLOURS = {
    "separate": BLUE,
    "program-sets": GREEN,
    "parametrised": GREEN,
    "job": ORANGE,
    "debiased": VERMILLION,
}


def training_curves(history: Sequence[Epoch], chosen_seed: int | None = None, name: str = "training") -> str:
    """Loss and accuracy against the epoch, training and validation, one line per seed.

    Args:
        history: the lines of history.jsonl in any order.
        chosen_seed: the seed whose weights were kept; its lines are drawn stronger.
        name: of the plot, unlike others' on its page.

    Returns:
        An `<svg>` element.
    """
    with new_figure(8.6, 3.3, name) as (figure, svg):
        panels = figure.subplots(1, 2)
        draw = ((panels[0], "loss", "val_loss", 1), (panels[1], "accuracy", "val_accuracy", 100))
        seeds = sorted({line.seed for line in history})
        for axes, training, validation, scale in draw:
            for seed in seeds:
                lines = sorted((line for line in history if line.seed == seed), key=lambda line: line.epoch)
                epochs = [line.epoch for line in lines]
                strong = len(seeds) == 1 or seed == chosen_seed
                for name, colour, dash in ((training, BLUE, "--"), (validation, VERMILLION, "-")):
                    axes.plot(
                        epochs,
                        [_scaled(getattr(line, name), scale) for line in lines],
                        color=colour,
                        linestyle=dash,
                        linewidth=2.0 if strong else 1.0,
                        alpha=1.0 if strong else 0.45,
                        marker="o" if len(epochs) < 3 else "",
                    )
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("loss")
        panels[1].set_ylabel("accuracy (%)")
        entries = [
            legend_line(BLUE, linestyle="--", linewidth=2, label="training"),
            legend_line(VERMILLION, linestyle="-", linewidth=2, label="validation"),
        ]
        panels[0].legend(handles=entries, loc="upper right")
    return svg[0]


def _scaled(value: float | None, scale: int) -> float:
    return math.nan if value is None else scale * value


def expectation_scatter(samples: Sequence[Sample], device: str) -> str:
    """Measured against simulated expectation values, one point per sample and observable.

    Args:
        samples: the lines of samples.csv.
        device: where the values were measured.

    Returns:
        An `<svg>` element.
    """
    with new_figure(4.8, 4.6, f"scatter-{device}") as (figure, svg):
        axes = figure.subplots()
        shown = [z for each in samples for z in each.z_simulated + each.z_device + each.z_raw if z == z]
        largest = max(map(abs, shown), default=1)
        limit = 1.05 * max(1.0, largest)
        axes.plot([-limit, limit], [-limit, limit], color=GREY, linewidth=1, label="no change")
        raw = [
            pair for each in samples for pair in zip(each.z_simulated, each.z_raw, strict=bool(each.z_raw))
        ]
        if raw:
            across, along = zip(*raw, strict=True)
            axes.scatter(
                across, along, s=22, color=GREY, marker="+", linewidths=0.9, label="before mitigation"
            )
        kinds = (
            (False, BLUE, "o", "same prediction"),
            (True, VERMILLION, "X", "flipped prediction"),
        )
        for flipped, colour, marker, label in kinds:
            chosen = [each for each in samples if each.flipped is flipped]
            axes.scatter(
                [z for each in chosen for z in each.z_simulated],
                [z for each in chosen for z in each.z_device],
                s=60 if flipped else 26,
                color=colour,
                marker=marker,
                linewidths=0,
                alpha=0.9 if flipped else 0.55,
                label=f"{label} ({len(chosen)} sample{'' if len(chosen) == 1 else 's'})",
            )
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        if limit < 1.1:
            axes.set(xticks=[-1, -0.5, 0, 0.5, 1], yticks=[-1, -0.5, 0, 0.5, 1])
        axes.set_xlabel("simulated ⟨Z⟩ (dimensionless)")
        axes.set_ylabel(f"⟨Z⟩ on {short(device)} (dimensionless)")
        axes.legend(loc="upper left", fontsize=9)
    return svg[0]


def cost_bars(estimate: Estimate) -> str:
    """The bill on every device that fits, on a log axis in USD: of the cheapest plan, and of a task per circuit.

    Returns:
        An `<svg>` element; an empty string where no plan costs anything.
    """
    shown = {row.device: _compared_plans(row) for row in estimate.rows if row.fits}
    fitting = [row for row in estimate.rows if shown.get(row.device)]
    if not fitting:
        return ""
    fitting.sort(key=lambda row: (row.status == "retired", shown[row.device][0].usd))
    bars, ticks, position = [], [], 0.0
    for row in fitting:
        plans = shown[row.device]
        remark = f" ({short(row.status)})" if row.status not in ("", "online") else ""
        label = short(row.device) + remark
        ticks.append((position + (len(plans) - 1) / 2, label))
        bars += [(position + offset, plan, row.status == "retired") for offset, plan in enumerate(plans)]
        position += len(plans) + 0.7
    with new_figure(8.6, 0.9 + 0.26 * position, "cost") as (figure, svg):
        axes = figure.subplots()
        for where, plan, retired in bars:
            colour = PLAN_COLOURS.get(plan.name, PURPLE)
            axes.barh(where, float(plan.usd), height=0.9, color=colour, alpha=0.4 if retired else 1.0)
            axes.annotate(
                text.usd(plan.usd),
                (float(plan.usd), where),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
            )
        axes.set_yticks([where for where, _ in ticks], [label for _, label in ticks])
        axes.margins(y=0.01)
        axes.invert_yaxis()
        _log_usd(axes, [plan.usd for _, plan, _ in bars])
        names = list(dict.fromkeys(plan.name for _, plan, _ in bars))
        entries = [
            legend_line(
                PLAN_COLOURS.get(name, PURPLE), marker="s", markersize=8, linestyle="", label=short(name)
            )
            for name in names
        ]
        figure.legend(handles=entries, loc="outside upper right", ncols=len(entries), fontsize=9)
    return svg[0]


def _compared_plans(row: DeviceEstimate) -> list[Plan]:
    best = row.cheapest_plan
    plans = [plan for plan in row.plans if plan is best or plan.name == "separate"]
    return sorted((plan for plan in plans if plan.usd > 0), key=lambda plan: plan is not best)


def pareto(estimate: Estimate) -> str:
    """Cost against detectable loss of accuracy, a line per device that is online and compiled for.

    Returns:
        An `<svg>` element; an empty string without curves.
    """
    online = {row.device for row in estimate.rows if row.status == "online" and row.compiled}
    curves = [
        (curve.device, points)
        for curve in estimate.curves
        if curve.device in online and (points := [p for p in curve.points if p.detectable and p.usd > 0])
    ]
    if not curves:
        return ""
    curves.sort(key=lambda entry: entry[1][-1].usd)
    with new_figure(8.6, 4.6, "pareto") as (figure, svg):
        axes = figure.subplots()
        for index, (device, points) in enumerate(curves):
            axes.plot(
                [float(point.usd) for point in points],
                [point.detectable or math.nan for point in points],
                color=PALETTE[index % len(PALETTE)],
                linestyle=DASHES[index // len(PALETTE) % len(DASHES)],
                marker=MARKERS[index % len(MARKERS)],
                markersize=4,
                linewidth=1.2,
                label=short(device),
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("USD in all (log scale)")
        axes.set_ylabel("detectable loss, percentage points")
        plain_ticks(axes.xaxis)
        plain_ticks(axes.yaxis)
        axes.grid(color=GREY, alpha=0.3, linewidth=0.6)
        figure.legend(loc="outside right upper", fontsize=8)
    return svg[0]


def plain_ticks(axis: Any) -> None:
    """Numbers in full, without powers of ten."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value / 1e6:,g} M" if value >= 1e6 else f"{value:,.10g}")
    )
    axis.set_minor_formatter(NullFormatter())


def _log_usd(axes: "Axes", amounts: Sequence[Decimal]) -> None:
    from matplotlib.ticker import LogLocator

    axes.set_xscale("log")
    axes.set_xlim(float(min(amounts)) / 4, float(max(amounts)) * 4)
    axes.xaxis.set_major_locator(LogLocator(10))
    plain_ticks(axes.xaxis)
    axes.set_xlabel("USD in all (log scale)")
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.6)
    axes.tick_params(axis="y", length=0)
