"""Mitigation by value: the accuracy that each technique regains on a model, against what it adds to the bill."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from qcli.device.record import Device
from qcli.errors import QcliError
from qcli.forecast.accuracy import Inference, Range, Subject
from qcli.forecast.circuit import LEVEL
from qcli.forecast.figures import expected
from qcli.forecast.mitigation.cost import extra_seconds, extra_usd, plan_with, workload
from qcli.forecast.mitigation.executor import Machine, Mitigated, Trial
from qcli.forecast.mitigation.technique import NONE, Technique, echoed, refusal, techniques
from qcli.forecast.optimism import optimism
from qcli.forecast.scenarios import usual
from qcli.noise.prepared import Circuits
from qcli.price.bill import Plan
from qcli.price.plans import check_shots
from qcli.price.sheet import terms
from qcli.price.tariff import Terms
from qcli.price.workload import Workload
from qcli.simulate.exact import Exact

Array = NDArray[np.float64]

RUNS = 100
_WORTH_A_WORD = 0.005


@dataclass(frozen=True)
class Row:
    """One technique. Figures are means over runs; their intervals hold what 90 % of the runs show.

    Attributes:
        technique: as `--mitigation` takes it, or `none` or `dd`.
        offered: whether the device takes it for this workload; if not, `remark` says why, and there are no figures.
        accuracy, regained: share of samples classified right, and how much more that is than without mitigation in the
            same run.
        error, removed: mean |error| of the quantum outputs, and how much less that is.
        extra_usd: difference of the cheapest bills.
        extra_s: of those bills' machine times, low and high end; None where nothing is known.
    """

    technique: str
    offered: bool
    remark: str
    accuracy: Range | None = None
    regained: Range | None = None
    error: Range | None = None
    removed: Range | None = None
    extra_usd: Decimal | None = None
    extra_s: tuple[float, float] | None = None

    @property
    def pays(self) -> bool:
        """Whether the interval of what it regains lies above 0."""
        return self.regained is not None and self.regained.low > 0

    @property
    def worth(self) -> tuple[float, float]:
        """Accuracy regained per extra USD, infinite where nothing is added to the bill, and accuracy regained."""
        assert self.regained is not None and self.extra_usd is not None
        share = self.regained.value
        return (share / float(self.extra_usd) if self.extra_usd > 0 else float("inf")), share

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "extra_usd": None if self.extra_usd is None else f"{self.extra_usd:f}"}


@dataclass(frozen=True)
class Value:
    """What mitigation is worth on a device's median day.

    Attributes:
        simulated: accuracy of the exact simulation.
        usd: the bill without mitigation.
        best: the technique that regains most accuracy per extra USD, `none` if none surely does; `verdict` says so.
    """

    device: str
    inferences: int
    shots: int
    runs: int
    simulated: float
    usd: Decimal
    rows: tuple[Row, ...]
    best: str
    verdict: str

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "usd": f"{self.usd:f}", "rows": [row.to_json() for row in self.rows]}


def by_value(
    subject: Subject,
    device: Device,
    shots: int,
    entry: Terms | None = None,
    runs: int = RUNS,
    seed: int = 0,
    on_run: Callable[[int, int], None] = lambda done, total: None,
) -> Value:
    """Try each technique on a model's samples in the emulator, and price it.

    Gate and idling errors are those to expect on the median day. Every circuit has `shots` shots, those of the readout
    calibration and folded ones as well. Techniques that run the same circuits see the same counts.

    Args:
        entry: the terms to price by, such as those of another provider of the device.
        on_run: called with the number of runs done, and of all.

    Raises:
        QcliError: fewer than one run, shots that the device does not take, or a circuit that does not fit it.
    """
    if runs < 1:
        raise QcliError(f"{runs} runs", "mitigation by value", "ask for at least one")
    entry = entry or terms(device.key)
    check_shots(shots, entry)
    circuits = Circuits(device)
    bills, refused = _bills(device, workload(subject, circuits, shots), entry)
    ideal = subject.infer(Exact("auto", torch.float64))
    found: dict[Technique, list[tuple[float, float]]] = {technique: [] for technique in bills}
    machines = _machines(circuits)
    for run in range(runs):
        trials = {echo: Trial(machine, shots, (seed, run)) for echo, machine in machines.items()}
        for technique in [each for each in found if each not in refused]:
            try:
                seen = subject.infer(Mitigated(trials[technique.echo], technique))
            except QcliError as error:
                if technique == NONE:
                    raise
                refused[technique] = error.what
            else:
                found[technique].append(_scores(subject, ideal, seen))
        on_run(run + 1, runs)
    rows = tuple(
        Row(each.name, False, refused[each])
        if each in refused
        else _row(each, np.array(found[each]), np.array(found[NONE]), bills[each], bills[NONE])
        for each in techniques(device)
    )
    best = best_of(rows)
    return Value(
        device=device.key,
        inferences=len(subject.y),
        shots=shots,
        runs=runs,
        simulated=float((ideal.labels == subject.y).mean()),
        usd=bills[NONE].usd,
        rows=rows,
        best=best.technique,
        verdict=_verdict(best, rows),
    )


def best_of(rows: Sequence[Row]) -> Row:
    """The row that regains most accuracy per extra USD of those that pay; of free ones, most. Else the first."""
    paying = [row for row in rows if row.pays]
    return max(paying, key=lambda row: row.worth, default=rows[0])


def _bills(
    device: Device, work: Workload, entry: Terms
) -> tuple[dict[Technique, Plan], dict[Technique, str]]:
    """The cheapest plan with each technique, and why others are not offered."""
    bills, refused = {}, {}
    for technique in techniques(device):
        if reason := refusal(technique, device):
            refused[technique] = reason
            continue
        try:
            bills[technique] = plan_with(technique.submitted, work, entry)
        except QcliError as error:
            if technique == NONE:
                raise
            refused[technique] = error.what
    return bills, refused


def _machines(circuits: Circuits) -> dict[bool, Machine]:
    """The device on its median day, without and with an ideal echo."""
    figures, strength = expected(circuits.device), usual(optimism(circuits.device.vendor))
    return {
        False: Machine(circuits, strength, figures),
        True: Machine(circuits, strength, echoed(figures)),
    }


def _scores(subject: Subject, ideal: Inference, seen: Inference) -> tuple[float, float]:
    """Accuracy, and mean |error| of the outputs."""
    return float((seen.labels == subject.y).mean()), float(np.abs(seen.outputs - ideal.outputs).mean())


def _row(technique: Technique, scores: Array, without: Array, plan: Plan, base: Plan) -> Row:
    """From scores `(runs, 2)` with the technique and without any."""
    accuracy, error = scores.T
    accuracy_without, error_without = without.T
    return Row(
        technique=technique.name,
        offered=True,
        remark=technique.remark,
        accuracy=_range(accuracy),
        regained=_range(accuracy - accuracy_without),
        error=_range(error),
        removed=_range(error_without - error),
        extra_usd=extra_usd(plan, base),
        extra_s=extra_seconds(plan, base),
    )


def _range(runs: Array) -> Range:
    low, high = np.quantile(runs, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Range(float(runs.mean()), float(low), float(high))


def _verdict(best: Row, rows: Sequence[Row]) -> str:
    if best.pays:
        return f"{best.technique} regains {_worth(best)}"
    tried = [row for row in rows if row.regained is not None and row.regained.value >= _WORTH_A_WORD]
    most = max(tried, key=lambda row: row.worth[1], default=None)
    average = f"; on average {most.technique} regains most, {_worth(most)}" if most else ""
    return f"none: no technique regains accuracy in at least 95 % of the runs{average}"


def _worth(row: Row) -> str:
    usd = row.extra_usd or 0
    return f"{100 * row.worth[1]:.1f} points {f'for {usd:,.2f} USD more' if usd > 0 else 'at no extra cost'}"
