"""How to spend: shots per circuit, samples, and the best use of a sum, priced on every device."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any

from qcli.errors import QcliError
from qcli.price.bill import Plan
from qcli.price.estimate import Estimate, Question, Row, plan_of, usd_of, workload_for
from qcli.price.margins import margins
from qcli.price.plans import shots_range
from qcli.price.power import Classifier, detectable, samples_needed
from qcli.price.shots import Margins, ShotPlan, flip_rates, shot_plan
from qcli.price.workload import NO_MITIGATION, Workload

MOST_SHOTS = 100_000
POWERS = (0.80, 0.95)
SIZES = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)
"""Numbers of inferences on the curve of cost against detectable loss."""
_ASSUMED_ACCURACY = 0.9
_MOST_USD = 10**12
_MOST_INFERENCES = 2**24


@dataclass(frozen=True)
class PricedPlan:
    """A shot plan on one device: USD of the shots asked, of the uniform and of the two-stage plan (its mean).

    `contrast` is what the device is taken to keep of an expectation value, None where nothing is known (and none lost);
    `asked_flip_rate` the share of labels that the shots asked flip.
    """

    device: str
    contrast: float | None
    plan: ShotPlan
    asked_flip_rate: float
    asked_usd: Decimal | None
    uniform_usd: Decimal | None
    two_stage_usd: Decimal | None


@dataclass(frozen=True)
class Detection:
    """USD on each device for the inferences that show a loss of `points` with each power."""

    points: float
    needed: Mapping[float, int]
    usd: Mapping[str, tuple[Decimal | None, ...]]


@dataclass(frozen=True)
class Spending:
    """The best use of a sum on one device: as many inferences as it surely buys at `shots`, for `usd` at most, and the
    loss they show (points).

    `inferences` is 0 where not even one is affordable; `detectable` None where no possible loss would be seen.
    """

    device: str
    inferences: int
    shots: int
    usd: Decimal
    detectable: float | None


@dataclass(frozen=True)
class Curve:
    """Cost of each number of inferences on one device, and the loss in points that they show with 80 % power."""

    device: str
    points: tuple[tuple[int, Decimal, float | None], ...]


@dataclass(frozen=True)
class Comparison:
    """The classifier whose loss is to be shown, and where its accuracy comes from."""

    classifier: Classifier
    basis: str
    available: int | None


@dataclass(frozen=True)
class Advice:
    """What was asked beside the bill; empty where it was not."""

    shot_plans: Sequence[PricedPlan] = ()
    compared: Comparison | None = None
    detection: Detection | None = None
    budget: Decimal | None = None
    spending: Sequence[Spending] = ()
    curves: Sequence[Curve] = ()


def check(question: Question, max_flips: float, points: float | None, budget: Decimal | None) -> None:
    """Refuse what no estimate could answer, before one is made.

    Raises:
        QcliError: a share of flips outside (0, 1), a budget that is not positive, or a comparison for training.
    """
    if not 0 < max_flips < 1:
        raise QcliError(f"a share of flips of {max_flips}", "--max-flips", "choose a share between 0 and 1")
    if budget is not None and not (budget.is_finite() and 0 < budget <= _MOST_USD):
        raise QcliError(f"a budget of {budget} USD", "--budget", f"choose more than 0, at most {_MOST_USD:,}")
    if question.training is not None and (points is not None or budget is not None):
        raise QcliError(
            "training has no accuracy to compare", "--detect, --budget", "leave out --training, or these"
        )


def advise(
    estimate: Estimate,
    max_flips: float = 0.01,
    points: float | None = None,
    budget: Decimal | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> Advice:
    """Shot plans of a trained model; the samples that show a loss of `points`; what `budget` USD buy.

    Training on hardware is given none, and a mitigated workload no shot plan: mitigation changes how shots become
    estimates.

    Raises:
        QcliError: a share of flips outside (0, 1), a loss that the model cannot have, a budget that is not positive, or
            either of these for training.
    """
    check(estimate.question, max_flips, points, budget)
    if estimate.question.training is not None:
        return Advice()
    mitigated = estimate.question.mitigation != NO_MITIGATION
    plans = () if mitigated else priced_plans(estimate, max_flips, on_step=on_step)
    if points is None and budget is None and estimate.subject.run is None:
        return Advice(plans)
    try:
        compared = comparison(estimate)
    except QcliError:
        if points is None and budget is None:
            return Advice(plans)
        raise
    return Advice(
        plans,
        compared,
        detection(estimate, compared, points) if points is not None else None,
        budget,
        spending(estimate, compared, budget, plans) if budget is not None else (),
        curves(estimate, compared),
    )


def priced_plans(
    estimate: Estimate,
    max_flips: float,
    on_step: Callable[[str], None] = lambda step: None,
) -> tuple[PricedPlan, ...]:
    """The shot plan of each device within its range of shots; none for a model that was not trained."""
    if estimate.subject.run is None:
        return ()
    exact, asked = margins(estimate.subject.run), estimate.question.shots

    @cache
    def noisy(contrast: float) -> Margins:
        return exact.at_contrast(contrast) if contrast < 1 else exact

    @cache
    def planned(contrast: float, least: int, most: int) -> tuple[ShotPlan, float]:
        plan = shot_plan(noisy(contrast), max_flips, least, most)
        return plan, float(flip_rates(noisy(contrast), asked).mean())

    found = []
    for row in estimate.rows:
        if row.fits and row.terms.kind == "qpu":
            on_step(f"shot plan for {row.terms.name}")
            least, highest = shots_range(row.terms)
            contrast = _contrast(row, exact.contrasts)
            plan, flips = planned(contrast or 1.0, least, min(highest or MOST_SHOTS, MOST_SHOTS))
            found.append(_priced_plan(estimate, row, plan, contrast, flips))
    return tuple(found)


def _contrast(row: Row, steps: int) -> float | None:
    """The forecast's, or the compiled circuit's estimated success; rounded down to steps, so that alike devices share a
    plan."""
    contrast = row.success if row.contrast is None else row.contrast
    return None if contrast is None else max(1, int(steps * contrast)) / steps


def _priced_plan(
    estimate: Estimate, row: Row, plan: ShotPlan, contrast: float | None, flips: float
) -> PricedPlan:
    uniform = _usd(estimate, row, shots=plan.uniform.shots) if plan.uniform else None
    two_stage = (
        usd_of(two_stages(estimate, row, plan), row.terms, estimate.question) if plan.two_stage else None
    )
    return PricedPlan(row.terms.name, contrast, plan, flips, _usd(estimate, row), uniform, two_stage)


def two_stages(estimate: Estimate, row: Row, plan: ShotPlan) -> Workload:
    """First shots for all samples, then the second for as many as are unclear on average."""
    stages = plan.two_stage
    assert stages is not None
    again = math.ceil(stages.revisited * estimate.question.inferences)
    question = replace(estimate.question, shots=stages.first)
    first = workload_for(estimate.subject, question, row.gates)
    if not again:
        return first
    once = replace(question.mitigation, readout=False)
    question = replace(question, inferences=again, shots=stages.second, mitigation=once)
    second = workload_for(estimate.subject, question, row.gates)
    return replace(first, stages=(*first.stages, *second.stages))


def comparison(estimate: Estimate) -> Comparison:
    """The run's own accuracy on its test set; 90 % is assumed of a model that was not trained.

    Raises:
        QcliError: the run's is no better than guessing.
    """
    subject, tested = estimate.subject, estimate.subject.tested
    if subject.run is None or tested is None:
        basis = f"assumed: 90 % accuracy, {subject.classes} classes"
        return Comparison(Classifier(_ASSUMED_ACCURACY, subject.classes), basis, None)
    right, samples = tested.right, tested.samples
    try:
        classifier = Classifier.from_counts(right, samples, subject.classes)
    except QcliError as error:
        raise QcliError(error.what, str(subject.run.path), error.fix) from None
    return Comparison(classifier, f"{right} of {samples} test samples right in simulation", samples)


def detection(estimate: Estimate, compared: Comparison, points: float) -> Detection:
    """How many inferences a paired test needs, and what they cost at most at the shots asked.

    Raises:
        QcliError: a loss that this classifier cannot have.
    """
    try:
        needed = {power: samples_needed(points, compared.classifier, power) for power in POWERS}
    except QcliError as error:
        raise QcliError(error.what, "--detect", error.fix) from None
    usd = {
        row.terms.name: tuple(_at_most(estimate, row, inferences=n) for n in needed.values())
        for row in _priced(estimate)
    }
    return Detection(points, needed, usd)


def spending(
    estimate: Estimate, compared: Comparison, budget: Decimal, plans: Sequence[PricedPlan] = ()
) -> tuple[Spending, ...]:
    """The best use of `budget` USD on each device.

    More shots than keep flips by sampling under the target show nothing more, so the uniform shot plan's number is
    taken where there is one for the device's calibration, the shots asked otherwise; all else goes into inferences. A
    loss smaller than the flips that the plan allows is not shown by any number of samples.
    """
    planned = {each.device: each.plan.uniform for each in plans if each.contrast is not None}
    found = []
    for row in _priced(estimate):
        plan = planned.get(row.terms.name)
        shots = plan.shots if plan else estimate.question.shots
        cost = cache(lambda n, row=row, shots=shots: _at_most(estimate, row, inferences=n, shots=shots))
        count = _most(cost, budget)
        usd = cost(count) if count else Decimal(0)
        assert usd is not None
        shown = detectable(count, compared.classifier) if count else None
        if shown is not None and plan is not None:
            shown = max(shown, 100 * plan.flip_rate)
        found.append(Spending(row.terms.name, count, shots, usd, shown))
    return tuple(found)


def _most(cost: Callable[[int], Decimal | None], budget: Decimal) -> int:
    """The most inferences, up to `_MOST_INFERENCES`, whose cost is within the budget."""

    def usd(n: int) -> Decimal:
        found = cost(n)
        return Decimal("Infinity") if found is None else found

    return bisect_right(range(1, _MOST_INFERENCES + 1), budget, key=usd)


def curves(estimate: Estimate, compared: Comparison) -> tuple[Curve, ...]:
    """Cost against detectable loss for each device, at the shots asked."""
    shown = {n: detectable(n, compared.classifier) for n in SIZES}
    return tuple(
        Curve(
            row.terms.name,
            tuple(
                (n, usd, shown[n]) for n in SIZES if (usd := _usd(estimate, row, inferences=n)) is not None
            ),
        )
        for row in _priced(estimate)
    )


def _priced(estimate: Estimate) -> list[Row]:
    return [row for row in estimate.rows if row.plans and row.terms.kind == "qpu"]


def _usd(estimate: Estimate, row: Row, **changed: int) -> Decimal | None:
    plan = _plan(estimate, row, **changed)
    return plan.usd if plan else None


def _at_most(estimate: Estimate, row: Row, **changed: int) -> Decimal | None:
    plan = _plan(estimate, row, **changed)
    return plan.usd_high if plan else None


def _plan(estimate: Estimate, row: Row, **changed: int) -> Plan | None:
    question = replace(estimate.question, **changed)  # type: ignore[arg-type]
    return plan_of(workload_for(estimate.subject, question, row.gates), row.terms, question)


def plan_json(plan: PricedPlan) -> dict[str, Any]:
    """An entry of `shot_plans` in an estimate."""
    return {
        "device": plan.device,
        "contrast": plan.contrast,
        **plan.plan.to_json(),
        "asked": {"flip_rate": plan.asked_flip_rate, "usd": _text(plan.asked_usd)},
        "uniform_usd": _text(plan.uniform_usd),
        "two_stage_usd": _text(plan.two_stage_usd),
    }


def detection_json(found: Detection) -> dict[str, Any]:
    """The entry `detect` of an estimate."""
    return {
        "points": found.points,
        "needed": {f"{power:.2f}": n for power, n in found.needed.items()},
        "usd": {name: [_text(usd) for usd in bills] for name, bills in found.usd.items()},
    }


def spending_json(found: Spending) -> dict[str, Any]:
    """An entry of `budget.devices` in an estimate."""
    return {**asdict(found), "usd": _text(found.usd)}


def curve_json(curve: Curve) -> dict[str, Any]:
    """An entry of `curves` in an estimate."""
    points = [{"inferences": n, "usd": _text(usd), "detectable": shown} for n, usd, shown in curve.points]
    return {"device": curve.device, "points": points}


def _text(usd: Decimal | None) -> str | None:
    return None if usd is None else f"{usd:f}"
