"""The part `parallel` of benchmarks/scale.py: one training, shared by one process and by two."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from large import MODEL, write
from scale_common import Row, Tables, threads

from qcli.cluster.threads import cores


def parallel(small: bool) -> Tables:
    """Seconds of an epoch after the first, of the hybrid of large_model.py: 8 wires, depth 6."""
    rows_of_data, epochs = (2_000, 3) if small else (32_000, 4)
    batches = (256,) if small else (32, 256, 1024)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "data.parquet"
        write(data, rows_of_data)
        for batch in batches:
            # in turn, so that a machine that slows down does so for all
            times: dict[str, list[float]] = {"all": [], "one": [], "two": []}
            for number in range(1 if small else 2):
                for kind, fixed, nproc in (("all", None, 1), ("one", 1, 1), ("two", 1, 2)):
                    run = folder / f"{batch}-{kind}-{number}"
                    with threads(fixed):
                        times[kind] += _epochs(data, batch, nproc, epochs, run)
            rows.append(_row(batch, times))
    return {f"One training shared by two processes, {rows_of_data:,} rows": rows}


def _epochs(data: Path, batch: int, nproc: int, epochs: int, run: Path) -> list[float]:
    options = f"train {MODEL} --data {data} --epochs {epochs} --batch {batch} --nproc {nproc} --out {run}"
    subprocess.run(
        [sys.executable, "-m", "qcli", *options.split()],
        env=os.environ | {"QCLI_CACHE": str(run.parent / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [line["seconds"] for line in lines[1:]]


def _row(batch: int, times: dict[str, list[float]]) -> Row:
    middle = {kind: statistics.median(values) for kind, values in times.items()}
    least = {kind: min(values) for kind, values in times.items()}
    return {
        "batch": batch,
        "1_process_1_thread_s": round(middle["one"], 3),
        f"1_process_{cores()}_threads_s": round(middle["all"], 3),
        "2_processes_1_thread_s": round(middle["two"], 3),
        "speed_up_over_1_thread": round(middle["one"] / middle["two"], 3),
        "of_the_fastest_epochs": round(least["one"] / least["two"], 3),
        f"over_{cores()}_threads": round(middle["all"] / middle["two"], 3),
    }
