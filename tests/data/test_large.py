"""Parquet too large for memory stays on disk, and is the same data in every respect."""

import os
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qcli.data.dataset import load, load_recorded
from qcli.data.raw import spans
from qcli.data.split import fit_scaler, split
from qcli.data.store import Facts, Store, stored
from qcli.errors import QcliError
from qcli.train.run import Settings, read_lines
from qcli.train.train import train


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("QCLI_CACHE", str(folder))
    return folder


@pytest.fixture
def on_disk(monkeypatch):
    """Holds no data in memory from now on."""
    return lambda: monkeypatch.setenv("QCLI_MEMORY_CELLS", "0")


def frame(rows: int = 300, dtype: str = "float32", seed: int = 0) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    y = np.arange(rows) % 2
    x = generator.normal(size=(rows, 3)) + y[:, None]
    x[0] = [-0.0, 0.0, 1 / 3]
    table = pd.DataFrame(x.astype(dtype), columns=["a", "b", "c"])
    return table.assign(kind=np.where(y, "yes", "no"))


def written(path: Path, table: pd.DataFrame, group: int = 70) -> str:
    table.to_parquet(path, row_group_size=group, index=False)
    return str(path)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8"])
def test_on_disk_and_in_memory_are_one_dataset(tmp_path, on_disk, dtype):
    path = written(tmp_path / "a.parquet", frame(dtype=dtype))
    memory = load(path, "kind")
    on_disk()
    disk, again = load(path, "kind"), load(path, "kind")
    assert isinstance(memory.x, np.ndarray) and isinstance(disk.x, Store)
    assert disk.to_json() == again.to_json() == memory.to_json()
    np.testing.assert_array_equal(disk.x[:], memory.x)
    np.testing.assert_array_equal(disk.y, memory.y)
    parts = split(memory, seed=3)
    assert split(disk, seed=3).to_json() == parts.to_json()
    one, other = fit_scaler(memory, parts), fit_scaler(disk, parts)
    np.testing.assert_array_equal([one.mean, one.scale], [other.mean, other.scale])
    assert load_recorded(memory.to_json()).sha256 == memory.sha256


def test_float32_takes_four_bytes_a_cell_and_float64_eight(tmp_path, on_disk, cache):
    on_disk()
    for name, dtype, size in (("a", "float32", 4), ("b", "float64", 8), ("c", "int16", 4), ("d", "int64", 8)):
        data = load(written(tmp_path / f"{name}.parquet", frame(dtype=dtype)), "kind")
        assert (data.x.folder / "rows.bin").stat().st_size == 300 * 3 * size


@given(st.lists(st.integers(0, 49), max_size=60), st.integers(1, 50))
def test_any_rows_can_be_read_in_any_order(tmp_path_factory, index, step):
    path = tmp_path_factory.mktemp("rows") / "a"
    x = np.arange(100.0).reshape(50, 2)
    path.touch()

    def write(file):
        file.write(x.astype("<f4").tobytes())
        return Facts(50, ("a", "b"), "y", ("0",), "<f4"), np.zeros(50, np.int32)

    store = stored([path], "y", write)
    np.testing.assert_array_equal(store[np.array(index, dtype=np.int64)], x[index] if index else x[:0])
    np.testing.assert_array_equal(store[::step], x[::step])
    with pytest.raises(IndexError):
        store[np.array([*index, 50])]


@given(st.integers(0, 10**7), st.integers(0, 5000))
def test_spans_cover_all_rows_once(rows, features):
    slices = list(spans(rows, features)) if rows * features < 10**9 else []
    assert [part.start for part in slices[1:]] == [part.stop for part in slices[:-1]]
    assert not slices or (slices[0].start, slices[-1].stop) == (0, rows)
    assert all((part.stop - part.start) * features <= 2**21 for part in slices)


