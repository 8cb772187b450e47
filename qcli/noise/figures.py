"""The channels that a device's figures stand for, each source of error as strong as asked for."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.noise.channels import assignment, both, gate_error, relaxation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Strength:
    """How strongly each source of error acts: 1 as calibrated, 0 not at all."""

    two_qubit: float = 1.0
    one_qubit: float = 1.0
    idle: float = 1.0
    readout: float = 1.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise QcliError(f"strength {value} of {name} errors", "noise", "give 0 or a positive number")


class Figures:
    """Channels of the qubits and edges of `device`, site i being `qubits[i]`.

    Gates relax their qubits where gate times are published; idle qubits relax wherever T1 or T2 is known.

    Raises:
        QcliError: a qubit is not calibrated.
    """

    def __init__(self, device: Device, qubits: tuple[int, ...], strength: Strength) -> None:
        known = {qubit.id: qubit for qubit in device.usable}
        if missing := sorted(set(qubits) - set(known)):
            raise QcliError(
                f"qubits {missing} are not calibrated", device.key, "compile the circuit for this device"
            )
        self._device, self._strength = device, strength
        self._qubits = [known[qubit] for qubit in qubits]
        self._edges = {frozenset(edge[:2]): edge for edge in device.usable_edges}
        self._published = device.durations.basis == "published"
        self.pulse = cache(self._pulse)
        self.pair = cache(self._pair)

    def _pulse(self, site: int) -> Array:
        """After a one-qubit gate."""
        qubit, strength = self._qubits[site], self._strength.one_qubit
        assert qubit.error_1q is not None
        seconds = (qubit.duration_s or self._device.durations.one_qubit_s) * strength
        return gate_error(qubit.error_1q * strength, self._during(site, seconds))

    def _pair(self, sites: tuple[int, int]) -> Array:
        """After a two-qubit gate."""
        a, b = sites
        edge = self._edges.get(frozenset((self._qubits[a].id, self._qubits[b].id)))
        if edge is None or edge.error is None:
            raise QcliError(
                f"no calibrated edge joins qubits {self._qubits[a].id} and {self._qubits[b].id}",
                self._device.key,
                "compile the circuit for this device",
            )
        strength = self._strength.two_qubit
        seconds = (edge.duration_s or self._device.durations.two_qubit_s) * strength
        return gate_error(edge.error * strength, both(self._during(a, seconds), self._during(b, seconds)))

    def wait(self, site: int, seconds: float) -> Array:
        """While a site idles."""
        return self._relaxation(site, seconds * self._strength.idle)

    def readout(self, site: int) -> Array:
        """Probabilities `(2, 2)` to read (row) what was there (column); errors grow to one half at most."""
        qubit, strength = self._qubits[site], self._strength.readout
        assert qubit.p1_given_0 is not None and qubit.p0_given_1 is not None
        up, down = (
            p if strength == 1 else min(strength * p, 0.5) for p in (qubit.p1_given_0, qubit.p0_given_1)
        )
        return assignment(up, down)

    def _during(self, site: int, seconds: float) -> Array:
        return self._relaxation(site, seconds) if self._published else np.eye(4)

    def _relaxation(self, site: int, seconds: float) -> Array:
        return relaxation(seconds, self._qubits[site].t1_s, self._qubits[site].t2_s)
