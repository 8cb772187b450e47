"""What Amazon Braket leaves in the bucket, read strictly: counts, or why it cannot be the task's result."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qcli.execute.record import Counts, Entry
from qcli.execute.service import DamagedError


def counts_of(task: Entry, body: bytes, task_arn: str, read: Callable[[str], bytes]) -> list[Counts | str]:
    """Of each circuit, from a results.json.

    Raises:
        DamagedError: it is cut short, no result, another task's, or of other qubits.
    """
    from braket.schema_common import BraketSchemaBase

    def parsed(raw: bytes) -> Any:
        return BraketSchemaBase.parse_raw_schema(raw.decode())

    try:
        result = parsed(body)
        metadata = result.taskMetadata
        if isinstance(metadata, str):
            metadata = parsed(read(metadata))
        if metadata.id != task_arn:
            raise DamagedError("it is the result of another task", body)
        if not task.detail["set"]:
            return [_count(result, task, 0, body)]
        each_circuit = []
        for program in result.programResults:
            folder = ""
            if isinstance(program, str):
                folder, program = program.removesuffix("results.json"), parsed(read(program))
            # names in a program's own object are relative to its folder
            each_circuit += [
                parsed(read(folder + entry)) if isinstance(entry, str) else entry
                for entry in program.executableResults
            ]
        if len(each_circuit) != len(task.circuits):
            raise DamagedError(f"{len(each_circuit)} results for {len(task.circuits)} circuits", body)
        return [_count(entry, task, place, body) for place, entry in enumerate(each_circuit)]
    except DamagedError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, ImportError, UnicodeDecodeError) as error:
        raise DamagedError(f"it cannot be read: {type(error).__name__} {str(error)[:200]}", body) from None


def _count(entry: Any, task: Entry, place: int, body: bytes) -> Counts | str:
    if failure := getattr(entry, "failureMetadata", None):
        return str(failure.failureReason)
    shots, layout = task.detail["shots"][place], task.detail["layouts"][place]
    measured = list(entry.measuredQubits or [])
    if sorted(measured) != sorted(layout) and not (task.detail["rewired"] and len(measured) == len(layout)):
        raise DamagedError(f"qubits {measured} were measured, not {layout}", body)
    columns = (
        [measured.index(qubit) for qubit in layout]
        if sorted(measured) == sorted(layout)
        else range(len(layout))
    )
    weights = 1 << np.arange(len(layout) - 1, -1, -1)
    if entry.measurements:
        outcomes = np.array(entry.measurements)[:, list(columns)] @ weights
        values, counts = np.unique(outcomes, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))
    if not entry.measurementProbabilities:
        raise DamagedError("it holds neither measurements nor probabilities", body)
    found: dict[int, float] = {}
    for text, probability in entry.measurementProbabilities.items():
        bits = np.array([int(text[column]) for column in columns])
        found[int(bits @ weights)] = found.get(int(bits @ weights), 0.0) + probability
    return _whole(found, shots, body)


def _whole(probabilities: Mapping[int, float], shots: int, body: bytes) -> Counts:
    """Counts of `shots` closest to probabilities: by largest remainders."""
    if abs(sum(probabilities.values()) - 1) > 1e-3:
        raise DamagedError(f"probabilities add up to {sum(probabilities.values()):g}", body)
    exact = {outcome: shots * p for outcome, p in probabilities.items()}
    counts = {outcome: int(value) for outcome, value in exact.items()}
    by_remainder = sorted(exact, key=lambda outcome: counts[outcome] - exact[outcome])
    for outcome in by_remainder[: shots - sum(counts.values())]:
        counts[outcome] += 1
    return {outcome: count for outcome, count in counts.items() if count}
