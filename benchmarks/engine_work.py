"""How much the cpu engine computes, how near it comes to the machine's limit, and how its time grows.

python benchmarks/engine_work.py            arithmetic rate of each case of engine.py beside a matrix product's
python benchmarks/engine_work.py --plot F   time of a step against wires, batch and depth, drawn to F (SVG or PNG)
python benchmarks/engine_work.py --choices  what each choice of docs/engine.md brings, by leaving it out
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engine import CASES, build, machine
from peers import circuit as neutral
from rich.console import Console
from rich.table import Table

from qcli import QuantumLayer
from qcli.circuit.program import Program
from qcli.simulate import cpu, fuse, schedule, tables

FORWARD = {tables.QUAD: 64, tables.PAIR: 32, tables.GROW: 16, tables.EXCHANGE: 0, tables.FILL: 0}
"""Multiply-adds for four amplitudes in the forward sweep."""
BACKWARD = {tables.QUAD: 184, tables.PAIR: 92, tables.GROW: 60, tables.EXCHANGE: 0, tables.FILL: 0}
"""The same in the reverse sweep: ψ, λ and their overlaps."""


def program_of(case: neutral.Circuit) -> tuple[QuantumLayer, Program]:
    import pennylane as qml
    from peers import pennylane_circuit

    def function(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
        pennylane_circuit.apply(case, [inputs[..., i] for i in range(case.wires)], weights)
        return qml.expval(pennylane_circuit.observable(case))

    layer = QuantumLayer(function, {"weights": case.weights})
    return layer, layer.program(case.wires)


def operations(plan: schedule.Schedule, batch: int) -> tuple[float, float]:
    """Floating-point operations of the sweeps, forward and backward, of a batch; matrices are not counted."""
    made = plan.tables
    tiles = np.diff(made.stages[:, tables.TILES])
    of_stage = np.repeat(np.arange(len(tiles)), np.diff(made.stages[:, tables.OPS]))
    lanes = len(made.start)
    groups = batch if plan.lane_wires else -(-batch // lanes)
    totals = []
    for cost in (FORWARD, BACKWARD):
        rows = [
            cost[int(op[tables.KIND])] / 4 * 2.0 ** op[tables.SIZE] * tiles[stage]
            for op, stage in zip(made.ops, of_stage, strict=True)
        ]
        totals.append(2.0 * sum(rows) * lanes * groups)
    return totals[0], totals[1]


def milliseconds(call: Callable[[], Any], seconds: float = 1.0) -> float:
    """Median of repeated calls, the first left out."""
    call()
    times: list[float] = []
    stop = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < stop:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def sweeps(case: neutral.Circuit) -> tuple[cpu._Run, Callable[[], Any], Callable[[], Any]]:
    """The engine's run of a case with its forward pass, and its forward and backward pass together."""
    layer, program = program_of(case)
    run = cpu.CpuEngine()._run(program, torch.float32, case.batch)
    x, _, _ = case.data()
    with torch.no_grad():
        angles = program.angle_map(torch.as_tensor(x, dtype=torch.float32), layer.flat_weights()).numpy()
    ones = np.ones((case.batch, 1), np.float32)

    def both() -> None:
        _, kept = run.forward(angles, True)
        assert kept is not None
        run.backward(kept, ones)

    return run, lambda: run.forward(angles, False), both


def rates() -> Table:
    facts = machine()
    limit = facts["matmul_gflops"]
    title = f"{facts['cpu']}, {facts['cores']} cores, float32 matrix product {limit:g} GFLOP/s"
    table = Table("case", "batch", "MFLOP", "engine ms", "GFLOP/s", "of the matrix product", title=title)
    for name, batch in CASES.items():
        run, _, both = sweeps(build(name, batch))
        work = sum(operations(run.schedule, batch))
        took = milliseconds(both)
        rate = work / took / 1e6
        cells = (f"{work / 1e6:,.1f}", f"{took:,.3f}", f"{rate:.0f}", f"{rate / limit:.0%}")
        table.add_row(name, str(batch), *cells)
    return table


