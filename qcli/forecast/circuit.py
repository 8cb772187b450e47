"""Forecast of one circuit: the probability of a bitstring, or an expectation value, as a device would measure it."""

import re
from dataclasses import asdict, dataclass, replace
from datetime import date
from math import hypot
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Clbit, QuantumCircuit

from qcli.circuit.openqasm import PHYSICAL, VERBATIM
from qcli.compile.source import used_wires
from qcli.compile.transpile import Compiled, compile_on, layouts
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.figures import expected, guessed
from qcli.forecast.optimism import Optimism, optimism
from qcli.forecast.response import GATES, READOUT, USUAL_GATES, curve
from qcli.forecast.scenarios import outlook
from qcli.forecast.shots import check_shots
from qcli.noise.circuit import Noisy, NoisyCircuit, Strength
from qcli.noise.trajectories import Sampling

LEVEL = 0.90

Array = NDArray[np.float64]

_DAYS = 1024
_SAMPLING = Sampling(standard_error=0.01, exact=1e9)
"""A circuit is simulated a dozen times; both take some seconds each."""
_NEVER, _SELDOM, _CLEAR, _MOSTLY = 1e-6, 0.05, 0.05, 0.5


@dataclass(frozen=True)
class Asked:
    """A circuit that ends in measurements, and what is asked of them: the mean of a product over the measured bits.

    Attributes:
        factors: value of each bit's 0 and 1, `(bits, 2)`.
        lowest: value of the product that an outcome has if it is not 1: 0 for the probability of a bitstring, -1 for a
            Pauli word.
        note: how the question was read, where it could be read in two ways.
    """

    circuit: QuantumCircuit
    factors: Array
    lowest: float
    note: str = ""


@dataclass(frozen=True)
class Prediction:
    """What a device would measure, with its 90 % interval.

    `ideal` is the noiseless value, `as_published` the value if the calibration told the whole truth, `guess` the value
    without this device's calibration; `numerical_error` the standard error of the simulation, what twirling may hide
    included, 0 where it is exact;
    `note` how the question was read, where it could be read in two ways.
    """

    value: float
    low: float
    high: float
    guess: float
    ideal: float
    as_published: float
    numerical_error: float
    age_days: int
    basis: str
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def bitstring(circuit: QuantumCircuit, target: str) -> Asked:
    """Ask for the probability of `target`: classical bit 0 first, as PennyLane and Braket write it.

    A circuit without measurements is measured on all qubits, one on physical qubits on those that it uses. Where the
    target has no probability in the ideal circuit and its reverse, which is how Qiskit writes it, has one, or the one
    is seldom and the other the usual outcome, the reverse is what is asked.

    Raises:
        QcliError: not a bitstring, or not of as many bits as are measured.
    """
    measured = circuit.copy()
    if not any(instruction.name == "measure" for instruction in circuit.data):
        wires = _gated(circuit) if PHYSICAL in (circuit.metadata or {}) else range(circuit.num_qubits)
        read = [Clbit() for _ in wires]
        measured.add_bits(read)
        measured.measure([*wires], read)
    bits = sum(instruction.name == "measure" for instruction in measured.data)
    if not target or set(target) - {"0", "1"} or len(target) != bits:
        raise QcliError(
            f"target {target!r} for {bits} measured bits", "--target", f"give {bits} characters 0 or 1"
        )
    return Asked(measured, _indicator(target), 0.0)


def pauli_word(circuit: QuantumCircuit, observable: str) -> Asked:
    """Ask for the expectation value of a Pauli word, `ZIIX` (qubit 0 first) or `Z0 X3`.

    Measurements at the end of the circuit are replaced by those of the word.

    Raises:
        QcliError: not a Pauli word on the circuit's qubits.
    """
    letters = _letters(observable, circuit.num_qubits)
    measured = circuit.remove_final_measurements(inplace=False)
    assert measured is not None
    word = [Clbit() for _ in letters]
    measured.add_bits(word)
    for bit, (qubit, letter) in zip(word, letters.items(), strict=True):
        if letter == "Y":
            measured.sdg(qubit)
        if letter in "XY":
            measured.h(qubit)
        measured.measure(qubit, bit)
    return Asked(measured, np.tile([1.0, -1.0], (len(letters), 1)), -1.0)


