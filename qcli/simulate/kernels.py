"""The compiled sweeps of the cpu engine: stages of operations on tiles, measurements, groups of samples.

`plan` is a `tables.Tables`; arrays are flat. See docs/engine.md.
"""

import numpy as np

from qcli.simulate.jit import inlined, kernel
from qcli.simulate.lanes import load, parity, splat, store, width
from qcli.simulate.matrices import build, chain
from qcli.simulate.rows import exchange, grow, overlap4, pair, quad, undo_grow, undo_pair
from qcli.simulate.tables import (
    BITS,
    BLOCK,
    FILL,
    GROW,
    KIND,
    LANE_X,
    ODD,
    OPS,
    PADDING,
    PAIR,
    QUAD,
    ROWS,
    SIZE,
    TILES,
    X,
    Z,
)  # fmt: skip


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
        quad(state, at, rows, size, bit_a, bit_b, matrices, m)
    elif kind == PAIR:
        for value in range(2):
            a, there = value * (3 - step), at + value * rows[1 << bit_b] * 2 * w
            pair(state, there, rows, size, bit_a, (1 << bit_a) | (1 << bit_b), matrices, m, a, a + step)
    elif kind == GROW:
        grow(state, at, rows, size, bit_a, matrices, m)
    else:
        exchange(state, at, rows, size, ops, o)


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
        overlap4(psi, lam, at, rows, size, bit_a, bit_b, overlaps, raw)
        quad(psi, at, rows, size, bit_a, bit_b, matrices, adjoint)
        quad(lam, at, rows, size, bit_a, bit_b, matrices, adjoint)
    elif kind == PAIR:
        skipped = (1 << bit_a) | (1 << bit_b)
        for value in range(2):
            a, there = value * (3 - step), at + value * rows[1 << bit_b] * 2 * w
            undo_pair(
                psi, lam, there, rows, size, bit_a, skipped, matrices, adjoint, overlaps, raw, a, a + step
            )
    elif kind == GROW:
        undo_grow(psi, lam, at, rows, size, bit_a, matrices, m, overlaps, raw)
    else:
        for state in (psi, lam):
            if kind == FILL:
                state[2 * w : (2 * w) << size] = 0
            exchange(state, at, rows, size, ops, o)


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
