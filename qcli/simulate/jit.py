"""Compiling the kernels with numba, and keeping the machine code from one process to the next."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import njit

inlined = njit(nogil=True)
"""For functions that only kernels call."""


def kernel(function: Callable[..., Any]) -> Any:
    """Compile on first use, without the GIL, and cache the machine code beside the source or in the user's cache
    folder (NUMBA_CACHE_DIR). A cache that cannot be read is made anew; without a folder to write to there is none."""
    try:
        dispatcher = njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return njit(nogil=True)(function)
    dispatcher._cache = _Cache(dispatcher._cache)  # type: ignore[attr-defined]
    return dispatcher


@cache
def _announce() -> None:
    logging.getLogger(__name__).info("compiling the simulator's kernels: some ten seconds, once per machine")


class _Cache:
    """Numba's cache of one function, less its faults: it stops at a damaged file, and looks at one source file only."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        sources = [
            Path(__file__).with_name(name)
            for name in ("kernels.py", "rows.py", "matrices.py", "lanes.py", "tables.py", "fuse.py")
        ]
        cache._cache_file._source_stamp = [
            (s.stat().st_mtime, s.stat().st_size) for s in sources if s.exists()
        ]

    def load_overload(self, signature: Any, context: Any) -> Any:
        try:
            if (found := self._cache.load_overload(signature, context)) is not None:
                return found
        except Exception:  # damaged bytes can raise anything when they are unpickled
            with suppress(OSError):
                self._cache.flush()
        _announce()
        return None

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            self._cache.save_overload(signature, data)
        except OSError:
            self._cache.disable()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)
