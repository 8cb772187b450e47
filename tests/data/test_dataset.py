"""Reading data: the same content gives the same dataset, wherever and however it is stored."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from qcli.data.dataset import load, load_recorded
from qcli.errors import QcliError

CSV = "width,height,species\n1.5,2,setosa\n0.1,-4e-3,virginica\n5,6,setosa\n7,8,virginica\n"
X = [[1.5, 2.0], [0.1, -0.004], [5.0, 6.0], [7.0, 8.0]]


def test_digits_are_the_ones_of_scikit_learn_scaled_to_one() -> None:
    data = load("digits:3,6")
    images, digits = load_digits(return_X_y=True)
    np.testing.assert_array_equal(data.x, images[np.isin(digits, [3, 6])] / 16)
    assert data.x.max() == 1.0 and data.x.min() == 0.0
    assert (data.classes, data.shape, data.kind, data.target) == (("3", "6"), (8, 8), "image", None)
    np.testing.assert_array_equal(np.bincount(data.y), [(digits == 3).sum(), (digits == 6).sum()])


def test_all_digits_and_the_order_of_the_names() -> None:
    assert load("digits").x.shape == (1797, 64)
    assert load("digits").classes == tuple("0123456789")
    assert load("digits:1, 0").name == "digits:0,1"
    assert load("digits:1,0").sha256 == load("digits:0,1").sha256
    assert load("digits:0,2").sha256 != load("digits:0,1").sha256
    assert load("digits:0,1").label == "digits-0-1"


def test_csv(tmp_path: Path) -> None:
    (tmp_path / "iris data.csv").write_text(CSV)
    data = load(str(tmp_path / "iris data.csv"), "species")
    np.testing.assert_array_equal(data.x, X)
    assert data.x.dtype == np.float64 and data.y.dtype == np.int64
    np.testing.assert_array_equal(data.y, [0, 1, 0, 1])
    assert (data.classes, data.shape, data.kind, data.target) == (
        ("setosa", "virginica"),
        None,
        "table",
        "species",
    )
    assert data.label == "iris-data"


def test_the_hash_is_over_the_content(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "deep" / "b.csv").write_text("\ufeff" + CSV.replace("species", "target"), encoding="utf-8")
    frame = pd.DataFrame(X, columns=["width", "height"]).assign(label=["setosa", "virginica"] * 2)
    frame.to_parquet(tmp_path / "d.parquet")
    np.savez(tmp_path / "e.npz", X=np.array(X), y=["setosa", "virginica"] * 2)
    original = load(str(tmp_path / "a.csv"), "species").sha256
    assert load(str(tmp_path / "deep" / "b.csv")).sha256 == original
    assert load(str(tmp_path / "d.parquet")).sha256 == original
    assert load(str(tmp_path / "e.npz")).sha256 == original


@pytest.mark.parametrize(
    ("old", "new"), [("7,8", "7,8.5"), ("9,9,setosa", "9,9,virginica"), ("setosa", "versicolor")]
)
def test_a_changed_cell_label_or_class_changes_the_hash(tmp_path: Path, old: str, new: str) -> None:
    rows = CSV + "9,9,setosa\n"
    (tmp_path / "a.csv").write_text(rows)
    (tmp_path / "b.csv").write_text(rows.replace(old, new))
    assert load(str(tmp_path / "a.csv"), "species").sha256 != load(str(tmp_path / "b.csv"), "species").sha256


def test_spaces_around_cells_and_quotes_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('a, y\n 1 , "p, q"\n2, "p, q"\n\n3, r\n4, r \n')
    data = load(str(tmp_path / "a.csv"))
    assert data.classes == ("p, q", "r")
    np.testing.assert_array_equal(data.x[:, 0], [1, 2, 3, 4])


def test_numeric_classes_are_sorted_as_numbers_and_merged(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "a,Class\n" + "".join(f"0,{c}\n" for c in ["10", "9", "10.0", "9", "-1", "-1"])
    )
    data = load(str(tmp_path / "a.csv"))
    assert data.classes == ("-1", "9", "10")
    assert data.target == "Class"
    np.testing.assert_array_equal(data.y, [2, 1, 2, 1, 0, 0])


def test_parquet_numbers_of_every_kind(tmp_path: Path) -> None:
    frame = pd.DataFrame({"b": [True, False] * 2, "i": np.arange(4, dtype=np.uint8), "y": list("ppqq")})
    frame["d"] = frame["i"].map(lambda value: __import__("decimal").Decimal(int(value)) / 4)
    frame["y"] = frame["y"].astype("category")
    frame.set_index(pd.Index([7, 8, 9, 10])).to_parquet(tmp_path / "a.parquet")
    data = load(str(tmp_path / "a.parquet"))
    np.testing.assert_array_equal(data.x, [[1, 0, 0], [0, 1, 0.25], [1, 2, 0.5], [0, 3, 0.75]])
    assert data.classes == ("p", "q")


@pytest.mark.parametrize("bytes_per_pixel", [np.uint8, np.int64])
def test_npz_of_images_is_scaled_to_one(tmp_path: Path, bytes_per_pixel: type) -> None:
    x = np.arange(24).reshape(4, 2, 3).astype(bytes_per_pixel)
    np.savez(tmp_path / "a.npz", x=x, y=[[0], [0], [1], [1]])
    data = load(str(tmp_path / "a.npz"))
    assert (data.shape, data.kind) == ((2, 3), "image")
    np.testing.assert_array_equal(data.x, np.arange(24).reshape(4, 6) / 255)


def test_npz_with_a_named_label_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.eye(4), y=[0, 0, 0, 0], digit=[5, 5, 6, 6])
    assert load(str(tmp_path / "a.npz"), "digit").classes == ("5", "6")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes: grey 16x16 PNG with a bright quadrant, and colour 4x6 GIF / JPEG / transparent PNG."""
    root = tmp_path / "shapes"
    (root / "corner").mkdir(parents=True)
    (root / "plain").mkdir()
    (root / ".hidden").mkdir()
    corner = np.zeros((16, 16), np.uint8)
    corner[:8, :8] = 255
    for number in range(2):
        Image.fromarray(corner).save(root / "corner" / f"{number}.png")
    Image.new("RGB", (6, 4), (255, 0, 0)).save(root / "plain" / "a.bmp")
    Image.new("RGBA", (6, 4), (0, 0, 0, 0)).save(root / "plain" / "b.PNG")
    Image.fromarray(np.full((4, 6), 32896, np.uint16)).save(root / "plain" / "c.png")
    (root / "plain" / "notes.txt").write_text("not a picture")
    (root / "plain" / "._a.png").write_text("what a Mac leaves behind")
    return root


