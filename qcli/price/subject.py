"""What is priced: a run directory or a model, the circuits of one inference, and of training on hardware."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, cast, get_args

import torch

from qcli.errors import QcliError
from qcli.files import read_json
from qcli.model.load import build_model, find_model, parse_options, zoo
from qcli.price.record import Call, Recorded, distinct, record
from qcli.price.workload import Gates, Piece, Stage, Workload
from qcli.train.run import Run, Settings

Gradient = Literal["parameter-shift", "spsa"]
_SPSA_EVALUATIONS = 2


@dataclass(frozen=True)
class Tested:
    """Test samples, how many of them are classified right in simulation, and each baseline's accuracy in [0, 1]."""

    samples: int
    right: int
    baselines: Mapping[str, float]


@dataclass(frozen=True)
class Subject:
    """A model by name and classes, its run directory if trained, and its quantum layers' calls in one inference."""

    model: str
    classes: int
    run: Run | None
    calls: tuple[Call, ...]

    @cached_property
    def circuits(self) -> tuple[Recorded, ...]:
        """Each circuit once, with its count in one inference."""
        return distinct(self.calls)

    @property
    def per_inference(self) -> int:
        return sum(circuit.count for circuit in self.circuits)

    @property
    def wires(self) -> int:
        return max(circuit.program.wires for circuit in self.circuits)

    @cached_property
    def tested(self) -> Tested | None:
        """From the run's metrics.json, None without a finished training.

        Raises:
            QcliError: the file is damaged.
        """
        if self.run is None or not (path := self.run.path / "metrics.json").is_file():
            return None
        content = read_json(path, "qcli.metrics/1")
        try:
            samples = int(content["test_samples"])
            chosen = next(each for each in content["seeds"] if each["seed"] == content["chosen_seed"])
            baselines = {each["name"]: float(each["accuracy"]["value"]) for each in content["baselines"]}
            return Tested(samples, round(chosen["accuracy"]["value"] * samples), baselines)
        except (KeyError, TypeError, ValueError, OverflowError, StopIteration) as error:
            what = f"not the metrics of a training: {type(error).__name__} {error}"
            raise QcliError(what, str(path), "restore the file, or train again") from None


@dataclass(frozen=True)
class Training:
    """Training with gradients from a QPU: `rows` training samples in batches, `validation` samples after each epoch.

    The parameter-shift rule evaluates each circuit once and twice more for every frequency of every trainable angle;
    SPSA once and twice more in all (Spall, IEEE TAC 37, 332, 1992).
    """

    epochs: int
    batch: int
    rows: int
    validation: int
    gradient: Gradient = "parameter-shift"

    def evaluations(self, call: Call) -> int:
        """Of each circuit of `call`, for one sample and step, the forward pass left out."""
        return call.shifts if self.gradient == "parameter-shift" else _SPSA_EVALUATIONS


def subject_of(
    target: str, options: Mapping[str, str], features: int | None = None, classes: int | None = None
) -> Subject:
    """The model behind a run directory, or behind a name or path, with the circuits of one inference.

    Raises:
        QcliError: there is none, it submits no circuit, or a trained run is given options.
    """
    if _is_run(target):
        run = Run.open(target)
        if options or features or classes:
            raise QcliError(
                "a trained run has its options, features and classes fixed",
                "--set, --features, --classes",
                "leave them out, or name the model instead",
            )
        calls = record(run.model(), run.rows("test", 1)[0])
        subject = Subject(run.info.model.name, len(run.info.data.classes), run, calls)
    else:
        source = find_model(target)
        features, classes = features or 64, classes or 2
        model = build_model(source, features, classes, parse_options(source, options), seed=0)
        subject = Subject(source.name, classes, None, record(model, torch.full((1, features), 0.5)))
    if not subject.circuits:
        raise QcliError(
            "the model submits no circuit in a forward pass",
            subject.model,
            "use its quantum layer in forward()",
        )
    return subject


def training_of(
    subject: Subject,
    gradient: str = "parameter-shift",
    epochs: int | None = None,
    batch: int | None = None,
    rows: int | None = None,
) -> Training:
    """The training that a run went through, with what is given in its place.

    Raises:
        QcliError: an unknown gradient, or no number of training samples for a model that was not trained.
    """
    if gradient not in get_args(Gradient):
        raise QcliError(
            f"unknown gradient {gradient!r}", "--gradient", f"choose {' or '.join(get_args(Gradient))}"
        )
    settings, validation = Settings(), 0
    if subject.run is not None:
        info = subject.run.info
        settings, validation, rows = info.training, info.split.validation, rows or info.split.train
    if rows is None:
        raise QcliError("how many training samples?", "--samples", "give their number, or name a trained run")
    return Training(
        epochs or settings.epochs, batch or settings.batch, rows, validation, cast(Gradient, gradient)
    )


def inference(subject: Subject, inferences: int, shots: int, gates: Mapping[str, Gates]) -> Workload:
    """`inferences` forward passes; each quantum layer's circuits wait for the layer before.

    Args:
        gates: native gates by a circuit's key, where known.
    """
    stages = tuple(
        Stage("inference", 1, tuple(_pieces("inference", call, inferences, shots, gates)))
        for call in subject.calls
    )
    return Workload(inferences, stages)


def training(subject: Subject, plan: Training, shots: int, gates: Mapping[str, Gates]) -> Workload:
    """Every step waits for the one before; in a step, each quantum layer's circuits for the layer before."""
    full, rest = divmod(plan.rows, plan.batch)
    stages = []
    for size, times in ((plan.batch, full * plan.epochs), (rest, plan.epochs if rest else 0)):
        for call in subject.calls if times else ():
            forward = _pieces("forward pass", call, size, shots, gates)
            shifted = _pieces(plan.gradient, call, size * plan.evaluations(call), shots, gates)
            pieces = tuple(piece for piece in (*forward, *shifted) if piece.circuits)
            stages.append(Stage("training step", times, pieces))
    if plan.validation:
        for call in subject.calls:
            pieces = tuple(_pieces("validation", call, plan.validation, shots, gates))
            stages.append(Stage("validation", plan.epochs, pieces))
    return Workload(plan.epochs * plan.rows, tuple(stages))


def _pieces(what: str, call: Call, times: int, shots: int, gates: Mapping[str, Gates]) -> Sequence[Piece]:
    return [
        Piece(what, times * each.count, shots, gates.get(each.program.key), program=each.program.key)
        for each in call.circuits
    ]


def _is_run(target: str) -> bool:
    """Whether a run directory is meant: one is there, or the text is a path that is not a Python file."""
    path = Path(target)
    if (path / "run.json").exists():
        return True
    return not target.endswith(".py") and target not in zoo() and (path.is_dir() or "/" in target)
