"""What is computed with the matrices of blocks: their making, and the gradients of their angles.

Matrices are `(16, 2, W)`: real and imaginary parts of 4×4 entries, row by row, one per lane. See docs/engine.md.
"""

import numpy as np

from qcli.simulate.fuse import PAULI_WORDS
from qcli.simulate.jit import kernel
from qcli.simulate.lanes import load, splat, store, width

PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


def _mixing() -> np.ndarray:
    """Entries (word, raw overlap, sign) that turn the raw overlaps of `rows.overlap4` into Im⟨λ|P|ψ⟩ of all words P."""
    entries = []
    for word, matrix in enumerate(PAULI_WORDS):
        entries += [(word, a, int(matrix[a, a].real)) for a in range(4) if matrix[a, a]]
        for k, (a, b) in enumerate(PAIRS):
            if matrix[a, b].real:
                entries.append((word, 4 + k, int(matrix[a, b].real)))
            if matrix[a, b].imag:
                entries.append((word, 10 + k, int(matrix[a, b].imag)))
    return np.array(entries)


def _planes() -> np.ndarray:
    """`(16, 4, 2)`: the pairs Q, Q' of words with -iPQ = Q' for each word P; rotation about P turns each pair."""
    planes = np.zeros((16, 4, 2), dtype=np.int64)
    for word, p in enumerate(PAULI_WORDS):
        turned = [np.einsum("kij,ji->k", PAULI_WORDS, -1j * p @ q) / 4 for q in PAULI_WORDS]
        pairs = [(q, int(t.real.argmax())) for q, t in enumerate(turned) if t.real.max() > 0.5]
        if pairs:
            planes[word] = pairs
    return planes


_MIXING = _mixing()
_PLANES = _planes()
_FLIP = np.array([int(np.flatnonzero(word[0])[0]) for word in PAULI_WORDS])
_PHASE = np.array(
    [[-1j * word[row, row ^ flip] for row in range(4)] for word, flip in zip(PAULI_WORDS, _FLIP, strict=True)]
)
_PHASE_RE, _PHASE_IM = _PHASE.real.copy(), _PHASE.imag.copy()


@kernel
def build(plan, block_from, block_to, trigonometry, matrices):
    """Matrices of some blocks and their adjoints, `(blocks, 2, 16, 2, W)`, from cos(θ/2) and sin(θ/2) of their
    rotations, `(rotations, 2, W)`."""
    words, first, clifford = plan.words, plan.first, plan.clifford
    w = width(matrices)
    zero, one = splat(matrices, matrices.dtype.type(0)), splat(matrices, matrices.dtype.type(1))
    old = np.empty(32 * w, dtype=matrices.dtype)
    for b in range(block_from, block_to):
        at = (b - block_from) * 64 * w
        for k in range(16):
            store(matrices, at + 2 * k * w, one if k % 5 == 0 else zero)
            store(matrices, at + (2 * k + 1) * w, zero)
        for r in range(first[b], first[b + 1]):
            word = words[r]
            flip = _FLIP[word]
            cos = load(trigonometry, 2 * (r - first[block_from]) * w)
            sin = load(trigonometry, (2 * (r - first[block_from]) + 1) * w)
            for k in range(32):
                store(old, k * w, load(matrices, at + k * w))
            for row in range(4):
                re = splat(matrices, matrices.dtype.type(_PHASE_RE[word, row])) * sin
                im = splat(matrices, matrices.dtype.type(_PHASE_IM[word, row])) * sin
                for column in range(4):
                    here = 2 * (4 * row + column) * w
                    there = 2 * (4 * (row ^ flip) + column) * w
                    xr, xi = load(old, there), load(old, there + w)
                    store(matrices, at + here, cos * load(old, here) + re * xr - im * xi)
                    store(matrices, at + here + w, cos * load(old, here + w) + re * xi + im * xr)
        for k in range(32):
            store(old, k * w, load(matrices, at + k * w))
        for row in range(4):
            for column in range(4):
                yr, yi = zero, zero
                for k in range(4):
                    c = clifford[b, row, k]
                    if c != 0:
                        re = splat(matrices, matrices.dtype.type(c.real))
                        im = splat(matrices, matrices.dtype.type(c.imag))
                        xr, xi = (
                            load(old, 2 * (4 * k + column) * w),
                            load(old, (2 * (4 * k + column) + 1) * w),
                        )
                        yr = yr + re * xr - im * xi
                        yi = yi + re * xi + im * xr
                here, there = at + 2 * (4 * row + column) * w, at + (32 + 2 * (4 * column + row)) * w
                store(matrices, here, yr)
                store(matrices, here + w, yi)
                store(matrices, there, yr)
                store(matrices, there + w, zero - yi)


@kernel
def chain(plan, block_from, block_to, trigonometry, overlaps, gradients):
    """Gradients of rotation angles `(rotations, W)` from the raw overlaps `(blocks, 16, W)` of their blocks.

    With k[P] = Im⟨λ|P|ψ⟩ the derivative of exp(-iθ/2 P) is k[P]; going back past a rotation turns k in four planes,
    past the Clifford it permutes it (`turned`, `signs`)."""
    words, first, turned, signs = plan.words, plan.first, plan.turned, plan.signs
    w = width(overlaps)
    k, mixed = np.empty(16 * w, dtype=overlaps.dtype), np.empty(16 * w, dtype=overlaps.dtype)
    zero, two = splat(overlaps, overlaps.dtype.type(0)), splat(overlaps, overlaps.dtype.type(2))
    for b in range(block_from, block_to):
        at = (b - block_from) * 16 * w
        for q in range(16):
            store(mixed, q * w, zero)
        for e in range(len(_MIXING)):
            q, raw, sign = _MIXING[e]
            x = splat(overlaps, overlaps.dtype.type(sign)) * load(overlaps, at + raw * w)
            store(mixed, q * w, load(mixed, q * w) + x)
        for q in range(16):
            sign = splat(overlaps, overlaps.dtype.type(signs[b, q]))
            store(k, q * w, sign * load(mixed, turned[b, q] * w))
        for r in range(first[b + 1] - 1, first[b] - 1, -1):
            word = words[r]
            here = r - first[block_from]
            store(gradients, here * w, load(k, word * w))
            cos, sin = load(trigonometry, 2 * here * w), load(trigonometry, (2 * here + 1) * w)
            c, s = cos * cos - sin * sin, two * cos * sin
            for plane in range(4):
                q, p = _PLANES[word, plane]
                x, y = load(k, q * w), load(k, p * w)
                store(k, q * w, c * x + s * y)
                store(k, p * w, c * y - s * x)
