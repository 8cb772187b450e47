"""A schedule as arrays, the form that compiled code reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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
