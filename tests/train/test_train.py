"""Training ends in a complete run directory; interrupted and resumed it ends in the same one, to the bit."""

import json

import pytest
import torch

from qcli import QcliError
from qcli.model.checkpoint import load_tensors
from qcli.train.loop import fit, predict
from qcli.train.run import Run, Settings, read_lines
from qcli.train.train import Silent, prepare, resume, train

SMALL = {"wires": "2", "layers": "1"}


def settings(**changes):
    return Settings(**{"epochs": 3, "batch": 64, "lr": 0.05, **changes})


def test_a_run_directory_holds_what_was_asked_and_what_came_out(trained):
    info = json.loads((trained.path / "run.json").read_text())
    assert info["schema"] == "qcli.run/1"
    assert info["model"]["options"] == {"wires": 3, "layers": 2}
    assert (info["data"]["rows"], info["data"]["classes"]) == (360, ["0", "1"])
    assert info["split"]["train"] + info["split"]["validation"] + info["split"]["test"] == 360
    assert info["parameters"] == {"total": 64 * 3 + 3 + 18 + 3 * 2 + 2, "quantum": 18}
    history = read_lines(trained.path / "history.jsonl")
    assert [line["epoch"] for line in history] == [1, 2, 3]
    assert history[-1]["loss"] < history[0]["loss"]
    metrics = json.loads((trained.path / "metrics.json").read_text())
    assert metrics["test_samples"] == 72
    assert [baseline["name"] for baseline in metrics["baselines"]] == ["logistic regression", "MLP"]
    assert metrics["seeds"][0]["accuracy"]["low"] <= metrics["seeds"][0]["accuracy"]["value"] > 0.9


def test_a_trained_run_opens_to_the_model_that_was_measured(trained):
    run = Run.open(trained.path)
    x, y = run.rows("test")
    accuracy = (predict(run.model(), x, 2).argmax(1) == y).double().mean().item()
    metrics = json.loads((trained.path / "metrics.json").read_text())
    assert accuracy == metrics["seeds"][0]["accuracy"]["value"]


class Interrupt(Silent):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, seed, epoch):
        self.seed, self.epoch = seed, epoch

    def on_step(self, seed, epoch, loss):
        if (seed, epoch) == (self.seed, self.epoch):
            raise KeyboardInterrupt


@pytest.mark.parametrize("interrupted_at", [(0, 1), (0, 3), (1, 2)])
def test_interrupted_and_resumed_gives_the_same_run_to_the_bit(tmp_path, interrupted_at):
    def start(name):
        return prepare("vqc", "digits:0,1", None, SMALL, 0.2, settings(seeds=2), tmp_path / name)

    whole = resume(start("whole"))
    broken = start("broken")
    with pytest.raises(KeyboardInterrupt):
        resume(broken, Interrupt(*interrupted_at))
    assert not (broken.path / "model.safetensors").exists()
    resume(Run.open(broken.path))

    a, b = (load_tensors(run.path / "model.safetensors")[0] for run in (whole, broken))
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    def history(run):
        return [{**line, "seconds": 0} for line in read_lines(run.path / "history.jsonl")]

    assert history(whole) == history(broken)
    assert len(history(whole)) == 6


def test_resuming_a_finished_run_changes_nothing(run_copy):
    before = {path.name: path.read_bytes() for path in run_copy.path.iterdir() if path.is_file()}
    resume(Run.open(run_copy.path))
    after = {path.name: path.read_bytes() for path in run_copy.path.iterdir() if path.is_file()}
    assert after == before


def test_several_seeds_report_mean_and_spread_and_keep_the_best_on_validation(tmp_path):
    run = train(
        "vqc", "digits:0,1", options=SMALL, settings=settings(seeds=2, epochs=2), out=tmp_path / "run"
    )
    metrics = json.loads((run.path / "metrics.json").read_text())
    values = [seed["accuracy"]["value"] for seed in metrics["seeds"]]
    assert metrics["summary"]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    assert metrics["summary"]["accuracy"]["sd"] is not None
    best = {}
    for line in read_lines(run.path / "history.jsonl"):
        best[line["seed"]] = min(line["val_loss"], best.get(line["seed"], 9e9))
    assert metrics["chosen_seed"] == min(best, key=best.get)


def test_early_stopping_keeps_the_weights_of_the_best_epoch(tmp_path):
    run = train(
        "vqc",
        "digits:0,1",
        options=SMALL,
        settings=settings(epochs=30, lr=1.5, patience=2),
        out=tmp_path / "run",
    )
    history = read_lines(run.path / "history.jsonl")
    best = min(history, key=lambda line: line["val_loss"])
    assert len(history) == best["epoch"] + 2 < 30
    x, y = run.rows("validation")
    loss = torch.nn.functional.nll_loss(predict(run.model(), x, 2).log(), y).item()
    assert loss == pytest.approx(best["val_loss"], abs=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd"])
def test_every_optimizer_trains(tmp_path, optimizer):
    run = train(
        "vqc",
        "digits:0,1",
        options=SMALL,
        settings=settings(optimizer=optimizer, epochs=4, lr=0.02),
        out=tmp_path / "run",
    )
    first, *_, last = read_lines(run.path / "history.jsonl")
    assert last["loss"] < first["loss"]


def test_bad_input_writes_nothing(tmp_path):
    for model, data in (("qcm", "digits:0,1"), ("vqc", "digits:0,11"), ("vqc", "nowhere.csv")):
        with pytest.raises(QcliError):
            train(model, data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_diverging_training_is_stopped_with_advice(tmp_path):
    class Diverging(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.full((2,), 1e30))

        def forward(self, x):
            return self.weight * 1e30 * torch.tensor([1.0, -1.0]) + x[:, :2]

    rows = (torch.rand(8, 2), torch.tensor([0, 1] * 4))
    with pytest.raises(QcliError) as refusal:
        fit(Diverging(), rows, rows, settings(batch=4), 0, tmp_path / "checkpoint.safetensors", Silent())
    assert "the loss is" in refusal.value.what
    assert "lr" in refusal.value.fix
    assert refusal.value.exit_code == 1
    assert not (tmp_path / "checkpoint.safetensors").exists()
