"""Before anything starts: every job, core hour and dollar that a progression may take."""

from dataclasses import dataclass
from decimal import Decimal

from qcli.cluster.jobs import Resources
from qcli.data.dataset import load
from qcli.execute.select import is_hardware
from qcli.price.estimate import Question, estimate
from qcli.price.subject import subject_of
from qcli.progress.hpc import search_plan
from qcli.progress.plan import RECOMMENDED, Progression
from qcli.progress.stage import Name
from qcli.search.plan import check


@dataclass(frozen=True)
class Bound:
    """A part of a stage: `jobs` of `cores` and at most `time_s` each, None where nothing limits it; `usd` at most."""

    stage: Name
    what: str
    jobs: int
    cores: int
    time_s: int | None = None
    usd: Decimal | None = None
    note: str = ""

    @property
    def core_hours(self) -> float | None:
        return None if self.time_s is None else self.jobs * self.cores * self.time_s / 3600


def bounds(plan: Progression) -> list[Bound]:
    """Of all stages, those that have passed included.

    Raises:
        QcliError: what a stage would refuse before it starts.
    """
    dataset = load(plan.data, plan.target)
    parts = [Bound("laptop", f"training on {min(plan.laptop.samples, len(dataset.y))} samples", 1, 1)]
    hpc = plan.hpc
    if plan.space:
        search = check(search_plan(plan), dataset.x.shape[1], len(dataset.classes))
        parts.append(_jobs(plan, f"search, {search.trials} trials", search.trials))
        if hpc.seeds > 1:
            repeated = min(hpc.best, search.trials) * hpc.seeds
            parts.append(
                _jobs(plan, f"{hpc.seeds} seeds of the best {min(hpc.best, search.trials)}", repeated)
            )
    parts.append(_jobs(plan, "final training", 1, hpc.final or hpc.slurm))
    return [*parts, _last(plan, dataset.x.shape[1], len(dataset.classes))]


def _jobs(plan: Progression, what: str, work: int, given: Resources | None = None) -> Bound:
    hpc = plan.hpc
    if hpc.executor == "local":
        cores = hpc.nproc if given else 1
        return Bound("hpc", what, 1 if given else min(hpc.workers, work), cores, note="on this machine")
    given = given or hpc.slurm
    jobs = -(-work // hpc.together)
    cores = given.cpus * given.nodes * given.tasks_per_node
    gpus = f", {given.gpus} GPUs a node" if given.gpus else ""
    return Bound(
        "hpc", what, jobs, cores, given.time_s, note=f"Slurm, {given.partition or 'default partition'}{gpus}"
    )


def _last(plan: Progression, features: int, classes: int) -> Bound:
    """With generic weights of the model as it is before the search."""
    device = plan.qpu.device
    subject = subject_of(plan.model, plan.model_options, features, classes)
    names = plan.targets if device == RECOMMENDED else (device,)
    what = f"{plan.inferences} inferences of {plan.shots} shots on {device}"
    if device != RECOMMENDED and not is_hardware(device):
        return Bound("qpu", what, 1, 1, usd=Decimal(0), note="emulated: costs nothing")
    rows = estimate(subject, Question(inferences=plan.inferences, shots=plan.shots, devices=names)).rows
    bills = {row.terms.name: row.cheapest.usd_high for row in rows if row.cheapest}
    shown = ", ".join(f"{name} {usd:.2f}" for name, usd in bills.items())
    if not plan.qpu.spend:
        return Bound(
            "qpu", what, 1, 1, usd=Decimal(0), note=f"a dry run: spend is not true; would be {shown} USD"
        )
    return Bound("qpu", what, 1, 1, usd=plan.qpu.max_cost, note=f"the cap; before the search: {shown} USD")
