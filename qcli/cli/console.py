"""Where output goes: answers to stdout, progress and notes to stderr."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LEAST_WIDTH = 110
"""Every table fits in so many columns."""


@contextmanager
def progress(visible: bool = True) -> Iterator[Progress]:
    """A progress bar on stderr, gone when done; what a model prints meanwhile goes to stderr, too."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = LEAST_WIDTH
    with (
        redirect_stdout(sys.stderr),
        Progress(*columns, console=console, transient=True, disable=not visible) as bar,
    ):
        yield bar


def answer(content: dict[str, Any], tables: Iterable[RenderableType], as_json: bool) -> None:
    """Print JSON, or tables for people: a terminal narrower than the figures need wraps lines, but none is cut."""
    if as_json:
        print(json.dumps(content, indent=1, default=str))
        return
    console = Console()
    console.width = max(console.width, LEAST_WIDTH) if console.is_terminal else LEAST_WIDTH
    for number, table in enumerate(tables):
        if number:
            console.print()
        console.print(table)


def note(text: str) -> None:
    """Something for the person, not part of the answer."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(text, markup=False)
