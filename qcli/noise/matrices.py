"""Pauli transfer matrices of steps and blocks under a device's figures."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qcli.noise.channels import frame, rotation, unitary
from qcli.noise.figures import Figures
from qcli.noise.network import Network
from qcli.noise.steps import Bound, Pair, Pulses, Run, Step, Wait

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Channels:
    """Matrices `(samples or 1, d², d²)` of steps; None where samples differ and their angles are not given."""

    steps: tuple[Step, ...]
    figures: Figures
    matrices: tuple[Array | None, ...]

    def bound(self, angles: Bound) -> "Channels":
        """For a batch of samples."""
        found = list(self.matrices)
        for k, step in enumerate(self.steps):
            if isinstance(step, Pair) and step.varies:
                found[k] = self.figures.pair(step.sites) @ unitary(step.gate.unitary(angles.pairs[step.slot]))
            elif isinstance(step, Run) and step.varies:
                found[k] = _run(angles.runs[step.slot], self.figures.pulse(step.sites[0]))
        return Channels(self.steps, self.figures, tuple(found))

    def blocks(self, net: Network) -> Callable[[int], Tensor]:
        """A block's matrix by its number: `(16, 16)`, or `(samples, 16, 16)`."""
        return lambda number: self._block(net, number)

    def initial(self, net: Network, site: int) -> Array:
        """|0⟩ after the steps before a site's first block, `(samples or 1, 4)`."""
        vector = np.array([[1.0, 0.0, 0.0, 1.0]])
        for k in net.initial[site]:
            vector = (self.of(k) @ vector[..., None])[..., 0]
        return vector

    def of(self, step: int) -> Array:
        """A step's matrix, `(samples or 1, d², d²)`."""
        matrix = self.matrices[step]
        assert matrix is not None
        return matrix

    def _block(self, net: Network, number: int) -> Tensor:
        sites = net.blocks[number].sites
        result = np.eye(16)[None]
        for k in net.blocks[number].steps:
            matrix, on = self.of(k), self.steps[k].sites
            if len(on) == 2:
                result = (matrix if on == sites else _swapped(matrix)) @ result
            elif on[0] == sites[0]:
                result = (matrix @ result.reshape(-1, 4, 64)).reshape(-1, 16, 16)
            else:
                result = (matrix[:, None] @ result.reshape(-1, 4, 4, 16)).reshape(-1, 16, 16)
        return torch.from_numpy(result if len(result) > 1 else result[0])


def channels(steps: tuple[Step, ...], figures: Figures) -> Channels:
    """Those that no sample changes."""
    pairs = [step.gate.unitary(step.turn) for step in steps if isinstance(step, Pair) and not step.varies]
    ideal = iter(unitary(np.concatenate(pairs)) if pairs else ())
    found: list[Array | None] = []
    for step in steps:
        if isinstance(step, Wait):
            found.append(figures.wait(step.sites[0], step.seconds)[None])
        elif isinstance(step, Run):
            found.append(None if step.pulses is None else _run(step.pulses, figures.pulse(step.sites[0])))
        else:
            found.append(None if step.varies else (figures.pair(step.sites) @ next(ideal))[None])
    return Channels(steps, figures, tuple(found))


def _swapped(matrix: Array) -> Array:
    return matrix.reshape(-1, 4, 4, 4, 4).transpose(0, 2, 1, 4, 3).reshape(-1, 16, 16)


def _run(pulses: Pulses, error: Array) -> Array:
    """`error` follows every pulse."""
    each = np.where(
        pulses.pulse[..., None, None], error @ rotation(pulses.angle, pulses.phase), frame(pulses.angle)
    )
    result = each[:, 0]
    for k in range(1, each.shape[1]):
        result = each[:, k] @ result
    return result
