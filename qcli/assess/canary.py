"""A few samples first: is what the device says what was foreseen?"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.assess.inference import Inference, infer
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.executor import Days
from qcli.forecast.figures import expected
from qcli.forecast.optimism import optimism
from qcli.forecast.scenarios import outlook
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact

SAMPLES = 4
LEVEL = 0.98
_DAYS = 256
_LAYOUTS = 5


@dataclass(frozen=True)
class Foreseen:
    """Mean |device − simulation| of a few samples' outputs, over the days that the forecast draws for the device."""

    simulated: NDArray[np.float64]
    deviations: NDArray[np.float64]

    @property
    def interval(self) -> tuple[float, float]:
        low, high = np.quantile(self.deviations, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)


@dataclass(frozen=True)
class Verdict:
    """`deviation` is the device's; `stop` where it is worse than the interval."""

    samples: int
    deviation: float
    low: float
    high: float

    @property
    def stop(self) -> bool:
        return self.deviation > self.high

    def to_json(self) -> dict[str, float | int | bool]:
        return {
            "samples": self.samples,
            "mean_abs_delta_expval": self.deviation,
            "low": self.low,
            "high": self.high,
            "level": LEVEL,
            "passed": not self.stop,
        }


def foresee(
    model: nn.Module, x: Tensor, classes: int, device: Device, shots: int, on: date, seed: int = 0
) -> Foreseen:
    """By the forecast's own noise, outlook and shots, for samples `x` `(samples, features)`."""
    simulated = infer(model, x, classes, Exact("auto", torch.float64), len(x)).outputs
    circuits = Circuits(device, _LAYOUTS)
    days = Days(circuits, expected(device), shots, seed)
    # one pass compiles, which tells the spread of layouts
    infer(model, x, classes, days, len(x))
    widest = max(circuits.prepared.values(), key=lambda prepared: prepared.compiled.two_qubit_gates)
    view = outlook(widest.layouts, on, optimism(device.vendor))
    found = []
    for days.gates, days.readout in zip(*view.draw(_DAYS, seed), strict=True):
        found.append(np.abs(infer(model, x, classes, days, len(x)).outputs - simulated).mean())
    return Foreseen(simulated, np.array(found))


def judge(foreseen: Foreseen, measured: Inference) -> Verdict:
    """The device against what was foreseen."""
    deviation = float(np.abs(measured.outputs - foreseen.simulated).mean())
    return Verdict(len(measured.outputs), deviation, *foreseen.interval)


def stopped(verdict: Verdict, device: str, spent: str) -> QcliError:
    """What was learned from a canary that did not come back."""
    seen = f"on {verdict.samples} samples the device's outputs are {verdict.deviation:.3f} off simulation"
    foreseen = f"foreseen were {verdict.low:.3f} to {verdict.high:.3f} ({LEVEL:.0%} interval)"
    return QcliError(
        f"the canary stopped the run: {seen}, {foreseen}; {spent} USD were spent to learn this",
        device,
        "look at the device's calibration (qcli devices refresh) and the layout; --no-canary goes on regardless, with "
        "what is already paid for",
        exit_code=4,
    )
