"""What is asked of a machine or a cluster, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

State = Literal["pending", "running", "done", "failed", "timeout", "cancelled", "lost"]
"""Of a job. `failed`: it ended with an error, or was killed; `lost`: its machine failed, or nobody knows it."""
LIVE: tuple[State, ...] = ("pending", "running")


class Stopped(Exception):  # noqa: N818  (not an error)
    """Raised by a job that was told to stop and has kept what it did: it is to be started again."""


class Resources(BaseModel):
    """What a job is given, in Slurm's terms.

    time_s: limit of a job, requeued ones start anew; width: jobs of an array that run at once; setup: shell lines
    before the job; signal_s: seconds before the limit at which a job is told to stop; extra: further options of sbatch,
    an empty value for those that take none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time_s: int = Field(3600, ge=60)
    cpus: int = Field(1, ge=1)
    gpus: int = Field(0, ge=0)
    memory_gb: float | None = Field(None, gt=0)
    nodes: int = Field(1, ge=1)
    tasks_per_node: int = Field(1, ge=1)
    width: int = Field(256, ge=1)
    setup: tuple[str, ...] = ()
    signal_s: int = Field(60, ge=1)
    extra: Mapping[str, str] = Field(default_factory=dict)


class Jobs(Protocol):
    """Runs functions elsewhere. Their results are what they write; nothing is returned."""

    def submit(
        self, name: str, function: Callable[..., None], arguments: Sequence[tuple[Any, ...]]
    ) -> tuple[str, ...]:
        """Start `function(*a)` for every `a` of `arguments`, as one array; the jobs' ids, in that order."""
        ...

    def check(self) -> None:
        """Refuse what `submit` would refuse, before anything else is done for it.

        Raises:
            QcliError: as said.
        """
        ...

    def find(self, name: str, count: int) -> tuple[str, ...] | None:
        """The ids of an array of `count` jobs that was submitted under this name before, or None."""
        ...

    def states(self, ids: Sequence[str]) -> Mapping[str, State]:
        """What each job is doing."""
        ...

    def cancel(self, ids: Sequence[str]) -> None:
        """Stop jobs that have not ended; others are left as they are."""
        ...
