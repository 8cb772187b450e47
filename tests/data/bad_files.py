"""Makers of bad data: each writes into a folder and returns the name to load."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Make = Callable[[Path], str]


def named(name: str) -> Make:
    return lambda folder: name


def file(name: str, content: str | bytes) -> Make:
    def make(folder: Path) -> str:
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return str(folder / name)

    return make


def npz(**arrays: Any) -> Make:
    def make(folder: Path) -> str:
        np.savez(folder / "a.npz", **arrays)
        return str(folder / "a.npz")

    return make


def parquet(frame: pd.DataFrame) -> Make:
    def make(folder: Path) -> str:
        frame.to_parquet(folder / "a.parquet")
        return str(folder / "a.parquet")

    return make


def images(**classes: int) -> Make:
    """A folder with so many pictures per class."""

    def make(folder: Path) -> str:
        for name, count in classes.items():
            (folder / "pictures" / name).mkdir(parents=True)
            for number in range(count):
                Image.new("L", (8, 8), 20 * number).save(folder / "pictures" / name / f"{number}.png")
        return str(folder / "pictures")

    return make


def broken_image(content: bytes) -> Make:
    def make(folder: Path) -> str:
        root = images(cat=2, dog=2)(folder)
        (Path(root) / "dog" / "bad.png").write_bytes(content)
        return root

    return make


def deep_colour_image(folder: Path) -> str:
    root = images(cat=2, dog=2)(folder)
    Image.fromarray(np.ones((8, 8), np.float32)).save(Path(root) / "dog" / "deep.tiff")
    return root


def empty_folder(folder: Path) -> str:
    (folder / "pictures").mkdir()
    (folder / "pictures" / "loose.txt").write_text("no class")
    return str(folder / "pictures")


def duplicate_parquet(folder: Path) -> str:
    table = pa.Table.from_arrays(
        [pa.array([1.0, 2.0]), pa.array([3.0, 4.0]), pa.array([0, 1])], ["a", "a", "y"]
    )
    pq.write_table(table, folder / "a.parquet")
    return str(folder / "a.parquet")


def foreign_npz(member: bytes) -> Make:
    """An archive whose x is `member`."""

    def make(folder: Path) -> str:
        with zipfile.ZipFile(folder / "a.npz", "w") as archive:
            archive.writestr("x.npy", member)
        return str(folder / "a.npz")

    return make


def boastful_header() -> bytes:
    """The header of an array of 640 TB."""
    buffer = io.BytesIO()
    shape = (10**13, 8)
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return buffer.getvalue()


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(256, size=(32, 32), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, form)
    return buffer.getvalue()


def regression() -> str:
    return "a,y\n" + "".join(f"{i},{i + 0.5}\n" for i in range(1200))


def many_classes() -> str:
    return "a,y\n" + "".join(f"{i},c{i // 2}\n" for i in range(2400))
