"""48 noisy inferences of the 8-wire QCNN on every bundled device: python benchmarks/noise.py [--capabilities FILE].

The goal is 30 s for all devices after the imports, compilation included. Aer's density matrices take the same bound
circuits with 1,000 shots each; with a Braket capabilities file (GetDevice) so does Braket's LocalEmulator on that
device. All in one process; ratios are against the same 48 inferences here, compilation left out everywhere.

`--wide` instead: 48 inferences of 20 wires in a ring, four layers, on the 54 qubits of Emerald, exactly and by
trajectories.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qiskit.circuit import ParameterVector, QuantumCircuit

from qcli.circuit import measure
from qcli.circuit.qiskit import template
from qcli.compile.transpile import Compiled, bind_and_merge, compile_circuit
from qcli.device.catalogue import catalogue
from qcli.device.importers import from_braket
from qcli.device.record import Device
from qcli.noise.circuit import CALIBRATED, NoisyCircuit, Strength
from qcli.noise.trajectories import Sampling
from qcli.price.subject import subject_of

SAMPLES, SHOTS = 48, 1000
Z = np.array([[[1.0, -1.0]]])


def qcnn() -> QuantumCircuit:
    """The untrained model of the zoo, its weights bound, its inputs parameters."""
    program = subject_of("qcnn", {}).circuits[0].program
    program = measure.group_program(program, measure.groups(program)[0])
    angles = np.random.default_rng(0).uniform(0, 3, program.angle_map.count)
    return template(program, angles)[0]


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    found = work(*arguments)
    return found, time.perf_counter() - started


def all_devices(circuit: QuantumCircuit, values: np.ndarray) -> None:
    total = 0.0
    for name, device in catalogue().items():
        compiled, compiling = timed(compile_circuit, circuit, device)
        _, computing = timed(expectations, compiled, values)
        total += compiling + computing
        print(f"{name:28}  compile {compiling:6.3f} s  noise {computing:6.3f} s")
    print(f"{len(catalogue())} devices, {len(values)} inferences each: {total:.2f} s in all")


def expectations(compiled: Compiled, values: np.ndarray) -> np.ndarray:
    return NoisyCircuit(compiled).expectations(values, Z)


def against(what: str, seconds: float, exact: np.ndarray, other: Callable[..., Any], *arguments: Any) -> None:
    found, others = timed(other, *arguments)
    off = np.abs(found - exact[:, 0]).max()
    print(f"{what}: {others:.2f} s, {others / seconds:,.0f} times as long; largest |Δ⟨Z⟩| {off:.3f}")


def aer(compiled: Compiled, values: np.ndarray) -> np.ndarray:
    """⟨Z⟩ from counts under Aer's own device errors, on the used qubits alone."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel, ReadoutError
    from qiskit_aer.noise.device import basic_device_gate_errors

    from qcli.compile.target import native_target

    model = NoiseModel(basis_gates=[*compiled.device.one_qubit_gates, compiled.device.two_qubit_gate])
    for name, place, error in basic_device_gate_errors(
        target=native_target(compiled.device, compiled.used_qubits)
    ):
        model.add_quantum_error(error, name, place)
    for index, physical in enumerate(compiled.used_qubits):
        qubit = next(each for each in compiled.device.usable if each.id == physical)
        up, down = qubit.p1_given_0, qubit.p0_given_1
        model.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [index])
    simulator = AerSimulator(method="density_matrix", noise_model=model, seed_simulator=1)
    result = simulator.run(bind_and_merge(compiled, values), shots=SHOTS).result()
    counts = [result.get_counts(k) for k in range(len(values))]
    return np.array([(count.get("0", 0) - count.get("1", 0)) / SHOTS for count in counts])


