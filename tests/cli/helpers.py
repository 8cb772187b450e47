"""The real command line in this process, and what a folder holds before and after it."""

import contextlib
import io
import json
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from qcli.cli.main import run

MODEL = """
import pennylane as qml
from torch import nn
from qcli import QuantumLayer

def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.BasicEntanglerLayers(weights, wires=range(2))
    return [qml.expval(qml.Z(0)), qml.expval(qml.Z(1))]

def build(features: int, classes: int, layers: int = 1):
    layer = QuantumLayer(circuit, {"weights": (layers, 2)})
    return nn.Sequential(nn.Linear(features, 2), layer, nn.Linear(2, classes))
"""
"""A user's own model: two wires, two features after a linear layer."""

Snapshot = dict[str, bytes | None]


@dataclass(frozen=True)
class Result:
    """What one command did: exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def what(self) -> str:
        """The text of the one `error:` line."""
        (line,) = [line for line in self.err.splitlines() if line.startswith("error:")]
        return line


def qcli(command: str) -> Result:
    """Run `qcli <command>`; an exception that is not SystemExit passes through, as it would show a traceback."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with (
        mock.patch.object(sys, "argv", ["qcli", *shlex.split(command)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int), f"qcli {command} ended with {code!r}"
    return Result(code, out.getvalue(), err.getvalue())


def snapshot(folder: Path) -> Snapshot:
    """Every file below `folder` with its content, every folder with None; Python's caches are left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts
    }


def table(rows: int = 40) -> str:
    """A CSV of two features and a class that the first feature decides."""
    lines = [f"{(i % 2) + 0.01 * i:.2f},{(7 * i) % 11},{'ab'[i % 2]}" for i in range(rows)]
    return "\n".join(["x0,x1,class", *lines]) + "\n"


def asked(command: str) -> Any:
    """The JSON answer of a command that succeeds."""
    result = qcli(f"{command} --json")
    assert result.code == 0, result.err
    return json.loads(result.out)
