"""The dry run: an executor that runs nothing and writes down every circuit it is handed."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qcli.circuit import measure
from qcli.circuit.program import Program
from qcli.simulate.exact import Blank
from qcli.simulate.executor import using


@dataclass(frozen=True)
class Recorded:
    """A circuit that the model submits `count` times: its program, ready to measure, and one row of its angles."""

    program: Program
    angles: NDArray[np.float64]
    count: int


class Record(Blank):
    """Counts circuits by content: equal circuits with other angles are one entry."""

    name = "record"

    def __init__(self) -> None:
        super().__init__()
        self.circuits: dict[str, Recorded] = {}

    def run(self, program: Program, angles: Tensor) -> Tensor:
        for group in measure.groups(program):
            circuit = measure.group_program(program, group)
            before = self.circuits.get(circuit.key)
            count = len(angles) + (before.count if before else 0)
            self.circuits[circuit.key] = Recorded(circuit, angles[0].detach().double().cpu().numpy(), count)
        return super().run(program, angles)


def record(model: nn.Module, sample: Tensor) -> tuple[Recorded, ...]:
    """The circuits one inference of `model` submits, for a sample of shape `(1, features)`."""
    executor = Record()
    model.eval()
    with using(executor), torch.no_grad():
        model(sample)
    return tuple(executor.circuits.values())
