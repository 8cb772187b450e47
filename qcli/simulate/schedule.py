"""In which order, and where in memory, the cpu engine applies the blocks of a Fused program.

Wires join the state as late as possible (a smaller state is a cheaper one). If the lanes are wires, a block on one of
them waits until they have been exchanged with row wires, and blocks on few wires are run tile by tile in the cache.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import DTypeLike, NDArray

from qcli.circuit.program import Expectation, Probabilities, Program
from qcli.simulate.fuse import Block, Fused, pulled_back
from qcli.simulate.lanes import BYTES
from qcli.simulate.tables import EXCHANGE, FILL, GROW, OPS, PADDING, PAIR, QUAD, SIZE, TILES, Tables

TILE_BITS = 11
"""Row bits of a tile: 2^11 rows of 128 bytes, twice (ψ and λ), stay in the second-level cache."""

SECTION = 64
"""Rows that are measured together."""


@dataclass(frozen=True)
class Schedule:
    """What the kernels run for one program in one precision.

    `lane_wires`: the wires whose bits number the lanes at the end, most significant first; none: the lanes are samples.
    `row_wires[b]` is the wire of row bit b at the end. `offsets` are the constant parts of the rotations' angles.
    """

    tables: Tables
    lane_wires: tuple[int, ...]
    row_wires: tuple[int, ...]
    rows: int
    blocks: int
    offsets: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Numbers of a state in memory."""
        return 2 * len(self.tables.start) * (int(places(np.array(self.rows - 1))) + 1)

    @cached_property
    def row_operations(self) -> int:
        """How many rows all operations together go through, for a group of samples."""
        tables = self.tables
        operations, tiles = np.diff(tables.stages[:, OPS]), np.diff(tables.stages[:, TILES])
        return int((2 ** tables.ops[:, SIZE] * np.repeat(tiles, operations)).sum())

    @property
    def shared_rotations(self) -> int:
        return int(self.tables.first[self.tables.shared_blocks])


@dataclass(frozen=True, eq=False)
class _Operation:
    kind: int
    block: Block | None = None
    wires: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Stage:
    """Operations on the row bits `local` of a state with `active` row bits."""

    operations: list[tuple[_Operation, tuple[int, ...], int]]
    local: tuple[int, ...]
    active: int


def schedule(program: Program, fused: Fused, dtype: DTypeLike, lanes_are_wires: bool) -> Schedule:
    """Order, layout and tables for `fused`."""
    width = BYTES // np.dtype(dtype).itemsize
    lane_count = width.bit_length() - 1 if lanes_are_wires else 0
    order = list(_growing(fused, lane_count))
    tiled = len(fused.wires) - lane_count > TILE_BITS
    stages, lane_wires, position = _tiled(order, lane_count) if tiled or lane_count else _whole(order)
    blocks = [operation.block for operation in order if operation.block is not None]
    blocks = [b for b in blocks if not b.per_sample] + [b for b in blocks if b.per_sample]
    rotations = [rotation for block in blocks for rotation in block.rotations]
    first = np.cumsum([0] + [len(block.rotations) for block in blocks])
    images = [[pulled_back(block.clifford.conj().T, word) for word in range(16)] for block in blocks]
    terms, weights, outputs = _terms(program, lane_wires, position, width)
    row_wires = tuple(sorted(position, key=lambda wire: position[wire]))
    rows = max(2 ** len(row_wires), width if lanes_are_wires else 1)
    section = np.arange(min(rows, SECTION))
    ops, table, stage_rows, tiles = _arrays(stages, {id(block): k for k, block in enumerate(blocks)})
    tables = Tables(
        lanes_are_wires=lanes_are_wires,
        row_count=rows,
        shared_blocks=sum(not block.per_sample for block in blocks),
        words=np.array([rotation.word for rotation in rotations], dtype=np.int64),
        columns=np.array([-1 if r.column is None else r.column for r in rotations], dtype=np.int64),
        scales=np.array([rotation.scale for rotation in rotations]),
        first=first.astype(np.int64),
        clifford=np.array([block.clifford for block in blocks], dtype=complex).reshape(-1, 4, 4),
        turned=np.array([[word for word, _ in image] for image in images], dtype=np.int64).reshape(-1, 16),
        signs=np.array([[sign for _, sign in image] for image in images], dtype=float).reshape(-1, 16),
        terms=terms,
        outputs=outputs,
        weights=weights,
        signs_within=_signs(section & terms[:, 1:2]).astype(dtype),
        start=(np.eye(1, width)[0] if lanes_are_wires else np.ones(width)).astype(dtype),
        ops=ops,
        stages=table,
        rows=stage_rows,
        tiles=tiles,
    )
    offsets = np.array([rotation.offset for rotation in rotations])
    return Schedule(tables, lane_wires, row_wires, rows, len(blocks), offsets)


