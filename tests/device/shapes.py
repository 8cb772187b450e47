"""Small calibration files in the vendors' shapes."""

import json
from typing import Any

WINDOWS = [{"executionDay": "Weekdays", "windowStartHour": "03:15:00", "windowEndHour": "15:29:59"}]


def fidelity(kind: str, value: float) -> dict[str, Any]:
    return {"fidelityType": {"name": kind}, "fidelity": value}


def one_qubit(t1: float, t2: float, *fidelities: dict[str, Any]) -> dict[str, Any]:
    return {
        "T1": {"value": t1, "unit": "S"},
        "T2": {"value": t2, "unit": "S"},
        "oneQubitFidelity": list(fidelities),
    }


def two_qubit(**gates: float) -> dict[str, Any]:
    return {
        "twoQubitGateFidelity": [
            {"gateName": name, **fidelity("INTERLEAVED_RANDOMIZED_BENCHMARKING", value)}
            for name, value in gates.items()
        ]
    }


def braket(vendor: str, native: list[str], graph: dict[str, list[str]], **rest: Any) -> dict[str, Any]:
    return {
        "braketSchemaHeader": {
            "name": f"braket.device_schema.{vendor}.{vendor}_device_capabilities",
            "version": "2" if vendor == "rigetti" else "1",
        },
        "service": {
            "updatedAt": "2026-05-05T16:45:26+00:00",
            "shotsRange": [1, 20000],
            "executionWindows": WINDOWS,
        },
        "paradigm": {
            "nativeGateSet": native,
            "qubitCount": 3,
            "connectivity": {"fullyConnected": False, "connectivityGraph": graph},
        },
        **rest,
    }


def iqm() -> dict[str, Any]:
    """Qubits 1-2-3 in a line; 2 has no T2, 3 no gate fidelity."""

    def figures(gate: float, up: float, down: float) -> list[dict[str, Any]]:
        return [
            fidelity("SIMULTANEOUS_RANDOMIZED_BENCHMARKING", gate),
            fidelity("READOUT_ERROR_0_TO_1", up),
            fidelity("READOUT_ERROR_1_TO_0", down),
            fidelity("READOUT", 1 - (up + down) / 2),
        ]

    return braket(
        "iqm",
        ["cz", "prx"],
        {"1": ["2"], "2": ["1", "3"], "3": ["2"]},
        action={
            "braket.ir.openqasm.program_set": {"maximumExecutables": 100, "maximumTotalShots": 200000},
        },
        standardized={
            "oneQubitProperties": {
                "1": one_qubit(4e-5, 1e-5, *figures(0.999, 0.01, 0.03)),
                "2": one_qubit(4e-5, 0.0, *figures(0.998, 0.02, 0.02)),
                "3": one_qubit(4e-5, 1e-5, *figures(0.5, 0.02, 0.02)),
            },
            "twoQubitProperties": {
                "1-2": two_qubit(CZ=0.996, Two_Qubit_Clifford=0.9),
                "2-3": two_qubit(CZ=0.99, Two_Qubit_Clifford=0.9),
            },
        },
    )


def rigetti(native: str = "cz") -> dict[str, Any]:
    """Qubits 0-1-4, with a gap in the numbers; edge 1-4 is not calibrated."""

    def figures(alone: float, together: float, readout: float) -> list[dict[str, Any]]:
        return [
            fidelity("RANDOMIZED_BENCHMARKING", alone),
            fidelity("SIMULTANEOUS_RANDOMIZED_BENCHMARKING", together),
            fidelity("READOUT", readout),
        ]

    return braket(
        "rigetti",
        ["rx", "rz", native],
        {"0": ["1"], "1": ["0", "4"], "4": ["1"]},
        standardized={
            "oneQubitProperties": {
                "4": one_qubit(0.0, 0.0, *figures(0.998, 0.99, 0.95)),
                "0": one_qubit(3e-5, 2e-5, *figures(0.999, 0.99, 0.96)),
                "1": one_qubit(3e-5, 2e-5, *figures(0.999, 0.99, 0.5)),
            },
            "twoQubitProperties": {
                "0-1": two_qubit(**{native.upper(): 0.98}),
                "1-4": two_qubit(**{native.upper(): 0.5}),
            },
        },
    )


