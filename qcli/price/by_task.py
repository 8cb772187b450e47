"""Bills by task and shot: Amazon Braket on demand and reserved, Scaleway."""

from collections.abc import Iterator
from fractions import Fraction

from qcli.price.bill import Batch, Line, Plan, line, plan, split, started
from qcli.price.tariff import PerTask, ProgramSets, Terms
from qcli.price.workload import Stage, Workload


def plans(workload: Workload, terms: Terms, price: PerTask) -> Iterator[Plan]:
    """`separate`: a task per circuit. `program-sets`: sets as full as both limits allow, with equal shots in each; a
    circuit of more shots than a set takes is a task of its own. `parametrised`: sets of one program each, bound to many
    inputs. `reservation`: started hours of the machine.
    """
    singles = [Batch(stage.times * piece.circuits, 1) for stage in workload.stages for piece in stage.pieces]
    yield _tasks("separate", "tasks: one circuit each", singles, workload, terms, price)
    fewest = singles
    if (limits := terms.program_set) is not None and _fits(workload, limits):
        doubt = "" if limits.confirmed else "program sets are not confirmed on this device"
        mixed = [batch for stage in workload.stages for batch in _sets(stage, limits)]
        fewest = mixed if limits.confirmed else singles
        yield _tasks("program-sets", _full(limits), mixed, workload, terms, price, doubt)
        if any(piece.circuits > piece.programs for stage in workload.stages for piece in stage.pieces):
            alike = [batch for stage in workload.stages for batch in _sets_of_one_program(stage, limits)]
            yield _tasks("parametrised", _full(limits), alike, workload, terms, price, doubt)
    if terms.reservation is not None and terms.machine_time and workload.circuits:
        yield _reserved(workload, terms, price, fewest)


def gates_allowed(terms: Terms, name: str) -> int | None:
    """Gates that one circuit may have under the plan `name`, None if not limited."""
    return terms.gates_max_reserved if name == "reservation" else terms.gates_max


def _tasks(
    name: str,
    text: str,
    batches: list[Batch],
    workload: Workload,
    terms: Terms,
    price: PerTask,
    barred: str = "",
) -> Plan:
    tasks = sum(batch.tasks for batch in batches)
    lines = [line(text, tasks, price.task_fee), *_shot_lines(workload, price)]
    return plan(name, workload, lines, batches, terms.machine_time, barred=barred)


def _shot_lines(workload: Workload, price: PerTask) -> list[Line]:
    lines = []
    for stage in workload.stages:
        for piece in stage.pieces:
            circuits = stage.times * piece.circuits
            text = f"shots: {piece.what}, {circuits:,} circuits x {piece.shots:,}"
            lines.append(line(text, circuits * piece.shots, price.shot_price))
    return lines


def _full(limits: ProgramSets) -> str:
    return (
        f"tasks: program sets of up to {limits.max_executables:,} circuits and "
        f"{limits.max_total_shots:,} shots"
    )


def _fits(workload: Workload, limits: ProgramSets) -> bool:
    return workload.shots[0] <= limits.max_total_shots


def _executables(shots: int, limits: ProgramSets) -> int:
    return max(1, min(limits.max_executables, limits.max_total_shots // shots))


def _sets(stage: Stage, limits: ProgramSets) -> Iterator[Batch]:
    for shots, circuits in stage.by_shots().items():
        for batch in split(circuits, _executables(shots, limits)):
            yield Batch(stage.times * batch.tasks, batch.circuits)


def _sets_of_one_program(stage: Stage, limits: ProgramSets) -> Iterator[Batch]:
    for piece in stage.pieces:
        inputs, more = divmod(piece.circuits, piece.programs)
        for programs, circuits in ((piece.programs - more, inputs), (more, inputs + 1)):
            for batch in split(circuits, _executables(piece.shots, limits)):
                yield Batch(stage.times * programs * batch.tasks, batch.circuits)


def _reserved(workload: Workload, terms: Terms, price: PerTask, batches: list[Batch]) -> Plan:
    assert terms.reservation is not None
    tasks = sum(batch.tasks for batch in batches)
    seconds = [
        Fraction(rule.per_task_s) * tasks + Fraction(rule.per_shot_s) * workload.executions
        for rule in terms.machine_time
    ]
    hours, least = (max(1, started(end(seconds), 3600)) for end in (max, min))
    lines = [
        line(f"reservation: started hours of {float(max(seconds)) / 3600:,.2f} h", hours, terms.reservation)
    ]
    remarks = ["tasks under a reservation cost nothing; free to cancel up to 48 hours ahead"]
    if price.shot_price:
        rate = Fraction(terms.reservation) / 3600 / Fraction(price.shot_price)
        remarks.append(f"breaks even with shots on demand at {float(rate):,.1f} shots/s sustained")
    return plan(
        "reservation",
        workload,
        lines,
        batches,
        terms.machine_time,
        low=least * terms.reservation,
        remarks=remarks,
    )
