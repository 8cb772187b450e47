"""What a driver has done, line by line: an append-only file that outlives it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qcli.errors import QcliError


@dataclass(frozen=True)
class Log:
    """Events, each one line of JSON; a line that was cut short by a crash is left out."""

    path: Path

    def append(self, event: str, **facts: Any) -> dict[str, Any]:
        """Write an event to the disk, with its time in UTC."""
        entry = {"event": event, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **facts}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            if file.tell() and not self._ends_a_line():
                file.write(b"\n")
            file.write(json.dumps(entry, default=str).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return entry

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Those of the given names, or all, the oldest first."""
        if not self.path.is_file():
            return []
        found = [_parsed(line) for line in self.path.read_bytes().splitlines()]
        return [entry for entry in found if entry and (not names or entry.get("event") in names)]

    def _ends_a_line(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Only one process at a time drives.

        Raises:
            QcliError: another one does.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise QcliError(
                    "another process drives this already",
                    str(self.path.parent),
                    "wait for it, or stop it",
                    exit_code=1,
                ) from None
            yield


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
