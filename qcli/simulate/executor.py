"""What a quantum layer hands its circuits to: the current executor."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from torch import Tensor

from qcli.circuit.program import Program


class Executor(Protocol):
    """Evaluates a Program for a batch of bound angles."""

    name: str

    def run(self, program: Program, angles: Tensor) -> Tensor:
        """Outputs `(batch, program.outputs)` for angles `(batch, angles)` in radians."""
        ...


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
