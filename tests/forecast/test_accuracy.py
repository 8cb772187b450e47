"""A trained model's accuracy on a device: figures that belong together, intervals that hold, noise that costs."""

from datetime import timedelta

import numpy as np
import pytest
import torch
from scipy.stats import betabinom

from qcli.device.catalogue import find
from qcli.errors import QcliError
from qcli.forecast import accuracy, executor
from qcli.forecast.accuracy import Forecast, Range, forecast_run, subject_of
from qcli.forecast.executor import Days
from qcli.noise.prepared import Circuits
from qcli.simulate.exact import Exact
from qcli.train.run import Run
from tests.forecast.test_figures import scaled

GARNET = find("garnet")
DAYS = 48


def forecast(run: Run, name: str = "garnet", inferences: int | None = 24, shots: int = 200) -> Forecast:
    device = find(name)
    return forecast_run(run, device, inferences, shots, device.calibrated_on, days=DAYS)


@pytest.fixture(scope="module")
def found(trained: Run) -> Forecast:
    return forecast(trained)


@pytest.mark.parametrize("name", ["garnet", "boston", "forte-enterprise-1"])
def test_figures_belong_together(trained: Run, name: str) -> None:
    found = forecast(trained, name)
    assert (found.device.key, found.inferences, found.shots) == (find(name).key, 24, 200)
    for each in (found.accuracy, found.degradation, found.flips):
        assert each.low <= each.value <= each.high and each.low < each.high
    assert found.accuracy.low >= 0 and found.accuracy.high <= 1 and found.flips.low >= 0
    assert found.degradation.value == pytest.approx(found.simulated - found.accuracy.value)
    assert abs(found.degradation.value) <= found.flips.value + 1e-12
    assert 0 < found.contrast < 1
    assert found.layouts == (1 if name == "forte-enterprise-1" else 5)
    assert found.outlook.age_days == 0
    assert ("believe the forecast" in found.believe) == (name == "boston")


def test_samples_are_the_runs_test_rows_and_average_to_the_whole(trained: Run, found: Forecast) -> None:
    assert [sample.index for sample in found.samples] == list(trained.split.test[:24])
    assert np.mean([sample.right for sample in found.samples]) == pytest.approx(found.accuracy.value)
    assert np.mean([sample.flips for sample in found.samples]) == pytest.approx(found.flips.value)
    right = [sample.simulated == sample.label for sample in found.samples]
    assert np.mean(right) == pytest.approx(found.simulated)


def test_it_is_the_exact_simulations_accuracy_that_is_compared_with(trained: Run, found: Forecast) -> None:
    subject = subject_of(trained, 24)
    labels = subject.infer(Exact("auto", torch.float64)).labels
    assert found.simulated == pytest.approx((labels == subject.y).mean())


def test_the_default_is_48_samples_or_all(trained: Run) -> None:
    assert forecast(trained, inferences=None).inferences == min(48, trained.info.split.test)


def test_the_same_seed_gives_the_same_forecast(trained: Run, found: Forecast) -> None:
    assert forecast(trained) == found
    other = forecast_run(trained, GARNET, 24, 200, GARNET.calibrated_on, seed=1, days=DAYS)
    assert other.accuracy != found.accuracy
    assert other.accuracy.value == pytest.approx(found.accuracy.value, abs=0.05)


def test_days_are_counted_as_they_are_simulated(trained: Run) -> None:
    done: list[tuple[int, int]] = []
    forecast_run(trained, GARNET, 4, 50, days=6, on_day=lambda day, total: done.append((day, total)))
    assert done == [(day, 6) for day in range(1, 7)]


def test_an_old_calibration_is_said_and_widens_the_outlook(trained: Run) -> None:
    day = GARNET.calibrated_on + timedelta(90)
    old = forecast_run(trained, GARNET, 4, 200, day, days=4)
    assert old.outlook.age_days == 90
    assert old.outlook.spread.total > forecast(trained, inferences=4).outlook.spread.total


def test_worse_figures_leave_less_contrast(trained: Run, found: Forecast) -> None:
    worse = forecast_run(trained, scaled(GARNET, 5), 24, 200, GARNET.calibrated_on, days=DAYS)
    assert worse.contrast < found.contrast
    assert worse.flips.value > found.flips.value
    assert worse.guess == pytest.approx(found.guess, abs=0.03)


def test_thin_margins_lose_accuracy_to_noise_and_to_few_shots(trained: Run) -> None:
    few, many = (forecast(trained, "cepheus-1-108q", shots=shots) for shots in (10, 5000))
    assert few.flips.value > many.flips.value
    assert few.accuracy.value < few.simulated


def test_a_small_sample_is_uncertain_however_many_the_shots(trained: Run) -> None:
    few, many = (forecast(trained, inferences=n, shots=10_000).accuracy for n in (6, 48))
    assert few.high - few.low > 1.5 * (many.high - many.low)


