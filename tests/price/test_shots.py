"""The shot plan: its formulas against enumeration, its promises against simulation that knows nothing of them."""

import json
from math import cos, pi

import numpy as np
import pennylane as qml
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom
from torch import nn

from qcli import QcliError, QuantumLayer, using
from qcli.price.binomial import BinomialMargins, label_changes
from qcli.price.margins import margins, margins_of
from qcli.price.shots import flip_rates, shot_plan
from qcli.simulate.exact import Sampled
from qcli.simulate.executor import Timings
from qcli.train.loop import predict

INF = np.inf
BOUNDARY = 0.1 + 1e-4 * pi
"""On no count."""


def binomial(z, boundaries, labels):
    return BinomialMargins(np.array(z, float), np.array(boundaries, float), np.array(labels))


def one_boundary(z, at=0.0):
    return binomial(z, [[at]] * len(z), [[0, 1]] * len(z))


def synthetic(seed, samples=60):
    """Margins as of a trained model: most samples far from the boundary, a few near it, none on it."""
    rng = np.random.default_rng(seed)
    z = np.clip(rng.choice([-1, 1], samples) * rng.beta(2, 2, samples) + 0.1, -1, 1)
    z[np.abs(z - BOUNDARY) < 0.03] = 0.2
    return one_boundary(z, BOUNDARY)


@pytest.fixture(scope="module")
def qcnn(tmp_path_factory):
    """A QCNN with one measured wire, and labels near enough to the boundary to need some shots."""
    from qcli.train.run import Settings
    from qcli.train.train import train

    return train(
        "qcnn",
        "digits:0,1",
        options={"wires": "4"},
        settings=Settings(epochs=2, batch=64, lr=0.01),
        out=tmp_path_factory.mktemp("runs") / "qcnn",
    )


@pytest.fixture(scope="module")
def of_qcnn(qcnn):
    return margins(qcnn)


@pytest.fixture(scope="module")
def of_vqc(trained):
    return margins(trained)


# One binomial count per sample


def test_a_flip_is_a_count_on_the_wrong_side():
    above, below = one_boundary([0.5]), one_boundary([-0.5])
    assert flip_rates(above, 1) == pytest.approx(0.25)
    assert flip_rates(above, 3) == pytest.approx(0.25**3 + 3 * 0.25**2 * 0.75)
    assert flip_rates(below, 3) == pytest.approx(0.25**3 + 3 * 0.25**2 * 0.75)


def test_a_count_on_the_boundary_has_the_label_below():
    assert flip_rates(one_boundary([0.5]), 2) == pytest.approx(1 - 0.75**2)
    assert flip_rates(one_boundary([-0.5]), 2) == pytest.approx(0.25**2)


def test_between_two_boundaries_both_sides_are_flips():
    between = binomial([0.0], [[-0.4, 0.4]], [[0, 1, 0]])
    assert flip_rates(between, 1) == pytest.approx(1.0)
    assert flip_rates(between, 2) == pytest.approx(0.5)
    assert flip_rates(between, 5) == pytest.approx(12 / 32)


def test_a_label_that_comes_back_behind_two_boundaries_is_no_flip():
    back = binomial([0.9], [[-0.5, 0.5]], [[1, 0, 1]])
    assert flip_rates(back, 4) == pytest.approx(binom.pmf([2, 3], 4, 0.95).sum())


def test_samples_may_have_different_numbers_of_boundaries():
    mixed = binomial([0.5, 0.0], [[0.0, INF], [-0.4, 0.4]], [[0, 1, 9], [0, 1, 0]])
    assert flip_rates(mixed, 5) == pytest.approx([binom.cdf(2, 5, 0.75), 12 / 32])


def test_a_label_that_never_changes_needs_the_least_shots():
    plan = shot_plan(binomial([0.0, 0.3], [[INF], [INF]], [[1, 1], [0, 0]]), least=10)
    assert (plan.uniform.shots, plan.uniform.flip_rate, plan.two_stage) == (10, 0.0, None)


