"""Amazon Braket's device capabilities, as GetDevice returns them, into device records.

A fidelity of 0.5 and a T1 or T2 of 0 stand for "not calibrated" there and become None here, as does a fidelity
of 1 or a little more, which a fit to benchmarking data can give.
"""

import math
from collections.abc import Callable
from typing import Any

from qcli.device.record import Device, Status, device_from
from qcli.errors import QcliError

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_HIGHEST_FIT = 1.05
_PROGRAM_SET = "braket.ir.openqasm.program_set"
_ASSUMED = "typical of the technology; the vendor publishes no gate times in its calibration file"


def from_braket(
    capabilities: dict[str, Any],
    name: str,
    full_name: str | None = None,
    *,
    source: str = "Amazon Braket GetDevice",
    licence: str = "unstated",
    status: Status = "unknown",
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
        status: as GetDevice says it.
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
        "braket.device_schema.aqt.aqt_device_capabilities": ("AQT", _aqt),
    }
    if schema not in readers:
        raise QcliError(
            f"unknown capabilities schema: {schema}",
            where,
            "give the capabilities JSON of GetDevice for an IQM, Rigetti, IonQ or AQT device",
        )
    vendor, read = readers[schema]
    content = complete(lambda: read(capabilities), where)
    common = complete(
        lambda: {
            "name": name,
            "provider": "braket",
            "full_name": full_name or f"{vendor} {name.replace('-', ' ').title()}",
            "vendor": vendor,
            "shots": capabilities["service"]["shotsRange"],
            "calibrated_on": capabilities["service"]["updatedAt"][:10],
            "status": "retired" if retired_on else status,
            "retired_on": retired_on,
            "program_sets": _program_sets(capabilities.get("action") or {}),
            "windows": _windows(capabilities["service"].get("executionWindows")),
            "source": source,
            "licence": licence,
        },
        where,
    )
    return device_from(common | content, where)


def complete(read: Callable[[], dict[str, Any]], where: str) -> dict[str, Any]:
    """What `read` finds in a vendor's file; whatever it stumbles over becomes a QcliError."""
    try:
        return read()
    except ValueError as error:
        what, fix = f"the calibration file cannot be used: {error}", "download it again from the vendor"
    except (KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        what = f"the calibration file is cut short or of an unknown form ({type(error).__name__}: {error})"
        fix = "download it again; if it is complete, its schema is newer than this version of qcli"
    raise QcliError(what, where, fix)


def _program_sets(actions: dict[str, Any]) -> dict[str, int] | None:
    limits = actions.get(_PROGRAM_SET)
    if limits is None:
        return None
    return {"max_executables": limits["maximumExecutables"], "max_total_shots": limits["maximumTotalShots"]}


def _windows(entries: list[dict[str, str]] | None) -> list[list[str]] | None:
    keys = ("executionDay", "windowStartHour", "windowEndHour")
    return [[entry[key] for key in keys] for entry in entries] if entries else None


def _error(fidelity: float | None) -> float | None:
    """Infidelity; None at or below the 0.5 that stands for uncalibrated, and for the perfect and better."""
    if fidelity is not None and not (0 <= fidelity <= _HIGHEST_FIT or math.isnan(fidelity)):
        raise ValueError(f"a fidelity of {fidelity} is not between 0 and 1")
    return None if fidelity is None or fidelity <= 0.5 or fidelity >= 1 else 1.0 - fidelity


def positive(value: float | None) -> float | None:
    """None for the 0 that stands for uncalibrated."""
    return value if value is not None and value > 0 else None


def _time(entry: dict[str, Any]) -> float | None:
    return positive(entry["value"] * SECONDS[entry["unit"].lower()])


def _fidelities(entries: list[dict[str, Any]]) -> dict[str, float]:
    return {entry["fidelityType"]["name"]: entry["fidelity"] for entry in entries}


def _edge_rows(capabilities: dict[str, Any], gate: str) -> list[list[Any]]:
    errors: dict[tuple[int, int], float | None] = {}
    for a, neighbours in capabilities["paradigm"]["connectivity"]["connectivityGraph"].items():
        for b in neighbours:
            errors[pair(int(a), int(b))] = None
    for key, entry in capabilities["standardized"]["twoQubitProperties"].items():
        a, b = key.split("-")
        found = {f["gateName"].lower(): f["fidelity"] for f in entry["twoQubitGateFidelity"]}
        errors[pair(int(a), int(b))] = _error(found.get(gate))
    return [[a, b, error] for (a, b), error in sorted(errors.items())]


def pair(a: int, b: int) -> tuple[int, int]:
    """The smaller number first."""
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
    t1, t2 = positive(timing["T1"]), positive(timing["T2"])
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


def _aqt(capabilities: dict[str, Any]) -> dict[str, Any]:
    figures = capabilities["provider"]["properties"]
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    if not native & {"rxx", "xx"}:
        raise ValueError(f"no rxx among the native gates {sorted(native)}")
    one = {int(q): _error(f["value"] / 100) for q, f in figures["single_qubit_gate_fidelity"].items()}
    two = _error(figures["mean_two_qubit_gate_fidelity"]["value"] / 100)
    readout = _error(figures["spam_fidelity_lower_bound"] / 100)
    t1, t2 = positive(figures["t1_s"]["value"]), positive(figures["t2_coherence_time_s"]["value"])
    ids = sorted(one)
    return {
        "technology": "trapped ion",
        "one_qubit_gates": ("r", "rz"),
        "two_qubit_gate": "rxx",
        "calibrated_on": figures["updated_at"][:10],
        "durations": {
            "one_qubit_s": round(figures["single_qubit_gate_duration_micros"] * 1e-6, 12),
            "two_qubit_s": round(figures["two_qubit_gate_duration_micros"] * 1e-6, 12),
            "readout_s": round(figures["readout_time_micros"] * 1e-6, 12),
            "basis": "published",
            "source": "provider.properties of the capabilities",
        },
        "notes": (
            "two-qubit error, readout, T1 and T2 are averages over the device; T1 is a value of the literature",
            "r is Braket's prx, rxx is xx; rz is virtual: no error, no time",
            "readout is the upper bound of state preparation and measurement error, taken as symmetric",
        ),
        "qubits": [[q, t1, t2, one[q], readout, readout] for q in ids],
        "edges": [[a, b, two] for a in ids for b in ids if a < b],
    }


def _assumed(one_qubit_s: float, two_qubit_s: float, readout_s: float) -> dict[str, Any]:
    return {
        "one_qubit_s": one_qubit_s,
        "two_qubit_s": two_qubit_s,
        "readout_s": readout_s,
        "basis": "assumed",
        "source": _ASSUMED,
    }
