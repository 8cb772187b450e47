"""Bad data: each is refused with what, where and how to fix, and exit code 2."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from qcli.data.dataset import load
from qcli.errors import QcliError
from tests.data.bad_files import (
    Make,
    boastful_header,
    broken_image,
    deep_colour_image,
    duplicate_parquet,
    empty_folder,
    file,
    foreign_npz,
    images,
    many_classes,
    named,
    npz,
    parquet,
    picture,
    regression,
)

GOOD_X = np.arange(8.0).reshape(4, 2)
GOOD_Y = np.array([0, 0, 1, 1])
FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "y": [0, 0, 1, 1]})

CASES: list[tuple[str, Make, dict[str, Any], str, str, str]] = [
    # id, data, arguments, then a fragment of what, where and fix
    ("misspelt name", named("digts"), {}, "unknown data 'digts'", "--data", "did you mean digits"),
    ("foreign name", named("mnist"), {}, "unknown data 'mnist'", "--data", ".csv"),
    ("empty name", named(""), {}, "unknown data ''", "--data", "digits"),
    ("one digit", named("digits:0"), {}, "only one class", "digits:0", "digits:0,1"),
    ("a digit twice", named("digits:0,0"), {}, "named twice", "digits:0,0", "digits:0,1"),
    ("a letter", named("digits:a"), {}, "'a' is not a digit", "digits:a", "0 … 9"),
    ("eleven", named("digits:11"), {}, "'11' is not a digit", "digits:11", "0 … 9"),
    ("no digit", named("digits:"), {}, "'' is not a digit", "digits:", "0 … 9"),
    ("trailing comma", named("digits:0,1,"), {}, "'' is not a digit", "digits:0,1,", "0 … 9"),
    ("digits with target", named("digits"), {"target": "y"}, "no column 'y'", "digits", "--target"),
    ("missing file", lambda f: str(f / "none.csv"), {}, "no such file", "", "check the path"),
    (
        "misspelt file",
        lambda f: file("iris.csv", "a,y\n")(f).replace("iris", "irs"),
        {},
        "no such file",
        "",
        "iris.csv",
    ),
    ("overlong name", named("x" * 5000 + ".csv"), {}, "no such file", "", "check the path"),
    ("NUL in the name", named("a\0b"), {}, "unknown data", "--data", "digits"),
    ("other format", file("a.xlsx", "PK"), {}, "cannot read .xlsx files", "a.xlsx", ".csv"),
    ("empty csv", file("a.csv", ""), {}, "the file is empty", "a.csv", "again"),
    ("blank csv", file("a.csv", "\n\n\n"), {}, "not CSV", "a.csv", "header"),
    ("header only", file("a.csv", "a,b,y\n"), {}, "no rows", "a.csv", "add rows"),
    ("no header", file("a.csv", "1,2,0\n3,4,1\n"), {}, "not column names", "line 1", "header row"),
    ("binary csv", file("a.csv", picture("png")), {}, "not CSV text in UTF-8", "a.csv", "UTF-8"),
    (
        "latin-1 csv",
        file("a.csv", "a,größe,y\n1,2,0\n".encode("latin-1")),
        {},
        "not CSV text in UTF-8",
        "",
        "UTF-8",
    ),
    ("semicolons", file("a.csv", "a;y\n1;0\n2;1\n"), {}, "separated by ';'", "line 1", "comma"),
    (
        "ragged",
        file("a.csv", "a,y\n1,0\n1,2,3\n"),
        {},
        "Expected 2 fields in line 3, saw 3",
        "a.csv",
        "comma",
    ),
    (
        "short line",
        file("a.csv", "a,b,y\n1,2,0\n3\n"),
        {"target": "a"},
        "missing value",
        "'b', data row 2",
        "drop",
    ),
    ("open quote", file("a.csv", 'a,y\n"1,0\n2,1\n'), {}, "not CSV", "a.csv", "comma"),
    (
        "nameless column",
        file("a.csv", ",a,y\n0,1,0\n1,2,1\n"),
        {},
        "column 1 has no name",
        "a.csv",
        "index=False",
    ),
    (
        "duplicate columns",
        file("a.csv", "a,a,y\n1,2,0\n3,4,1\n"),
        {},
        "duplicate column 'a'",
        "a.csv",
        "own name",
    ),
    (
        "text among numbers",
        file("a.csv", "a,b,y\n1,2,0\n3,tall,1\n"),
        {},
        "text 'tall' where a number belongs",
        "column 'b', data row 2",
        "encode",
    ),
    (
        "empty cell",
        file("a.csv", "a,b,y\n1,2,0\n,4,1\n"),
        {},
        "missing value ''",
        "column 'a', data row 2",
        "drop",
    ),
    (
        "NA cell",
        file("a.csv", "a,b,y\nNA,2,0\n3,4,1\n"),
        {},
        "missing value 'NA'",
        "column 'a', data row 1",
        "drop",
    ),
    ("nan cell", file("a.csv", "a,b,y\n1,2,0\n3,nan,1\n"), {}, "NaN", "column 'b', data row 2", "drop"),
    (
        "infinite cell",
        file("a.csv", "a,b,y\n-inf,2,0\n3,4,1\n"),
        {},
        "-inf",
        "column 'a', data row 1",
        "drop",
    ),
    (
        "missing label",
        file("a.csv", "a,y\n1,0\n2,\n"),
        {},
        "label '' is missing",
        "column 'y', data row 2",
        "drop",
    ),
    ("infinite label", file("a.csv", "a,y\n1,0\n2,inf\n"), {}, "infinite", "column 'y', data row 2", "drop"),
    ("one class", file("a.csv", "a,y\n1,7\n2,7\n"), {}, "only one class, '7'", "column 'y'", "two classes"),
    (
        "one row of a class",
        file("a.csv", "a,y\n1,p\n2,p\n3,q\n"),
        {},
        "class 'q' has a single row",
        "column 'y', data row 3",
        "add rows",
    ),
    ("regression", file("a.csv", regression()), {}, "regression target", "column 'y'", "classifies"),
    (
        "too many classes",
        file("a.csv", many_classes()),
        {},
        "too many classes: 1200",
        "column 'y'",
        "identifier",
    ),
    ("no such target", file("a.csv", "a,colour\n1,0\n"), {"target": "color"}, "'color'", "a.csv", "colour?"),
    ("no target", file("a.csv", "a,b\n1,0\n"), {}, "which column is the target", "a.csv", "columns: a, b"),
    ("two targets", file("a.csv", "a,y,class\n1,0,0\n"), {}, "y, class", "a.csv", "columns: a, y, class"),
    (
        "target alone",
        file("a.csv", "y\nu\nv\n"),
        {},
        "no feature columns",
        "a.csv",
        "add at least one column",
    ),
    ("text as parquet", file("a.parquet", "a,y\n1,0\n"), {}, "not Parquet", "a.parquet", "export"),
    ("parquet duplicates", duplicate_parquet, {}, "duplicate column 'a'", "a.parquet", "own name"),
    (
        "parquet null",
        parquet(FRAME.assign(a=[1.0, 2.0, None, 4.0])),
        {},
        "NaN",
        "column 'a', data row 3",
        "drop",
    ),
    (
        "parquet text",
        parquet(FRAME.assign(a=list("pqrs"))),
        {},
        "text 'p'",
        "column 'a', data row 1",
        "encode",
    ),
    (
        "parquet date",
        parquet(FRAME.assign(a=pd.Timestamp("2025-01-01"))),
        {},
        "datetime64",
        "'a'",
        "drop the column",
    ),
    (
        "parquet list",
        parquet(FRAME.assign(a=[[1], [2], [3], [4]])),
        {},
        "where a number",
        "data row 1",
        "encode",
    ),
    ("text as npz", file("a.npz", "hello"), {}, "not an npz archive", "a.npz", "numpy.savez"),
    ("pickle as npz", file("a.npz", pickle.dumps([1, 2])), {}, "not an npz archive", "a.npz", "numpy.savez"),
    ("truncated npz", foreign_npz(b"\x93NUMPY\x01\x00"), {}, "damaged", "a.npz", "numpy.savez"),
    ("boastful npz", foreign_npz(boastful_header()), {}, "damaged", "a.npz", "numpy.savez"),
    ("no array in npz", foreign_npz(b"hello"), {}, "x is not an array", "a.npz", "numpy.savez"),
    ("pickled npz", npz(x=np.array([{}, {}]), y=[0, 1]), {}, "could run code", "a.npz", "plain numbers"),
    ("npz without x", npz(z=GOOD_X, y=GOOD_Y), {}, "no array x", "a.npz", "arrays: z, y"),
    ("npz x and X", npz(x=GOOD_X, X=GOOD_X, y=GOOD_Y), {}, "both x and X", "a.npz", "arrays: x, X, y"),
    ("npz without y", npz(x=GOOD_X, z=GOOD_Y), {}, "no array 'y'", "a.npz", "z"),
    ("npz lengths", npz(x=GOOD_X, y=GOOD_Y[:3]), {}, "4 rows of x but 3 labels", "a.npz", "one label"),
    ("npz flat x", npz(x=GOOD_Y, y=GOOD_Y), {}, "x has shape (4,)", "array x", "reshape"),
    (
        "npz one-hot y",
        npz(x=GOOD_X, y=np.eye(4)),
        {},
        "labels have shape (4, 4)",
        "array y",
        "one class per row",
    ),
    ("npz complex x", npz(x=GOOD_X * 1j, y=GOOD_Y), {}, "complex128", "array x", "encode"),
    (
        "npz NaN",
        npz(x=np.where(GOOD_X == 5, np.nan, GOOD_X), y=GOOD_Y),
        {},
        "NaN",
        "column '1', data row 3",
        "drop",
    ),
    (
        "npz NaN label",
        npz(x=GOOD_X, y=[0.0, 0, 1, np.nan]),
        {},
        "label 'nan'",
        "column 'y', data row 4",
        "drop",
    ),
    ("npz no rows", npz(x=np.zeros((0, 2)), y=np.zeros(0)), {}, "no rows", "a.npz", "add rows"),
    (
        "npz pixels",
        npz(x=np.full((4, 2, 2), 16.5), y=GOOD_Y),
        {},
        "between 16.5 and 16.5",
        "array x",
        "scale",
    ),
    ("no sub-folders", empty_folder, {}, "no sub-folders", "pictures", "CLASS/picture.png"),
    ("empty sub-folder", images(cat=2, dog=0), {}, "'dog' has no images", "dog", "add images"),
    ("one sub-folder", images(cat=2), {}, "only one class, 'cat'", "pictures", "two classes"),
    ("one picture", images(cat=2, dog=1), {}, "class 'dog' has a single row", "pictures", "add rows"),
    ("no picture", broken_image(b"not a picture"), {}, "bad.png", "dog", "replace or remove"),
    ("half a PNG", broken_image(picture("png")[:500]), {}, "bad.png", "dog", "replace or remove"),
    ("half a JPEG", broken_image(picture("jpeg")[:700]), {}, "bad.png", "dog", "replace or remove"),
    ("empty picture", broken_image(b""), {}, "bad.png", "dog", "replace or remove"),
    ("float picture", deep_colour_image, {}, "deep.tiff", "dog", "replace or remove"),
    ("folder with target", images(cat=2, dog=2), {"target": "y"}, "no column 'y'", "pictures", "--target"),
    ("image size", images(cat=2, dog=2), {"image_size": (0, 8)}, "image size 0x8", "image_size", "1 … 1024"),
]


@pytest.mark.parametrize(
    ("make", "arguments", "what", "where", "fix"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_bad_data_are_refused_with_what_where_and_fix(
    tmp_path: Path, make: Make, arguments: dict[str, Any], what: str, where: str, fix: str
) -> None:
    name = make(tmp_path)
    with pytest.raises(QcliError) as caught:
        load(name, **arguments)
    error = caught.value
    assert what in error.what
    assert error.where and where in error.where
    assert error.fix and fix in error.fix
    assert error.exit_code == 2


def test_reading_a_pickled_archive_runs_nothing(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    np.savez(tmp_path / "a.npz", x=np.array([Touch(), Touch()]), y=[0, 1])
    with pytest.raises(QcliError):
        load(str(tmp_path / "a.npz"))
    assert not (tmp_path / "ran").exists()
