"""Forecasts against measured results: how far off, how often inside the interval, and how wide that was."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from qcli.circuit.openqasm import read_circuit
from qcli.device.catalogue import catalogue, find
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.circuit import Answer, Prediction, bitstring, predict, respond
from qcli.forecast.figures import anonymous

COLUMNS = ("circuit", "device", "date", "shots", "target", "measured")
NO_CALIBRATION = "no calibration of this device: the guess"


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
        facts: dict[str, Any] = {"circuit": str(self.result.circuit), "device": self.result.device}
        facts |= {"date": self.result.on.isoformat(), "shots": self.result.shots}
        return facts | {
            "target": self.result.target,
            "measured": self.result.measured,
            "covered": self.covered,
            **self.forecast.to_json(),
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
    if missing := [name for name in COLUMNS if name not in header]:
        raise QcliError(
            f"no column {', '.join(missing)}", str(path), f"the header must name {', '.join(COLUMNS)}"
        )
    if not table:
        raise QcliError("no results in the file", str(path), "give at least one row")
    return [_row(cells, path, line) for line, cells in table]


def _row(cells: dict[str | Any, str | Any], path: Path, line: int) -> Measured:
    try:
        if None in cells:
            raise ValueError("more cells than columns")
        if empty := [name for name in COLUMNS if not cells[name].strip()]:
            raise ValueError(f"no {', '.join(empty)}")
        found = Measured(
            path.parent / cells["circuit"].strip(),
            cells["device"].strip(),
            date.fromisoformat(cells["date"].strip()[:10]),
            int(cells["shots"]),
            cells["target"].strip(),
            float(cells["measured"]),
            line,
        )
    except ValueError as error:
        raise QcliError(
            f"line {line}: {error}", str(path), "dates are ISO, shots an integer, measured a probability"
        ) from None
    if found.shots < 1 or not 0 <= found.measured <= 1:
        what = f"line {line}: {found.shots} shots, measured {found.measured}"
        raise QcliError(what, str(path), "shots are positive, measured is a probability")
    return found


def score(
    results: Sequence[Measured], on_row: Callable[[int], None] = lambda done: None, seed: int = 0
) -> list[Scored]:
    """Forecast every result as of its date; a circuit is compiled and simulated once for each device.

    A device of a known vendor that has no record is given the guess, and its row says so.

    Raises:
        QcliError: a circuit or device that cannot be forecast; names the line.
    """

    @cache
    def answer(circuit: Path, device: str, target: str) -> tuple[Answer, str]:
        record, note = _record(device)
        return respond(bitstring(read_circuit(circuit), target), record), note

    scored = []
    for number, result in enumerate(results, start=1):
        try:
            found, note = answer(result.circuit, result.device, result.target)
            prediction = predict(found, result.shots, result.on, seed)
        except QcliError as error:
            where = f"{result.circuit}, {result.device}"
            raise QcliError(f"line {result.line}: {error.what}", where, error.fix) from None
        if note:
            prediction = replace(prediction, basis=f"{note}; {prediction.basis}")
        scored.append(Scored(result, prediction))
        on_row(number)
    return scored


def summary(scored: Sequence[Scored]) -> dict[str, Any]:
    """Mean absolute error, bias (forecast − measured), coverage and mean width of the interval, the guess's error."""
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
        "rows": [each.to_json() for each in scored],
    }


def _record(name: str) -> tuple[Device, str]:
    """The device's record; for a vendor's device without one, that of its largest, which the guess makes nameless."""
    try:
        return find(name), ""
    except QcliError:
        words = name.lower().replace("/", "_").split("_")
        alike = [device for device in catalogue().values() if device.vendor.lower() in words]
        if not alike:
            raise
        largest = max(alike, key=lambda device: device.qubit_count)
        return anonymous(largest), NO_CALIBRATION
