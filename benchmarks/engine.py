"""One training step of qcli's quantum layer beside other simulators: python benchmarks/engine.py [--json].

A step is the loss of a batch and its gradient with respect to the weights, from host arrays to host arrays; a
forward is the outputs alone. Every peer runs the same circuits in a fresh process of its own, in single
precision where it has one. The peers need an environment of their own: python -m venv benchmarks/.venv, then
benchmarks/.venv/bin/pip install -r benchmarks/requirements.txt. qcli runs with the interpreter of this script.

Tried and left out, being more than twice as slow as the fastest peer on every case tried (milliseconds a step
on two shared cores; the fastest then took 2 on qcnn-8, 46 on hea-8x6, 212 on hea-12x6, 303 on hea-20x3):
- qujax 1.1.0, vmap and jit: qcnn-8 32, hea-8x6 95, hea-12x6 494, hea-16x4 2441, hea-20x3 2447;
- lightning.kokkos 0.45.0, Catalyst: qcnn-8 181, hea-12x6 592, hea-20x3 1400;
- lightning.qubit 0.45.0 without Catalyst, one tape per sample: qcnn-8 443, hea-8x6 1302, hea-12x6 1815;
- default.qubit 0.45.1 with torch: qcnn-8 129, hea-8x6 307;
- TensorFlow Quantum 0.7.6, adjoint: qcnn-8 265, hea-8x6 408;
- DeepQuantum 4.5.0, torch: qcnn-8 309, hea-8x6 326.
"""

import argparse
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers import circuit
from peers.circuit import Circuit
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
CASES = {"qcnn-8": 64, "hea-8x6": 256, "hea-12x6": 64, "hea-16x4": 16, "hea-20x3": 1}
"""Batch size by case."""
PEERS = (
    "qcli",
    "default.qubit",
    "lightning.qubit",
    "tensorcircuit",
    "mindquantum",
    "qulacs",
    "scaluq",
)
REFERENCES = ("default.qubit", "qcli")
TOLERANCE = 1e-3

Row = dict[str, Any]


def build(name: str, batch: int | None) -> Circuit:
    kind, sizes = circuit.parse(name)
    batch = batch or CASES.get(name, 64)
    if kind == "hea":
        return circuit.hardware_efficient(*sizes, batch)
    spec = importlib.util.spec_from_file_location("qcnn", HERE.parent / "circuits" / "qcnn.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return circuit.convolutional(module, *sizes, batch)


def measure(peer: str, python: str, circuit_file: Path, options: argparse.Namespace) -> Row:
    """The result file of `peers.run` with a note when it is incomplete."""
    result = circuit_file.with_name(f"{peer}.json")
    command = [python, "-m", "peers.run", peer, str(circuit_file), str(result)]
    command += ["--seconds", str(options.seconds), "--started", str(time.time())]
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    note = ""
    try:
        subprocess.run(
            command,
            env=os.environ | {"PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            timeout=options.timeout,
        )
    except FileNotFoundError:
        note = f"no interpreter {python}"
    except subprocess.TimeoutExpired:
        note = f"stopped after {options.timeout:g} s"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines()
        note = lines[-1] if lines else f"exit status {error.returncode}"
        if error.returncode < 0:
            note = f"ended by {signal.Signals(-error.returncode).name}"
    found = json.loads(result.read_text()) if result.is_file() else {}
    return {"note": note} | found


def disagreement(found: Row, reference: Row) -> str:
    """How far loss and gradient are from the reference, when further than the tolerance."""
    worst = 0.0
    for key in ("loss", "gradient"):
        expected = np.array(reference[key])
        worst = max(worst, float(np.linalg.norm(np.array(found[key]) - expected) / np.linalg.norm(expected)))
    return "" if worst <= TOLERANCE else f"differs from {reference['peer']} by {worst:.1e}"


def compare(case: Circuit, peers: list[str], options: argparse.Namespace) -> list[Row]:
    found: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "circuit.json"
        case.save(file)
        for peer in peers:
            python = sys.executable if peer == "qcli" else options.peers_python
            found[peer] = {"peer": peer} | measure(peer, python, file, options)
    reference = next((found[peer] for peer in REFERENCES if "loss" in found.get(peer, {})), None)
    own = found.get("qcli", {}).get("step_ms")
    rows = []
    for peer, result in found.items():
        step = result.get("step_ms")
        row = {"case": case.name, "batch": case.batch, "peer": peer, "step_ms": step}
        row |= {key: result.get(key) for key in ("forward_ms", "first_step_s", "peak_mb")}
        row["ratio"] = step / own if step and own else None
        if "loss" in result and reference is not None:
            difference = disagreement(result, reference)
            result["note"] = "; ".join(filter(None, [result["note"], difference]))
        rows.append(row | {"note": result["note"], "versions": result.get("versions", {})})
    return rows


def machine() -> dict[str, Any]:
    """Processor, cores, and the rate of a single-precision matrix product of side 2048 in torch."""
    import torch

    side, repeats = 2048, 5
    a = torch.rand(side, side)
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - started)
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "matmul_gflops": round(2e-9 * side**3 / min(times), 1),
    }


def table(rows: list[Row]) -> Table:
    result = Table(
        "case", "batch", "peer", "step ms", "ratio", "forward ms", "first step s", "peak MB", "note"
    )
    for row in rows:
        numbers = (row[key] for key in ("step_ms", "ratio", "forward_ms", "first_step_s", "peak_mb"))
        cells = ("–" if number is None else f"{number:,.4g}" for number in numbers)
        result.add_row(row["case"], str(row["batch"]), row["peer"], *cells, row["note"])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", metavar="NAME", help="qcnn-N, hea-NxL or all (default)")
    parser.add_argument("--batch", type=int, help="for every case, instead of its own")
    parser.add_argument("--peer", action="append", choices=PEERS, help="default: all")
    parser.add_argument("--peers-python", default=str(HERE / ".venv" / "bin" / "python"))
    parser.add_argument("--seconds", type=float, default=5.0, help="for repeated steps, then for forwards")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for one peer on one case")
    parser.add_argument("--json", action="store_true", help="one object a line; the machine on stderr")
    options = parser.parse_args()
    names = options.case or ["all"]
    names = [name for given in names for name in (CASES if given == "all" else [given])]
    try:
        cases = [build(name, options.batch) for name in names]
    except ValueError as error:
        parser.error(str(error))

    facts = machine()
    if options.json:
        print(json.dumps(facts), file=sys.stderr)
    rows = []
    for case in cases:
        found = compare(case, options.peer or list(PEERS), options)
        rows += found
        if options.json:
            for row in found:
                print(json.dumps(row), flush=True)
    if not options.json:
        console = Console(width=None if sys.stdout.isatty() else 150)
        console.print(table(rows))
        versions: dict[str, str] = {}
        for row in rows:
            versions |= row["versions"]
        console.print(", ".join(f"{name} {value}" for name, value in (facts | versions).items()))


if __name__ == "__main__":
    main()
