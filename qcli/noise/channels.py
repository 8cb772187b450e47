"""Gates and errors as real Pauli transfer matrices, R_ij = Tr(P_i 𝓔(P_j)) / 2ⁿ.

Paulis are ordered I, X, Y, Z, the first qubit's letter most significant (D. Greenbaum, arXiv:1509.02921). The last two
axes of every array here are a matrix; axes before them are a batch.
"""

import math
from functools import reduce
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def _basis(qubits: int) -> NDArray[np.complex128]:
    """Row i is P_i, flattened and normalised."""
    words = [reduce(np.kron, word).ravel() for word in product(_PAULIS, repeat=qubits)]
    return np.array(words, dtype=np.complex128) / math.sqrt(2**qubits)


_BASES = {qubits: _basis(qubits) for qubits in (1, 2)}


def unitary(matrix: NDArray[np.complex128]) -> Array:
    """Of unitaries `(..., d, d)` on one or two qubits, the first qubit most significant."""
    d = matrix.shape[-1]
    basis = _BASES[d.bit_length() - 1]
    on_density = np.einsum("...ab,...cd->...acbd", matrix, matrix.conj()).reshape(
        *matrix.shape[:-2], d * d, d * d
    )
    return np.ascontiguousarray((basis.conj() @ on_density @ basis.T).real)


def rotation(angle: Array, phase: Array) -> Array:
    """exp(−i angle/2 (cos(phase) X + sin(phase) Y)), Qiskit's `r(angle, phase)`."""
    cos, sin, x, y = np.cos(angle), np.sin(angle), np.cos(phase), np.sin(phase)
    result = np.zeros((*np.broadcast(angle, phase).shape, 4, 4))
    result[..., 0, 0] = 1
    result[..., 1, 1], result[..., 2, 2] = cos + x**2 * (1 - cos), cos + y**2 * (1 - cos)
    result[..., 1, 2] = result[..., 2, 1] = x * y * (1 - cos)
    result[..., 1, 3], result[..., 2, 3] = y * sin, -x * sin
    result[..., 3, 1], result[..., 3, 2] = -y * sin, x * sin
    result[..., 3, 3] = cos
    return result


def frame(angle: Array) -> Array:
    """exp(−i angle/2 Z), the virtual `rz`."""
    result = np.zeros((*np.shape(angle), 4, 4))
    result[..., 0, 0] = result[..., 3, 3] = 1
    result[..., 1, 1] = result[..., 2, 2] = np.cos(angle)
    result[..., 2, 1] = np.sin(angle)
    result[..., 1, 2] = -result[..., 2, 1]
    return result


def both(first: Array, second: Array) -> Array:
    """The tensor product of two one-qubit channels `(..., 4, 4)`: `(..., 16, 16)`."""
    joint = np.einsum("...ab,...cd->...acbd", first, second)
    return joint.reshape(*joint.shape[:-4], 16, 16)


def relaxation(seconds: float, t1: float | None, t2: float | None) -> Array:
    """Decay to |0⟩ and dephasing for so many seconds.

    T2 is at most 2·T1, and that where it is not known; without T1 a qubit only dephases.
    """
    longest = math.inf if t1 is None else 2 * t1
    decay = 1.0 if t1 is None else math.exp(-seconds / t1)
    coherence = math.exp(-seconds / min(longest, math.inf if t2 is None else t2))
    result = np.diag([1.0, coherence, coherence, decay])
    result[3, 0] = 1 - decay
    return result


def gate_error(error: float, relaxed: Array) -> Array:
    """What follows an ideal gate of average infidelity `error` during which its qubits relax by `relaxed`.

    Depolarising with probability p = d (F_r − F) / (d F_r − 1), then relaxation of average fidelity F_r, together of
    fidelity F = 1 − error; where relaxation alone is worse, it acts alone (M. A. Nielsen, Phys. Lett. A 303, 249
    (2002); Aer's `basic_device_gate_errors`).
    """
    d = math.isqrt(len(relaxed))
    fidelity = (np.trace(relaxed) / d + 1) / (d + 1)
    infidelity = min(error, d / (d + 1))
    if infidelity <= 1 - fidelity:
        return relaxed
    p = d * (infidelity - (1 - fidelity)) / (d * fidelity - 1)
    kept = np.full(d * d, 1 - min(p, d * d / (d * d - 1)))
    kept[0] = 1
    return relaxed * kept


def assignment(p1_given_0: float, p0_given_1: float) -> Array:
    """Readout as a matrix `(2, 2)`: row what is read, column what was there."""
    return np.array([[1 - p1_given_0, p0_given_1], [p1_given_0, 1 - p0_given_1]])


def on_bits(rows: Array, matrices: ArrayLike) -> Array:
    """A matrix of its own `(bits, 2, 2)` on each bit of `rows` `(rows, 2**bits)`, the first bit most significant."""
    each = np.asarray(matrices)
    found = rows.reshape(-1, *[2] * len(each))
    for axis, matrix in enumerate(each, start=1):
        found = np.moveaxis(np.tensordot(matrix, found, axes=(1, axis)), 0, axis)
    return found.reshape(rows.shape)
