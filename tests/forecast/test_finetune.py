"""Fine-tuning under a device's noise: the stand-in is faithful, the weights kept are the better ones, to the bit."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qcli import QcliError, QuantumLayer
from qcli.assess.statistics import paired_difference
from qcli.device.catalogue import find
from qcli.forecast.attenuated import Affine, Attenuated, affine, fits
from qcli.forecast.executor import Circuits
from qcli.forecast.finetune import _verdict, check, emulated, fine_tune, to_expect
from qcli.forecast.regained import Change, Gain, Predictions, gain
from qcli.model.checkpoint import load_tensors
from qcli.simulate.exact import Exact, Sampled
from qcli.simulate.executor import Observed, using
from qcli.train.loop import predict
from qcli.train.run import Noise, Run, read_lines
from qcli.train.train import Silent, resume

EXACT = Exact("cpu", torch.float64)


def call(circuit, rows=4, features=2):
    """A program with angles `(rows, angles)` of random inputs."""
    layer = QuantumLayer(circuit)
    with using(observed := Observed(EXACT)), torch.no_grad():
        layer(torch.rand(rows, features, generator=torch.manual_seed(1), dtype=torch.float64))
    program, angles, _ = observed.calls[0]
    return program, angles


def rotations(inputs):
    qml.AngleEmbedding(inputs, wires=range(2), rotation="Y")
    qml.CNOT([0, 1])


def words(inputs):
    rotations(inputs)
    return [qml.expval(qml.Z(0)), qml.expval(qml.X(0) @ qml.X(1))]


def energy(inputs):
    rotations(inputs)
    return qml.expval(0.5 + 2.0 * qml.Z(0) - 1.5 * qml.Z(0) @ qml.Z(1))


def distribution(inputs):
    rotations(inputs)
    return qml.probs(wires=range(2))


def unchanged(program):
    return {program.key: Affine(np.ones(program.outputs), np.zeros(program.outputs), 0.0, 0.0, 1.0)}


slope = st.floats(-1.5, 1.5)


@given(st.lists(st.tuples(slope, slope), min_size=1, max_size=4), st.integers(3, 40))
def test_the_fit_recovers_attenuation_and_shift_of_every_column(known, rows):
    a, b = np.array(known).T
    exact = np.random.default_rng(0).uniform(-1, 1, (rows, len(a)))
    found = affine(exact, a * exact + b)
    np.testing.assert_allclose([found.a, found.b], [a, b], atol=1e-9)
    assert found.residual < 1e-9


def test_the_fit_says_what_it_leaves_unexplained():
    exact = np.linspace(-1, 1, 101)[:, None]
    found = affine(exact, 0.5 * exact + 0.1 * (exact**2 - (exact**2).mean()))
    assert found.a == pytest.approx(0.5)
    assert found.residual == pytest.approx(0.1 * (exact**2).std())
    assert found.r2 == pytest.approx(1 - found.residual**2 / (0.25 * exact.var() + found.residual**2))


def test_a_column_that_does_not_vary_is_only_shifted():
    found = affine(np.full((5, 1), 0.8), np.full((5, 1), 0.6))
    assert (found.a.item(), found.b.item(), found.residual) == (1.0, pytest.approx(-0.2), pytest.approx(0.0))


@pytest.mark.parametrize("circuit", [words, distribution])
def test_shot_noise_has_the_variance_of_sampling(circuit):
    program, angles = call(circuit)
    torch.manual_seed(0)
    many = angles.repeat_interleave(2000, dim=0)
    drawn = Attenuated(EXACT, 100, unchanged(program)).run(program, many)
    counted = Sampled(100, 0, "cpu", torch.float64).run(program, many)
    for found in (drawn, counted):
        mean = found.reshape(4, 2000, -1).mean(dim=1)
        torch.testing.assert_close(mean, EXACT.run(program, angles), atol=0.01, rtol=0)
    sd, expected = (found.reshape(4, 2000, -1).std(dim=1) for found in (drawn, counted))
    torch.testing.assert_close(sd, expected, atol=2e-4, rtol=0.08)


def test_shot_noise_of_a_sum_of_words_is_not_underestimated():
    program, angles = call(energy)
    torch.manual_seed(0)
    many = angles.repeat_interleave(2000, dim=0)
    drawn = Attenuated(EXACT, 100, unchanged(program)).run(program, many)
    counted = Sampled(100, 0, "cpu", torch.float64).run(program, many)
    sd, least = (found.reshape(4, 2000).std(dim=1) for found in (drawn, counted))
    assert (sd > 0.93 * least).all() and (sd < 3.5 / 10 * 1.07).all()


@pytest.mark.parametrize("circuit", [words, energy, distribution])
def test_the_gradient_is_that_of_the_outputs_with_their_noise(circuit):
    program, angles = call(circuit)
    columns = np.arange(program.outputs)
    fit = Affine(0.5 - 0.1 * columns, 0.05 + 0.02 * columns, 0.0, 0.0, 1.0)
    noisy = Attenuated(EXACT, 50, {program.key: fit})

    def outputs(values):
        torch.manual_seed(3)
        return noisy.run(program, values)

    assert torch.autograd.gradcheck(outputs, angles.requires_grad_(), eps=1e-6, atol=1e-6)


def test_attenuation_and_shift_stand_for_the_device_on_samples_they_were_not_fitted_to(trained):
    model, (x, _) = trained.model(), trained.rows("test")
    device = to_expect(Circuits(find("emulator/garnet")))
    (fit,) = fits(model, trained.rows("train", 32)[0], 2, device).values()
    with using(observed := Observed(EXACT)):
        predict(model, x, 2)
    program, angles, exact = observed.calls[0]
    there, exact = device.run(program, angles.double()).numpy(), exact.double().numpy()
    left = np.sqrt(((there - fit.a * exact - fit.b) ** 2).mean())
    moved = np.sqrt(((there - exact) ** 2).mean())
    assert left < 0.1 * moved
    assert (fit.a > 0.5).all() and (fit.a < 1.0).all()


def test_calls_of_one_circuit_share_a_fit():
    layer = QuantumLayer(words)
    twice = torch.nn.Sequential(layer, layer)
    found = fits(twice, torch.rand(6, 2, generator=torch.manual_seed(0)), 2, EXACT)
    assert len(found) == 1


def noisy(run, **noise):
    info = run.info.model_copy(update={"noise": Noise(**{"device": "emulator/garnet", "epochs": 2, **noise})})
    return replace(run, info=info)


def tuned(run, listener=None):
    run.save()
    return resume(run, None, lambda seed, weights: fine_tune(run, listener or Silent(), seed, weights))


def files(run):
    return {
        str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()
    }


class InterruptSecondEpoch(Silent):
    """Ctrl-C in the second epoch that takes steps under noise: the first two are without."""

    epochs = 0

    def on_epoch(self, epoch):
        self.epochs += 1

    def on_step(self, seed, epoch, loss):
        if self.epochs == 3:
            raise KeyboardInterrupt


def test_interrupted_and_resumed_it_ends_with_the_same_weights_to_the_bit(trained, tmp_path):
    whole, broken = (
        noisy(Run.open(shutil.copytree(trained.path, tmp_path / name))) for name in ("whole", "broken")
    )
    tuned(whole)
    before = files(broken)["model.safetensors"]
    with pytest.raises(KeyboardInterrupt):
        tuned(broken, InterruptSecondEpoch())
    assert files(broken)["model.safetensors"] == before
    tuned(Run.open(broken.path))
    for name in ("model", "weights/as-trained", "weights/trained-longer", "weights/noise-aware"):
        assert files(whole)[f"{name}.safetensors"] == files(broken)[f"{name}.safetensors"]
    assert files(whole)["metrics.json"] == files(broken)["metrics.json"]

    section = json.loads(files(whole)["metrics.json"])["noise_aware"]
    losses = {each["name"]: each["validation_loss"] for each in section["weights"]}
    assert section["kept"] == min(losses, key=losses.get)
    kept = load_tensors(whole.path / "weights" / f"{section['kept'].replace(' ', '-')}.safetensors")[0]
    model = load_tensors(whole.weights_file)[0]
    assert all(torch.equal(model[name], kept[name]) for name in kept)
    assert losses["noise-aware"] < losses["as trained"]
    assert read_lines(whole.path / "history.jsonl") == read_lines(trained.path / "history.jsonl")


def test_weights_are_only_replaced_by_better_ones(run_copy, monkeypatch):
    monkeypatch.setattr("qcli.forecast.finetune._SLOWER", 1000.0)
    before = load_tensors(run_copy.weights_file)[0]
    run = tuned(noisy(run_copy, epochs=1))
    section = json.loads((run.path / "metrics.json").read_text())["noise_aware"]
    assert section["kept"] == "as trained" and "regains nothing" in section["verdict"]
    after = load_tensors(run.weights_file)[0]
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_predictions_have_accuracy_loss_and_margin_over_repetitions():
    p = np.array([[[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], [[0.3, 0.6, 0.1], [0.1, 0.8, 0.1]]])
    found = Predictions(list(p), np.array([0, 1]))
    assert found.right.tolist() == [0.5, 0.5]
    assert found.losses == pytest.approx([-(np.log(0.7) + np.log(0.3)) / 2, -(np.log(0.3) + np.log(0.8)) / 2])
    assert found.margins == pytest.approx([(0.5 - 0.3) / 2, (-0.2 + 0.7) / 2])


def certain(right):
    """Predictions that are right or wrong without doubt, `(samples,)`."""
    chance = np.where(right, 0.9, 0.1)
    return Predictions([np.stack([chance, 1 - chance], axis=1)], np.zeros(len(right), dtype=int))


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60))
def test_the_interval_of_gained_accuracy_is_that_of_a_paired_comparison(pairs):
    before, after = np.array(pairs).T
    found, known = gain(certain(before), certain(after)).accuracy, paired_difference(after, before)
    np.testing.assert_allclose(
        [found.value, found.low, found.high], [known.value, known.low, known.high], atol=1e-12
    )


def test_gained_loss_is_paired_over_samples():
    generator = np.random.default_rng(0)
    sure = generator.uniform(0.05, 0.9, 60)
    y = np.zeros(60, dtype=int)
    before, after = (Predictions([np.stack([p, 1 - p], axis=1)], y) for p in (sure, sure * 1.1))
    found = gain(before, after).loss
    assert [found.low, found.value, found.high] == pytest.approx(3 * [-np.log(1.1)])


@pytest.mark.parametrize(
    ("kept", "accuracy", "loss", "verdict"),
    [
        ("trained longer", 0.1, -0.1, "regains nothing"),
        ("noise-aware", 0.1, -0.1, "regains accuracy"),
        ("noise-aware", -0.1, -0.1, "lowers the loss on emulator/garnet; it is not shown to regain accuracy"),
        ("noise-aware", -0.1, 0.1, "not shown to regain anything"),
    ],
)
def test_the_verdict_claims_what_the_intervals_show(kept, accuracy, loss, verdict):
    found = Gain(Change(accuracy, accuracy - 0.01, accuracy + 0.01), Change(loss, loss - 0.01, loss + 0.01))
    assert verdict in _verdict("emulator/garnet", kept, found)


@pytest.mark.parametrize(
    ("device", "what", "fix"),
    [
        ("emulator/garnt", "no device", "garnet"),
        ("braket/garnet", "real IQM Garnet", "--noise emulator/garnet"),
        ("sim", "no device", "choose one of"),
    ],
)
def test_only_emulated_devices_have_noise_to_train_under(device, what, fix):
    with pytest.raises(QcliError) as refusal:
        emulated(device)
    assert what in refusal.value.what and fix in refusal.value.fix


def test_shots_that_the_device_does_not_take_are_refused(trained):
    with pytest.raises(QcliError, match="shots"):
        check(noisy(trained, device="emulator/forte-enterprise-1", shots=50))
