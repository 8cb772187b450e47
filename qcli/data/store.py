"""Features on disk, for data larger than memory should hold: written once, then read row by row."""

import json
import os
import shutil
import uuid
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from qcli.files import sha256, user_folder, write_atomic

_DENSE = 4
"""Rows are read with what lies between them if that is less than so many times as much."""
_FORMAT = 1
_UNSOUND = (OSError, EOFError, ValueError, TypeError, KeyError)


@dataclass(frozen=True)
class Facts:
    """What is known of a store beside its numbers; `names`: the distinct labels, which codes.npy refers to."""

    rows: int
    columns: tuple[str, ...]
    target: str
    names: tuple[str, ...]
    dtype: str


class Store:
    """Features `(rows, features)` in a folder of the cache; `store[rows]` reads those rows alone, as float64.

    Rows are read into memory, never mapped: what a process holds does not grow with what it has read.
    """

    def __init__(self, folder: Path) -> None:
        known: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        lists: dict[str, Any] = {name: tuple(known[name]) for name in ("columns", "names")}
        self.folder = folder
        self.facts = Facts(**known | lists)
        self.codes: NDArray[np.int32] = np.load(folder / "codes.npy", allow_pickle=False)
        self.shape = (self.facts.rows, len(self.facts.columns))
        self._dtype = np.dtype(self.facts.dtype)
        self._file = os.open(folder / "rows.bin", os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        if os.fstat(self._file).st_size != self.shape[0] * self._width or len(self.codes) != self.shape[0]:
            raise ValueError("cut short")

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def _width(self) -> int:
        return self.shape[1] * self._dtype.itemsize

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float64]:
        """Rows `(len(rows), features)` by a slice or by numbers from 0 on, in any order."""
        index = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows, dtype=np.int64)
        if not len(index):
            return np.empty((0, self.shape[1]))
        first, last = int(index.min()), int(index.max())
        if first < 0 or last >= len(self):
            raise IndexError(f"rows {first} … {last} of {len(self)}")
        if last - first < _DENSE * len(index):
            return self._read(first, last + 1)[index - first].astype(np.float64)
        found = np.empty((len(index), self.shape[1]))
        for place in np.argsort(index):
            found[place] = self._read(int(index[place]), int(index[place]) + 1)[0]
        return found

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        values = np.empty((stop - start, self.shape[1]), self._dtype)
        rest, offset = values.data.cast("B"), start * self._width
        while rest:
            done = os.preadv(self._file, [rest], offset)
            if not done:
                raise OSError(f"{self.folder / 'rows.bin'} was cut short while it was read")
            rest, offset = rest[done:], offset + done
        return values

    @property
    def sha256(self) -> str | None:
        """The hash of the data, if `keep_sha256` was called: they are then known to be sound."""
        path = self.folder / "sha256"
        return path.read_text() if path.is_file() else None

    def keep_sha256(self, digest: str) -> None:
        """Keep the hash for those who open the store later."""
        write_atomic(self.folder / "sha256", digest)


def cache_folder() -> Path:
    """Where stores lie: $QCLI_CACHE, or `cache` beside the user's prices."""
    own = os.environ.get("QCLI_CACHE")
    return Path(own).expanduser() if own else user_folder() / "cache"


def stored(
    files: list[Path], target: str, write: Callable[[BinaryIO], tuple[Facts, NDArray[np.int32]]]
) -> Store:
    """The store of these files (by path, size and time of change); `write` makes it if there is none.

    Several processes may ask at once: each finds a whole store. Stores of the same files in an earlier state go.
    """
    states = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    subject = sha256(json.dumps([_FORMAT, target, [path for path, *_ in states]]).encode())[:16]
    folder = cache_folder() / f"{subject}-{sha256(json.dumps(states).encode())[:16]}"
    try:
        return Store(folder)
    except _UNSOUND:
        pass
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    draft.mkdir(parents=True)
    try:
        with (draft / "rows.bin").open("xb") as file:
            facts, codes = write(file)
            file.flush()
            os.fsync(file.fileno())
        np.save(draft / "codes.npy", codes)
        write_atomic(draft / "facts.json", json.dumps(asdict(facts)))
        _publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for other in folder.parent.glob(f"{subject}-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return Store(folder)


def _publish(draft: Path, folder: Path) -> None:
    """Rename a whole store into its place, unless another process was first; a damaged one there is replaced."""
    try:
        draft.rename(folder)
    except OSError:
        try:
            Store(folder)
        except _UNSOUND:
            shutil.rmtree(folder, ignore_errors=True)
            draft.rename(folder)
