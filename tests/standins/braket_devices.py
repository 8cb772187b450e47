"""GetDevice's capabilities for the stand-in of Amazon Braket, made of the project's own records."""

import json
from copy import deepcopy
from decimal import Decimal
from functools import cache
from typing import Any

from braket.device_schema.ionq import IonqDeviceParameters
from braket.device_schema.iqm import IqmDeviceParameters
from braket.device_schema.rigetti import RigettiDeviceParameters

from qcli.device.catalogue import find
from qcli.device.record import Device, Qubit

GARNET = "arn:aws:braket:eu-north-1::device/qpu/iqm/Garnet"
EMERALD = "arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald"
CEPHEUS = "arn:aws:braket:us-west-1::device/qpu/rigetti/Cepheus-1-108Q"
FORTE = "arn:aws:braket:us-east-1::device/qpu/ionq/Forte-Enterprise-1"

PROGRAM, PROGRAM_SET = "braket.ir.openqasm.program", "braket.ir.openqasm.program_set"
SHOT_PRICES = {
    "garnet": Decimal("0.00145"),
    "emerald": Decimal("0.0016"),
    "cepheus-1-108q": Decimal("0.000425"),
    "ankaa-3": Decimal("0.0009"),
    "forte-enterprise-1": Decimal("0.08"),
}
ALWAYS = [{"executionDay": "Everyday", "windowStartHour": "00:00:00", "windowEndHour": "23:59:59"}]


def capabilities(device: Device) -> dict[str, Any]:
    """GetDevice's capabilities of a record, in its vendor's form; a figure that is None becomes the vendor's mark."""
    vendor = device.vendor.lower()
    low, high = device.shots or (1, 10_000)
    windows = [
        dict(zip(ALWAYS[0], (day, start.isoformat(), end.isoformat()), strict=True))
        for day, start, end in device.windows or ()
    ]
    content = {
        "braketSchemaHeader": header(
            f"device_schema.{vendor}.{vendor}_device_capabilities", 2 if vendor == "rigetti" else 1
        ),
        "service": {
            "braketSchemaHeader": header("device_schema.device_service_properties"),
            "executionWindows": windows or ALWAYS,
            "shotsRange": [low, high],
            "deviceCost": {"price": float(SHOT_PRICES.get(device.name, 0)), "unit": "shot"},
            "deviceDocumentation": {"summary": f"stand-in for {device.full_name}"},
            "deviceLocation": "127.0.0.1",
            "updatedAt": f"{device.calibrated_on}T00:00:00+00:00",
        },
        "action": _actions(device, low, high),
        **{"iqm": _iqm, "rigetti": _rigetti, "ionq": _ionq}[vendor](device),
    }
    neighbours: dict[str, list[str]] = {str(qubit.id): [] for qubit in device.qubits}
    for edge in device.edges:
        neighbours[str(edge.a)].append(str(edge.b))
        neighbours[str(edge.b)].append(str(edge.a))
    content["paradigm"] = {
        "braketSchemaHeader": header("device_schema.gate_model_qpu_paradigm_properties"),
        "connectivity": {"fullyConnected": device.all_to_all, "connectivityGraph": neighbours},
        "qubitCount": len(device.qubits),
        "nativeGateSet": content.pop("nativeGateSet"),
    }
    return content


def header(name: str, version: int = 1) -> dict[str, str]:
    """What tells the SDK which schema it reads."""
    return {"name": f"braket.{name}", "version": str(version)}


_COMMON = "h x y z s si t ti v vi rx ry rz cnot swap"
_MORE = (
    "i ccnot cswap cphaseshift cphaseshift00 cphaseshift01 cphaseshift10 phaseshift iswap pswap xy cz barrier"
)
_OPERATIONS = {
    "iqm": f"{_COMMON} {_MORE} ecr cy xx yy zz prx cc_prx measure_ff",
    "rigetti": f"{_COMMON} {_MORE}",
    "ionq": f"{_COMMON} xx yy zz",
}
_RESULTS = ("Sample", "Expectation", "Variance", "Probability")


def _actions(device: Device, low: int, high: int) -> dict[str, Any]:
    ions = device.vendor == "IonQ"
    forbidden = ("state_vector", "density_matrix", "amplitude", "adjoint_gradient")
    actions: dict[str, Any] = {
        PROGRAM: {
            "version": ["1.0"],
            "actionType": PROGRAM,
            "supportedOperations": _OPERATIONS[device.vendor.lower()].split(),
            "supportedModifiers": [],
            "supportedPragmas": ["verbatim", *(f"braket_result_type_{kind.lower()}" for kind in _RESULTS)],
            "forbiddenPragmas": [
                "braket_unitary_matrix",
                *(f"braket_result_type_{kind}" for kind in forbidden),
            ],
            "maximumQubitArrays": 1,
            "maximumClassicalArrays": 1,
            "forbiddenArrayOperations": ["concatenation", "negativeIndex", "range", "slicing", "selection"],
            "requiresAllQubitsMeasurement": False,
            "supportPhysicalQubits": True,
            "requiresContiguousQubitIndices": False,
            "supportsPartialVerbatimBox": not ions,
            "supportsUnassignedMeasurements": ions,
            "disabledQubitRewiringSupported": False,
            "supportedResultTypes": [
                {"name": kind, "observables": list("xyzhi"), "minShots": low, "maxShots": high}
                for kind in _RESULTS
            ],
        }
    }
    if device.program_sets:
        actions[PROGRAM_SET] = {
            "version": ["1"],
            "actionType": PROGRAM_SET,
            "maximumExecutables": device.program_sets.max_executables,
            "maximumTotalShots": device.program_sets.max_total_shots,
        }
    return actions


def _fidelity(error: float | None) -> float:
    return 0.5 if error is None else 1 - error


