"""Reading a progression's file: every error with its line, its key and the nearest valid name."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from qcli.errors import QcliError
from qcli.files import nearest
from qcli.progress.plan import Progression
from qcli.search.space import KINDS

DIMENSIONS = "such as wires = { choice = [4, 8] }, layers = { range = [1, 4] } or lr = { log = [0.001, 0.1] }"
_HEADER = re.compile(r"\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"))*)\s*=")


def read_progression(path: Path) -> Progression:
    """The progression in `path`.

    Raises:
        QcliError: there is no such file, it is not TOML, a key is unknown, or a value is of a wrong type or range.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except FileNotFoundError:
        raise QcliError(
            f"there is no file {path}", str(path.absolute().parent), "write one: qcli progress init"
        ) from None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise QcliError(f"{path} is not a TOML file: {error}", str(path), "name a progression.toml") from None
    except tomllib.TOMLDecodeError as error:
        raise QcliError(f"not valid TOML: {error}", str(path), "correct the file") from None
    try:
        return Progression.model_validate(content)
    except ValidationError as error:
        raise _explained(error, path, text) from None


def _explained(error: ValidationError, path: Path, text: str) -> QcliError:
    """The first error, an unknown key before others."""
    errors = error.errors(include_url=False)
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    in_space = first["loc"][:1] == ("space",)
    keys = [part for part in first["loc"] if isinstance(part, str)]
    if in_space:
        keys = [key for place, key in enumerate(keys) if place != 2 and not key.startswith("function-")]
    where = f"{path}:{line_of(text, keys)}, {'.'.join(keys) or 'the file'}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = [*KINDS, "grid"] if in_space else _fields(keys[:-1])
        return QcliError(f"unknown key {keys[-1]}", where, nearest(keys[-1], known))
    if first["type"] == "missing":
        return QcliError(f"{keys[-1]} is missing", where, f"add {keys[-1]} = …")
    return QcliError(
        f"{'.'.join(keys[:2]) or path.name}: {message}",
        where,
        DIMENSIONS if in_space else "correct the value",
    )


def _fields(keys: Sequence[str]) -> list[str]:
    """The keys that a table may have."""
    table: Any = Progression
    for key in keys:
        annotation = table.model_fields[key].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        table = next((kind for kind in kinds if issubclass(kind, BaseModel)), None)
        if table is None:
            return []
    return list(table.model_fields)


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line, from 1, of a key or of the nearest table around it; 1 if there is none."""
    found, best, header = 1, 0, []
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _HEADER.fullmatch(line.split("#")[0].rstrip()):
            header = _parts(match[1])
            here = header
        elif match := _KEY.match(line):
            here = [*header, *_parts(match[1])]
        else:
            continue
        depth = next(
            (i for i, (a, b) in enumerate(zip(here, keys, strict=False)) if a != b), min(len(here), len(keys))
        )
        if depth > best and depth == len(here):
            found, best = number, depth
    return found


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
