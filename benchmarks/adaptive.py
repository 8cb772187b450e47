"""Adaptive shots on the emulator against 512 shots for every sample: python benchmarks/adaptive.py [--repeats N].

Three models with 48 and 300 test samples on the emulated Garnet and Fez: the demo's QCNN, whose outputs lie near ±1,
and two variational circuits with thinner margins, of two and of ten classes. A label flips when it is not that of the
exact simulation, so device noise flips labels as well as shots do, in both columns. USD are those of the real device:
the talk's way is one task per sample with 512 shots; IBM bills seconds, and the talk's way there is a job per sample.
"""

import argparse
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import torch

from qcli.assess.inference import infer
from qcli.assess.measured import measure, plan_stages
from qcli.device.catalogue import find
from qcli.execute.emulator import Emulator
from qcli.forecast.accuracy import forecast_run
from qcli.forecast.shots import shots_taken
from qcli.price.plans import cheapest, plans
from qcli.price.record import record as record_calls
from qcli.price.sheet import terms
from qcli.price.submission import charge, packed
from qcli.price.workload import Workload
from qcli.simulate.exact import Exact
from qcli.train.run import Run, Settings
from qcli.train.train import train

SHOTS = 512
DEVICES = ("braket/garnet", "ibm/fez")
SAMPLES = (48, 300)
_TESTED = 300
MODELS: list[tuple[str, str, dict[str, str], Settings]] = [
    ("qcnn", "digits:3,6", {}, Settings(epochs=20, lr=0.02)),
    ("vqc", "digits:3,8", {"wires": "6", "layers": "4"}, Settings(epochs=20, lr=0.05)),
    ("vqc", "digits", {"wires": "6", "layers": "3"}, Settings(epochs=15, lr=0.05)),
]


def usd(device: str, plan: str, circuits: int, shots: int) -> Decimal:
    entry = terms(device)
    groups = packed([shots] * circuits, plan, entry)
    return sum((charge(entry, [shots] * len(group), plan).usd for group in groups), Decimal(0))


def compare(run: Run, device: str, samples: int, repeats: int) -> dict[str, Any]:
    """Flips and USD of both ways, over `repeats` seeds of the emulator."""
    record, model = find(device), run.model()
    x, y = run.rows("test", samples)
    classes = len(run.info.data.classes)
    exact = infer(model, x, classes, Exact("auto", torch.float64), 64)
    seen = forecast_run(run, record, min(samples, 48), SHOTS, record.calibrated_on, days=8)
    stages = plan_stages(model, x, classes, SHOTS, None, seen.contrast, shots_taken(record))
    flips: dict[str, list[float]] = {"uniform": [], "adaptive": []}
    accuracy: dict[str, list[float]] = {"uniform": [], "adaptive": []}
    spent, revisited = [], []
    per_sample = sum(each.count for call in record_calls(model, x[:1]) for each in call.circuits)
    circuits = samples * per_sample
    plan = cheapest(plans(Workload.uniform(samples, samples * per_sample, SHOTS), terms(device)))
    assert plan is not None
    for seed in range(repeats):
        for name, own in (("uniform", None), ("adaptive", stages)):
            found = measure(model, x, classes, Emulator(record, SHOTS, seed), SHOTS, stages=own)
            flips[name].append(float((found.final.labels != exact.labels).mean()))
            accuracy[name].append(float((found.final.labels == y.numpy()).mean()))
        assert found.revisited is not None
        again = int(found.revisited.mask.sum())
        revisited.append(again / samples)
        more = usd(device, plan.name, again * per_sample, stages.second) if again else Decimal(0)
        spent.append(usd(device, plan.name, circuits, stages.first) + more)
    talk, uniform = usd(device, "separate", circuits, SHOTS), usd(device, plan.name, circuits, SHOTS)
    mean = sum(spent, Decimal(0)) / len(spent)
    return {
        "model": run.info.model.name,
        "data": run.info.data.name,
        "device": device,
        "samples": samples,
        "stages": f"{stages.first} + {stages.second}",
        "revisited": float(np.mean(revisited)),
        "flips_uniform": float(np.mean(flips["uniform"])),
        "flips_adaptive": float(np.mean(flips["adaptive"])),
        "accuracy_uniform": float(np.mean(accuracy["uniform"])),
        "accuracy_adaptive": float(np.mean(accuracy["adaptive"])),
        "usd_adaptive": f"{mean:.2f}",
        "usd_uniform": f"{uniform:.2f}",
        "usd_talk": f"{talk:.2f}",
        "share_of_talk": float(mean / talk),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=10, help="seeds of the emulator")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    started, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for number, (model, data, options, settings) in enumerate(MODELS):
            out = Path(folder) / str(number)
            run = train(model, data, options=options, test_size=_TESTED, settings=settings, out=out)
            for device in DEVICES:
                for samples in SAMPLES:
                    rows.append(compare(run, device, samples, asked.repeats))
                    if not asked.json:
                        print(line(rows[-1]), flush=True)
    if asked.json:
        seconds = round(time.perf_counter() - started, 1)
        print(json.dumps({"repeats": asked.repeats, "rows": rows, "seconds": seconds}, indent=1))


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['model']:5} {row['data']:11} {row['device']:14} {row['samples']:4}  {row['stages']:>12} shots, "
        f"{row['revisited']:6.1%} revisited  flips {row['flips_uniform']:6.2%} → {row['flips_adaptive']:6.2%}  "
        f"USD {row['usd_talk']:>8} talk, {row['usd_uniform']:>8} uniform, {row['usd_adaptive']:>7} adaptive "
        f"({row['share_of_talk']:.1%} of talk)"
    )


if __name__ == "__main__":
    main()
