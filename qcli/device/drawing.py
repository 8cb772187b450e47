"""A map of a device's qubits and couplers by error, for the terminal and as SVG."""

import io
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from qcli.device.layout import lattice, spread
from qcli.device.record import Device, Qubit

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = ("#0072B2", "#56B4E9", "#009E73", "#E69F00", "#D55E00")
ACROSS = ("━━━", "───", "╌╌╌", "┄┄┄", "···")
DOWN = ("┃", "│", "╎", "┆", "·")
GREY = "#999999"
_CELL = 3


def _both(qubit: Qubit) -> float | None:
    if qubit.error_1q is None or qubit.readout_error is None:
        return None
    return 1 - (1 - qubit.error_1q) * (1 - qubit.readout_error)


MEASURES: Mapping[str, tuple[str, Callable[[Qubit], float | None]]] = {
    "error": ("one gate and readout", _both),
    "readout": ("readout error", lambda qubit: qubit.readout_error),
    "1q": ("one-qubit error", lambda qubit: qubit.error_1q),
}
"""What colours the qubits: its name as printed, and the figure of a qubit."""


@dataclass(frozen=True)
class Scale:
    """Fifths of a set of figures; `bounds` are between them, ascending."""

    low: float
    high: float
    bounds: tuple[float, ...]

    def fifth(self, value: float) -> int:
        """0 for the best to 4 for the worst."""
        return bisect_right(self.bounds, value)

    def ranges(self) -> list[tuple[int, float, float]]:
        """Class, lower and upper end of each fifth that is not empty."""
        ends = (self.low, *self.bounds, self.high)
        return [(i, a, b) for i, (a, b) in enumerate(pairwise(ends)) if a < b or i == 0]


def scale(values: list[float | None]) -> Scale | None:
    """The scale of the figures that are known, None if none is."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    bounds = tuple(quantiles(known, n=5, method="inclusive")) if known[0] < known[-1] else ()
    return Scale(known[0], known[-1], bounds)


def drawn(device: Device, by: str, width: int) -> "Text | None":
    """The lattice with couplers and qubits coloured by fifths; None if there is no lattice or it is too wide."""
    from rich.text import Text

    places = lattice(device)
    if places is None:
        return None
    rows, columns = (1 + max(place[axis] for place in places.values()) for axis in (0, 1))
    if (2 * columns - 1) * _CELL > width:
        return None
    figure = MEASURES[by][1]
    qubit_scale = scale([figure(qubit) for qubit in device.qubits])
    edge_scale = scale([edge.error for edge in device.edges])
    cells = [[Text(" " * _CELL) for _ in range(2 * columns - 1)] for _ in range(2 * rows - 1)]
    for qubit in device.qubits:
        row, column = places[qubit.id]
        cells[2 * row][2 * column] = qubit_cell(f"{qubit.id:^{_CELL}}", figure(qubit), qubit_scale)
    for edge in device.edges:
        (r1, c1), (r2, c2) = places[edge.a], places[edge.b]
        cells[r1 + r2][c1 + c2] = edge_cell(edge.error, edge_scale, across=r1 == r2)
    return Text("\n").join(Text("").join(line) for line in cells)


def qubit_cell(label: str, value: float | None, scale: Scale | None) -> "Text":
    """A qubit as drawn; without a figure, grey and struck out."""
    from rich.text import Text

    if value is None or scale is None:
        return Text(label, style=f"{GREY} strike")
    return Text(label, style=f"bold white on {COLOURS[scale.fifth(value)]}")


def edge_cell(value: float | None, scale: Scale | None, across: bool = True) -> "Text":
    """A coupler as drawn; without a figure, a grey cross."""
    from rich.text import Text

    if value is None or scale is None:
        return Text(f"{'×':^{_CELL}}", style=GREY)
    shape = (ACROSS if across else DOWN)[scale.fifth(value)]
    return Text(f"{shape:^{_CELL}}", style=COLOURS[scale.fifth(value)])


def svg(device: Device, by: str) -> str:
    """The map as an SVG document: qubits and couplers by error on two logarithmic scales, uncalibrated ones grey."""
    from matplotlib import rc_context
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure

    places = spread(device)
    xs, ys = zip(*places.values(), strict=True)
    width, height = 0.55 * (max(xs) - min(xs)) + 3.5, max(0.55 * (max(ys) - min(ys)) + 1.5, 3.5)
    title, figure_of = MEASURES[by]
    qubit_values = {qubit.id: figure_of(qubit) for qubit in device.qubits}
    edge_values = [edge.error for edge in device.edges]
    with rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "qcli", "font.family": "sans-serif", "font.size": 8}
    ):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        edge_map, qubit_map = (
            ScalarMappable(_norm(values), "viridis_r")
            for values in (edge_values, list(qubit_values.values()))
        )
        axes.add_collection(
            LineCollection(
                [(places[edge.a], places[edge.b]) for edge in device.edges],
                colors=[_colour(edge_map, value) for value in edge_values],
                linestyles=["dotted" if value is None else "solid" for value in edge_values],
                linewidths=0.6 if device.all_to_all else 4,
                zorder=1,
            )
        )
        colours = [_colour(qubit_map, qubit_values[qubit]) for qubit in places]
        axes.scatter(xs, ys, s=260, c=colours, edgecolors="black", linewidths=0.5, zorder=2)
        for qubit, (x, y) in places.items():
            box = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
            axes.text(x, y, str(qubit), ha="center", va="center", fontsize=7, bbox=box, zorder=3)
        axes.set_aspect("equal")
        axes.margins(0.06)
        axes.invert_yaxis()
        axes.set_axis_off()
        axes.set_title(f"{device.full_name}, calibrated on {device.calibrated_on}")
        figure.colorbar(edge_map, ax=axes, label="two-qubit error", shrink=0.8, fraction=0.05)
        figure.colorbar(
            qubit_map, ax=axes, label=f"qubits: {title}; grey: not calibrated", shrink=0.8, fraction=0.05
        )
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def _norm(values: list[float | None]) -> Any:
    """Logarithmic where the figures differ, else one colour."""
    from matplotlib.colors import LogNorm, Normalize

    known = [value for value in values if value]
    if len(set(known)) > 1:
        return LogNorm(min(known), max(known))
    return Normalize(0, 2 * known[0] if known else 1)


def _colour(mapping: Any, value: float | None) -> Any:
    return GREY if value is None else mapping.to_rgba(max(value, mapping.norm.vmin))
