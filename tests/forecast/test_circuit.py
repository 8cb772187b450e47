"""One circuit's forecast: what is asked, the noiseless answer, an interval that holds, and what moves it."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import pairwise
from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, QuantumCircuit, QuantumRegister

from benchmarks.forecast import kernel
from qcli.circuit.openqasm import read_circuit
from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.forecast import circuit as circuit_module
from qcli.forecast.circuit import (
    Answer,
    Prediction,
    bitstring,
    forecast_circuit,
    pauli_word,
    predict,
    respond,
)
from qcli.noise.trajectories import Sampling

DEVICES = ["garnet", "boston", "cepheus-1-108q", "forte-enterprise-1"]


def ghz(wires: int) -> QuantumCircuit:
    circuit = QuantumCircuit(wires)
    circuit.h(0)
    for wire in range(wires - 1):
        circuit.cx(wire, wire + 1)
    return circuit


@cache
def mirrored(name: str, qubits: int = 5) -> Answer:
    return respond(bitstring(kernel(qubits), "0" * qubits), find(name))


def forecast(answer: Answer, shots: int = 1000, days: int = 1, seed: int = 0) -> Prediction:
    """So many days after the calibration."""
    return predict(answer, shots, answer.layouts[0].device.calibrated_on + timedelta(days), seed)


def width(prediction: Prediction) -> float:
    return prediction.high - prediction.low


def test_trajectories_know_how_far_off_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twirling takes the pull towards |0⟩ from qubits that idle; Emerald's relax fast."""
    exact = mirrored("emerald")
    monkeypatch.setattr(circuit_module, "_SAMPLING", Sampling(0.01, exact=0))
    monkeypatch.setattr("qcli.noise.circuit._LITTLE", 0)
    sampled = respond(bitstring(kernel(5), "00000"), find("emerald"))
    assert (exact.method, exact.numerical_error, sampled.method) == ("exact", 0, "trajectories")
    off = np.abs(sampled.by_readout - exact.by_readout).max()
    assert 0.01 < sampled.numerical_error < 0.2 and off < 1.5 * sampled.numerical_error
    assert width(forecast(sampled)) > width(forecast(exact))


# what is asked


def test_a_circuit_without_measurements_is_measured_on_all_qubits() -> None:
    asked = bitstring(ghz(3), "000")
    assert asked.circuit.count_ops()["measure"] == 3
    assert forecast(respond(asked, find("garnet"))).ideal == pytest.approx(0.5, abs=1e-9)


@pytest.mark.parametrize("target", ["", "00", "0000", "00x", "0 0", "002", "٠٠٠"])
def test_a_target_has_a_0_or_1_for_each_measured_bit(target: str) -> None:
    with pytest.raises(QcliError) as refusal:
        bitstring(ghz(3), target)
    assert "3 measured bits" in refusal.value.what and "3 characters" in refusal.value.fix


def test_bits_that_are_not_measured_are_not_asked_for() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.x(2)
    circuit.measure([2, 0], [2, 0])
    assert respond(bitstring(circuit, "01"), find("garnet")).ideal == pytest.approx(1.0)


def test_bits_of_several_registers_stand_one_after_the_other() -> None:
    circuit = QuantumCircuit(QuantumRegister(2), ClassicalRegister(1, "a"), ClassicalRegister(1, "b"))
    circuit.x(1)
    circuit.measure([0, 1], [1, 0])
    assert respond(bitstring(circuit, "10"), find("garnet")).ideal == pytest.approx(1.0)


WORDS = [("ZIIX", "Z0 X3"), ("IYII", "Y1"), ("XXII", "x0*x1"), ("zizi", " Z2  Z0 ")]


@pytest.mark.parametrize(("letters", "pairs"), WORDS)
def test_a_pauli_word_is_written_in_letters_or_with_qubits(letters: str, pairs: str) -> None:
    one, other = pauli_word(ghz(4), letters), pauli_word(ghz(4), pairs)
    assert one.circuit == other.circuit
    assert (one.factors == other.factors).all() and (one.factors == [1, -1]).all()
    assert len(one.factors) == 4 - letters.upper().count("I")


@pytest.mark.parametrize("word", ["", "III", "ZZ", "ZZZZ", "Z3", "Z0 X0", "Z", "ZAZ", "Z0,Z1", "Z-1", "Z0Z0"])
def test_what_is_no_word_on_the_circuits_qubits_is_refused(word: str) -> None:
    with pytest.raises(QcliError) as refusal:
        pauli_word(ghz(3), word)
    assert "3 qubits" in refusal.value.what and refusal.value.where == "--observable"


