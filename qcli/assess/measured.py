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
from qcli.price.margins import Decisions, margins_of
from qcli.price.shots import Method, Uniform, flip_rates, shot_plan
from qcli.price.workload import NO_MITIGATION, Mitigation

MOST_SHOTS = 100_000
_PLANNED = 1000
_RESOLVED: dict[Method, float] = {"exact binomial": 1e-5, "simulated": 2e-3}
"""The least shares of flips that can be planned for."""


@dataclass(frozen=True)
class Revisited:
    """Samples `(samples,)` that had a second stage of shots, and shots per circuit, on average over the samples."""

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


def plan_stages(
    model: nn.Module,
    x: Tensor,
    classes: int,
    shots: int,
    max_flips: float | None,
    contrast: float,
    taken: tuple[int, int | None],
) -> Stages:
    """The fewest shots that keep the expected share of flipped labels under `max_flips`, in one stage or two; with
    None, under that of `shots` for every sample.

    Planned from the exact outputs of the samples `x` themselves (of up to 1,000), for a device that keeps `contrast` of
    its expectation values and takes so many shots, None for no known limit.

    Raises:
        QcliError: not even `most` shots do.
    """
    least, most = taken[0], min(taken[1] or MOST_SHOTS, MOST_SHOTS)
    exact = margins_of(model, x[:_PLANNED], classes)
    kept = max(1, int(exact.contrasts * contrast)) / exact.contrasts
    noisy = exact.at_contrast(kept) if kept < 1 else exact
    same = float(flip_rates(noisy, shots).mean())
    plan = shot_plan(noisy, max_flips or max(_RESOLVED[noisy.method], same), least, most)
    uniform, two = plan.uniform, plan.two_stage
    if max_flips is None and (uniform is None or uniform.shots >= shots):
        # finer than the plan resolves: nothing is saved, nothing lost
        uniform = Uniform(shots, same)
        two = two if two and two.expected_shots < shots else None
    if uniform is None:
        raise QcliError(
            f"not even {most:,} shots keep flips under {max_flips:.2%}: with those they are "
            f"{plan.flip_rate_at_most:.2%}",
            "--adaptive",
            "allow more with --max-flips, or give --shots without --adaptive",
        )
    return Stages(
        first=two.first if two else uniform.shots,
        second=two.second if two else 0,
        band=two.band if two else 0.0,
        unit=exact.unit,
        contrast=kept,
        expected_revisited=two.revisited if two else 0.0,
        expected_flips=two.flip_rate if two else uniform.flip_rate,
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
