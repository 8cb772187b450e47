"""Models by name or path: finding the file, calling its `build`, checking what comes back."""

import hashlib
import importlib.util
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from qcli.circuit.program import Program
from qcli.errors import QcliError
from qcli.files import bundled, nearest
from qcli.model.layer import QuantumLayer, adopt_torch_layers, quantum_layers
from qcli.simulate.exact import Blank
from qcli.simulate.executor import using

T = TypeVar("T")
_MODULE = "qcli_model_"


@dataclass(frozen=True)
class ModelSource:
    """Where a model comes from. `path` is None for a model of the zoo, found again by its name."""

    name: str
    path: str | None
    sha256: str

    @property
    def file(self) -> Path:
        return Path(self.path) if self.path else bundled("circuits") / f"{self.name}.py"


def zoo() -> tuple[str, ...]:
    """Names of the models that come with qcli."""
    return tuple(sorted(path.stem for path in bundled("circuits").glob("*.py")))


def find_model(model: str) -> ModelSource:
    """A model of the zoo by name, or a user's own file by path.

    Raises:
        QcliError: there is no such model.
    """
    path = Path(model)
    if path.suffix == ".py" or "/" in model:
        if not path.is_file() or path.suffix != ".py":
            what = "is not a Python file" if path.exists() else "does not exist"
            raise QcliError(
                f"model file {model} {what}",
                str(path.absolute().parent),
                "name a Python file (.py) with build()",
            )
        return ModelSource(path.stem, str(path.resolve()), _digest(path))
    if model not in zoo():
        raise QcliError(
            f"unknown model {model!r}",
            "the model zoo",
            f"{nearest(model, zoo())}, or name a file: ./{model}.py",
        )
    return ModelSource(model, None, _digest(bundled("circuits") / f"{model}.py"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def parse_options(source: ModelSource, settings: Mapping[str, str]) -> dict[str, Any]:
    """`key=value` texts as keyword arguments of `build`, converted by its annotations or defaults.

    Raises:
        QcliError: `build` has no such option, or the value is not of its type.
    """
    build = _build_function(source)
    signature = _calling(lambda: inspect.signature(build), "build has no signature", str(source.file))
    parameters = dict(list(signature.parameters.items())[2:])
    options: dict[str, Any] = {}
    for key, text in settings.items():
        if key not in parameters:
            fix = nearest(key, parameters) if parameters else "leave --set out"
            raise QcliError(f"model {source.name} has no option {key!r}", str(source.file), fix)
        parameter = parameters[key]
        kind = (
            parameter.annotation
            if parameter.annotation in (int, float, bool, str)
            else type(parameter.default)
        )
        options[key] = _convert(key, text, kind)
    return options


def _convert(key: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() in ("true", "yes", "1"):
            return True
        if text.lower() in ("false", "no", "0"):
            return False
        raise QcliError(
            f"option {key} is true or false, got {text!r}", f"--set {key}={text}", f"--set {key}=true"
        )
    if kind not in (int, float):
        return text
    try:
        return kind(text)
    except ValueError:
        word = "a whole number" if kind is int else "a number"
        raise QcliError(
            f"option {key} is {word}, got {text!r}", f"--set {key}={text}", f"--set {key}=8"
        ) from None


_TRACED: dict[tuple[str, int, int, str, int | None], dict[str, dict[int, Program]]] = {}
"""Circuits by model file, arguments and seed, then by layer: the same model built again is not traced again."""


def build_model(
    source: ModelSource, features: int, classes: int, options: Mapping[str, Any], seed: int | None = None
) -> nn.Module:
    """Call the model file's `build`, adopt its TorchLayers, and try one forward pass of two samples without
    simulating its circuits.

    Raises:
        QcliError: build() or the circuit fails, or the result is not a hybrid model of this contract.
    """
    build = _build_function(source)
    where = str(source.file)
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        model = _calling(lambda: build(features, classes, **options), "build() fails", where)
    if not isinstance(model, nn.Module):
        raise QcliError(
            f"build() returned {type(model).__name__}, not a torch.nn.Module",
            where,
            "return the model from build(features, classes)",
        )
    model = adopt_torch_layers(model)
    if not any(True for _ in quantum_layers(model)):
        raise QcliError(
            "the model has no quantum layer", where, "put a qcli.QuantumLayer or qml.qnn.TorchLayer into it"
        )
    traced = _TRACED.setdefault((source.sha256, features, classes, repr(sorted(options.items())), seed), {})
    for name, module in model.named_modules():
        if isinstance(module, QuantumLayer):
            module.name = f"quantum layer {name!r}" if name else module.name
            if seed is not None:
                module.share_programs(traced.setdefault(name, {}))
    model.eval()
    sample = torch.linspace(0.1, 0.9, 2 * features).reshape(2, features)
    executor = _Count()
    with torch.no_grad(), using(executor):
        output = call_model(model, sample, classes, where)
    if executor.runs == 0:
        raise QcliError(
            "the model's forward pass runs no circuit", where, "call its quantum layer in forward()"
        )
    if len(output) != len(sample):
        raise QcliError(
            f"the model returns {len(output)} rows for {len(sample)} samples",
            where,
            f"return logits of shape (batch, {classes})",
        )
    if not torch.isfinite(output).all():
        raise QcliError(
            "the model's output is not finite on inputs in [0, 1]", where, "check the model's initial weights"
        )
    return model


class _Count(Blank):
    """Counts the forward passes through quantum layers."""

    runs = 0

    def run(self, program: Program, angles: Tensor) -> Tensor:
        self.runs += 1
        return super().run(program, angles)


def call_model(model: nn.Module, x: Tensor, classes: int, where: str = "the model's forward pass") -> Tensor:
    """Logits `(batch, classes)` of `x`; whatever the model raises becomes a QcliError."""
    return _calling(lambda: class_logits(model(x), classes, where), "the model's forward pass fails", where)


def class_logits(output: object, classes: int, where: str = "the model's output") -> Tensor:
    """Logits `(batch, classes)`; a binary model may return that of the second class, `(batch,)` or `(batch, 1)`."""
    if isinstance(output, Tensor):
        if output.ndim == 2 and output.shape[1] == classes:
            return output
        if classes == 2 and (output.ndim == 1 or (output.ndim == 2 and output.shape[1] == 1)):
            logit = output.reshape(-1, 1)
            return torch.cat([torch.zeros_like(logit), logit], dim=1)
    shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    raise QcliError(
        f"the model returns {shape} for 2 samples", where, f"return logits of shape (batch, {classes})"
    )


def _calling(function: Callable[[], T], what: str, where: str) -> T:
    """Call code of the user's model file; whatever it raises becomes a QcliError with the line it came from."""
    try:
        return function()
    except QcliError:
        raise
    except (Exception, SystemExit) as error:
        frames = [
            (frame.f_code.co_filename, number)
            for frame, number in traceback.walk_tb(error.__traceback__)
            if frame.f_globals.get("__name__", "").startswith(_MODULE)
        ]
        file, number = frames[-1] if frames else (where, 0)
        line = f"{file}:{number}: {linecache.getline(file, number).strip()}" if number else where
        raise QcliError(
            f"{what}: {type(error).__name__}: {error}",
            line,
            "mend the model file, or change --set; --debug shows the traceback",
        ) from error


def _build_function(source: ModelSource) -> Callable[..., Any]:
    module = _import(source)
    build = getattr(module, "build", None)
    if not callable(build):
        raise QcliError(
            f"{source.file.name} has no function build",
            str(source.file),
            "define build(features, classes, **options)",
        )
    return build


def _import(source: ModelSource) -> ModuleType:
    name = _MODULE + source.sha256[:16]
    if name in sys.modules:
        return sys.modules[name]
    loader = SourceFileLoader(name, str(source.file))
    spec = importlib.util.spec_from_file_location(name, source.file, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module

    def execute() -> None:
        """What was hashed is what runs: no bytecode is read from or left in a __pycache__."""
        exec(loader.source_to_code(source.file.read_bytes(), str(source.file)), module.__dict__)

    try:
        _calling(execute, "importing the model file fails", str(source.file))
    except QcliError:
        del sys.modules[name]
        raise
    return module
