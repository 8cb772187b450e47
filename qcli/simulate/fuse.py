"""A Program as few two-wire unitaries: the form every fused engine runs.

Each gate is a product of Pauli rotations exp(-iθ/2 P) and Clifford gates on at most two wires (docs/engine.md).
Neighbouring ones on the same two wires become a `Block`: rotations first, then one Clifford unitary, because
F·exp(-iθ/2 P) with a Clifford F turns only the Pauli word. Global phases are dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from qcli.circuit.program import Gate, Probabilities, Program

LETTERS = "IXYZ"
PAULI = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]], dtype=complex)
PAULI_WORDS = np.array([np.kron(first, second) for first in PAULI for second in PAULI])
"""The two-wire words `4·first + second`, `(16, 4, 4)`; letters are counted I, X, Y, Z."""


@dataclass(frozen=True)
class Rotation:
    """exp(-iθ/2 P) with P = `PAULI_WORDS[word]` and θ = scale·angle[column] + offset; no column: θ = offset."""

    word: int
    column: int | None
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, eq=False)
class Block:
    """Rotations in the order of application, then the Clifford, on `wires` (the first is the more significant bit).

    A block of one wire acts on the first slot of the words; its wire starts in |0⟩ and in no other block before.
    `control` is the slot on which all of it is diagonal, so that it is two one-wire unitaries side by side.
    """

    wires: tuple[int, ...]
    rotations: tuple[Rotation, ...]
    clifford: NDArray[np.complex128] = field(repr=False)
    control: int | None
    per_sample: bool


@dataclass(frozen=True)
class Fused:
    """What a Program computes: `starts[w]` prepares wire w from |0⟩, then come the blocks.

    Wires are the program's, less those that no measurement depends on.
    """

    wires: tuple[int, ...]
    starts: tuple[Block, ...]
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class _Element:
    """An elementary gate: a rotation about `letters`, or the Clifford `matrix`."""

    wires: tuple[int, ...]
    letters: str = ""
    column: int | None = None
    scale: float = 1.0
    offset: float = 0.0
    matrix: str = ""

    def diagonal_on(self, wire: int) -> bool:
        if wire not in self.wires:
            return True
        slot = self.wires.index(wire)
        return self.letters[slot] in "IZ" if self.letters else slot in _DIAGONAL.get(self.matrix, ())


_S2 = np.sqrt(0.5)
_CLIFFORD: dict[str, NDArray[np.complex128]] = {
    name: np.array(matrix, dtype=np.complex128)
    for name, matrix in {
        "PauliX": PAULI[1],
        "PauliY": PAULI[2],
        "PauliZ": PAULI[3],
        "Hadamard": [[_S2, _S2], [_S2, -_S2]],
        "S": [[1, 0], [0, 1j]],
        "Adjoint(S)": [[1, 0], [0, -1j]],
        "SX": [[0.5 + 0.5j, 0.5 - 0.5j], [0.5 - 0.5j, 0.5 + 0.5j]],
        "Adjoint(SX)": [[0.5 - 0.5j, 0.5 + 0.5j], [0.5 + 0.5j, 0.5 - 0.5j]],
        "CNOT": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]],
        "CY": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, -1j], [0, 0, 1j, 0]],
        "CZ": np.diag([1, 1, 1, -1]),
        "SWAP": [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]],
        "ISWAP": [[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]],
    }.items()
}
_DIAGONAL = {
    "PauliZ": (0,), "S": (0,), "Adjoint(S)": (0,), "CNOT": (0,), "CY": (0,), "CZ": (0, 1),
}  # fmt: skip
_ROTATIONS: dict[str, tuple[tuple[str, float], ...]] = {
    "RX": (("X", 1.0),),
    "RY": (("Y", 1.0),),
    "RZ": (("Z", 1.0),),
    "PhaseShift": (("Z", 1.0),),
    "CRX": (("IX", 0.5), ("ZX", -0.5)),
    "CRY": (("IY", 0.5), ("ZY", -0.5)),
    "CRZ": (("IZ", 0.5), ("ZZ", -0.5)),
    "ControlledPhaseShift": (("ZI", 0.5), ("IZ", 0.5), ("ZZ", -0.5)),
    "IsingXX": (("XX", 1.0),),
    "IsingYY": (("YY", 1.0),),
    "IsingZZ": (("ZZ", 1.0),),
}


def _elements(gate: Gate) -> Iterator[_Element]:
    """The gate as rotations and Cliffords, up to a global phase."""

    def fixed(name: str, *wires: int) -> _Element:
        return _Element(wires, matrix=name)

    def turn(letters: str, angle: float, *wires: int) -> _Element:
        return _Element(wires, letters, offset=angle)

    def controlled_sx(control: int, target: int, sign: float) -> Iterator[_Element]:
        yield turn("ZI", sign * pi / 4, control, target)
        yield turn("IX", sign * pi / 4, control, target)
        yield turn("ZX", -sign * pi / 4, control, target)

    w = gate.wires
    if gate.name in _CLIFFORD:
        yield fixed(gate.name, *w)
    elif gate.name in _ROTATIONS:
        for letters, scale in _ROTATIONS[gate.name]:
            yield _Element(w, letters, gate.angle, scale)
    elif gate.name in ("T", "Adjoint(T)"):
        yield turn("Z", pi / 4 if gate.name == "T" else -pi / 4, *w)
    elif gate.name == "CH":
        yield turn("Y", -pi / 4, w[1])
        yield fixed("CZ", *w)
        yield turn("Y", pi / 4, w[1])
    elif gate.name == "Toffoli":
        yield from controlled_sx(w[1], w[2], 1)
        yield fixed("CNOT", w[0], w[1])
        yield from controlled_sx(w[1], w[2], -1)
        yield fixed("CNOT", w[0], w[1])
        yield from controlled_sx(w[0], w[2], 1)
    elif gate.name == "CSWAP":
        yield fixed("CNOT", w[2], w[1])
        yield from _elements(Gate("Toffoli", w))
        yield fixed("CNOT", w[2], w[1])
    else:
        raise ValueError(f"gate {gate.name}")


def fuse(program: Program) -> Fused:
    """Blocks of a Program, without the gates that no measured wire depends on."""
    elements, wires = _light_cone(program)
    starts, drafts = _group(elements)
    per_sample = program.angle_map.from_inputs
    return Fused(
        wires,
        tuple(_block((wire,), starts.get(wire, []), per_sample) for wire in wires),
        tuple(_block(draft.wires, draft.elements, per_sample) for draft in drafts),
    )


def _light_cone(program: Program) -> tuple[list[_Element], tuple[int, ...]]:
    live: set[int] = set()
    for measurement in program.measurements:
        if isinstance(measurement, Probabilities):
            live |= set(measurement.wires)
        else:
            live |= {wire for _, word in measurement.terms for wire, _ in word}
    kept: list[_Element] = []
    for gate in reversed(program.gates):
        for element in reversed(list(_elements(gate))):
            if live & set(element.wires):
                live |= set(element.wires)
                kept.append(element)
    return kept[::-1], tuple(sorted(live))


@dataclass
class _Draft:
    wires: tuple[int, int]
    body: list[_Element] = field(default_factory=list)
    before: list[_Element] = field(default_factory=list)
    after: list[_Element] = field(default_factory=list)

    @property
    def elements(self) -> list[_Element]:
        return self.before + self.body + self.after

    def stays_cheap(self, more: list[_Element]) -> bool:
        """Whether the draft costs no more with these one-wire elements than without."""
        controls = [w for w in self.wires if all(e.diagonal_on(w) for e in self.elements)]
        return not controls or any(all(e.diagonal_on(w) for e in more) for w in controls)


def _group(elements: list[_Element]) -> tuple[dict[int, list[_Element]], list[_Draft]]:
    """Two-wire elements on the same pair share a draft; one-wire elements go where they cost least."""
    drafts: list[_Draft] = []
    latest: dict[int, _Draft] = {}
    waiting: dict[int, list[_Element]] = {}
    starts: dict[int, list[_Element]] = {}
    links: list[tuple[_Draft, list[_Element], _Draft | None]] = []

    def leave(wire: int, following: _Draft | None) -> None:
        loose = waiting.pop(wire, [])
        if wire not in latest:
            starts[wire] = loose
        elif loose:
            links.append((latest[wire], loose, following))

    for element in elements:
        if len(element.wires) == 1:
            waiting.setdefault(element.wires[0], []).append(element)
            continue
        a, b = element.wires
        draft = latest.get(a)
        if draft is None or draft is not latest.get(b):
            draft = _Draft((a, b))
            drafts.append(draft)
            for wire in (a, b):
                leave(wire, draft)
                latest[wire] = draft
        draft.body += [*waiting.pop(a, []), *waiting.pop(b, []), element]
    for wire in list(waiting):
        leave(wire, None)
    for previous, loose, following in links:
        if following is None or previous.stays_cheap(loose) or not following.stays_cheap(loose):
            previous.after += loose
        else:
            following.before += loose
    return starts, drafts


def _block(wires: tuple[int, ...], elements: list[_Element], per_sample: tuple[bool, ...]) -> Block:
    rotations: list[Rotation] = []
    clifford = np.eye(4, dtype=complex)
    for element in elements:
        slots = tuple(wires.index(wire) for wire in element.wires)
        if element.matrix:
            clifford = _embedded(element.matrix, slots) @ clifford
            continue
        letters = ["I", "I"]
        for slot, letter in zip(slots, element.letters, strict=True):
            letters[slot] = letter
        word, sign = pulled_back(clifford, 4 * LETTERS.index(letters[0]) + LETTERS.index(letters[1]))
        rotations.append(Rotation(word, element.column, sign * element.scale, sign * element.offset))
    controls = [slot for slot, wire in enumerate(wires) if all(e.diagonal_on(wire) for e in elements)]
    return Block(
        wires,
        tuple(rotations),
        clifford,
        controls[0] if len(wires) == 2 and controls else None,
        any(r.column is not None and per_sample[r.column] for r in rotations),
    )


@cache
def _embedded(name: str, slots: tuple[int, ...]) -> NDArray[np.complex128]:
    """A Clifford on both slots of a block."""
    matrix = _CLIFFORD[name]
    if len(slots) == 1:
        return np.kron(matrix, PAULI[0]) if slots == (0,) else np.kron(PAULI[0], matrix)
    return matrix if slots == (0, 1) else matrix.reshape(2, 2, 2, 2).transpose(1, 0, 3, 2).reshape(4, 4)


def pulled_back(clifford: NDArray[np.complex128], word: int) -> tuple[int, int]:
    """The word and sign of C†·P·C."""
    turned = clifford.conj().T @ PAULI_WORDS[word] @ clifford
    overlaps = np.einsum("kij,ji->k", PAULI_WORDS, turned).real / 4
    found = int(np.abs(overlaps).argmax())
    return found, round(overlaps[found])


def unitary(block: Block, angles: NDArray[np.float64]) -> NDArray[np.complex128]:
    """The block's 4×4 matrix for one sample's angles `(angles,)`, straight from the definition."""
    matrix = np.eye(4, dtype=complex)
    for rotation in block.rotations:
        theta = rotation.offset + (0 if rotation.column is None else rotation.scale * angles[rotation.column])
        matrix = np.cos(theta / 2) * matrix - 1j * np.sin(theta / 2) * PAULI_WORDS[rotation.word] @ matrix
    return block.clifford @ matrix
