"""One peer on one circuit: python -m peers.run PEER CIRCUIT.json RESULT.json --started T --seconds S.

The result is written after the first step and again at the end, so that a time-out still leaves the first.
"""

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from peers.circuit import Array, Circuit

REPEATS = 5
LONG = 20.0
"""Seconds: a call that takes longer is not repeated."""


def milliseconds(call: Callable[..., Any], inputs: Callable[[int], Sequence[Any]], seconds: float) -> float:
    """Median of repeated calls, each with inputs of its own, so that no result can be kept from the last."""
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < REPEATS or time.perf_counter() < stop:
        given = inputs(len(times) + 1)
        started = time.perf_counter()
        call(*given)
        times.append(time.perf_counter() - started)
        if times[0] > LONG:
            break
    return 1000.0 * statistics.median(times)


def peak_mb() -> float:
    """Peak resident memory of this process; `ru_maxrss` would count the parent's before the exec."""
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1024.0


def write(path: Path, result: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(result))
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer")
    parser.add_argument("circuit", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--started", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()

    circuit = Circuit.load(options.circuit)
    x, weights, target = circuit.data()
    peer = importlib.import_module(f"peers.{options.peer.replace('.', '_').replace('-', '_')}")
    step, forward = peer.prepare(circuit)
    loss, gradient = step(x, weights, target)
    result = {
        "first_step_s": time.time() - options.started,
        "loss": float(loss),
        "gradient": [float(g) for g in gradient],
        "versions": {package: metadata.version(package) for package in peer.PACKAGES},
    }
    write(options.result, result)

    def inputs(repeat: int) -> tuple[Array, Array, Array]:
        return np.roll(x, repeat, axis=0), weights + 0.01 * repeat, np.roll(target, repeat)

    result["step_ms"] = milliseconds(step, inputs, options.seconds)
    forward(x, weights)
    result["forward_ms"] = milliseconds(forward, lambda repeat: inputs(repeat)[:2], options.seconds)
    result["peak_mb"] = peak_mb()
    write(options.result, result)


if __name__ == "__main__":
    main()
