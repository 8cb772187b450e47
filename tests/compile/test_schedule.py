import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import average_gate_fidelity
from qiskit_aer.noise import thermal_relaxation_error

from qcli.compile.schedule import Idle, timeline
from qcli.compile.tally import survival
from qcli.device.catalogue import find
from qcli.device.record import Qubit

TIMES = {"r": 20e-9, "cz": 40e-9, "readout": 1.5e-6}


def native() -> QuantumCircuit:
    """On Garnet: one pulse on 1, two on 2, a cz, then a third pulse on 2."""
    circuit = QuantumCircuit(3, 2)
    circuit.r(0.3, 0.0, 1)
    circuit.r(0.3, 0.0, 2)
    circuit.rz(0.5, 2)
    circuit.r(0.4, 0.0, 2)
    circuit.cz(1, 2)
    circuit.r(0.4, 0.0, 2)
    circuit.measure([1, 2], [0, 1])
    return circuit


def test_gates_run_as_late_as_possible_and_qubits_are_read_together() -> None:
    found = timeline(native(), find("garnet"))
    assert found.duration_s == pytest.approx(3 * TIMES["r"] + TIMES["cz"] + TIMES["readout"])
    assert found.basis == "assumed"
    (idle,) = found.idles
    assert (idle.before, idle.qubit) == (6, 1)
    assert idle.seconds == pytest.approx(TIMES["r"])


def test_gates_wait_for_those_before_a_barrier() -> None:
    circuit = QuantumCircuit(3, 2)
    circuit.r(0.3, 0.0, 1)
    circuit.barrier(1, 2)
    circuit.r(0.3, 0.0, 2)
    circuit.measure([1, 2], [0, 1])
    found = timeline(circuit, find("garnet"))
    assert found.duration_s == pytest.approx(2 * TIMES["r"] + TIMES["readout"])
    assert found.idles == (Idle(3, 1, pytest.approx(TIMES["r"])),)


def test_ions_take_one_gate_at_a_time() -> None:
    device = find("forte-enterprise-1")
    circuit = QuantumCircuit(3, 3)
    circuit.sx(0)
    circuit.rzz(0.3, 1, 2)
    circuit.measure(range(3), range(3))
    found = timeline(circuit, device)
    times = device.durations
    assert found.duration_s == pytest.approx(times.one_qubit_s + times.two_qubit_s + times.readout_s)
    assert found.idles == (Idle(2, 0, pytest.approx(times.two_qubit_s)),)


def test_a_gate_takes_the_time_of_its_edge() -> None:
    device = find("garnet")
    slow = device.model_copy(update={"edges": tuple(edge._replace(duration_s=1e-6) for edge in device.edges)})
    more = timeline(native(), slow).duration_s - timeline(native(), device).duration_s
    assert more == pytest.approx(1e-6 - TIMES["cz"])


def test_a_pulse_takes_the_time_of_its_qubit() -> None:
    device = find("garnet")
    qubits = tuple(q._replace(duration_s=50e-9) if q.id == 2 else q for q in device.qubits)
    found = timeline(native(), device.model_copy(update={"qubits": qubits}))
    assert found.duration_s == pytest.approx(3 * 50e-9 + TIMES["cz"] + TIMES["readout"])
    (idle,) = found.idles
    assert (idle.qubit, idle.seconds) == (1, pytest.approx(50e-9))


@given(st.floats(1e-6, 1e-3), st.floats(0.01, 2), st.floats(0, 1e-3))
def test_survival_is_the_average_fidelity_of_thermal_relaxation(t1: float, ratio: float, t: float) -> None:
    channel = thermal_relaxation_error(t1, ratio * t1, t)
    (found,) = survival(t, [Qubit(0, t1, ratio * t1)])
    assert found == pytest.approx(average_gate_fidelity(channel.to_quantumchannel()), abs=1e-9)


def test_unknown_times_lose_nothing_that_is_not_known() -> None:
    qubits = [
        Qubit(0, None, None),
        Qubit(1, 1e-5, None),
        Qubit(2, 1e-5, 2e-5),
        Qubit(3, 1e-5, 9e-5),
        Qubit(4, None, 1e-5),
    ]
    found = survival(1e-6, qubits)
    assert found[0] == 1
    assert found[1] == found[2] == found[3] < 1
    assert found[4] == pytest.approx(2 / 3 + np.exp(-0.1) / 3)
