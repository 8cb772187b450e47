"""What single submissions cost, and how circuits are packed into them: the bill of what is really sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

from qcli.errors import QcliError
from qcli.price.bill import EXACT, started
from qcli.price.tariff import PerSecond, PerTask, Rule, Terms

SET_PLANS = ("program-sets", "parametrised")


@dataclass(frozen=True)
class Charge:
    """USD of one submission as foreseen and at most; by time, the whole seconds behind both, else None."""

    usd: Decimal
    usd_high: Decimal
    seconds: int | None = None
    seconds_high: int | None = None


def charge(terms: Terms, shots: Sequence[int], plan: str) -> Charge:
    """One task or job of circuits with these shots.

    Raises:
        QcliError: the device is neither billed by task and shot nor by the second.
    """
    with localcontext(EXACT):
        match terms.price:
            case PerTask() as price:
                usd = price.task_fee + sum(shots) * price.shot_price
                return Charge(usd, usd)
            case PerSecond() as price:
                rules = [rule for rule in (*terms.machine_time, terms.rule_of_thumb) if rule]
                model = Fraction(price.overhead_s) + sum(shots) / Fraction(price.rate_hz)
                ends = [model, *(_by(rule, sum(shots)) for rule in rules)]
                least = Fraction(price.minimum_s)
                seconds = started(max(model, least) + _idle(terms, plan))
                high = started(max(*ends, least)) + idle_s(terms, plan)
                return Charge(seconds * price.usd_per_s, high * price.usd_per_s, seconds, high)
    raise not_run(terms.name)


def billed(terms: Terms, shots: Sequence[int], plan: str, qpu_s: float | None) -> Decimal | None:
    """What a finished submission costs; by time, None until the vendor says how long it took, none if it never ran."""
    match terms.price:
        case PerSecond() as price if qpu_s is None:
            return None
        case PerSecond() as price:
            seconds = max(Fraction(str(qpu_s)), Fraction(price.minimum_s)) + _idle(terms, plan)
            return started(seconds) * price.usd_per_s if qpu_s else Decimal(0)
    return charge(terms, shots, plan).usd


def idle_s(terms: Terms, plan: str) -> int:
    """Whole seconds that a session bills after each of its jobs, at most, besides the QPU's."""
    return started(_idle(terms, plan))


def packed(shots: Sequence[int], plan: str, terms: Terms) -> list[list[int]]:
    """Places of circuits with these shots, by submission: as full as the device takes, with equal shots in each."""
    alike = [
        [place for place, own in enumerate(shots) if own == each] for each in sorted(set(shots), reverse=True)
    ]
    match terms.price:
        case PerSecond() as price if plan != "separate":
            most = price.max_executions_per_job
            return [group for places in alike for group in _cut(places, max(1, most // shots[places[0]]))]
    if plan not in SET_PLANS or terms.program_set is None:
        return [[place] for place in range(len(shots))]
    limits = terms.program_set
    sizes = [min(limits.max_executables, limits.max_total_shots // shots[places[0]]) for places in alike]
    return [group for places, size in zip(alike, sizes, strict=True) for group in _cut(places, max(1, size))]


def _idle(terms: Terms, plan: str) -> Fraction:
    return Fraction(terms.session_idle_s or 0) if plan == "session" else Fraction(0)


def _cut(places: list[int], size: int) -> list[list[int]]:
    return [places[k : k + size] for k in range(0, len(places), size)]


def not_run(name: str) -> QcliError:
    """The refusal of a device that qcli prices but cannot submit to."""
    return QcliError(
        f"qcli does not submit to {name}",
        "--device",
        "choose a device on Amazon Braket or of IBM (qcli devices)",
    )


def _by(rule: Rule, executions: int) -> Fraction:
    return Fraction(rule.per_task_s) + executions * Fraction(rule.per_shot_s)
