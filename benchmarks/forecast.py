"""How good the forecast is on public results of real devices: python benchmarks/forecast.py [--markdown | --choices].

Leave-one-device-out: for each device, the factors on gate errors and their spread are fitted on the other devices'
results, and the factor on the readout errors of zeros is that of ZEROS which serves those best; then every result of
the device is forecast as of its date, from a calibration of another date. The guess knows the circuit and the vendor,
but no calibration of the device; "same width" is the mean of the other devices' results for the very same circuit,
which only a benchmark has.

The circuit is a ZZ feature map U(x) on n qubits, a barrier, and its inverse, all qubits measured; the score is the
share of 1,000 shots that gave 0…0. Results: unitaryfoundation/metriq-data at 76b4640, CC BY 4.0.

`--choices` prints the error for other weights of a published figure and other factors on zeros, the factors on gates
being fitted anew each time, and what comes out where the weight, too, is chosen without the device.

`--csv FOLDER` writes the results as files that `qcli forecast score FOLDER/results.csv` takes.
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
from qiskit import QuantumCircuit, qasm2
from scipy.stats import norm, t

from qcli.device.catalogue import find
from qcli.forecast.circuit import Answer, Prediction, bitstring, predict, respond
from qcli.forecast.figures import RELIABILITY, expected
from qcli.forecast.optimism import Optimism, optimism
from qcli.forecast.response import GATES, curve

SHOTS = 1000
ZEROS = (1.0, 0.75, 0.5)
WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
RESULTS = {
    ("ibm_fez", "2025-10-20"): {10: 0.598, 20: 0.401},
    ("ibm_fez", "2025-11-11"): {
        2: 0.988, 4: 0.758, 6: 0.778, 8: 0.664, 10: 0.773, 12: 0.615, 14: 0.492, 16: 0.493, 18: 0.499, 20: 0.372,
        22: 0.334, 24: 0.338, 26: 0.298, 28: 0.312, 30: 0.289,
    },
    ("ibm_kingston", "2025-10-20"): {10: 0.812, 20: 0.573},
    ("ibm_kingston", "2025-11-11"): {
        2: 0.985, 4: 0.946, 6: 0.905, 8: 0.855, 10: 0.826, 12: 0.689, 14: 0.677, 16: 0.652, 18: 0.594, 20: 0.6,
        22: 0.493, 24: 0.541, 26: 0.468, 28: 0.487, 30: 0.46,
    },
    ("ibm_marrakesh", "2025-10-20"): {10: 0.781, 20: 0.539},
    ("ibm_marrakesh", "2025-11-11"): {
        2: 0.993, 4: 0.941, 6: 0.907, 8: 0.824, 10: 0.794, 12: 0.73, 14: 0.528, 16: 0.525, 18: 0.482, 20: 0.443,
        22: 0.534, 24: 0.336, 26: 0.367, 28: 0.445, 30: 0.379,
    },
    ("ibm_torino", "2025-10-20"): {10: 0.669, 20: 0.454},
    ("ibm_torino", "2025-11-11"): {
        2: 0.977, 4: 0.929, 6: 0.84, 8: 0.789, 10: 0.758, 12: 0.687, 14: 0.638, 16: 0.563, 18: 0.501, 20: 0.488,
        22: 0.432, 24: 0.335, 26: 0.294, 28: 0.313, 30: 0.279,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One measured share of 0…0, and how the noise model answers on that device."""

    device: str
    on: date
    qubits: int
    measured: float
    answer: Answer


def kernel(qubits: int) -> QuantumCircuit:
    """The feature map, a barrier, and its inverse, measured."""
    x = 2 * np.pi * np.random.RandomState(0).random_sample(qubits)
    feature_map = QuantumCircuit(qubits)
    feature_map.h(range(qubits))
    for wire in range(qubits):
        feature_map.rz(x[wire], wire)
    for first in (0, 1):
        for a in range(first, qubits - 1, 2):
            feature_map.cx(a, a + 1)
            feature_map.rz((np.pi - x[a]) * (np.pi - x[a + 1]), a + 1)
            feature_map.cx(a, a + 1)
    circuit = QuantumCircuit(qubits, qubits)
    circuit.compose(feature_map, inplace=True)
    circuit.barrier()
    circuit.compose(feature_map.inverse(), inplace=True)
    circuit.measure(range(qubits), range(qubits))
    return circuit


@cache
def results(weight: float = RELIABILITY, zeros: float = optimism("IBM").zeros) -> list[Result]:
    """With so much weight on published figures, and such a factor on the readout errors of zeros."""
    trust = replace(optimism("IBM"), zeros=zeros)
    known: dict[tuple[str, int], Answer] = {}
    found = []
    with (
        patch("qcli.forecast.figures.optimism", lambda vendor: trust),
        patch("qcli.forecast.circuit.expected", partial(expected, reliability=weight)),
    ):
        for (device, day), shares in RESULTS.items():
            for qubits, measured in shares.items():
                if (device, qubits) not in known:
                    asked = bitstring(kernel(qubits), "0" * qubits)
                    known[device, qubits] = respond(asked, find(device), trust)
                found.append(Result(device, date.fromisoformat(day), qubits, measured, known[device, qubits]))
    return found


def without(device: str, rows: Sequence[Result]) -> list[Result]:
    return [row for row in rows if row.device != device]


def forecasts(device: str, rows: Sequence[Result]) -> list[Prediction]:
    """Of a device's results, by what is fitted on the others'."""
    trust = fitted(without(device, rows))
    return [predict(replace(row.answer, trust=trust), SHOTS, row.on) for row in rows if row.device == device]