def forecast_circuit(
    asked: Asked, device: Device, shots: int, on: date | None = None, seed: int = 0
) -> Prediction:
    """What `device` would measure in so many shots on a day, by default today.

    Raises:
        QcliError: shots that the device does not take, or a circuit that does not compile for it.
    """
    check_shots(shots, device)
    return predict(respond(asked, device), shots, on or date.today(), seed)


@dataclass(frozen=True)
class Answer:
    """All of a forecast that depends neither on the day nor on the shots.

    The value `by_gates` at the factors `GATES` on gate and idling errors, and `by_readout` at `READOUT`, each with the
    other as usual; `guess_by_gates` at `USUAL_GATES`, without the device's calibration.
    """

    asked: Asked
    layouts: tuple[Compiled, ...]
    by_gates: Array
    by_readout: Array
    guess_by_gates: Array
    ideal: float
    as_published: float
    numerical_error: float
    method: str
    trust: Optimism


def respond(asked: Asked, device: Device, trust: Optimism | None = None) -> Answer:
    """Compile a circuit for a device, and simulate it under errors of several strengths.

    Raises:
        QcliError: it does not compile for the device.
    """
    found, note = _placed(asked.circuit, device)
    compiled, trust = found[0], trust or optimism(device.vendor)
    published = NoisyCircuit(compiled)
    asked, ideal = _as_meant(replace(asked, note=note), published)
    noisy, blind = NoisyCircuit(compiled, expected(device)), NoisyCircuit(compiled, guessed(device))
    by_gates = [_simulated(noisy, asked, gates, trust.readout) for gates in GATES]
    by_readout = _simulated(noisy, asked, trust.gates, *READOUT)
    error = max(float(each.standard_error.max()) for each in by_gates)
    if by_readout.method == "trajectories":
        # twirled relaxation has lost its pull towards 0: what idling changes bounds by how much that is wrong
        awake = _simulated(noisy, asked, trust.gates, *READOUT, idle=False)
        error = hypot(error, float(np.abs(awake.values - by_readout.values).max()))
    return Answer(
        asked,
        found,
        np.array([each.values[0, 0] for each in by_gates]),
        by_readout.values[0],
        np.array([_simulated(blind, asked, gates, trust.readout).values[0, 0] for gates in USUAL_GATES]),
        ideal=ideal,
        as_published=float(_simulated(published, asked, 1.0, 1.0).values[0, 0]),
        numerical_error=error,
        method=by_readout.method,
        trust=trust,
    )


def _placed(circuit: QuantumCircuit, device: Device) -> tuple[tuple[Compiled, ...], str]:
    """Compiled on the physical qubits that the circuit names, or on good ones; and what is to be said of that."""
    metadata = circuit.metadata or {}
    numbers, verbatim = metadata.get(PHYSICAL), metadata.get(VERBATIM)
    if numbers is None:
        note = "the verbatim box names no physical qubits: the device's best were chosen" if verbatim else ""
        return tuple(layouts(circuit, device)), note
    named = {numbers[wire] for wire in used_wires(circuit, device)}
    if absent := sorted(named - {qubit.id for qubit in device.usable}):
        listed = ", ".join(map(str, absent))
        return tuple(layouts(circuit, device)), f"no calibrated qubits {listed}: other places were chosen"
    compiled = compile_on(circuit, device, numbers)
    written = sum(len(each.qubits) == 2 and each.name != "barrier" for each in circuit.data)
    anew = verbatim and compiled.two_qubit_gates != written
    note = "the verbatim box is not in native gates on coupled qubits: compiled anew" if anew else ""
    return (compiled,), note


def _simulated(noisy: NoisyCircuit, asked: Asked, gates: float, *readout: float, idle: bool = True) -> Noisy:
    """With so strong errors of gates and while idling, read with each of the strengths of `readout`."""
    factors = [noisy.before_readout(asked.factors[None], Strength(readout=each)) for each in readout]
    strength = Strength(gates, gates, gates if idle else 0.0, readout=0.0)
    return noisy.estimate(np.zeros((1, 0)), np.concatenate(factors), strength, _SAMPLING)


