"""Vendors' calibration files into device records.

Braket: the capabilities JSON that GetDevice returns (IQM, Rigetti and IonQ shapes). IBM: a backend's
configuration and properties, as `QiskitRuntimeService` and the runtime's fake provider hold them.
A fidelity of 0.5, an error of 1 and a T1 or T2 of 0 stand for "not calibrated" there and become None here,
as does a fidelity of 1 or more, which a fit to benchmarking data can give.
"""

from collections.abc import Callable
from typing import Any

from qcli.device.record import Device, device_from
from qcli.errors import QcliError

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_ASSUMED = "typical of the technology; the vendor publishes no gate times in its calibration file"


def from_braket(
    capabilities: dict[str, Any],
    name: str,
    full_name: str | None = None,
    *,
    source: str = "Amazon Braket GetDevice",
    licence: str = "unstated",
    retired_on: str | None = None,
    where: str = "capabilities",
) -> Device:
    """A device from Braket's GetDevice capabilities.

    Args:
        capabilities: the parsed JSON.
        name: short name, `garnet`.
        full_name: as printed, `IQM Garnet`; default is vendor and name.
        source: where the file came from.
        licence: of the file.
        retired_on: ISO date, if the device is gone.
        where: shown in error messages.

    Raises:
        QcliError: an unknown schema, a file cut short, or figures out of range.
    """
    header = capabilities.get("braketSchemaHeader") if isinstance(capabilities, dict) else None
    schema = str(header.get("name")) if isinstance(header, dict) else "missing"
    readers: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
        "braket.device_schema.iqm.iqm_device_capabilities": ("IQM", _iqm),
        "braket.device_schema.rigetti.rigetti_device_capabilities": ("Rigetti", _rigetti),
        "braket.device_schema.ionq.ionq_device_capabilities": ("IonQ", _ionq),
    }
    if schema not in readers:
        raise QcliError(
            f"unknown capabilities schema: {schema}",
            where,
            "give the capabilities JSON of GetDevice for an IQM, Rigetti or IonQ device",
        )
    vendor, read = readers[schema]
    content = _complete(lambda: read(capabilities), where)
    common = _complete(
        lambda: {
            "name": name,
            "provider": "braket",
            "full_name": full_name or f"{vendor} {name.replace('-', ' ').title()}",
            "vendor": vendor,
            "shots": capabilities["service"]["shotsRange"],
            "calibrated_on": capabilities["service"]["updatedAt"][:10],
            "retired_on": retired_on,
            "source": source,
            "licence": licence,
        },
        where,
    )
    return device_from(common | content, where)


def from_ibm(
    configuration: dict[str, Any],
    properties: dict[str, Any],
    *,
    source: str = "IBM Quantum backend properties",
    licence: str = "unstated",
    where: str = "properties",
) -> Device:
    """A device from an IBM backend's configuration and properties.

    Raises:
        QcliError: the two do not belong together, a file is cut short, or the basis is unknown.
    """
    content = _complete(lambda: _ibm(configuration, properties), where)
    return device_from(content | {"source": source, "licence": licence}, where)


def _complete(read: Callable[[], dict[str, Any]], where: str) -> dict[str, Any]:
    try:
        return read()
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise QcliError(
            f"the calibration file is cut short or of an unknown form ({type(error).__name__}: {error})",
            where,
            "download it again; if it is complete, its schema is newer than this version of qcli",
        ) from None


def _error(fidelity: float | None) -> float | None:
    """Infidelity; None at or below the 0.5 that stands for uncalibrated, and for the perfect and better."""
    return None if fidelity is None or fidelity <= 0.5 or fidelity >= 1 else 1.0 - fidelity


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _time(entry: dict[str, Any]) -> float | None:
    return _positive(entry["value"] * _SECONDS[entry["unit"].lower()])


def _fidelities(entries: list[dict[str, Any]]) -> dict[str, float]:
    return {entry["fidelityType"]["name"]: entry["fidelity"] for entry in entries}


