"""Reading a run directory: what is there, and what is missing or unreadable."""

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path

from qcli.errors import QcliError
from qcli.files import read_json
from qcli.report.assessment_inputs import KINDS, Asked, Assessment
from qcli.report.estimate_inputs import Estimate
from qcli.report.forecast_inputs import Forecast, Foreseen
from qcli.report.inputs import Epoch, Metrics
from qcli.report.parse import FileT, parse, printable
from qcli.train.run import Run, RunInfo


@dataclass(frozen=True)
class Sample:
    """One line of samples.csv: predictions and expectation values in simulation and on the device.

    `z_raw` are the device's before mitigation, empty without any.
    """

    index: str
    label: str
    simulated: str
    measured: str
    flipped: bool
    z_simulated: tuple[float, ...]
    z_device: tuple[float, ...]
    z_raw: tuple[float, ...] = ()


@dataclass(frozen=True)
class Validation:
    """One folder under hardware/. `asked` is known of real devices."""

    folder: str
    assessment: Assessment
    asked: Asked | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class RunFolder:
    """Everything the report shows. `missing`: not written yet; `broken`: there, but unreadable."""

    name: str
    run: RunInfo
    history: tuple[Epoch, ...]
    metrics: Metrics | None
    estimate: Estimate | None
    estimate_file: str | None
    forecasts: tuple[Forecast, ...]
    validations: tuple[Validation, ...]
    missing: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def foreseen(self) -> dict[str, Foreseen]:
        """Forecasts by device: those of forecasts/, and those of the estimate for devices that have none there."""
        rows = self.estimate.rows if self.estimate else []
        estimated = {row.device: row.forecast for row in rows if row.forecast}
        return estimated | {forecast.device: forecast for forecast in self.forecasts}


def read_run(run_dir: Path) -> RunFolder:
    """Read `run_dir`.

    Raises:
        QcliError: run.json is missing or unreadable. Other files are only named in the result.
    """
    run = RunInfo.model_validate(printable(Run.open(run_dir).info.model_dump(by_alias=True)))
    missing: list[str] = []
    broken: list[str] = []
    history = _history(run_dir, missing, broken)
    metrics = _optional(Metrics, run_dir, "metrics.json", "qcli.metrics/1", missing, broken)
    estimate_file, estimate = _latest_estimate(run_dir, missing, broken)
    return RunFolder(
        name=printable(run_dir.resolve().name),
        run=run,
        history=history,
        metrics=metrics,
        estimate=estimate,
        estimate_file=estimate_file,
        forecasts=_forecasts(run_dir, missing, broken),
        validations=_validations(run_dir, missing, broken),
        missing=tuple(missing),
        broken=tuple(broken),
    )


def _optional(
    kind: type[FileT], run_dir: Path, name: str, schema: str, missing: list[str], broken: list[str]
) -> FileT | None:
    path = run_dir / name
    if not path.exists():
        missing.append(printable(name))
        return None
    try:
        return parse(kind, read_json(path, schema), str(path))
    except QcliError as error:
        broken.append(printable(f"{name}: {error.what}"))
    except (OSError, RecursionError) as error:
        broken.append(printable(f"{name}: {type(error).__name__}"))
    return None


def _history(run_dir: Path, missing: list[str], broken: list[str]) -> tuple[Epoch, ...]:
    path = run_dir / "history.jsonl"
    if not path.exists():
        missing.append(path.name)
        return ()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        broken.append(f"{path.name}: {type(error).__name__}")
        return ()
    epochs = []
    for number, line in enumerate(lines, start=1):
        try:
            epochs.append(parse(Epoch, json.loads(line), path.name))
        except (QcliError, ValueError, RecursionError):
            broken.append(f"{path.name}: line {number} is not a record of an epoch and is left out")
    return tuple(epochs)


def _latest_estimate(
    run_dir: Path, missing: list[str], broken: list[str]
) -> tuple[str | None, Estimate | None]:
    names = [f"estimates/{path.name}" for path in sorted((run_dir / "estimates").glob("*.json"))]
    if not names:
        missing.append("estimates/*.json")
    read = [(name, _optional(Estimate, run_dir, name, "qcli.estimate/1", missing, broken)) for name in names]
    dated = [(estimate.created, name, estimate) for name, estimate in read if estimate is not None]
    if not dated:
        return None, None
    _, name, estimate = max(dated, key=lambda entry: entry[:2])
    return printable(name), estimate


def _forecasts(run_dir: Path, missing: list[str], broken: list[str]) -> tuple[Forecast, ...]:
    names = [f"forecasts/{path.name}" for path in sorted((run_dir / "forecasts").glob("*.json"))]
    if not names:
        missing.append("forecasts/*.json")
    read = [_optional(Forecast, run_dir, name, "qcli.forecast/1", missing, broken) for name in names]
    return tuple(forecast for forecast in read if forecast is not None)


def _validations(run_dir: Path, missing: list[str], broken: list[str]) -> tuple[Validation, ...]:
    """Real devices first, then rehearsals, then simulators."""
    folders = [f"hardware/{path.name}" for path in sorted((run_dir / "hardware").glob("*")) if path.is_dir()]
    if not folders:
        missing.append("hardware/*/assessment.json")
    found = []
    for folder in folders:
        name = f"{folder}/assessment.json"
        assessment = _optional(Assessment, run_dir, name, "qcli.assessment/1", missing, broken)
        if assessment is not None:
            asked = _optional(Asked, run_dir, f"{folder}/validation.json", "qcli.validation/1", [], broken)
            samples = _samples(run_dir, f"{folder}/samples.csv", missing, broken)
            found.append(Validation(printable(folder), assessment, asked, samples))
    return tuple(sorted(found, key=lambda each: KINDS.index(each.assessment.kind)))


def _samples(run_dir: Path, name: str, missing: list[str], broken: list[str]) -> tuple[Sample, ...]:
    path = run_dir / name
    if not path.exists():
        missing.append(printable(name))
        return ()
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(_sample(printable(row)) for row in csv.DictReader(file, strict=True))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        broken.append(printable(f"{name}: {type(error).__name__}: {error}"))
        return ()


def _sample(row: dict[str, str]) -> Sample:
    if None in row or None in row.values():
        raise ValueError("a line has more or fewer cells than the header")
    simulated, device, raw = (_values(row, name) for name in ("z_sim", "z_dev", "z_raw"))
    if len(device) != len(simulated) or (raw and len(raw) != len(simulated)):
        raise ValueError("an observable was not read everywhere")
    return Sample(
        index=row["index"],
        label=row["label"],
        simulated=row["simulated"],
        measured=row["measured"],
        flipped=row["flipped"].strip().lower() in ("true", "1"),
        z_simulated=simulated,
        z_device=device,
        z_raw=raw,
    )


def _values(row: dict[str, str], name: str) -> tuple[float, ...]:
    """The expectation values `name_0`, `name_1`, …; an empty cell is not a number."""
    columns = sum(key.startswith(f"{name}_") for key in row)
    values = tuple(float(row[f"{name}_{k}"] or "nan") for k in range(columns))
    if any(map(math.isinf, values)):
        raise ValueError("an expectation value is infinite")
    return values
