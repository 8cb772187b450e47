"""qcli: train a hybrid quantum-classical model, price it on QPUs before spending, validate it on them.

Everything a command does, one function here does too. Names are imported on first use, so that
`qcli --help` does not pay for torch.
"""

import os
from importlib import import_module
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
"""torch's idle threads would spin for milliseconds on the cores that the engine's threads need (docs/engine.md)."""

__version__ = "0.1.0"

_PUBLIC = {
    "QcliError": "qcli.errors",
    "QuantumLayer": "qcli.model.layer",
    "Run": "qcli.train.run",
    "Settings": "qcli.train.run",
    "train": "qcli.train.train",
    "Question": "qcli.price.estimate",
    "estimate_cost": "qcli.forecast.estimate",
    "forecast": "qcli.forecast.document",
    "validate_on_hardware": "qcli.assess.validate",
    "search": "qcli.search.run",
    "progress": "qcli.progress.run",
    "using": "qcli.simulate.executor",
}
__all__ = ["__version__", *_PUBLIC]


class CallablePackage(ModuleType):
    """A package called like its main function: once anything of it is imported, `qcli.train` is the package."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        name = self.__name__.removeprefix("qcli.")
        return getattr(import_module(_PUBLIC[name]), name)(*arguments, **named)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'qcli' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
