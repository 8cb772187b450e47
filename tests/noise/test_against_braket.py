"""Where the models coincide - no T1 and T2, symmetric readout, virtual rz free - Braket's own emulator agrees on every
device, taken whole.
"""

from collections.abc import Iterable

import numpy as np
import pytest
from braket.circuits import Circuit, Gate, Instruction, Observable
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
from qcli.device.catalogue import catalogue
from qcli.device.record import Device
from qcli.noise.circuit import NoisyCircuit
from tests.compile.circuits import random_circuit
from tests.device.shapes import fidelity, one_qubit, two_qubit

DEVICES = sorted(key for key, device in catalogue().items() if device.provider == "braket")
GATES = {
    ("cz", "IQM"): ["prx", "cz"],
    ("cz", "Rigetti"): ["rx", "rz", "cz"],
    ("iswap", "Rigetti"): ["rx", "rz", "iswap"],
    ("rzz", "IonQ"): ["gpi", "gpi2", "zz"],
    ("rxx", "AQT"): ["prx", "rz", "xx"],
}
NONE = np.zeros((1, 0))


def coinciding(device: Device) -> Device:
    """The device as the emulator takes it: T1 and T2 unknown, readout errors the same in both directions."""
    qubits = [(q.id, None, None, q.error_1q, q.readout_error, q.readout_error) for q in device.usable]
    edges = [edge for edge in device.usable_edges if edge.error is not None]
    return Device.model_validate(device.model_dump() | {"qubits": qubits, "edges": edges, "grid": None})


def emulator(device: Device) -> LocalEmulator:
    """Of the whole device, from the figures of its record."""
    gates = GATES[device.two_qubit_gate, device.vendor]
    ones = {
        str(q.id): OneQubitProperties.parse_obj(
            one_qubit(
                1e-5,
                1e-5,
                fidelity("RANDOMIZED_BENCHMARKING", 1 - q.error_1q),
                fidelity("READOUT", 1 - q.readout_error),
            )
        )
        for q in device.qubits
        if q.error_1q is not None and q.readout_error is not None
    }
    twos, graph = {}, {each: set[str]() for each in ones}
    for edge in device.edges:
        assert edge.error is not None
        a, b = str(edge.a), str(edge.b)
        twos[f"{a}-{b}"] = TwoQubitProperties.parse_obj(two_qubit(**{gates[-1].upper(): 1 - edge.error}))
        graph[a].add(b)
        graph[b].add(a)
    expectation = ResultType(name="Expectation", observables=["z"], minShots=0, maxShots=0)
    properties = DeviceEmulatorProperties(
        len(ones), gates, {a: sorted(near) for a, near in graph.items()}, ones, twos, [expectation]
    )
    return LocalEmulator.from_device_properties(properties)


def without_noise_on_rz(circuit: Circuit) -> Circuit:
    kept: list[Instruction] = []
    instructions: Iterable[Instruction] = circuit.instructions
    before = ""
    for each in instructions:
        if not (before == "Rz" and each.operator.name == "Depolarizing"):
            kept.append(each)
        before = each.operator.name
    result = Circuit(kept)
    for wanted in circuit.result_types:
        result.add_result_type(wanted)
    return result


def expectations(compiled: Compiled, emulated: LocalEmulator) -> np.ndarray:
    """⟨Z⟩ of every measured bit, exactly, of the circuit to submit under the emulator's noise: `(bits,)`."""
    (circuit,) = verbatim(compiled, NONE)
    assert isinstance(circuit, Circuit)
    bare = Circuit([each for each in circuit.instructions if isinstance(each.operator, Gate)])
    for qubit in compiled.layout:
        bare.expectation(Observable.Z(), target=qubit)
    noisy = without_noise_on_rz(emulated.noise_model.apply(bare))
    return np.array(LocalSimulator("braket_dm").run(noisy, shots=0).result().values)


@pytest.mark.parametrize("seeds", [range(5), pytest.param(range(5, 20), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("name", DEVICES)
def test_expectation_values_of_twenty_random_circuits_are_those_of_braket(name: str, seeds: range) -> None:
    device = coinciding(catalogue()[name])
    emulated = emulator(device)
    for seed in seeds:
        wires = 2 + seed % 3
        compiled = compile_circuit(random_circuit(wires, seed), device, trials=1)
        z = np.ones((wires, wires, 2))
        z[range(wires), range(wires)] = (1, -1)
        expected = expectations(compiled, emulated)
        assert np.abs(expected).max() > 1e-3
        assert NoisyCircuit(compiled).expectations(NONE, z)[0] == pytest.approx(expected, abs=1e-9)
