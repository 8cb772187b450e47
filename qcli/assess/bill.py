"""What a validation will submit, step by step, priced as it will be packed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal, localcontext
from typing import Any

from qcli.assess.measured import expected_revisits
from qcli.assess.request import Request
from qcli.errors import QcliError
from qcli.price.bill import EXACT, Plan
from qcli.price.plans import cheapest, plans
from qcli.price.policy import Policy
from qcli.price.record import Call
from qcli.price.submission import charge, not_run, packed
from qcli.price.tariff import PerSecond, PerTask, Terms
from qcli.price.workload import Mitigation, Workload

PLANS = ("separate", "program-sets", "parametrised", "job", "batch", "session")
"""Ways to submit that the hardware path knows."""


@dataclass(frozen=True)
class Step:
    """Circuits that are submitted together; `usd_high` is what they cost at most."""

    what: str
    circuits: int
    shots: int
    tasks: int
    usd: Decimal
    usd_high: Decimal


@dataclass(frozen=True)
class Bill:
    plan: str
    steps: tuple[Step, ...]

    @property
    def usd(self) -> Decimal:
        return self._sum("usd")

    @property
    def usd_high(self) -> Decimal:
        return self._sum("usd_high")

    def _sum(self, name: str) -> Decimal:
        with localcontext(EXACT):
            return sum((getattr(step, name) for step in self.steps), Decimal(0))

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "usd": f"{self.usd:f}",
            "usd_high": f"{self.usd_high:f}",
            "steps": [
                asdict(step) | {"usd": f"{step.usd:f}", "usd_high": f"{step.usd_high:f}"}
                for step in self.steps
            ],
        }


def bill(calls: Sequence[Call], request: Request, mitigation: Mitigation, terms: Terms, plan: str) -> Bill:
    """Of a validation from nothing, in the order of submission; what is in the journal already costs nothing more."""
    canary = min(request.canary, request.inferences)
    rest = request.inferences - canary
    steps = []
    first = request.stages.first if request.stages else request.shots
    if canary:
        steps += [_step("canary", canary * _per_inference(call), first, terms, plan) for call in calls]
    for call in calls:
        circuits = rest * _per_inference(call)
        circuits += (len(mitigation.folds) - 1) * request.inferences * _per_inference(call)
        if mitigation.readout:
            circuits += 2 * len({each.program.key for each in call.circuits})
        if circuits:
            steps.append(
                _step("first stage" if request.stages else "inference", circuits, first, terms, plan)
            )
    if request.stages and request.stages.second:
        again = expected_revisits(request.stages, request.inferences)
        circuits = again * sum(map(_per_inference, calls))
        if circuits:
            steps.append(_step("second stage (expected)", circuits, request.stages.second, terms, plan))
    return Bill(plan, tuple(steps))


def choose_plan(work: Workload, terms: Terms, asked: str | None, policy: Policy | None = None) -> Plan:
    """The one asked for, or the cheapest way to submit that is known here: of those that the policy allows, if any.

    Raises:
        QcliError: the device is not submitted to, or does not take the plan.
    """
    if not isinstance(terms.price, PerTask | PerSecond):
        raise not_run(terms.name)
    offered = [each for each in plans(work, terms) if each.name in PLANS]
    if asked is not None:
        by_name = {each.name: each for each in offered}
        if asked not in by_name:
            raise QcliError(f"plan {asked!r} on {terms.name}", "--plan", f"choose from {', '.join(by_name)}")
        return by_name[asked]
    allowed = [each for each in offered if policy is None or policy.allows_plan(each.name)]
    best = cheapest(allowed) or cheapest(offered)
    if best is None:
        raise QcliError(f"no plan of {terms.name} may be chosen", "--plan", "name one with --plan")
    return best


def separate_usd(work: Workload, entry: Terms) -> Decimal:
    """One task per circuit, all with the same shots."""
    offered = {each.name: each.usd for each in plans(work, entry)}
    # IBM's single job is its own separate one
    return offered.get("separate", next(iter(offered.values())))


def _per_inference(call: Call) -> int:
    return sum(each.count for each in call.circuits)


def _step(what: str, circuits: int, shots: int, terms: Terms, plan: str) -> Step:
    groups = packed([shots] * circuits, plan, terms)
    sizes = [len(group) for group in groups]
    charges = {size: charge(terms, [shots] * size, plan) for size in set(sizes)}
    with localcontext(EXACT):
        return Step(
            what,
            circuits,
            shots,
            len(groups),
            sum((charges[size].usd for size in sizes), Decimal(0)),
            sum((charges[size].usd_high for size in sizes), Decimal(0)),
        )
