"""Bills by the second: IBM's jobs, batches and sessions; machines metered by execution time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from qcli.price.bill import Batch, Line, Plan, line, plan, started, total
from qcli.price.tariff import Metered, PerSecond, Rule, Terms
from qcli.price.workload import Stage, Workload

Seconds = Callable[[int], Fraction]
"""QPU seconds of one job from its executions."""
Jobs = list[tuple[Batch, int]]
"""Jobs of equal size, and the executions of each."""
_SECONDS = 64


def jobs(workload: Workload, terms: Terms, price: PerSecond) -> Iterator[Plan]:
    """`job`: as few jobs as the execution limit allows. `batch`: the same jobs side by side, billed alike. `session`:
    their wall-clock time, idle time included. `separate`: one job per circuit.
    """
    packed = [job for stage in workload.stages for job in _packed(stage, price)]
    count = sum(batch.tasks for batch, _ in packed)
    rule = terms.rule_of_thumb
    beside = [_beside(rule, packed, price)] if rule else []
    yield _bill("job", packed, workload, terms, price, remarks=beside)
    remarks = ["jobs run side by side; billed as their sum", *beside]
    yield _bill("batch", packed, workload, terms, price, remarks=remarks)
    if (idle := terms.session_idle_s) is not None:
        text = f"session: idle time, {count:,} x {idle:f} s"
        wait = line(text, started(Fraction(idle) * count), price.usd_per_s)
        remarks = ["bills wall-clock time; no queueing between its jobs", *beside]
        yield _bill("session", packed, workload, terms, price, [wait], remarks)
    if workload.circuits > count:
        singles = [
            (Batch(stage.times * piece.circuits, 1), piece.shots)
            for stage in workload.stages
            for piece in stage.pieces
            if stage.times * piece.circuits
        ]
        yield _bill("separate", singles, workload, terms, price)


def metered(workload: Workload, terms: Terms, price: Metered) -> Iterator[Plan]:
    """`separate`: a task per circuit, each billed by the started step of the upper end of its time."""
    lines, least = [], Decimal(0)
    for stage in workload.stages:
        for piece in stage.pieces:
            circuits = stage.times * piece.circuits
            times = [_by_rule(rule)(piece.shots) for rule in terms.machine_time]
            high, low = (_steps(end(times), price) for end in (max, min))
            text = (
                f"execution: {piece.what}, {circuits:,} circuits x {_plain(high * Fraction(price.step_s))} s"
            )
            lines.append(line(text, circuits * high, price.usd_per_step))
            least += circuits * low * price.usd_per_step
    remarks = [f"billed by the started {price.step_s:f} s; the time is known as a range only"]
    if price.minimum_s:
        remarks.append(f"at least {price.minimum_s:f} s a task")
    batches = [Batch(stage.times * piece.circuits, 1) for stage in workload.stages for piece in stage.pieces]
    yield plan("separate", workload, lines, batches, terms.machine_time, low=least, remarks=remarks)


def billed_seconds(plan: Plan) -> Decimal:
    """QPU seconds on a bill by the second."""
    return sum((item.quantity for item in plan.lines), Decimal(0))


def _bill(
    name: str,
    jobs: Jobs,
    workload: Workload,
    terms: Terms,
    price: PerSecond,
    more: Sequence[Line] = (),
    remarks: Sequence[str] = (),
) -> Plan:
    """A line for each kind of job, and `more`; the range is that of the device's machine time."""
    lines = [*(_job_line(batch, executions, price) for batch, executions in jobs), *more]
    ends = [
        _seconds(jobs, price, _by_rule(rule)) * price.usd_per_s + total(more) for rule in terms.machine_time
    ]
    low, high = min(ends, default=None), max(ends, default=None)
    batches = [batch for batch, _ in jobs]
    return plan(name, workload, lines, batches, terms.machine_time, low=low, high=high, remarks=remarks)


def _packed(stage: Stage, price: PerSecond) -> Jobs:
    """The stage's jobs and the executions of each: the cheapest of a few capacities, the fewest jobs of equals.

    A job of the most executions may waste most of a second in rounding; one that ends on a whole second wastes little.
    """
    counts = stage.by_shots()
    if not counts or not stage.times:
        return []
    model, most, shots = _model(price), price.max_executions_per_job, max(counts)
    longest = started(model(min(most, sum(n * each for n, each in counts.items()))))
    overhead, rate = Fraction(price.overhead_s), Fraction(price.rate_hz)
    whole = (int((second - overhead) * rate) for second in range(max(1, longest - _SECONDS), longest))
    capacities = [most, *(size for size in whole if shots <= size < most)]

    def cost(jobs: Jobs) -> tuple[int, int]:
        return _seconds(jobs, price, model), sum(batch.tasks for batch, _ in jobs)

    jobs = min((_filled(counts, capacity) for capacity in capacities), key=cost)
    return [(Batch(stage.times * batch.tasks, batch.circuits), executions) for batch, executions in jobs]


def _filled(counts: Mapping[int, int], capacity: int) -> Jobs:
    """Jobs of up to `capacity` executions by first fit decreasing: each circuit into the first job with room."""
    jobs: Jobs = []
    for shots, left in sorted(counts.items(), reverse=True):
        filled = []
        for batch, used in (*jobs, (Batch(left, 0), 0)):
            fits = (capacity - used) // shots
            full, rest = divmod(min(left, batch.tasks * fits), fits) if fits else (0, 0)
            left -= full * fits + rest
            last = int(rest > 0)
            for tasks, more in ((full, fits), (last, rest), (batch.tasks - full - last, 0)):
                if tasks and batch.circuits + more:
                    filled.append((Batch(tasks, batch.circuits + more), used + more * shots))
        jobs = filled
    return jobs


def _model(price: PerSecond) -> Seconds:
    return lambda executions: Fraction(price.overhead_s) + executions / Fraction(price.rate_hz)


def _by_rule(rule: Rule) -> Seconds:
    return lambda executions: Fraction(rule.per_task_s) + executions * Fraction(rule.per_shot_s)


def _billed(batch: Batch, executions: int, price: PerSecond, seconds: Seconds) -> int:
    """Whole seconds billed for all jobs of `batch`."""
    return batch.tasks * started(max(seconds(executions), Fraction(price.minimum_s)))


def _seconds(jobs: Jobs, price: PerSecond, seconds: Seconds) -> int:
    return sum(_billed(batch, executions, price, seconds) for batch, executions in jobs)


def _job_line(batch: Batch, executions: int, price: PerSecond) -> Line:
    used_s = _model(price)(executions)
    billed_s = _billed(batch, executions, price, _model(price))
    count = "1 job" if batch.tasks == 1 else f"{batch.tasks:,} jobs"
    formula = f"{price.overhead_s:f} s + {executions:,} executions / {price.rate_hz:,f} Hz"
    each = f"{float(used_s):,.2f} s, billed {billed_s // batch.tasks:,} s"
    return line(f"QPU seconds: {count} of {formula} = {each}", billed_s, price.usd_per_s)


def _beside(rule: Rule, jobs: Jobs, price: PerSecond) -> str:
    seconds = _seconds(jobs, price, _by_rule(rule))
    return f"{rule.what}: billed {seconds:,} s, {seconds * price.usd_per_s:,.2f} USD"


def _steps(seconds: Fraction, price: Metered) -> int:
    return started(max(seconds, Fraction(price.minimum_s)), Fraction(price.step_s))


def _plain(value: Fraction) -> str:
    return f"{float(value):,.10g}"
