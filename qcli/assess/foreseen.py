"""The forecast that a validation is measured against: made before anything is submitted, and kept as it was."""

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.files import read_json, write_json
from qcli.forecast.accuracy import Range, forecast_run
from qcli.train.run import Run, now

SCHEMA = "qcli.foreseen/1"
_DAYS = 128


class Foreseen(BaseModel):
    """Of a trained run on a device: shares in [0, 1], each with its 90 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["qcli.foreseen/1"] = Field("qcli.foreseen/1", alias="schema")
    created: str
    calibrated_on: date
    inferences: int
    shots: int
    accuracy: Range
    degradation: Range
    simulated: float
    guess: float
    contrast: float


def foreseen(run: Run, device: Device, inferences: int, shots: int, path: Path) -> Foreseen:
    """What `path` holds, if it is of this question; else a new forecast, which is not kept."""
    try:
        known = Foreseen.model_validate(read_json(path, SCHEMA))
        if (known.calibrated_on, known.inferences, known.shots) == (device.calibrated_on, inferences, shots):
            return known
    except (QcliError, ValidationError, OSError):
        pass
    found = forecast_run(run, device, inferences, shots, date.today(), days=_DAYS)
    return Foreseen(
        schema=SCHEMA,
        created=now(),
        calibrated_on=device.calibrated_on,
        inferences=found.inferences,
        shots=shots,
        accuracy=found.accuracy,
        degradation=found.degradation,
        simulated=found.simulated,
        guess=found.guess,
        contrast=found.contrast,
    )


def keep(forecast: Foreseen, path: Path) -> None:
    """Beside the results to come."""
    write_json(path, forecast.model_dump(by_alias=True, mode="json"))
