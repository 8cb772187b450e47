"""Noisy outputs of a compiled circuit, for a batch of angles."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray

from qcli.circuit.program import Measurement, Probabilities
from qcli.compile.transpile import Compiled
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.noise import exact, trajectories
from qcli.noise.channels import on_bits
from qcli.noise.contract import Order, contracted, order
from qcli.noise.exact import IDENTITY, Reading
from qcli.noise.figures import Figures, Strength
from qcli.noise.matrices import Channels, channels
from qcli.noise.network import Network, Plan, network, plans
from qcli.noise.steps import Bound, bind, steps
from qcli.noise.trajectories import Noisy, Sampling
from qcli.noise.words import Outputs, halves, looks, measured
from qcli.simulate import memory

Array = NDArray[np.float64]

CALIBRATED = Strength()
NOISELESS = Strength(0, 0, 0, 0)
WIDEST = 24
"""Qubits of a state vector."""
_KEPT, _FEW = 4, 3
_WORK, _MUCH, _LITTLE = 1e10, 1e8, 1e6
"""Pauli coefficients: the most that exact results take, a minute; from where on a good order of contraction is searched
for; from where on a plain one is tried."""
_MULTIPLICATIONS = 16
"""For each coefficient."""
_LARGEST = 2.0**26
"""Coefficients of a tensor in a contraction."""


class TooWideError(QcliError):
    """Exact results take too much work or memory."""


class NoisyCircuit:
    """A compiled circuit under the errors of `device`, by default that for which it was compiled.

    `expectations` and `distribution` are exact: 4ᵂ Pauli coefficients for W qubits in the light cone of what is read,
    or a tensor network. `estimate` and `estimate_distribution` turn to trajectories where that is too much.

    Raises:
        QcliError: a qubit or edge in use is not calibrated, or a gate has no noise model.
    """

    def __init__(self, compiled: Compiled, device: Device | None = None) -> None:
        self.compiled = compiled
        self.device = device or compiled.device
        self._steps = steps(compiled, self.device)
        self._bound: tuple[bytes, tuple[int, Bound]] | None = None
        self._halfway: dict[tuple[Strength, int, bytes], exact.Halfway] = {}
        self._channels = lru_cache(maxsize=64)(self._channels_of)
        self._network = lru_cache(maxsize=256)(self._network_of)
        self._order = lru_cache(maxsize=64)(self._order_of)
        self._channels(NOISELESS)

    def expectations(self, values: Array, observables: Array, strength: Strength = CALIBRATED) -> Array:
        """`(samples, observables)` for angles `(samples, parameters)`.

        Observable j of `(observables, bits, 2)` is the product over the measured bits i of the function
        observables[j, i]: (1, −1) for Z, (1, 1) where it does not look, (1, 0) or (0, 1) for a target bit.

        Raises:
            QcliError: the shapes do not fit, or the circuit is too wide for exact results.
        """
        return self._exactly(values, self.before_readout(observables, strength), strength, _WORK)

    def _exactly(self, values: Array, functions: Array, strength: Strength, most: float) -> Array:
        samples, angles = self._bind(values)
        result = np.empty((samples, len(functions)))
        if not result.size:
            return result
        for rows, reading in self._groups(functions, samples):
            way = self._way(reading, samples, most)
            if isinstance(way, Plan):
                result[:, rows] = exact.values(self._prepare(strength, reading, way), samples, angles)
            else:
                bound = self._channels(strength).bound(angles)
                result[:, rows] = contracted(bound, self._network(frozenset(reading.vectors)), reading, way)
        return result

    def distribution(self, values: Array, strength: Strength = CALIBRATED) -> Array:
        """Probabilities `(samples, 2**bits)` of what is read, classical bit 0 most significant.

        Raises:
            QcliError: the shape does not fit, or the circuit is too wide for exact results.
        """
        bits = self._steps.measured
        samples, angles = self._bind(values)
        if not samples:
            return np.empty((0, 2 ** len(bits)))
        *others, last = plans(self._network(frozenset(bits)), samples, 2 ** len(bits))
        fewer = any(other.work < last.work for other in others)
        if fewer or (len(bits) <= _FEW and last.work > _MUCH):
            return self.expectations(values, np.array(list(product(np.eye(2), repeat=len(bits)))), strength)
        check(last, self.device.key, _WORK)
        half = self._prepare(strength, Reading(dict.fromkeys(bits, IDENTITY), 1), last)
        return exact.distribution(half, samples, angles, bits, self._readout(strength))

    def estimate(
        self,
        values: Array,
        observables: Array,
        strength: Strength = CALIBRATED,
        sampling: Sampling = Sampling(),
        generator: np.random.Generator | None = None,
    ) -> Noisy:
        """`expectations` where they are exact, means over trajectories elsewhere.

        Raises:
            QcliError: the shapes do not fit, or the circuit is too wide for either.
        """
        functions = self.before_readout(observables, strength)
        try:
            found = self._exactly(values, functions, strength, min(sampling.exact, _WORK))
        except TooWideError:
            pass
        else:
            return Noisy(found, np.zeros_like(found), "exact")
        seen: NDArray[np.bool_] = np.any(looks(functions), axis=0)
        sites = [site for site, looked in zip(self._steps.measured, seen, strict=True) if looked]
        found_layout = self._layout(sites)
        measurements, outputs = measured(functions[:, seen], [found_layout.wires[site] for site in sites])
        return self._mean(values, strength, found_layout, measurements, outputs, sampling, generator)

    def estimate_distribution(
        self,
        values: Array,
        strength: Strength = CALIBRATED,
        sampling: Sampling = Sampling(),
        generator: np.random.Generator | None = None,
    ) -> Noisy:
        """`distribution` where it is exact, means over trajectories elsewhere, with their errors before readout.

        Raises:
            QcliError: the shape does not fit, or the circuit is too wide for either.
        """
        bits = self._steps.measured
        try:
            found = self.distribution(values, strength)
        except TooWideError:
            pass
        else:
            return Noisy(found, np.zeros_like(found), "exact")
        memory.check(len(bits), 5 * 8, states=len(values))
        found_layout = self._layout(bits)
        measured = (Probabilities(tuple(found_layout.wires[site] for site in bits)),)
        true = self._mean(
            values, strength, found_layout, measured, lambda outputs: outputs, sampling, generator
        )
        return replace(true, values=on_bits(true.values, self._readout(strength)))

    def _mean(
        self,
        values: Array,
        strength: Strength,
        layout: trajectories.Layout,
        measured: tuple[Measurement, ...],
        outputs: Outputs,
        sampling: Sampling,
        generator: np.random.Generator | None,
    ) -> Noisy:
        samples, angles = self._bind(values)
        noisy, clean = self._channels(strength).bound(angles), self._channels(NOISELESS).bound(angles)
        batch = trajectories.errors(layout, noisy, clean, angles, samples)
        circuit = trajectories.program(layout, measured)
        generator = generator or np.random.default_rng(0)
        return trajectories.mean(layout, batch, circuit, outputs, sampling, generator)

    def _layout(self, sites: Sequence[int]) -> trajectories.Layout:
        net = self._network(frozenset(sites))
        if len(net.initial) > WIDEST:
            raise QcliError(
                f"too wide: {len(net.initial)} qubits bear on what is read",
                self.device.key,
                f"noise is simulated for up to {WIDEST}; measure fewer wires or use fewer layers",
            )
        return trajectories.layout(self._channels(NOISELESS), net)

    def _bind(self, values: Array) -> tuple[int, Bound]:
        """The number of samples and their angles; the last ones are kept."""
        key = np.asarray(values, dtype=float).tobytes()
        if self._bound is None or self._bound[0] != key:
            self._bound = key, (len(values), bind(self._steps, values))
        return self._bound[1]

    def _readout(self, strength: Strength) -> list[Array]:
        figures = self._channels(strength).figures
        return [figures.readout(site) for site in self._steps.measured]

    def before_readout(self, observables: Array, strength: Strength) -> Array:
        """The observables before readout that have the expectation values of `observables` after it.

        Raises:
            QcliError: their shape is not `(observables, bits, 2)`.
        """
        shape = np.shape(observables)
        if len(shape) != 3 or shape[1:] != (len(self._steps.measured), 2):
            raise QcliError(
                f"observables of shape {shape} for {len(self._steps.measured)} measured bits",
                self.device.key,
                "give (observables, bits, 2)",
            )
        return np.einsum("kir,irp->kip", observables, np.array(self._readout(strength)))

    def _groups(self, functions: Array, samples: int) -> list[tuple[list[int], Reading]]:
        """Rows to evaluate together: all, or those that look at the same bits, whichever is less work."""
        by_support: dict[bytes, list[int]] = {}
        for row, support in enumerate(looks(functions)):
            by_support.setdefault(support.tobytes(), []).append(row)
        each = [(rows, self._vectors(functions[rows])) for rows in by_support.values()]
        together = [(list(range(len(functions))), self._vectors(functions))]
        work = [
            sum(self._plan(reading, samples).work for _, reading in groups) for groups in (together, each)
        ]
        return together if work[0] <= min(work[1], _MUCH) else each

    def _vectors(self, functions: Array) -> Reading:
        identity, z = halves(functions)
        zero = np.zeros(len(functions))
        vectors = {
            site: np.stack([identity[:, bit], zero, zero, z[:, bit]], axis=1)
            for bit, site in enumerate(self._steps.measured)
            if looks(functions)[:, bit].any()
        }
        return Reading(vectors, len(functions))

    def _plan(self, reading: Reading, samples: int) -> Plan:
        found = plans(self._network(frozenset(reading.vectors)), samples, reading.count)
        return min(found, key=lambda plan: plan.work)

    def _way(self, reading: Reading, samples: int, most: float) -> Plan | Order:
        """Density matrices, or where those are much work the contraction of a tensor network if that is less.

        Raises:
            QcliError: neither fits.
        """
        plan = self._plan(reading, samples)
        if plan.work < _LITTLE:
            return plan
        how = self._order(frozenset(reading.vectors), reading.count, plan.work > _MUCH)
        if how.largest <= _LARGEST and how.work * samples < _MULTIPLICATIONS * min(plan.work, most):
            return how
        check(plan, self.device.key, most)
        return plan

    def _prepare(self, strength: Strength, reading: Reading, chosen: Plan) -> exact.Halfway:
        """Both sides of the plan as far as samples share it, kept for the next batch."""
        key = (strength, chosen.cut, reading.key)
        if key not in self._halfway:
            while len(self._halfway) >= _KEPT:
                self._halfway.pop(next(iter(self._halfway)))
            net = self._network(frozenset(reading.vectors))
            self._halfway[key] = exact.prepare(self._channels(strength), net, chosen, reading)
        return self._halfway[key]

    def _network_of(self, observed: frozenset[int]) -> Network:
        return network(self._steps.steps, observed)

    def _order_of(self, observed: frozenset[int], observables: int, search: bool) -> Order:
        return order(self._network(observed), observables, search)

    def _channels_of(self, strength: Strength) -> Channels:
        return channels(self._steps.steps, Figures(self.device, self._steps.qubits, strength))


def check(plan: Plan, where: str, most: float) -> None:
    """Refuse what is more work than `most` Pauli coefficients or does not fit into memory.

    Raises:
        TooWideError: with the limit.
    """
    needed = 3 * 8 * (plan.shared + torch.get_num_threads() * plan.each)
    if needed > 2**26 and needed > (room := int(0.8 * memory.available())):
        refusal = memory.too_large(needed, room)
        raise TooWideError(refusal.what, where, refusal.fix)
    if plan.work > most:
        what = f"too wide: exact results take {plan.work:.0e} Pauli coefficients, the limit is {most:.0e}"
        raise TooWideError(what, where, "use fewer wires, layers or samples")
