"""A run directory as train, estimate-cost and validate-on-hardware leave it; the figures are made up."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tests.report.forecast_example import forecasts, foreseen, interval


def scores(accuracy: float, low: float, high: float, ece: float) -> dict[str, Any]:
    return {
        "accuracy": interval(accuracy, low, high),
        "macro_f1": interval(accuracy - 0.001, low, high),
        "ece": interval(ece, ece / 2, 2 * ece),
    }


def run() -> dict[str, Any]:
    return {
        "schema": "qcli.run/1",
        "model": {"name": "qcnn", "path": None, "sha256": "a1" * 32, "options": {"wires": 8, "shared": True}},
        "data": {
            "name": "digits:0,1",
            "target": None,
            "sha256": "b2" * 32,
            "features": 64,
            "classes": ["0", "1"],
            "shape": [8, 8],
            "rows": 360,
        },
        "split": {
            "sha256": "c3" * 32,
            "seed": 0,
            "test_size": 0.2,
            "train": 230,
            "validation": 58,
            "test": 72,
        },
        "training": {
            "epochs": 30,
            "batch": 16,
            "lr": 0.01,
            "optimizer": "adam",
            "seed": 0,
            "seeds": 3,
            "patience": 10,
        },
        "parameters": {"total": 583, "quantum": 63},
        "created": "2026-03-01T10:00:00+00:00",
        "versions": {"qcli": "0.1.0", "python": "3.12.3", "torch": "2.13.0", "pennylane": "0.45.0"},
    }


def history(seeds: int = 3, epochs: int = 30) -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    lines = []
    for seed in range(seeds):
        for epoch in range(1, epochs + 1):
            decay, noise = np.exp(-epoch / (6 + seed)), 0.02 * generator.random(2)
            lines.append(
                {
                    "seed": seed,
                    "epoch": epoch,
                    "loss": 0.08 + 0.6 * decay + noise[0],
                    "accuracy": 0.995 - 0.45 * decay - noise[0] / 2,
                    "val_loss": 0.10 + 0.6 * decay + noise[1],
                    "val_accuracy": 0.985 - 0.45 * decay - noise[1] / 2,
                    "seconds": 1.2,
                    "steps": 15 * epoch,
                }
            )
    return lines


def metrics() -> dict[str, Any]:
    seeds = [
        {"seed": seed, **scores(accuracy, 0.925, 0.998, 0.031), "epochs": 30, "train_s": 36.4}
        | {"iterations_to_epsilon": 120 if seed else None}
        for seed, accuracy in enumerate((0.986, 0.972, 0.958))
    ]
    return {
        "schema": "qcli.metrics/1",
        "seeds": seeds,
        "chosen_seed": 0,
        "summary": {
            "accuracy": {"mean": 0.972, "sd": 0.014},
            "macro_f1": {"mean": 0.971, "sd": 0.014},
            "ece": {"mean": 0.034, "sd": 0.006},
        },
        "baselines": [
            {"name": "logistic regression", "parameters": 130, **scores(1.0, 0.949, 1.0, 0.008)},
            {"name": "MLP", "parameters": 605, **scores(0.987, 0.925, 0.998, 0.012)},
        ],
        "test_samples": 72,
        "interval": "95 %: Wilson for accuracy, percentile bootstrap for macro-F1 and ECE",
        "verdict": "Logistic regression with 130 parameters is at least as accurate as the hybrid model.",
    }


def plan(name: str, tasks: int, fee: str, shot: str, shots: int, inferences: int = 48) -> dict[str, Any]:
    fees, shot_cost = tasks * Decimal(fee), shots * Decimal(shot)
    return {
        "name": name,
        "tasks": tasks,
        "shots": shots,
        "usd": str(fees + shot_cost),
        "usd_per_inference": str((fees + shot_cost) / inferences),
        "lines": [
            {"text": "tasks", "quantity": tasks, "unit_usd": fee, "usd": str(fees)},
            {"text": "shots", "quantity": shots, "unit_usd": shot, "usd": str(shot_cost)},
        ],
    }


def row(device: str, gates: int, layers: int, bills: list[dict[str, Any]], **changed: Any) -> dict[str, Any]:
    cheapest = min(bills, key=lambda bill: Decimal(bill["usd"]))
    return {
        "device": device,
        "status": "online",
        "fits": True,
        "note": "",
        "qubits": 8,
        "two_qubit_gates": gates,
        "depth": layers,
        "plans": bills,
        "cheapest": cheapest["name"],
        "usd_per_inference": cheapest["usd_per_inference"],
        "machine_time_s": {"low": 8.0, "high": 190.0, "basis": "assumed", "source": "a band of ×3 at least"},
        "price": {
            "source": "https://aws.amazon.com/braket/pricing/",
            "verified_on": "2026-02-20",
            "basis": "published",
        },
        "calibration": {"calibrated_on": "2026-02-18", "source": "GetDevice"},
    } | changed


def cliff(name: str, effect: str, usd: str, what: str, fix: str) -> dict[str, str]:
    return {"name": name, "effect": effect, "usd": usd, "what": what, "fix": fix}


def shot_plan(device: str, contrast: float | None, uniform_usd: str, two_stage_usd: str) -> dict[str, Any]:
    two_stage = {"first": 24, "band": 0.45, "unit": "expectation value", "second": 136, "revisited": 0.21}
    return {
        "device": device,
        "samples": 58,
        "max_flips": 0.01,
        "method": "exact binomial",
        "contrast": contrast,
        "asked": {"flip_rate": 0.0004, "usd": "35.93520"},
        "uniform": {"shots": 91, "flip_rate": 0.0081},
        "uniform_usd": uniform_usd,
        "two_stage": {**two_stage, "flip_rate": 0.0079, "expected_shots": 52.56},
        "two_stage_usd": two_stage_usd,
        "flip_rate_at_most": 0.0,
    }


def advice() -> dict[str, Any]:
    """What an estimate of a trained model has beside the bills."""
    points = [
        {"inferences": 20, "usd": "15.14800", "detectable": None},
        {"inferences": 50, "usd": "37.42000", "detectable": 19.69},
        {"inferences": 200, "usd": "149.08000", "detectable": 5.01},
    ]
    return {
        "cliffs": [cliff("classical alternative", "adds", "4.80", "MLP reaches 98.7 %", "compare with it")],
        "unknown": [{"name": "OQC", "what": "no public price found"}],
        "shot_plans": [
            shot_plan("braket/garnet", 0.71, "6.63384", "3.96837"),
            shot_plan("braket/forte-1", None, "363.84", "216.22848"),
        ],
        "compared": {
            "accuracy": 0.973,
            "classes": 2,
            "basis": "71 of 72 test samples right in simulation",
            "available": 72,
        },
        "detect": {
            "points": 5,
            "needed": {"0.80": 201, "0.95": 299},
            "usd": {"braket/garnet": ["150.12240", "222.87760"], "braket/ibex-q1": [None, None]},
        },
        "budget": {
            "usd": "50",
            "devices": [
                {
                    "device": "braket/garnet",
                    "inferences": 371,
                    "shots": 91,
                    "usd": "49.95345",
                    "detectable": 2.7,
                },
                {
                    "device": "braket/forte-1",
                    "inferences": 0,
                    "shots": 91,
                    "usd": "0",
                    "detectable": None,
                },
            ],
        },
        "curves": [
            {"device": "braket/garnet", "points": points},
            {"device": "braket/ankaa-3", "points": points},
        ],
    }


def estimate() -> dict[str, Any]:
    shots = 48 * 512

    def both(shot: str) -> list[dict[str, Any]]:
        return [plan("separate", 48, "0.30", shot, shots), plan("program-sets", 1, "0.30", shot, shots)]

    job = {
        "name": "job",
        "tasks": 1,
        "shots": shots,
        "usd": "17.60",
        "usd_low": "12.80",
        "usd_high": "19.20",
        "remarks": ["IBM's rule of thumb: billed 11 s, 17.60 USD"],
        "usd_per_inference": "0.3666666666666666666666666667",
        "lines": [{"text": "seconds", "quantity": 11, "unit_usd": "1.60", "usd": "17.60"}],
    }
    measured = {"low": 7.1, "high": 10.6, "basis": "measured", "source": "fit to 12 jobs"}
    rows = [
        row(
            "braket/forte-enterprise-1", 52, 131,
            [
                plan("separate", 48, "0.30", "0.08", shots),
                plan("program-sets", 1, "0.30", "0.08", shots) | {"barred": "not confirmed on this device"},
            ],
            cheapest="separate", usd_per_inference="41.26",
            breaches=["max_usd 50.00 USD: found 1,980.48 USD (upper end)"],
            machine_time_s={"low": 2400.0, "high": 21000.0, "basis": "assumed", "source": "gate times"},
        ),
        row(
            "braket/garnet", 74, 96, both("0.00145"),
            queue={"low": 20.0, "high": 1398.0, "what": "single tasks", "basis": "measured", "source": "latency"},
            cliffs=[cliff("one job per circuit", "saves", "14.10", "48 tasks", "submit as program-sets")],
        ),
        row(
            "braket/emerald", 71, 92, both("0.00160"),
            cliffs=[cliff("one job per circuit", "saves", "14.10", "48 tasks", "submit as program-sets")],
        ),
        row("braket/cepheus-1-108q", 80, 118, both("0.000425")),
        row(
            "braket/forte-1", 0, 0, [plan("separate", 48, "0.30", "0.08", shots)],
            note="no calibration known", two_qubit_gates=None, depth=None, calibration=None,
        ),
        row("braket/ankaa-3", 88, 140, [plan("separate", 48, "0.30", "0.0009", shots)], status="retired"),
        row("ibm/boston", 66, 84, [job], machine_time_s=measured),
        row(
            "ibm/phoenix", 0, 0, [job | {"usd": "4.80", "usd_low": "4.80", "usd_per_inference": "0.10"}],
            note="no calibration known", two_qubit_gates=None, depth=None, calibration=None,
        ),
        row("ibm/fez", 67, 88, [job], machine_time_s=measured),
        row(
            "braket/ibex-q1", 0, 0, [plan("separate", 48, "0.30", "0.0235", shots)],
            fits=False, note="9 wires, 8 qubits", two_qubit_gates=None, depth=None, plans=[], cheapest=None,
            usd_per_inference=None, machine_time_s=None, calibration=None,
        ),
    ]  # fmt: skip
    return {
        "schema": "qcli.estimate/1",
        "created": "2026-03-01T10:05:00+00:00",
        "model": "qcnn",
        "run": "qcnn-digits-20260301",
        "inferences": 48,
        "shots": 512,
        "circuits_per_inference": 1,
        "wires": 8,
        "rows": rows,
        **advice(),
    }


def assessment(device: str = "emulator/garnet") -> dict[str, Any]:
    return {
        "schema": "qcli.assessment/1",
        "created": "2026-03-01T10:10:00+00:00",
        "device": device,
        "inferences": 48,
        "shots": 512,
        "seed": 0,
        "calibrated_on": "2026-02-18",
        "simulation": {"accuracy": interval(47 / 48, 0.891, 0.996)},
        "hardware": {"accuracy": interval(45 / 48, 0.832, 0.979)},
        "degradation_points": interval(100 * 2 / 48, -2.1, 10.4),
        "mcnemar_p": 0.625,
        "only_simulation_right": 3,
        "only_device_right": 1,
        "flipped": {"count": 4, "share": 4 / 48},
        "mean_abs_delta_expval": 0.0837,
        "latency_s_per_inference": {
            "compile": 0.0123,
            "execute": 0.0412,
            "postprocess": 0.0004,
            "total": 0.0539,
        },
        "cost": {"usd": "0", "real_device": "braket/garnet", "real_usd": "50.04", "real_plan": "separate"},
        "circuit": {"two_qubit_gates": 74, "depth": 96, "layout": [3, 4, 8, 9, 10, 14, 13, 15]},
        "samples": "samples.csv",
    }


def compared(right: int, flipped: int, delta: float) -> dict[str, Any]:
    """Of 48 samples measured, of which simulation gets 47 right."""
    lost, gained = 47 - right + 1, 1
    return {
        "hardware": {"accuracy": interval(right / 48, right / 48 - 0.11, min(1.0, right / 48 + 0.04))},
        "degradation_points": interval(100 * (47 - right) / 48, -2.1, 14.6),
        "mcnemar_p": 0.375,
        "only_simulation_right": lost,
        "only_device_right": gained,
        "flipped": {"count": flipped, "share": flipped / 48},
        "mean_abs_delta_expval": delta,
    }


def measured(**changed: Any) -> dict[str, Any]:
    """An assessment of a real device, with readout mitigation."""
    plain = assessment("braket/garnet")
    del plain["circuit"]
    return (
        plain
        | compared(46, 3, 0.041)
        | {
            "mitigation": ["readout"],
            "raw": compared(45, 5, 0.123),
            "adaptive": None,
            "calibrations": ["2026-02-18", "2026-02-19"],
            "forecast": {
                "accuracy": interval(0.955, 0.92, 0.985),
                "degradation": interval(0.024, -0.006, 0.059),
                "guess": 0.96,
                "contrast": 0.86,
                "inside": True,
            },
            "canary": {
                "samples": 4,
                "mean_abs_delta_expval": 0.129,
                "low": 0.053,
                "high": 0.204,
                "level": 0.98,
                "passed": True,
            },
            "drop": {
                "mean_squared_error": 0.0192,
                "readout": 0.0096,
                "shot_noise": 0.0024,
                "rest": 0.0072,
                "readout_basis": "measured",
            },
            "latency_s_per_inference": {
                "compile": 0.0103,
                "submit": 0.0041,
                "queue": 2.5,
                "qpu": None,
                "returned": 0.6,
                "postprocess": 0.00002,
                "total": 3.1,
            },
            "cost": paid(),
            "circuit": {"two_qubit_gates": 74, "depth": 96, "layout": [3, 4, 8, 9, 10, 14, 13, 15]},
        }
        | changed
    )


def paid(**changed: Any) -> dict[str, Any]:
    """What 48 inferences of 512 shots and two calibration circuits cost on Garnet, in three tasks."""
    return {
        "usd": "38.0200",
        "usd_open": "0",
        "usd_estimated": "37.7200",
        "usd_per_inference": "0.7920833333333333333333333333",
        "usd_per_correct_inference": "0.8265217391304347826086956522",
        "max_cost": "40",
        "plan": "program-sets",
        "tasks": 3,
        "failed_tasks": 1,
        "circuits": 50,
        "shots": 25600,
        "qpu_s": None,
        "real_device": None,
        "real_usd": None,
        "real_plan": None,
    } | changed


def stages(**changed: Any) -> dict[str, Any]:
    return {
        "first": 24,
        "second": 136,
        "band": 0.45,
        "unit": "expectation value",
        "contrast": 0.71,
        "expected_revisited": 0.21,
        "expected_flips": 0.0079,
        "revisited": 12,
        "mean_shots": 58.0,
    } | changed


def rehearsed_adaptively() -> dict[str, Any]:
    cost = assessment()["cost"] | {"real_usd": "4.00", "uniform_usd": "40.00", "separate_usd": "50.0352"}
    return assessment() | {"adaptive": stages(), "cost": cost, "mitigation": [], "raw": None}


def validation() -> dict[str, Any]:
    """validation.json beside `measured`."""
    return {
        "schema": "qcli.validation/1",
        "device": "braket/garnet",
        "inferences": 48,
        "shots": 512,
        "mitigation": ["readout"],
        "max_flips": None,
        "stages": None,
        "canary": 4,
        "plan": "program-sets",
        "repetition": 2,
        "vendor_compile": False,
        "contracts": {"braket": "on-demand"},
    }


def foreseen_estimate() -> dict[str, Any]:
    """An estimate with a forecast where a calibration is known."""
    content = estimate()
    for number, line in enumerate(content["rows"]):
        known = line["calibration"] is not None
        line["forecast"] = foreseen(line["device"], 0.97 - 0.01 * number) if known else None
    content["rows"][0]["forecast"] |= {
        "accuracy": interval(47 / 48, 0.93, 1.0),
        "degradation": interval(0.0, -0.02, 0.05),
    }
    content["rows"][2]["forecast"]["stand_in"] = "braket/garnet"
    text = "the cheapest device predicted to lose at most 5 points is braket/garnet: 35.94 USD, 1.9 points"
    content["recommendation"] = {"max_degradation": 5.0, "device": "braket/garnet", "text": text}
    return content


def samples(count: int = 48) -> str:
    generator = np.random.default_rng(1)
    lines = ["index,label,simulated,measured,flipped,z_sim_0,z_dev_0,z_sim_1,z_dev_1"]
    for index in range(count):
        label = index % 2
        first = (1 - 2 * label) * (0.25 + 0.6 * generator.random())
        simulated = np.array([first, -first])
        device = 0.8 * simulated + 0.05 * generator.standard_normal(2)
        flipped = index % 12 == 5
        if flipped:
            device = -0.2 * simulated
        measured = 1 - label if flipped else label
        pairs = ",".join(f"{s:.6f},{d:.6f}" for s, d in zip(simulated, device, strict=True))
        lines.append(f"{index},{label},{label},{measured},{flipped},{pairs}")
    return "\n".join(lines) + "\n"


def mitigated_samples() -> str:
    """With the expectation values before mitigation."""
    header, *lines = samples().splitlines()
    columns = header.split(",")
    simulated = [columns.index(f"z_sim_{k}") for k in (0, 1)]
    raw = [",".join(str(0.6 * float(line.split(",")[k])) for k in simulated) for line in lines]
    return "\n".join([f"{header},z_raw_0,z_raw_1", *(f"{a},{b}" for a, b in zip(lines, raw, strict=True))])


def add_measured(run_dir: Path) -> Path:
    """The folder of a real device, added to a run directory."""
    folder = run_dir / "hardware" / "braket-garnet"
    folder.mkdir(parents=True)
    (folder / "assessment.json").write_text(json.dumps(measured()))
    (folder / "validation.json").write_text(json.dumps(validation()))
    (folder / "samples.csv").write_text(mitigated_samples())
    return folder


def write_run(folder: Path) -> Path:
    """A complete run directory below `folder`."""
    run_dir = folder / "qcnn-digits-20260301"
    hardware = run_dir / "hardware" / "emulator-garnet"
    hardware.mkdir(parents=True)
    (run_dir / "estimates").mkdir()
    (run_dir / "forecasts").mkdir()
    (run_dir / "run.json").write_text(json.dumps(run()))
    (run_dir / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history()))
    (run_dir / "metrics.json").write_text(json.dumps(metrics()))
    (run_dir / "estimates" / "20260301-100500.json").write_text(json.dumps(estimate()))
    for found in forecasts()["rows"]:
        if "note" not in found:
            name = found["device"].replace("/", "-")
            (run_dir / "forecasts" / f"{name}.json").write_text(json.dumps(found))
    (hardware / "assessment.json").write_text(json.dumps(assessment()))
    (hardware / "samples.csv").write_text(samples())
    return run_dir
