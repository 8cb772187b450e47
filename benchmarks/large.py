"""An epoch on a large Parquet file: python benchmarks/large.py FOLDER [--rows N,N] [--nproc 1,2] [--json].

Writes a set of N rows of 128 float32 columns and two classes into FOLDER, reads it into the cache and trains the hybrid
of large_model.py (8 wires, depth 6) for one epoch in batches of 256, each in a process of its own. Memory is the peak
resident set of the largest process, as the kernel counts it. The epoch's time holds its validation, on 16 % of the
rows; the rest of the command's time is start, split, baselines and test figures.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES, GROUP, BATCH = 128, 50_000, 256
MODEL = Path(__file__).with_name("large_model.py")
PUBLISHED = (
    "13.8 minutes an epoch on an A100 (published, for a model and data of this size; not measured here)"
)


@dataclass(frozen=True)
class Row:
    """What one set and one number of processes took: seconds, and MiB at the peak of the largest process."""

    rows: int
    nproc: int
    read_s: float
    read_mib: float
    epoch_s: float
    command_s: float
    command_mib: float
    val_accuracy: float


def write(path: Path, rows: int, seed: int = 0) -> None:
    """Two classes of normally distributed rows whose means lie 2.4 standard deviations apart."""
    generator = np.random.default_rng(seed)
    direction = generator.normal(size=FEATURES)
    direction *= 1.2 / np.linalg.norm(direction)
    names = [f"x{number}" for number in range(FEATURES)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("label", pa.int8())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, GROUP):
            count = min(GROUP, rows - start)
            y = generator.integers(2, size=count, dtype=np.int8)
            x = generator.normal(size=(count, FEATURES)) + np.outer(2.0 * y - 1, direction)
            columns = [*(pa.array(column) for column in x.astype(np.float32).T), pa.array(y)]
            writer.write_table(pa.table(columns, schema=schema))


def timed(command: list[str], cache: Path) -> tuple[float, float]:
    """Seconds and MiB of a command; its own words go to stderr."""
    started = time.perf_counter()
    environment = os.environ | {"QCLI_CACHE": str(cache)}
    process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def measure(folder: Path, rows: int, nproc: int) -> Row:
    """One set, one number of processes, with an empty cache."""
    data, cache, run = folder / f"{rows}.parquet", folder / "cache", folder / f"run-{rows}-{nproc}"
    if not data.exists():
        write(data, rows)
    for left in (cache, run):
        shutil.rmtree(left, ignore_errors=True)
    reading = f"from qcli.data.dataset import load; load({str(data)!r})"
    read_s, read_mib = timed([sys.executable, "-c", reading], cache)
    training = f"train {MODEL} --data {data} --epochs 1 --batch {BATCH} --nproc {nproc} --out {run}"
    command_s, command_mib = timed([sys.executable, "-m", "qcli", *training.split()], cache)
    epoch = json.loads((run / "history.jsonl").read_text())
    accuracy = epoch["val_accuracy"]
    return Row(rows, nproc, read_s, read_mib, epoch["seconds"], command_s, command_mib, accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", default="150000,500000,1500000", help="sizes, comma-separated")
    parser.add_argument("--nproc", default="1", help="numbers of processes, comma-separated")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    found = []
    for rows in map(int, asked.rows.split(",")):
        for nproc in map(int, asked.nproc.split(",")):
            found.append(measure(asked.folder, rows, nproc))
            if not asked.json:
                print(
                    "  ".join(
                        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:,.4g}"
                        for name, value in asdict(found[-1]).items()
                    ),
                    flush=True,
                )
    if asked.json:
        print(json.dumps({"rows": [asdict(row) for row in found], "published": PUBLISHED}, indent=1))
    else:
        print(PUBLISHED)


if __name__ == "__main__":
    main()
