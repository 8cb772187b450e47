"""Circuits by their content: the same one is found again on another machine and by another version of torch."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from qcli.errors import QcliError
from qcli.execute.journal import Journal
from qcli.execute.reading import Reading
from qcli.execute.record import Circuit
from qcli.execute.service import Order

Array = NDArray[np.float64]

_ALIKE_RAD = 1e-5
"""Angles this close are the same circuit, computed on another machine or by another version of torch."""


@dataclass(frozen=True)
class Names:
    """Names the circuits of one device for one journal.

    Attributes:
        options: what else results depend on: mitigation by the vendor, the vendor's compiler.
        repetition: another number measures everything anew.
    """

    journal: Journal
    device: str
    options: Mapping[str, object]
    repetition: int

    def orders(self, reading: Reading) -> list[tuple[Order, Circuit]]:
        """By content; circuits of one reading that are the same are repetitions of each other."""
        rows = np.ascontiguousarray(reading.values, dtype=float)
        if not np.isfinite(rows).all():
            raise QcliError(
                "angles of a circuit are not finite", self.device, "look at the data and the weights"
            )
        program, shots = reading.program.key, reading.shots
        seen: Counter[int] = Counter()
        made, settings = list[Circuit](), dict[int, str]()
        for row, alike in zip(rows, _alike(rows), strict=True):
            again = seen[alike]
            seen[alike] += 1
            if again not in settings:
                settings[again] = self._settings(reading, again)
            key = digest(program, row.tobytes().hex(), str(shots), settings[again])
            made.append(Circuit(key, program, row, shots, settings[again]))
        return [
            (Order(each.key, reading.program, each.angles, shots, reading.scale, reading.prepared), each)
            for each in self._known_as(made)
        ]

    def _settings(self, reading: Reading, again: int) -> str:
        """What the result of the `again`-th of equal circuits depends on besides the circuit."""
        return json.dumps(
            {
                "device": self.device,
                "scale": reading.scale,
                "prepared": reading.prepared,
                "part": reading.part,
                "options": self.options,
                "repetition": [self.repetition, again],
            },
            sort_keys=True,
        )

    def _known_as(self, circuits: list[Circuit]) -> list[Circuit]:
        """Under the keys that the journal has for them, where angles differ by no more than rounding."""
        places: dict[str, list[int]] = {}
        for place, each in enumerate(circuits):
            places.setdefault(each.settings, []).append(place)
        found = list(circuits)
        for settings, alike in places.items():
            first = circuits[alike[0]]
            keys, angles = self.journal.like(first.program, settings, first.shots)
            if keys:
                asked = _padded(np.array([circuits[place].angles for place in alike]))
                _, nearest = KDTree(_padded(angles)).query(asked, p=np.inf, distance_upper_bound=_ALIKE_RAD)
                for place, near in zip(alike, nearest, strict=True):
                    if near < len(keys):
                        found[place] = replace(circuits[place], key=keys[near])
        return found


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _alike(rows: Array) -> list[int]:
    """For each row `(angles,)` the place of the first that differs from it by no more than rounding."""
    points, first = _padded(rows), np.arange(len(rows))
    tree = KDTree(points)
    several = tree.query_ball_point(points, _ALIKE_RAD, p=np.inf, return_length=True) > 1
    left = several.copy()
    for place in np.flatnonzero(several):
        if left[place]:
            near = tree.query_ball_point(points[place], _ALIKE_RAD, p=np.inf)
            near = [each for each in near if left[each]]
            first[near], left[near] = place, False
    return first.tolist()


def _padded(angles: Array) -> Array:
    """With a column of zeros, since a circuit may have no angle."""
    return np.concatenate([angles, np.zeros((*angles.shape[:-1], 1))], axis=-1)
