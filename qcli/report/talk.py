"""The tables of a case study in the terminal."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from qcli.assess.talk import INFERENCES, SHOTS, Charged, Inferred, Seconds, Talk
from qcli.report import text
from qcli.report.parse import printable
from qcli.report.tables import longest, new_table
from qcli.report.text import NONE


def talk_tables(talk: Talk) -> list[Table]:
    """What an inference took on each device, and what each charges."""
    return [inferred_table(talk), charged_table(talk)]


def inferred_table(talk: Talk) -> Table:
    """By device: vendor, size, accuracy, time and cost of an inference."""
    rows = talk.inferred
    legend = []
    if any(row.kind == "device" for row in rows):
        legend.append("time per inference: by the clock, queue included")
    if any(row.kind == "rehearsal" for row in rows):
        legend.append("rehearsals ran on an emulator: USD are what the device would charge, the time is its")
        legend.append("machine time by the price sheet, a task per circuit, without queue")
    if any(row.kind == "simulator" and row.time is None for row in rows):
        legend.append("the simulator was not timed: validate-on-hardware --device sim does it")
    table = new_table(f"{printable(talk.model)}: time and cost of an inference", "\n".join(legend))
    _first_column(table, [row.device for row in rows])
    table.add_column("vendor", overflow="fold")
    table.add_column("qubits", justify="right")
    for header in (
        "inferences\n× shots",
        "accuracy\n95 % interval",
        "time per\ninference",
        "USD per\ninference",
    ):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            _name(row),
            Text(printable(row.vendor or NONE)),
            text.count(row.qubits),
            _asked(row),
            _accuracy(row),
            _time(row.time),
            text.usd(row.usd_per_inference),
        )
    return table


def charged_table(talk: Talk) -> Table:
    """By device: its prices, what the validation cost, and what the talk's way of submitting costs."""
    rows = talk.charged
    table = new_table("What the devices charge", "\n".join(_charges_legend(talk)))
    _first_column(table, [row.device for row in rows])
    prices = [
        (header, [getattr(row, name) for row in rows])
        for header, name in (
            ("USD per\ntask", "usd_per_task"),
            ("USD per\nshot", "usd_per_shot"),
            ("USD per\nQPU second", "usd_per_qpu_s"),
        )
    ]
    shown = [(header, values) for header, values in prices if any(value is not None for value in values)]
    headers = [*(header for header, _ in shown), "inferences\n× shots", "plan\ntasks", "USD\nas billed"]
    headers += [f"{INFERENCES} × {shots:,}\na task each" for shots in SHOTS]
    for header in headers:
        table.add_column(header, justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        table.add_row(
            _name(row),
            *(text.exact(value) if (value := values[number]) is not None else NONE for _, values in shown),
            _asked(row),
            Text(f"{printable(row.plan or NONE)}\n{text.count(row.tasks)}"),
            ("≤ " if row.usd_open else "") + text.usd(row.usd),
            *(text.usd(row.one_task_each[shots]) for shots in SHOTS),
        )
    return table


def _charges_legend(talk: Talk) -> list[str]:
    what = "circuit" if talk.circuits_per_inference > 1 else "inference"
    dates = sorted({row.verified_on for row in talk.charged if row.verified_on})
    legend = [f"a task each: {INFERENCES} inferences, one task per {what}, by the price sheet"]
    if talk.circuits_per_inference > 1:
        legend[0] += f" ({text.count(talk.circuits_per_inference)} circuits an inference)"
    if dates:
        legend.append(f"prices as of {', '.join(dates)}")
    if any(row.kind == "rehearsal" for row in talk.charged):
        legend.append("rehearsals cost nothing; as billed: what the device would charge")
    if any(row.usd_open for row in talk.charged):
        legend.append("≤: tasks that are not billed yet count with what is reserved for them")
    return legend + [line for row in talk.charged if (line := _journal(row))]


def _journal(row: Charged) -> str:
    """What the journal holds beyond the validation that is shown."""
    held = row.journal
    if held is None or row.usd is None or held.usd + held.usd_open == row.usd:
        return ""
    failed = f", {text.count(held.failed_tasks)} failed" if held.failed_tasks else ""
    usd = text.usd(held.usd + held.usd_open)
    return (
        f"{printable(row.device)}: the journal holds {usd} USD in all, {text.count(held.tasks)} tasks{failed}"
    )


def _first_column(table: Table, names: Sequence[str]) -> None:
    table.add_column("QPU", overflow="fold", min_width=longest(names))


def _name(row: Inferred | Charged) -> Text:
    if row.kind == "rehearsal":
        return Text.assemble(
            printable(row.device), (f"\nrehearsal of {printable(row.priced_as or NONE)}", "dim")
        )
    return Text(printable(row.device))


def _asked(row: Inferred | Charged) -> str:
    shots = "" if row.shots is None else f"\n× {text.count(row.shots)}"
    if row.mean_shots is not None:
        shots = f"\n× {text.number(row.mean_shots, 1)} (mean)"
    return f"{text.count(row.inferences)}{shots}"


def _accuracy(row: Inferred) -> str:
    if row.accuracy is None:
        return NONE
    value, low, high = row.accuracy
    return f"{text.percent(value)}\n{text.percent_range(low, high)}"


def _time(time: Seconds | None) -> str:
    if time is None:
        return NONE
    basis = "" if time.basis == "measured" else f"\n{time.basis}"
    return text.duration_range(time.low, time.high) + basis