def _growing(fused: Fused, lane_count: int) -> Iterator[_Operation]:
    """Blocks in an order that keeps the state small, each wire grown just before its first block.

    The wires for the lanes are grown first: those that are used last.
    """
    first_use = {wire: len(fused.blocks) for wire in fused.wires}
    for k, block in reversed(list(enumerate(fused.blocks))):
        first_use |= dict.fromkeys(block.wires, k)
    starts = {block.wires[0]: block for block in fused.starts}
    grown: set[int] = set()

    def grow(wires: Sequence[int]) -> Iterator[_Operation]:
        for wire in wires:
            if wire not in grown:
                grown.add(wire)
                yield _Operation(GROW, starts[wire], (wire,))

    lanes = sorted(fused.wires, key=lambda wire: (-first_use[wire], wire))[:lane_count]
    if lanes:
        yield from grow(lanes)
        yield _Operation(FILL, None, tuple(lanes))
    in_rows = grown - set(lanes)
    remaining = list(fused.blocks)
    while remaining:
        block = min(_ready(remaining, len(fused.wires)), key=lambda b: len(set(b.wires) - in_rows))
        in_rows |= set(block.wires)
        yield from grow(block.wires)
        yield _Operation(QUAD if block.control is None else PAIR, block, block.wires)
        remaining.remove(block)
    yield from grow(fused.wires)


def _ready(blocks: Sequence[Block], wires: int) -> Iterator[Block]:
    """Blocks that no earlier one has to precede."""
    taken: set[int] = set()
    for block in blocks:
        if not taken & set(block.wires):
            yield block
        taken |= set(block.wires)
        if len(taken) == wires:
            return


def _whole(order: Sequence[_Operation]) -> tuple[list[_Stage], tuple[int, ...], dict[int, int]]:
    """One stage on one tile: the state of a group of samples stays in the cache."""
    position: dict[int, int] = {}
    placed = []
    for operation in order:
        for wire in operation.wires:
            position.setdefault(wire, len(position))
        placed.append((operation, _bits(operation, position), len(position)))
    local = tuple(range(len(position)))
    return [_Stage(placed, local, len(position))], (), position


def _bits(operation: _Operation, position: dict[int, int]) -> tuple[int, ...]:
    """The bit positions an operation is told, by `position` of each wire."""
    block = operation.block
    if operation.kind == PAIR:
        assert block is not None and block.control is not None
        target = position[block.wires[1 - block.control]]
        return target, position[block.wires[block.control]], 1 if block.control == 0 else 2
    return tuple(position[wire] for wire in operation.wires)


def _tiled(
    order: Sequence[_Operation], lane_count: int
) -> tuple[list[_Stage], tuple[int, ...], dict[int, int]]:
    """Stages of operations that few row bits take part in, and exchanges of the lanes where blocks need them."""
    stages: list[_Stage] = []
    position: dict[int, int] = {}
    lanes: tuple[int, ...] = ()
    remaining = list(order)

    def single(operation: _Operation, bits: tuple[int, ...]) -> None:
        """A stage of one operation, tiled over as many bits as fit."""
        others = [bit for bit in range(len(position)) if bit not in bits]
        local = (*bits, *others[: max(0, TILE_BITS - len(bits))])
        stages.append(_Stage([(operation, tuple(range(len(bits))), len(local))], local, len(position)))

    while remaining:
        head = remaining[0]
        if head.kind == FILL:
            bits = tuple(position[wire] for wire in head.wires)
            single(head, bits)
            lanes, position = head.wires, {}
            remaining.pop(0)
        elif head.kind == GROW:
            position[head.wires[0]] = len(position)
            single(head, (position[head.wires[0]],))
            remaining.pop(0)
        elif set(head.wires) & set(lanes):
            leaving = _latest_used(remaining, position, lane_count, set(head.wires))
            if len(leaving) < lane_count:
                growth = next(operation for operation in remaining if operation.kind == GROW)
                remaining.remove(growth)
                remaining.insert(0, growth)
                continue
            single(_Operation(EXCHANGE, None, leaving), tuple(position[wire] for wire in leaving))
            for old, new in zip(lanes, leaving, strict=True):
                position[old] = position.pop(new)
            lanes = leaving
        else:
            taken, local = _stage_of(remaining, position, set(lanes))
            place = {wire: k for k, wire in enumerate(local)}
            operations = [(operation, _bits(operation, place), len(local)) for operation in taken]
            stages.append(_Stage(operations, tuple(position[wire] for wire in local), len(position)))
            chosen = {id(operation) for operation in taken}
            remaining = [operation for operation in remaining if id(operation) not in chosen]
    return stages, lanes, position


