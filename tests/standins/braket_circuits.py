"""OpenQASM as the Braket SDK writes it: read line by line, checked against a device, and run on a state vector."""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from inspect import isclass, signature
from typing import Any, NamedTuple

import numpy as np
from braket.circuits import Gate, gates

from tests.standins.braket_devices import PROGRAM

MOST_QUBITS = 20
_STATEMENT = re.compile(r"#pragma[^\n]*|[{}]|[^;{}\n]+")
_GATE = re.compile(r"(\w+)\s*(?:\((.*)\))?\s*((?:\$\d+|\w+\[\d+\])(?:\s*,\s*(?:\$\d+|\w+\[\d+\]))*)")
_MEASURE = re.compile(r"(?:\w+(?:\[(\d+)\])?\s*=\s*)?measure\s+(?:\$|\w+\[)?(\w+)\]?")
_REGISTER = re.compile(r"qubit(?:\[(\d+)\])?\s+(\w+)")
_RIGHT_ANGLE_TOLERANCE = 1e-6


class CircuitError(Exception):
    """Why a circuit cannot run."""


class Written(NamedTuple):
    """A gate as it stands in the text; `native` inside a verbatim box."""

    name: str
    angles: tuple[str, ...]
    qubits: tuple[int, ...]
    native: bool


class Program(NamedTuple):
    """Gates in order and the qubits whose outcomes are returned; `physical` if they are numbered as the device does."""

    gates: tuple[Written, ...]
    measured: tuple[int, ...]
    physical: bool


class Bound(NamedTuple):
    name: str
    angles: tuple[float, ...]
    qubits: tuple[int, ...]


@lru_cache(1024)
def read(source: str) -> Program:
    """Parse a program; qubits that are not measured are all measured.

    Raises:
        CircuitError: a statement that is neither a gate nor a measurement of a fixed qubit.
    """
    written: list[Written] = []
    measured: dict[int, int] = {}
    register: range | None = None
    verbatim = box = False
    for statement in map(str.strip, _STATEMENT.findall(re.sub(r"//[^\n]*", "", source))):
        word = statement.partition(" ")[0]
        if not statement or word in ("OPENQASM", "input", "barrier") or word.startswith("bit"):
            continue
        if statement in ("{", "}"):
            box = verbatim and statement == "{"
            verbatim = verbatim and box
        elif statement == "#pragma braket verbatim":
            verbatim = True
        elif statement == "box":
            if not verbatim:
                raise CircuitError("a box without the verbatim pragma")
        elif found := _REGISTER.fullmatch(statement):
            register = range(int(found[1] or 1))
        elif found := _MEASURE.fullmatch(statement):
            bit, qubit = found.groups()
            if qubit.isdigit():
                measured[len(measured) if bit is None else int(bit)] = int(qubit)
            else:
                measured.update(enumerate(register or ()))
        elif found := _GATE.fullmatch(statement):
            name, angles, qubits = found.groups()
            texts = tuple(angle.strip() for angle in angles.split(",")) if angles else ()
            places = tuple(map(int, re.findall(r"(?<=[$\[])\d+", qubits)))
            written.append(Written(name, texts, places, box))
        else:
            raise CircuitError(f"unsupported statement: {statement}")
    used = sorted(register or {qubit for gate in written for qubit in gate.qubits})
    outcomes = tuple(measured[bit] for bit in sorted(measured)) or tuple(used)
    if not outcomes:
        raise CircuitError("no qubits")
    return Program(tuple(written), outcomes, register is None)


def bind(program: Program, inputs: Mapping[str, float]) -> list[Bound]:
    """The gates with numbers for angles.

    Raises:
        CircuitError: an input is missing, or a gate is unknown or has another number of angles.
    """
    bound = []
    for gate in program.gates:
        kind = _kinds().get(gate.name.lower())
        if kind is None or kind[1:] != (len(gate.angles), len(gate.qubits)):
            raise CircuitError(
                f"unsupported gate: {gate.name} of {len(gate.angles)} angles and {gate.qubits}"
            )
        bound.append(
            Bound(gate.name.lower(), tuple(_value(text, inputs) for text in gate.angles), gate.qubits)
        )
    return bound


