"""IQM's and Rigetti's capabilities on Amazon Braket: figures of each qubit and coupler, without gate times."""

from collections.abc import Callable
from typing import Any

from qcli.device.reading import SECONDS, infidelity, pair, positive

_BENCHMARKS = {
    "RANDOMIZED_BENCHMARKING": "isolated, not simultaneous, randomised benchmarking",
    "SIMULTANEOUS_RANDOMIZED_BENCHMARKING": "simultaneous randomised benchmarking",
}
"""What a one-qubit error is read from, the first that is there, and how a note calls it."""
_ASSUMED = "typical of the technology; the vendor publishes no gate times in its calibration file"


def iqm(capabilities: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that is of the chip."""
    return {
        "technology": "superconducting",
        "one_qubit_gates": ("r", "rz"),
        "two_qubit_gate": "cz",
        "durations": _assumed(20e-9, 40e-9, 1.5e-6),
        "notes": (
            "r is Braket's prx; rz is virtual, carried into the phase of the next prx: no error, no time",
            *_sources(capabilities, "cz"),
            "t2_s is the Ramsey time T2*, not the echo time",
            "qubits are numbered from 1, as Braket does",
        ),
        **_figures(capabilities, "cz", _directional),
    }


def rigetti(capabilities: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that is of the chip."""
    native = {gate.lower() for gate in capabilities["paradigm"]["nativeGateSet"]}
    gate = next((name for name in ("iswap", "cz") if name in native), None)
    if gate is None:
        raise ValueError(f"no iswap or cz among the native gates {sorted(native)}")
    return {
        "technology": "superconducting",
        "one_qubit_gates": ("rx", "rz"),
        "two_qubit_gate": gate,
        "durations": _assumed(40e-9, 72e-9, 1.5e-6),
        "notes": (
            "rx only at ±π/2 and ±π; rz is virtual: no error, no time",
            *_sources(capabilities, gate),
            "readout is published as a mean of both directions: taken as symmetric",
        ),
        **_figures(capabilities, gate, _symmetric),
    }


Fidelities = dict[str, float]
Readout = Callable[[Fidelities], tuple[float | None, float | None]]


def _directional(found: Fidelities) -> tuple[float | None, float | None]:
    """Per direction where both are there, else the mean; under the two names `fidelity` holds the error itself."""
    mean = infidelity(found.get("READOUT"))
    up, down = found.get("READOUT_ERROR_0_TO_1", mean), found.get("READOUT_ERROR_1_TO_0", mean)
    without_mean = "READOUT" in found and mean is None
    if without_mean or up is None or down is None or not 0 < up + down < 1:
        return None, None
    return up, down


def _symmetric(found: Fidelities) -> tuple[float | None, float | None]:
    mean = infidelity(found.get("READOUT"))
    return mean, mean


def _figures(capabilities: dict[str, Any], gate: str, readout: Readout) -> dict[str, Any]:
    """A qubit that the properties leave out, but the connectivity or a pair names, is one without calibration."""
    entries = {int(q): entry for q, entry in capabilities["standardized"]["oneQubitProperties"].items()}
    edges = _edge_rows(capabilities, gate)
    graph = capabilities["paradigm"]["connectivity"]["connectivityGraph"]
    ids = {*entries, *map(int, graph), *(qubit for a, b, _ in edges for qubit in (a, b))}

    def figures(entry: dict[str, Any]) -> list[float | None]:
        found = _fidelities(entry)
        error = infidelity(found.get(_benchmark(found) or ""))
        return [_time(entry["T1"]), _time(entry["T2"]), error, *readout(found)]

    qubits = [[qubit, *(figures(entries[qubit]) if qubit in entries else ())] for qubit in sorted(ids)]
    return {"qubits": qubits, "edges": edges}


def _edge_rows(capabilities: dict[str, Any], gate: str) -> list[list[Any]]:
    """The pairs of the connectivity graph, each with the worse of its two directions."""
    connectivity = capabilities["paradigm"]["connectivity"]
    places = {pair(int(a), int(b)) for a, near in connectivity["connectivityGraph"].items() for b in near}
    errors: dict[tuple[int, int], list[float | None]] = {}
    for key, entry in capabilities["standardized"]["twoQubitProperties"].items():
        a, b = key.split("-")
        found = [infidelity(each["fidelity"]) for each in _of_gate(entry, gate)]
        errors.setdefault(pair(int(a), int(b)), []).extend(found)
    if connectivity.get("fullyConnected"):
        places |= errors.keys()
    return [[a, b, _worst(errors.get((a, b), []))] for a, b in sorted(places)]


def _worst(errors: list[float | None]) -> float | None:
    """None, for not calibrated, is the worst of all."""
    return max(errors, key=lambda error: 1.0 if error is None else error, default=None)


def _of_gate(entry: dict[str, Any], gate: str) -> list[dict[str, Any]]:
    return [each for each in entry["twoQubitGateFidelity"] if each["gateName"].lower() == gate]


def _fidelities(entry: dict[str, Any]) -> Fidelities:
    return {each["fidelityType"]["name"]: each["fidelity"] for each in entry["oneQubitFidelity"]}


def _benchmark(found: Fidelities) -> str | None:
    return next((kind for kind in _BENCHMARKS if kind in found), None)


def _sources(capabilities: dict[str, Any], gate: str) -> list[str]:
    """Notes on what the errors were read from."""
    ones, twos = (capabilities["standardized"][f"{number}QubitProperties"] for number in ("one", "two"))
    kinds = {
        "one": {_benchmark(_fidelities(entry)) for entry in ones.values()} - {None},
        "two": {each["fidelityType"]["name"] for entry in twos.values() for each in _of_gate(entry, gate)},
    }
    return [
        f"{number}-qubit errors from {' or '.join(_method(kind) for kind in sorted(found))}"
        for number, found in kinds.items()
        if found
    ]


def _method(kind: str) -> str:
    return _BENCHMARKS.get(kind, kind.lower().replace("_", " ").replace("randomized", "randomised"))


def _time(entry: dict[str, Any]) -> float | None:
    return positive(entry["value"] * SECONDS[entry["unit"].lower()])


def _assumed(one_qubit_s: float, two_qubit_s: float, readout_s: float) -> dict[str, Any]:
    return {
        "one_qubit_s": one_qubit_s,
        "two_qubit_s": two_qubit_s,
        "readout_s": readout_s,
        "basis": "assumed",
        "source": _ASSUMED,
    }
