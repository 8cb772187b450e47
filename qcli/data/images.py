"""A folder with one sub-folder of images per class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from qcli.data.raw import Labels, Raw
from qcli.errors import QcliError

MAX_SIDE = 1024
SIXTEEN_BIT = 257.0  # 65,535 / 255


def read_images(folder: Path, size: tuple[int, int], color: bool) -> Raw:
    """Every image of every sub-folder, averaged over areas to `size` (height, width), pixels in [0, 1].

    Hidden files and files whose ending no image format has are passed over. Transparency is laid on white,
    the camera's orientation is applied, 16-bit grey keeps its depth.

    Raises:
        QcliError: no sub-folders, one without images, a file that cannot be decoded, a size out of range.
    """
    if not all(1 <= side <= MAX_SIDE for side in size):
        raise QcliError(
            f"image size {size[0]}x{size[1]}", "image_size", f"choose height and width in 1 … {MAX_SIDE}"
        )
    layout = f"arrange it as {folder.name or 'folder'}/CLASS/picture.png"
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))
    if not classes:
        raise QcliError("the folder has no sub-folders, one per class", str(folder), layout)
    endings = set(Image.registered_extensions())
    rows: list[NDArray[np.float64]] = []
    labels: list[str] = []
    for group in classes:
        files = sorted(
            p for p in group.iterdir() if p.suffix.lower() in endings and not p.name.startswith(".")
        )
        if not files:
            raise QcliError(
                f"sub-folder {group.name!r} has no images", str(group), f"add images or remove it; {layout}"
            )
        rows += [_pixels(file, size, color) for file in files]
        labels += [group.name] * len(files)
    shape = (*size, 3) if color else size
    return Raw(np.stack(rows).reshape(len(rows), -1), Labels.of(labels), str(folder), "image", shape=shape)


def _pixels(path: Path, size: tuple[int, int], color: bool) -> NDArray[np.float64]:
    """(height, width) or (height, width, 3) in [0, 1]."""
    try:
        with Image.open(path) as file:
            image = _on_white(ImageOps.exif_transpose(file))
            deep = image.mode == "I" or image.mode.startswith("I;16")
            if image.mode == "F" or (deep and color):
                raise ValueError(f"pixels of mode {image.mode} are not supported here")
            if deep:
                planes = [Image.fromarray(np.asarray(image).astype(np.float32) / np.float32(SIXTEEN_BIT))]
            else:
                planes = [plane.convert("F") for plane in image.convert("RGB" if color else "L").split()]
    except PermissionError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise QcliError(
            f"cannot decode the image {path.name}: {error}", str(path), "replace or remove this file"
        ) from None
    height, width = size
    resized = [
        np.asarray(plane.resize((width, height), Image.Resampling.BOX), np.float64) for plane in planes
    ]
    pixels = np.stack(resized, axis=-1) / 255.0
    if pixels.min() < 0 or pixels.max() > 1 + 1e-6:
        raise QcliError(
            f"pixels of {path.name} exceed 16 bits", str(path), "save it with 8 or 16 bits per channel"
        )
    clipped = np.clip(pixels, 0.0, 1.0)
    return clipped if color else clipped[..., 0]


def _on_white(image: Image.Image) -> Image.Image:
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    opaque = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", opaque.size, "white"), opaque).convert("RGB")
