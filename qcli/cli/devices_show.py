"""`qcli devices show`: a map of a device's qubits and couplers, coloured by error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from qcli.device.drawing import Scale
    from qcli.device.record import Device

LISTED = 5


def show(
    device: Annotated[str, typer.Argument(help="Such as braket/garnet, emulator/garnet or ibm_fez.")],
    by: Annotated[
        str,
        typer.Option(
            metavar="error|readout|1q", help="What colours the qubits; error is the last two together."
        ),
    ] = "error",
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw the map into an SVG file.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Draw a device's qubits and couplers coloured by error, and list the best and the worst.

    \b
    qcli devices show braket/garnet
    qcli devices show ibm/fez --by readout --svg fez.svg
    """
    from qcli.cli.console import note
    from qcli.device import drawing
    from qcli.device.catalogue import find
    from qcli.errors import QcliError
    from qcli.files import nearest, write_atomic

    if by not in drawing.MEASURES:
        raise QcliError(f"no colouring {by!r}", "--by", nearest(by, drawing.MEASURES))
    shown = find(device)
    if svg is not None:
        write_atomic(svg, drawing.svg(shown, by))
    if json_:
        _print_json(shown, by)
    else:
        _print_map(shown, by)
    if svg is not None:
        note(f"written: {svg}")


def _print_json(device: Device, by: str) -> None:
    import json

    from qcli.device.drawing import MEASURES
    from qcli.device.layout import spread

    places, figure = spread(device), MEASURES[by][1]
    content = {
        "schema": "qcli.device-map/1",
        "device": device.key,
        "calibrated_on": device.calibrated_on.isoformat(),
        "by": by,
        "qubits": [
            {"id": q.id, "x": places[q.id][0], "y": places[q.id][1], "error": figure(q)}
            for q in device.qubits
        ],
        "edges": [{"a": edge.a, "b": edge.b, "error": edge.error} for edge in device.edges],
    }
    typer.echo(json.dumps(content, indent=1))


def _print_map(device: Device, by: str) -> None:
    from datetime import date

    from rich.console import Console
    from rich.text import Text

    from qcli.cli.console import LEAST_WIDTH, answer
    from qcli.device.drawing import MEASURES, drawn, edge_cell, qubit_cell, scale

    title, figure = MEASURES[by]
    width = max(Console().width, LEAST_WIDTH)
    age = device.age_days(date.today())
    qubits = {str(qubit.id): figure(qubit) for qubit in device.qubits}
    edges = {f"{edge.a}–{edge.b}": edge.error for edge in device.edges}
    qubit_scale, edge_scale = scale(list(qubits.values())), scale(list(edges.values()))
    picture = drawn(device, by, width)
    parts: list[RenderableType] = [
        f"{device.key}: {device.full_name}, calibrated on {device.calibrated_on}, {age} days ago"
    ]
    if picture is not None:
        qubit_cells = [qubit_cell("   ", low, qubit_scale) for low in _lows(qubit_scale)]
        edge_cells = [edge_cell(low, edge_scale) for low in _lows(edge_scale)]
        legends = (
            _legend(f"qubits, {title}, %", qubit_scale, qubit_cells),
            _legend("couplers, two-qubit error, %", edge_scale, edge_cells),
        )
        parts += [picture, Text("\n").join(legends)]
    elif device.all_to_all:
        parts.append(
            "Every pair of qubits is coupled: there is no map to draw here; --svg FILE draws a ring."
        )
    else:
        parts.append(f"No map fits {width} columns: --svg FILE draws one.")
    parts += [_extremes(f"qubits, {title}", qubits), _extremes("couplers, two-qubit error", edges)]
    for what, figures in (("qubits", qubits), ("couplers", edges)):
        if lost := [name for name, value in figures.items() if value is None]:
            parts.append(f"{what} without calibration: {', '.join(lost)}")
    answer({}, parts, as_json=False)


def _lows(scale: Scale | None) -> list[float]:
    return [low for _, low, _ in scale.ranges()] if scale else []


def _legend(title: str, scale: Scale | None, samples: list[Text]) -> Text:
    from rich.text import Text

    ranges = [f" {100 * low:.2g}–{100 * high:.2g}  " for _, low, high in scale.ranges()] if scale else []
    parts = [part for pair in zip(samples, map(Text, ranges), strict=True) for part in pair]
    return Text("").join([Text(f"{title + ':':<34}"), *parts])


def _extremes(title: str, figures: dict[str, float | None]) -> Table | str:
    """The best and the worst few; a sentence where all are the same."""
    from rich import box
    from rich.table import Table

    known = sorted((value, name) for name, value in figures.items() if value is not None)
    if known and known[0][0] == known[-1][0]:
        return f"{title}: {100 * known[0][0]:.3g} % for every one, the device's average"
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    for heading in ("best", "%", "worst", "%"):
        table.add_column(heading, justify="right")
    for (low, best), (high, worst) in list(zip(known, reversed(known), strict=True))[:LISTED]:
        table.add_row(best, f"{100 * low:.3f}", worst, f"{100 * high:.3f}")
    return table
