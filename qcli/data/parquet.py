"""Parquet: one file, or a folder of files with the same columns, read block by block."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qcli.data.raw import Labels, Raw
from qcli.data.store import Facts, stored
from qcli.data.table import choose_columns, no_rows, numbers, texts
from qcli.errors import QcliError

if TYPE_CHECKING:
    import pandas as pd

_IN_MEMORY = 2**24
"""Cells up to which data are held in memory, 128 MiB; $QCLI_MEMORY_CELLS is another limit."""
_BLOCK = 2**21
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Table:
    """Files with the same columns. `dtype` holds every feature's values as they are."""

    files: list[Path]
    where: Path
    target: str
    features: list[str]
    rows: int
    dtype: str


def holds_parquet(folder: Path) -> bool:
    """Whether a folder is one of Parquet files, not of images.

    Raises:
        QcliError: it holds Parquet files and sub-folders.
    """
    if not _shards(folder):
        return False
    inner = [p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))]
    if inner:
        raise QcliError(
            f"the folder holds Parquet files and the sub-folder {inner[0]!r}",
            str(folder),
            "keep Parquet files in a folder of their own",
        )
    return True


def read_parquet(path: Path, target: str | None) -> Raw:
    """A Parquet file, or all of a folder in the order of their names; a pandas index stored with it is left out.

    Large data are written to the cache once, block by block, and stay on disk.

    Raises:
        QcliError: not Parquet, columns that differ from file to file, no rows, or the faults `choose_columns` and
            `numbers` name.
    """
    table = _open(path, target)
    columns = tuple(table.features)
    if table.rows * len(columns) <= _cells_in_memory():
        x, coder = np.empty((table.rows, len(columns))), _Coder()
        for start, block in _blocks(table, coder):
            x[start : start + len(block)] = block
        return Raw(x, coder.labels(), str(path), "table", target=table.target, columns=columns)

    def write(file: BinaryIO) -> tuple[Facts, NDArray[np.int32]]:
        _LOG.info("%s: %s rows are written to the cache, once", path, f"{table.rows:,}")
        coder = _Coder()
        for _, block in _blocks(table, coder):
            file.write((block + 0.0).astype(table.dtype).tobytes())
        labels = coder.labels()
        return Facts(table.rows, columns, table.target, labels.names, table.dtype), labels.codes

    store = stored(table.files, table.target, write)
    labels = Labels(store.facts.names, store.codes)
    return Raw(store, labels, str(path), "table", target=table.target, columns=columns, sha256=store.sha256)


def _cells_in_memory() -> int:
    text = os.environ.get("QCLI_MEMORY_CELLS", str(_IN_MEMORY))
    if not text.isdecimal():
        raise QcliError(f"{text!r} is not a number of cells", "QCLI_MEMORY_CELLS", f"such as {_IN_MEMORY}")
    return int(text)


class _Coder:
    """Labels as numbers, collected block by block."""

    def __init__(self) -> None:
        self._index: dict[str, int] = {}
        self._codes: list[NDArray[np.int32]] = []

    def add(self, labels: list[str]) -> None:
        index = self._index
        self._codes.append(np.array([index.setdefault(label, len(index)) for label in labels], np.int32))

    def labels(self) -> Labels:
        return Labels(tuple(self._index), np.concatenate(self._codes))


def _shards(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.parquet") if p.is_file() and not p.name.startswith((".", "_")))


def _open(path: Path, target: str | None) -> _Table:
    """Columns and rows, from the files' footers alone."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = _shards(path) if path.is_dir() else [path]
    found, rows, dtypes = [], 0, []
    for file in files:
        with _reading(file), pq.ParquetFile(file) as parquet:
            names = [str(name) for name in parquet.schema_arrow.empty_table().to_pandas().columns]
            rows += parquet.metadata.num_rows
            schema = parquet.schema_arrow
        found.append(choose_columns(names, file, target))
        if sorted(found[0][1]) != sorted(found[-1][1]) or found[0][0] != found[-1][0]:
            differing = sorted({*found[0][1], found[0][0]} ^ {*found[-1][1], found[-1][0]})
            raise QcliError(
                f"the files have different columns: {', '.join(differing[:5])}",
                str(file),
                f"write them with the columns of {files[0].name}",
            )
        chosen, features = found[0]
        small = (pa.float32(), pa.float16(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.bool_())
        dtypes.append(all(field.type in small for field in schema if field.name != chosen))
    if not rows:
        raise no_rows(path)
    return _Table(files, path, chosen, features, rows, "<f4" if all(dtypes) else "<f8")


def _blocks(table: _Table, labels: _Coder) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The number of a block's first row, and its features; its labels are added to `labels`."""
    start = 0
    for file in table.files:
        first = start
        for frame in _frames(file, max(1, _BLOCK // max(1, len(table.features)))):
            labels.add(texts(frame[table.target]))
            yield start, numbers(frame, table.features, file, start - first)
            start += len(frame)


def _frames(file: Path, rows: int) -> "Iterator[pd.DataFrame]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _reading(file), pq.ParquetFile(file, memory_map=False, pre_buffer=False) as parquet:
        for batch in parquet.iter_batches(rows):
            frame = pa.Table.from_batches([batch]).to_pandas()
            frame.columns = frame.columns.map(str)
            yield frame.reset_index(drop=True)


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Whatever pyarrow raises inside becomes a QcliError."""
    import pyarrow as pa

    try:
        yield
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise QcliError(
            f"the file is not Parquet: {reason}", str(file), "export it again as .parquet"
        ) from None
