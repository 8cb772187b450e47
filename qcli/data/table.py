"""Tables with a header: CSV, and what it shares with Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qcli.data.raw import MISSING, Labels, Raw, place
from qcli.errors import QcliError
from qcli.files import nearest

if TYPE_CHECKING:
    import pandas as pd

TARGET_NAMES = {"target", "label", "class", "y"}


def read_csv(path: Path, target: str | None) -> Raw:
    """A comma-separated UTF-8 file with a header row; cells are read as text and parsed exactly.

    Raises:
        QcliError: not CSV, no header, or the faults `choose_columns` and `numbers` name.
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
    chosen, features = choose_columns(names, path, target)
    if frame.empty:
        raise no_rows(path)
    x, labels = numbers(frame, features, path), Labels.of(texts(frame[chosen]))
    return Raw(x, labels, str(path), "table", target=chosen, columns=tuple(features))


def choose_columns(names: list[str], path: Path, target: str | None) -> tuple[str, list[str]]:
    """The target's name, and those of all other columns.

    Raises:
        QcliError: nameless or duplicate columns, no target.
    """
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
    return chosen, [name for name in names if name != chosen]


def no_rows(path: Path) -> QcliError:
    """The error for a table without rows."""
    return QcliError("the data have no rows", str(path), "add rows below the header")


def numbers(
    frame: "pd.DataFrame", features: list[str], path: Path, first_row: int = 0
) -> NDArray[np.float64]:
    """(rows, features); `first_row`: number of the frame's first row in the file, for messages.

    Raises:
        QcliError: text or dates where a number belongs.
    """
    columns = [_column(frame[name], name, path, first_row) for name in features]
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def texts(series: "pd.Series[Any]") -> list[str]:
    """Labels as text, "" where there is none."""
    return ["" if value is None else str(value).strip() for value in series.tolist()]


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


def _column(series: "pd.Series[Any]", name: str, path: Path, first_row: int) -> NDArray[np.float64]:
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
            place(str(path), name, first_row + row),
            "fill or drop these rows before loading",
        )
    shown = str(cells[row])[:40]
    raise QcliError(
        f"text {shown!r} where a number belongs",
        place(str(path), name, first_row + row),
        "encode the column as numbers or drop it; a column of labels is named with --target",
    )


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (ValueError, TypeError):
        return False
    return True
