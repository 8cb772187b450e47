"""Trainings and a whole progression on a real Slurm."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from qcli.cluster.jobs import Resources
from qcli.cluster.log import Log
from qcli.cluster.slurm import Slurm
from qcli.errors import QcliError
from qcli.model.checkpoint import load_tensors
from qcli.progress.run import folder_of
from qcli.progress.stage import STAGES
from qcli.progress.status import status
from qcli.progress.training import LOG, train_as_job
from qcli.train.run import Run, Settings
from qcli.train.train import prepare, resume
from tests.progress.helpers import CONTENT, plan_of

SETTINGS = Settings(epochs=60, patience=60, precision="float64", batch=31)
RUN = "import sys; from qcli.cli.main import run; sys.argv[0] = 'qcli'; run()"


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A training that ran undisturbed, in one process."""
    return resume(new(tmp_path_factory.mktemp("quiet") / "run"))


def new(path, **change):
    return prepare("qcnn", "digits:3,6", None, {"wires": "4"}, 0.2, SETTINGS.model_copy(update=change), path)


def losses(run):
    lines = [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()]
    return torch.tensor([[line["loss"], line["val_loss"]] for line in lines], dtype=torch.float64)


def until(met, seconds=120):
    end = time.monotonic() + seconds
    while not (found := met()):
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)
    return found


def test_two_tasks_have_the_loss_curve_of_one_process(slurm, quiet, tmp_path):
    run = new(tmp_path / "run")
    train_as_job(run, Slurm(run.path / "jobs", Resources(time_s=300, tasks_per_node=2)), poll_s=0.5)
    assert torch.allclose(losses(run), losses(quiet), rtol=0, atol=1e-6)


def test_told_to_stop_it_is_requeued_and_ends_with_the_same_weights_to_the_bit(slurm, quiet, tmp_path):
    run = new(tmp_path / "run")
    command = [sys.executable, "-c", RUN, "train", "--resume", str(run.path), "--executor", "slurm", "--json"]
    command += ["--slurm", "time_s=300"]
    driver = subprocess.Popen(command)
    log = Log(run.path / LOG)
    (job,) = until(lambda: log.events("submitted"))[0]["jobs"]
    until(lambda: (run.path / "history.jsonl").is_file())
    slurm.ask("scancel", "--signal=USR1", job)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["schema"] == "qcli.metrics/1"
    assert len(log.events("submitting")) == 1
    assert "Restarts=1" in slurm.ask("scontrol", "show", "job", job)
    mine, theirs = (load_tensors(each.weights_file)[0] for each in (run, quiet))
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert torch.equal(losses(run), losses(quiet))


def test_a_training_that_fails_says_why_and_is_not_repeated(slurm, tmp_path):
    run = new(tmp_path / "run", lr=1000.0, optimizer="sgd", epochs=1)
    tampered = run.info.model_copy(update={"split": run.info.split.model_copy(update={"sha256": "0" * 64})})
    Run(run.path, tampered).save()
    with pytest.raises(QcliError, match="the split of this run cannot be repeated"):
        train_as_job(run, Slurm(run.path / "jobs", Resources(time_s=300)), poll_s=0.5)
    assert len(Log(run.path / LOG).events("submitting")) == 1


def test_a_progression_with_its_middle_stage_on_slurm(slurm, tmp_path):
    file = tmp_path / "progression.toml"
    out = tmp_path / "p"
    file.write_text(
        "\n".join(
            [
                *(
                    f"{key} = {json.dumps(CONTENT[key])}"
                    for key in ("model", "data", "targets", "inferences", "shots")
                ),
                f'out = "{out}"',
                "options = { wires = 4 }",
                "training = { epochs = 6, lr = 0.05 }",
                "space = { lr = { choice = [0.02, 0.05] } }",
                "laptop = { samples = 60, epochs = 3 }",
                "qpu = { device = 'emulator/garnet' }",
                "[hpc]",
                "executor = 'slurm'",
                "trials = 2\nbest = 1\nseeds = 2\nepochs = 3\nsampler = 'grid'",
                "slurm = { time_s = 300 }",
                "final = { time_s = 300, tasks_per_node = 2 }",
            ]
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN, "progress", "run", str(file)],
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    plan = plan_of(out, hpc={"executor": "slurm", "best": 1})
    assert [folder_of(plan).state(stage) for stage in STAGES] == ["passed"] * 3
    assert status(plan)["stages"][1]["jobs"] == {"done": 5}


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"partition": "gpus"}, ["invalid partition", "debug"]),
        ({"time_s": 86_400}, ["time limit"]),
        ({"nodes": 9}, ["requested"]),
    ],
)
def test_what_the_cluster_does_not_have_is_refused_before_anything_waits(slurm, tmp_path, resources, words):
    run = new(tmp_path / "run", epochs=1)
    with pytest.raises(QcliError) as caught:
        train_as_job(run, Slurm(run.path / "jobs", Resources(**resources)), poll_s=0.5)
    assert all(word in str(caught.value).lower() for word in words), str(caught.value)
    assert caught.value.exit_code == 2