@pytest.mark.parametrize("disk", [False, True])
def test_a_folder_of_shards_is_one_table(tmp_path, on_disk, disk):
    whole = load(written(tmp_path / "whole.parquet", frame()), "kind")
    (tmp_path / "shards").mkdir()
    for number, start in enumerate(range(0, 300, 110)):
        written(tmp_path / "shards" / f"part-{number}.parquet", frame()[start : start + 110])
    last = frame()[220:][["kind", "c", "a", "b"]]
    written(tmp_path / "shards" / "part-2.parquet", last)
    (tmp_path / "shards" / "_SUCCESS").touch()
    if disk:
        on_disk()
    data = load(str(tmp_path / "shards"), "kind")
    assert data.sha256 == whole.sha256
    assert data.label == "shards"


def test_shards_are_told_from_images(tmp_path):
    (tmp_path / "mixed" / "cats").mkdir(parents=True)
    written(tmp_path / "mixed" / "a.parquet", frame())
    with pytest.raises(QcliError, match="holds Parquet files and the sub-folder 'cats'"):
        load(str(tmp_path / "mixed"), "kind")


@pytest.mark.parametrize("disk", [False, True])
@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (lambda t: t.rename(columns={"c": "d"}), "the files have different columns: c, d", "b.parquet"),
        (lambda t: t.assign(c=t.c.where(t.index != 7)), "missing value (NaN) in 1 cell(s)", "data row 308"),
        (
            lambda t: t.assign(c="text"),
            "text 'text' where a number belongs",
            "b.parquet, column 'c', data row 1",
        ),
        (lambda t: t.assign(kind=None), "label '' is missing or infinite", "data row 301"),
    ],
)
def test_faults_of_a_shard_are_named(tmp_path, on_disk, disk, change, what, where):
    (tmp_path / "s").mkdir()
    written(tmp_path / "s" / "a.parquet", frame())
    written(tmp_path / "s" / "b.parquet", change(frame()))
    if disk:
        on_disk()
    for _ in range(2):
        with pytest.raises(QcliError) as refusal:
            load(str(tmp_path / "s"), "kind")
        assert refusal.value.what == what and where in refusal.value.where


def test_a_limit_that_is_no_number_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("QCLI_MEMORY_CELLS", "1 GB")
    with pytest.raises(QcliError, match="'1 GB' is not a number of cells"):
        load(written(tmp_path / "a.parquet", frame()), "kind")


def test_changed_files_are_read_anew_and_what_was_kept_goes(tmp_path, on_disk, cache):
    on_disk()
    path = written(tmp_path / "a.parquet", frame())
    first = load(path, "kind").sha256
    written(tmp_path / "a.parquet", frame(seed=1))
    os.utime(path, ns=(1, 1))
    assert load(path, "kind").sha256 != first
    assert len(list(cache.iterdir())) == 1


def test_a_damaged_store_is_made_again(tmp_path, on_disk):
    on_disk()
    path = written(tmp_path / "a.parquet", frame())
    data = load(path, "kind")
    x = data.x[:]
    for name in ("rows.bin", "codes.npy", "facts.json"):
        (data.x.folder / name).write_bytes((data.x.folder / name).read_bytes()[:-9])
        assert load(path, "kind").sha256 == data.sha256
        np.testing.assert_array_equal(load(path, "kind").x[:], x)


def test_several_at_once_find_a_whole_store(tmp_path, on_disk, cache):
    on_disk()
    path, found = written(tmp_path / "a.parquet", frame()), []
    threads = [threading.Thread(target=lambda: found.append(load(path, "kind").sha256)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1
    assert len(list(cache.iterdir())) == 1


def test_a_model_trains_alike_on_either(tmp_path, on_disk):
    path = written(tmp_path / "a.parquet", frame())

    def trained(name: str):
        run = train(
            "vqc",
            path,
            target="kind",
            options={"wires": "2", "layers": "1"},
            settings=Settings(epochs=2, batch=50, lr=0.05),
            out=tmp_path / name,
        )
        lines = [{**line, "seconds": 0} for line in read_lines(run.path / "history.jsonl")]
        return lines, [tensor.tolist() for tensor in run.model().state_dict().values()]

    memory = trained("memory")
    on_disk()
    assert trained("disk") == memory
