"""Makers of bad input: each changes a folder that holds a model, mine.py, and its trained `run`."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from PIL import Image

from qcli.model.checkpoint import load_tensors, save_tensors
from tests.cli.helpers import MODEL

Make = Callable[[Path], object]
WEIGHTS = "run/model.safetensors"
WIDEN = "    for wire in range({}):\n        qml.X(wire)\n"
CHECKPOINT = "run/checkpoints/seed-0.safetensors"


def nothing(folder: Path) -> None:
    """The command alone is wrong."""


def text(name: str, content: str | bytes) -> Make:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data)


def gone(name: str) -> Make:
    return lambda folder: (folder / name).unlink()


def truncated(name: str) -> Make:
    """The first half of a file."""

    def make(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return make


def flipped_bit(name: str) -> Make:
    """One bit of the last tensor."""

    def make(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[-3] ^= 1
        (folder / name).write_bytes(content)

    return make


def pickled_npz(folder: Path) -> None:
    np.savez(folder / "a.npz", x=np.array([{}, {}]), y=[0, 1])


def broken_image(folder: Path) -> None:
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "pictures" / name / "1.png")
    (folder / "pictures" / "dog" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nhalf")


def edited(old: str, new: str) -> Make:
    """The model of the helpers with one part of its text replaced."""
    assert MODEL.count(old) == 1
    return text("mine.py", MODEL.replace(old, new))


def circuit_with(line: str) -> Make:
    """A circuit with one more line, before it returns."""
    return edited("    return [", f"    {line}\n    return [")


def built(body: str) -> Make:
    return text("mine.py", f"def build(features, classes):\n    {body}\n")


def ending(forward: str, skip: int | None = None, freeze: bool = False) -> Make:
    """The model followed by a module with this body of forward(); without module `skip`, without gradients."""
    module = f"class End(nn.Module):\n    def forward(self, x):\n        {forward}\n\n"
    build = [
        "def build(features, classes):",
        "    modules = list(whole(features, classes))",
        "    class Model(nn.Sequential):",
        "        def forward(self, x):",
        "            for number, module in enumerate(self):",
        f"                x = x if number == {skip} else module(x)",
        "            return x",
        f"    return Model(*modules, End()).requires_grad_({not freeze})",
    ]
    return text("mine.py", MODEL.replace("def build", "def whole") + module + "\n".join(build) + "\n")


def tensors(name: str, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Make:
    """A checkpoint whose tensors or facts are changed, then written the way qcli writes it."""

    def make(folder: Path) -> None:
        content, facts = load_tensors(folder / name)
        change(content, facts)
        save_tensors(folder / name, content, facts)

    return make


def foreign_weights(folder: Path) -> None:
    """A sound safetensors file of another program, with the names and shapes of the model."""
    content, _ = load_tensors(folder / WEIGHTS)
    safetensors.torch.save_file(content, folder / WEIGHTS)


def half_trained(damage: Make) -> Make:
    """As if training had been stopped after its last epoch, before it wrote the weights."""

    def make(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / "run" / "metrics.json").unlink()
        damage(folder)

    return make


def record(change: Callable[[Any], object]) -> Make:
    """A run.json changed in place, or replaced by what `change` returns."""

    def make(folder: Path) -> None:
        path = folder / "run" / "run.json"
        content = json.loads(path.read_text())
        path.write_text(json.dumps(change(content) or content))

    return make


def setting(*keys: str, value: object) -> Make:
    return record(lambda content: _inner(content, keys).update({keys[-1]: value}))


def without(*keys: str) -> Make:
    return record(lambda content: _inner(content, keys).pop(keys[-1]) and None)


def foreign_code(folder: Path) -> None:
    """A run directory from somebody else that brings code and names it as its model."""
    code = folder / "run" / "code.py"
    code.write_text("open('ran', 'w').close()\n" + MODEL)
    digest = hashlib.sha256(code.read_bytes()).hexdigest()
    entry = {"name": "code", "path": str(code), "sha256": digest, "options": {}}
    setting("model", value=entry)(folder)


def _inner(content: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    for key in keys[:-1]:
        content = content[key]
    assert isinstance(content, dict)
    return content


def wide_run(folder: Path, wires: int) -> None:
    """A run `wide` of a model with so many wires, never trained: only its first weights are written."""
    from qcli.train.run import Settings
    from qcli.train.train import prepare

    (folder / "wide.py").write_text(MODEL.replace("    return [", f"{WIDEN.format(wires)}    return ["))
    data = str(folder / "mine.csv")
    run = prepare(str(folder / "wide.py"), data, None, {}, 0.2, Settings(batch=8), folder / "wide")
    save_tensors(run.weights_file, run.new_model(0).state_dict(), {"seed": 0, "model": "wide"})