@pytest.mark.parametrize("right", [0, 12, 47, 48])
def test_the_interval_of_a_perfect_device_is_that_of_the_finite_sample(right: int) -> None:
    y = np.zeros(48, dtype=np.int64)
    labels = np.where(np.arange(48) < right, 0, 1)
    found, lost, flips = accuracy._ranges(y, labels, np.tile(labels, (64, 1)), 0)
    assert found.value == right / 48 and (lost.value, flips.value) == (0, 0)
    assert lost.low < 0 < lost.high
    # 48 new samples, of which the posterior Beta(right + 1, 48 - right + 1) says how many are right
    exact = betabinom(48, right + 1, 49 - right).ppf([0.05, 0.95]) / 48
    assert found.low == pytest.approx(min(exact[0], found.value), abs=0.021)
    assert found.high == pytest.approx(max(exact[1], found.value), abs=0.021)


def test_an_even_decision_is_a_coin_whose_shares_are_known_from_and_shown_by_as_many_samples() -> None:
    y = np.zeros(400, dtype=np.int64)
    coins = np.random.default_rng(1).integers(0, 2, (64, 400))
    found, lost, flips = accuracy._ranges(y, y, coins, 0)
    for each, value in ((found, 0.5), (lost, 0.5), (flips, 0.5)):
        assert each.value == pytest.approx(value, abs=0.02)
        assert each.high - each.low == pytest.approx(2 * 1.645 * np.sqrt(2 * 0.25 / 400), rel=0.25)


@pytest.mark.parametrize("left", [0.0, 0.3, 1.0])
def test_contrast_is_what_is_left_of_deviations_from_the_mean(left: float) -> None:
    ideal = np.random.default_rng(0).uniform(-1, 1, (20, 3))
    assert accuracy._contrast(ideal, 0.2 + left * ideal) == pytest.approx(left)
    assert accuracy._contrast(ideal * 0 + 0.4, ideal) == 1.0


@pytest.mark.parametrize("inferences", [0, -3, 10**6])
def test_samples_that_there_are_not_are_refused(trained: Run, inferences: int) -> None:
    with pytest.raises(QcliError, match=f"{inferences} inferences") as refusal:
        forecast(trained, inferences=inferences)
    assert refusal.value.where == "--inferences"


@pytest.mark.parametrize(("name", "shots"), [("forte-enterprise-1", 99), ("garnet", 20_001), ("garnet", 0)])
def test_shots_that_the_device_does_not_take_are_refused(trained: Run, name: str, shots: int) -> None:
    with pytest.raises(QcliError, match="shots"):
        forecast(trained, name, shots=shots)


def test_a_device_that_is_too_small_is_refused(trained: Run) -> None:
    small = GARNET.model_copy(update={"qubits": GARNET.qubits[:2], "edges": GARNET.edges[:1], "grid": None})
    with pytest.raises(QcliError, match="3 wires, the device 2"):
        forecast_run(trained, small, 4, days=2)


def test_word_by_word_the_forecast_is_the_same(
    trained: Run, found: Forecast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "MOST_BITS", 0)
    wide = forecast(trained)
    assert wide.contrast == pytest.approx(found.contrast, abs=1e-6)
    assert wide.simulated == found.simulated
    for name in ("accuracy", "flips"):
        one, other = getattr(wide, name), getattr(found, name)
        assert (one.low, one.value, one.high) == pytest.approx((other.low, other.value, other.high), abs=0.03)


@pytest.mark.parametrize(
    ("name", "shots"), [("cepheus-1-108q", 2), pytest.param("fez", 100, marks=pytest.mark.slow)]
)
def test_the_intervals_cover_what_500_synthetic_devices_show_of_other_samples(
    trained: Run, name: str, shots: int
) -> None:
    """Half of the test samples forecast, as many others measured, each time on a day drawn from the outlook."""
    subject = subject_of(trained, trained.info.split.test)
    ideal = subject.infer(Exact("auto", torch.float64)).labels
    view, device = forecast(trained, name, inferences=2).outlook, find(name)
    days = Days(Circuits(device), accuracy.expected(device), shots, seed=3)

    def labels(count: int, seed: int) -> np.ndarray:
        found = []
        for days.gates, days.readout in sorted(zip(*view.draw(count, seed), strict=True)):
            found.append(subject.infer(days).labels)
        return np.array(found)

    forecast_days, other_days = labels(128, 0), labels(500, 9)
    generator, covered = np.random.default_rng(0), []
    for labels_then in other_days:
        here, there = np.split(generator.permutation(len(subject.y)), 2)
        found = accuracy._ranges(subject.y[here], ideal[here], forecast_days[:, here], 0)
        right = (labels_then[there] == subject.y[there]).mean()
        lost = (ideal[there] == subject.y[there]).mean() - right
        flips = (labels_then[there] != ideal[there]).mean()
        covered.append([r.low <= x <= r.high for r, x in zip(found, (right, lost, flips), strict=True)])
    shares = np.mean(covered, axis=0)
    assert (shares >= 0.85).all()
    # where nothing is lost, all is right, and what is never seen is in no interval's tail
    assert found[0].value == 1 or (shares <= 0.985).all()


def test_a_range_holds_its_own_value() -> None:
    assert accuracy._range(1.0, np.full(9, 0.5)) == Range(1.0, 0.5, 1.0)
