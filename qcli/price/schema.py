"""The format of a price sheet: each figure with unit, basis and source, checked by pydantic (docs/pricing.md)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from qcli.price.tariff import (
    Basis,
    Credits,
    GateShots,
    Kind,
    Metered,
    PerSecond,
    PerTask,
    Price,
    Status,
)

Amount = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]
Part = tuple[str, Decimal, str]
Unit = TypeVar("Unit", bound=str)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    title: Text
    verified_on: date


class Cited(Strict):
    """`confirmed` names a later source that shows the same figure."""

    basis: Basis
    source: Text
    confirmed: Text | None = None
    note: str = ""

    def parts(self) -> list[Part]:
        return []


class Figure(Cited, Generic[Unit]):
    value: Amount
    unit: Unit

    def parts(self) -> list[Part]:
        return [("", self.value, self.unit)]


class Positive(Figure[Unit], Generic[Unit]):
    value: Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]


class Whole(Figure[Unit], Generic[Unit]):
    value: Annotated[Decimal, Field(ge=1, multiple_of=1, allow_inf_nan=False)]


PerTaskUnit = Literal["USD/task", "EUR/task"]
PerShotUnit = Literal["USD/shot", "EUR/shot"]
PerHourUnit = Literal["USD/h", "EUR/h"]
Seconds = Figure[Literal["s"]]


class PerTaskPrice(Strict):
    kind: Literal["per-task"]
    task_fee: Figure[PerTaskUnit]
    shot_price: Figure[PerShotUnit]
    usd_per_eur: Positive[Literal["USD/EUR"]] | None = None

    @model_validator(mode="after")
    def _euros_have_a_rate(self) -> Self:
        in_euros = any(figure.unit.startswith("EUR") for figure in (self.task_fee, self.shot_price))
        if in_euros and self.usd_per_eur is None:
            raise ValueError("a price in EUR needs usd_per_eur")
        return self

    def usd(self, figure: Figure[Any]) -> Decimal:
        """The figure in USD."""
        rate = self.usd_per_eur.value if self.usd_per_eur and figure.unit.startswith("EUR") else Decimal(1)
        return figure.value * rate

    def terms(self) -> Price:
        return PerTask(self.usd(self.task_fee), self.usd(self.shot_price))


class PerSecondPrice(Strict):
    kind: Literal["per-second"]
    usd_per_s: Figure[Literal["USD/s"]]
    overhead_s: Seconds
    rate_hz: Positive[Literal["Hz"]]
    minimum_s: Seconds
    max_executions_per_job: Whole[Literal["executions/job"]]

    def terms(self) -> Price:
        return PerSecond(
            self.usd_per_s.value,
            self.overhead_s.value,
            self.rate_hz.value,
            self.minimum_s.value,
            int(self.max_executions_per_job.value),
        )


class MeteredPrice(Strict):
    """Give the price per step, or per minute where that is what the vendor quotes."""

    kind: Literal["metered"]
    usd_per_step: Figure[Literal["USD/step"]] | None = None
    usd_per_min: Figure[Literal["USD/min"]] | None = None
    step_s: Positive[Literal["s"]]
    minimum_s: Seconds

    @model_validator(mode="after")
    def _one_price(self) -> Self:
        if (self.usd_per_step is None) == (self.usd_per_min is None):
            raise ValueError("give usd_per_step or usd_per_min")
        return self

    def terms(self) -> Price:
        step = self.step_s.value
        if self.usd_per_step is not None:
            usd = self.usd_per_step.value
        else:
            assert self.usd_per_min is not None
            usd = self.usd_per_min.value * step / 60
        return Metered(usd, step, self.minimum_s.value)


class GateShotsPrice(Strict):
    kind: Literal["gate-shots"]
    one_qubit: Figure[Literal["USD/gate-shot"]]
    two_qubit: Figure[Literal["USD/gate-shot"]]
    minimum: Figure[Literal["USD/circuit"]]
    minimum_debiased: Figure[Literal["USD/circuit"]]
    debiased_from: Whole[Literal["shots"]] | None = None

    def terms(self) -> Price:
        forced = int(self.debiased_from.value) if self.debiased_from else None
        return GateShots(
            self.one_qubit.value,
            self.two_qubit.value,
            self.minimum.value,
            self.minimum_debiased.value,
            forced,
        )


class CreditsPrice(Strict):
    kind: Literal["credits"]
    usd_per_credit: Figure[Literal["USD/HQC"]]
    base: Figure[Literal["HQC/circuit"]]

    def terms(self) -> Price:
        return Credits(self.usd_per_credit.value, self.base.value)


class Availability(Cited):
    status: Status
    qubits: Count
    retired_on: date | None = None

    @model_validator(mode="after")
    def _date_only_if_retired(self) -> Self:
        if self.retired_on and self.status != "retired":
            raise ValueError("retired_on is given but status is not retired")
        return self


class Shots(Cited):
    min: Count
    max: Count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError("min is larger than max")
        return self

    def parts(self) -> list[Part]:
        return [(".min", Decimal(self.min), "shots"), (".max", Decimal(self.max), "shots")]


class Gates(Cited):
    """Gates of one circuit, on demand and under a reservation."""

    max: Count
    max_reserved: Count

    def parts(self) -> list[Part]:
        return [
            (".max", Decimal(self.max), "gates"),
            (".max_reserved", Decimal(self.max_reserved), "gates"),
        ]


class ProgramSetLimits(Cited):
    max_executables: Count
    max_total_shots: Count
    confirmed_support: bool = True

    def parts(self) -> list[Part]:
        return [
            (".max_executables", Decimal(self.max_executables), "circuits"),
            (".max_total_shots", Decimal(self.max_total_shots), "shots"),
        ]


class TimeRule(Cited):
    what: Text
    per_task_s: Amount
    per_shot_s: Amount

    def parts(self) -> list[Part]:
        return [(".per_task_s", self.per_task_s, "s/task"), (".per_shot_s", self.per_shot_s, "s/shot")]


class QueueSeen(Cited):
    what: Text
    low_s: Amount
    high_s: Amount

    def parts(self) -> list[Part]:
        return [(".low_s", self.low_s, "s"), (".high_s", self.high_s, "s")]


class Instance(Figure[Literal["USD/h"]]):
    """The computer that a hybrid job runs on."""

    name: Text


def _range(rules: tuple[TimeRule, ...]) -> tuple[TimeRule, ...]:
    if len(rules) == 1:
        raise ValueError("give two rules or more, a range, or none where nothing is known")
    return rules


class Device(Strict):
    full_name: Text
    kind: Kind = "qpu"
    availability: Availability
    shots: Shots | None = None
    gates: Gates | None = None
    debias: Whole[Literal["shots"]] | None = None
    price: Annotated[
        PerTaskPrice | PerSecondPrice | MeteredPrice | GateShotsPrice | CreditsPrice,
        Field(discriminator="kind"),
    ]
    program_sets: ProgramSetLimits | None = None
    reservation: Figure[PerHourUnit] | None = None
    instance: Instance | None = None
    session_idle: Seconds | None = None
    machine_time: Annotated[tuple[TimeRule, ...], AfterValidator(_range)] = ()
    rule_of_thumb: TimeRule | None = None
    queue: QueueSeen | None = None
    compile_as: Text | None = None
    notes: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.price.kind == "metered" and not self.machine_time:
            raise ValueError("machine_time is needed for a metered price")
        in_euros = self.reservation is not None and self.reservation.unit == "EUR/h"
        if in_euros and getattr(self.price, "usd_per_eur", None) is None:
            raise ValueError("a reservation in EUR needs price.usd_per_eur")
        return self


class Contract(Strict):
    """Terms that replace figures of every device's price; `devices` restricts it to some."""

    what: Text
    price: dict[str, Any] = {}
    allowance: Seconds | None = None
    devices: tuple[Text, ...] = ()


class Vendor(Strict):
    full_name: Text
    what: Text
    searched_on: date


class Sheet(Strict):
    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    sources: dict[str, Source] = {}
    defaults: dict[str, Any] = {}
    contracts: dict[str, Contract] = {}
    devices: dict[str, Device] = {}
    unknown: dict[str, Vendor] = {}

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.devices and not self.unknown:
            raise ValueError("devices: at least one is needed")
        return self


def cited(model: BaseModel, prefix: str = "") -> Iterator[tuple[str, Cited]]:
    """Every figure below `model` with its dotted key."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        for index, item in enumerate(value if isinstance(value, tuple) else [value]):
            key = f"{prefix}{name}" + (f".{index}" if isinstance(value, tuple) else "")
            if isinstance(item, Cited):
                yield key, item
            elif isinstance(item, BaseModel):
                yield from cited(item, f"{key}.")