DYADIC = st.integers(-1023, 1023).map(lambda i: i / 1024)
"""So that counts on a boundary are recognised in floating point, by the formula and by the enumeration."""


@st.composite
def random_margins(draw):
    count = draw(st.integers(1, 3))
    samples = draw(st.integers(1, 3))
    boundaries = [sorted(draw(st.sets(DYADIC, min_size=count, max_size=count))) for _ in range(samples)]
    labels = draw(st.lists(st.permutations([0, 1, 2, 3]), min_size=samples, max_size=samples))
    z = draw(st.lists(st.floats(-1, 1), min_size=samples, max_size=samples))
    return binomial(z, boundaries, [row[: count + 1] for row in labels])


def label(of, sample, count, shots):
    """By comparing 2·count with shots·(1 + boundary)."""
    return of.labels[sample, (shots * (1 + of.boundaries[sample]) < 2 * count).sum()]


def own_label(of, sample):
    return of.labels[sample, (of.boundaries[sample] < of.z[sample]).sum()]


@settings(max_examples=60)
@given(random_margins(), st.integers(1, 40))
def test_the_flip_probability_is_that_of_all_counts(of, shots):
    counts = np.arange(shots + 1)
    for sample, rate in enumerate(flip_rates(of, shots)):
        wrong = [label(of, sample, k, shots) != own_label(of, sample) for k in counts]
        pmf = binom.pmf(counts, shots, (1 + of.z[sample]) / 2)
        assert rate == pytest.approx(pmf[wrong].sum(), abs=1e-12)


@settings(max_examples=40)
@given(random_margins(), st.integers(1, 12), st.integers(1, 12))
def test_the_two_stage_flip_probability_is_that_of_all_pairs_of_counts(of, first, second):
    stage = of.stage(first)
    flips = np.zeros((len(stage.bands), len(of.z)))
    revisited = np.zeros_like(flips)
    for sample, z in enumerate(of.z):
        p, own = (1 + z) / 2, own_label(of, sample)
        after = binom.pmf(np.arange(second + 1), second, p)
        for k, mass in enumerate(binom.pmf(np.arange(first + 1), first, p)):
            once = float(label(of, sample, k, first) != own)
            wrong = [label(of, sample, k + more, first + second) != own for more in range(second + 1)]
            unclear = np.abs(2 * k / first - 1 - of.boundaries[sample]).min() < stage.bands
            flips[:, sample] += mass * np.where(unclear, after[wrong].sum(), once)
            revisited[:, sample] += mass * unclear
    assert stage.flips(second) == pytest.approx(flips, abs=1e-12)
    assert stage.revisited == pytest.approx(revisited.mean(1), abs=1e-12)


# The search


def meets(of, shots, max_flips):
    """The target with the margin for 1,000 repetitions, written out."""
    flips = flip_rates(of, shots)
    return flips.mean() + 3.1 * np.sqrt((flips * (1 - flips)).sum()) / len(flips) / np.sqrt(1000) <= max_flips


