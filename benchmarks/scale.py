"""What searches and trainings lose to their number: python benchmarks/scale.py [--part NAME,NAME] [--small] [--json].

overhead   a search with one worker beside the same trainings without a search (goal: less than 5 % more)
workers    a search on one worker and on two
driver     the driver's time and memory at 100, 300 and 1,000 trials
slurm      arrays of 50 and 200 jobs on a Slurm of one node, started in a temporary folder
parallel   one training shared by one process and by two
constants  what limits a thousand nodes: storage, checkpoints, sums over processes, squeue, files, imports

Run it on a machine that does nothing else: several parts use all cores. Figures with a spread are medians with the
least and the most beside them. `--small` shows in minutes that everything works; its figures mean nothing.
"""

import argparse
import json
import os
import platform
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PARTS = {
    "overhead": "scale_search",
    "workers": "scale_search",
    "driver": "scale_search",
    "slurm": "scale_cluster",
    "parallel": "scale_training",
    "constants": "scale_constants",
}
"""The module of each part, imported when it is measured: workers import this file, and set their threads later."""

sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]


def machine() -> dict[str, Any]:
    """Processor, cores and load: above 0.5 when the measurement begins, something else is at work."""
    from qcli.train.run import versions

    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "versions": versions(),
    }


def markdown(title: str, rows: list[dict[str, Any]]) -> str:
    """A table; a least and a most go in brackets behind what they belong to."""
    if not rows:
        return f"### {title}\n\nnothing measured\n"
    names = [name for name in rows[0] if not name.endswith(("_least", "_most"))]
    lines = [f"### {title}", "", f"| {' | '.join(names)} |", f"|{'|'.join('---' for _ in names)}|"]
    lines += [f"| {' | '.join(_cell(row, name) for name in names)} |" for row in rows]
    return "\n".join([*lines, ""])


def _cell(row: dict[str, Any], name: str) -> str:
    text = _number(row[name])
    if f"{name}_least" in row:
        text += f" ({_number(row[f'{name}_least'])}–{_number(row[f'{name}_most'])})"
    return text


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return (
        f"{value:,}"
        if isinstance(value, int)
        else f"{value:,.4g}"
        if isinstance(value, float)
        else str(value)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--part", default=",".join(PARTS), help="comma-separated; default: all")
    parser.add_argument("--small", action="store_true", help="smallest sizes: a check of the script")
    parser.add_argument("--json", action="store_true", help="one object, the last line of stdout")
    asked = parser.parse_args()
    names = asked.part.split(",")
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part {unknown[0]}: choose of {', '.join(PARTS)}")
    # for processes that are started: by Slurm, by torchrun
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH")])
    )
    facts = machine()
    print(f"{facts}" + (", small" if asked.small else ""), file=sys.stderr)
    found: dict[str, Any] = {"machine": facts, "small": asked.small}
    for name in names:
        began = time.perf_counter()
        tables = getattr(import_module(PARTS[name]), name)(asked.small)
        found[name] = tables
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
        if not asked.json:
            for title, rows in tables.items():
                print(markdown(title, rows), flush=True)
    if asked.json:
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
