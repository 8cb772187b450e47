"""Native two-qubit gates: their unitaries, and the gates of a Program that stand for them.

The first qubit is the most significant, and the control where there is one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qcli.compile.native import PULSES
from qcli.errors import QcliError

Unitary = NDArray[np.complex128]

_X, _Z = np.array([[0, 1], [1, 0]], dtype=complex), np.diag([1, -1]).astype(complex)


@dataclass(frozen=True)
class Native:
    """exp(−i angle/2 `generator`), or `fixed` where the gate takes no angle.

    `program`: Program gates and which of the two wires they act on; one that takes an angle gets the gate's, or
    `angle` for a gate without one.
    """

    program: tuple[tuple[str, tuple[int, ...]], ...]
    fixed: Unitary | None = None
    generator: Unitary | None = None
    angle: float | None = None

    @property
    def turns(self) -> bool:
        """Whether a gate of `program` takes an angle."""
        return self.generator is not None or self.angle is not None

    def angles(self, turn: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """The angle `(1,)` that it takes, where the native gate's is `turn`."""
        return np.array([self.angle]) if turn is None else turn

    def unitary(self, angle: NDArray[np.float64] | None) -> Unitary:
        """`(samples, 4, 4)` for angles `(samples,)`, `(1, 4, 4)` without one."""
        if self.generator is None or angle is None:
            assert self.fixed is not None
            return self.fixed[None]
        half = np.asarray(angle)[:, None, None] / 2
        return np.asarray(np.cos(half) * np.eye(4) - 1j * np.sin(half) * self.generator)


_CZ = np.diag([1, 1, 1, -1]).astype(complex)
_CX = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], dtype=complex)
_ISWAP = np.array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]])
_ECR = np.kron(_X, np.eye(2)) @ (np.eye(4) - 1j * np.kron(_Z, _X)) / np.sqrt(2)

PAIRS = {
    "cz": Native((("CZ", (0, 1)),), fixed=_CZ),
    "cx": Native((("CNOT", (0, 1)),), fixed=_CX),
    "iswap": Native((("ISWAP", (0, 1)),), fixed=_ISWAP),
    "ecr": Native(
        (("Hadamard", (1,)), ("IsingZZ", (0, 1)), ("Hadamard", (1,)), ("PauliX", (0,))),
        fixed=_ECR,
        angle=np.pi / 2,
    ),
    "rzz": Native((("IsingZZ", (0, 1)),), generator=np.kron(_Z, _Z)),
    "rxx": Native((("IsingXX", (0, 1)),), generator=np.kron(_X, _X)),
}


def pair(name: str) -> Native:
    """A native two-qubit gate by Qiskit's name.

    Raises:
        QcliError: it has no noise model.
    """
    if name not in PAIRS:
        raise QcliError(
            f"no noise model for two-qubit gate {name!r}", "noise", f"compile to {', '.join(PAIRS)}"
        )
    return PAIRS[name]


def pulse(name: str, params: list[float]) -> tuple[bool, float, float]:
    """A one-qubit gate as (whether it takes a pulse, angle, phase): r(angle, phase), or virtual rz(angle).

    Raises:
        QcliError: it has no noise model.
    """
    if name in ("r", "rx", "rz"):
        return name != "rz", float(params[0]), float(params[1]) if name == "r" else 0.0
    if name not in PULSES:
        known = ", ".join(("r", "rx", "rz", *PULSES))
        raise QcliError(f"no noise model for one-qubit gate {name!r}", "noise", f"compile to {known}")
    return True, *PULSES[name]
