"""The interval is what simulating every day gives, and it covers what synthetic devices measure."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from qiskit.circuit import QuantumCircuit
from scipy.optimize import brentq

from benchmarks.forecast import kernel
from qcli.device.catalogue import find
from qcli.device.record import Device, Qubit
from qcli.forecast.circuit import LEVEL, Answer, Asked, bitstring, pauli_word, respond
from qcli.forecast.figures import expected
from qcli.forecast.optimism import drift, optimism
from qcli.forecast.response import READOUT, curve
from qcli.forecast.scenarios import outlook
from qcli.noise.circuit import NoisyCircuit, Strength
from tests.forecast.test_circuit import forecast, ghz, mirrored

NO_ANGLES = np.zeros((1, 0))


def each_day(answer: Answer, days: int = 96) -> np.ndarray:
    """The exact value on days drawn from the outlook, each simulated."""
    compiled = answer.layouts[0]
    view = outlook(answer.layouts, compiled.device.calibrated_on + timedelta(1), answer.trust)
    noisy = NoisyCircuit(compiled, expected(compiled.device))
    factors = answer.asked.factors[None]
    return np.array(
        [
            noisy.expectations(NO_ANGLES, factors, Strength(g, g, g, r))[0, 0]
            for g, r in zip(*view.draw(days, 5), strict=True)
        ]
    )


def crossing(angle: float) -> QuantumCircuit:
    """<Z> of qubit 0 is cos(angle), after gates that undo each other."""
    circuit = QuantumCircuit(3)
    circuit.ry(angle, 0)
    for _ in range(4):
        for wires in ((0, 1), (1, 2), (1, 2), (0, 1)):
            circuit.cx(*wires)
            circuit.barrier()
    return circuit


def zero_crossing(name: str) -> Asked:
    """An expectation value that is almost 0 on the usual day, by the asymmetry of readout."""
    device = find(name)

    def usual(angle: float) -> float:
        answer = respond(pauli_word(crossing(angle), "Z0"), device)
        return float(curve(READOUT, answer.by_readout)(answer.trust.readout)) + 1e-3

    return pauli_word(crossing(brentq(usual, 1.5, 1.8, xtol=1e-4)), "Z0")


QUESTIONS: list[tuple[str, Callable[[], Asked]]] = [
    ("boston", lambda: bitstring(kernel(5), "00000")),
    ("cepheus-1-108q", lambda: bitstring(kernel(4), "0000")),
    ("garnet", lambda: pauli_word(ghz(4), "XXXX")),
    ("garnet", lambda: pauli_word(ghz(4), "Z0 Z3")),
    ("fez", lambda: zero_crossing("fez")),
    ("garnet", lambda: zero_crossing("garnet")),
]


@pytest.mark.parametrize(("name", "asked"), QUESTIONS)
def test_the_interval_is_that_of_simulating_every_day(name: str, asked: Callable[[], Asked]) -> None:
    answer = respond(asked(), find(name))
    found = forecast(answer, 10_000_000)
    low, value, high = np.quantile(each_day(answer), [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2])
    close = 0.08 * (high - low)
    assert (found.low, found.value, found.high) == pytest.approx((low, value, high), abs=close)


def a_day(
    device: Device, used: set[int], age: float, generator: np.random.Generator
) -> tuple[Device, Strength]:
    """The `used` qubits of a device as they may have become since its calibration, and how strongly errors act on one
    day. Every figure of every qubit and edge has drifted by itself.
    """
    trust = optimism(device.vendor)

    def factor() -> float:
        return float(np.exp(drift(age) * generator.standard_normal()))

    def qubit(old: Qubit) -> Qubit:
        gate, up, down = old.error_1q, old.p1_given_0, old.p0_given_1
        assert gate is not None and up is not None and down is not None
        times = (None if seconds is None else seconds * factor() for seconds in (old.t1_s, old.t2_s))
        read = factor()
        return Qubit(
            old.id, *times, gate * factor(), min(up * read, 0.5), min(down * read, 0.5), old.duration_s
        )

    qubits = tuple(qubit(each) for each in device.usable if each.id in used)
    edges = tuple(
        each._replace(error=each.error * factor())
        for each in device.usable_edges
        if {each.a, each.b} <= used and each.error is not None
    )
    spread = np.hypot(trust.between_devices, trust.day_to_day)
    gates = trust.gates * np.exp(spread * generator.standard_normal())
    readout = trust.readout * np.exp(trust.readout_spread * generator.standard_normal())
    today = device.model_copy(update={"qubits": qubits, "edges": edges, "grid": None})
    return today, Strength(gates, gates, gates, readout)


@pytest.mark.parametrize(("name", "qubits", "age", "shots"), [("boston", 5, 30, 1000), ("garnet", 4, 3, 500)])
def test_the_interval_covers_what_500_synthetic_devices_measure(
    name: str, qubits: int, age: int, shots: int
) -> None:
    answer, generator = mirrored(name, qubits), np.random.default_rng(7)
    compiled, found = answer.layouts[0], forecast(answer, shots, age)
    device, used = expected(compiled.device), set(compiled.used_qubits)
    covered = 0
    for _ in range(500):
        today, strength = a_day(device, used, age, generator)
        share = NoisyCircuit(compiled, today).expectations(NO_ANGLES, answer.asked.factors[None], strength)
        measured = generator.binomial(shots, share[0, 0].clip(0, 1)) / shots
        covered += found.low <= measured <= found.high
    assert 0.85 <= covered / 500 <= 0.97
