"""Reading and writing files so that a reader never sees half of one."""

import difflib
import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from qcli.errors import QcliError


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` next to `path`, then rename: `path` holds the old or the new content, never a part."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as JSON; money (`Decimal`) becomes a string."""
    write_atomic(path, json.dumps(content, indent=1, default=str) + "\n")


def read_json(path: Path, schema: str) -> dict[str, Any]:
    """Read a JSON object whose `"schema"` must be `schema`.

    Raises:
        QcliError: the file is missing, cut short, not JSON, or of another schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise QcliError(
            f"{path.name} is missing", str(path.parent), "name a complete run directory"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise QcliError(
            f"{path.name} is not valid JSON: {error}", str(path), "restore the file or run again"
        ) from None
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise QcliError(
            f"{path.name} has schema {found!r}, expected {schema!r}",
            str(path),
            "use the matching qcli version",
        )
    assert isinstance(content, dict)
    return content


def sha256(data: bytes) -> str:
    """Hex digest of `data`."""
    return hashlib.sha256(data).hexdigest()


def bundled(name: str) -> Path:
    """The folder `circuits` or `pricing`: inside the installed package, or at the top of a checkout."""
    package = Path(__file__).parent
    installed = package / f"_{name}"
    return installed if installed.is_dir() else package.parent / name


def user_folder() -> Path:
    """Where a user's own prices and ledger are kept: $QCLI_HOME, or the platform's folder for application data."""
    import platformdirs

    home = os.environ.get("QCLI_HOME")
    return Path(home).expanduser() if home else platformdirs.user_data_path("qcli")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the closest known names, for error messages."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"choose one of: {', '.join(names)}"
