"""Slurm's words for jobs and their states, turned into ours. Pure functions."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qcli.cluster.jobs import State

STATES: Mapping[str, State] = {
    "PENDING": "pending",
    "CONFIGURING": "pending",
    "REQUEUED": "pending",
    "REQUEUE_FED": "pending",
    "REQUEUE_HOLD": "pending",
    "RESV_DEL_HOLD": "pending",
    "RUNNING": "running",
    "COMPLETING": "running",
    "RESIZING": "running",
    "SIGNALING": "running",
    "STAGE_OUT": "running",
    "STOPPED": "running",
    "SUSPENDED": "running",
    "COMPLETED": "done",
    "FAILED": "failed",
    "OUT_OF_MEMORY": "failed",
    "SPECIAL_EXIT": "failed",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "CANCELLED": "cancelled",
    "REVOKED": "cancelled",
    "BOOT_FAIL": "lost",
    "LAUNCH_FAILED": "lost",
    "NODE_FAIL": "lost",
    "PREEMPTED": "lost",
}


class Row(NamedTuple):
    """A job as `squeue` or `sacct` lists it; `command` is the batch script, where it is known."""

    id: str
    state: State
    command: str = ""


def state_of(word: str) -> State:
    """The state behind Slurm's word, such as `CANCELLED by 1000`. One we don't know is one of a job that goes on."""
    return STATES.get(word.split()[0].rstrip("+") if word.strip() else "", "running")


def rows(table: str) -> list[Row]:
    """Lines `id|STATE` or `id|STATE|command`; a line may stand for many tasks of an array."""
    found = []
    for line in table.splitlines():
        ids, _, rest = line.strip().partition("|")
        word, _, command = rest.partition("|")
        found += [Row(one, state_of(word), command) for one in expand(ids)] if ids else []
    return found


def expand(ids: str) -> list[str]:
    """The ids behind one as Slurm writes it: `7` is one, `7_[0-2,5%4]` are four."""
    match = re.fullmatch(r"(\d+)_\[([\d,:-]+)(?:%\d+)?\]", ids)
    if match is None:
        return [ids]
    array, ranges = match.groups()
    return [f"{array}_{task}" for part in ranges.split(",") for task in _range(part)]


def _range(part: str) -> range:
    span, _, step = part.partition(":")
    first, _, last = span.partition("-")
    return range(int(first), int(last or first) + 1, int(step or 1))


def array_of(job: str) -> str:
    """The id that all tasks of an array share: `7` for `7_3`."""
    return job.split("_")[0]


def task_ids(array: str, count: int) -> tuple[str, ...]:
    """The ids of a submission of `count` jobs: one job is no array."""
    return (array,) if count == 1 else tuple(f"{array}_{task}" for task in range(count))


def by_array(found: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each array, the newest first."""
    arrays: dict[str, list[Row]] = {}
    for row in sorted(found, key=lambda row: int(array_of(row.id)), reverse=True):
        arrays.setdefault(array_of(row.id), []).append(row)
    return arrays


def refusal(message: str) -> str:
    """Why sbatch refused, in its own words without its frame."""
    lines = [line.removeprefix("sbatch:").strip() for line in message.splitlines() if line.strip()]
    reasons = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")] or lines
    if not reasons:
        return "sbatch gave no reason"
    return "; ".join(line.removeprefix("Batch job submission failed:").strip() for line in reasons)
