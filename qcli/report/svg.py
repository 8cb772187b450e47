"""Figures as SVG text to stand inside a page: same data, same bytes.

Colours are Okabe and Ito's, told apart with any colour vision; text and axes take the colour of the page.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, VERMILLION, GREEN, ORANGE, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
PALETTE = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, "#56B4E9")
GREY = "#888888"
PAGE_COLOUR = "#010203"
"""Stands for the colour of the text around the plot until the SVG is written."""

LONGEST_NAME = 32
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "qcli",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": PAGE_COLOUR,
    "axes.labelcolor": PAGE_COLOUR,
    "text.color": PAGE_COLOUR,
    "xtick.color": PAGE_COLOUR,
    "ytick.color": PAGE_COLOUR,
    "legend.frameon": False,
}


def short(name: str) -> str:
    """A name that leaves room for the plot."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def legend_line(colour: str, **style: Any) -> Any:
    """An entry of a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, **style)


@contextmanager
def new_figure(width: float, height: float, name: str) -> Iterator[tuple["Figure", list[str]]]:
    """A figure of `width` x `height` inches; on leaving, its SVG is put in the list given."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    svg: list[str] = []
    with rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, svg
        svg.append(_inline(figure, name))


def _inline(figure: "Figure", name: str) -> str:
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    written = buffer.getvalue()
    svg = written[written.index("<svg") :].strip().replace(PAGE_COLOUR, "currentColor")
    prefix = re.sub(r"[^a-z0-9]+", "-", name.lower())
    svg = re.sub(r'\b(id="|href="#|url\(#)', rf"\1{prefix}-", svg)
    return re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
