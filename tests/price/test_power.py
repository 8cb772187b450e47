"""Power of the paired comparison, against enumeration, simulation and published figures."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, multinomial

from qcli.assess.statistics import paired_difference
from qcli.errors import QcliError
from qcli.price.power import Classifier, Discordance, detectable, discordance, power, samples_needed

CLASSIFIERS = st.builds(
    Classifier, st.sampled_from([0.6, 0.75, 0.9, 1 - 1 / 75, 1.0]), st.sampled_from([2, 3, 10])
)
TARGETS = st.sampled_from([0.5, 0.8, 0.95])
# Within a few percent of the largest loss hardly any sample agrees, nothing smooths the saw-tooth of the
# binomial test, and a larger loss can be the harder one to show.
SHARES = st.floats(0.1, 0.85)


def brute_force(n, pair, alpha):
    tables = [(b, c) for b in range(n + 1) for c in range(b) if b + c <= n]
    chances = multinomial(n, [pair.p10, pair.p01, 1 - pair.p10 - pair.p01])
    return sum(chances.pmf([b, c, n - b - c]) for b, c in tables if binomtest(b, b + c, 0.5).pvalue <= alpha)


@settings(max_examples=40)
@given(st.integers(1, 22), st.floats(0, 0.7), st.floats(0, 0.3), st.sampled_from([0.01, 0.05, 0.0625, 0.2]))
def test_power_is_the_sum_over_all_tables_that_show_a_loss(n, p10, p01, alpha):
    pair = Discordance(p10, p01)
    assert power(n, pair, alpha) == pytest.approx(brute_force(n, pair, alpha), abs=1e-10)


def test_power_equals_the_figure_of_other_programs():
    """O'Brien's example: 0.8393 in G*Power's manual, 0.839356985 in R's pwrss; one-sided 5 %."""
    assert power(50, Discordance(0.32, 0.08), alpha=0.10) == pytest.approx(0.839356985, abs=1e-9)


@pytest.mark.parametrize(
    ("n", "accuracy", "classes", "points"), [(73, 1 - 1 / 75, 2, 10), (400, 0.6, 2, 7), (150, 0.7, 3, 12)]
)
def test_power_is_how_often_the_test_of_qcli_shows_the_loss(n, accuracy, classes, points):
    pair = discordance(Classifier(accuracy, classes), points)
    expected = power(n, pair)
    draws = np.random.default_rng(1).choice(
        3, size=(2000, n), p=[pair.p10, pair.p01, 1 - pair.p10 - pair.p01]
    )
    results = [paired_difference(draw != 1, draw != 0) for draw in draws]
    shown = np.mean([result.p <= 0.05 and result.only_first > result.only_second for result in results])
    assert abs(shown - expected) < 4 * np.sqrt(expected * (1 - expected) / len(draws))


@pytest.mark.parametrize(("n", "rate"), [(1_000_000, 0.003), (1_000_000, 0.5), (300_000, 1.0)])
def test_power_on_many_samples_approaches_the_normal_approximation(n, rate):
    loss = 2.8 * np.sqrt(rate / n)
    pair = Discordance((rate + loss) / 2, (rate - loss) / 2)
    assert power(n, pair) == pytest.approx(0.80, abs=0.01)


def test_a_perfect_classifier_needs_six_losses():
    needed = samples_needed(5, Classifier(1.0, 2))
    assert binom.sf(5, needed, 0.05) >= 0.8 > binom.sf(5, needed - 1, 0.05)
    assert power(5, Discordance(1.0, 0.0)) == 0
    assert power(6, Discordance(1.0, 0.0)) == pytest.approx(1)


def test_a_flip_changes_right_to_wrong_and_seldom_back():
    pair = discordance(Classifier(0.8, 5), 15)
    assert (pair.p10, pair.p01) == (pytest.approx(0.16), pytest.approx(0.01))


def test_the_largest_loss_changes_every_prediction():
    classifier = Classifier(0.6, 2)
    assert classifier.largest_loss == 20
    pair = discordance(classifier, 20)
    assert (pair.p10, pair.p01) == (pytest.approx(0.6), pytest.approx(0.4))


def test_agreement_shows_no_loss():
    assert power(1000, Discordance(0.0, 0.0)) == 0


@settings(max_examples=25)
@given(CLASSIFIERS, st.floats(0.15, 1), TARGETS, st.sampled_from([0.05, 0.1]))
def test_samples_needed_is_the_first_number_from_which_on_the_power_suffices(
    classifier, share, target, alpha
):
    points = share * classifier.largest_loss
    needed = samples_needed(points, classifier, target, alpha)
    assume(needed < 400)
    pair = discordance(classifier, points)
    enough = [power(n, pair, alpha) >= target for n in range(1, 2 * needed + 40)]
    assert needed == len(enough) - enough[::-1].index(False) + 1


def test_samples_needed_does_not_stop_at_the_first_tooth():
    classifier = Classifier(0.6, 2)
    pair = discordance(classifier, classifier.largest_loss)
    powers = np.array([power(n, pair) for n in range(1, 600)])
    for target in (0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        needed = samples_needed(classifier.largest_loss, classifier, target)
        first, last_short = 1 + np.argmax(powers >= target), 1 + np.flatnonzero(powers < target)[-1]
        assert first < needed == last_short + 1


@settings(max_examples=15)
@given(CLASSIFIERS, st.integers(20, 300), TARGETS)
def test_detectable_is_the_first_loss_from_which_on_the_power_suffices(classifier, n, target):
    losses = [step / 100 for step in range(1, int(100 * classifier.largest_loss) + 1)]
    found = detectable(n, classifier, target)
    if found is None:
        assert power(n, discordance(classifier, losses[-1])) < target
        return
    checked = losses[losses.index(found) : losses.index(found) + 300] + losses[::50]
    assert all(power(n, discordance(classifier, loss)) >= target for loss in checked if loss >= found)
    assert power(n, discordance(classifier, found - 0.01)) < target


@settings(max_examples=30)
@given(CLASSIFIERS, SHARES, TARGETS)
def test_samples_needed_and_detectable_are_inverse(classifier, share, target):
    points = share * classifier.largest_loss
    needed = samples_needed(points, classifier, target)
    found = detectable(needed, classifier, target)
    assert found is not None and found <= points + 0.01
    fewer = detectable(needed - 1, classifier, target)
    assert fewer is None or fewer > points - 0.01


@settings(max_examples=30)
@given(CLASSIFIERS, SHARES, SHARES, TARGETS, TARGETS)
def test_a_larger_loss_or_less_power_needs_no_more_samples(classifier, one, other, target, another):
    small, large = sorted([one * classifier.largest_loss, other * classifier.largest_loss])
    less, more = sorted([target, another])
    assert samples_needed(large, classifier, less) <= samples_needed(small, classifier, less)
    assert samples_needed(large, classifier, less) <= samples_needed(large, classifier, more)


def test_more_than_the_most_samples_are_refused():
    classifier = Classifier(1 - 1 / 75, 2)
    needed = samples_needed(5, classifier)
    assert samples_needed(5, classifier, most=needed) == needed
    with pytest.raises(QcliError, match="5 points with power 80% takes more than 160 samples"):
        samples_needed(5, classifier, most=needed - 1)


def test_few_samples_detect_nothing():
    assert detectable(5, Classifier(1.0, 2)) is None
    assert detectable(1000, Classifier(0.5 + 1e-5, 2)) is None
    assert detectable(1000, Classifier(0.5 + 1e-13, 2)) is None


def test_a_perfect_score_is_not_certainty():
    assert Classifier.from_counts(73, 73, 2) == Classifier(74 / 75, 2)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_guessing_cannot_be_lost(classes):
    with pytest.raises(QcliError, match="no better than guessing"):
        Classifier(1 / classes, classes)


@pytest.mark.parametrize(("accuracy", "classes"), [(1.01, 2), (float("nan"), 2), (0.9, 1)])
def test_an_impossible_classifier_is_refused(accuracy, classes):
    with pytest.raises(QcliError):
        Classifier(accuracy, classes)


@pytest.mark.parametrize("points", [0, -1, 97.34, 100, float("nan")])
def test_an_impossible_loss_is_refused_with_the_largest_one(points):
    with pytest.raises(QcliError) as error:
        samples_needed(points, Classifier(1 - 1 / 75, 2))
    assert "97.33 points" in error.value.fix


@pytest.mark.parametrize("share", [0, 1, -0.1, 80, float("nan")])
def test_power_and_level_are_shares(share):
    classifier = Classifier(0.9, 2)
    for call in (
        lambda: samples_needed(5, classifier, target=share),
        lambda: samples_needed(5, classifier, alpha=share),
        lambda: detectable(50, classifier, target=share),
        lambda: power(50, Discordance(0.1, 0.0), alpha=share),
    ):
        with pytest.raises(QcliError, match=f"is {share:g}"):
            call()


@pytest.mark.parametrize("n", [0, -5])
def test_no_samples_are_refused(n):
    with pytest.raises(QcliError, match=f"cannot compare {n} samples"):
        detectable(n, Classifier(0.9, 2))
