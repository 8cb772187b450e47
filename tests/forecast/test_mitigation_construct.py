"""Circuits that mitigation runs: folded gates are the identity, calibration prepares 0 and 1."""

from functools import cache

import numpy as np
import pytest
from qiskit.quantum_info import Operator

from qcli.compile.transpile import bind_and_merge, compile_circuit
from qcli.device.catalogue import catalogue
from qcli.errors import QcliError
from qcli.forecast.mitigation.construct import calibration, folded
from qcli.noise.circuit import NoisyCircuit, Strength
from tests.compile.circuits import template

WIRES = 3
ANGLES = np.random.default_rng(3).uniform(-3, 3, (1, 2 * WIRES))
EVERY = pytest.mark.parametrize("device", catalogue())
KINDS = pytest.mark.parametrize(
    "device", ["braket/garnet", "braket/ankaa-3", "braket/forte-enterprise-1", "braket/ibex-q1", "ibm/fez"]
)


@cache
def compiled(device):
    return compile_circuit(template(WIRES), catalogue()[device], trials=1)


def unitary(circuit):
    (bound,) = bind_and_merge(circuit, ANGLES)
    return Operator(bound.remove_final_measurements(inplace=False))


@EVERY
@pytest.mark.parametrize("scale", [3, 5])
def test_a_folded_circuit_does_the_same(device, scale):
    assert unitary(folded(compiled(device), scale)).equiv(unitary(compiled(device)))


@EVERY
def test_folding_multiplies_the_two_qubit_gates_alone(device):
    before, after = compiled(device), folded(compiled(device), 3)
    assert after.two_qubit_gates == 3 * before.two_qubit_gates
    assert after.one_qubit_gates == before.one_qubit_gates
    assert after.layout == before.layout
    assert after.duration_s > before.duration_s
    assert after.success < before.success


@EVERY
def test_folding_stays_within_the_native_gates(device):
    native = {*catalogue()[device].one_qubit_gates, catalogue()[device].two_qubit_gate, "measure"}
    assert set(folded(compiled(device), 3).circuit.count_ops()) <= native


def test_scale_1_is_the_circuit_itself():
    assert folded(compiled("braket/garnet"), 1) is compiled("braket/garnet")


@pytest.mark.parametrize("scale", [-1, 0, 2])
def test_gates_fold_to_odd_scales_alone(scale):
    with pytest.raises(QcliError, match=f"noise scale {scale}"):
        folded(compiled("braket/garnet"), scale)


@KINDS
def test_calibration_prepares_all_0_and_all_1(device):
    silent = Strength(0, 0, 0, 0)
    found = [
        NoisyCircuit(circuit).distribution(np.zeros((1, 0)), silent)
        for circuit in calibration(compiled(device))
    ]
    np.testing.assert_allclose(np.concatenate(found), np.eye(2**WIRES)[[0, -1]], atol=1e-12)


@KINDS
def test_calibration_takes_a_pulse_on_each_measured_qubit(device):
    zeros, ones = calibration(compiled(device))
    assert (zeros.one_qubit_gates, ones.one_qubit_gates) == (0, WIRES)
    assert zeros.two_qubit_gates == ones.two_qubit_gates == 0
    assert zeros.layout == ones.layout == compiled(device).layout