def _edge_rows(capabilities: dict[str, Any], gate: str) -> list[list[Any]]:
    errors: dict[tuple[int, int], float | None] = {}
    for a, neighbours in capabilities["paradigm"]["connectivity"]["connectivityGraph"].items():
        for b in neighbours:
            errors[_pair(int(a), int(b))] = None
    for key, entry in capabilities["standardized"]["twoQubitProperties"].items():
        a, b = key.split("-")
        found = {f["gateName"].lower(): f["fidelity"] for f in entry["twoQubitGateFidelity"]}
        errors[_pair(int(a), int(b))] = _error(found.get(gate))
    return [[a, b, error] for (a, b), error in sorted(errors.items())]


def _pair(a: int, b: int) -> tuple[int, int]:
    return min(a, b), max(a, b)


def _iqm(capabilities: dict[str, Any]) -> dict[str, Any]:
    qubits = []
    for key, entry in capabilities["standardized"]["oneQubitProperties"].items():
        found = _fidelities(entry["oneQubitFidelity"])
        gate = found.get("RANDOMIZED_BENCHMARKING", found.get("SIMULTANEOUS_RANDOMIZED_BENCHMARKING"))
        mean = _error(found.get("READOUT"))
        # Under these two names the field `fidelity` holds the error itself.
        up, down = found.get("READOUT_ERROR_0_TO_1", mean), found.get("READOUT_ERROR_1_TO_0", mean)
        if mean is None or up is None or down is None or up + down >= 1:
            up = down = None
        qubits.append([int(key), _time(entry["T1"]), _time(entry["T2"]), _error(gate), up, down])
    return {
        "technology": "superconducting",
        "one_qubit_gates": ("r", "rz"),
        "two_qubit_gate": "cz",
        "durations": _assumed(20e-9, 40e-9, 1.5e-6),
        "notes": (
            "r is Braket's prx; rz is virtual, carried into the phase of the next prx: no error, no time",
            "one- and two-qubit errors from simultaneous randomised benchmarking",
            "t2_s is the Ramsey time T2*, not the echo time",
            "qubits are numbered from 1, as Braket does",
        ),
        "qubits": sorted(qubits),
        "edges": _edge_rows(capabilities, "cz"),
    }


def _rigetti(capabilities: dict[str, Any]) -> dict[str, Any]:
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    gate = next((name for name in ("iswap", "cz") if name in native), None)
    if gate is None:
        raise ValueError(f"no iswap or cz among the native gates {sorted(native)}")
    qubits = []
    for key, entry in capabilities["standardized"]["oneQubitProperties"].items():
        found = _fidelities(entry["oneQubitFidelity"])
        readout = _error(found.get("READOUT"))
        t1, t2 = _time(entry["T1"]), _time(entry["T2"])
        qubits.append([int(key), t1, t2, _error(found.get("RANDOMIZED_BENCHMARKING")), readout, readout])
    return {
        "technology": "superconducting",
        "one_qubit_gates": ("rx", "rz"),
        "two_qubit_gate": gate,
        "durations": _assumed(40e-9, 72e-9, 1.5e-6),
        "notes": (
            "rx only at ±π/2 and ±π; rz is virtual: no error, no time",
            "one-qubit errors from isolated, not simultaneous, randomised benchmarking",
            "readout is published as a mean of both directions: taken as symmetric",
        ),
        "qubits": sorted(qubits),
        "edges": _edge_rows(capabilities, gate),
    }


