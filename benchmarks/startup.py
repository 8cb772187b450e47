"""How long `qcli --help` and `qcli --version` take as whole processes: python benchmarks/startup.py [--json].

The goal is a median under 0.3 s for `--help`. `bare` is the same interpreter doing nothing, for comparison.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare": ["-c", "pass"],
    "--version": ["-m", "qcli", "--version"],
    "--help": ["-m", "qcli", "--help"],
    "train --help": ["-m", "qcli", "train", "--help"],
    "devices": ["-m", "qcli", "devices"],
    "prices": ["-m", "qcli", "prices"],
}


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(options.runs + 1):
        for name, arguments in COMMANDS.items():
            times[name].append(seconds(arguments))
    rows = [
        {"command": name, "min_s": min(t[1:]), "median_s": statistics.median(t[1:]), "max_s": max(t[1:])}
        for name, t in times.items()
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print(
            f"{row['command']:14} median {row['median_s']:.3f} s  ({row['min_s']:.3f} to {row['max_s']:.3f})"
        )


if __name__ == "__main__":
    main()