def test_folder_of_images_in_grey(pictures: Path) -> None:
    data = load(str(pictures))
    assert (data.classes, data.shape, data.kind, data.label) == (
        ("corner", "plain"),
        (8, 8),
        "image",
        "shapes",
    )
    np.testing.assert_array_equal(data.y, [0, 0, 1, 1, 1])
    expected = np.zeros((8, 8))
    expected[:4, :4] = 1
    np.testing.assert_array_equal(data.x[0], expected.ravel())
    np.testing.assert_allclose(data.x[2], 76 / 255)  # red in ITU-R 601 luma: 0.299 · 255
    np.testing.assert_allclose(data.x[3], 1.0)  # transparent is white
    np.testing.assert_allclose(data.x[4], 32896 / 65535, rtol=1e-6)


def test_folder_of_images_in_colour_and_another_size(pictures: Path) -> None:
    (pictures / "plain" / "c.png").unlink()
    data = load(str(pictures), image_size=(2, 3), color=True)
    assert data.shape == (2, 3, 3)
    corner = data.x[0].reshape(2, 3, 3)[..., 0]
    np.testing.assert_allclose(corner, [[1, 0.5, 0], [0, 0, 0]], atol=0.01)
    np.testing.assert_array_equal(data.x[2].reshape(2, 3, 3)[0, 0], [1, 0, 0])


def test_a_recorded_dataset_is_read_again_from_anywhere(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pictures.parent)
    (pictures / "plain" / "c.png").unlink()
    first = load("shapes", image_size=(4, 5), color=True)
    record = json.loads(json.dumps(first.to_json()))
    monkeypatch.chdir("/")
    again = load_recorded(record)
    np.testing.assert_array_equal(again.x, first.x)
    assert again.sha256 == first.sha256
    assert record["features"] == 60 and record["shape"] == [4, 5, 3] and record["rows"] == 4


def test_changed_data_are_not_taken_for_the_recorded(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    record = load(str(tmp_path / "a.csv"), "species").to_json()
    (tmp_path / "a.csv").write_text(CSV.replace("1.5", "1.6"))
    with pytest.raises(QcliError, match="changed"):
        load_recorded(record)
    with pytest.raises(QcliError, match="incomplete"):
        load_recorded({"name": "digits"})
