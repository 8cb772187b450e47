"""validate-on-hardware: the same samples through simulation and device, and every figure from the per-sample table."""

import json

import numpy as np
import pandas as pd
import pytest

from qcli import QcliError
from qcli.assess.validate import validate_on_hardware
from qcli.price.ledger import read


def test_simulation_against_itself_loses_nothing(run_copy):
    assessment = validate_on_hardware(run_copy, "sim", inferences=20)
    assert assessment["degradation_points"]["value"] == 0.0
    assert assessment["flipped"] == {"count": 0, "share": 0.0}
    assert assessment["mean_abs_delta_expval"] == 0.0
    assert assessment["mcnemar_p"] == 1.0


@pytest.mark.parametrize("device", ["sampled", "emulator/cepheus-1-108q", "emulator/fez"])
def test_the_assessment_follows_from_the_per_sample_table(run_copy, device):
    seen = []
    assessment = validate_on_hardware(
        run_copy,
        device,
        inferences=24,
        shots=64,
        seed=2,
        on_samples=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (24, 24)
    folder = run_copy.path / "hardware" / device.replace("/", "-")
    assert json.loads((folder / "assessment.json").read_text()) == json.loads(json.dumps(assessment))
    table = pd.read_csv(folder / "samples.csv", dtype={"label": str, "simulated": str, "measured": str})
    assert table["index"].tolist() == run_copy.split.test[:24].tolist()
    simulated, measured = (table[column] == table["label"] for column in ("simulated", "measured"))
    assert assessment["simulation"]["accuracy"]["value"] == simulated.mean()
    assert assessment["hardware"]["accuracy"]["value"] == measured.mean()
    assert assessment["degradation_points"]["value"] == pytest.approx(
        100 * (simulated.mean() - measured.mean())
    )
    assert assessment["flipped"]["count"] == int((table["simulated"] != table["measured"]).sum())
    z_sim, z_dev = (table.filter(like=prefix).to_numpy() for prefix in ("z_sim", "z_dev"))
    assert z_sim.shape == (24, 3)
    assert assessment["mean_abs_delta_expval"] == pytest.approx(np.abs(z_sim - z_dev).mean())
    assert 0 < assessment["mean_abs_delta_expval"] < 0.5


def test_latency_is_split_and_adds_up(run_copy):
    latency = validate_on_hardware(run_copy, "emulator/garnet", inferences=8, shots=50)[
        "latency_s_per_inference"
    ]
    assert latency["compile"] > 0 and latency["execute"] > 0 and latency["postprocess"] > 0
    assert latency["compile"] + latency["execute"] + latency["postprocess"] == pytest.approx(latency["total"])


def test_a_rehearsal_is_free_and_says_what_the_device_would_cost(run_copy):
    assessment = validate_on_hardware(run_copy, "emulator/garnet", inferences=48, shots=512)
    assert assessment["cost"] == {
        "usd": "0", "real_device": "braket/garnet", "real_usd": "35.93520", "real_plan": "program-sets",
    }  # fmt: skip
    assert assessment["calibrated_on"] == "2026-05-05"
    assert assessment["circuit"]["two_qubit_gates"] > 0


def test_a_rehearsal_adds_a_free_line_to_the_ledger_as_many_circuits_as_foreseen(
    run_copy, tmp_path, monkeypatch
):
    monkeypatch.setenv("QCLI_HOME", str(tmp_path / "home"))
    validate_on_hardware(run_copy, "emulator/garnet", inferences=10, shots=60)
    (entry,) = read().entries
    assert (entry.run, entry.model, entry.device) == (str(run_copy.path), "vqc", "emulator/garnet")
    assert (entry.plan, entry.inferences) == (None, 10)
    assert (entry.estimate.tasks, entry.estimate.shots) == (10, 600)
    assert (entry.actual.tasks, entry.actual.shots) == (10, 600)
    assert entry.estimate.usd == entry.estimate.usd_high == entry.actual.usd == 0
    validate_on_hardware(run_copy, "sampled", inferences=10, shots=60)
    assert len(read().entries) == 1, "a simulation is no run on a device"


def test_the_same_seed_gives_the_same_samples(run_copy):
    first, again, other = (
        validate_on_hardware(run_copy, "emulator/garnet", inferences=10, shots=50, seed=seed) and
        (run_copy.path / "hardware" / "emulator-garnet" / "samples.csv").read_bytes()
        for seed in (1, 1, 2)
    )  # fmt: skip
    assert first == again != other


@pytest.mark.parametrize("inferences", [0, 73])
def test_more_inferences_than_test_samples_are_refused(run_copy, inferences):
    with pytest.raises(QcliError) as refusal:
        validate_on_hardware(run_copy, "sim", inferences=inferences)
    assert "choose 1 to 72" in refusal.value.fix
