"""What a validation was asked for, kept beside its results so that they can be resumed and scored again."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.price.workload import Mitigation, parse_mitigation

SCHEMA = "qcli.validation/1"
_DD = ("XX", "XpXm", "XY4")


class Stages(BaseModel):
    """Two stages of shots: `first` for every sample, `second` more for those within `band` of another label.

    `second` 0: the same shots for all. `contrast` is what the device was taken to keep of an expectation value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: int = Field(ge=1)
    second: int = Field(ge=0)
    band: float = Field(ge=0)
    unit: Literal["expectation value", "logit gap"]
    contrast: float = Field(gt=0, le=1)
    expected_revisited: float = Field(ge=0, le=1)
    expected_flips: float = Field(ge=0, le=1)


class Request(BaseModel):
    """One validation.

    Attributes:
        seed: of the emulator's sampling.
        mitigation: as given on the command line.
        adaptive: few shots for all samples, more for those that are then unclear.
        max_flips: share of labels that adaptive shots may flip; None for as few as `shots` everywhere would.
        stages: the shots that were planned for it.
        canary: samples that are run and compared first.
        plan: how circuits are submitted; None on an emulator.
        repetition: another number measures everything anew.
        vendor_compile: submitted as written, for the vendor's compiler.
        contracts: by provider, such as `{"ibm": "flex"}`.
        device_options: of a PennyLane device, secrets left out.
        engine, precision: of the simulation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["qcli.validation/1"] = Field("qcli.validation/1", alias="schema")
    device: str
    inferences: int = Field(ge=1)
    shots: int = Field(512, ge=1)
    seed: int = Field(0, ge=0)
    mitigation: tuple[str, ...] = ()
    adaptive: bool = False
    max_flips: float | None = Field(None, gt=0, lt=1)
    stages: Stages | None = None
    canary: int = Field(0, ge=0)
    plan: str | None = None
    repetition: int = Field(0, ge=0)
    vendor_compile: bool = False
    contracts: dict[str, str] = {}
    device_options: dict[str, JsonValue] = {}
    engine: str = "auto"
    precision: str = "float32"


class Vendor(BaseModel):
    """Mitigation that the vendor's software does.

    Attributes:
        debias: IonQ's debiasing.
        twirl: IBM's Pauli twirling of two-qubit gates: how many random copies share the shots; 0 for none.
        measure_twirl: IBM's twirling of measurements, half of TREX.
        dd: IBM's dynamical decoupling, by sequence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    debias: bool = False
    twirl: int = 0
    measure_twirl: bool = False
    dd: str | None = None


def parse_for(names: tuple[str, ...], device: Device, hardware: bool) -> tuple[Mitigation, Vendor]:
    """What qcli does itself, and what it asks of the vendor, of `--mitigation`.

    TREX is measurement twirling together with readout correction (E. van den Berg, Z. K. Minev and K. Temme, Phys. Rev.
    A 105, 032620 (2022)).

    Raises:
        QcliError: unknown, or not to be had on this device.
    """
    own: list[str] = []
    vendor = Vendor()
    for text in names:
        name, _, value = text.partition("=")
        match name:
            case "dd" if value in ("", *_DD):
                vendor = vendor.model_copy(update={"dd": value or "XpXm"})
            case "trex" if not value:
                own.append("readout")
                vendor = vendor.model_copy(update={"measure_twirl": True})
            case "twirl" | "debias":
                asked = parse_mitigation([text])
                vendor = vendor.model_copy(
                    update={"twirl": asked.twirls} if asked.twirls > 1 else {"debias": asked.debias}
                )
            case "zne" | "readout":
                own.append(text)
            case _:
                raise QcliError(
                    f"mitigation {text!r}",
                    "--mitigation",
                    f"choose from readout, zne=1,3, debias (IonQ), twirl=16, trex, dd={'|'.join(_DD)} (IBM)",
                )
        _check(text, name, device, hardware)
    return parse_mitigation(list(dict.fromkeys(own))), vendor


def _check(text: str, name: str, device: Device, hardware: bool) -> None:
    if name in ("zne", "readout"):
        return
    if not hardware:
        raise QcliError(
            f"the emulator has no {name}: its noise would show nothing of it",
            f"--mitigation {text}",
            "choose readout or zne; `qcli forecast --mitigation` says what the others may be worth",
        )
    if name == "debias" and device.vendor != "IonQ":
        raise QcliError(
            f"{device.key} has no debiasing", f"--mitigation {text}", "leave it out, or choose IonQ"
        )
    if name != "debias" and device.provider != "ibm":
        raise QcliError(
            f"{name} is not offered on {device.key}",
            f"--mitigation {text}",
            "choose readout or zne, or an IBM device",
        )
