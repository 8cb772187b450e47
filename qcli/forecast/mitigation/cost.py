"""What mitigation adds to the bill of a model's inferences."""

from decimal import Decimal, localcontext

import numpy as np

from qcli.errors import QcliError
from qcli.forecast.accuracy import Subject
from qcli.noise.prepared import Circuits
from qcli.price.bill import EXACT, Plan
from qcli.price.estimate import gates_of
from qcli.price.plans import cheapest, plans
from qcli.price.record import distinct, record
from qcli.price.subject import Subject as Priced
from qcli.price.subject import inference
from qcli.price.tariff import Terms
from qcli.price.workload import Mitigation, Workload, mitigated


def workload(subject: Subject, circuits: Circuits, shots: int) -> Workload:
    """All inferences of a subject, with the native gates of its circuits as compiled."""
    calls = record(subject.model, subject.x[:1])
    gates = {
        each.program.key: gates_of(each, circuits.of(each.program, np.asarray(each.angles)).compiled)
        for each in distinct(calls)
    }
    priced = Priced("", subject.classes, None, calls)
    return inference(priced, len(subject.y), shots, gates)


def plan_with(mitigation: Mitigation, work: Workload, entry: Terms) -> Plan:
    """The cheapest way to submit the mitigated workload.

    Raises:
        QcliError: the device does not take it.
    """
    plan = cheapest(plans(mitigated(work, mitigation), entry))
    if plan is None:
        raise QcliError(f"{entry.name} has no plan that may be chosen", "price", "choose another device")
    return plan


def extra_usd(plan: Plan, base: Plan) -> Decimal:
    """Exact, and negative where the plan is cheaper."""
    with localcontext(EXACT):
        return plan.usd - base.usd


def extra_seconds(plan: Plan, base: Plan) -> tuple[float, float] | None:
    """Machine time at the low and the high end, None where nothing is known."""
    if plan.time is None or base.time is None:
        return None
    return plan.time.low_s - base.time.low_s, plan.time.high_s - base.time.high_s
