"""Signals that ask a training to stop: Slurm's before a time limit, a preempted node's, a shutdown's."""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name))


class Preempted(BaseException):
    """The training was told to stop, and can be resumed; `signal` is the number.

    As KeyboardInterrupt, it is no Exception: a model's own `except Exception` does not swallow it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number

    def __str__(self) -> str:
        return f"stopped by signal {signal.Signals(self.signal).name}"


class Received:
    """The signal that came, or None, in a form that several processes can add up."""

    number: int | None = None

    def flags(self) -> list[float]:
        """1 in the place of the signal that came, 0 elsewhere: `(signals,)`."""
        return [float(number == self.number) for number in SIGNALS]


def signalled(flags: Sequence[float]) -> int | None:
    """The signal that any of those whose flags were added up has received."""
    return next((number for number, count in zip(SIGNALS, flags, strict=True) if count), None)


@contextmanager
def deferred() -> Iterator[Received]:
    """Inside, signals are only noted. One that nobody acted on (by raising) is delivered again at the end."""
    received = Received()

    def note(number: int, frame: FrameType | None) -> None:
        received.number = number

    with _handling(note):
        yield received
    if received.number is not None:
        signal.raise_signal(received.number)


@contextmanager
def at_once() -> Iterator[None]:
    """Inside, a signal raises Preempted where it comes."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Preempted(number)

    with _handling(stop):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Python takes signals in the main thread alone: elsewhere this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
