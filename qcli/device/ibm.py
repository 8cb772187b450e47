"""An IBM backend's configuration and properties into a device record.

Both are plain data as `QiskitRuntimeService` and the runtime's fake provider hold them. An error of 1 stands
for "not calibrated" there and becomes None here.
"""

import re
from typing import Any

from qcli.device.reading import SECONDS, complete, pair, positive, short_name
from qcli.device.record import Device, Status, device_from


def from_ibm(
    configuration: dict[str, Any],
    properties: dict[str, Any],
    *,
    source: str = "IBM Quantum backend properties",
    licence: str = "unstated",
    status: Status = "unknown",
    retired_on: str | None = None,
    where: str = "properties",
) -> Device:
    """A device from an IBM backend's configuration and properties, as parsed JSON.

    Raises:
        QcliError: the two do not belong together, a file is cut short, or the basis is unknown.
    """
    content = complete(lambda: _read(configuration, properties), where)
    known = {"source": source, "licence": licence, "retired_on": retired_on}
    return device_from(content | known | {"status": "retired" if retired_on else status}, where)


def _read(configuration: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    name = configuration["backend_name"]
    if properties["backend_name"] != name:
        raise ValueError(f"configuration of {name} with properties of {properties['backend_name']}")
    basis = set(configuration["basis_gates"])
    two_qubit = next((gate for gate in ("cz", "ecr", "cx") if gate in basis), None)
    if two_qubit is None or not {"sx", "x", "rz"} <= basis:
        raise ValueError(f"unknown basis {sorted(basis)}")
    gates = [(g["gate"], g["qubits"], _parameters(g["parameters"])) for g in properties["gates"]]
    sx = {qubits[0]: figures for gate, qubits, figures in gates if gate == "sx"}
    pairs: dict[tuple[int, int], dict[str, float]] = {}
    for a, b, figures in ((*qubits, figures) for gate, qubits, figures in gates if gate == two_qubit):
        place = (a, b) if two_qubit == "ecr" else pair(a, b)
        pairs[place] = max(figures, pairs.get(place, figures), key=lambda f: f.get("gate_error", 1.0))
    one_qubit_s = _usual([figures.get("gate_length") for figures in sx.values()])
    two_qubit_s = _usual([figures.get("gate_length") for figures in pairs.values()])
    readings = [_parameters(entry) for entry in properties["qubits"]]
    rows = [
        [*_qubit(index, reading, sx.get(index, {})), _own(sx.get(index, {}), one_qubit_s)]
        for index, reading in enumerate(readings)
    ]
    short = short_name(re.sub("^(fake_)?(ibmq?_)?", "", name.lower()))
    return {
        "name": short,
        "provider": "ibm",
        "full_name": f"IBM {short.replace('-', ' ').title()}{_processor(configuration)}",
        "vendor": "IBM",
        "technology": "superconducting",
        "one_qubit_gates": ("sx", "x", "rz"),
        "two_qubit_gate": two_qubit,
        "shots": (1, configuration["max_shots"]),
        "calibrated_on": properties["last_update_date"][:10],
        "durations": {
            "one_qubit_s": one_qubit_s,
            "two_qubit_s": two_qubit_s,
            "readout_s": _usual([reading.get("readout_length") for reading in readings]),
            "basis": "published",
            "source": "gate_length and readout_length of the properties (the commonest value)",
        },
        "notes": (
            "rz is virtual: no error, no time; x carries the error of sx",
            "readout per direction: prob_meas1_prep0, prob_meas0_prep1",
        ),
        "grid": _grid(configuration.get("coords"), len(rows)),
        "qubits": rows,
        "edges": [
            [*place, _calibrated(figures.get("gate_error")), _own(figures, two_qubit_s)]
            for place, figures in sorted(pairs.items())
        ],
    }


def _processor(configuration: dict[str, Any]) -> str:
    """` (Heron r2)`; empty for the early backends, which do not tell."""
    processor = configuration.get("processor_type")
    return f" ({processor['family']} r{processor['revision']})" if processor else ""


def _own(figures: dict[str, float], usual: float) -> float | None:
    """A gate's time where it differs from the device's figure."""
    length = figures.get("gate_length")
    return None if length == usual else positive(length)


def _grid(coordinates: list[list[int]] | None, count: int) -> list[list[int]] | None:
    """IBM gives (column, row) of each qubit."""
    if not coordinates or len(coordinates) != count:
        return None
    return [[row, column] for column, row in coordinates]


def _qubit(index: int, reading: dict[str, float], sx: dict[str, float]) -> list[Any]:
    mean = _probability(reading.get("readout_error"))
    up = _probability(reading.get("prob_meas1_prep0", mean))
    down = _probability(reading.get("prob_meas0_prep1", mean))
    if up is None or down is None or up + down >= 1:
        up = down = None
    t1, t2 = positive(reading.get("T1")), positive(reading.get("T2"))
    return [index, t1, t2, _calibrated(sx.get("gate_error")), up, down]


def _probability(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"an error of {value} is not between 0 and 1")
    return value


def _calibrated(error: float | None) -> float | None:
    return None if _probability(error) == 1 else error


def _parameters(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Name to value, times in seconds."""
    return {e["name"]: round(e["value"] * SECONDS.get(e.get("unit", ""), 1.0), 15) for e in entries}


def _usual(values: list[float | None]) -> float:
    known = [value for value in values if value]
    return max(sorted(set(known)), key=known.count)
