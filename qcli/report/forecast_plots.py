"""Plots of forecasts as SVG text: accuracy by device with its interval, and where the loss comes from."""

from collections.abc import Mapping, Sequence

import numpy as np

from qcli.report.forecast_inputs import Foreseen, Why
from qcli.report.svg import BLUE, GREEN, GREY, ORANGE, PALETTE, VERMILLION, new_figure, short

HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----")


def accuracy_by_device(
    found: Sequence[tuple[str, Foreseen]], validated: Mapping[str, Sequence[tuple[bool, float]]]
) -> str:
    """Predicted accuracy with its 90 % interval, the guess, and accuracy in simulation as a line, device by device.

    Args:
        found: devices with their forecasts, from top to bottom.
        validated: by device, whether it was measured there or rehearsed, and the accuracy as a share.

    Returns:
        An `<svg>` element; an empty string without forecasts.
    """
    if not found:
        return ""
    with new_figure(8.6, 1.3 + 0.32 * len(found), "forecast") as (figure, svg):
        axes = figure.subplots()
        places = range(len(found))
        forecasts = [each for _, each in found]
        axes.vlines(
            [100 * each.simulated for each in forecasts],
            [place - 0.5 for place in places],
            [place + 0.5 for place in places],
            color=GREY,
            linewidth=1.5,
            linestyle="--",
            label="in simulation",
        )
        axes.errorbar(
            [100 * each.accuracy.value for each in forecasts],
            places,
            xerr=[
                [100 * (each.accuracy.value - each.accuracy.low) for each in forecasts],
                [100 * (each.accuracy.high - each.accuracy.value) for each in forecasts],
            ],
            fmt="o",
            color=BLUE,
            capsize=3,
            label="forecast, 90 % interval",
        )
        axes.scatter(
            [100 * each.guess for each in forecasts],
            places,
            marker="|",
            s=90,
            color=VERMILLION,
            zorder=3,
            label="guess",
        )
        for kind, marker, label in ((False, "D", "rehearsed"), (True, "s", "measured")):
            points = [
                (100 * share, place)
                for place, (device, _) in enumerate(found)
                for measured, share in validated.get(device, ())
                if measured is kind
            ]
            if not points:
                continue
            across, along = zip(*points, strict=True)
            axes.scatter(
                across,
                along,
                marker=marker,
                s=34,
                facecolors=GREEN if kind else "none",
                edgecolors=GREEN if kind else ORANGE,
                linewidths=1.8,
                zorder=4,
                label=label,
            )
        axes.set_yticks(list(places), [short(device) for device, _ in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.set_xlabel("accuracy (%)")
        axes.grid(axis="x", color=GREY, alpha=0.3, linewidth=0.6)
        figure.legend(loc="outside upper right", ncols=5, fontsize=9)
    return svg[0]


def loss_by_source(causes: Sequence[tuple[str, Why]]) -> str:
    """What each source contributes to the error of the outputs and to the loss of accuracy, stacked by device.

    Returns:
        An `<svg>` element; an empty string where nothing was split.
    """
    if not causes:
        return ""
    sources = list(dict.fromkeys(part.source for _, why in causes for part in why.parts))
    with new_figure(8.6, 1.4 + 0.45 * len(causes), "why") as (figure, svg):
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name, scale in ((panels[0], "outputs", 1), (panels[1], "accuracy", 100)):
            parts = scale * np.array(
                [
                    [sum(getattr(p, name) for p in why.parts if p.source == source) for _, why in causes]
                    for source in sources
                ]
            )
            for number, (source, lengths) in enumerate(zip(sources, parts, strict=True)):
                same_side = np.where(parts[:number] * lengths > 0, parts[:number], 0.0)
                axes.barh(
                    range(len(causes)),
                    lengths,
                    left=same_side.sum(axis=0),
                    height=0.6,
                    color=PALETTE[number % len(PALETTE)],
                    hatch=HATCHES[number % len(HATCHES)],
                    edgecolor="white",
                    linewidth=0.5,
                    label=source if axes is panels[0] else None,
                )
            axes.axvline(0, color=GREY, linewidth=1)
        panels[0].set_yticks(range(len(causes)), [short(device) for device, _ in causes])
        panels[0].invert_yaxis()
        panels[0].set_xlabel("mean |error| of outputs (dimensionless)")
        panels[1].set_xlabel("loss of accuracy (points)")
        figure.legend(loc="outside upper center", ncols=len(sources), fontsize=9)
    return svg[0]
