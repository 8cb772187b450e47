"""Whether states fit into memory, asked before any is allocated."""

from pathlib import Path

import psutil
import torch

from qcli.errors import QcliError

_SHARE = 0.8
"""Of the available memory, what states may take."""
_SMALL = 2**26
"""Bytes that are not worth asking for."""


def available() -> int:
    """Bytes that this process may still take: of the machine, and of its control group (Slurm, containers)."""
    free = psutil.virtual_memory().available
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
    except OSError:
        return int(free)
    return int(free) if limit == "max" else min(int(free), int(limit) - used)


def plan(groups: int, state_bytes: int, gradient: bool, all_states: bool) -> tuple[bool, int]:
    """Whether the final states of all groups are kept, and for how many threads there is memory beside.

    Raises:
        QcliError: there is none.
    """
    threads = min(max(1, torch.get_num_threads()), groups)
    each = 2 if gradient else 1
    keep = gradient or all_states
    if (groups * keep + each * threads) * state_bytes <= _SMALL:
        return keep, threads
    room = int(_SHARE * available())
    if keep and (groups + threads) * state_bytes <= room:
        return True, threads
    if all_states or each * state_bytes > room:
        raise too_large((groups if all_states else each) * state_bytes, room)
    return False, min(threads, room // (each * state_bytes))


def check(wires: int, amplitude_bytes: int, states: int) -> None:
    """Refuse a register of which so many state vectors do not fit.

    Raises:
        QcliError: with the memory needed and the memory there is.
    """
    needed = states * amplitude_bytes * 2**wires
    if needed > _SMALL and needed > (room := int(_SHARE * available())):
        raise too_large(needed, room, wires)


def too_large(needed: int, room: int, wires: int | None = None) -> QcliError:
    """The error for states that do not fit."""
    what = f"{wires} wires need" if wires else "the state vectors need"
    return QcliError(
        f"{what} {needed / 2**30:,.1f} GiB, {room / 2**30:,.1f} GiB are available",
        "simulation",
        "use fewer wires, --precision float32 or more memory; estimate-cost prices wider models untrained",
    )
