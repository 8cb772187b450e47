import math

import numpy as np
import pytest
from braket.circuits import Circuit
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit.circuit import QuantumCircuit

from qcli.circuit.qiskit import template as circuit_of
from qcli.compile.native import NativeGate, native_gates, track_frames
from qcli.compile.transpile import compile_circuit
from qcli.compile.verbatim import verbatim
from qcli.device.catalogue import catalogue
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.price.subject import subject_of
from tests.compile.circuits import distribution, template

ANGLES = st.floats(-7, 7, allow_nan=False)
NONE = st.just(())
PAIRS = st.permutations(range(3)).map(lambda order: tuple(order[:2]))
GATES = st.one_of(
    st.builds(NativeGate, st.sampled_from(["rz", "rx"]), st.tuples(st.integers(0, 2)), st.tuples(ANGLES)),
    st.builds(NativeGate, st.just("r"), st.tuples(st.integers(0, 2)), st.tuples(ANGLES, ANGLES)),
    st.builds(NativeGate, st.sampled_from(["sx", "x"]), st.tuples(st.integers(0, 2)), NONE),
    st.builds(NativeGate, st.sampled_from(["cz", "iswap"]), PAIRS, NONE),
    st.builds(NativeGate, st.just("rzz"), PAIRS, st.tuples(ANGLES)),
)


def outcomes(gates: list[NativeGate]) -> np.ndarray:
    circuit = QuantumCircuit(3, 3)
    for name, qubits, angles in gates:
        getattr(circuit, name)(*angles, *qubits)
    circuit.measure(range(3), range(3))
    return distribution(circuit)


@settings(max_examples=150, deadline=None)
@given(st.lists(GATES, max_size=25))
def test_tracked_frames_leave_outcomes_and_pulses_as_they_are(gates: list[NativeGate]) -> None:
    tracked = track_frames(gates)
    np.testing.assert_allclose(outcomes(tracked), outcomes(gates), atol=1e-9)
    assert len(tracked) == sum(gate.name != "rz" for gate in gates)
    assert {gate.name for gate in tracked} <= {"r", "cz", "iswap", "rzz"}
    assert all(abs(gate.angles[0]) <= math.pi / 2 + 1e-9 for gate in tracked if gate.name == "rzz")


def test_native_gates_are_read_without_barriers_and_measurements() -> None:
    circuit = QuantumCircuit(5, 1)
    circuit.r(0.1, 0.2, 4)
    circuit.barrier()
    circuit.cz(4, 2)
    circuit.measure(2, 0)
    assert native_gates(circuit) == [NativeGate("r", (4,), (0.1, 0.2)), NativeGate("cz", (4, 2))]


def names_in(circuit: Circuit) -> set[str]:
    return {each.operator.name for each in circuit.instructions}


BOX = {"StartVerbatimBox", "EndVerbatimBox", "Measure"}


@pytest.mark.parametrize(
    ("device", "gates"),
    [
        ("braket/garnet", {"PRx", "CZ"}),
        ("braket/cepheus-1-108q", {"Rx", "Rz", "CZ"}),
        ("braket/ankaa-3", {"Rx", "Rz", "ISwap"}),
        ("braket/forte-enterprise-1", {"GPi", "GPi2", "ZZ"}),
        ("braket/ibex-q1", {"PRx", "Rz", "XX"}),
    ],
)
def test_a_verbatim_box_holds_the_vendors_gates_and_the_layout_is_measured_in_order(
    device: str, gates: set[str]
) -> None:
    compiled = compile_circuit(template(3), catalogue()[device], trials=1)
    first, second = verbatim(compiled, np.random.default_rng(3).uniform(0.2, 1, (2, 6)))
    assert names_in(first) == gates | BOX
    assert first != second
    measured = [int(q) for each in first.instructions if each.operator.name == "Measure" for q in each.target]
    assert tuple(measured) == compiled.layout
    for each in first.instructions:
        if each.operator.name == "Rx":
            assert abs(each.operator.angle) in (pytest.approx(math.pi / 2), pytest.approx(math.pi))


def test_the_qcnn_takes_39_zz_and_about_119_pulses_on_ions() -> None:
    (recorded,) = subject_of("qcnn", {}).circuits
    source, columns = circuit_of(recorded.program, recorded.angles)
    compiled = compile_circuit(source, catalogue()["braket/forte-enterprise-1"])
    (sent,) = verbatim(compiled, np.random.default_rng(0).uniform(0.1, 3, (1, len(columns))))
    kinds = [each.operator.name for each in sent.instructions]
    assert kinds.count("ZZ") == compiled.two_qubit_gates == 39
    assert kinds.count("GPi2") + kinds.count("GPi") == compiled.one_qubit_gates <= 125


def test_ibm_gets_a_qiskit_circuit_on_its_own_qubit_numbers() -> None:
    compiled = compile_circuit(template(2), catalogue()["ibm/fez"], trials=1)
    (sent,) = verbatim(compiled, [[0.1, 0.2, 0.3, 0.4]])
    reads = [sent.find_bit(each.qubits[0]).index for each in sent.data if each.name == "measure"]
    assert tuple(reads) == compiled.layout


def test_gates_without_a_verbatim_form_are_named() -> None:
    content = catalogue()["braket/garnet"].model_dump() | {"one_qubit_gates": ("sx", "x", "rz")}
    compiled = compile_circuit(template(2), Device.model_validate(content), trials=1)
    with pytest.raises(QcliError, match="no verbatim form for sx, x, rz, cz"):
        verbatim(compiled, np.zeros((1, 4)))