def faults(program: Program, bound: Sequence[Bound], capabilities: Mapping[str, Any]) -> Iterator[str]:
    """What a device with these capabilities does not take; each once."""
    action, paradigm = capabilities["action"][PROGRAM], capabilities["paradigm"]
    native = {name.lower() for name in paradigm["nativeGateSet"]}
    graph = paradigm["connectivity"]["connectivityGraph"]
    connected = paradigm["connectivity"]["fullyConnected"]
    seen: set[str] = set()
    for written, gate in zip(program.gates, bound, strict=True):
        message = None
        first, second = gate.qubits[0], gate.qubits[-1]
        if written.native:
            if gate.name not in native:
                message = f"{gate.name} is not a native gate of the device"
            elif len(gate.qubits) > 1 and not connected and str(second) not in graph.get(str(first), ()):
                message = f"qubits {first} and {second} are not connected"
            elif gate.name == "rx" and abs(math.sin(2 * gate.angles[0])) > _RIGHT_ANGLE_TOLERANCE:
                message = f"rx({gate.angles[0]}) is not a multiple of pi/2"
        elif not action["supportsPartialVerbatimBox"] and any(each.native for each in program.gates):
            message = "gates outside the verbatim box are not supported"
        elif gate.name not in action["supportedOperations"]:
            message = f"{gate.name} is not supported by the device"
        if message and message not in seen:
            seen.add(message)
            yield message
    qubits = {qubit for gate in bound for qubit in gate.qubits} | {*program.measured}
    unknown = sorted(qubit for qubit in qubits if str(qubit) not in graph) if program.physical else []
    if unknown:
        yield f"qubits {unknown} do not exist on the device"
    if len(qubits) > MOST_QUBITS:
        yield f"the stand-in simulates at most {MOST_QUBITS} qubits"


def measurements(
    source: str, inputs: Mapping[str, float], shots: int, seed: int, contrast: float
) -> np.ndarray:
    """Rows of 0 and 1, (shots, measured qubits): the same for the same arguments, whenever they are asked for.

    With probability 1 - contrast an outcome is drawn from all alike.
    """
    said = json.dumps([source, sorted(inputs.items()), shots, seed, contrast])
    rng = np.random.default_rng(list(hashlib.sha256(said.encode()).digest()))
    program = read(source)
    ideal = probabilities(bind(program, inputs), program.measured)
    chances = contrast * ideal + (1 - contrast) / len(ideal)
    outcomes = rng.choice(len(ideal), size=shots, p=chances / chances.sum())
    return (outcomes[:, None] >> np.arange(len(program.measured))[::-1]) & 1


def probabilities(bound: Sequence[Bound], measured: Sequence[int]) -> np.ndarray:
    """Of each outcome, (2 ** measured,); the first qubit is the most significant."""
    order = list({qubit for gate in bound for qubit in gate.qubits} | {*measured})
    state = np.zeros(2 ** len(order), complex)
    state[0] = 1
    for name, angles, qubits in bound:
        state, order = _first(state, order, qubits)
        state = _matrix(name, angles) @ state
    state, _ = _first(state, order, measured)
    return np.sum(np.abs(state) ** 2, axis=1)


def _first(state: np.ndarray, order: list[int], qubits: Sequence[int]) -> tuple[np.ndarray, list[int]]:
    """The state as a matrix whose rows are the states of some qubits, and the new order of all."""
    after = [*qubits, *(qubit for qubit in order if qubit not in qubits)]
    axes = [order.index(qubit) for qubit in after]
    return state.reshape((2,) * len(order)).transpose(axes).reshape(2 ** len(qubits), -1), after


@lru_cache(16_384)
def _matrix(name: str, angles: tuple[float, ...]) -> np.ndarray:
    return np.asarray(_kinds()[name][0](*angles).to_matrix())


@cache
def _kinds() -> dict[str, tuple[Any, int, int]]:
    """The SDK's gates by their OpenQASM names, each with its number of angles and of qubits."""
    classes: list[Any] = [kind for kind in vars(gates).values() if isclass(kind) and issubclass(kind, Gate)]
    kinds: dict[str, tuple[Any, int, int]] = {}
    for kind in classes:
        if isinstance(kind.fixed_qubit_count(), int):
            angles = len(signature(kind).parameters)
            kinds[kind(*[0.0] * angles)._qasm_name.lower()] = kind, angles, kind.fixed_qubit_count()
    return kinds


_FUNCTIONS = {name: getattr(math, name) for name in ("pi", "tau", "sin", "cos", "tan", "exp", "log", "sqrt")}


@cache
def _compiled(text: str) -> Any:
    return compile(text, "angle", "eval")


def _value(text: str, inputs: Mapping[str, float]) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return float(eval(_compiled(text), {"__builtins__": {}}, {**_FUNCTIONS, **inputs}))
    except (NameError, SyntaxError, TypeError, ValueError, ArithmeticError) as error:
        raise CircuitError(f"angle {text}: {error}") from None
