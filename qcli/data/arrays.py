"""NumPy archives: an array x (or X) of features and an array y of labels; nothing pickled."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.raw import Labels, Raw
from qcli.errors import QcliError
from qcli.files import nearest

FIX = "save it with numpy.savez(path, x=x, y=y)"
DAMAGE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    MemoryError,  # a header that claims more rows than fit
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def read_npz(path: Path, target: str | None) -> Raw:
    """An .npz of x and labels (array `target`, default y).

    x of shape (rows, features) is a table; (rows, height, width[, channels]) are images, whole numbers in
    0 … 255 divided by 255, others already in [0, 1].

    Raises:
        QcliError: not an npz, pickled, an array missing or of the wrong shape or type.
    """
    arrays = _arrays(path)
    found = [name for name in ("x", "X") if name in arrays]
    if len(found) != 1:
        what = "both x and X are there" if found else "no array x"
        raise QcliError(what, str(path), f"{FIX}; arrays: {', '.join(arrays) or 'none'}")
    wanted = "y" if target is None else target
    if wanted not in arrays or wanted in found:
        raise QcliError(
            f"no array {wanted!r} for the labels", str(path), nearest(wanted, set(arrays) - {*found}) or FIX
        )
    x, y = arrays[found[0]], arrays[wanted]
    if x.ndim < 2:
        raise QcliError(
            f"x has shape {x.shape}, expected (rows, features)",
            f"{path}, array x",
            "reshape x to (rows, features)",
        )
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise QcliError(
            f"labels have shape {y.shape}, expected (rows,)",
            f"{path}, array {wanted}",
            "give one class per row",
        )
    if len(x) != len(y):
        raise QcliError(f"{len(x)} rows of x but {len(y)} labels", str(path), "give each row one label")
    if x.dtype.kind not in "buif":
        raise QcliError(
            f"x holds {x.dtype}, not real numbers",
            f"{path}, array {found[0]}",
            "encode x as numbers before saving",
        )
    labels = Labels.of(str(value) for value in y.tolist())
    if x.ndim == 2:
        return Raw(x.astype(np.float64), labels, str(path), "table", target=wanted)
    pixels = _pixels(x, path).reshape(len(x), -1)
    return Raw(pixels, labels, str(path), "image", shape=x.shape[1:], target=wanted)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(path):
        raise QcliError("the file is not an npz archive", str(path), FIX)
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except DAMAGE as error:
        if isinstance(error, PermissionError):
            raise
        if "pickle" in str(error):
            raise QcliError(
                "the archive holds pickled objects, which could run code",
                str(path),
                f"{FIX}, arrays of plain numbers",
            ) from None
        raise QcliError(f"the npz archive is damaged: {error}", str(path), FIX) from None
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise QcliError(f"{name} is not an array", str(path), FIX)
    return arrays


def _pixels(x: NDArray[Any], path: Path) -> NDArray[np.float64]:
    pixels: NDArray[np.float64] = x.astype(np.float64)
    finite = pixels[np.isfinite(pixels)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if x.dtype.kind in "ui" and low >= 0 and 1 < high <= 255:
        return pixels / 255.0
    if low < 0 or high > 1:
        raise QcliError(
            f"pixels between {low:g} and {high:g}, expected whole numbers in 0 … 255 or values in [0, 1]",
            f"{path}, array x",
            "scale the images to [0, 1], or flatten x to (rows, features) for a table",
        )
    return pixels
