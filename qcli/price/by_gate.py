"""Bills by gates: IonQ's gate-shots, Quantinuum's credits."""

from collections.abc import Iterator
from decimal import Decimal

from qcli.errors import QcliError
from qcli.price.bill import Batch, Line, Plan, line, plan
from qcli.price.tariff import Credits, GateShots, Terms
from qcli.price.workload import Gates, Piece, Workload


def gate_shots(workload: Workload, terms: Terms, price: GateShots) -> Iterator[Plan]:
    """`separate`: without debiasing, except for circuits whose shots force it. `debiased`: all with it, at its higher
    minimum, where all have the shots that it needs.
    """
    fewest, start = workload.shots[0], price.debiased_from_shots
    plain = not workload.debias and (start is None or fewest < start)
    if plain:
        yield _bill("separate", workload, terms, price, start)
    if not plain or fewest >= (terms.debias_min_shots or 1):
        yield _bill("debiased", workload, terms, price, 0)


def _bill(name: str, workload: Workload, terms: Terms, price: GateShots, debiased_from: int | None) -> Plan:
    def each(piece: Piece) -> tuple[str, Decimal]:
        gates = _gates(piece, terms)
        debiased = debiased_from is not None and piece.shots >= debiased_from
        minimum = price.minimum_debiased if debiased else price.minimum
        usd = piece.shots * (gates.one_qubit * price.one_qubit + gates.two_qubit * price.two_qubit)
        text = (
            f"{piece.shots:,} shots x ({gates.one_qubit:,} x {price.one_qubit:f} + "
            f"{gates.two_qubit:,} x {price.two_qubit:f}) = {usd:,.4f} USD"
        )
        return (text if usd >= minimum else f"{text}, minimum {minimum:,f}"), max(usd, minimum)

    lines = [_line(stage_times, piece, *each(piece)) for stage_times, piece in _pieces(workload)]
    start = price.debiased_from_shots
    forced = start is not None and workload.shots[1] >= start
    remarks = [f"debiasing is forced from {start:,} shots on"] if forced else []
    remarks.append("a minimum for every circuit: no saving for many in one job")
    return plan(name, workload, lines, _singles(workload), terms.machine_time, remarks=remarks)


def credits(workload: Workload, terms: Terms, price: Credits) -> Iterator[Plan]:
    """`separate`: HQC = base + C (N1 + 10 N2 + 5 Nm) / 5000 a circuit, C shots, Nm preparations and measurements."""

    def each(piece: Piece) -> tuple[str, Decimal]:
        gates = _gates(piece, terms)
        reads = gates.wires + gates.measured
        hqc = price.base + Decimal(piece.shots * (gates.one_qubit + 10 * gates.two_qubit + 5 * reads)) / 5000
        text = (
            f"{price.base:f} + {piece.shots:,} shots x ({gates.one_qubit:,} + 10 x {gates.two_qubit:,} + "
            f"5 x {reads}) / 5000 = {hqc:,f} HQC"
        )
        return text, hqc * price.usd_per_credit

    lines = [_line(times, piece, *each(piece)) for times, piece in _pieces(workload)]
    remark = "credits are bought by the month; this is their share of that price"
    yield plan("separate", workload, lines, _singles(workload), terms.machine_time, remarks=(remark,))


def _gates(piece: Piece, terms: Terms) -> Gates:
    if piece.gates is None:
        raise QcliError(
            "gates unknown, which the price depends on",
            terms.name,
            "choose a device with a calibration record",
        )
    return piece.gates


def _pieces(workload: Workload) -> list[tuple[int, Piece]]:
    return [(stage.times, piece) for stage in workload.stages for piece in stage.pieces]


def _singles(workload: Workload) -> list[Batch]:
    return [Batch(times * piece.circuits, 1) for times, piece in _pieces(workload)]


def _line(times: int, piece: Piece, text: str, usd: Decimal) -> Line:
    circuits = times * piece.circuits
    return line(f"{piece.what}: {circuits:,} circuits of {text}", circuits, usd)
