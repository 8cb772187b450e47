"""What is submitted, as counts: circuits with their shots and gates, in the order they depend on each other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qcli.errors import QcliError


@dataclass(frozen=True)
class Gates:
    """Native gates of one circuit, and its wires and measured wires."""

    one_qubit: int
    two_qubit: int
    wires: int
    measured: int


@dataclass(frozen=True)
class Piece:
    """`circuits` of one kind, `shots` each; `programs` of them differ in more than their angles.

    `program` names what they have in common with other pieces.
    """

    what: str
    circuits: int
    shots: int
    gates: Gates | None = None
    programs: int = 1
    program: str = ""


@dataclass(frozen=True)
class Stage:
    """Circuits that may be submitted together; there are `times` such stages, each waiting for the one before."""

    what: str
    times: int
    pieces: tuple[Piece, ...]

    def by_shots(self) -> Mapping[int, int]:
        """Number of circuits for each number of shots: what may share a program set or a job."""
        count: Counter[int] = Counter()
        for piece in self.pieces:
            count[piece.shots] += piece.circuits
        return {shots: circuits for shots, circuits in count.items() if circuits}


@dataclass(frozen=True)
class Workload:
    """Stages, and the number of inferences by which a bill is divided. `debias`: with IonQ's debiasing.

    Raises:
        QcliError: fewer than one inference, shot or program, or a negative number of stages or circuits.
    """

    inferences: int
    stages: tuple[Stage, ...]
    debias: bool = False

    def __post_init__(self) -> None:
        _at_least("inferences", self.inferences, 1)
        for stage in self.stages:
            _at_least("stages", stage.times, 0)
            for piece in stage.pieces:
                _at_least("circuits", piece.circuits, 0)
                _at_least("shots", piece.shots, 1)
                _at_least("programs", piece.programs, 1)

    @classmethod
    def uniform(cls, inferences: int, circuits: int, shots: int, gates: Gates | None = None) -> "Workload":
        """`circuits` in all, independent of each other, `shots` each."""
        return cls(inferences, (Stage("inference", 1, (Piece("inference", circuits, shots, gates),)),))

    @property
    def circuits(self) -> int:
        return sum(stage.times * piece.circuits for stage in self.stages for piece in stage.pieces)

    @property
    def executions(self) -> int:
        """Shots of all circuits together."""
        return sum(
            stage.times * piece.circuits * piece.shots for stage in self.stages for piece in stage.pieces
        )

    @property
    def shots(self) -> tuple[int, int]:
        """The fewest and the most shots of a circuit."""
        found = [piece.shots for stage in self.stages for piece in stage.pieces]
        return min(found, default=1), max(found, default=1)


@dataclass(frozen=True)
class Mitigation:
    """What error mitigation adds to a workload.

    Attributes:
        folds: noise scales of zero-noise extrapolation, odd numbers; two-qubit gates are folded so many times. Each
            scale runs every circuit again (Giurgica-Tiron et al., arXiv:2005.10921).
        readout: two calibration circuits for each program, all wires 0 and all wires 1.
        twirls: random Pauli twirls of each circuit, which share its shots.
        debias: IonQ's debiasing.
    """

    folds: tuple[int, ...] = (1,)
    readout: bool = False
    twirls: int = 1
    debias: bool = False

    def __str__(self) -> str:
        parts = ["zne=" + ",".join(map(str, self.folds))] if self.folds != (1,) else []
        parts += ["readout"] * self.readout + [f"twirl={self.twirls}"] * (self.twirls > 1)
        return " ".join(parts + ["debias"] * self.debias)


NO_MITIGATION = Mitigation()


def parse_mitigation(names: Sequence[str]) -> Mitigation:
    """`("zne=1,3,5", "readout", "twirl=16", "debias")` to a Mitigation.

    Raises:
        QcliError: an unknown name or a wrong number.
    """
    result = Mitigation()
    for text in names:
        name, _, value = text.partition("=")
        numbers = [int(n) if n.isascii() and n.isdigit() else 0 for n in value.split(",")] if value else []
        match name:
            case "zne" if all(n % 2 for n in numbers) and len(set(numbers)) == len(numbers) != 1:
                result = replace(result, folds=tuple(sorted(numbers)) or (1, 3, 5))
            case "readout" if not value:
                result = replace(result, readout=True)
            case "twirl" if len(numbers) <= 1 and all(n > 0 for n in numbers):
                result = replace(result, twirls=numbers[0] if numbers else 16)
            case "debias" if not value:
                result = replace(result, debias=True)
            case _:
                raise QcliError(
                    f"mitigation {text!r}",
                    "--mitigation",
                    "choose from zne=1,3,5 (odd scales), readout, twirl=16, debias",
                )
    return result


def mitigated(workload: Workload, mitigation: Mitigation) -> Workload:
    """The workload with the circuits that mitigation adds; readout is calibrated once, with the first stage."""
    stages = [
        replace(stage, pieces=tuple(new for piece in stage.pieces for new in _expanded(piece, mitigation)))
        for stage in workload.stages
    ]
    if mitigation.readout and stages:
        pieces = [piece for stage in workload.stages for piece in stage.pieces]
        programs = sum({piece.program: piece.programs for piece in pieces}.values())
        width = max((piece.gates.measured for piece in pieces if piece.gates), default=0)
        pair = tuple(
            Piece(
                f"readout calibration, all {bit}",
                programs,
                workload.shots[1],
                Gates(bit * width, 0, width, width) if width else None,
                programs,
            )
            for bit in (0, 1)
        )
        if stages[0].times == 1:
            stages[0] = replace(stages[0], pieces=(*stages[0].pieces, *pair))
        else:
            stages.insert(0, Stage("readout calibration", 1, pair))
    return replace(workload, stages=tuple(stages), debias=mitigation.debias)


def _expanded(piece: Piece, mitigation: Mitigation) -> list[Piece]:
    pieces = []
    for fold in mitigation.folds:
        gates = piece.gates and replace(piece.gates, two_qubit=fold * piece.gates.two_qubit)
        what = piece.what if mitigation.folds == (1,) else f"{piece.what}, noise scale {fold}"
        if mitigation.twirls > 1:
            what += f", {mitigation.twirls} twirls"
        pieces.append(
            replace(
                piece,
                what=what,
                circuits=piece.circuits * mitigation.twirls,
                shots=-(-piece.shots // mitigation.twirls),
                gates=gates,
                programs=piece.programs * mitigation.twirls,
            )
        )
    return pieces


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise QcliError(
            f"{name} must be at least {least}, not {value}", "workload", f"give {least} or more {name}"
        )
