"""The torch engine: the same blocks as tensor operations, for CUDA or as a second opinion on the CPU.

The blocks' matrices are built with autograd's knowledge; the states are not: the backward pass un-applies the blocks.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from qcli.circuit.program import Expectation, PauliWord, Program
from qcli.simulate.fuse import PAULI_WORDS, Block, Fused, fuse

_BYTES = 2**30
"""States of at most so many bytes at once; larger batches are split."""

_PROGRAMS = 256
"""Programs whose fused form is kept."""


class TorchEngine:
    """Exact outputs and gradients of Programs by torch, on `device` (CUDA if there is one).

    `precision` None follows the angles' dtype.
    """

    name = "torch"

    def __init__(self, precision: torch.dtype | None = None, device: torch.device | None = None) -> None:
        self.precision = precision
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._circuits: dict[int, tuple[Program, _Circuit]] = {}

    def evaluate(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)`, with the angles' dtype and device."""
        if id(program) not in self._circuits:
            if len(self._circuits) >= _PROGRAMS:
                self._circuits.clear()
            self._circuits[id(program)] = (program, _Circuit(fuse(program), program))
        circuit = self._circuits[id(program)][1]
        precision = torch.float64 if (self.precision or angles.dtype) == torch.float64 else torch.float32
        here = angles.to(self.device, precision)
        rows = max(1, _BYTES // (2 * precision.itemsize * 2 ** len(circuit.wires)))
        outputs = torch.cat([circuit.outputs(part, angles[0]) for part in here.split(rows)])
        return outputs.to(angles)


class _Matrices:
    """The matrices of some blocks as a function of the angles, all blocks at a time."""

    def __init__(self, blocks: list[Block]) -> None:
        depth = max((len(block.rotations) for block in blocks), default=0)
        shape = (depth, len(blocks))
        words = np.zeros(shape, dtype=np.int64)
        columns, scales, offsets = np.zeros(shape, dtype=np.int64), np.zeros(shape), np.zeros(shape)
        for b, block in enumerate(blocks):
            for k, rotation in enumerate(block.rotations):
                words[k, b], offsets[k, b] = rotation.word, rotation.offset
                if rotation.column is not None:
                    columns[k, b], scales[k, b] = rotation.column, rotation.scale
        self.words, self.columns = torch.from_numpy(PAULI_WORDS[words]), torch.from_numpy(columns)
        self.scales, self.offsets = torch.from_numpy(scales), torch.from_numpy(offsets)
        clifford = np.array([block.clifford for block in blocks], dtype=complex).reshape(-1, 4, 4)
        self.clifford = torch.from_numpy(clifford)

    def __call__(self, angles: Tensor) -> Tensor:
        """`(batch, angles)` to `(batch, blocks, 4, 4)`."""
        kind = torch.complex128 if angles.dtype == torch.float64 else torch.complex64
        words, clifford = self.words.to(angles.device, kind), self.clifford.to(angles.device, kind)
        columns, scales, offsets = (
            self.columns.to(angles.device),
            self.scales.to(angles),
            self.offsets.to(angles),
        )
        padded = angles if angles.shape[1] else angles.new_zeros((len(angles), 1))
        half = (padded[:, columns] * scales + offsets)[..., None, None] / 2
        cos, sin = torch.cos(half), torch.sin(half)
        matrix = torch.eye(4, dtype=kind, device=angles.device).expand(len(angles), len(clifford), 4, 4)
        for k in range(len(words)):
            matrix = cos[:, k] * matrix - 1j * sin[:, k] * (words[k] @ matrix)
        return clifford @ matrix


class _Circuit:
    """A fused program; wire k of `wires` is axis k + 1 of the state."""

    def __init__(self, fused: Fused, program: Program) -> None:
        self.wires, self.program = fused.wires, program
        blocks = [*fused.starts, *fused.blocks]
        self.shared = _Matrices([block for block in blocks if not block.per_sample])
        self.own = _Matrices([block for block in blocks if block.per_sample])
        self.steps: list[tuple[bool, int, tuple[int, ...]]] = []
        count = {True: 0, False: 0}
        for block in blocks:
            positions = tuple(fused.wires.index(wire) for wire in block.wires)
            self.steps.append((block.per_sample, count[block.per_sample], positions))
            count[block.per_sample] += 1

    def outputs(self, angles: Tensor, first: Tensor) -> Tensor:
        """Outputs `(batch, outputs)`; `first` are the angles from which the shared matrices are built."""
        outputs: Tensor = _Evolution.apply(self.shared(first[None].to(angles)), self.own(angles), self)
        return outputs

    def measure(self, state: Tensor) -> Tensor:
        """Outputs `(batch, outputs)` of a state `(batch, 2, ..., 2)`."""
        columns = []
        squares = state.abs().square()
        for measurement in self.program.measurements:
            if isinstance(measurement, Expectation):
                values = [c * self._expectation(state, squares, word) for c, word in measurement.terms]
                columns.append(torch.stack(values).sum(0)[:, None])
                continue
            kept = [self.wires.index(wire) for wire in measurement.wires]
            others = [k + 1 for k in range(len(self.wires)) if k not in kept]
            marginal = squares.sum(others) if others else squares
            order = [sorted(kept).index(k) + 1 for k in kept]
            columns.append(marginal.permute(0, *order).reshape(len(state), -1))
        return torch.cat(columns, dim=1)

    def _expectation(self, state: Tensor, squares: Tensor, word: PauliWord) -> Tensor:
        letters = {self.wires.index(wire): letter for wire, letter in word}
        flips = [k + 1 for k, letter in letters.items() if letter in "XY"]
        if flips:
            phase = (-1j) ** sum(letter == "Y" for letter in letters.values())
            values = (phase * state.conj() * state.flip(flips)).real
        else:
            values = squares
        for k in reversed(range(len(self.wires))):
            signed = letters.get(k) in ("Y", "Z")
            values = values[..., 0] - values[..., 1] if signed else values.sum(-1)
        return values


class _Evolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, shared: Tensor, own: Tensor, circuit: _Circuit) -> Tensor:
        state = own.new_zeros((len(own), 2 ** len(circuit.wires)))
        state[:, 0] = 1
        for per_sample, k, positions in circuit.steps:
            state = _apply(_matrix(own if per_sample else shared, k, positions), state, positions)
        ctx.circuit = circuit
        ctx.save_for_backward(shared, own, state)
        return circuit.measure(state.reshape(-1, *[2] * len(circuit.wires)))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor, Tensor, None]:
        shared, own, psi = ctx.saved_tensors
        circuit: _Circuit = ctx.circuit
        gradients = {True: torch.zeros_like(own), False: torch.zeros_like(shared)}
        with torch.enable_grad():
            leaf = psi.detach().requires_grad_()
            outputs = circuit.measure(leaf.reshape(-1, *[2] * len(circuit.wires)))
            (lam,) = torch.autograd.grad(outputs, leaf, by_output)
        for per_sample, k, positions in reversed(circuit.steps):
            matrix = _matrix(own if per_sample else shared, k, positions)
            adjoint = matrix.mH
            psi = _apply(adjoint, psi, positions)
            gradient = _matrix(gradients[per_sample], k, positions)
            gradient += _outer(lam, psi, positions, len(gradient) == 1)
            lam = _apply(adjoint, lam, positions)
        return gradients[False], gradients[True], None


