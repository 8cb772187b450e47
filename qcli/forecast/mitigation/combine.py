"""Mitigated values from what was measured: pure functions, whoever ran the circuits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qcli.circuit.program import Probabilities, Program
from qcli.errors import QcliError
from qcli.noise.channels import on_bits

Array = NDArray[np.float64]
Extrapolation = Literal["linear", "richardson", "exponential"]

_LEAST_CONTRAST = 1e-3
_LEAST_LEFT = 0.1
"""Share of a value that must be left at the largest scale for its logarithm to say more than noise."""


def assignment(zeros: Array, ones: Array) -> Array:
    """Of each bit the probabilities `(bits, 2, 2)` to read (row) what was there (column).

    Args:
        zeros, ones: relative frequencies `(2**bits,)` of the calibration circuits all 0 and all 1, first bit most
            significant.

    Raises:
        QcliError: a bit reads the same whatever was there.
    """
    bits = len(zeros).bit_length() - 1
    columns = [frequencies.reshape([2] * bits) for frequencies in (zeros, ones)]
    marginal = [
        [column.sum(axis=tuple(other for other in range(bits) if other != bit)) for column in columns]
        for bit in range(bits)
    ]
    matrices = np.array(marginal).transpose(0, 2, 1)
    if (blind := np.linalg.det(matrices) < _LEAST_CONTRAST).any():
        raise QcliError(
            f"measured bit {int(np.argmax(blind))} reads the same for 0 and 1",
            "readout calibration",
            "take more shots, or measure other qubits",
        )
    return matrices


def corrected(frequencies: Array, matrices: Array) -> Array:
    """Quasi-probabilities `(rows, 2**bits)`: the inverse of each bit's assignment matrix applied to the rows.

    They sum to 1 and may be negative. Expectation values from them are unbiased; for a distribution, take `nearest`.
    """
    return on_bits(frequencies, np.linalg.inv(matrices))


def nearest(quasi: Array) -> Array:
    """The probability distribution closest to each row `(rows, outcomes)` in Euclidean norm.

    J. A. Smolin, J. M. Gambetta and G. Smith, Phys. Rev. Lett. 108, 070502 (2012).
    """
    descending = -np.sort(-quasi, axis=1)
    shift = (descending.cumsum(axis=1) - 1) / np.arange(1, quasi.shape[1] + 1)
    last = (descending > shift).sum(axis=1, keepdims=True) - 1
    return (quasi - np.take_along_axis(shift, last, axis=1)).clip(min=0.0)


def with_distributions(program: Program, outputs: Array) -> Array:
    """Outputs `(batch, outputs)` in which what should be a distribution is one again, the nearest."""
    result, column = outputs.copy(), 0
    for measurement in program.measurements:
        part = slice(column, column + measurement.columns)
        if isinstance(measurement, Probabilities):
            result[:, part] = nearest(outputs[:, part])
        column += measurement.columns
    return result


@dataclass(frozen=True)
class Extrapolated:
    """Values at zero noise and their standard errors."""

    values: Array
    errors: Array


def extrapolated(
    scales: Sequence[int], values: Array, how: Extrapolation, errors: ArrayLike = 0.0
) -> Extrapolated:
    """Expectation values `(scales, ...)` at these scales of noise, continued to zero noise.

    `linear`: the line of least squares. `richardson`: the polynomial through all points. `exponential`: a·exp(−bλ), the
    line of least squares through the logarithms, weighted by the squares of the values; where values change sign, grow
    with the noise or fall below a tenth, as `linear`. K. Temme, S. Bravyi and J. M. Gambetta, Phys. Rev. Lett. 119,
    180509 (2017); S. Endo, S. C. Benjamin and Y. Li, Phys. Rev. X 8, 031027 (2018).

    Args:
        errors: standard errors of the values, propagated to first order.

    Raises:
        QcliError: fewer than two different scales.
    """
    if len(scales) < 2 or len(set(scales)) < len(scales):
        raise QcliError(
            f"noise scales {', '.join(map(str, scales)) or 'none'}", "zne", "give two or more different ones"
        )
    spread = np.broadcast_to(errors, np.shape(values))
    degree = len(scales) - 1 if how == "richardson" else 1
    weights = np.linalg.pinv(np.vander(scales, degree + 1, increasing=True))[0]
    found = Extrapolated(
        np.tensordot(weights, values, axes=1), np.sqrt(np.tensordot(weights**2, spread**2, axes=1))
    )
    if how != "exponential":
        return found
    size = np.sign(values[0]) * values[np.argsort(scales)]
    decays = (np.diff(size, axis=0) <= 0).all(axis=0) & (size[-1] > _LEAST_LEFT * size[0])
    decay = _decay(np.array(scales, dtype=float), np.where(decays, values, 1.0), spread)
    return Extrapolated(
        np.where(decays, decay.values, found.values), np.where(decays, decay.errors, found.errors)
    )


def _decay(scales: Array, values: Array, errors: Array) -> Extrapolated:
    """The line through the logarithms meets zero noise at their sum with weights `share`, held fixed for errors."""
    x = scales.reshape(-1, *[1] * (values.ndim - 1))
    weight = values**2
    mean = (weight * x).sum(axis=0) / weight.sum(axis=0)
    square = (weight * (x - mean) ** 2).sum(axis=0)
    share = weight * (1 / weight.sum(axis=0) - mean * (x - mean) / square)
    at_zero = np.sign(values[0]) * np.exp((share * np.log(np.abs(values))).sum(axis=0))
    return Extrapolated(at_zero, np.abs(at_zero) * np.sqrt(((share * errors / values) ** 2).sum(axis=0)))
