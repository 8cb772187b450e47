"""What a trial is judged by; nothing of it looks at the test set."""

from functools import lru_cache

import numpy as np
import torch

from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.forecast.accuracy import Subject as Trained
from qcli.forecast.accuracy import mean_accuracy
from qcli.forecast.executor import Noisy
from qcli.forecast.figures import expected
from qcli.forecast.optimism import optimism
from qcli.forecast.scenarios import usual
from qcli.noise.prepared import Circuits
from qcli.price.estimate import Question, Row, estimate
from qcli.price.subject import subject_of
from qcli.search.plan import Plan
from qcli.train.run import Run
from qcli.train.state import Epoch


def measure(plan: Plan, run: Run, history: list[Epoch], shots: int) -> list[float]:
    """The plan's objectives of a trained run, in their order.

    Raises:
        QcliError: the circuit does not fit the device, or nothing is known of its prices.
    """
    kept = min(history, key=lambda epoch: epoch.val_loss)
    values = {"accuracy": kept.val_accuracy, "loss": kept.val_loss}
    for objective in plan.objectives:
        if objective == "forecast":
            values[objective] = forecast_accuracy(run, plan.device or "", plan.inferences, shots)
        elif objective not in values:
            row = _priced(plan, run, shots)
            values |= {"gates": _gates(row), "usd": _usd(row)}
    return [float(values[objective]) for objective in plan.objectives]


def forecast_accuracy(run: Run, device: str, samples: int, shots: int, times: int = 8) -> float:
    """Expected accuracy of a run's first validation samples on a device, without an interval: to compare trials."""
    record = find(device)
    x, y = run.rows("validation", samples)
    trained = Trained(run.model(), x, np.asarray(y), len(run.info.data.classes))
    noisy = Noisy(Circuits(record), usual(optimism(record.vendor)), expected(record), shots, seed=0)
    with torch.no_grad():
        return mean_accuracy(trained, noisy, times)


def _gates(row: Row) -> int:
    if row.two_qubit_gates is None:
        raise QcliError(
            f"nothing is compiled for {row.terms.name}", row.note, "name a QPU with a calibration"
        )
    return row.two_qubit_gates


def _usd(row: Row) -> float:
    if row.cheapest is None:
        raise QcliError(f"no bill for {row.terms.name}", row.note, "name another device")
    return float(row.cheapest.usd)


def _priced(plan: Plan, run: Run, shots: int) -> Row:
    model, data = run.info.model, run.info.data
    options = tuple(sorted((name, str(value)) for name, value in model.options.items()))
    return _priced_architecture(
        plan.model, options, data.features, len(data.classes), plan.device or "", plan.inferences, shots
    )


@lru_cache(maxsize=256)
def _priced_architecture(
    model: str,
    options: tuple[tuple[str, str], ...],
    features: int,
    classes: int,
    device: str,
    inferences: int,
    shots: int,
) -> Row:
    """With generic weights: neither gates nor bill depend on a training."""
    subject = subject_of(model, dict(options), features, classes)
    (row,) = estimate(subject, Question(inferences=inferences, shots=shots, devices=[device])).rows
    if not row.fits:
        raise QcliError(f"the circuit does not fit {device}", row.note, "search fewer wires")
    return row