def _matrix(matrices: Tensor, k: int, positions: tuple[int, ...]) -> Tensor:
    """A view of block k: 4×4, or 2×2 of the first slot for a block of one wire."""
    return matrices[:, k, ::2, ::2] if len(positions) == 1 else matrices[:, k]


def _axes(state: Tensor, positions: tuple[int, ...]) -> Tensor:
    """`(batch, 2**wires)` to `(batch, 2 or 4, rest)`, the wires at `positions` in front."""
    wires = state.shape[1].bit_length() - 1
    low, high = min(positions), max(positions)
    if len(positions) == 1:
        split = state.reshape(len(state), 2**low, 2, 2 ** (wires - low - 1)).permute(0, 2, 1, 3)
        return split.reshape(len(state), 2, -1)
    split = state.reshape(len(state), 2**low, 2, 2 ** (high - low - 1), 2, 2 ** (wires - high - 1))
    front = (2, 4) if positions[0] == low else (4, 2)
    return split.permute(0, *front, 1, 3, 5).reshape(len(state), 4, -1)


def _apply(matrix: Tensor, state: Tensor, positions: tuple[int, ...]) -> Tensor:
    wires = state.shape[1].bit_length() - 1
    low, high = min(positions), max(positions)
    turned = torch.matmul(matrix, _axes(state, positions))
    if len(positions) == 1:
        split = turned.reshape(len(state), 2, 2**low, 2 ** (wires - low - 1)).permute(0, 2, 1, 3)
        return split.reshape(state.shape)
    split = turned.reshape(len(state), 2, 2, 2**low, 2 ** (high - low - 1), 2 ** (wires - high - 1))
    order = (0, 3, 1, 4, 2, 5) if positions[0] == low else (0, 3, 2, 4, 1, 5)
    return split.permute(order).reshape(state.shape)


def _outer(lam: Tensor, psi: Tensor, positions: tuple[int, ...], shared: bool) -> Tensor:
    """Gradient with respect to a block's matrix, summed over the batch if it is shared."""
    products = torch.matmul(_axes(lam, positions), _axes(psi, positions).mH)
    return products.sum(0, keepdim=True) if shared else products