def ionq() -> dict[str, Any]:
    return braket(
        "ionq",
        ["GPI", "GPI2", "ZZ"],
        {},
        provider={
            "fidelity": {"1Q": {"mean": 0.9999}, "2Q": {"mean": 0.99}, "spam": {"mean": 0.995}},
            "timing": {"T1": 100.0, "T2": 1.0, "1Q": 1e-4, "2Q": 6e-4, "readout": 2e-4, "reset": 1e-4},
        },
    )


def aqt() -> dict[str, Any]:
    """Three ions; figures in percent, as AQT gives them."""

    def value(number: float) -> dict[str, float]:
        return {"value": number, "uncertainty": 0.01}

    return braket(
        "aqt",
        ["prx", "xx", "rz"],
        {},
        provider={
            "properties": {
                "single_qubit_gate_fidelity": {"0": value(99.97), "1": value(99.98), "2": value(99.99)},
                "mean_two_qubit_gate_fidelity": value(98.7),
                "spam_fidelity_lower_bound": 99.74,
                "t1_s": value(1.168),
                "t2_coherence_time_s": value(0.163),
                "readout_time_micros": 1500.0,
                "single_qubit_gate_duration_micros": 22.0,
                "two_qubit_gate_duration_micros": 660.0,
                "updated_at": "2026-03-28T12:29:03",
            }
        },
    )


def get_device(
    capabilities: dict[str, Any], vendor: str, name: str, status: str = "ONLINE"
) -> dict[str, Any]:
    """What GetDevice answers: the capabilities are text in it."""
    return {
        "deviceArn": f"arn:aws:braket:eu-north-1::device/qpu/{vendor}/{name}",
        "deviceName": name,
        "deviceStatus": status,
        "deviceCapabilities": json.dumps(capabilities),
    }


def ibm() -> tuple[dict[str, Any], dict[str, Any]]:
    """Qubits 0-1-2 in a line: 2's sx and edge 1-2 are not calibrated; edge 0-1 is worse one way."""

    def value(name: str, number: float, unit: str = "") -> dict[str, Any]:
        return {"name": name, "value": number, "unit": unit}

    def gate(name: str, qubits: list[int], error: float, length_ns: float) -> dict[str, Any]:
        figures = [value("gate_error", error), value("gate_length", length_ns, "ns")]
        return {"gate": name, "qubits": qubits, "parameters": figures}

    qubit = [
        value("T1", 200.0, "us"),
        value("T2", 100.0, "us"),
        value("readout_error", 0.02),
        value("prob_meas0_prep1", 0.03),
        value("prob_meas1_prep0", 0.01),
        value("readout_length", 1500, "ns"),
    ]
    configuration = {
        "backend_name": "ibm_small",
        "basis_gates": ["cz", "id", "rz", "sx", "x"],
        "processor_type": {"family": "Heron", "revision": "2"},
        "max_shots": 1000,
        "coords": [[1, 1], [2, 1], [2, 2]],
    }
    properties = {
        "backend_name": "ibm_small",
        "last_update_date": "2026-04-17T12:00:00+02:00",
        "qubits": [qubit, qubit, qubit],
        "gates": [
            *(gate("rz", [q], 0, 0) for q in range(3)),
            *(gate("sx", [q], 1 if q == 2 else 2e-4, 32) for q in range(3)),
            gate("cz", [0, 1], 0.002, 68),
            gate("cz", [1, 0], 0.003, 68),
            gate("cz", [1, 2], 1, 84),
            gate("cz", [2, 1], 1, 84),
        ],
    }
    return configuration, properties