def _standardized(device: Device, one: str, two: str, **readout: str) -> dict[str, Any]:
    """Per qubit and pair, with what the benchmarks are called; `readout` names fields that hold an error."""

    def figure(name: str, value: float) -> dict[str, Any]:
        return {"fidelityType": {"name": name}, "fidelity": value}

    def of(qubit: Qubit) -> dict[str, Any]:
        errors = {name: getattr(qubit, attribute) for attribute, name in readout.items()}
        return {
            "T1": {"value": qubit.t1_s or 0.0, "unit": "S"},
            "T2": {"value": qubit.t2_s or 0.0, "unit": "S"},
            "oneQubitFidelity": [
                figure(one, _fidelity(qubit.error_1q)),
                *(figure(name, 0.5 if error is None else error) for name, error in errors.items()),
                figure("READOUT", _fidelity(qubit.readout_error)),
            ],
        }

    gate = device.two_qubit_gate.upper()
    return {
        "braketSchemaHeader": header("device_schema.standardized_gate_model_qpu_device_properties"),
        "oneQubitProperties": {str(qubit.id): of(qubit) for qubit in device.qubits},
        "twoQubitProperties": {
            f"{edge.a}-{edge.b}": {
                "twoQubitGateFidelity": [{"gateName": gate, **figure(two, _fidelity(edge.error))}]
            }
            for edge in device.edges
        },
    }


def _iqm(device: Device) -> dict[str, Any]:
    one = {
        str(q.id): {"f1Q_simultaneous_RB": _fidelity(q.error_1q), "fRO": _fidelity(q.readout_error)}
        for q in device.qubits
    }
    two = {f"{edge.a}-{edge.b}": {"fCZ": _fidelity(edge.error)} for edge in device.edges}
    return {
        "nativeGateSet": ["cz", "prx", "cc_prx", "measure_ff", "barrier"],
        "deviceParameters": json.loads(IqmDeviceParameters.schema_json()),
        "provider": {
            "braketSchemaHeader": header("device_schema.iqm.iqm_provider_properties"),
            "properties": {"one_qubit": one, "two_qubit": two},
        },
        "standardized": _standardized(
            device,
            "SIMULTANEOUS_RANDOMIZED_BENCHMARKING",
            "SIMULTANEOUS_INTERLEAVED_RANDOMIZED_BENCHMARKING",
            p1_given_0="READOUT_ERROR_0_TO_1",
            p0_given_1="READOUT_ERROR_1_TO_0",
        ),
    }


def _rigetti(device: Device) -> dict[str, Any]:
    nodes = [{"node_id": qubit.id} for qubit in device.qubits]
    edges = [{"node_ids": [edge.a, edge.b]} for edge in device.edges]
    return {
        "nativeGateSet": ["rx", "rz", device.two_qubit_gate, "barrier"],
        "deviceParameters": json.loads(RigettiDeviceParameters.schema_json()),
        "provider": {
            "braketSchemaHeader": header("device_schema.rigetti.rigetti_provider_properties", 2),
            "specs": {
                "architecture": {"family": "Ankaa", "nodes": nodes, "edges": edges},
                "benchmarks": [],
                "instructions": [],
            },
        },
        "standardized": _standardized(
            device, "RANDOMIZED_BENCHMARKING", "INTERLEAVED_RANDOMIZED_BENCHMARKING"
        ),
    }


def _ionq(device: Device) -> dict[str, Any]:
    qubit, times = device.qubits[0], device.durations
    fidelity = {
        "1Q": {"mean": _fidelity(qubit.error_1q)},
        "2Q": {"mean": _fidelity(device.edges[0].error)},
        "spam": {"mean": _fidelity(qubit.readout_error)},
    }
    timing = {
        "T1": qubit.t1_s or 0.0,
        "T2": qubit.t2_s or 0.0,
        "1Q": times.one_qubit_s,
        "2Q": times.two_qubit_s,
        "readout": times.readout_s,
        "reset": 1.5e-4,
    }
    seconds = {"T1": "T1", "T2": "T2", "readoutDuration": "readout", "twoQubitGateDuration": "2Q"}
    benchmarked = {"fidelityType": {"name": "RANDOMIZED_BENCHMARKING"}, "unit": "fraction"}
    return {
        "nativeGateSet": ["GPI", "GPI2", "ZZ"],
        "deviceParameters": json.loads(IonqDeviceParameters.schema_json()),
        "provider": {
            "braketSchemaHeader": header("device_schema.ionq.ionq_provider_properties"),
            "fidelity": fidelity,
            "timing": timing,
            "errorMitigation": {
                "braket.device_schema.error_mitigation.debias.Debias": {"minimumShots": 2500}
            },
        },
        "standardized": {
            "braketSchemaHeader": header("device_schema.standardized_gate_model_qpu_device_properties", 3),
            **{name: {"value": timing[key], "unit": "s"} for name, key in seconds.items()},
            "readoutFidelity": [benchmarked | {"fidelity": fidelity["spam"]["mean"]}],
            "twoQubitGateFidelity": [benchmarked | {"fidelity": fidelity["2Q"]["mean"]}],
        },
    }


def bundled() -> dict[str, dict[str, Any]]:
    """Capabilities of four devices by ARN, from their records; they are open at every hour."""
    return deepcopy(_bundled())


@cache
def _bundled() -> dict[str, dict[str, Any]]:
    devices = {arn: capabilities(find(f"braket/{name_of(arn)}")) for arn in (GARNET, EMERALD, CEPHEUS, FORTE)}
    for content in devices.values():
        content["service"]["executionWindows"] = ALWAYS
    return devices


def name_of(arn: str) -> str:
    """`garnet` of Garnet's ARN."""
    return arn.rpartition("/")[2].lower()
