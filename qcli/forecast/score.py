"""Forecasts against measured results: how far off, how often inside the interval, and how wide that was."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from qcli.circuit.openqasm import read_circuit
from qcli.device.catalogue import catalogue, find, vendor_of
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.circuit import Answer, Prediction, bitstring, predict, respond
from qcli.forecast.figures import anonymous
from qcli.forecast.optimism import Optimism, optimism

COLUMNS = ("circuit", "device", "date", "shots", "target", "measured")
MOST_SHOTS = 10**9
NO_CALIBRATION = "no calibration of this device: the guess"
_UNKNOWN = 0.5
"""Least standard deviation of the logarithm of a vendor's devices' errors: two devices can be alike by chance."""


@dataclass(frozen=True)
class Measured:
    """One result: the share of `shots` that gave `target`. `line` is its place in the file."""

    circuit: Path
    device: str
    on: date
    shots: int
    target: str
    measured: float
    line: int


@dataclass(frozen=True)
class Scored:
    """A result beside its forecast."""

    result: Measured
    forecast: Prediction

    @property
    def error(self) -> float:
        """Forecast − measured."""
        return self.forecast.value - self.result.measured

    @property
    def covered(self) -> bool:
        """Whether the interval holds the result."""
        return self.forecast.low <= self.result.measured <= self.forecast.high

    def to_json(self) -> dict[str, Any]:
        return {**_facts(self.result), "covered": self.covered, **self.forecast.to_json()}


@dataclass(frozen=True)
class Refused:
    """A result that cannot be forecast, and why."""

    result: Measured
    error: QcliError

    def to_json(self) -> dict[str, Any]:
        return {**_facts(self.result), "error": self.error.what}


def _facts(result: Measured) -> dict[str, Any]:
    return {
        "line": result.line,
        "circuit": str(result.circuit),
        "device": result.device,
        "date": result.on.isoformat(),
        "shots": result.shots,
        "target": result.target,
        "measured": result.measured,
    }


def read_results(path: Path) -> list[Measured]:
    """The rows of a CSV file with the columns of `COLUMNS`; circuits are OpenQASM files relative to it.

    Raises:
        QcliError: the file or a circuit is missing, or a cell is not what its column holds; names the line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file, restval="", skipinitialspace=True)
            header, table = lines.fieldnames or (), [(lines.line_num, cells) for cells in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise QcliError(f"cannot read the results: {error}", str(path), "give a CSV file") from None
    _check(header, path)
    if not table:
        raise QcliError("no results in the file", str(path), "give at least one row")
    return [_row(cells, path, line) for line, cells in table]


def _check(header: Sequence[str], path: Path) -> None:
    fix = f"the header must name {', '.join(COLUMNS)}"
    if missing := [name for name in COLUMNS if name not in header]:
        split = {name.strip(' "') for cell in header for name in re.split("[;\t]", cell)}
        if split.issuperset(COLUMNS):
            raise QcliError("the columns are not separated by commas", str(path), "separate them with commas")
        raise QcliError(f"no column {', '.join(missing)}", str(path), fix)
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        raise QcliError(f"{', '.join(twice)} is named twice", str(path), f"{fix}, each once")


def _row(cells: dict[str | Any, str | Any], path: Path, line: int) -> Measured:
    try:
        if None in cells:
            raise ValueError("more cells than columns")
        if empty := [name for name in COLUMNS if not cells[name].strip()]:
            raise ValueError(f"no {', '.join(empty)}")
        found = Measured(
            path.parent / cells["circuit"].strip(),
            cells["device"].strip(),
            _day(cells["date"].strip()),
            int(cells["shots"]),
            cells["target"].strip(),
            float(cells["measured"]),
            line,
        )
    except ValueError as error:
        raise QcliError(
            f"line {line}: {error}", str(path), "dates are ISO, shots an integer, measured a probability"
        ) from None
    if not 1 <= found.shots <= MOST_SHOTS or not 0 <= found.measured <= 1:
        what = f"line {line}: {found.shots} shots, measured {found.measured}"
        raise QcliError(what, str(path), f"shots are 1 to {MOST_SHOTS:,}, measured is a probability")
    return found


def _day(text: str) -> date:
    """Of an ISO date, or date and time."""
    day, *clock = re.split("[T ]", text, maxsplit=1)
    for each in clock:
        time.fromisoformat(each)
    return date.fromisoformat(day)


def score(
    results: Sequence[Measured], on_row: Callable[[int], None] = lambda done: None, seed: int = 0
) -> tuple[list[Scored], list[Refused]]:
    """Forecast every result as of its date; a circuit is compiled and simulated once for each device.

    A device of a known vendor that has no record is given the guess, and its row says so.

    Returns:
        The results that could be forecast, and the refusals of the others.

    Raises:
        QcliError: none can be forecast; the first refusal, with its line.
    """

    @cache
    def answer(circuit: Path, device: str, target: str) -> Answer:
        record, trust = _record(device)
        return respond(bitstring(read_circuit(circuit), target), record, trust)

    scored: list[Scored] = []
    refused: list[Refused] = []
    for number, result in enumerate(results, start=1):
        try:
            found = answer(result.circuit, result.device, result.target)
            scored.append(Scored(result, predict(found, result.shots, result.on, seed)))
        except QcliError as error:
            where = f"{result.circuit}, {result.device}"
            refused.append(Refused(result, QcliError(f"line {result.line}: {error.what}", where, error.fix)))
        on_row(number)
    if not scored:
        raise refused[0].error
    return scored, refused


def summary(scored: Sequence[Scored], refused: Sequence[Refused] = ()) -> dict[str, Any]:
    """Mean absolute error, bias (forecast − measured), coverage and mean width of the interval, the guess's error.

    `rows` are in the order of the file, each with its `line`; those that could not be forecast have an `error`, and
    count nowhere else.
    """
    rows: list[Scored | Refused] = [*scored, *refused]
    errors = np.array([each.error for each in scored])
    guesses = np.array([each.forecast.guess - each.result.measured for each in scored])
    widths = np.array([each.forecast.high - each.forecast.low for each in scored])
    return {
        "n": len(scored),
        "mae": float(np.abs(errors).mean()),
        "bias": float(errors.mean()),
        "coverage": float(np.mean([each.covered for each in scored])),
        "mean_width": float(widths.mean()),
        "guess_mae": float(np.abs(guesses).mean()),
        "rows": [each.to_json() for each in sorted(rows, key=lambda each: each.result.line)],
    }


def _record(name: str) -> tuple[Device, Optimism]:
    """The device's record; for a vendor's device without one that of its largest, which the guess makes nameless.

    Both factors are then as uncertain, besides, as devices of the vendor differ in their median two-qubit error.
    """
    try:
        device = find(name)
    except QcliError:
        vendor = vendor_of(name)
        if vendor is None:
            raise
        alike = [device for device in catalogue().values() if device.vendor == vendor]
        largest, trust = max(alike, key=lambda device: device.qubit_count), optimism(vendor)
        errors = [median(e.error for e in device.usable_edges if e.error) for device in alike]
        spread = float(np.std(np.log(errors), ddof=1)) if len(errors) > 1 else 0.0
        spread = max(spread, _UNKNOWN)
        wider = replace(
            trust,
            between_devices=float(np.hypot(trust.between_devices, spread)),
            readout_spread=float(np.hypot(trust.readout_spread, spread)),
            basis=f"{NO_CALIBRATION}; {trust.basis}",
        )
        return anonymous(largest), wider
    return device, optimism(device.vendor)