def error(rows: Sequence[Result]) -> float:
    """Mean |error| of what is fitted on these very results."""
    trust = fitted(rows)
    found = [float(curve(GATES, row.answer.by_gates)(trust.gates)) - row.measured for row in rows]
    return float(np.abs(found).mean())


def chosen(device: str, weights: Sequence[float]) -> list[Result]:
    """All results, with the weight and the factor on zeros that serve the other devices best."""
    options = [results(weight, zeros) for weight in weights for zeros in ZEROS]
    return min(options, key=lambda rows: error(without(device, rows)))


def fitted(rows: Sequence[Result]) -> Optimism:
    """Each device's factor on gates is that of the least mean |error|; what is left of its results is day to day."""
    factors = np.exp(np.linspace(np.log(0.5), np.log(4.5), 200))
    best, left = [], []
    for device in sorted({row.device for row in rows}):
        own = [row for row in rows if row.device == device]
        # of shape (results, factors)
        values = np.array([curve(GATES, row.answer.by_gates)(factors) for row in own])
        measured = np.array([row.measured for row in own])
        chosen = factors[np.abs(values - measured[:, None]).mean(axis=0).argmin()]
        best.append(np.log(chosen))
        # the factor that each result would need
        needed = [factors[np.abs(each - m).argmin()] for each, m in zip(values, measured, strict=True)]
        left += [np.log(f / chosen) for f, row in zip(needed, own, strict=True) if row.qubits > 4]
    # what a device not among them has, at the ends of a 90 % interval: Student's t, written as a normal deviation
    few = len(best)
    spread = float(np.std(best, ddof=1) * np.sqrt(1 + 1 / few) * t.ppf(0.95, few - 1) / norm.ppf(0.95))
    usual = optimism("IBM")
    return replace(
        usual, gates=float(np.exp(np.mean(best))), between_devices=spread, day_to_day=float(np.std(left))
    )


def line(
    name: str, forecasts: Sequence[Prediction], rows: Sequence[Result], same: Sequence[float]
) -> list[str]:
    measured = np.array([row.measured for row in rows])
    value, guess, published = (
        np.array([getattr(each, field) for each in forecasts]) for field in ("value", "guess", "as_published")
    )
    low, high = (np.array([getattr(each, field) for each in forecasts]) for field in ("low", "high"))
    inside = (low <= measured) & (measured <= high)
    return [
        name,
        str(len(rows)),
        *(f"{np.abs(x - measured).mean():.3f}" for x in (value, guess, np.array(same), published)),
        f"{(value - measured).mean():+.3f}",
        f"{100 * inside.mean():.0f} %",
        f"{(high - low).mean():.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--csv", type=Path, help="write results.csv and the circuits into this folder, and stop"
    )
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--choices", action="store_true", help="compare weights and factors, and stop")
    options = parser.parse_args()
    if options.csv:
        write(options.csv)
        return
    if options.choices:
        choices()
        return
    devices = sorted({device for device, _ in RESULTS})
    table, every, nearby = [], [], []
    for held_out in devices:
        rows = chosen(held_out, [RELIABILITY])
        own = [row for row in rows if row.device == held_out]
        found = forecasts(held_out, rows)
        same = [
            float(np.mean([r.measured for r in without(held_out, rows) if r.qubits == row.qubits]))
            for row in own
        ]
        table.append(line(held_out, found, own, same))
        say(f"without {held_out}", without(held_out, rows))
        every += found
        nearby += same
    ordered = [row for device in devices for row in results() if row.device == device]
    table.append(line("all", every, ordered, nearby))
    say("on all", results())
    header = [
        "device",
        "n",
        "forecast MAE",
        "guess MAE",
        "same width MAE",
        "as published MAE",
        "bias",
        "coverage",
        "width",
    ]
    if options.markdown:
        print("| " + " | ".join(header) + " |\n|" + "---|" * len(header))
        print("\n".join("| " + " | ".join(cells) + " |" for cells in table))
    else:
        for cells in (header, *table):
            print("".join(f"{cell:>18}" for cell in cells))


def say(what: str, rows: Sequence[Result]) -> None:
    trust, zeros = fitted(rows), rows[0].answer.trust.zeros
    print(f"{what}: gates {trust.gates:.2f}, between devices {trust.between_devices:.2f}, "
          f"day to day {trust.day_to_day:.2f}, zeros {zeros:g}")  # fmt: skip


def choices() -> None:
    devices = sorted({device for device, _ in RESULTS})
    for weight in WEIGHTS:
        for zeros in ZEROS:
            rows = results(weight, zeros)
            summed_up(f"weight {weight:<4} zeros {zeros:<4}", dict.fromkeys(devices, rows))
    summed_up("weight and zeros chosen on the others", {each: chosen(each, WEIGHTS) for each in devices})


def summed_up(what: str, rows: dict[str, list[Result]]) -> None:
    """The scores of forecasts of each device, by rows of its own."""
    pairs = [
        (found, row.measured)
        for device, all_rows in rows.items()
        for found, row in zip(
            forecasts(device, all_rows), [r for r in all_rows if r.device == device], strict=True
        )
    ]
    mae, guess = (np.mean([abs(getattr(f, name) - m) for f, m in pairs]) for name in ("value", "guess"))
    coverage = np.mean([f.low <= m <= f.high for f, m in pairs])
    print(f"{what}: MAE {mae:.3f}, guess {guess:.3f}, coverage {coverage:.0%}", flush=True)


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["circuit", "device", "date", "shots", "target", "measured"])
        for (device, day), shares in RESULTS.items():
            for qubits, measured in shares.items():
                name = f"kernel-{qubits:02}.qasm"
                qasm2.dump(kernel(qubits), folder / name)
                writer.writerow([name, device, day, SHOTS, "0" * qubits, measured])


if __name__ == "__main__":
    main()