def _ionq(capabilities: dict[str, Any]) -> dict[str, Any]:
    fidelity, timing = capabilities["provider"]["fidelity"], capabilities["provider"]["timing"]
    count = int(capabilities["paradigm"]["qubitCount"])
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    if "zz" not in native:
        raise ValueError(f"no zz among the native gates {sorted(native)}")
    one, readout = _error(fidelity["1Q"]["mean"]), _error(fidelity["spam"]["mean"])
    two = _error(fidelity["2Q"]["mean"])
    t1, t2 = _positive(timing["T1"]), _positive(timing["T2"])
    return {
        "technology": "trapped ion",
        "one_qubit_gates": ("sx", "x", "rz"),
        "two_qubit_gate": "rzz",
        "durations": {
            "one_qubit_s": timing["1Q"],
            "two_qubit_s": timing["2Q"],
            "readout_s": timing["readout"],
            "basis": "published",
            "source": "provider.timing of the capabilities",
        },
        "notes": (
            "device averages only: every qubit and pair carries the same figure",
            "sx is gpi2, x is gpi up to virtual rz; rzz is zz, with the error of the fully entangling angle",
            "readout is the error of state preparation and measurement together, taken as symmetric",
        ),
        "qubits": [[q, t1, t2, one, readout, readout] for q in range(count)],
        "edges": [[a, b, two] for a in range(count) for b in range(a + 1, count)],
    }


def _assumed(one_qubit_s: float, two_qubit_s: float, readout_s: float) -> dict[str, Any]:
    return {
        "one_qubit_s": one_qubit_s,
        "two_qubit_s": two_qubit_s,
        "readout_s": readout_s,
        "basis": "assumed",
        "source": _ASSUMED,
    }


def _ibm(configuration: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
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
        pair = (a, b) if two_qubit == "ecr" else _pair(a, b)
        worst = max(figures, pairs.get(pair, figures), key=lambda f: f.get("gate_error", 1.0))
        pairs[pair] = worst
    processor = configuration["processor_type"]
    two_qubit_s = _usual([figures.get("gate_length") for figures in pairs.values()])
    own = {p: None if f.get("gate_length") == two_qubit_s else f.get("gate_length") for p, f in pairs.items()}
    readings = [_parameters(entry) for entry in properties["qubits"]]
    rows = [_ibm_qubit(index, reading, sx.get(index, {})) for index, reading in enumerate(readings)]
    short = name.removeprefix("fake_").removeprefix("ibm_")
    return {
        "name": short,
        "provider": "ibm",
        "full_name": f"IBM {short.title()} ({processor['family']} r{processor['revision']})",
        "vendor": "IBM",
        "technology": "superconducting",
        "one_qubit_gates": ("sx", "x", "rz"),
        "two_qubit_gate": two_qubit,
        "shots": (1, configuration["max_shots"]),
        "calibrated_on": properties["last_update_date"][:10],
        "durations": {
            "one_qubit_s": _usual([figures.get("gate_length") for figures in sx.values()]),
            "two_qubit_s": two_qubit_s,
            "readout_s": _usual([reading.get("readout_length") for reading in readings]),
            "basis": "published",
            "source": "gate_length and readout_length of the properties (the commonest value)",
        },
        "notes": (
            "rz is virtual: no error, no time; x carries the error of sx",
            "readout per direction: prob_meas1_prep0, prob_meas0_prep1",
        ),
        "qubits": rows,
        "edges": [[*p, _below_one(f.get("gate_error")), own[p]] for p, f in sorted(pairs.items())],
    }


def _ibm_qubit(index: int, reading: dict[str, float], sx: dict[str, float]) -> list[Any]:
    mean = reading.get("readout_error")
    up, down = reading.get("prob_meas1_prep0", mean), reading.get("prob_meas0_prep1", mean)
    if up is None or down is None or up + down >= 1:
        up = down = None
    t1, t2 = _positive(reading.get("T1")), _positive(reading.get("T2"))
    return [index, t1, t2, _below_one(sx.get("gate_error")), up, down]


def _below_one(error: float | None) -> float | None:
    return None if error is None or error >= 1 else error


def _parameters(entries: list[dict[str, Any]]) -> dict[str, float]:
    """Name to value, times in seconds."""
    return {e["name"]: round(e["value"] * _SECONDS.get(e.get("unit", ""), 1.0), 15) for e in entries}


def _usual(values: list[float | None]) -> float:
    known = [value for value in values if value]
    return max(sorted(set(known)), key=known.count)
