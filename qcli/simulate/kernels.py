"""The compiled inner loops of the cpu engine.

A state is `(rows, 2, W)`, flat: a row holds the real and then the imaginary parts of W amplitudes, the lanes. The lanes
are either W samples, or the amplitudes of a few wires of one sample; no kernel needs to know which.
Matrices are `(16, 2, W)`: 4×4 entries, row by row, one per lane. See docs/engine.md.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qcli.simulate.fuse import PAULI_WORDS
from qcli.simulate.lanes import load, parity, splat, store, width

GROW, QUAD, PAIR, EXCHANGE, FILL = range(5)
"""Kinds of operation: add a wire; dense two-wire block; block with a control; swap the lanes' wires with row wires;
move the wires grown so far into the lanes."""
KIND, OWN, BLOCK, SIZE, BITS = range(5)
"""Columns of `Tables.ops`. SIZE: local bits in use; BITS: local bit positions (GROW: the wire; QUAD: more and less
significant; PAIR: target, control, index step of the target; EXCHANGE and FILL: the lanes' bits, most significant first)."""
OPS, ROWS, TILES = range(3)
"""Columns of `Tables.stages`: where a stage begins in `ops`, `rows` and `tiles`."""
X, Z, LANE_X, ODD = range(4)
"""Columns of `Tables.terms`: flipped row bits, sign row bits, flipped lane bits, whether the word has an odd number of Y."""


class Tables(NamedTuple):
    """A schedule as arrays. Blocks from `shared_blocks` on have matrices of their own for each group of samples."""

    shared_blocks: int
    words: NDArray[np.int64]
    first: NDArray[np.int64]
    clifford: NDArray[np.complex128]
    turned: NDArray[np.int64]
    signs: NDArray[np.float64]
    ops: NDArray[np.int64]
    stages: NDArray[np.int64]
    rows: NDArray[np.int32]
    tiles: NDArray[np.int32]
    terms: NDArray[np.int64]
    start: NDArray[np.floating]


_PAIRS = ((0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3))


def _mixing() -> np.ndarray:
    """Entries (word, raw overlap, sign) that turn the raw overlaps of `_overlap4` into Im⟨λ|P|ψ⟩ of the 16 words P."""
    entries = []
    for word, matrix in enumerate(PAULI_WORDS):
        entries += [(word, a, int(matrix[a, a].real)) for a in range(4) if matrix[a, a]]
        for k, (a, b) in enumerate(_PAIRS):
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
_PAIR_INDEX = np.zeros((4, 4), dtype=np.int64)
for _k, (_a, _b) in enumerate(_PAIRS):
    _PAIR_INDEX[_a, _b] = _k


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True)
def _spread(index, bit):
    """`index` with a zero inserted at position `bit`."""
    low = (1 << bit) - 1
    return ((index & ~low) << 1) | (index & low)


@njit(nogil=True)
def _grow(state, at, rows, size, bit, m):
    w = width(state)
    ar, ai, br, bi = load(m, 0), load(m, w), load(m, 16 * w), load(m, 17 * w)
    for j in range(1 << (size - 1)):
        low = _spread(j, bit)
        i0, i1 = at + rows[low] * 2 * w, at + rows[low | (1 << bit)] * 2 * w
        xr, xi = load(state, i0), load(state, i0 + w)
        store(state, i0, ar * xr - ai * xi)
        store(state, i0 + w, ar * xi + ai * xr)
        store(state, i1, br * xr - bi * xi)
        store(state, i1 + w, br * xi + bi * xr)


@njit(nogil=True)
def _shrink(state, at, rows, size, bit, m):
    """The reverse of `_grow`: the grown wire is projected on the state it was given."""
    w = width(state)
    ar, ai, br, bi = load(m, 0), load(m, w), load(m, 16 * w), load(m, 17 * w)
    for j in range(1 << (size - 1)):
        low = _spread(j, bit)
        i0, i1 = at + rows[low] * 2 * w, at + rows[low | (1 << bit)] * 2 * w
        xr, xi, yr, yi = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
        store(state, i0, ar * xr + ai * xi + br * yr + bi * yi)
        store(state, i0 + w, ar * xi - ai * xr + br * yi - bi * yr)