IDEALS = [
    ("ZZI", 1.0),
    ("Z0", 0.0),
    ("XXX", 1.0),
    ("XYY", -1.0),
    ("YYX", -1.0),
    ("YYY", 0.0),
    ("Y0 Y1", 0.0),
    ("Z0Z1", 1.0),
]


@pytest.mark.parametrize(("word", "value"), IDEALS)
def test_the_noiseless_expectation_value_is_exact(word: str, value: float) -> None:
    assert respond(pauli_word(ghz(3), word), find("garnet")).ideal == pytest.approx(value, abs=1e-9)


def test_a_words_measurements_take_the_place_of_the_circuits() -> None:
    measured, bare = ghz(3), QuantumCircuit(3, 2)
    measured.measure_all()
    bare.compose(ghz(3), inplace=True)
    for circuit in (measured, bare):
        asked = pauli_word(circuit, "XXX")
        assert asked.circuit.count_ops()["measure"] == 3
        assert respond(asked, find("garnet")).ideal == pytest.approx(1.0, abs=1e-9)


def test_a_measurement_before_the_end_is_refused_under_a_word_too() -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.measure(0, 0)
    circuit.h(0)
    with pytest.raises(QcliError, match="h on wire 0 comes after its measurement"):
        respond(pauli_word(circuit, "ZI"), find("garnet"))


# the order of bits


def flipped(*wires: int) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.x(list(wires))
    return circuit


def test_a_target_is_read_with_bit_0_first() -> None:
    found = forecast(respond(bitstring(flipped(0), "100"), find("garnet")))
    assert found.ideal == pytest.approx(1.0) and "read with" not in found.basis


def test_a_target_that_can_only_be_meant_in_reverse_is_read_so_and_it_is_said() -> None:
    straight, reverse = (respond(bitstring(flipped(0), target), find("garnet")) for target in ("100", "001"))
    assert reverse.ideal == pytest.approx(1.0)
    assert forecast(reverse).value == forecast(straight).value
    assert "read with bit 0 last" in forecast(reverse).note and not forecast(straight).note


def on_couplers(name: str, gates: int, verbatim: bool, shift: int = 0) -> str:
    """CZ gates in a row on the first coupler of a device, whose qubits start in |00⟩."""
    edge = find(name).usable_edges[0]
    a, b = edge.a + shift, edge.b + shift
    body = "".join(f"cz ${a}, ${b};\n" for _ in range(gates))
    box = f"#pragma braket verbatim\nbox {{\n{body}}}\n" if verbatim else body
    return f"OPENQASM 3.0;\nbit[2] c;\n{box}c[0] = measure ${a};\nc[1] = measure ${b};\n"


def read(path: Path, text: str) -> QuantumCircuit:
    path.write_text(text)
    return read_circuit(path)


@pytest.mark.parametrize(("verbatim", "kept"), [(True, 20), (False, 0)])
def test_a_circuit_runs_on_the_physical_qubits_that_it_names(
    tmp_path: Path, verbatim: bool, kept: int
) -> None:
    circuit = read(tmp_path / "c.qasm", on_couplers("garnet", 20, verbatim))
    answer, edge = respond(bitstring(circuit, "00"), find("garnet")), find("garnet").usable_edges[0]
    (compiled,) = answer.layouts
    assert compiled.layout == (edge.a, edge.b)
    assert compiled.two_qubit_gates == 20 if verbatim else compiled.two_qubit_gates < 2
    assert forecast(answer).note == ""


def test_physical_qubits_that_the_device_has_not_are_replaced_and_that_is_said(tmp_path: Path) -> None:
    circuit = read(tmp_path / "c.qasm", on_couplers("garnet", 2, verbatim=True, shift=100))
    answer = respond(bitstring(circuit, "00"), find("garnet"))
    assert "no calibrated qubits 101" in forecast(answer).note and len(answer.layouts) > 1


def test_a_verbatim_box_in_other_gates_is_compiled_anew_and_that_is_said(tmp_path: Path) -> None:
    text = on_couplers("garnet", 2, verbatim=True).replace("cz", "iswap")
    answer = respond(bitstring(read(tmp_path / "c.qasm", text), "00"), find("garnet"))
    assert "compiled anew" in forecast(answer).note
    assert answer.layouts[0].two_qubit_gates == 4


def test_a_circuit_on_physical_qubits_without_measurements_is_measured_on_those_it_uses(
    tmp_path: Path,
) -> None:
    circuit = read(tmp_path / "c.qasm", "OPENQASM 3.0;\nh $2;\ncnot $2, $1;\n")
    asked = bitstring(circuit, "00")
    assert respond(asked, find("garnet")).layouts[0].layout == (1, 2)
    assert forecast(respond(asked, find("garnet"))).ideal == pytest.approx(0.5)


