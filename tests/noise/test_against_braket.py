"""Where the models coincide - no T1 and T2, symmetric readout, no noise on virtual rz - Braket's emulator agrees."""

from typing import Any

import numpy as np
import pytest
from braket.circuits import Circuit, Gate, Observable
from braket.device_schema.result_type import ResultType
from braket.device_schema.standardized_gate_model_qpu_device_properties_v1 import (
    OneQubitProperties,
    TwoQubitProperties,
)
from braket.devices import LocalSimulator
from braket.emulation.device_emulator_properties import DeviceEmulatorProperties
from braket.emulation.local_emulator import LocalEmulator

from qcli.compile.transpile import Compiled, compile_circuit
from qcli.compile.verbatim import verbatim
from qcli.device.record import Device
from qcli.noise.circuit import NoisyCircuit
from tests.compile.circuits import random_circuit
from tests.device.shapes import fidelity, one_qubit, two_qubit

READOUT = {1: 0.98, 2: 0.95, 3: 0.97, 4: 0.99}
GATE = {1: 0.999, 2: 0.997, 3: 0.9985, 4: 0.995}
CZ = {(1, 2): 0.99, (2, 3): 0.97, (3, 4): 0.985}


def emulator() -> LocalEmulator:
    """A line of four qubits in IQM's shape."""
    ones = {
        str(q): one_qubit(
            1e-5, 1e-5, fidelity("RANDOMIZED_BENCHMARKING", GATE[q]), fidelity("READOUT", READOUT[q])
        )
        for q in GATE
    }
    twos = {f"{a}-{b}": two_qubit(CZ=value) for (a, b), value in CZ.items()}
    graph = {str(q): [str(other) for other in (q - 1, q + 1) if other in GATE] for q in GATE}
    results = [ResultType(name=name, observables=["z"], minShots=0, maxShots=0) for name in ("Expectation",)]
    properties = DeviceEmulatorProperties(
        4,
        ["cz", "prx"],
        graph,
        {key: OneQubitProperties.parse_obj(figures) for key, figures in ones.items()},
        {key: TwoQubitProperties.parse_obj(figures) for key, figures in twos.items()},
        results,
    )
    return LocalEmulator.from_device_properties(properties)


def record() -> Device:
    """The same figures as a device record."""
    content: dict[str, Any] = {
        "name": "line",
        "provider": "braket",
        "full_name": "Line",
        "vendor": "IQM",
        "technology": "superconducting",
        "one_qubit_gates": ["r", "rz"],
        "two_qubit_gate": "cz",
        "durations": {
            "one_qubit_s": 2e-8,
            "two_qubit_s": 4e-8,
            "readout_s": 1e-6,
            "basis": "assumed",
            "source": "-",
        },
        "calibrated_on": "2026-05-05",
        "source": "made up",
        "licence": "-",
        "qubits": [(q, None, None, 1 - GATE[q], 1 - READOUT[q], 1 - READOUT[q]) for q in GATE],
        "edges": [(a, b, 1 - value) for (a, b), value in CZ.items()],
    }
    return Device.model_validate(content)


def expectations(compiled: Compiled, values: np.ndarray, emulated: LocalEmulator) -> np.ndarray:
    """⟨Z⟩ of every measured bit, exactly, of the circuits to submit under the emulator's noise: `(samples, bits)`."""
    found = []
    for circuit in verbatim(compiled, values):
        assert isinstance(circuit, Circuit)
        bare = Circuit([each for each in circuit.instructions if isinstance(each.operator, Gate)])
        for qubit in compiled.layout:
            bare.expectation(Observable.Z(), target=qubit)
        noisy = emulated.noise_model.apply(bare)
        found.append(LocalSimulator("braket_dm").run(noisy, shots=0).result().values)
    return np.array(found)


@pytest.mark.parametrize("wires", [2, 3, 4])
def test_expectation_values_are_those_of_braket(wires: int) -> None:
    emulated, device = emulator(), record()
    for seed in range(3):
        compiled = compile_circuit(random_circuit(wires, seed), device, trials=1)
        z = np.ones((wires, wires, 2))
        z[range(wires), range(wires)] = (1, -1)
        none = np.zeros((1, 0))
        expected = expectations(compiled, none, emulated)
        assert NoisyCircuit(compiled).expectations(none, z) == pytest.approx(expected, abs=1e-9)