@contextmanager
def set_to(module: Any, **values: Any) -> Iterator[None]:
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def dense(program: Program, fused: fuse.Fused) -> fuse.Fused:
    """Every block as a general 4×4 matrix."""
    return replace(fused, blocks=tuple(replace(block, control=None) for block in fused.blocks))


def early(order: Callable[..., Any]) -> Callable[..., Any]:
    """All wires in the state from the beginning."""

    def grown(fused: fuse.Fused, lanes: int) -> Iterator[Any]:
        operations = list(order(fused, lanes))
        growth = [o for o in operations if o.kind in (tables.GROW, tables.FILL)]
        yield from growth
        yield from (o for o in operations if o.kind not in (tables.GROW, tables.FILL))

    return grown


def choices() -> Table:
    table = Table("case", "left out or changed", "engine ms", "ratio to the default")
    plain = cpu.fuse
    wide = {"hea-9x6": 64, "hea-10x6": 64, "hea-11x6": 64, "hea-12x6": 64, "hea-13x6": 64, "hea-14x4": 16}
    for name, batch in (*list(CASES.items())[:2], ("hea-16x4", 16)):
        case = build(name, batch)
        default = milliseconds(sweeps(case)[2])
        table.add_row(name, "–", f"{default:.3f}", "1.00")
        variants = {
            "blocks with a control as dense blocks": (cpu, {"fuse": lambda p: dense(p, plain(p))}),
            "wires grown late": (schedule, {"_growing": early(schedule._growing)}),
        }
        if name == "hea-16x4":
            variants |= {
                f"tiles of 2^{bits} rows": (schedule, {"TILE_BITS": bits}) for bits in (6, 8, 10, 12, 14)
            }
        for label, (module, values) in variants.items():
            with set_to(module, **values):
                took = milliseconds(sweeps(case)[2])
            table.add_row(name, label, f"{took:.3f}", f"{took / default:.2f}")
    for name, batch in wide.items():
        case = build(name, batch)
        with set_to(cpu, lanes_are_wires=lambda *_: False):
            samples = milliseconds(sweeps(case)[2])
        with set_to(cpu, lanes_are_wires=lambda *_: True):
            amplitudes = milliseconds(sweeps(case)[2])
        ratio = f"{amplitudes / samples:.2f} (lanes of amplitudes {amplitudes:.2f})"
        table.add_row(name, f"lanes of samples, batch {batch}", f"{samples:.2f}", ratio)
    return table


def plot(path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = {
        "wires (hardware-efficient, 4 layers, batch 16)": [
            (n, build(f"hea-{n}x4", 16)) for n in range(3, 19)
        ],
        "batch (8 wires, 6 layers)": [(2**k, build("hea-8x6", 2**k)) for k in range(13)],
        "layers (8 wires, batch 64)": [(d, build(f"hea-8x{d}", 64)) for d in (1, 2, 4, 8, 16, 32, 64)],
    }
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    for axis, (label, cases) in zip(axes, lines.items(), strict=True):
        sizes = [size for size, _ in cases]
        forward, step = [], []
        for _, case in cases:
            _, only, both = sweeps(case)
            forward.append(milliseconds(only, 0.3))
            step.append(milliseconds(both, 0.3))
        axis.plot(sizes, step, "o-", label="forward and backward")
        axis.plot(sizes, forward, "s--", label="forward")
        axis.set(xlabel=label, yscale="log")
        if "wires (" not in label:
            axis.set_xscale("log", base=2)
        axis.grid(True, which="both", alpha=0.3)
    axes[0].set_ylabel("milliseconds")
    axes[0].legend()
    facts = machine()
    figure.suptitle(f"qcli's cpu engine, float32, {facts['cpu']}, {facts['cores']} cores", fontsize=10)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--choices", action="store_true")
    options = parser.parse_args()
    if options.plot:
        plot(options.plot)
    else:
        Console(width=130).print(choices() if options.choices else rates())


if __name__ == "__main__":
    main()
