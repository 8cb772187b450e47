"""Test samples through a model on some executor: what it said, and what it was told."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.simulate.executor import Executor, Observed, using
from qcli.train.loop import predict

Array = NDArray[np.float64]
OnSamples = Callable[[int, int], None]


@dataclass(frozen=True)
class Inference:
    """Class probabilities `(samples, classes)`, all quantum outputs `(samples, outputs)`, and seconds in all."""

    probabilities: Array
    outputs: Array
    seconds: float

    @property
    def labels(self) -> NDArray[np.int64]:
        return self.probabilities.argmax(axis=1)


def infer(
    model: nn.Module,
    x: Tensor,
    classes: int,
    executor: Executor,
    chunk: int,
    on_samples: OnSamples = lambda done, total: None,
) -> Inference:
    """In forward passes of `chunk` samples; `on_samples(done, total)` is called after each."""
    observed = Observed(executor)
    probabilities, outputs, done = [], [], 0
    started = time.perf_counter()
    with using(observed):
        for part in x.split(chunk):
            probabilities.append(predict(model, part, classes))
            answers = [answer.double().reshape(len(part), -1) for _, _, answer in observed.calls]
            outputs.append(torch.cat(answers, dim=1))
            observed.calls.clear()
            done += len(part)
            on_samples(done, len(x))
    seconds = time.perf_counter() - started
    return Inference(torch.cat(probabilities).numpy(), torch.cat(outputs).numpy(), seconds)
