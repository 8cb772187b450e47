"""A model's test samples on a device: plain, mitigated, or with shots where they matter."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.assess.inference import Inference, OnSamples, infer
from qcli.assess.request import Stages
from qcli.errors import QcliError
from qcli.execute.reading import Reader, Shared, technique_of
from qcli.forecast.mitigation.executor import Mitigated
from qcli.forecast.mitigation.technique import NONE
from qcli.price.margins import Decisions, margins
from qcli.price.shots import shot_plan
from qcli.price.workload import NO_MITIGATION, Mitigation
from qcli.train.run import Run


@dataclass(frozen=True)
class Revisited:
    """Samples `(samples,)` that had a second stage of shots, and shots of all circuits of one sample, on average."""

    mask: NDArray[np.bool_]
    mean_shots: float


@dataclass(frozen=True)
class Measured:
    """`final` is what the device says, `raw` the same without mitigation where there is one."""

    final: Inference
    raw: Inference | None = None
    revisited: Revisited | None = None


def measure(
    model: nn.Module,
    x: Tensor,
    classes: int,
    reader: Reader,
    shots: int,
    mitigation: Mitigation = NO_MITIGATION,
    stages: Stages | None = None,
    chunk: int | None = None,
    on_samples: OnSamples = lambda done, total: None,
) -> Measured:
    """All samples at once, or `chunk` at a time."""
    size = chunk or len(x)
    if stages is not None:
        return _in_stages(model, x, classes, reader, stages, size, on_samples)
    shared = Shared(reader, shots)
    if mitigation == NO_MITIGATION:
        return Measured(infer(model, x, classes, Mitigated(shared, NONE), size, on_samples))
    mitigated = infer(model, x, classes, Mitigated(shared, technique_of(mitigation)), size, on_samples)
    return Measured(mitigated, infer(model, x, classes, Mitigated(shared, NONE), size))


def plan_stages(run: Run, max_flips: float, contrast: float, least: int, most: int) -> Stages:
    """The fewest shots that keep the expected share of flipped labels under `max_flips`, in one stage or two.

    Planned on the run's validation samples, for a device that keeps `contrast` of its expectation values.

    Raises:
        QcliError: not even `most` shots do.
    """
    exact = margins(run)
    kept = max(1, int(exact.contrasts * contrast)) / exact.contrasts
    plan = shot_plan(exact.at_contrast(kept) if kept < 1 else exact, max_flips, least, most)
    if plan.uniform is None:
        raise QcliError(
            f"not even {most:,} shots keep flips under {max_flips:.2%}: with those they are "
            f"{plan.flip_rate_at_most:.2%}",
            "--adaptive",
            "allow more with --max-flips, or give --shots without --adaptive",
        )
    two = plan.two_stage
    if two is None:
        return Stages(
            first=plan.uniform.shots,
            second=0,
            band=0.0,
            unit=exact.unit,
            contrast=kept,
            expected_revisited=0.0,
            expected_flips=plan.uniform.flip_rate,
        )
    return Stages(
        first=two.first,
        second=two.second,
        band=two.band,
        unit=two.unit,
        contrast=kept,
        expected_revisited=two.revisited,
        expected_flips=two.flip_rate,
    )


def expected_revisits(stages: Stages, samples: int) -> int:
    return ceil(stages.expected_revisited * samples)


def _in_stages(
    model: nn.Module,
    x: Tensor,
    classes: int,
    reader: Reader,
    stages: Stages,
    chunk: int,
    on_samples: OnSamples,
) -> Measured:
    first = infer(model, x, classes, Mitigated(Shared(reader, stages.first), NONE), chunk, on_samples)
    nobody = np.zeros(len(x), dtype=bool)
    if not stages.second:
        return Measured(first, revisited=Revisited(nobody, float(stages.first)))
    decisions = Decisions(model, x, classes)
    unclear = decisions.unclear(first.outputs, stages.band * stages.contrast, stages.unit)
    if not unclear.any():
        return Measured(first, revisited=Revisited(unclear, float(stages.first)))
    again = Mitigated(Shared(reader, stages.second, part=1), NONE)
    second = infer(model, x[torch.as_tensor(unclear)], classes, again, chunk)
    outputs = first.outputs.copy()
    total = stages.first + stages.second
    outputs[unclear] = (stages.first * outputs[unclear] + stages.second * second.outputs) / total
    final = Inference(decisions.probabilities(outputs), outputs, first.seconds + second.seconds)
    return Measured(final, revisited=Revisited(unclear, stages.first + float(unclear.mean()) * stages.second))
