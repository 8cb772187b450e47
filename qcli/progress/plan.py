"""The content of progression.toml: one model, its data, what is searched, what is asked of it; and per stage what
changes."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qcli.cluster.jobs import Resources
from qcli.search.plan import Objective
from qcli.search.space import Sampler, Space
from qcli.train.run import Settings

Executor = Literal["local", "slurm"]
Option = bool | int | float | str
Usd = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
RECOMMENDED = "recommended"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Limits(_Table):
    """What the gates ask for; None asks for nothing.

    Attributes:
        min_accuracy: on the test set, in [0, 1].
        baselines: how the test accuracy stands to the best classical baseline's on the same rows. `not worse`: the
            upper end of its 95 % interval reaches the baseline's; `better`: it is higher.
        max_degradation: percentage points that the forecast for the device may lose.
        budget: USD of the last stage, at the upper end of its bill.
        min_gradient_variance: of the loss's derivative by a quantum weight, over random weights; assumed.
    """

    min_accuracy: float | None = Field(None, ge=0, le=1)
    baselines: Literal["any", "not worse", "better"] = "any"
    max_degradation: float | None = Field(None, ge=0, le=100)
    budget: Usd | None = None
    min_gradient_variance: float = Field(1e-6, ge=0)


class Laptop(_Table):
    """A small training here: does it learn, does it fit, what would the last stage cost?"""

    samples: int = Field(200, ge=10)
    epochs: int = Field(5, ge=1)


class Hpc(_Table):
    """The search, seeds of its best, and the final training.

    Attributes:
        workers: processes of executor local; slurm: what a job gets on executor slurm; together: trials in one job.
        epochs: of a trial; the final training has those of [training].
        best, seeds: so many of the best trials are trained anew with so many seeds.
        nproc: processes of the final training on one node; on Slurm [hpc.final] gives nodes and tasks instead.
    """

    executor: Executor = "local"
    workers: int = Field(1, ge=1)
    slurm: Resources = Resources()
    final: Resources | None = None
    together: int = Field(1, ge=1)
    attempts: int = Field(3, ge=1)
    sampler: Sampler = "tpe"
    trials: int = Field(12, ge=1)
    generation: int = Field(8, ge=1)
    prune: bool = False
    objectives: tuple[Objective, ...] = ("accuracy",)
    storage: str | None = None
    epochs: int | None = Field(None, ge=1)
    best: int = Field(2, ge=1)
    seeds: int = Field(2, ge=1)
    nproc: int = Field(1, ge=1)


class Qpu(_Table):
    """The validation on a device: one by name, or the one that the forecast recommends among the targets.

    On a real device nothing is submitted unless `spend` is true and `max_cost` is set.
    """

    device: str = RECOMMENDED
    spend: bool = False
    max_cost: Usd | None = None
    adaptive: bool = False
    mitigation: tuple[str, ...] = ()
    canary: bool = True

    @model_validator(mode="after")
    def _capped(self) -> Self:
        if self.spend and self.max_cost is None:
            raise ValueError("spend = true needs max_cost")
        return self


class Progression(_Table):
    """A progression; paths in it are seen from where the command runs."""

    model: str
    data: str
    target: str | None = None
    test_size: float | int = 0.2
    targets: tuple[str, ...] = Field(min_length=1)
    inferences: int = Field(48, ge=1)
    shots: int = Field(512, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    out: Path | None = None
    options: dict[str, Option] = Field(default_factory=dict)
    training: Settings = Settings()
    space: Space = Field(default_factory=dict)
    limits: Limits = Limits()
    laptop: Laptop = Laptop()
    hpc: Hpc = Hpc()
    qpu: Qpu = Qpu()

    @property
    def model_options(self) -> dict[str, str]:
        """As text, as `qcli train --set` takes them."""
        return {name: str(value) for name, value in self.options.items()}

    @property
    def settings(self) -> Settings:
        """Of a training, with the progression's seed."""
        return self.training.model_copy(update={"seed": self.seed})
