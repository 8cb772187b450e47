"""`qcli devices`: what the catalogue holds, with calibration dates and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from qcli.cli.devices_import import import_, readable, refresh
from qcli.cli.devices_show import show
from qcli.cli.groups import with_default

if TYPE_CHECKING:
    from rich.console import Console

    from qcli.device.record import Device

HELP = """List the QPUs whose calibration qcli holds, draw one, import a calibration, or refresh all.

\b
qcli devices
qcli devices braket/garnet
qcli devices show braket/garnet --svg garnet.svg
qcli devices import garnet.json
qcli devices refresh
"""
app = typer.Typer(cls=with_default("list"), help=HELP)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("list")
def devices(
    device: Annotated[
        str | None, typer.Argument(help="One device, such as braket/garnet, emulator/garnet or ibm_fez.")
    ] = None,
    json_: Json = False,
) -> None:
    """List the QPUs whose calibration qcli holds, or every figure of one in short; the word `list` may be left out.

    \b
    qcli devices
    qcli devices braket/garnet
    """
    from qcli.device.catalogue import find

    shown = [find(device)] if device else readable()
    if json_:
        _print_json(shown, qubits=device is not None)
    elif device:
        _show_one(shown[0])
    else:
        _show_all(shown)


app.command()(show)
app.command("import")(import_)
app.command()(refresh)


def _summary(device: Device) -> dict[str, Any]:
    from datetime import date

    return {
        "device": device.key,
        "full_name": device.full_name,
        "technology": device.technology,
        "qubits": device.qubit_count,
        "native_gates": [*device.one_qubit_gates, device.two_qubit_gate],
        "median_error_1q": _median([q.error_1q for q in device.usable]),
        "median_error_2q": _median([e.error for e in device.usable_edges]),
        "median_readout_error": _median([q.readout_error for q in device.usable]),
        "calibrated_on": device.calibrated_on.isoformat(),
        "age_days": device.age_days(date.today()),
        "status": device.status,
        "retired_on": device.retired_on.isoformat() if device.retired_on else None,
        "emulator": device.emulator,
    }


def _median(values: list[float | None]) -> float | None:
    from statistics import median

    known = [value for value in values if value is not None]
    return median(known) if known else None


def _print_json(shown: list[Device], qubits: bool) -> None:
    import json

    rows = []
    for device in shown:
        row = _summary(device)
        if qubits:
            details = device.model_dump(
                mode="json",
                include={"shots", "program_sets", "windows", "durations", "source", "licence", "notes"},
            )
            row |= details | {
                "qubit_figures": [qubit._asdict() for qubit in device.qubits],
                "edge_figures": [edge._asdict() for edge in device.edges],
            }
        rows.append(row)
    typer.echo(json.dumps({"schema": "qcli.devices/1", "devices": rows}, indent=1))


def _show_all(shown: list[Device]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(title="Devices", box=box.SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    numbers = ("qubits", "1q error", "2q error", "readout", "days")
    errors = numbers[1:4]
    headings = ("device", "technology", "qubits", "native gates", *errors, "calibrated", "days", "emulator")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in numbers else "left", no_wrap=True)
    for device in shown:
        row = _summary(device)
        table.add_row(
            device.key + (f" ({device.status})" if device.status in ("offline", "retired") else ""),
            device.technology,
            str(device.qubit_count),
            " ".join(row["native_gates"]),
            _percent(row["median_error_1q"], 3),
            _percent(row["median_error_2q"]),
            _percent(row["median_readout_error"]),
            row["calibrated_on"],
            str(row["age_days"]),
            device.emulator,
        )
    console = _console()
    console.print(table)
    console.print(
        "Errors are medians over calibrated qubits and edges. "
        "Days are since the calibration: figures drift within days.\n"
        "Source, durations and what is assumed: qcli devices DEVICE; a map: qcli devices show DEVICE",
        highlight=False,
    )


def _show_one(device: Device) -> None:
    from rich import box
    from rich.table import Table

    row = _summary(device)
    times = device.durations
    edges = device.usable_edges
    shape = ", all to all" if device.all_to_all else ""
    lines = {
        "device": f"{device.key}: {device.full_name}, {device.technology}",
        "emulator": device.emulator,
        "status": f"retired on {row['retired_on']}" if device.retired_on else device.status,
        "calibrated on": f"{row['calibrated_on']} ({row['age_days']} days ago)",
        "qubits": f"{device.qubit_count} calibrated of {len(device.qubits)}",
        "edges": f"{len(edges)} calibrated of {len(device.edges)}{shape}",
        "native gates": " ".join(row["native_gates"]),
        "shots": f"{device.shots[0]:,}–{device.shots[1]:,}" if device.shots else None,
        "program sets": _limits(device),
        "works (UTC)": _hours(device),
        "one-qubit error": _spread([q.error_1q for q in device.usable]),
        "two-qubit error": _spread([e.error for e in edges]),
        "read 1 after 0": _spread([q.p1_given_0 for q in device.usable]),
        "read 0 after 1": _spread([q.p0_given_1 for q in device.usable]),
        "T1": _times([q.t1_s for q in device.usable]),
        "T2": _times([q.t2_s for q in device.usable]),
        "gate times": f"one-qubit {_si(times.one_qubit_s)}, two-qubit {_si(times.two_qubit_s)}, "
        f"readout {_si(times.readout_s)} ({times.basis})",
        "times from": times.source,
        "source": f"{device.source} ({device.licence})",
        "notes": "\n".join(device.notes) or None,
    }
    table = Table(box=box.SIMPLE, show_header=False, padding=(0, 1, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for label, text in lines.items():
        if text:
            table.add_row(label, text)
    _console().print(table)


def _limits(device: Device) -> str | None:
    sets = device.program_sets
    return f"up to {sets.max_executables} circuits, {sets.max_total_shots:,} shots in all" if sets else None


def _hours(device: Device) -> str | None:
    windows = device.windows or ()
    days = {day: [w for w in windows if w.day == day] for day in dict.fromkeys(w.day for w in windows)}
    return (
        "\n".join(
            f"{day} {', '.join(f'{w.start:%H:%M}–{w.end:%H:%M}' for w in ws)}" for day, ws in days.items()
        )
        or None
    )


def _percent(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def _spread(values: list[float | None]) -> str | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return (
        f"median {_percent(_median(values), 3)}, from {_percent(min(known), 3)} to {_percent(max(known), 3)}"
    )


def _times(values: list[float | None]) -> str | None:
    middle = _median(values)
    return None if middle is None else f"median {_si(middle)}"


def _si(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _console() -> Console:
    """At least as wide as the table: a figure is never cut short, a narrow terminal wraps the line."""
    from rich.console import Console

    console = Console()
    console.width = max(console.width, 150)
    return console
