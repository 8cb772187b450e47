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
from qcli.simulate import kernels
from qcli.simulate.fuse import fuse
from qcli.simulate.lanes import BYTES
from qcli.simulate.schedule import Schedule, distributions, schedule

Array = NDArray[Any]
WIDE = 12
"""From so many wires on the lanes hold amplitudes of one sample: the states of a whole group of samples would no longer
fit into the second-level cache."""
_CHUNKS = 16


class CpuEngine:
    """Exact outputs and gradients of Programs on the CPU, in float32 or float64.

    `precision` None follows the angles' dtype. Results do not depend on the number of threads.
    """

    name = "cpu"

    def __init__(self, precision: torch.dtype | None = None) -> None:
        self.precision = precision
        self._runs: dict[tuple[int, np.dtype, bool], tuple[Program, _Run]] = {}

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)`, in the dtype of the angles.

        Gradients of angles that no input reaches are those of the whole batch, in its first row.
        """
        dtype = np.dtype("float64" if (self.precision or angles.dtype) == torch.float64 else "float32")
        outputs: Tensor = _Circuit.apply(angles, self._run(program, dtype))
        return outputs

    def _run(self, program: Program, dtype: np.dtype) -> "_Run":
        key = (id(program), dtype)
        if key not in self._runs:
            self._runs[key] = (program, _Run.of(program, dtype))
        return self._runs[key][1]


class _Circuit(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, angles: Tensor, run: "_Run") -> Tensor:
        values = angles.detach().to("cpu", run.torch_dtype).numpy()
        outputs, ctx.kept = run.forward(values, ctx.needs_input_grad[0])
        ctx.run = run
        return torch.from_numpy(outputs).to(angles)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        by_output = gradient.to("cpu", ctx.run.torch_dtype).numpy()
        return torch.from_numpy(ctx.run.backward(ctx.kept, by_output)).to(gradient), None


@dataclass
class _Kept:
    """What the backward pass needs of the forward pass."""

    angles: Array
    shared_trigonometry: Array
    own_trigonometry: Array
    matrices: Array
    states: Array | None


@dataclass(frozen=True)
class _Run:
    """A program, scheduled for one precision and layout."""

    program: Program
    schedule: Schedule
    dtype: np.dtype
    to_outputs: Array
    constant: Array

    @property
    def torch_dtype(self) -> torch.dtype:
        return torch.float64 if self.dtype.itemsize == 8 else torch.float32

    @property
    def width(self) -> int:
        return BYTES // self.dtype.itemsize

    @staticmethod
    def of(program: Program, dtype: np.dtype) -> "_Run":
        fused = fuse(program)
        plan = schedule(program, fused, dtype, len(fused.wires) >= WIDE)
        to_outputs = np.zeros((len(plan.outputs), program.outputs), dtype)
        to_outputs[np.arange(len(plan.outputs)), plan.outputs] = 1
        constant = np.zeros(program.outputs, dtype)
        column = 0
        for measurement in program.measurements:
            if isinstance(measurement, Expectation):
                constant[column] = sum(coefficient for coefficient, word in measurement.terms if not word)
            column += measurement.columns
        return _Run(program, plan, dtype, to_outputs, constant)

    def forward(self, angles: Array, keep: bool) -> tuple[Array, _Kept | None]:
        """Outputs `(batch, outputs)` for angles `(batch, angles)`."""
        plan, tables, batch = self.schedule, self.schedule.tables, len(angles)
        shared = _trigonometry(_splat(plan.shared.theta(angles[:1]), self.width))[0]
        own = _trigonometry(self._by_lane(plan.own.theta(angles)))
        matrices = np.empty(tables.shared_blocks * 64 * self.width, self.dtype)
        kernels.build(tables, 0, tables.shared_blocks, shared, matrices)
        groups = len(own)
        size = plan.rows * 2 * self.width
        measured = list(distributions(self.program))
        threads = _threads(groups)
        all_states = keep or bool(measured)
        states = np.empty((groups if all_states else threads, size), self.dtype)
        values = np.zeros((groups, len(plan.outputs) * self.width), self.dtype)

        def part(thread: int, start: int, stop: int) -> None:
            scratch = states if all_states else states[thread : thread + 1]
            kernels.forward(tables, start, stop, own, matrices, scratch, values)

        _parallel(part, groups, threads)
        by_term = values.reshape(groups, len(plan.outputs), self.width) * plan.weights
        outputs = self._by_sample(by_term, batch) @ self.to_outputs + self.constant
        for column, wires in measured:
            outputs[:, column : column + 2 ** len(wires)] = self._marginal(states, wires, batch)
        return outputs, _Kept(angles, shared, own, matrices, states) if keep else None

    def backward(self, kept: _Kept, gradient: Array) -> Array:
        """Gradients `(batch, angles)` of Σ gradient·outputs, `gradient` `(batch, outputs)`."""
        plan, tables, batch = self.schedule, self.schedule.tables, len(gradient)
        groups = len(kept.own_trigonometry)
        by_term = self._by_lane(gradient @ self.to_outputs.T) * plan.weights
        densities = np.zeros((groups, 0), self.dtype)
        for column, wires in distributions(self.program):
            part = self._density(gradient[:, column : column + 2 ** len(wires)], wires)
            densities = densities + part if densities.size else part
        chunks = min(groups, _CHUNKS)
        overlaps = np.zeros((chunks, tables.shared_blocks * 16 * self.width), self.dtype)
        own = np.empty((groups, len(plan.own.offsets) * self.width), self.dtype)

        def part_of(thread: int, start: int, stop: int) -> None:
            kernels.backward(
                tables, _first(start, groups, chunks), _first(stop, groups, chunks), kept.own_trigonometry, kept.matrices,
                kept.states, True, by_term.reshape(groups, len(plan.outputs) * self.width), densities, overlaps, own,
            )  # fmt: skip

        _parallel(part_of, chunks, _threads(chunks))
        shared = np.empty(len(plan.shared.offsets) * self.width, self.dtype)
        kernels.chain(tables, 0, tables.shared_blocks, kept.shared_trigonometry, overlaps.sum(0), shared)
        gradients = np.zeros_like(kept.angles)
        plan.shared.gradient(shared.reshape(1, len(plan.shared.offsets), self.width).sum(2), gradients[:1])
        plan.own.gradient(
            self._by_sample(own.reshape(groups, len(plan.own.offsets), self.width), batch), gradients
        )
        return gradients

    def _by_lane(self, samples: Array) -> Array:
        """`(batch, k)` to `(groups, k, W)`."""
        batch, k = samples.shape
        if self.schedule.lane_wires:
            return _splat(samples, self.width)
        groups = -(-batch // self.width)
        padded = np.zeros((groups * self.width, k), self.dtype)
        padded[:batch] = samples
        return padded.reshape(groups, self.width, k).transpose(0, 2, 1)

    def _by_sample(self, lanes: Array, batch: int) -> Array:
        """`(groups, k, W)` to `(batch, k)`: the lanes of a sample are summed if they are wires."""
        if self.schedule.lane_wires:
            return lanes.sum(2)
        return lanes.transpose(0, 2, 1).reshape(len(lanes) * self.width, lanes.shape[1])[:batch]

    @property
    def _axes(self) -> tuple[int, ...]:
        """The wires of a sample's state as a tensor of two-valued axes."""
        return (*reversed(self.schedule.row_wires), *self.schedule.lane_wires)

    def _marginal(self, states: Array, wires: tuple[int, ...], batch: int) -> Array:
        """Probabilities `(batch, 2**len(wires))`."""
        squares = np.square(states.reshape(len(states), -1, 2, self.width)).sum(2)
        if not self.schedule.lane_wires:
            squares = self._by_sample(squares, batch)
        tensor = squares.reshape(batch, *[2] * len(self._axes))
        others = tuple(k + 1 for k, wire in enumerate(self._axes) if wire not in wires)
        left = [wire for wire in self._axes if wire in wires]
        order = [0, *(left.index(wire) + 1 for wire in wires)]
        return tensor.sum(others).transpose(order).reshape(batch, -1)

    def _density(self, gradient: Array, wires: tuple[int, ...]) -> Array:
        """`(batch, 2**len(wires))` to gradients of the squared amplitudes, `(groups, rows·W)`."""
        batch = len(gradient)
        inner = sorted(range(len(wires)), key=lambda k: self._axes.index(wires[k]))
        tensor = gradient.reshape(batch, *[2] * len(wires)).transpose(0, *(k + 1 for k in inner))
        shape = [batch, *(2 if wire in wires else 1 for wire in self._axes)]
        full = np.broadcast_to(tensor.reshape(shape), (batch, *[2] * len(self._axes)))
        flat = np.ascontiguousarray(full).reshape(batch, -1)
        return flat if self.schedule.lane_wires else self._by_lane(flat).reshape(-(-batch // self.width), -1)


def _splat(numbers: Array, width: int) -> Array:
    """`(groups, k)` to `(groups, k, W)`: every lane the same."""
    return np.repeat(numbers[:, :, None], width, axis=2)


def _trigonometry(theta: Array) -> Array:
    """cos(θ/2) and sin(θ/2), `(groups, k·2·W)`, of angles `(groups, k, W)`."""
    half = theta / 2
    return np.stack([np.cos(half), np.sin(half)], axis=2).reshape(
        len(theta), 2 * theta.shape[1] * theta.shape[2]
    )


def _first(chunk: int, groups: int, chunks: int) -> int:
    """The first group of a chunk, as `kernels.backward` counts them."""
    return -(-chunk * groups // chunks)


def _threads(parts: int) -> int:
    return max(1, min(parts, torch.get_num_threads()))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="qcli")


os.register_at_fork(after_in_child=_pool.cache_clear)


def _parallel(work: Callable[[int, int, int], None], parts: int, threads: int) -> None:
    """Call work(thread, start, stop) for contiguous shares of `parts`, this thread taking the first."""
    bounds = [parts * k // threads for k in range(threads + 1)]
    if threads == 1:
        work(0, 0, parts)
        return
    others = [_pool(threads - 1).submit(work, k, bounds[k], bounds[k + 1]) for k in range(1, threads)]
    work(0, bounds[0], bounds[1])
    for other in others:
        other.result()
