"""The 8x8 handwritten digits that come with scikit-learn.

1,797 of the test set of Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998).
"""

import numpy as np

from qcli.data.raw import Labels, Raw
from qcli.errors import QcliError

FIX = "name at least two of 0 … 9, as in digits:0,1, or all ten with digits"


def read_digits(picked: str | None) -> tuple[str, Raw]:
    """The digits in `picked` ("0,1"; None for all ten), pixels in [0, 1], with the dataset's name.

    Raises:
        QcliError: something else than two or more different digits.
    """
    from sklearn.datasets import load_digits

    wanted = list(range(10)) if picked is None else _parse(picked)
    x, y = load_digits(return_X_y=True)
    rows = np.isin(y, wanted)
    name = "digits" if picked is None else "digits:" + ",".join(map(str, wanted))
    return name, Raw(x[rows] / 16.0, Labels.of(str(digit) for digit in y[rows]), name, "image", shape=(8, 8))


def _parse(picked: str) -> list[int]:
    parts = [part.strip() for part in picked.split(",")]
    where = f"digits:{picked}"
    for part in parts:
        if part not in set("0123456789"):
            raise QcliError(f"{part!r} is not a digit", where, FIX)
    if len(set(parts)) < len(parts):
        raise QcliError("a digit is named twice", where, FIX)
    if len(parts) < 2:
        raise QcliError("only one class", where, FIX)
    return sorted(int(part) for part in parts)
