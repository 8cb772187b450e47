"""A run directory: what was asked, what came out, and how to get the model and its data back."""

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from qcli.data.dataset import Dataset, load_recorded
from qcli.data.raw import DataRows
from qcli.data.split import Scaler, Split, fit_scaler, split
from qcli.errors import QcliError
from qcli.files import read_json, write_json
from qcli.model.checkpoint import load_tensors, load_weights
from qcli.model.load import ModelSource, build_model, find_model, zoo

SCHEMA = "qcli.run/1"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ModelInfo(_Record):
    name: str
    path: str | None
    sha256: str
    options: dict[str, Any]


class DataInfo(_Record):
    name: str
    target: str | None
    sha256: str
    features: int
    classes: tuple[str, ...]
    shape: tuple[int, ...] | None
    rows: int


class SplitInfo(_Record):
    sha256: str
    seed: int
    test_size: float | int
    train: int
    validation: int
    test: int


class Settings(_Record):
    """How to train. `patience`: epochs without a better validation loss before stopping early; `engine`: of the
    circuits' simulation; `precision`: of that, of weights and of features."""

    epochs: int = Field(30, ge=1)
    batch: int = Field(32, ge=1)
    lr: float = Field(0.01, gt=0, le=1000)
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adam"
    seed: int = Field(0, ge=0, lt=2**32)
    seeds: int = Field(1, ge=1)
    patience: int = Field(10, ge=1)
    engine: Literal["auto", "cpu", "torch", "lightning"] = "auto"
    precision: Literal["float32", "float64"] = "float32"


class Noise(_Record):
    """Fine-tuning under a device's noise after the training: at most `epochs`, for `shots` per circuit."""

    device: str
    epochs: int = Field(10, ge=1)
    shots: int = Field(512, ge=1)


class Parameters(_Record):
    total: int
    quantum: int


class RunInfo(_Record):
    """The content of run.json."""

    schema_: Literal["qcli.run/1"] = Field("qcli.run/1", alias="schema")
    model: ModelInfo
    data: DataInfo
    split: SplitInfo
    training: Settings
    noise: Noise | None = None
    parameters: Parameters
    created: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Features:
    """Features `(rows, features)` of some rows of the data, read and scaled when asked for: `features[rows]`."""

    x: DataRows
    index: NDArray[np.int64]
    scaler: Scaler
    dtype: torch.dtype

    def __getitem__(self, rows: Tensor | slice) -> Tensor:
        chosen = self.index[rows.numpy() if isinstance(rows, Tensor) else rows]
        return torch.as_tensor(self.scaler.apply(self.x[chosen]), dtype=self.dtype)


Rows = tuple[Tensor | Features, Tensor]
"""Features `(rows, features)` and labels `(rows,)`."""


@dataclass(frozen=True)
class Run:
    """A run directory on disk."""

    path: Path
    info: RunInfo

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Raises QcliError when `path` is not a run directory, or a damaged or half-written one."""
        folder = Path(path)
        if not folder.is_dir():
            raise QcliError(
                f"there is no run directory {path}",
                str(folder.absolute().parent),
                "train one: qcli train qcnn",
            )
        content = read_json(folder / "run.json", SCHEMA)
        try:
            return cls(folder, RunInfo.model_validate(content))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise QcliError(
                f"run.json: {key}: {first['msg']}", str(folder), "restore the file or train again"
            ) from None

    def save(self) -> None:
        absent = {"noise"} if self.info.noise is None else None
        write_json(self.path / "run.json", self.info.model_dump(by_alias=True, mode="json", exclude=absent))

    def inferences(self, asked: int | None) -> int:
        """How many test samples are meant: `asked`, or with None 48, or all if fewer.

        Raises:
            QcliError: not as many as there are.
        """
        available = self.info.split.test
        count = min(48, available) if asked is None else asked
        if not 1 <= count <= available:
            raise QcliError(
                f"{count} inferences, the test set has {available} samples",
                "--inferences",
                f"choose 1 to {available}",
            )
        return count

    @property
    def weights_file(self) -> Path:
        return self.path / "model.safetensors"

    @cached_property
    def dataset(self) -> Dataset:
        """The data, read again and compared with the hash it had when the run was made."""
        dataset = load_recorded(self.info.data.model_dump())
        found = DataInfo(**dataset.to_json() | {"name": self.info.data.name})
        if found != self.info.data:
            raise QcliError("run.json: data: not what the data are", str(self.path), "restore the file")
        return dataset

    @cached_property
    def split(self) -> Split:
        parts = split(self.dataset, self.info.split.test_size, seed=self.info.split.seed)
        if SplitInfo(**parts.to_json()) != self.info.split:
            raise QcliError(
                "the split of this run cannot be repeated",
                str(self.path),
                f"install the versions it was made with: {self.info.versions}",
            )
        return parts

    @cached_property
    def scaler(self) -> Scaler:
        return fit_scaler(self.dataset, self.split)

    @property
    def source(self) -> ModelSource:
        """The model's file, which must still be what was trained and lie outside the run directory."""
        model = self.info.model
        if model.path is None and model.name not in zoo():
            raise QcliError(
                f"unknown model {model.name!r} in run.json",
                str(self.path),
                "use the qcli version it was made with",
            )
        source = find_model(model.path or model.name)
        if source.file.resolve().is_relative_to(self.path.resolve()):
            raise QcliError(
                "the model file lies in the run directory, from which nothing is executed",
                str(source.file),
                "read it, and train it from a place of its own",
            )
        if source.sha256 != self.info.model.sha256:
            raise QcliError(
                f"the model file has changed since this run (qcli {self.info.versions.get('qcli')})",
                str(source.file),
                "restore the file, or train again",
            )
        return source

    def new_model(self, seed: int | None = None) -> nn.Module:
        """The model with fresh weights."""
        data = self.info.data
        model = build_model(self.source, data.features, len(data.classes), self.info.model.options, seed)
        return model.to(self.dtype)

    @property
    def dtype(self) -> torch.dtype:
        """Of rows and weights: that of the circuits' simulation."""
        return torch.float64 if self.info.training.precision == "float64" else torch.float32

    def model(self) -> nn.Module:
        """The trained model, in evaluation mode."""
        tensors, _ = load_tensors(self.weights_file)
        model = self.new_model(self.info.training.seed)
        load_weights(model, tensors, self.weights_file)
        return model.eval()

    def rows(self, part: str, limit: int | None = None) -> tuple[Tensor, Tensor]:
        """Scaled features `(rows, features)` and labels `(rows,)` of train, validation or test."""
        index = getattr(self.split, part)[:limit]
        return self._features(index)[:], torch.as_tensor(self.dataset.y[index])

    def stream(self, part: str) -> Rows:
        """As `rows`, but of data that are kept on disk only those rows are read that are asked for."""
        if isinstance(self.dataset.x, np.ndarray):
            return self.rows(part)
        index = getattr(self.split, part)
        return self._features(index), torch.as_tensor(self.dataset.y[index])

    def _features(self, index: NDArray[np.int64]) -> Features:
        return Features(self.dataset.x, index, self.scaler, self.dtype)


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    packages = ("qcli", "torch", "pennylane", "scikit-learn")
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


@cache
def _version(name: str) -> str:
    if name == "qcli":
        from qcli import __version__

        return __version__
    return version(name)


def now() -> str:
    """This moment in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a .jsonl file, or none if it is missing."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