@njit(nogil=True)
def _row4(m, k, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i):
    w = width(m)
    ar, ai, br, bi = load(m, k), load(m, k + w), load(m, k + 2 * w), load(m, k + 3 * w)
    cr, ci, dr, di = load(m, k + 4 * w), load(m, k + 5 * w), load(m, k + 6 * w), load(m, k + 7 * w)
    re = ar * x0r - ai * x0i + br * x1r - bi * x1i + cr * x2r - ci * x2i + dr * x3r - di * x3i
    im = ar * x0i + ai * x0r + br * x1i + bi * x1r + cr * x2i + ci * x2r + dr * x3i + di * x3r
    return re, im


@njit(nogil=True)
def _quad(state, at, rows, size, bit_a, bit_b, m):
    """Multiply by a 4×4 matrix; `bit_a` is the more significant bit of its index."""
    w = width(state)
    low, high = min(bit_a, bit_b), max(bit_a, bit_b)
    for j in range(1 << (size - 2)):
        j0 = _spread(_spread(j, low), high)
        i0, i1 = at + rows[j0] * 2 * w, at + rows[j0 | (1 << bit_b)] * 2 * w
        i2, i3 = at + rows[j0 | (1 << bit_a)] * 2 * w, at + rows[j0 | (1 << bit_a) | (1 << bit_b)] * 2 * w
        x0r, x0i, x1r, x1i = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
        x2r, x2i, x3r, x3i = load(state, i2), load(state, i2 + w), load(state, i3), load(state, i3 + w)
        y0r, y0i = _row4(m, 0, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y1r, y1i = _row4(m, 8 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y2r, y2i = _row4(m, 16 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y3r, y3i = _row4(m, 24 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        store(state, i0, y0r)
        store(state, i0 + w, y0i)
        store(state, i1, y1r)
        store(state, i1 + w, y1i)
        store(state, i2, y2r)
        store(state, i2 + w, y2i)
        store(state, i3, y3r)
        store(state, i3 + w, y3i)


@njit(nogil=True)
def _pair(state, at, rows, size, target, control, value, m, a, b):
    """Multiply the rows whose `control` bit is `value` by rows and columns a, b of a 4×4 matrix."""
    w = width(state)
    low, high = min(target, control), max(target, control)
    aa, ab, ba, bb = 2 * (4 * a + a) * w, 2 * (4 * a + b) * w, 2 * (4 * b + a) * w, 2 * (4 * b + b) * w
    aar, aai, abr, abi = load(m, aa), load(m, aa + w), load(m, ab), load(m, ab + w)
    bar, bai, bbr, bbi = load(m, ba), load(m, ba + w), load(m, bb), load(m, bb + w)
    for j in range(1 << (size - 2)):
        j0 = _spread(_spread(j, low), high) | (value << control)
        i0, i1 = at + rows[j0] * 2 * w, at + rows[j0 | (1 << target)] * 2 * w
        xr, xi, yr, yi = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
        store(state, i0, aar * xr - aai * xi + abr * yr - abi * yi)
        store(state, i0 + w, aar * xi + aai * xr + abr * yi + abi * yr)
        store(state, i1, bar * xr - bai * xi + bbr * yr - bbi * yi)
        store(state, i1 + w, bar * xi + bai * xr + bbr * yi + bbi * yr)


@njit(nogil=True)
def _im(ar, ai, xr, xi):
    """Im(a* x)."""
    return ar * xi - ai * xr


@njit(nogil=True)
def _re(ar, ai, xr, xi):
    """Re(a* x)."""
    return ar * xr + ai * xi


@njit(nogil=True)
def _overlap2(psi, lam, at, rows, size, target, control, value, raw, a, b):
    """Add the raw overlaps of entries a, b of a block's index; `control` < 0: no such bit."""
    w = width(psi)
    low, high = min(target, control), max(target, control)
    pair = _PAIR_INDEX[a, b]
    d0, d1 = load(raw, a * w), load(raw, b * w)
    e, f = load(raw, (4 + pair) * w), load(raw, (10 + pair) * w)
    for j in range(1 << (size - (1 if control < 0 else 2))):
        j0 = _spread(j, target) if control < 0 else _spread(_spread(j, low), high) | (value << control)
        i0, i1 = at + rows[j0] * 2 * w, at + rows[j0 | (1 << target)] * 2 * w
        xr, xi, yr, yi = load(psi, i0), load(psi, i0 + w), load(psi, i1), load(psi, i1 + w)
        ar, ai, br, bi = load(lam, i0), load(lam, i0 + w), load(lam, i1), load(lam, i1 + w)
        d0 = d0 + _im(ar, ai, xr, xi)
        d1 = d1 + _im(br, bi, yr, yi)
        e = e + (_im(ar, ai, yr, yi) + _im(br, bi, xr, xi))
        f = f + (_re(ar, ai, yr, yi) - _re(br, bi, xr, xi))
    store(raw, a * w, d0)
    store(raw, b * w, d1)
    store(raw, (4 + pair) * w, e)
    store(raw, (10 + pair) * w, f)


@njit(nogil=True)
def _overlap4(psi, lam, at, rows, size, bit_a, bit_b, raw):
    """Add the 16 raw overlaps: Im z_aa; Im(z_ab + z_ba) and Re(z_ab - z_ba) for a < b, with z_ab = Σ λ_a* ψ_b."""
    w = width(psi)
    low, high = min(bit_a, bit_b), max(bit_a, bit_b)
    d0, d1, d2, d3 = load(raw, 0), load(raw, w), load(raw, 2 * w), load(raw, 3 * w)
    e01, e02, e03 = load(raw, 4 * w), load(raw, 5 * w), load(raw, 6 * w)
    e12, e13, e23 = load(raw, 7 * w), load(raw, 8 * w), load(raw, 9 * w)
    f01, f02, f03 = load(raw, 10 * w), load(raw, 11 * w), load(raw, 12 * w)
    f12, f13, f23 = load(raw, 13 * w), load(raw, 14 * w), load(raw, 15 * w)
    for j in range(1 << (size - 2)):
        j0 = _spread(_spread(j, low), high)
        i0, i1 = at + rows[j0] * 2 * w, at + rows[j0 | (1 << bit_b)] * 2 * w
        i2, i3 = at + rows[j0 | (1 << bit_a)] * 2 * w, at + rows[j0 | (1 << bit_a) | (1 << bit_b)] * 2 * w
        x0r, x0i, x1r, x1i = load(psi, i0), load(psi, i0 + w), load(psi, i1), load(psi, i1 + w)
        x2r, x2i, x3r, x3i = load(psi, i2), load(psi, i2 + w), load(psi, i3), load(psi, i3 + w)
        a0r, a0i, a1r, a1i = load(lam, i0), load(lam, i0 + w), load(lam, i1), load(lam, i1 + w)
        a2r, a2i, a3r, a3i = load(lam, i2), load(lam, i2 + w), load(lam, i3), load(lam, i3 + w)
        d0 = d0 + a0r * x0i - a0i * x0r
        d1 = d1 + a1r * x1i - a1i * x1r
        d2 = d2 + a2r * x2i - a2i * x2r
        d3 = d3 + a3r * x3i - a3i * x3r
        e01 = e01 + a0r * x1i - a0i * x1r + a1r * x0i - a1i * x0r
        e02 = e02 + a0r * x2i - a0i * x2r + a2r * x0i - a2i * x0r
        e03 = e03 + a0r * x3i - a0i * x3r + a3r * x0i - a3i * x0r
        e12 = e12 + a1r * x2i - a1i * x2r + a2r * x1i - a2i * x1r
        e13 = e13 + a1r * x3i - a1i * x3r + a3r * x1i - a3i * x1r
        e23 = e23 + a2r * x3i - a2i * x3r + a3r * x2i - a3i * x2r
        f01 = f01 + a0r * x1r + a0i * x1i - a1r * x0r - a1i * x0i
        f02 = f02 + a0r * x2r + a0i * x2i - a2r * x0r - a2i * x0i
        f03 = f03 + a0r * x3r + a0i * x3i - a3r * x0r - a3i * x0i
        f12 = f12 + a1r * x2r + a1i * x2i - a2r * x1r - a2i * x1i
        f13 = f13 + a1r * x3r + a1i * x3i - a3r * x1r - a3i * x1i
        f23 = f23 + a2r * x3r + a2i * x3i - a3r * x2r - a3i * x2i
    store(raw, 0, d0)
    store(raw, w, d1)
    store(raw, 2 * w, d2)
    store(raw, 3 * w, d3)
    store(raw, 4 * w, e01)
    store(raw, 5 * w, e02)
    store(raw, 6 * w, e03)
    store(raw, 7 * w, e12)
    store(raw, 8 * w, e13)
    store(raw, 9 * w, e23)
    store(raw, 10 * w, f01)
    store(raw, 11 * w, f02)
    store(raw, 12 * w, f03)
    store(raw, 13 * w, f12)
    store(raw, 14 * w, f13)
    store(raw, 15 * w, f23)


@njit(nogil=True)
def _exchange(state, at, rows, size, bits):
    """Swap the wires in the lanes with the row wires at the local positions `bits` (most significant first)."""
    w = width(state)
    count = 4 if w == 16 else 3
    ordered = np.sort(bits[:count])
    places, tile = np.empty(w, dtype=np.int64), np.empty(w * w, dtype=state.dtype)
    for j in range(1 << (size - count)):
        j0 = j
        for bit in ordered:
            j0 = _spread(j0, bit)
        for lane in range(w):
            local = j0
            for k in range(count):
                local |= ((lane >> (count - 1 - k)) & 1) << bits[k]
            places[lane] = at + rows[local] * 2 * w
        for part in range(2):
            for a in range(w):
                for b in range(w):
                    tile[a * w + b] = state[places[b] + part * w + a]
            for a in range(w):
                for b in range(w):
                    state[places[a] + part * w + b] = tile[a * w + b]


@njit(nogil=True)
def _matrix(op, shared, own, adjoint):
    w = width(shared)
    at = (2 * op[BLOCK] + adjoint) * 32 * w
    return own[at : at + 32 * w] if op[OWN] else shared[at : at + 32 * w]


@njit(nogil=True)
def _apply(state, at, op, rows, shared, own):
    kind, size, bit_a, bit_b, step = op[KIND], op[SIZE], op[BITS], op[BITS + 1], op[BITS + 2]
    if kind == QUAD:
        _quad(state, at, rows, size, bit_a, bit_b, _matrix(op, shared, own, 0))
    elif kind == PAIR:
        m = _matrix(op, shared, own, 0)
        for value in range(2):
            a = value * (3 - step)
            _pair(state, at, rows, size, bit_a, bit_b, value, m, a, a + step)
    elif kind == GROW:
        _grow(state, at, rows, size, bit_a, _matrix(op, shared, own, 0))
    else:
        _exchange(state, at, rows, size, op[BITS:])


@njit(nogil=True)
def _undo(psi, lam, at, op, rows, shared, own, shared_overlaps, own_overlaps):
    w = width(psi)
    kind, size, bit_a, bit_b, step = op[KIND], op[SIZE], op[BITS], op[BITS + 1], op[BITS + 2]
    if kind == EXCHANGE or kind == FILL:
        for state in (psi, lam):
            if kind == FILL:
                state[2 * w : (2 * w) << size] = 0
            _exchange(state, at, rows, size, op[BITS:])
        return
    block = op[BLOCK] * 16 * w
    raw = own_overlaps[block : block + 16 * w] if op[OWN] else shared_overlaps[block : block + 16 * w]
    m = _matrix(op, shared, own, kind != GROW)
    if kind == QUAD:
        _overlap4(psi, lam, at, rows, size, bit_a, bit_b, raw)
        _quad(psi, at, rows, size, bit_a, bit_b, m)
        _quad(lam, at, rows, size, bit_a, bit_b, m)
    elif kind == PAIR:
        for value in range(2):
            a = value * (3 - step)
            _overlap2(psi, lam, at, rows, size, bit_a, bit_b, value, raw, a, a + step)
            _pair(psi, at, rows, size, bit_a, bit_b, value, m, a, a + step)
            _pair(lam, at, rows, size, bit_a, bit_b, value, m, a, a + step)
    else:
        _overlap2(psi, lam, at, rows, size, bit_a, -1, 0, raw, 0, 2)
        _shrink(psi, at, rows, size, bit_a, m)
        _shrink(lam, at, rows, size, bit_a, m)


@njit(nogil=True, cache=True)
def forward_stage(plan, stage, tile_from, tile_to, state, shared, own):
    """Apply the operations of a stage, one after the other, to each of some tiles."""
    w = width(state)
    here, end = plan.stages[stage], plan.stages[stage + 1]
    rows = plan.rows[here[ROWS] : end[ROWS]]
    for tile in range(tile_from, tile_to):
        at = plan.tiles[here[TILES] + tile] * 2 * w
        for o in range(here[OPS], end[OPS]):
            _apply(state, at, plan.ops[o], rows, shared, own)


@njit(nogil=True, cache=True)
def backward_stage(plan, stage, tile_from, tile_to, psi, lam, shared, own, shared_overlaps, own_overlaps):
    """Undo a stage on ψ and take λ back with it; add every block's raw overlaps `(blocks, 16, W)` on the way."""
    w = width(psi)
    here, end = plan.stages[stage], plan.stages[stage + 1]
    rows = plan.rows[here[ROWS] : end[ROWS]]
    for tile in range(tile_from, tile_to):
        at = plan.tiles[here[TILES] + tile] * 2 * w
        for o in range(end[OPS] - 1, here[OPS] - 1, -1):
            _undo(psi, lam, at, plan.ops[o], rows, shared, own, shared_overlaps, own_overlaps)


@njit(nogil=True)
def _turned(psi, row, term):
    """Row `row` of P·ψ for the Pauli word of a term, without its sign."""
    w = width(psi)
    at = (row ^ term[X]) * 2 * w
    re, im = load(psi, at), load(psi, at + w)
    if term[LANE_X]:
        shuffled = np.empty(2 * w, dtype=psi.dtype)
        for lane in range(w):
            shuffled[lane] = psi[at + (lane ^ term[LANE_X])]
            shuffled[w + lane] = psi[at + w + (lane ^ term[LANE_X])]
        re, im = load(shuffled, 0), load(shuffled, w)
    if term[ODD]:
        return splat(psi, psi.dtype.type(0)) - im, re
    return re, im


@njit(nogil=True, cache=True)
def expectations(plan, psi, row_from, row_to, values):
    """Add the terms' expectation values over some rows to `values` `(terms, W)`."""
    w = width(psi)
    for row in range(row_from, row_to):
        xr, xi = load(psi, row * 2 * w), load(psi, row * 2 * w + w)
        square = xr * xr + xi * xi
        for t in range(len(plan.terms)):
            term = plan.terms[t]
            value = square
            if term[X] or term[LANE_X]:
                yr, yi = _turned(psi, row, term)
                value = _re(xr, xi, yr, yi)
            if parity((row ^ term[X]) & term[Z]):
                store(values, t * w, load(values, t * w) - value)
            else:
                store(values, t * w, load(values, t * w) + value)


@njit(nogil=True, cache=True)
def seed(plan, psi, lam, row_from, row_to, gradients, densities):
    """λ = Σ gradients[t]·P[t]·ψ + densities·ψ on some rows, with `gradients` `(terms, W)` and `densities` `(rows, W)`
    or empty."""
    w = width(psi)
    zero = splat(psi, psi.dtype.type(0))
    for row in range(row_from, row_to):
        at = row * 2 * w
        xr, xi = load(psi, at), load(psi, at + w)
        factor = load(densities, row * w) if len(densities) else zero
        re, im = zero, zero
        for t in range(len(plan.terms)):
            term = plan.terms[t]
            gradient = load(gradients, t * w)
            if parity((row ^ term[X]) & term[Z]):
                gradient = zero - gradient
            if term[X] or term[LANE_X]:
                yr, yi = _turned(psi, row, term)
                re, im = re + gradient * yr, im + gradient * yi
            else:
                factor = factor + gradient
        store(lam, at, re + factor * xr)
        store(lam, at + w, im + factor * xi)


@njit(nogil=True)
def _run(plan, state, trigonometry, shared, own):
    w = width(state)
    build(plan, plan.shared_blocks, len(plan.first) - 1, trigonometry, own)
    state[:w] = plan.start
    state[w : 2 * w] = 0
    for stage in range(len(plan.stages) - 1):
        tiles = plan.stages[stage + 1, TILES] - plan.stages[stage, TILES]
        forward_stage(plan, stage, 0, tiles, state, shared, own)


@njit(nogil=True, cache=True)
def forward(plan, group_from, group_to, trigonometry, shared, states, values):
    """Final states `(groups, size)` and terms' values `(groups, terms·W)` of some groups of samples.

    With fewer states than groups the last one is overwritten by those that follow."""
    w = width(shared)
    own = np.empty(64 * w * (len(plan.first) - 1 - plan.shared_blocks), dtype=shared.dtype)
    for group in range(group_from, group_to):
        state = states[min(group, len(states) - 1)]
        _run(plan, state, trigonometry[group], shared, own)
        expectations(plan, state, 0, len(state) // (2 * w), values[group])


@njit(nogil=True, cache=True)
def backward(
    plan,
    group_from,
    group_to,
    trigonometry,
    shared,
    states,
    kept,
    gradients,
    densities,
    shared_overlaps,
    own_gradients,
):
    """From gradients of the terms `(groups, terms·W)` and of the probabilities `(groups, rows·W)` to raw overlaps of the
    shared blocks `(chunks, blocks·16·W)` and gradients of the other blocks' rotations `(groups, rotations·W)`.

    Final states that were not kept are computed again."""
    w = width(shared)
    blocks = len(plan.first) - 1
    own = np.empty(64 * w * (blocks - plan.shared_blocks), dtype=shared.dtype)
    overlaps = np.empty(16 * w * (blocks - plan.shared_blocks), dtype=shared.dtype)
    lam = np.empty(states.shape[1], dtype=shared.dtype)
    for group in range(group_from, group_to):
        chunk = group * len(shared_overlaps) // len(trigonometry)
        psi = states[group] if kept else states[min(group, len(states) - 1)]
        if kept:
            build(plan, plan.shared_blocks, blocks, trigonometry[group], own)
        else:
            _run(plan, psi, trigonometry[group], shared, own)
        seed(plan, psi, lam, 0, len(lam) // (2 * w), gradients[group], densities[group])
        overlaps[:] = 0
        for stage in range(len(plan.stages) - 2, -1, -1):
            tiles = plan.stages[stage + 1, TILES] - plan.stages[stage, TILES]
            backward_stage(plan, stage, 0, tiles, psi, lam, shared, own, shared_overlaps[chunk], overlaps)
        chain(plan, plan.shared_blocks, blocks, trigonometry[group], overlaps, own_gradients[group])