@pytest.mark.parametrize(("seed", "max_flips"), [(0, 0.05), (1, 0.01), (2, 0.003)])
def test_the_uniform_plan_is_the_smallest_that_holds_up_to_a_quarter_more(seed, max_flips):
    of = synthetic(seed)
    shots = shot_plan(of, max_flips).uniform.shots
    holds = [meets(of, n, max_flips) for n in range(1, shots + shots // 4 + 1)]
    assert all(holds[shots - 1 :])
    assert not any(all(holds[n - 1 : n + max(1, n // 4)]) for n in range(1, shots))
    assert not meets(of, shots - 1, max_flips)


def test_an_odd_number_that_does_better_than_its_neighbours_is_no_plan():
    of = one_boundary([0.6, 0.7])
    lucky = next(n for n in range(1, 100) if meets(of, n, 0.05))
    assert not meets(of, lucky + 1, 0.05)
    assert shot_plan(of, 0.05).uniform.shots > lucky + 1


def test_the_range_of_the_device_is_kept():
    of = synthetic(3)
    free = shot_plan(of)
    assert free.uniform.shots < 400
    assert shot_plan(of, least=400).uniform.shots == 400
    tight = shot_plan(of, least=30, most=free.uniform.shots + 20)
    assert min(tight.two_stage.first, tight.two_stage.second) >= 30
    assert tight.two_stage.first + tight.two_stage.second <= free.uniform.shots + 20
    none = shot_plan(of, most=free.uniform.shots // 2)
    assert none.uniform is none.two_stage is None
    assert none.flip_rate_at_most == flip_rates(of, free.uniform.shots // 2).mean() > 0.01


@pytest.mark.parametrize("seed", range(2))
def test_a_stricter_target_never_needs_fewer_shots(seed):
    plans = [shot_plan(synthetic(seed), flips) for flips in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)]
    uniform = [plan.uniform.shots for plan in plans]
    cheapest = [min(p.uniform.shots, p.two_stage.expected_shots if p.two_stage else INF) for p in plans]
    assert uniform == sorted(uniform)
    assert cheapest == sorted(cheapest)


@pytest.mark.parametrize("seed", range(4))
def test_two_stages_cost_less_than_one_and_flip_no_more_than_allowed(seed):
    plan = shot_plan(synthetic(seed))
    assert plan.two_stage.expected_shots < 0.7 * plan.uniform.shots
    assert plan.two_stage.flip_rate < plan.max_flips
    assert 0 < plan.two_stage.revisited < 1


def test_no_two_stages_where_one_shot_does():
    plan = shot_plan(one_boundary([0.999, -0.999]))
    assert (plan.uniform.shots, plan.two_stage) == (1, None)


def test_a_sample_on_the_boundary_leaves_no_plan_and_says_how_often_labels_flip():
    plan = shot_plan(one_boundary([0.0] + [0.9] * 9), most=99_999)
    assert plan.uniform is plan.two_stage is None
    assert plan.flip_rate_at_most == pytest.approx(0.05)


@pytest.mark.parametrize("max_flips", [0.0, 1.0, -0.1, float("nan")])
def test_a_target_that_is_no_share_is_refused(max_flips):
    with pytest.raises(QcliError, match="share"):
        shot_plan(one_boundary([0.5]), max_flips)


def test_an_impossible_range_of_shots_is_refused():
    for least, most in ((0, 10), (11, 10)):
        with pytest.raises(QcliError, match="shots"):
            shot_plan(one_boundary([0.5]), least=least, most=most)
    with pytest.raises(QcliError, match="0 shots"):
        flip_rates(one_boundary([0.5]), 0)


def test_a_plan_is_json_with_the_expected_shots():
    plan = shot_plan(synthetic(0))
    content = json.loads(json.dumps(plan.to_json()))
    assert content["two_stage"]["expected_shots"] == plan.two_stage.expected_shots
    assert content["uniform"] == {"shots": plan.uniform.shots, "flip_rate": plan.uniform.flip_rate}
    assert json.loads(json.dumps(shot_plan(one_boundary([0.0])).to_json()))["two_stage"] is None


# The promise: no more flips than allowed, in 1,000 repetitions of the whole data


def drawn(of, plan, repetitions=1000, seed=7):
    """Flip rates of both plans and mean shots of the second, from counts that numpy draws."""
    rng = np.random.default_rng(seed)
    p, sample = (1 + of.z) / 2, np.arange(len(of.z))
    own = np.array([own_label(of, i) for i in sample])

    def labels(z):
        return of.labels[sample, (of.boundaries < z[..., None]).sum(-1)]

    def value(shots):
        return 2 * rng.binomial(shots, p, (repetitions, len(p))) / shots - 1

    two, z = plan.two_stage, value(plan.two_stage.first)
    unclear = np.abs(z[..., None] - of.boundaries).min(-1) < two.band
    mean = (two.first * z + two.second * value(two.second)) / (two.first + two.second)
    return (
        (labels(value(plan.uniform.shots)) != own).mean(),
        (labels(np.where(unclear, mean, z)) != own).mean(),
        two.first + unclear.mean() * two.second,
    )


@pytest.mark.parametrize("max_flips", [0.05, 0.01, 0.002])
@pytest.mark.parametrize("seed", range(2))
def test_drawn_counts_flip_no_more_labels_than_allowed(seed, max_flips):
    of = synthetic(seed, samples=100)
    plan = shot_plan(of, max_flips)
    uniform, two_stage, shots = drawn(of, plan)
    assert uniform <= max_flips
    assert two_stage <= max_flips
    assert shots == pytest.approx(plan.two_stage.expected_shots, rel=0.02)


@pytest.mark.parametrize("max_flips", [0.05, 0.01])
def test_counts_drawn_for_a_trained_model_flip_no_more_labels_than_allowed(of_qcnn, max_flips):
    plan = shot_plan(of_qcnn, max_flips)
    uniform, two_stage, shots = drawn(of_qcnn, plan)
    assert plan.method == "exact binomial"
    assert plan.uniform.shots > 1
    assert uniform <= max_flips
    assert two_stage <= max_flips
    assert shots == pytest.approx(plan.two_stage.expected_shots, rel=0.02)


class TwoStages:
    """Samples twice and decides with `unclear(outputs)` who needs the second time."""

    name = "two stages"

    def __init__(self, plan, unclear, seed):
        self.timings = Timings()
        self.plan, self.unclear = plan, unclear
        self.samplers = Sampled(plan.first, seed), Sampled(plan.second, seed + 1)
        self.shots = []

    def run(self, program, angles):
        first, more = (sampler.run(program, angles) for sampler in self.samplers)
        both = self.plan.first + self.plan.second
        unclear = self.unclear(first)[:, None]
        self.shots.append((self.plan.first + self.plan.second * unclear).float().mean().item())
        return torch.where(unclear, (self.plan.first * first + self.plan.second * more) / both, first)


def flip_rate(model, x, executor, batches=25, copies=40):
    """Share of flipped labels in `batches · copies` repetitions of the data through the whole model."""
    exact = predict(model, x, 2).argmax(1).repeat(copies)
    many = x.repeat(copies, 1)
    with using(executor):
        return np.mean([(predict(model, many, 2).argmax(1) != exact).double().mean() for _ in range(batches)])


def test_the_trained_model_itself_flips_no_more_labels_than_allowed(qcnn, of_qcnn):
    plan, model, (x, _) = shot_plan(of_qcnn), qcnn.model(), qcnn.rows("validation")
    boundary = of_qcnn.boundaries[0, 0]
    assert (of_qcnn.boundaries == boundary).all()
    two = TwoStages(plan.two_stage, lambda z: (z[:, 0] - boundary).abs() < plan.two_stage.band, seed=21)
    assert 0.7 * plan.uniform.flip_rate < flip_rate(model, x, Sampled(plan.uniform.shots, 20)) <= 0.01
    assert 0.7 * plan.two_stage.flip_rate < flip_rate(model, x, two) <= 0.01
    assert np.mean(two.shots) == pytest.approx(plan.two_stage.expected_shots, rel=0.02)


@pytest.mark.parametrize("max_flips", [0.05, 0.01])
def test_a_model_of_several_outputs_flips_no_more_labels_than_allowed(trained, of_vqc, max_flips):
    plan, model, (x, _) = shot_plan(of_vqc, max_flips), trained.model(), trained.rows("validation")
    head = list(model.children())[-1]

    def unclear(outputs):
        with torch.no_grad():
            return head(outputs).diff(dim=1)[:, 0].abs() < plan.two_stage.band

    two = TwoStages(plan.two_stage, unclear, seed=31)
    assert (plan.method, plan.two_stage.unit) == ("simulated", "logit gap")
    assert flip_rate(model, x, Sampled(plan.uniform.shots, 30)) <= max_flips
    assert flip_rate(model, x, two) <= max_flips
    assert np.mean(two.shots) == pytest.approx(plan.two_stage.expected_shots, rel=0.05)
    assert plan.two_stage.expected_shots < plan.uniform.shots


# Where labels change


def test_every_change_of_label_is_found_to_1e_12():
    changes = np.array([-0.7, -0.1, 0.35, 0.999])
    shifts = np.array([0.0, 0.0005, -0.01])

    def label(values):
        return (values[..., None] > changes + shifts[:, None]).sum(-1) % 3

    boundaries, labels = label_changes(label, np.array([0.0, 0.5, -0.2]))
    assert boundaries == pytest.approx(changes + shifts[:, None], abs=1e-12)
    assert labels.tolist() == [[0, 1, 2, 0, 1]] * 3


def test_samples_without_a_change_have_no_boundary():
    boundaries, labels = label_changes(
        lambda values: (values > np.array([0.3, 2.0])).astype(int), np.zeros(2)
    )
    assert boundaries == pytest.approx(np.array([[0.3], [INF]]), abs=1e-12)
    assert labels[0].tolist() == [0, 1]
    assert labels[1, 0] == 0


def test_a_tie_keeps_the_label_that_the_model_gives_it():
    z = np.array([0.5])
    below = BinomialMargins(z, *label_changes(lambda values: (values > 0).astype(int), z))
    above = BinomialMargins(z, *label_changes(lambda values: (values >= 0).astype(int), z))
    for shots in (2, 1000):
        assert flip_rates(below, shots) == pytest.approx(binom.cdf(shots // 2, shots, 0.75))
        assert flip_rates(above, shots) == pytest.approx(binom.cdf(shots // 2 - 1, shots, 0.75))


class Head(nn.Module):
    """A function of the circuit's outputs in place of a linear head."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, outputs):
        return self.function(outputs)


def model_of(circuit, head):
    return nn.Sequential(QuantumLayer(circuit), Head(head))


def rotated(inputs):
    qml.RY(inputs[0], wires=0)
    return qml.expval(qml.Z(0))


@pytest.mark.parametrize(("sign", "ties_flip"), [(1, True), (-1, False)])
def test_a_tie_of_logits_is_the_first_class_as_in_prediction(sign, ties_flip):
    model = model_of(rotated, lambda z: torch.cat([torch.zeros_like(z), sign * z], dim=1))
    of = margins_of(model, torch.tensor([[1.0]]), 2)
    p = (1 + cos(1.0)) / 2
    assert flip_rates(of, 2) == pytest.approx(binom.cdf(1 if ties_flip else 0, 2, p), abs=1e-6)


def test_a_head_may_bend_and_tell_three_classes_apart():
    model = model_of(rotated, lambda z: torch.cat([z**2 - 0.25, 0.0 * z, 3 * z - 2.0], dim=1))
    of = margins_of(model, torch.tensor([[0.5], [1.5]]), 3)
    assert of.boundaries == pytest.approx(np.array([[-0.5, 0.5, (3 - 2**0.5) / 2]] * 2), abs=1e-6)
    assert of.labels.tolist() == [[0, 1, 0, 2]] * 2
    exact = predict(model, torch.tensor([[0.5], [1.5]]), 3).argmax(1)
    x = torch.tensor([[0.5], [1.5]]).repeat(20_000, 1)
    with using(Sampled(9, 5)):
        flipped = (predict(model, x, 3).argmax(1) != exact.repeat(20_000)).double().reshape(-1, 2).mean(0)
    assert flip_rates(of, 9) == pytest.approx(flipped.numpy(), abs=0.015)


def test_coefficient_and_offset_of_the_measured_word_count():
    def circuit(inputs):
        qml.RY(inputs[0], wires=0)
        return qml.expval(0.5 * qml.Z(0) + 0.3 * qml.I(0))

    of = margins_of(model_of(circuit, lambda y: y - 0.45), torch.tensor([[1.0]]), 2)
    assert of.z == pytest.approx([cos(1.0)], abs=1e-6)
    assert of.boundaries == pytest.approx(np.array([[0.3]]), abs=1e-6)


# Models that only simulation can judge


class Patches(nn.Module):
    """Each feature through one layer in one call, in either order; with `twice`, their mean through it once more."""

    def __init__(self, samples_first, twice):
        super().__init__()
        self.layer = QuantumLayer(rotated)
        self.samples_first, self.twice = samples_first, twice

    def forward(self, x):
        if self.samples_first:
            values = self.layer(x.reshape(-1, 1)).reshape(-1, 3)
        else:
            values = self.layer(x.T.reshape(-1, 1)).reshape(3, -1).T
        mean = values.mean(1, keepdim=True)
        return (self.layer(1 + mean) if self.twice else mean) - 0.3


@pytest.mark.parametrize(
    ("samples_first", "twice"),
    [(True, False), (False, False), (True, True)],
    ids=["samples first", "patches first", "two calls"],
)
def test_circuits_are_simulated_as_the_model_runs_them(samples_first, twice):
    model, x = Patches(samples_first, twice), torch.linspace(-2.0, 2.0, 30).reshape(10, 3)
    of = margins_of(model, x, 2)
    for shots in (5, 13):
        rate = flip_rate(model, x, Sampled(shots, 3), batches=5, copies=1000)
        deviation = (rate * (1 - rate) / (10 * of.repetitions)) ** 0.5
        assert flip_rates(of, shots).mean() == pytest.approx(rate, abs=4 * deviation)
    plan = shot_plan(of, 0.05)
    assert (plan.method, plan.two_stage is None) == ("simulated", twice)
    assert flip_rate(model, x, Sampled(plan.uniform.shots, 4)) <= 0.05


def test_a_simulated_plan_is_the_smallest_on_its_ladder_and_repeats_itself(trained, of_vqc):
    plan = shot_plan(of_vqc, 0.01)
    assert of_vqc.smallest(0.01, 1, plan.uniform.shots - 1) is None
    assert of_vqc.smallest(0.01, plan.uniform.shots, 10_000) == plan.uniform
    assert shot_plan(margins(trained), 0.01) == plan


def test_a_target_too_strict_to_be_shown_by_simulation_leaves_no_plan(of_vqc):
    assert shot_plan(of_vqc, 1e-5, most=64).uniform is None


def test_contrast_draws_from_a_shrunken_value_and_moves_the_boundary_with_it():
    given = BinomialMargins(np.array([0.5]), np.array([[0.1]]), np.array([[0, 1]]))
    noisy = given.at_contrast(0.6)
    assert flip_rates(noisy, 11)[0] == pytest.approx(
        binom.cdf(5, 11, (1 + 0.3) / 2)
    )  # 11 (1 + 0.06) / 2 = 5.83
    assert noisy.at_contrast(1.0).z == pytest.approx(given.z)
    assert shot_plan(noisy).uniform.shots > shot_plan(given).uniform.shots


def test_a_nearly_certain_outcome_needs_one_shot_without_noise_and_more_with_it():
    given = BinomialMargins(np.full(60, 0.999), np.zeros((60, 1)), np.tile([0, 1], (60, 1)))
    found = [shot_plan(given.at_contrast(c) if c < 1 else given).uniform.shots for c in (1.0, 0.8, 0.5, 0.3)]
    assert found[0] == 1 and found == sorted(set(found))


def test_a_band_is_in_estimates_divided_by_the_contrast():
    given = BinomialMargins(np.linspace(-0.9, 0.9, 60), np.zeros((60, 1)), np.tile([0, 1], (60, 1)))
    stage, noisy = given.stage(64), given.at_contrast(0.5).stage(64)
    assert noisy.bands == pytest.approx(2 * stage.bands)


def test_a_noisy_sampler_has_the_exact_mean_and_the_spread_of_its_contrast():
    """Shots of a device with contrast c, rescaled: mean z, variance (1 - c²z²) / (c² shots)."""
    layer = QuantumLayer(lambda inputs: (qml.RY(inputs[0], 0), qml.expval(qml.Z(0)))[1], {})
    with torch.no_grad(), using(Sampled(50, seed=1, contrast=0.6)):
        values = layer(torch.full((20_000, 1), pi / 3)).double()
    assert values.mean().item() == pytest.approx(0.5, abs=0.005)
    assert values.var().item() == pytest.approx((1 - 0.09) / (0.36 * 50), rel=0.05)
