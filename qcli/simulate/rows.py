"""What blocks do to the rows of a state, forward and backward: the loops where the time goes.

A state is `(rows, 2, W)`, flat: a row holds the real and then the imaginary parts of W amplitudes, the lanes (see
`tables.PADDING` for the gaps between rows). The lanes are either W samples, or the amplitudes of a few wires of one
sample; no loop needs to know which. `rows` says where the rows of a tile lie, `at` where the tile begins.
"""

import numpy as np

from qcli.simulate.jit import inlined
from qcli.simulate.lanes import load, peek, store, swap, width
from qcli.simulate.matrices import PAIRS
from qcli.simulate.tables import BITS

_PAIR_INDEX = np.zeros((4, 4), dtype=np.int64)
for _k, (_a, _b) in enumerate(PAIRS):
    _PAIR_INDEX[_a, _b] = _k


@inlined
def _next(index, skipped):
    """The next larger number that has none of the bits `skipped`."""
    return ((index | skipped) + 1) & ~skipped


@inlined
def grow(state, at, rows, size, bit, matrices, m):
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
def undo_grow(psi, lam, at, rows, size, bit, matrices, m, overlaps, raw):
    """The reverse of `grow` on both ψ and λ: the wire is projected on the state it was given; overlaps as before."""
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
def quad(state, at, rows, size, bit_a, bit_b, matrices, m):
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
def pair(state, at, rows, size, bit, skipped, matrices, m, a, b):
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
def undo_pair(psi, lam, at, rows, size, bit, skipped, matrices, m, overlaps, raw, a, b):
    """`pair` on both ψ and λ, adding before those of the raw overlaps (see `overlap4`) that belong to a and b."""
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
def overlap4(psi, lam, at, rows, size, bit_a, bit_b, overlaps, raw):
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
def exchange(state, at, rows, size, ops, o):
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
