"""A small search, and jobs that run on the spot."""

import json
from collections import Counter

from qcli.search.plan import Plan
from qcli.search.run import table
from qcli.search.space import parse_dimension
from qcli.search.study import JOURNAL
from qcli.train.run import Settings

BROKEN = """
import pennylane as qml
import torch
from qcli import QuantumLayer


def circuit(inputs, weights):
    qml.AngleEmbedding(inputs, wires=range(2))
    qml.RY(weights[0], wires=0)
    return qml.expval(qml.PauliZ(0))


class Odd(torch.nn.Module):
    def __init__(self, features, mood):
        super().__init__()
        self.front, self.quantum = torch.nn.Linear(features, 2), QuantumLayer(circuit, {"weights": 1})
        self.mood = mood

    def forward(self, x):
        if self.training and self.mood == "bad":
            raise ValueError("not today")
        return self.quantum(self.front(x))


def build(features, classes, mood: str = "good"):
    return Odd(features, mood)
"""


def plan_of(**change):
    content = {
        "schema": "qcli.search/1",
        "model": "qcnn",
        "data": "digits:3,6",
        "settings": Settings(epochs=2),
        "space": {"lr": parse_dimension("log:0.005..0.1"), "wires": parse_dimension("2,4")},
        "trials": 8,
        "generation": 4,
    }
    return Plan(**content | change)


class Inline:
    """Runs jobs one after the other in this process; those that come at a place in `lost` do nothing."""

    def __init__(self, lost=(), backwards=False):
        self.lost, self.backwards, self.found = set(lost), backwards, {}

    def submit(self, name, function, arguments):
        ids = [f"{name}-{number}" for number in range(len(arguments))]
        start = len(self.found)
        self.found |= dict.fromkeys(ids, "lost")
        jobs = list(enumerate(zip(ids, arguments, strict=True), start))
        for number, (one, given) in reversed(jobs) if self.backwards else jobs:
            if number not in self.lost:
                function(*given)
                self.found[one] = "done"
        return tuple(ids)

    def check(self):
        pass

    def find(self, name, count):
        return None

    def states(self, ids):
        return {one: self.found.get(one, "lost") for one in ids}

    def cancel(self, ids):
        pass


def results(folder):
    """All of a search's table that does not tell how long it took."""
    return [(trial.number, trial.params, trial.state, trial.values, trial.error) for trial in table(folder)]


def completions(folder):
    """How often each trial was told complete, in Optuna's own journal."""
    path = folder / JOURNAL
    lines = path.read_text().splitlines() if path.is_file() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return Counter(entry["trial_id"] for entry in found if entry["op_code"] == 6 and entry["state"] == 1)
