"""Where in which file a value of a price sheet was written, for errors that name file, key and line."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Key = tuple[str | int, ...]
NOT_TOML = (ValueError, ArithmeticError, RecursionError)
"""What tomllib raises for a text that it cannot read."""


@dataclass(frozen=True)
class File:
    """A sheet as it stands on disk, and what it holds."""

    path: Path
    text: str
    raw: dict[str, Any]


def origin(
    location: Key, full: dict[str, Any], agreed: Mapping[str, str | None], layers: list[File]
) -> tuple[File, Key]:
    """The file and the key that the value at `location` was written under: a device's may stand in the defaults or in
    its contract. What is missing, or is put together from several tables, is looked for in the last file first.
    """
    bases: list[Key] = [()]
    if location[:1] == ("devices",) and len(location) > 2:
        bases = [("contracts", agreed[str(location[1])] or ""), location[:2], ("defaults",)]
    rest = location[2:] if len(bases) > 1 else location
    held, value = _walk(full, location)
    depth = held - len(location) + len(rest)
    for base in bases if depth > 0 else []:
        for file in reversed(layers):
            leading, found = _walk(file.raw, (*base, *rest[:depth]))
            if leading == len(base) + depth and found is value:
                return file, (*base, *rest)
    return max(reversed(layers), key=lambda file: _walk(file.raw, location)[0]), location


def _walk(tree: Any, key: Key) -> tuple[int, Any]:
    """How many parts of `key` lead into `tree`, and what to."""
    for depth, part in enumerate(key):
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return depth, tree
    return len(key), tree


def line_of(text: str, key: Key) -> int:
    """The line of valid TOML that holds `key`, or as much of it as is there.

    Statements are parsed one by one below the headers before them; one that spans lines is looked into by closing it
    early, as an array can be.
    """
    headers: list[str] = []
    statement: list[str] = []
    most, found, parsed = 0, 1, 0
    for number, line in enumerate(text.split("\n"), start=1):
        statement.append(line)
        whole = _parsed([*headers, *statement])
        document = _parsed([*headers, *statement, "]"]) if whole is None else whole
        if document is None:
            continue
        held, _ = _walk(document, key)
        if held > most:
            most, found = held, parsed + 1
        parsed = number
        if whole is not None:
            headers += statement if statement[0].lstrip().startswith("[") else []
            statement = []
    return found


def _parsed(lines: list[str]) -> dict[str, Any] | None:
    try:
        return tomllib.loads("\n".join(lines))
    except NOT_TOML:
        return None
