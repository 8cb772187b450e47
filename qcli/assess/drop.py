"""Where a device's error came from, as far as it can be told from what was measured."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.assess.inference import Inference, infer
from qcli.device.record import Device
from qcli.forecast.executor import Noisy
from qcli.noise.figures import Strength
from qcli.noise.prepared import Circuits

Array = NDArray[np.float64]
ReadoutErrors = dict[int, tuple[float, float]]
"""Of a physical qubit: probabilities to read 1 for 0, and 0 for 1."""


def split_error(
    model: nn.Module,
    x: Tensor,
    classes: int,
    device: Device,
    simulated: Inference,
    raw: Inference,
    shots: float,
    measured: ReadoutErrors,
) -> dict[str, object]:
    """Mean squared error of the outputs, split over readout, shot noise and the rest (docs/hardware.md).

    Readout alone is simulated on exact distributions, with the `measured` errors where there are any, else with the
    published ones. Shot noise is the variance that so many shots must have. The rest is gates, idling, drift, and what
    the parts share; it may be slightly negative.
    """
    nothing_else = Strength(0.0, 0.0, 0.0, 1.0)
    figures = _with(device, measured)
    readout = infer(model, x, classes, Noisy(Circuits(device), nothing_else, figures), len(x)).outputs
    total = float(((raw.outputs - simulated.outputs) ** 2).mean())
    by_readout = float(((readout - simulated.outputs) ** 2).mean())
    by_shots = float((1 - raw.outputs.clip(-1, 1) ** 2).mean() / shots)
    return {
        "mean_squared_error": total,
        "readout": by_readout,
        "shot_noise": by_shots,
        "rest": total - by_readout - by_shots,
        "readout_basis": "measured" if measured else "published calibration",
    }


def _with(device: Device, measured: ReadoutErrors) -> Device:
    qubits = tuple(
        qubit._replace(p1_given_0=measured[qubit.id][0], p0_given_1=measured[qubit.id][1])
        if qubit.id in measured
        else qubit
        for qubit in device.qubits
    )
    return device.model_copy(update={"qubits": qubits})
