"""A job's share of the cores."""

import os

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def limit_threads(count: int) -> None:
    """Let libraries that are imported from now on use `count` threads, unless the user has said otherwise."""
    for name in VARIABLES:
        os.environ.setdefault(name, str(max(1, count)))


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