def braket(compiled: Compiled, values: np.ndarray, capabilities: str) -> np.ndarray:
    """⟨Z⟩ from counts of Braket's LocalEmulator, on the circuits to submit."""
    from braket.emulation.local_emulator import LocalEmulator
    from braket.schema_common import BraketSchemaBase

    from qcli.compile.verbatim import verbatim

    emulator = LocalEmulator.from_device_properties(BraketSchemaBase.parse_raw_schema(capabilities))
    found = []
    for circuit in verbatim(compiled, values):
        counts = emulator.run(circuit, shots=SHOTS).result().measurement_counts
        found.append((counts["0"] - counts["1"]) / SHOTS)
    return np.array(found)


def like_braket(device: Device) -> Device:
    """Without T1 and T2, readout symmetric: what LocalEmulator models."""
    qubits = [(q.id, None, None, q.error_1q, q.readout_error, q.readout_error) for q in device.qubits]
    return Device.model_validate(device.model_dump() | {"qubits": qubits})


def ring(wires: int, layers: int) -> QuantumCircuit:
    """Inputs encoded in every layer, entangled around the ring."""
    inputs = ParameterVector("x", wires)
    circuit = QuantumCircuit(wires, wires)
    for layer in range(layers):
        for wire in range(wires):
            circuit.ry(inputs[wire], wire)
            circuit.rz(0.3 + wire + layer, wire)
        for wire in range(wires):
            circuit.cx(wire, (wire + 1) % wires)
    circuit.measure(range(wires), range(wires))
    return circuit


def wide(wires: int = 20) -> None:
    device = catalogue()["braket/emerald"]
    compiled, seconds = timed(compile_circuit, ring(wires, 4), device)
    print(
        f"{wires} wires on {device.key}: compiled in {seconds:.1f} s, {compiled.two_qubit_gates} two-qubit gates"
    )
    # small angles: larger ones leave next to nothing to be measured, with or without noise
    values = np.random.default_rng(1).uniform(0, 0.3, (SAMPLES, wires))
    z = np.ones((wires, wires, 2))
    z[range(wires), range(wires), 1] = -1
    noisy = NoisyCircuit(compiled)
    one, seconds = timed(noisy.expectations, values, z[:1])
    print(f"<Z> of one wire, exact, no truncation: {seconds:.1f} s, up to {np.abs(one).max():.2f}")
    _, seconds = timed(noisy.expectations, values, z)
    print(f"<Z> of all wires, exact, no truncation: {seconds:.1f} s")
    few = values[:3]
    for what, strength in (("", CALIBRATED), (", no relaxation while idle", Strength(idle=0))):
        exact = noisy.expectations(few, z[:1], strength)
        sampled, seconds = timed(noisy.estimate, few, z[:1], strength, Sampling(0.01, exact=0))
        off, error = np.abs(sampled.values - exact).max(), sampled.standard_error.max()
        print(f"{len(few)} inferences by trajectories{what}: {seconds:.1f} s, standard error <= {error:.3f}, "
              f"largest |Δ| {off:.3f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capabilities", type=Path, help="GetDevice capabilities of a Braket device")
    parser.add_argument("--peer-samples", type=int, default=SAMPLES, help="fewer for the slow peers")
    parser.add_argument("--wide", action="store_true", help="20 wires on 54 qubits, and stop")
    options = parser.parse_args()
    if options.wide:
        wide()
        return
    circuit = qcnn()
    values = np.random.default_rng(1).uniform(0, np.pi, (SAMPLES, len(circuit.parameters)))
    all_devices(circuit, values)
    capabilities = options.capabilities.read_text() if options.capabilities else None
    device = catalogue()["braket/garnet"]
    if capabilities:
        device = from_braket(json.loads(capabilities), options.capabilities.stem.partition("_")[0])
    device = like_braket(device)
    compiled = compile_circuit(circuit, device)
    some = values[: options.peer_samples]
    exact, seconds = timed(expectations, compiled, some)
    print(f"{device.key}, {len(some)} inferences: {seconds:.3f} s, exact")
    against(f"Aer density_matrix, {SHOTS:,} shots each", seconds, exact, aer, compiled, some)
    if capabilities:
        what = f"Braket LocalEmulator, {SHOTS:,} shots each"
        against(what, seconds, exact, braket, compiled, some, capabilities)


if __name__ == "__main__":
    main()
