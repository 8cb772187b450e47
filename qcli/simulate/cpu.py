"""The cpu engine: fused blocks on vectors of samples or of amplitudes, forward and backward without stored states."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.circuit.program import Expectation, Program
from qcli.simulate import kernels, memory
from qcli.simulate.fuse import Fused, fuse
from qcli.simulate.lanes import BYTES
from qcli.simulate.schedule import SECTION, Schedule, places, schedule
from qcli.simulate.tables import TILES

Array = NDArray[Any]
_WIDE = 15
"""From so many wires on the lanes hold amplitudes: the states of 16 samples would no longer fit into the second-level
cache."""
_PARTS = 16
"""Gradients are summed in so many parts, whatever the number of threads, so that the bits do not depend on it."""
_WORTH_A_THREAD = 2**16
"""Rows that operations touch in a forward sweep, for each thread: below, waking it takes longer than it saves."""
_PROGRAMS = 256
"""Programs whose schedules are kept."""
_FEW, _LARGE = 8, 2**14
"""Below so many samples, or from so many rows on, all threads work on one sample."""


class CpuEngine:
    """Exact outputs and gradients of Programs on the CPU, in float32 or float64.

    `precision` None follows the angles' dtype. The same call gives the same bits; up to eight wires also with another
    number of threads.
    """

    name = "cpu"

    def __init__(self, precision: torch.dtype | None = None) -> None:
        self.precision = precision
        self._fused: dict[int, tuple[Program, Fused]] = {}
        self._runs: dict[tuple[int, torch.dtype, bool], _Run] = {}

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)`, in the dtype of the angles.

        Gradients of angles that no input reaches are those of the whole batch, in its first row.
        """
        outputs: Tensor = _Circuit.apply(
            angles, self._run(program, self.precision or angles.dtype, len(angles))
        )
        return outputs

    def _run(self, program: Program, precision: torch.dtype, batch: int) -> "_Run":
        if id(program) not in self._fused:
            if len(self._fused) >= _PROGRAMS:
                self._fused.clear()
                self._runs.clear()
            self._fused[id(program)] = (program, fuse(program))
        fused = self._fused[id(program)][1]
        dtype = np.dtype("float64" if precision == torch.float64 else "float32")
        wide = lanes_are_wires(len(fused.wires), batch, BYTES // dtype.itemsize)
        key = (id(program), precision, wide)
        if key not in self._runs:
            self._runs[key] = _Run(program, fused, dtype, wide)
        return self._runs[key]


def lanes_are_wires(wires: int, batch: int, width: int) -> bool:
    """Whether lanes of amplitudes are faster than lanes of samples (measurements: docs/engine.md).

    A sample costs more with lanes of amplitudes, but samples come in groups of `width`, one thread to a group.
    """
    if wires < 2 * width.bit_length() - 1:
        return False
    threads = torch.get_num_threads()
    samples = width * -(-batch // (width * threads))
    amplitudes = (1.3 + 0.4 * 2 ** (12 - wires)) * -(-batch // threads)
    return wires >= _WIDE or amplitudes < samples


class _Circuit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor, run: "_Run") -> Tensor:
        outputs, ctx.kept = run.forward(_numpy(angles, run.dtype), ctx.needs_input_grad[0])
        ctx.run = run
        return torch.from_numpy(outputs).to(angles)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return torch.from_numpy(ctx.run.backward(ctx.kept, _numpy(gradient, ctx.run.dtype))).to(
            gradient
        ), None


def _numpy(tensor: Tensor, dtype: np.dtype) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype)


@dataclass(frozen=True)
class _Buffers:
    """Memory of one evaluation; a row of `matrices` and `lam` for each thread, of `overlaps` for each part.

    `serves`: groups, whether for a gradient, threads."""

    serves: tuple[int, bool, int]
    matrices: Array
    states: Array
    lam: Array
    overlaps: Array


@dataclass
class _Kept:
    """What the backward pass needs of the forward pass. It consumes the buffers; a second one computes them again."""

    angles: tuple[int, int]
    cos: Array
    sin: Array
    trigonometry: Array
    buffers: _Buffers | None


class _Run:
    """A program, scheduled for one precision and layout."""

    def __init__(self, program: Program, fused: Fused, dtype: np.dtype, wide: bool) -> None:
        memory.check(len(fused.wires), 2 * dtype.itemsize, states=1)
        self.program = program
        self.dtype = dtype
        self.width = BYTES // dtype.itemsize
        self.schedule: Schedule = schedule(program, fused, dtype, wide)
        columns, scales = self.schedule.tables.columns, self.schedule.tables.scales
        self._columns = columns.clip(0)
        self._half_scales = np.where(columns < 0, 0.0, scales / 2).astype(dtype)
        self._half_offsets = (self.schedule.offsets / 2).astype(dtype)
        self._constant = np.zeros(program.outputs, dtype)
        self._distributions: list[tuple[int, tuple[int, ...]]] = []
        self._spare: list[_Buffers] = []
        column = 0
        for measurement in program.measurements:
            if isinstance(measurement, Expectation):
                self._constant[column] = sum(c for c, word in measurement.terms if not word)
            else:
                self._distributions.append((column, measurement.wires))
            column += measurement.columns

    def forward(self, angles: Array, keep: bool) -> tuple[Array, _Kept | None]:
        """Outputs `(batch, outputs)` for angles `(batch, angles)`."""
        shared = self.schedule.shared_rotations
        trigonometry = np.empty(2 * shared * self.width, self.dtype)
        kernels.pack(*self._cos_sin(angles[:1], slice(shared)), 0, 0, trigonometry)
        cos, sin = self._cos_sin(angles, slice(shared, None))
        buffers = self._buffers(self._groups(len(angles)), keep)
        outputs = self._evaluate(buffers, trigonometry, cos, sin)
        if keep:
            return outputs, _Kept(angles.shape, cos, sin, trigonometry, buffers)
        self._spare.append(buffers)
        return outputs, None

    def _groups(self, batch: int) -> int:
        return batch if self.schedule.lane_wires else -(-batch // self.width)

    def _buffers(self, groups: int, keep: bool) -> _Buffers:
        """Spare ones if they fit, else new ones."""
        while self._spare:
            spare = self._spare.pop()
            if spare.serves == (groups, keep, torch.get_num_threads()):
                return spare
        plan = self.schedule
        all_states, threads = memory.plan(
            groups, plan.size * self.dtype.itemsize, keep, bool(self._distributions)
        )
        split = self._split(groups)
        rows = 1 if split else max(1, min(threads, groups * plan.row_operations // _WORTH_A_THREAD))
        parts = _PARTS if split else min(groups, _PARTS)
        return _Buffers(
            (groups, keep, torch.get_num_threads()),
            _aligned((rows, plan.blocks * 64 * self.width), self.dtype),
            _aligned((groups if all_states else rows, plan.size), self.dtype),
            _aligned((rows * keep, plan.size), self.dtype),
            _aligned((parts * keep, plan.blocks * 16 * self.width), self.dtype),
        )

    def _evaluate(self, buffers: _Buffers, trigonometry: Array, cos: Array, sin: Array) -> Array:
        """Fill the buffers' matrices and states; return the outputs."""
        tables, batch = self.schedule.tables, len(cos)
        groups, matrices, states = self._groups(batch), buffers.matrices, buffers.states
        kernels.build(tables, 0, tables.shared_blocks, trigonometry, matrices[0])
        matrices[1:] = matrices[0]
        outputs = np.tile(self._constant, (batch, 1))

        def work(thread: int, start: int, stop: int) -> None:
            own = states if len(states) == groups else states[thread : thread + 1]
            kernels.forward(tables, start, stop, cos, sin, matrices[thread], own, outputs)

        if self._split(groups):
            for group in range(groups):
                state = states[min(group, len(states) - 1)]
                self._forward_split(group, cos, sin, matrices[0], state, outputs)
        else:
            _parallel(work, groups, len(matrices))
        for column, wires in self._distributions:
            outputs[:, column : column + 2 ** len(wires)] = self._marginal(states, wires, batch)
        return outputs

    def backward(self, kept: _Kept, by_output: Array) -> Array:
        """Gradients `(batch, angles)` of Σ by_output·outputs, `by_output` `(batch, outputs)`."""
        tables = self.schedule.tables
        groups = self._groups(len(by_output))
        densities = np.zeros((groups, 0), self.dtype)
        for column, wires in self._distributions:
            density = self._density(by_output[:, column : column + 2 ** len(wires)], wires)
            densities = densities + density if densities.size else density
        buffers, kept.buffers = kept.buffers, None
        if buffers is None:
            buffers = self._buffers(groups, True)
            self._evaluate(buffers, kept.trigonometry, kept.cos, kept.sin)
        complete = len(buffers.states) == groups
        overlaps = buffers.overlaps
        overlaps[:] = 0
        gradients = np.zeros(kept.angles, self.dtype)

        def work(thread: int, start: int, stop: int) -> None:
            states = buffers.states if complete else buffers.states[thread : thread + 1]
            kernels.backward(
                tables, start, stop, kept.cos, kept.sin, buffers.matrices[thread], states, complete,
                buffers.lam[thread], by_output, densities, overlaps, gradients,
            )  # fmt: skip

        if self._split(groups):
            for group in range(groups):
                self._backward_split(group, kept, buffers, by_output, densities, gradients)
        else:
            _parallel(work, len(overlaps), len(buffers.matrices))
        kernels.finish(tables, kept.trigonometry, overlaps, gradients)
        self._spare.append(buffers)
        return gradients

    def _split(self, groups: int) -> bool:
        """Whether the threads share the tiles of one sample, rather than the samples; not a matter of how many
        threads there are, so that the bits are not either."""
        rows, amplitudes = self.schedule.rows, bool(self.schedule.lane_wires)
        return amplitudes and rows >= _PARTS * SECTION and (groups < _FEW or rows >= _LARGE)

    def _forward_split(
        self, group: int, cos: Array, sin: Array, matrices: Array, state: Array, outputs: Array
    ) -> None:
        """One sample, all threads."""
        tables, rows = self.schedule.tables, self.schedule.rows
        values = np.zeros((_PARTS, len(tables.terms) * self.width), self.dtype)

        def measure(_: int, start: int, stop: int) -> None:
            for part in range(start, stop):
                kernels.expectations(
                    tables, state, part * rows // _PARTS, (part + 1) * rows // _PARTS, values[part]
                )

        self._evolve(group, len(outputs), cos, sin, matrices, state)
        _parallel(measure, _PARTS)
        kernels.collect(tables, group, values.sum(0), outputs)

    def _evolve(self, group: int, batch: int, cos: Array, sin: Array, matrices: Array, state: Array) -> Array:
        tables = self.schedule.tables
        trigonometry = np.empty(2 * cos.shape[1] * self.width, self.dtype)
        kernels.prepare(tables, group, batch, cos, sin, trigonometry, matrices)
        state[: self.width] = tables.start
        state[self.width : 2 * self.width] = 0
        for stage, tiles in self._stages():

            def work(_: int, start: int, stop: int, stage: int = stage) -> None:
                kernels.forward_stage(tables, stage, start, stop, state, matrices)

            _parallel(work, tiles)
        return trigonometry

    def _backward_split(
        self,
        group: int,
        kept: _Kept,
        buffers: _Buffers,
        by_output: Array,
        densities: Array,
        gradients: Array,
    ) -> None:
        """One sample, all threads."""
        tables, rows, matrices = self.schedule.tables, self.schedule.rows, buffers.matrices[0]
        complete = len(buffers.states) == len(densities)
        psi, lam, overlaps = buffers.states[group if complete else 0], buffers.lam[0], buffers.overlaps
        by_term = np.empty(len(tables.terms) * self.width, self.dtype)
        if complete:
            trigonometry = np.empty(2 * kept.cos.shape[1] * self.width, self.dtype)
            kernels.prepare(tables, group, len(by_output), kept.cos, kept.sin, trigonometry, matrices)
        else:
            batch = len(by_output)
            trigonometry = self._evolve(group, batch, kept.cos, kept.sin, matrices, psi)
        kernels.spread(tables, group, by_output, by_term)

        def begin(_: int, start: int, stop: int) -> None:
            rows_from, rows_to = start * rows // _PARTS, stop * rows // _PARTS
            kernels.seed(tables, psi, lam, rows_from, rows_to, by_term, densities[group])

        _parallel(begin, _PARTS)
        own = overlaps[:, tables.shared_blocks * 16 * self.width :]
        own[:] = 0
        for stage, tiles in reversed(self._stages()):
            parts = min(tiles, _PARTS)

            def work(
                _: int, start: int, stop: int, stage: int = stage, tiles: int = tiles, parts: int = parts
            ) -> None:
                for part in range(start, stop):
                    first, last = part * tiles // parts, (part + 1) * tiles // parts
                    kernels.backward_stage(tables, stage, first, last, psi, lam, matrices, overlaps[part])

            _parallel(work, parts)
        kernels.finish_own(tables, group, trigonometry, own.sum(0), gradients)

    def _stages(self) -> list[tuple[int, int]]:
        """Number and tiles of each stage."""
        return list(enumerate(np.diff(self.schedule.tables.stages[:, TILES]).tolist()))

    def _cos_sin(self, angles: Array, rotations: slice) -> tuple[Array, Array]:
        """Of half the angles of some rotations, `(batch, rotations)`."""
        scales, offsets = self._half_scales[rotations], self._half_offsets[rotations]
        if angles.shape[1]:
            half = angles[:, self._columns[rotations]] * scales + offsets
        else:
            half = np.tile(offsets, (len(angles), 1))
        return np.cos(half), np.sin(half)

    @property
    def _axes(self) -> tuple[int, ...]:
        """The wires of a sample's state as a tensor of two-valued axes."""
        return (*reversed(self.schedule.row_wires), *self.schedule.lane_wires)

    def _marginal(self, states: Array, wires: tuple[int, ...], batch: int) -> Array:
        """Probabilities `(batch, 2**len(wires))`."""
        rows = states.reshape(len(states), -1, 2, self.width)[:, places(np.arange(self.schedule.rows))]
        squares = np.square(rows).sum(2)
        if not self.schedule.lane_wires:
            squares = squares.transpose(0, 2, 1).reshape(-1, self.schedule.rows)[:batch]
        tensor = squares.reshape(batch, *[2] * len(self._axes))
        others = tuple(k + 1 for k, wire in enumerate(self._axes) if wire not in wires)
        left = [wire for wire in self._axes if wire in wires]
        order = [0, *(left.index(wire) + 1 for wire in wires)]
        return tensor.sum(others).transpose(order).reshape(batch, -1)

    def _density(self, by_output: Array, wires: tuple[int, ...]) -> Array:
        """`(batch, 2**len(wires))` to gradients of the squared amplitudes, `(groups, rows·W)`."""
        batch = len(by_output)
        inner = sorted(range(len(wires)), key=lambda k: self._axes.index(wires[k]))
        tensor = by_output.reshape(batch, *[2] * len(wires)).transpose(0, *(k + 1 for k in inner))
        shape = [batch, *(2 if wire in wires else 1 for wire in self._axes)]
        full = np.broadcast_to(tensor.reshape(shape), (batch, *[2] * len(self._axes))).reshape(batch, -1)
        if self.schedule.lane_wires:
            return np.ascontiguousarray(full)
        groups = -(-batch // self.width)
        padded = np.zeros((groups * self.width, full.shape[1]), self.dtype)
        padded[:batch] = full
        lanes = padded.reshape(groups, self.width, -1).transpose(0, 2, 1)
        return np.ascontiguousarray(lanes).reshape(groups, -1)


def _aligned(shape: tuple[int, int], dtype: np.dtype) -> Array:
    """Uninitialised, beginning at a cache line."""
    count = shape[0] * shape[1]
    memory = np.empty(count + BYTES // dtype.itemsize, dtype)
    start = -memory.ctypes.data % BYTES // dtype.itemsize
    return memory[start : start + count].reshape(shape)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="qcli")


os.register_at_fork(after_in_child=_pool.cache_clear)


def _parallel(work: Callable[[int, int, int], None], parts: int, threads: int | None = None) -> None:
    """Call work(thread, start, stop) for contiguous shares of `parts`, this thread taking the first."""
    threads = max(1, min(parts, threads or torch.get_num_threads()))
    bounds = [parts * k // threads for k in range(threads + 1)]
    others = [_pool(threads - 1).submit(work, k, bounds[k], bounds[k + 1]) for k in range(1, threads)]
    work(0, bounds[0], bounds[1])
    for other in others:
        other.result()