def _as_meant(asked: Asked, noisy: NoisyCircuit) -> tuple[Asked, float]:
    """The question in the order of bits that was meant, and its noiseless answer."""
    ideal = float(_simulated(noisy, asked, 0.0, 0.0).values[0, 0])
    if asked.lowest < 0 or ideal > _SELDOM:
        return asked, ideal
    turned = replace(asked, factors=asked.factors[::-1])
    other = float(_simulated(noisy, turned, 0.0, 0.0).values[0, 0])
    if other > (_CLEAR if ideal < _NEVER else _MOSTLY):
        note = f"the target was read with bit 0 last: with bit 0 first its ideal probability is {ideal:.2g}"
        return replace(turned, note=_join(asked.note, note)), other
    return asked, ideal


def predict(answer: Answer, shots: int, on: date, seed: int = 0) -> Prediction:
    """The distribution of what is measured in so many shots on a day, over all days the device may have."""
    view, lowest = outlook(answer.layouts, on, answer.trust), answer.asked.lowest
    gates, readout = view.draw(_DAYS, seed)
    by_gates, by_readout = curve(GATES, answer.by_gates)(gates), curve(READOUT, answer.by_readout)(readout)
    usual = float(curve(READOUT, answer.by_readout)(answer.trust.readout))
    # near a zero crossing of an expectation value, readout shifts more than it scales
    scales = abs(usual) > (_CLEAR if lowest < 0 else _NEVER)
    means = by_gates * (by_readout / usual) if scales else by_gates + by_readout - usual
    means = means.clip(lowest, 1.0)
    share = (means - lowest) / (1.0 - lowest)
    measured = lowest + (1.0 - lowest) * np.random.default_rng(seed).binomial(shots, share) / shots
    measured += np.random.default_rng(seed + 1).normal(0.0, answer.numerical_error, _DAYS)
    low, high = np.quantile(measured, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).clip(lowest, 1.0)
    return Prediction(
        value=float(np.median(means)),
        low=float(low),
        high=float(high),
        guess=float(np.clip(curve(USUAL_GATES, answer.guess_by_gates)(answer.trust.gates), lowest, 1.0)),
        ideal=answer.ideal,
        as_published=answer.as_published,
        numerical_error=answer.numerical_error,
        age_days=view.age_days,
        basis=f"{answer.method}; {answer.trust.basis}",
        note=answer.asked.note,
    )


def _join(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _gated(circuit: QuantumCircuit) -> list[int]:
    """Wires with a gate, ascending."""
    touched = {bit for each in circuit.data if each.name != "barrier" for bit in each.qubits}
    return [wire for wire, bit in enumerate(circuit.qubits) if bit in touched]


def _indicator(target: str) -> Array:
    """1 for the bit that is asked for, 0 for the other: `(bits, 2)`."""
    return np.array([[float(bit == "0"), float(bit == "1")] for bit in target])


def _letters(observable: str, qubits: int) -> dict[int, str]:
    """The Pauli letters by qubit, identities left out."""
    text = observable.strip().upper()
    if re.fullmatch("[IXYZ]+", text) and len(text) == qubits:
        found = dict(enumerate(text))
    elif re.fullmatch(r"[XYZ]\d+([\s*]*[XYZ]\d+)*", text):
        pairs = re.findall(r"([XYZ])(\d+)", text)
        found = {int(qubit): letter for letter, qubit in pairs}
        if len(found) < len(pairs) or max(found) >= qubits:
            found = {}
    else:
        found = {}
    letters = {qubit: letter for qubit, letter in sorted(found.items()) if letter != "I"}
    if not letters:
        raise QcliError(
            f"observable {observable!r} for {qubits} qubits",
            "--observable",
            f"give {qubits} letters I, X, Y, Z, qubit 0 first, or letters with qubits such as 'Z0 Z3'",
        )
    return letters
