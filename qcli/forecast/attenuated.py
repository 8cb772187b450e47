"""A cheap stand-in for a device in training: each expectation value attenuated and shifted, with noise of finite shots.

    z' = a z + b + √((h − z')(z' − l) / shots) ε,    ε ~ N(0, 1)

a and b are fitted per circuit and output column to the exact noisy outputs of the compiled circuit; l and h are the
least and largest single-shot value. The variance is exact for a Pauli word and for a probability, and an upper bound
for a sum of words (Bhatia and Davis, Am. Math. Monthly 107, 353, 2000); outputs are taken to be independent.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.circuit.program import Expectation, Program
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor, Observed, using
from qcli.train.loop import predict

Array = NDArray[np.float64]

_LEAST_SPREAD = 1e-12
_LEAST_VARIANCE = 1e-6
"""Of one shot; below, the slope of the root would throw the training off."""


@dataclass(frozen=True, eq=False)
class Affine:
    """noisy ≈ a · exact + b for each output column, `(outputs,)`.

    Attributes:
        residual: root mean square of what the fit leaves.
        deviation: root mean square of noisy − exact, which the fit explains.
        r2: share of the noisy outputs' variance about their column means that is explained.
    """

    a: Array
    b: Array
    residual: float
    deviation: float
    r2: float


def affine(exact: Array, noisy: Array) -> Affine:
    """Least squares over the rows of `(samples, outputs)`; a column that does not vary is only shifted."""
    centred = exact - exact.mean(axis=0)
    spread = (centred**2).sum(axis=0)
    varies = spread > _LEAST_SPREAD
    a = np.where(varies, (centred * noisy).sum(axis=0) / np.where(varies, spread, 1.0), 1.0)
    b = noisy.mean(axis=0) - a * exact.mean(axis=0)
    left = ((noisy - a * exact - b) ** 2).mean()
    total = noisy.var(axis=0).mean()
    return Affine(
        a=a,
        b=b,
        residual=float(np.sqrt(left)),
        deviation=float(np.sqrt(((noisy - exact) ** 2).mean())),
        r2=float(1 - left / total) if total > _LEAST_SPREAD else 1.0,
    )


def fits(model: nn.Module, x: Tensor, classes: int, noisy: Executor) -> dict[str, Affine]:
    """One fit for each circuit that the model runs on `x` `(samples, features)`, by the program's key.

    Calls of one circuit, with whatever weights, share a fit.
    """
    observed = Observed(Exact("auto", torch.float64))
    with using(observed):
        predict(model, x, classes)
    outputs: dict[str, list[tuple[Array, Array]]] = {}
    for program, angles, exact in observed.calls:
        there = noisy.run(program, angles.double())
        outputs.setdefault(program.key, []).append((exact.double().numpy(), there.numpy()))
    return {
        key: affine(
            np.concatenate([exact for exact, _ in pairs]), np.concatenate([noisy for _, noisy in pairs])
        )
        for key, pairs in outputs.items()
    }


class Attenuated:
    """Exact outputs as a device would give them with `shots`; differentiable, noise from torch's global generator."""

    name = "attenuated"

    def __init__(self, exact: Exact, shots: int, fits: Mapping[str, Affine] | None = None) -> None:
        self.timings = exact.timings
        self.fits = fits or {}
        self._exact, self._shots = exact, shots

    def run(self, program: Program, angles: Tensor) -> Tensor:
        exact = self._exact.run(program, angles)
        fit = self.fits[program.key]
        a, b, low, high = (torch.as_tensor(row).to(exact) for row in (fit.a, fit.b, *_range(program)))
        mean = a * exact + b
        variance = ((high - mean) * (mean - low)).clamp(min=_LEAST_VARIANCE) / self._shots
        return mean + variance.sqrt() * torch.randn(mean.shape).to(mean)


def _range(program: Program) -> tuple[Array, Array]:
    """Least and largest value of one shot in each output column."""
    low, high = [], []
    for measurement in program.measurements:
        if isinstance(measurement, Expectation):
            centre = sum(coefficient for coefficient, word in measurement.terms if not word)
            reach = sum(abs(coefficient) for coefficient, word in measurement.terms if word)
            low.append(centre - reach)
            high.append(centre + reach)
        else:
            low += [0.0] * measurement.columns
            high += [1.0] * measurement.columns
    return np.array(low), np.array(high)