def almost_flipped(angle: float) -> QuantumCircuit:
    """Qubit 0 is 1 but for an angle, the others are 0 but for a smaller one."""
    circuit = QuantumCircuit(3)
    circuit.ry(np.pi - angle, 0)
    circuit.ry(angle / 2, 2)
    return circuit


def test_a_seldom_outcome_whose_reverse_is_the_usual_one_is_read_in_reverse() -> None:
    usual, seldom = (respond(bitstring(almost_flipped(0.5), t), find("garnet")) for t in ("100", "001"))
    assert seldom.ideal == usual.ideal > 0.5
    assert "with bit 0 first its ideal probability is 0.00095" in forecast(seldom).note
    # as unlikely, but no more likely in reverse
    assert forecast(respond(bitstring(almost_flipped(1.5), "001"), find("garnet"))).note == ""


def test_a_target_that_is_possible_in_neither_order_is_read_as_it_stands() -> None:
    found = forecast(respond(bitstring(flipped(0), "010"), find("garnet")))
    assert found.ideal == pytest.approx(0.0) and "read with" not in found.basis
    assert 0 <= found.low <= found.value <= found.high < 0.1


# what moves a forecast


@pytest.mark.parametrize("name", DEVICES)
def test_value_lies_in_the_interval_below_what_the_calibration_promises(name: str) -> None:
    found = forecast(mirrored(name))
    assert 0 < found.low < found.value < found.high < 1
    assert found.value <= found.as_published < found.ideal == pytest.approx(1.0)
    assert found.numerical_error == 0 and found.basis.startswith("exact; ")


@pytest.mark.parametrize("name", ["garnet", "boston", "fez", "cepheus-1-108q"])
def test_forecast_and_guess_are_two_answers(name: str) -> None:
    found = forecast(mirrored(name))
    assert abs(found.guess - found.value) > 0.005


def test_more_shots_narrow_the_interval_down_to_what_is_not_shot_noise() -> None:
    widths = [width(forecast(mirrored("boston"), shots)) for shots in (10, 100, 1000, 10_000, 1_000_000)]
    for fewer, more in pairwise(widths):
        assert more < 1.02 * fewer
    assert widths[0] > 2.5 * widths[-1] > 0


def test_a_few_shots_alone_are_as_uncertain_as_binomial_draws() -> None:
    certain = replace(
        mirrored("boston"),
        layouts=mirrored("boston").layouts[:1],
        by_gates=np.full(7, 0.5),
        by_readout=np.full(5, 0.5),
    )
    assert width(forecast(certain, 400)) == pytest.approx(2 * 1.645 * sqrt(0.25 / 400), rel=0.1)


def test_the_same_seed_gives_the_same_bits() -> None:
    asked, device = bitstring(kernel(4), "0000"), find("garnet")
    one, same, other = (
        forecast_circuit(asked, device, 1000, device.calibrated_on, seed) for seed in (1, 1, 2)
    )
    assert one == same != other
    assert one.value == pytest.approx(other.value, abs=0.01)
    assert (one.ideal, one.guess) == (other.ideal, other.guess)


def test_the_date_ages_the_calibration_and_widens_the_interval() -> None:
    found = {days: forecast(mirrored("boston"), 10_000_000, days) for days in (-7, 1, 7, 90, 400)}
    assert {days: each.age_days for days, each in found.items()} == {days: days for days in found}
    widths = [width(found[days]) for days in (1, 7, 90)]
    assert widths == sorted(set(widths))
    assert width(found[400]) == width(found[90]) and width(found[-7]) == width(found[7])


def test_a_weaker_trust_widens_the_interval() -> None:
    doubtful = replace(mirrored("boston"), trust=replace(mirrored("boston").trust, between_devices=1.0))
    assert width(forecast(doubtful)) > 1.4 * width(forecast(mirrored("boston")))


@pytest.mark.parametrize("shots", [0, -1])
def test_no_shots_are_refused(shots: int) -> None:
    with pytest.raises(QcliError, match="shots"):
        forecast_circuit(bitstring(ghz(2), "00"), find("garnet"), shots)


def test_a_circuit_too_wide_for_the_device_is_refused() -> None:
    with pytest.raises(QcliError, match="21 wires"):
        respond(bitstring(ghz(21), "0" * 21), find("garnet"))


def test_thirty_mirrored_qubits_in_a_line_are_exact() -> None:
    found = forecast(mirrored("boston", 30))
    assert found.ideal == pytest.approx(1.0, abs=1e-9)
    assert found.numerical_error == 0 and found.basis.startswith("exact")
    assert 0.2 < found.low < found.value < found.as_published < 0.8
