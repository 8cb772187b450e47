"""Tables with a header: CSV and Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.raw import MISSING, Raw, place
from qcli.errors import QcliError
from qcli.files import nearest

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = {"target", "label", "class", "y"}


def read_csv(path: Path, target: str | None) -> Raw:
    """A comma-separated UTF-8 file with a header row; cells are read as text and parsed exactly.

    Raises:
        QcliError: not CSV, no header, or the faults `_raw` names.
    """
    import pandas as pd

    fix = "save it as comma-separated UTF-8 text with a header row"
    try:
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        for separator in ("\t", ";"):
            if separator in head and "," not in head:
                raise QcliError(
                    f"columns are separated by {separator!r}, not by commas", f"{path}, line 1", fix
                )
        cells = pd.read_csv(
            path, header=None, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
        )
    except UnicodeDecodeError:
        raise QcliError("the file is not CSV text in UTF-8", str(path), fix) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise QcliError(f"the file is not CSV: {reason}", str(path), fix) from None
    names = ["" if pd.isna(name) else str(name).strip() for name in cells.iloc[0]]
    if all(_is_number(name) for name in names):
        raise QcliError(
            "the first line holds numbers, not column names", f"{path}, line 1", "add a header row"
        )
    frame = cells.iloc[1:].fillna("").reset_index(drop=True)
    frame.columns = pd.Index(names)
    return _raw(frame, path, target)


def read_parquet(path: Path, target: str | None) -> Raw:
    """A Parquet file; a pandas index stored with it is left out.

    Raises:
        QcliError: not Parquet, or the faults `_raw` names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            frame = file.read().to_pandas()
    except PermissionError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise QcliError(
            f"the file is not Parquet: {reason}", str(path), "export it again as .parquet"
        ) from None
    frame.columns = frame.columns.map(str)
    return _raw(frame.reset_index(drop=True), path, target)


def _raw(frame: "pd.DataFrame", path: Path, target: str | None) -> Raw:
    """Target chosen, every other column turned into numbers.

    Raises:
        QcliError: nameless or duplicate columns, no target, no rows, text where a number belongs.
    """
    names = [str(name) for name in frame.columns]
    for position, name in enumerate(names):
        if not name:
            raise QcliError(
                f"column {position + 1} has no name",
                str(path),
                "name it; to_csv(index=False) leaves a row index out",
            )
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise QcliError(f"duplicate column {duplicates[0]!r}", str(path), "give every column its own name")
    chosen = _target(names, path, target)
    if frame.empty:
        raise QcliError("the data have no rows", str(path), "add rows below the header")
    features = [name for name in names if name != chosen]
    columns = [_column(frame[name], name, path) for name in features]
    x = np.column_stack(columns) if columns else np.empty((len(frame), 0))
    labels = ["" if value is None else str(value).strip() for value in frame[chosen].tolist()]
    return Raw(x, labels, str(path), "table", target=chosen, columns=tuple(features))


def _target(names: list[str], path: Path, target: str | None) -> str:
    if target is not None:
        if target not in names:
            raise QcliError(f"no column {target!r} for the target", str(path), nearest(target, names))
        return target
    found = [name for name in names if name.lower() in TARGET_NAMES]
    if len(found) == 1:
        return found[0]
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    problem = (
        f"several columns could be the target: {', '.join(found)}" if found else "which column is the target?"
    )
    raise QcliError(problem, str(path), f"name it with --target COLUMN; columns: {shown}")


def _column(series: "pd.Series[Any]", name: str, path: Path) -> NDArray[np.float64]:
    """One column as (rows,) float64; NaN where Parquet holds no value."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series):
        raise QcliError(
            f"{series.dtype} where numbers belong", place(str(path), name), "drop the column or convert it"
        )
    if pd.api.types.is_bool_dtype(series) or pd.api.types.is_numeric_dtype(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    cells = series.to_numpy(dtype=object, na_value=np.nan)
    try:
        return cells.astype(np.float64)
    except (ValueError, TypeError):
        row = next(row for row, cell in enumerate(cells) if not _is_number(cell))
    if str(cells[row]).strip().lower() in MISSING:
        raise QcliError(
            f"missing value {cells[row]!r}",
            place(str(path), name, row),
            "fill or drop these rows before loading",
        )
    shown = str(cells[row])[:40]
    raise QcliError(
        f"text {shown!r} where a number belongs",
        place(str(path), name, row),
        "encode the column as numbers or drop it; a column of labels is named with --target",
    )


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (ValueError, TypeError):
        return False
    return True
