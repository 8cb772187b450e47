"""What a search is asked for: the content of search.json."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qcli.errors import QcliError
from qcli.files import read_json, write_json
from qcli.model.load import ModelSource, build_model, find_model, parse_options
from qcli.search.space import Point, Sampler, Space, Value, corners, grid
from qcli.train.run import Settings

SCHEMA = "qcli.search/1"
Objective = Literal["accuracy", "loss", "gates", "forecast", "usd"]
DIRECTIONS: dict[Objective, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "loss": "minimize",
    "gates": "minimize",
    "forecast": "maximize",
    "usd": "minimize",
}
SHOTS, REPETITION = "shots", "repetition"
ON_DEVICE: tuple[Objective, ...] = ("gates", "forecast", "usd")


class Plan(BaseModel):
    """A search.

    Attributes:
        options: of the model, as text; settings: of the training; both hold for all trials.
        space: what is varied, of either; `repetition` varies the seed of weights and order, with the split as it is.
        listed: just these points of the space are tried, and nothing is drawn.
        generation: trials that are drawn together. What a trial is depends only on generations before its own, so that
            the same search has the same trials however many run at once, and after whatever went wrong.
        prune: end a trial that is worse on validation data than the median of earlier generations' at its epoch.
        objectives: accuracy and loss on validation data, two-qubit gates, forecast accuracy and USD on the device.
        inferences, shots: that forecast and USD are for; `shots` may be a dimension of the space.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_: Literal["qcli.search/1"] = Field("qcli.search/1", alias="schema")
    model: str
    data: str
    target: str | None = None
    test_size: float | int = 0.2
    options: dict[str, str] = Field(default_factory=dict)
    settings: Settings = Settings()
    space: Space = Field(min_length=1)
    listed: tuple[Point, ...] = ()
    sampler: Sampler = "tpe"
    trials: int = Field(20, ge=1)
    generation: int = Field(8, ge=1)
    seed: int = Field(0, ge=0, lt=2**32)
    prune: bool = False
    objectives: tuple[Objective, ...] = Field(("accuracy",), min_length=1)
    device: str | None = None
    inferences: int = Field(48, ge=1)
    shots: int = Field(512, ge=1)
    storage: str | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("an objective is there twice")
        if self.prune and self.objectives not in (("accuracy",), ("loss",), ("forecast",)):
            raise ValueError("prune is for accuracy, loss or forecast as the one objective")
        if self.device is None and (asked := [each for each in self.objectives if each in ON_DEVICE]):
            raise ValueError(f"objective {asked[0]} needs a device")
        if SHOTS in self.space and not {"forecast", "usd"} & set(self.objectives):
            raise ValueError("shots make a difference to forecast and usd alone: add one as an objective")
        return self

    @property
    def batches(self) -> list[range]:
        """Numbers of trials, generation by generation; only TPE and pruning look back."""
        looks_back = self.prune or (self.sampler == "tpe" and not self.listed)
        size = self.generation if looks_back else self.trials
        return [range(start, min(start + size, self.trials)) for start in range(0, self.trials, size)]

    def settings_at(self, point: Mapping[str, Value]) -> Settings:
        """Raises QcliError where the training does not take a value."""
        own = {name: value for name, value in point.items() if name in Settings.model_fields}
        try:
            return Settings.model_validate(self.settings.model_dump() | own)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            raise QcliError(
                f"{name} = {own.get(name)!r}: {first['msg']}",
                f"the search space, {name}",
                "change the dimension",
            ) from None

    def options_at(self, point: Mapping[str, Value]) -> dict[str, str]:
        """Of the model, as text."""
        own = {
            name: str(value)
            for name, value in point.items()
            if name not in (*Settings.model_fields, SHOTS, REPETITION)
        }
        return self.options | own

    def shots_at(self, point: Mapping[str, Value]) -> int:
        """Raises QcliError where they are not a whole positive number."""
        shots = point.get(SHOTS, self.shots)
        if isinstance(shots, bool) or not isinstance(shots, int) or shots < 1:
            raise QcliError(f"{shots!r} shots", "the search space, shots", "give whole positive numbers")
        return shots

    def repetition_at(self, point: Mapping[str, Value]) -> int:
        """Raises QcliError where it is not a whole number from 0."""
        found = point.get(REPETITION, 0)
        if isinstance(found, bool) or not isinstance(found, int) or found < 0:
            raise QcliError(
                f"repetition {found!r}", "the search space, repetition", "give whole numbers from 0"
            )
        return found

    def save(self, folder: Path) -> None:
        write_json(folder / "search.json", self.model_dump(by_alias=True, mode="json"))


def open_plan(folder: Path) -> Plan:
    """Raises QcliError where `folder` holds no search, or a damaged one."""
    if not (folder / "search.json").is_file():
        raise QcliError(
            f"{folder} is not the folder of a search",
            str(folder.absolute()),
            "start one: qcli sweep qcnn --space …",
        )
    try:
        return Plan.model_validate(read_json(folder / "search.json", SCHEMA))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise QcliError(f"search.json: {key}: {first['msg']}", str(folder), "restore the file") from None


def check(plan: Plan, features: int, classes: int) -> Plan:
    """The plan with no more trials than a grid has points, once every corner of its space builds a model.

    Raises:
        QcliError: a dimension that neither training nor model has, a value that either rejects.
    """
    source = find_model(plan.model)
    overlap = sorted(set(plan.options) & set(plan.space))
    if overlap:
        raise QcliError(f"{overlap[0]} is fixed and searched", "the search space", "leave out one of the two")
    for point in corners(plan.space):
        plan.settings_at(point)
        plan.shots_at(point)
        plan.repetition_at(point)
        _build(plan, source, point, features, classes)
    if plan.listed:
        return plan.model_copy(update={"trials": len(plan.listed)})
    if plan.sampler == "grid":
        return plan.model_copy(update={"trials": min(plan.trials, len(grid(plan.space)))})
    return plan


def _build(plan: Plan, source: ModelSource, point: Point, features: int, classes: int) -> None:
    try:
        build_model(
            source, features, classes, parse_options(source, plan.options_at(point)), plan.settings.seed
        )
    except QcliError as error:
        shown = ", ".join(f"{name}={value}" for name, value in point.items())
        raise QcliError(f"{error.what}, at {shown}", f"the search space; {error.where}", error.fix) from None
