"""Two classical models on the same rows and features, as a measure of what the quantum part adds."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.dataset import Dataset
from qcli.data.raw import spans
from qcli.data.split import Scaler, Split
from qcli.train.metrics import Metrics, evaluate

ITERATIONS = (1_000, 10_000)
ROWS = 50_000
"""Training rows that are fitted at most: more would take hours, and hardly change models this small."""


@dataclass(frozen=True)
class Baseline:
    """A classical model: its trainable parameters, its test-set figures, and what should be said about it."""

    name: str
    parameters: int
    metrics: Metrics
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """An entry of `baselines` in metrics.json; "note" only where there is one."""
        entry = {"name": self.name, "parameters": self.parameters, **self.metrics.to_json()}
        return entry | ({"note": self.note} if self.note else {})


def baselines(dataset: Dataset, split: Split, scaler: Scaler, parameters: int, seed: int) -> list[Baseline]:
    """Logistic regression and an MLP of about `parameters` parameters, both of scikit-learn.

    Trained on the scaled training rows, scored on the scaled test rows. The MLP has one hidden layer of tanh
    units, at least one (so it can be larger than `parameters`; the number reported is the real one), and is
    fitted with L-BFGS. Logistic regression of two classes needs one weight per feature, not two.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    hidden = hidden_units(parameters, dataset.x.shape[1], len(dataset.classes))
    return [
        _fit("logistic regression", LogisticRegression(), dataset, split, scaler, seed),
        _fit(
            "MLP",
            MLPClassifier((hidden,), activation="tanh", solver="lbfgs", random_state=seed),
            dataset,
            split,
            scaler,
            seed,
        ),
    ]


def hidden_units(parameters: int, features: int, classes: int) -> int:
    """Size of the one hidden layer that brings an MLP closest to `parameters`, at least 1."""
    outputs = 1 if classes == 2 else classes
    return max(1, round((parameters - outputs) / (features + 1 + outputs)))


def _fit(name: str, model: Any, dataset: Dataset, split: Split, scaler: Scaler, seed: int) -> Baseline:
    from sklearn.exceptions import ConvergenceWarning

    rows = _sample(dataset.y, split.train, len(dataset.classes))
    x, y = scaler.apply(dataset.x[rows]), dataset.y[rows]
    converged = False
    for iterations in ITERATIONS:
        model.set_params(max_iter=iterations)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.fit(x, y)
        converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
        if converged:
            break
    weights = (
        [model.coef_, model.intercept_] if hasattr(model, "coef_") else [*model.coefs_, *model.intercepts_]
    )
    probabilities = [
        model.predict_proba(scaler.apply(dataset.x[split.test[part]]))
        for part in spans(len(split.test), dataset.x.shape[1])
    ]
    metrics = evaluate(np.concatenate(probabilities), dataset.y[split.test], seed)
    notes = [
        f"fitted to {len(rows):,} of {len(split.train):,} training rows" * (len(rows) < len(split.train)),
        f"did not converge in {ITERATIONS[-1]} iterations" * (not converged),
    ]
    return Baseline(
        name, sum(int(np.size(array)) for array in weights), metrics, "; ".join(filter(None, notes))
    )


def _sample(y: NDArray[np.int64], train: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The training rows, or ROWS of them, from each class in proportion; they are in random order as it is."""
    if len(train) <= ROWS:
        return train
    of_class = [train[y[train] == number] for number in range(classes)]
    return np.concatenate([rows[: max(1, len(rows) * ROWS // len(train))] for rows in of_class])
