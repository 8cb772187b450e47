"""Labelled data by name: built-in digits, a table, arrays, or a folder of images."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.arrays import read_npz
from qcli.data.digits import read_digits
from qcli.data.images import read_images
from qcli.data.parquet import holds_parquet, read_parquet
from qcli.data.raw import DataRows, Kind, Raw, check_x, encode, spans
from qcli.data.store import Store
from qcli.data.table import read_csv
from qcli.errors import QcliError
from qcli.files import nearest

TABLES = {".csv": read_csv, ".parquet": read_parquet, ".npz": read_npz}
ACCEPTED = (
    "digits, digits:0,1, a .csv, .npz or .parquet file, a folder of .parquet files, "
    "or a folder with one sub-folder of images per class"
)


@dataclass(frozen=True)
class Dataset:
    """Labelled rows.

    name: what `load` takes to read them again (an absolute path for files);
    x: (rows, features) float64 as read, images in [0, 1] and flattened row by row; of large Parquet data a Store,
        of which any rows can be read;
    y: (rows,) int64, the index into `classes`;
    shape: (height, width) or (height, width, channels) of an image, None for a table;
    target: the column of the labels, None where there are no columns;
    sha256: over x, y, classes and shape, so independent of path and file format.
    """

    name: str
    x: DataRows
    y: NDArray[np.int64]
    classes: tuple[str, ...]
    shape: tuple[int, ...] | None
    target: str | None
    sha256: str
    kind: Kind

    @property
    def label(self) -> str:
        """A short name safe in a path: `digits-0-1`, `iris`."""
        stem = self.name if self.name.startswith("digits") else Path(self.name).stem
        return re.sub(r"[^A-Za-z0-9.]+", "-", stem).strip("-.") or "data"

    def to_json(self) -> dict[str, Any]:
        """The entry `data` of run.json."""
        return {
            "name": self.name,
            "target": self.target,
            "sha256": self.sha256,
            "features": self.x.shape[1],
            "classes": list(self.classes),
            "shape": list(self.shape) if self.shape else None,
            "rows": len(self.y),
        }


def load(
    name: str, target: str | None = None, *, image_size: tuple[int, int] = (8, 8), color: bool = False
) -> Dataset:
    """Read labelled data.

    Args:
        name: `digits` or `digits:0,1` (8x8 digits of scikit-learn, any subset of at least two); or the path
            of a .csv, .parquet or .npz file, of a folder of .parquet files, or of a folder with one sub-folder
            of images per class. The built-in name wins over a file called `digits` (write `./digits` for that).
        target: column (npz: array) of the labels; default: the only one named target, label, class or y.
        image_size: (height, width) in pixels every picture of a folder is resized to.
        color: keep red, green and blue of the pictures of a folder instead of grey.

    Raises:
        QcliError: unknown name, or data that cannot be learned from, with file, column and row.
    """
    base, _, picked = name.partition(":")
    if base == "digits":
        if target is not None:
            raise QcliError(
                f"digits has no column {target!r}", name, "leave --target out: digits brings its labels"
            )
        name, raw = read_digits(picked if ":" in name else None)
        return _dataset(name, raw)
    path = Path(name).expanduser()
    if not name.strip() or not _exists(path):
        raise _missing(name, path)
    try:
        return _dataset(path.resolve().as_posix(), _read(path, target, image_size, color))
    except PermissionError as error:
        raise QcliError(
            "no permission to read the data", str(error.filename or path), "change its mode"
        ) from None


def load_recorded(record: Mapping[str, Any]) -> Dataset:
    """Read again the data described by `Dataset.to_json`.

    Raises:
        QcliError: as `load`; or the data are not what they were.
    """
    try:
        name, target, digest, shape = (record[key] for key in ("name", "target", "sha256", "shape"))
    except (KeyError, TypeError):
        raise QcliError("the record of the data is incomplete", "run.json, data", "train again") from None
    size = (int(shape[0]), int(shape[1])) if shape and len(shape) >= 2 else (8, 8)
    dataset = load(name, target, image_size=size, color=bool(shape) and len(shape) == 3)
    if dataset.sha256 != digest:
        raise QcliError(
            "the data have changed since they were recorded",
            f"{name}: sha256 {dataset.sha256[:12]}…, recorded {str(digest)[:12]}…",
            "restore the data as they were, or train again",
        )
    return dataset


def _read(path: Path, target: str | None, image_size: tuple[int, int], color: bool) -> Raw:
    if path.is_dir():
        if holds_parquet(path):
            return read_parquet(path, target)
        if target is not None:
            raise QcliError(
                f"a folder of images has no column {target!r}",
                str(path),
                "leave --target out: sub-folders are classes",
            )
        return read_images(path, image_size, color)
    reader = TABLES.get(path.suffix.lower())
    if reader is None:
        raise QcliError(f"cannot read {path.suffix or 'this kind of'} files", str(path), f"give {ACCEPTED}")
    if path.stat().st_size == 0:
        raise QcliError("the file is empty", str(path), "export the data again")
    return reader(path, target)


def _dataset(name: str, raw: Raw) -> Dataset:
    if raw.sha256 is None:
        check_x(raw)
    y, classes = encode(raw)
    x = raw.x + 0.0 if isinstance(raw.x, np.ndarray) else raw.x  # -0.0 becomes 0.0: equal data, equal hash
    digest = raw.sha256 or _digest(x, y, json.dumps([list(x.shape), classes, raw.kind, raw.shape or ()]))
    if isinstance(x, Store) and raw.sha256 is None:
        x.keep_sha256(digest)
    return Dataset(name, x, y, classes, raw.shape, raw.target, digest, raw.kind)


def _digest(x: DataRows, y: NDArray[np.int64], head: str) -> str:
    digest = hashlib.sha256(head.encode())
    for part in spans(*x.shape):
        digest.update(np.ascontiguousarray(x[part], "<f8").data)
    digest.update(y.astype("<i8").tobytes())
    return digest.hexdigest()


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _missing(name: str, path: Path) -> QcliError:
    is_path = path.suffix.lower() in TABLES or len(path.parts) > 1
    siblings = []
    if "\0" not in name and path.parent.is_dir():
        siblings = [
            str(path.parent / entry.name) for entry in path.parent.iterdir() if entry.suffix.lower() in TABLES
        ]
    if is_path:
        hint = nearest(name, siblings) if siblings else "check the path"
        return QcliError(f"no such file or folder: {name!r}", str(path.parent.absolute()), hint)
    return QcliError(
        f"unknown data {name!r}",
        "--data",
        f"{nearest(name, ['digits', 'digits:0,1', *siblings])}; known: {ACCEPTED}",
    )