def _stage_of(
    remaining: Sequence[_Operation], position: dict[int, int], lanes: set[int]
) -> tuple[list[_Operation], list[int]]:
    """The operations that can run next on at most TILE_BITS row wires, and those wires in order of their bits."""
    taken: list[_Operation] = []
    local: set[int] = set()
    blocked = set(lanes)
    for operation in remaining:
        if set(position) <= blocked:
            break
        wires = set(operation.wires)
        if wires & blocked or operation.kind == GROW or len(local | wires) > max(TILE_BITS, 2):
            blocked |= wires
        else:
            taken.append(operation)
            local |= wires
    spare = [wire for wire in position if wire not in local][: max(0, TILE_BITS - len(local))]
    return taken, sorted({*local, *spare}, key=lambda wire: position[wire])


def _latest_used(
    remaining: Sequence[_Operation], position: dict[int, int], count: int, needed: set[int]
) -> tuple[int, ...]:
    """The row wires that will not be needed for longest."""
    first_use = {wire: len(remaining) for wire in position if wire not in needed}
    for k, operation in reversed(list(enumerate(remaining))):
        first_use |= {wire: k for wire in operation.wires if wire in first_use}
    return tuple(sorted(first_use, key=lambda wire: (-first_use[wire], wire))[:count])


def _arrays(
    stages: Sequence[_Stage], number: dict[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """`ops`, `stages`, `rows` and `tiles` of the tables."""
    ops: list[list[int]] = []
    table: list[list[int]] = []
    rows: list[NDArray[np.int64]] = []
    tiles: list[NDArray[np.int64]] = []
    at = np.zeros(3, dtype=np.int64)
    for stage in stages:
        table.append(at.tolist())
        for operation, bits, size in stage.operations:
            block = 0 if operation.block is None else number[id(operation.block)]
            ops.append([operation.kind, block, size, *bits, *[0] * (4 - len(bits))])
        others = [bit for bit in range(stage.active) if bit not in stage.local]
        rows.append(places(_deposited(stage.local)))
        tiles.append(places(_deposited(others)))
        at += [len(stage.operations), len(rows[-1]), len(tiles[-1])]
    table.append(at.tolist())
    return (
        np.array(ops, dtype=np.int64).reshape(-1, 7),
        np.array(table, dtype=np.int64),
        np.concatenate([np.zeros(0, int), *rows]).astype(np.int32),
        np.concatenate([np.zeros(0, int), *tiles]).astype(np.int32),
    )


def places(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where rows lie in memory, see `tables.PADDING`."""
    return rows + (rows >> PADDING)


def _deposited(bits: Sequence[int]) -> NDArray[np.int64]:
    """Row numbers whose bit bits[k] is bit k of the index."""
    rows = np.zeros(1, dtype=np.int64)
    for bit in bits:
        rows = np.concatenate([rows, rows | (1 << bit)])
    return rows


def _terms(
    program: Program, lane_wires: tuple[int, ...], position: dict[int, int], width: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """The Pauli words of all expectation values (see `tables.Tables`), with weights per lane and output columns."""
    lane_bit = {wire: len(lane_wires) - 1 - k for k, wire in enumerate(lane_wires)}
    terms: list[list[int]] = []
    weights: list[NDArray[np.float64]] = []
    outputs: list[int] = []
    column = 0
    for measurement in program.measurements:
        if isinstance(measurement, Expectation):
            for coefficient, word in measurement.terms:
                if not word:
                    continue
                x = sum(1 << position[w] for w, letter in word if letter in "XY" and w in position)
                z = sum(1 << position[w] for w, letter in word if letter in "YZ" and w in position)
                lane_x = sum(1 << lane_bit[w] for w, letter in word if letter in "XY" and w in lane_bit)
                lane_z = sum(1 << lane_bit[w] for w, letter in word if letter in "YZ" and w in lane_bit)
                odd = sum(letter == "Y" for _, letter in word)
                lanes = np.arange(width) ^ lane_x
                signs = _signs(lanes & lane_z)
                terms.append([x, z, lane_x, odd % 2])
                weights.append(coefficient * (-1) ** (odd // 2) * signs)
                outputs.append(column)
        column += measurement.columns
    return (
        np.array(terms, dtype=np.int64).reshape(-1, 4),
        np.array(weights).reshape(-1, width),
        np.array(outputs, dtype=np.int64),
    )


def _signs(bits: NDArray[np.int64]) -> NDArray[np.floating]:
    """-1 where the number of ones is odd."""
    return 1.0 - 2.0 * (np.bitwise_count(bits) & 1)


def distributions(program: Program) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(first output column, wires) of every measured distribution."""
    column = 0
    for measurement in program.measurements:
        if isinstance(measurement, Probabilities):
            yield column, measurement.wires
        column += measurement.columns
