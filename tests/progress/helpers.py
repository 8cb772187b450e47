"""A progression that takes seconds, and jobs that run on the spot."""

from contextlib import nullcontext

from qcli.progress.plan import Progression
from tests.search.helpers import Inline

CONTENT = {
    "model": "qcnn",
    "data": "digits:3,6",
    "targets": ["braket/garnet", "ibm/fez"],
    "inferences": 12,
    "shots": 128,
    "options": {"wires": 4},
    "training": {"epochs": 6, "lr": 0.05},
    "space": {"lr": {"choice": [0.02, 0.05]}},
    "laptop": {"samples": 60, "epochs": 3},
    "hpc": {"trials": 2, "best": 2, "seeds": 2, "epochs": 3, "sampler": "grid"},
    "qpu": {"device": "emulator/garnet"},
}


def plan_of(out, **change):
    """The progression with tables or keys of it replaced."""
    content = {key: dict(value) if isinstance(value, dict) else value for key, value in CONTENT.items()}
    for key, value in change.items():
        content[key] = content.get(key, {}) | value if isinstance(value, dict) and key != "space" else value
    return Progression.model_validate(content | {"out": out})


def inline(folder, settings, given):
    return nullcontext(Inline())
