"""IonQ's and AQT's capabilities on Amazon Braket: every pair is coupled, most figures are averages of the device."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from qcli.device.reading import infidelity, positive

_MOST = 1_000


def ionq(capabilities: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that is of the trap."""
    fidelity, timing = capabilities["provider"]["fidelity"], capabilities["provider"]["timing"]
    ids = range(_counted(capabilities["paradigm"]["qubitCount"]))
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    if "zz" not in native:
        raise ValueError(f"no zz among the native gates {sorted(native)}")
    one, readout = infidelity(fidelity["1Q"]["mean"]), infidelity(fidelity["spam"]["mean"])
    two = infidelity(fidelity["2Q"]["mean"])
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
        "qubits": [[q, t1, t2, one, readout, readout] for q in ids],
        "edges": _all_pairs(ids, two),
    }


def aqt(capabilities: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that is of the trap."""
    figures = capabilities["provider"]["properties"]
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    if not native & {"rxx", "xx"}:
        raise ValueError(f"no rxx among the native gates {sorted(native)}")
    one = {int(q): infidelity(f["value"] / 100) for q, f in figures["single_qubit_gate_fidelity"].items()}
    two = infidelity(figures["mean_two_qubit_gate_fidelity"]["value"] / 100)
    readout = infidelity(figures["spam_fidelity_lower_bound"] / 100)
    t1, t2 = positive(figures["t1_s"]["value"]), positive(figures["t2_coherence_time_s"]["value"])
    ids = sorted(one)
    _counted(len(ids))
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
        "edges": _all_pairs(ids, two),
    }


def _counted(qubits: Any) -> int:
    if not isinstance(qubits, int) or not 1 <= qubits <= _MOST:
        raise ValueError(f"{qubits} qubits, all coupled, is not a whole number from 1 to {_MOST:,}")
    return qubits


def _all_pairs(ids: Sequence[int], error: float | None) -> list[list[Any]]:
    return [[a, b, error] for a, b in combinations(ids, 2)]
