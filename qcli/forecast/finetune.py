"""Noise-aware training: a trained run fine-tuned under the noise of the device to be expected, and what that regains.

More training helps by itself. So the same epochs are trained without noise, too, and three sets of weights are compared
on the emulator; what noise-awareness regains is the difference of the last two.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from qcli.device.catalogue import find
from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.attenuated import Attenuated, fits
from qcli.forecast.executor import Noisy
from qcli.forecast.figures import expected
from qcli.forecast.optimism import optimism
from qcli.forecast.regained import INTERVAL, Gain, Outcome, Predictions, gain
from qcli.forecast.scenarios import usual
from qcli.forecast.shots import check_shots
from qcli.model.checkpoint import load_weights, save_tensors
from qcli.noise.prepared import Circuits
from qcli.simulate.engine import precision_named
from qcli.simulate.exact import Exact
from qcli.simulate.executor import Executor, using
from qcli.train.loop import Listener, fit, predict
from qcli.train.run import Noise, Run
from qcli.train.train import Weights

AS_TRAINED, LONGER, AWARE = "as trained", "trained longer", "noise-aware"

_SLOWER = 0.2
"""Learning rate of the fine-tuning, of the training's."""
_FITTED = 32
"""Training samples that attenuation and shift are fitted to, anew after every epoch."""
_DRAWS = 8
"""Draws of the shot noise over which an epoch's validation loss is averaged."""
_REPETITIONS = 32
_MOST = 256
"""Test samples, and as many validation samples, that are compared on the emulator."""


def emulated(name: str) -> Device:
    """The device behind `emulator/garnet`.

    Raises:
        QcliError: unknown, or a name of the device itself.
    """
    device = find(name)
    if not name.strip().lower().startswith("emulator/"):
        raise QcliError(
            f"nothing is trained on the real {device.full_name}, only under its emulated noise",
            f"--noise {name}",
            f"--noise {device.emulator}",
        )
    return device


def check(run: Run) -> None:
    """Run the model, untrained, under the noise that it is to be fine-tuned for, before training takes its time.

    Raises:
        QcliError: the device is unknown or a real one, does not take so many shots, or a circuit does not fit it.
    """
    noise = _noise(run)
    device, model = emulated(noise.device), run.new_model(run.info.training.seed)
    check_shots(noise.shots, device)
    x, _ = run.rows("test", _MOST)
    with using(to_expect(Circuits(device))):
        predict(model, x, len(run.info.data.classes))


def fine_tune(run: Run, listener: Listener, seed: int, weights: Weights) -> tuple[Weights, dict[str, Any]]:
    """Fine-tune trained weights under the run's noise; the best weights, and a section for metrics.json.

    The best have the lowest cross-entropy of the validation samples on the emulator. All are written to weights/ in the
    run directory. A fine-tuning that was interrupted goes on after its last finished epoch, and ends with the same
    weights, to the bit.

    Raises:
        QcliError: as `check`; the loss is no longer finite, or a checkpoint is damaged.
    """
    noise, training, classes = _noise(run), run.info.training, len(run.info.data.classes)
    device, x = emulated(noise.device), run.rows("train", _FITTED)[0]
    model = run.new_model(seed)
    exact = Exact(training.engine, precision_named(training.precision))
    attenuated = Attenuated(exact, noise.shots)

    def refit() -> None:
        attenuated.fits = fits(model, x, classes, to_expect(Circuits(device)))

    def tuned(executor: Executor, name: str, on_weights: Callable[[], None]) -> Weights:
        load_weights(model, weights, run.weights_file)
        settings = training.model_copy(update={"epochs": noise.epochs, "lr": _SLOWER * training.lr})
        rows, labels = run.rows("validation")
        validation = rows.repeat(_DRAWS, 1), labels.repeat(_DRAWS)
        checkpoint = run.path / "checkpoints" / f"seed-{seed}-{name}-{noise.epochs}.safetensors"
        with using(executor):
            return fit(
                model, run.stream("train"), validation, settings, seed, checkpoint, listener, on_weights
            )[0]

    trust = optimism(device.vendor)
    under = f"{device.name}-{device.calibrated_on}-x{trust.gates:g}-x{trust.readout:g}-{noise.shots}"
    candidates = {
        AS_TRAINED: weights,
        LONGER: tuned(exact, "longer", lambda: None),
        AWARE: tuned(attenuated, under, refit),
    }
    outcomes = {}
    for name, tensors in candidates.items():
        path = run.path / "weights" / f"{name.replace(' ', '-')}.safetensors"
        save_tensors(path, tensors, {"seed": seed, "model": run.info.model.name})
        load_weights(model, tensors, path)
        outcomes[name] = _outcome(run, model, device, noise.shots, seed)
    kept = min(outcomes, key=lambda name: outcomes[name].validation_loss)
    gains = {name: gain(outcomes[name].device, outcomes[AWARE].device, seed) for name in (AS_TRAINED, LONGER)}
    section = {
        "device": device.emulator,
        "calibrated_on": device.calibrated_on.isoformat(),
        "error_factors": {"gates": trust.gates, "readout": trust.readout},
        "shots": noise.shots,
        "epochs": noise.epochs,
        "test_samples": min(_MOST, run.info.split.test),
        "weights": [{"name": name, **outcome.to_json()} for name, outcome in outcomes.items()],
        "kept": kept,
        "gain_over": {name: each.to_json() for name, each in gains.items()},
        "interval": INTERVAL,
        "verdict": _verdict(device.emulator, kept, gains[LONGER]),
    }
    return candidates[kept], {"noise_aware": section}


def to_expect(circuits: Circuits, shots: int | None = None, seed: int = 0) -> Noisy:
    """The device as a forecast expects it, not as its calibration shows it."""
    strength = usual(optimism(circuits.device.vendor))
    return Noisy(circuits, strength, expected(circuits.device), shots, seed)


def _noise(run: Run) -> Noise:
    if run.info.noise is None:
        raise QcliError(
            "the run names no noise", str(run.path), "qcli train --resume RUN --noise emulator/garnet"
        )
    return run.info.noise


def _outcome(run: Run, model: nn.Module, device: Device, shots: int, seed: int) -> Outcome:
    classes, circuits = len(run.info.data.classes), Circuits(device)
    sampled = to_expect(circuits, shots, seed)

    def predictions(executor: Executor, part: str, times: int) -> Predictions:
        x, y = run.rows(part, _MOST)
        with using(executor):
            return Predictions([predict(model, x, classes).numpy() for _ in range(times)], y.numpy())

    return Outcome(
        simulation=predictions(Exact("auto", torch.float64), "test", 1),
        device=predictions(sampled, "test", _REPETITIONS),
        validation_loss=float(predictions(sampled, "validation", _REPETITIONS).losses.mean()),
        fits=tuple(fits(model, run.rows("train", _FITTED)[0], classes, to_expect(circuits)).values()),
    )


def _verdict(device: str, kept: str, gained: Gain) -> str:
    if kept != AWARE:
        return f"Noise-aware training regains nothing on {device}: weights {kept} have a lower validation loss there."
    if gained.accuracy.low > 0:
        return f"Noise-aware training regains accuracy on {device}."
    if gained.loss.high < 0:
        return f"Noise-aware training lowers the loss on {device}; it is not shown to regain accuracy."
    return f"Noise-aware training is not shown to regain anything on {device}."
