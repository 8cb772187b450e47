"""What a quantum layer hands its circuits to: the current executor."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from qcli.circuit.program import Program


@dataclass
class Timings:
    """Wall-clock seconds an executor has spent in each stage so far."""

    compile: float = 0.0
    execute: float = 0.0
    postprocess: float = 0.0

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time this block takes to `stage`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + time.perf_counter() - started)


class Executor(Protocol):
    """Evaluates a Program for a batch of bound angles."""

    name: str
    timings: Timings

    def run(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)` in radians."""
        ...


class Observed:
    """An executor that keeps its calls, too: program, angles `(batch, angles)` and outputs `(batch, outputs)`."""

    def __init__(self, executor: Executor) -> None:
        self.name, self.timings, self._executor = executor.name, executor.timings, executor
        self.calls: list[tuple[Program, Tensor, Tensor]] = []

    def run(self, program: Program, angles: Tensor) -> Tensor:
        outputs = self._executor.run(program, angles)
        self.calls.append((program, angles.detach(), outputs.detach()))
        return outputs


_current: ContextVar[Executor | None] = ContextVar("executor", default=None)


def current() -> Executor:
    """The executor in force: `exact` unless `using` says otherwise."""
    executor = _current.get()
    if executor is None:
        from qcli.simulate.exact import Exact

        executor = Exact()
        _current.set(executor)
    return executor


@contextmanager
def using(executor: Executor) -> Iterator[Executor]:
    """Every quantum layer evaluated inside this block runs on `executor`."""
    token = _current.set(executor)
    try:
        yield executor
    finally:
        _current.reset(token)
