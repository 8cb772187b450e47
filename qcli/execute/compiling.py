"""The circuits of orders as a device runs them: compiled once for all samples, folded or prepared for mitigation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from qcli.compile.transpile import Compiled
from qcli.device.record import Device
from qcli.execute.service import Order
from qcli.forecast.mitigation.construct import calibration, folded
from qcli.noise.prepared import Circuits


@dataclass
class Compiler:
    """For `device`; the same circuits that forecast and emulator look at."""

    device: Device
    circuits: Circuits = field(init=False)
    _altered: dict[tuple[int, int, int | None], Compiled] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.circuits = Circuits(self.device)

    def compiled(self, order: Order) -> tuple[Compiled, NDArray[np.float64]]:
        """The template of an order's circuit, and its parameters `(1, parameters)`.

        Raises:
            QcliError: it does not fit the device.
        """
        prepared = self.circuits.of(order.program, order.angles)
        if order.prepared is not None:
            return self._calibration(prepared.compiled, order.prepared), np.zeros((1, 0))
        values = order.angles[None, prepared.columns]
        if order.scale == 1:
            return prepared.compiled, values
        key = id(prepared.compiled), order.scale, None
        if key not in self._altered:
            self._altered[key] = folded(prepared.compiled, order.scale)
        return self._altered[key], values

    def layouts(self, orders: Sequence[Order]) -> list[list[int]]:
        """The physical qubits that each order measures, in the order of its measured wires."""
        return [list(self.compiled(order)[0].layout) for order in orders]

    def _calibration(self, compiled: Compiled, bit: int) -> Compiled:
        key = id(compiled), 1, bit
        if key not in self._altered:
            self._altered[key] = calibration(compiled)[bit]
        return self._altered[key]
