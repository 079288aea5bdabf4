"""IDX files, the format of MNIST and Fashion-MNIST, plain or gzipped.

A file is: two zero bytes, one byte for the type of an element (0x08 = unsigned byte), one byte for the number of axes,
the length of each axis as a big-endian uint32, then the elements, row-major (LeCun, Cortes, Burges, "MNIST database").
"""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bitsback.errors import DataError, reason

FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_PREFIX = {"train": "train", "test": "t10k"}
_UNSIGNED_BYTE = 0x08
_MOST_BYTES = 2**33
_READ_BYTES = 2**24


def holds(folder: Path) -> bool:
    """Tell whether a folder (or its subfolder `raw`) holds at least one file named like a part of MNIST.

    Args:
        folder: Any path.

    Returns:
        True where one is found.
    """
    return any(_find(folder, prefix, kind) for prefix in _PREFIX.values() for kind in ("images", "labels"))


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read one part of a data set.

    Args:
        folder: Where the four files are; dots or dashes before `idx`, with or without `.gz`.
        part: "train" or "test".

    Returns:
        Images, uint8 [N, 1, H, W], and labels, uint8 [N].

    Raises:
        DataError: A file is missing or malformed, or there are not as many images as labels.
    """
    prefix = _PREFIX[part]
    images_path, labels_path = _found(folder, prefix, "images"), _found(folder, prefix, "labels")
    images, labels = read_file(images_path, axes=3), read_file(labels_path, axes=1)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images but {labels_path} holds {len(labels)} labels; "
            "each image needs one label"
        )
    return images[:, None], labels


def labels(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes: an IDX folder has none.

    Args:
        folder: Where the files are.

    Returns:
        ().
    """
    del folder
    return ()


def read_file(path: Path, axes: int) -> np.ndarray:
    """Read one IDX file of unsigned bytes; gzip is recognized by its content.

    Args:
        path: The file.
        axes: The number of axes that it must have.

    Returns:
        uint8 array with `axes` axes.

    Raises:
        DataError: The file cannot be read, its magic, type or number of axes is another one, or its length is not what
            its header says.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not zipped:
                return _parse(file, path, axes)
            with gzip.GzipFile(fileobj=file) as unzipped:
                return _parse(unzipped, path, axes)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read as an IDX file: {reason(error)}") from error


def _parse(file: BinaryIO | gzip.GzipFile, path: Path, axes: int) -> np.ndarray:
    magic = file.read(4)
    if magic != bytes((0, 0, _UNSIGNED_BYTE, axes)):
        wanted = f"00 00 08 {axes:02x}"
        raise DataError(
            f"{path} starts with the bytes '{magic.hex(' ')}', but an IDX file of {axes} axes starts with '{wanted}'"
        )
    header = file.read(4 * axes)
    if len(header) != 4 * axes:
        raise DataError(f"{path} ends inside its header, after {4 + len(header)} of {4 + 4 * axes} bytes")
    shape = struct.unpack(f">{axes}I", header)
    size = math.prod(shape)
    if not 0 < size <= _MOST_BYTES:
        raise DataError(f"{path} says that its shape is {shape}, but 1 to {_MOST_BYTES} elements are possible")
    content = bytearray()
    while len(content) <= size and (chunk := file.read(min(_READ_BYTES, size + 1 - len(content)))):
        content += chunk
    if len(content) != size:
        found = f"only {len(content)}" if len(content) < size else "more"
        raise DataError(f"{path} says that its shape is {shape}, that is {size} bytes, but {found} follow its header")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _find(folder: Path, prefix: str, kind: str) -> Path | None:
    axes = 3 if kind == "images" else 1
    for place in (folder, folder / "raw"):
        for name in (f"{prefix}-{kind}-idx{axes}-ubyte", f"{prefix}-{kind}.idx{axes}-ubyte"):
            for path in (place / f"{name}.gz", place / name):
                if path.is_file():
                    return path
    return None


def _found(folder: Path, prefix: str, kind: str) -> Path:
    path = _find(folder, prefix, kind)
    if path is None:
        axes = 3 if kind == "images" else 1
        raise DataError(
            f"{folder} holds no {prefix}-{kind}-idx{axes}-ubyte (with or without .gz); an IDX set is {', '.join(FILES)}"
        )
    return path
