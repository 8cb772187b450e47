"""The compiled inner loops of the cpu engine.

A state is `(rows, 2, W)`, flat: a row holds the real and then the imaginary parts of W amplitudes, the lanes (see
PADDING for the gaps between rows). The lanes are either W samples, or the amplitudes of a few wires of one sample; no
kernel needs to know which.
Matrices are `(16, 2, W)`: 4×4 entries, row by row, one per lane. See docs/engine.md.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qcli.simulate.fuse import PAULI_WORDS
from qcli.simulate.jit import inlined, kernel
from qcli.simulate.lanes import load, parity, peek, splat, store, swap, width

GROW, QUAD, PAIR, EXCHANGE, FILL = range(5)
"""Kinds of operation: add a wire; dense two-wire block; block with a control; swap the lanes' wires with row wires;
move the wires grown so far into the lanes."""
KIND, BLOCK, SIZE, BITS = range(4)
"""Columns of `Tables.ops`. SIZE: local bits in use; BITS: local bit positions (GROW: the wire; QUAD: more and less
significant; PAIR: target, control, index step of the target; EXCHANGE, FILL: the lanes', most significant first)."""
OPS, ROWS, TILES = range(3)
"""Columns of `Tables.stages`: where a stage begins in `ops`, `rows` and `tiles`."""
X, Z, LANE_X, ODD = range(4)
"""Columns of `Tables.terms`: flipped row bits, sign row bits, flipped lane bits, whether the number of Y is odd."""


PADDING = 5
"""After 2^PADDING rows one row of memory is left out: otherwise rows a power of two apart share a few cache lines."""


class Tables(NamedTuple):
    """A schedule as arrays, made by `schedule`. Blocks from `shared_blocks` on have other angles in each sample."""

    lanes_are_wires: bool
    row_count: int
    shared_blocks: int
    words: NDArray[np.int64]
    columns: NDArray[np.int64]
    scales: NDArray[np.float64]
    first: NDArray[np.int64]
    clifford: NDArray[np.complex128]
    turned: NDArray[np.int64]
    signs: NDArray[np.float64]
    ops: NDArray[np.int64]
    stages: NDArray[np.int64]
    rows: NDArray[np.int32]
    tiles: NDArray[np.int32]
    terms: NDArray[np.int64]
    outputs: NDArray[np.int64]
    weights: NDArray[np.float64]
    signs_within: NDArray[np.floating]
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


@inlined
def _next(index, skipped):
    """The next larger number that has none of the bits `skipped`."""
    return ((index | skipped) + 1) & ~skipped


@inlined
def _grow(state, at, rows, size, bit, matrices, m):
    w = width(state)
    ar, ai, br, bi = (
        load(matrices, m),
        load(matrices, m + w),
        load(matrices, m + 16 * w),
        load(matrices, m + 17 * w),
    )
    step = rows[1 << bit] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1 = i0 + step
        j = _next(j, 1 << bit)
        xr, xi = load(state, i0), load(state, i0 + w)
        store(state, i0, ar * xr - ai * xi)
        store(state, i0 + w, ar * xi + ai * xr)
        store(state, i1, br * xr - bi * xi)
        store(state, i1 + w, br * xi + bi * xr)


@inlined
def _undo_grow(psi, lam, at, rows, size, bit, matrices, m, overlaps, raw):
    """The reverse of `_grow` on both ψ and λ: the wire is projected on the state it was given; overlaps as before."""
    w = width(psi)
    ar, ai = load(matrices, m), load(matrices, m + w)
    br, bi = load(matrices, m + 16 * w), load(matrices, m + 17 * w)
    d0, d1 = load(overlaps, raw), load(overlaps, raw + 2 * w)
    e, f = load(overlaps, raw + 5 * w), load(overlaps, raw + 11 * w)
    step = rows[1 << bit] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1 = i0 + step
        j = _next(j, 1 << bit)
        xr, xi, yr, yi = load(psi, i0), load(psi, i0 + w), load(psi, i1), load(psi, i1 + w)
        ur, ui, vr, vi = load(lam, i0), load(lam, i0 + w), load(lam, i1), load(lam, i1 + w)
        d0 = d0 + ur * xi - ui * xr
        d1 = d1 + vr * yi - vi * yr
        e = e + ur * yi - ui * yr + vr * xi - vi * xr
        f = f + ur * yr + ui * yi - vr * xr - vi * xi
        store(psi, i0, ar * xr + ai * xi + br * yr + bi * yi)
        store(psi, i0 + w, ar * xi - ai * xr + br * yi - bi * yr)
        store(lam, i0, ar * ur + ai * ui + br * vr + bi * vi)
        store(lam, i0 + w, ar * ui - ai * ur + br * vi - bi * vr)
    store(overlaps, raw, d0)
    store(overlaps, raw + 2 * w, d1)
    store(overlaps, raw + 5 * w, e)
    store(overlaps, raw + 11 * w, f)


@inlined
def _row4(matrices, m, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i):
    w = width(matrices)
    ar, ai, br, bi = (
        load(matrices, m), load(matrices, m + w), load(matrices, m + 2 * w), load(matrices, m + 3 * w)
    )  # fmt: skip
    cr, ci, dr, di = (
        load(matrices, m + 4 * w), load(matrices, m + 5 * w), load(matrices, m + 6 * w), load(matrices, m + 7 * w)
    )  # fmt: skip
    re = ar * x0r - ai * x0i + br * x1r - bi * x1i + cr * x2r - ci * x2i + dr * x3r - di * x3i
    im = ar * x0i + ai * x0r + br * x1i + bi * x1r + cr * x2i + ci * x2r + dr * x3i + di * x3r
    return re, im


@inlined
def _quad(state, at, rows, size, bit_a, bit_b, matrices, m):
    """Multiply by a 4×4 matrix; `bit_a` is the more significant bit of its index."""
    w = width(state)
    a, b = rows[1 << bit_a] * 2 * w, rows[1 << bit_b] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1, i2, i3 = i0 + b, i0 + a, i0 + a + b
        j = _next(j, (1 << bit_a) | (1 << bit_b))
        x0r, x0i, x1r, x1i = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
        x2r, x2i, x3r, x3i = load(state, i2), load(state, i2 + w), load(state, i3), load(state, i3 + w)
        y0r, y0i = _row4(matrices, m, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y1r, y1i = _row4(matrices, m + 8 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y2r, y2i = _row4(matrices, m + 16 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        y3r, y3i = _row4(matrices, m + 24 * w, x0r, x0i, x1r, x1i, x2r, x2i, x3r, x3i)
        store(state, i0, y0r)
        store(state, i0 + w, y0i)
        store(state, i1, y1r)
        store(state, i1 + w, y1i)
        store(state, i2, y2r)
        store(state, i2 + w, y2i)
        store(state, i3, y3r)
        store(state, i3 + w, y3i)


@inlined
def _pair(state, at, rows, size, bit, skipped, matrices, m, a, b):
    """Multiply by entries a, b of a 4×4 matrix on the wire at `bit`, for the rows without the bits `skipped`."""
    w = width(state)
    aa, ab, ba, bb = m + 10 * a * w, m + 2 * (4 * a + b) * w, m + 2 * (4 * b + a) * w, m + 10 * b * w
    aar, aai, abr, abi = (
        load(matrices, aa),
        load(matrices, aa + w),
        load(matrices, ab),
        load(matrices, ab + w),
    )
    bar, bai, bbr, bbi = (
        load(matrices, ba),
        load(matrices, ba + w),
        load(matrices, bb),
        load(matrices, bb + w),
    )
    step = rows[1 << bit] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1 = i0 + step
        j = _next(j, skipped)
        xr, xi, yr, yi = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
        store(state, i0, aar * xr - aai * xi + abr * yr - abi * yi)
        store(state, i0 + w, aar * xi + aai * xr + abr * yi + abi * yr)
        store(state, i1, bar * xr - bai * xi + bbr * yr - bbi * yi)
        store(state, i1 + w, bar * xi + bai * xr + bbr * yi + bbi * yr)


@inlined
def _undo_pair(psi, lam, at, rows, size, bit, skipped, matrices, m, overlaps, raw, a, b):
    """`_pair` on both ψ and λ, adding before those of the raw overlaps (see `_overlap4`) that belong to a and b."""
    w = width(psi)
    aa, ab, ba, bb = m + 10 * a * w, m + 2 * (4 * a + b) * w, m + 2 * (4 * b + a) * w, m + 10 * b * w
    aar, aai, abr, abi = (
        load(matrices, aa),
        load(matrices, aa + w),
        load(matrices, ab),
        load(matrices, ab + w),
    )
    bar, bai, bbr, bbi = (
        load(matrices, ba),
        load(matrices, ba + w),
        load(matrices, bb),
        load(matrices, bb + w),
    )
    pair = _PAIR_INDEX[a, b]
    d0, d1 = load(overlaps, raw + a * w), load(overlaps, raw + b * w)
    e, f = load(overlaps, raw + (4 + pair) * w), load(overlaps, raw + (10 + pair) * w)
    step = rows[1 << bit] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1 = i0 + step
        j = _next(j, skipped)
        xr, xi, yr, yi = load(psi, i0), load(psi, i0 + w), load(psi, i1), load(psi, i1 + w)
        ur, ui, vr, vi = load(lam, i0), load(lam, i0 + w), load(lam, i1), load(lam, i1 + w)
        d0 = d0 + ur * xi - ui * xr
        d1 = d1 + vr * yi - vi * yr
        e = e + ur * yi - ui * yr + vr * xi - vi * xr
        f = f + ur * yr + ui * yi - vr * xr - vi * xi
        store(psi, i0, aar * xr - aai * xi + abr * yr - abi * yi)
        store(psi, i0 + w, aar * xi + aai * xr + abr * yi + abi * yr)
        store(psi, i1, bar * xr - bai * xi + bbr * yr - bbi * yi)
        store(psi, i1 + w, bar * xi + bai * xr + bbr * yi + bbi * yr)
        store(lam, i0, aar * ur - aai * ui + abr * vr - abi * vi)
        store(lam, i0 + w, aar * ui + aai * ur + abr * vi + abi * vr)
        store(lam, i1, bar * ur - bai * ui + bbr * vr - bbi * vi)
        store(lam, i1 + w, bar * ui + bai * ur + bbr * vi + bbi * vr)
    store(overlaps, raw + a * w, d0)
    store(overlaps, raw + b * w, d1)
    store(overlaps, raw + (4 + pair) * w, e)
    store(overlaps, raw + (10 + pair) * w, f)


@inlined
def _overlap4(psi, lam, at, rows, size, bit_a, bit_b, overlaps, raw):
    """Add the 16 raw overlaps: Im z_aa; Im(z_ab + z_ba) and Re(z_ab - z_ba) for a < b, with z_ab = Σ λ_a* ψ_b."""
    w = width(psi)
    d0, d1, d2, d3 = (
        load(overlaps, raw),
        load(overlaps, raw + w),
        load(overlaps, raw + 2 * w),
        load(overlaps, raw + 3 * w),
    )
    e01, e02, e03 = load(overlaps, raw + 4 * w), load(overlaps, raw + 5 * w), load(overlaps, raw + 6 * w)
    e12, e13, e23 = load(overlaps, raw + 7 * w), load(overlaps, raw + 8 * w), load(overlaps, raw + 9 * w)
    f01, f02, f03 = load(overlaps, raw + 10 * w), load(overlaps, raw + 11 * w), load(overlaps, raw + 12 * w)
    f12, f13, f23 = load(overlaps, raw + 13 * w), load(overlaps, raw + 14 * w), load(overlaps, raw + 15 * w)
    a, b = rows[1 << bit_a] * 2 * w, rows[1 << bit_b] * 2 * w
    j = 0
    while j < 1 << size:
        i0 = at + peek(rows, j) * 2 * w
        i1, i2, i3 = i0 + b, i0 + a, i0 + a + b
        j = _next(j, (1 << bit_a) | (1 << bit_b))
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
    store(overlaps, raw, d0)
    store(overlaps, raw + w, d1)
    store(overlaps, raw + 2 * w, d2)
    store(overlaps, raw + 3 * w, d3)
    store(overlaps, raw + 4 * w, e01)
    store(overlaps, raw + 5 * w, e02)
    store(overlaps, raw + 6 * w, e03)
    store(overlaps, raw + 7 * w, e12)
    store(overlaps, raw + 8 * w, e13)
    store(overlaps, raw + 9 * w, e23)
    store(overlaps, raw + 10 * w, f01)
    store(overlaps, raw + 11 * w, f02)
    store(overlaps, raw + 12 * w, f03)
    store(overlaps, raw + 13 * w, f12)
    store(overlaps, raw + 14 * w, f13)
    store(overlaps, raw + 15 * w, f23)


def _swap(bit):
    first, second = swap(bit)

    @inlined
    def swap_bit(state, at, offsets):
        """Swap bit `bit` of the number of the rows at `offsets` with that of the lanes."""
        w = width(state)
        for k in range(len(offsets)):
            if not k >> bit & 1:
                i0, i1 = at + offsets[k], at + offsets[k | 1 << bit]
                xr, xi, yr, yi = load(state, i0), load(state, i0 + w), load(state, i1), load(state, i1 + w)
                store(state, i0, first(xr, yr))
                store(state, i0 + w, first(xi, yi))
                store(state, i1, second(xr, yr))
                store(state, i1 + w, second(xi, yi))

    return swap_bit


_swap_0, _swap_1, _swap_2, _swap_3 = _swap(0), _swap(1), _swap(2), _swap(3)


@inlined
def _exchange(state, at, rows, size, ops, o):
    """Swap the wires in the lanes with the row wires at the local positions given, most significant first."""
    w = width(state)
    count = 4 if w == 16 else 3
    offsets = np.zeros(w, dtype=np.int64)
    skipped = 0
    for k in range(count):
        bit = ops[o, BITS + count - 1 - k]
        skipped |= 1 << bit
        for row in range(w):
            if row >> k & 1:
                offsets[row] += rows[1 << bit] * 2 * w
    j = 0
    while j < 1 << size:
        base = at + peek(rows, j) * 2 * w
        _swap_0(state, base, offsets)
        _swap_1(state, base, offsets)
        _swap_2(state, base, offsets)
        if count == 4:
            _swap_3(state, base, offsets)
        j = _next(j, skipped)


@inlined
def _apply(ops, o, state, at, rows, matrices):
    w = width(state)
    kind, size, bit_a, bit_b, step = (
        ops[o, KIND],
        ops[o, SIZE],
        ops[o, BITS],
        ops[o, BITS + 1],
        ops[o, BITS + 2],
    )
    m = 64 * w * ops[o, BLOCK]
    if kind == QUAD:
        _quad(state, at, rows, size, bit_a, bit_b, matrices, m)
    elif kind == PAIR:
        for value in range(2):
            a, there = value * (3 - step), at + value * rows[1 << bit_b] * 2 * w
            _pair(state, there, rows, size, bit_a, (1 << bit_a) | (1 << bit_b), matrices, m, a, a + step)
    elif kind == GROW:
        _grow(state, at, rows, size, bit_a, matrices, m)
    else:
        _exchange(state, at, rows, size, ops, o)


@inlined
def _undo(ops, o, psi, lam, at, rows, matrices, overlaps):
    w = width(psi)
    kind, size, bit_a, bit_b, step = (
        ops[o, KIND],
        ops[o, SIZE],
        ops[o, BITS],
        ops[o, BITS + 1],
        ops[o, BITS + 2],
    )
    m, raw = 64 * w * ops[o, BLOCK], 16 * w * ops[o, BLOCK]
    adjoint = m + 32 * w
    if kind == QUAD:
        _overlap4(psi, lam, at, rows, size, bit_a, bit_b, overlaps, raw)
        _quad(psi, at, rows, size, bit_a, bit_b, matrices, adjoint)
        _quad(lam, at, rows, size, bit_a, bit_b, matrices, adjoint)
    elif kind == PAIR:
        skipped = (1 << bit_a) | (1 << bit_b)
        for value in range(2):
            a, there = value * (3 - step), at + value * rows[1 << bit_b] * 2 * w
            _undo_pair(
                psi, lam, there, rows, size, bit_a, skipped, matrices, adjoint, overlaps, raw, a, a + step
            )
    elif kind == GROW:
        _undo_grow(psi, lam, at, rows, size, bit_a, matrices, m, overlaps, raw)
    else:
        for state in (psi, lam):
            if kind == FILL:
                state[2 * w : (2 * w) << size] = 0
            _exchange(state, at, rows, size, ops, o)


@kernel
def forward_stage(plan, stage, tile_from, tile_to, state, matrices):
    """Apply the operations of a stage, one after the other, to each of some tiles."""
    w = width(state)
    ops, here, end = plan.ops, plan.stages[stage], plan.stages[stage + 1]
    rows = plan.rows[here[ROWS] : end[ROWS]]
    for tile in range(tile_from, tile_to):
        at = plan.tiles[here[TILES] + tile] * 2 * w
        for o in range(here[OPS], end[OPS]):
            _apply(ops, o, state, at, rows, matrices)


@kernel
def backward_stage(plan, stage, tile_from, tile_to, psi, lam, matrices, overlaps):
    """Undo a stage on ψ and take λ back with it; add every block's raw overlaps `(blocks, 16, W)` on the way."""
    w = width(psi)
    ops, here, end = plan.ops, plan.stages[stage], plan.stages[stage + 1]
    rows = plan.rows[here[ROWS] : end[ROWS]]
    for tile in range(tile_from, tile_to):
        at = plan.tiles[here[TILES] + tile] * 2 * w
        for o in range(end[OPS] - 1, here[OPS] - 1, -1):
            _undo(ops, o, psi, lam, at, rows, matrices, overlaps)


@inlined
def _place(row):
    """Where a row lies, counted in rows of memory."""
    return row + (row >> PADDING)


@inlined
def _turned(terms, t, psi, row):
    """Row `row` of P·ψ for the Pauli word of term t, without its sign."""
    w = width(psi)
    at = _place(row ^ terms[t, X]) * 2 * w
    re, im = load(psi, at), load(psi, at + w)
    if terms[t, LANE_X]:
        shuffled = np.empty(2 * w, dtype=psi.dtype)
        for lane in range(w):
            shuffled[lane] = psi[at + (lane ^ terms[t, LANE_X])]
            shuffled[w + lane] = psi[at + w + (lane ^ terms[t, LANE_X])]
        re, im = load(shuffled, 0), load(shuffled, w)
    if terms[t, ODD]:
        return splat(psi, psi.dtype.type(0)) - im, re
    return re, im


@inlined
def _diagonal(terms, t):
    return terms[t, X] == 0 and terms[t, LANE_X] == 0


@inlined
def _sign(terms, t, row, like):
    """The sign that term t gives to a row, in every lane."""
    return splat(like, like.dtype.type(1 - 2 * parity((row ^ terms[t, X]) & terms[t, Z])))


@kernel
def expectations(plan, psi, row_from, row_to, values):
    """Add the terms' expectation values over some rows to `values` `(terms, W)`.

    `plan.signs_within` `(terms, S)` are the signs within a section of S rows; each section has one sign beside."""
    w = width(psi)
    terms, signs = plan.terms, plan.signs_within
    section = signs.shape[1]
    squares = np.empty(section * w, dtype=psi.dtype)
    for start in range(row_from, row_to, section):
        for k in range(section):
            at = _place(start + k) * 2 * w
            xr, xi = load(psi, at), load(psi, at + w)
            store(squares, k * w, xr * xr + xi * xi)
        for t in range(len(terms)):
            value = splat(psi, psi.dtype.type(0))
            if _diagonal(terms, t):
                for k in range(section):
                    value = value + splat(psi, signs[t, k]) * load(squares, k * w)
            else:
                for k in range(section):
                    at = _place(start + k) * 2 * w
                    yr, yi = _turned(terms, t, psi, start + k)
                    value = value + splat(psi, signs[t, k]) * (load(psi, at) * yr + load(psi, at + w) * yi)
            store(values, t * w, load(values, t * w) + _sign(terms, t, start, psi) * value)


@kernel
def seed(plan, psi, lam, row_from, row_to, gradients, densities):
    """λ = Σ gradients[t]·P[t]·ψ + densities·ψ on some rows, with `gradients` `(terms, W)` and `densities` `(rows, W)`
    or empty."""
    w = width(psi)
    zero = splat(psi, psi.dtype.type(0))
    terms, signs = plan.terms, plan.signs_within
    section = signs.shape[1]
    signed = np.empty(len(gradients), dtype=psi.dtype)
    for start in range(row_from, row_to, section):
        for t in range(len(terms)):
            store(signed, t * w, _sign(terms, t, start, psi) * load(gradients, t * w))
        for k in range(section):
            at = _place(start + k) * 2 * w
            factor = load(densities, (start + k) * w) if len(densities) else zero
            re, im = zero, zero
            for t in range(len(terms)):
                gradient = splat(psi, signs[t, k]) * load(signed, t * w)
                if _diagonal(terms, t):
                    factor = factor + gradient
                else:
                    yr, yi = _turned(terms, t, psi, start + k)
                    re, im = re + gradient * yr, im + gradient * yi
            xr, xi = load(psi, at), load(psi, at + w)
            store(lam, at, re + factor * xr)
            store(lam, at + w, im + factor * xi)


@kernel
def pack(cos, sin, sample, step, trigonometry):
    """Lane l of `trigonometry` `(rotations, 2, W)` from row sample + l·step of `cos` and `sin` `(batch, rotations)`."""
    w = width(trigonometry)
    for r in range(cos.shape[1]):
        for lane in range(w):
            row = min(sample + lane * step, len(cos) - 1)
            trigonometry[2 * r * w + lane] = cos[row, r]
            trigonometry[(2 * r + 1) * w + lane] = sin[row, r]


@inlined
def _lanes(plan, group, batch, w):
    """The first sample of a group, the step from lane to lane, and how many lanes hold something."""
    if plan.lanes_are_wires:
        return group, 0, w
    return group * w, 1, min(w, batch - group * w)


@kernel
def collect(plan, group, values, outputs):
    """Add the terms' values `(terms, W)` of a group to the outputs `(batch, outputs)`."""
    w = plan.weights.shape[1]
    sample, step, count = _lanes(plan, group, len(outputs), w)
    for t in range(len(plan.terms)):
        for lane in range(count):
            outputs[sample + lane * step, plan.outputs[t]] += plan.weights[t, lane] * values[t * w + lane]


@kernel
def spread(plan, group, by_output, by_term):
    """Gradients of the terms `(terms, W)` of a group from those of the outputs `(batch, outputs)`."""
    w = plan.weights.shape[1]
    sample, step, count = _lanes(plan, group, len(by_output), w)
    by_term[:] = 0
    for t in range(len(plan.terms)):
        for lane in range(count):
            by_term[t * w + lane] = plan.weights[t, lane] * by_output[sample + lane * step, plan.outputs[t]]


@kernel
def scatter(plan, rotation_from, sample, step, count, by_rotation, gradients):
    """Add gradients of rotations `(rotations, W)` to those of the angles `(batch, angles)`."""
    w = width(by_rotation)
    for r in range(len(by_rotation) // w):
        column = plan.columns[rotation_from + r]
        if column >= 0:
            for lane in range(count):
                value = plan.scales[rotation_from + r] * by_rotation[r * w + lane]
                gradients[sample + lane * step, column] += value


@kernel
def finish(plan, trigonometry, overlaps, gradients):
    """Add the gradients of the shared angles, from raw overlaps `(parts, blocks·16·W)`, to the first sample's."""
    w = width(overlaps)
    for part in range(1, len(overlaps)):
        overlaps[0] += overlaps[part]
    by_rotation = np.empty(plan.first[plan.shared_blocks] * w, dtype=overlaps.dtype)
    chain(plan, 0, plan.shared_blocks, trigonometry, overlaps[0], by_rotation)
    scatter(plan, 0, 0, 0, w, by_rotation, gradients)


@kernel
def finish_own(plan, group, trigonometry, overlaps, gradients):
    """Add the gradients of a group's own blocks' angles, from their raw overlaps, to those of its samples."""
    w = width(overlaps)
    by_rotation = np.empty(len(trigonometry) // 2, dtype=overlaps.dtype)
    chain(plan, plan.shared_blocks, len(plan.first) - 1, trigonometry, overlaps, by_rotation)
    sample, step, count = _lanes(plan, group, len(gradients), w)
    scatter(plan, plan.first[plan.shared_blocks], sample, step, count, by_rotation, gradients)


@kernel
def prepare(plan, group, batch, cos, sin, trigonometry, matrices):
    """The matrices of the blocks that are a group's own."""
    w = width(matrices)
    sample, step, _ = _lanes(plan, group, batch, w)
    pack(cos, sin, sample, step, trigonometry)
    build(
        plan, plan.shared_blocks, len(plan.first) - 1, trigonometry, matrices[plan.shared_blocks * 64 * w :]
    )


@inlined
def _run(plan, state, matrices):
    w = width(state)
    state[:w] = plan.start
    state[w : 2 * w] = 0
    for stage in range(len(plan.stages) - 1):
        tiles = plan.stages[stage + 1, TILES] - plan.stages[stage, TILES]
        forward_stage(plan, stage, 0, tiles, state, matrices)


@kernel
def forward(plan, group_from, group_to, cos, sin, matrices, states, outputs):
    """Final states `(groups, size)` and outputs `(batch, outputs)` of some groups of samples.

    `matrices` hold those of the shared blocks, with room for the others behind. With fewer states than groups the last
    one is overwritten by those that follow."""
    w = width(matrices)
    trigonometry = np.empty(2 * cos.shape[1] * w, dtype=matrices.dtype)
    values = np.empty(len(plan.terms) * w, dtype=matrices.dtype)
    for group in range(group_from, group_to):
        state = states[min(group, len(states) - 1)]
        prepare(plan, group, len(outputs), cos, sin, trigonometry, matrices)
        _run(plan, state, matrices)
        values[:] = 0
        expectations(plan, state, 0, plan.row_count, values)
        collect(plan, group, values, outputs)


@kernel
def backward(
    plan, part_from, part_to, cos, sin, matrices, states, kept, lam, by_output, densities, overlaps, gradients
):
    """From gradients of the outputs `(batch, outputs)` and of the squared amplitudes `(groups, rows·W)` to the raw
    overlaps of the shared blocks, summed over the groups of each part, `(parts, blocks·16·W)`, and the gradients of the
    other angles `(batch, angles)`.

    Final states that were not kept are computed again."""
    w = width(matrices)
    groups = len(densities)
    trigonometry = np.empty(2 * cos.shape[1] * w, dtype=matrices.dtype)
    by_term = np.empty(len(plan.terms) * w, dtype=matrices.dtype)
    for part in range(part_from, part_to):
        raw = overlaps[part]
        own = raw[plan.shared_blocks * 16 * w :]
        for group in range(part * groups // len(overlaps), (part + 1) * groups // len(overlaps)):
            psi = states[min(group, len(states) - 1)]
            prepare(plan, group, len(by_output), cos, sin, trigonometry, matrices)
            if not kept:
                _run(plan, psi, matrices)
            spread(plan, group, by_output, by_term)
            seed(plan, psi, lam, 0, plan.row_count, by_term, densities[group])
            own[:] = 0
            for stage in range(len(plan.stages) - 2, -1, -1):
                tiles = plan.stages[stage + 1, TILES] - plan.stages[stage, TILES]
                backward_stage(plan, stage, 0, tiles, psi, lam, matrices, raw)
            finish_own(plan, group, trigonometry, own, gradients)
