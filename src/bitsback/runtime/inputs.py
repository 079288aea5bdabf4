"""Inputs for a prediction out of a file: .npy, .csv, or an image.

- `.npy`: [N, *shape], one sample, or flat samples [N, product of shape]; images of one channel also without its axis,
  [N, H, W] or [H, W]; any real dtype, values unchanged.
- `.csv`: a sample a line, as many numbers as the shape has elements, separated by commas; the first line may be a
  heading (names, or the numbers 0, 1, 2, ... of the columns); values unchanged.
- an image (PNG, JPEG, BMP, GIF, PNM, TIFF, WebP; 8 bits a channel): one sample, made grey or RGB as the network takes
  it, pixels as stored (no EXIF rotation), transparency dropped, 0..255 scaled to 0..`white`.

An image must have the network's height and width; it is resized (bilinear) only if asked for.
"""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.artifact.manifest import Input
from bitsback.errors import DataError
from bitsback.runtime.samples import check_samples

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pbm", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB")
MOST_PIXELS = 2**26
_NARROW, _WIDE = 0.02, 10.0


def read_inputs(path: str | Path, signature: Input, *, resize: bool = False) -> np.ndarray:
    """The samples that a file holds, as float32 [N, *shape].

    Args:
        path: the file; its ending says what it is.
        signature: the network's input (`manifest.input`).
        resize: whether an image of another size may be resized.

    Raises:
        DataError: no such file, an unknown ending, a damaged file, or values that do not fit the signature.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        if suffix == ".npy":
            samples = _folded(_read_npy(path), signature.shape)
        elif suffix == ".csv":
            samples = _read_csv(path, signature.shape)
        elif suffix in IMAGE_SUFFIXES:
            samples = _read_image(path, signature, resize)
        else:
            raise DataError(f"the ending {suffix!r} is none of .npy, .csv, {', '.join(IMAGE_SUFFIXES)}")
        return check_samples(samples, signature.shape)
    except DataError as error:
        raise DataError(f"in {path}: {error}") from error
    except OSError as error:
        raise DataError(f"the file {path} cannot be read: {error.strerror or error}") from error


def _read_npy(path: Path) -> np.ndarray:
    # Mapped and not read: a header that promises more than the file holds allocates nothing.
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # a hostile header makes numpy's parser raise anything
        raise DataError(f"it is not a .npy file of plain numbers: {str(error).partition(chr(10))[0]}") from error


def _folded(samples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of flat samples, and images without the axis of their one channel, in their shape; all else as it is."""
    if samples.shape == shape or samples.shape[1:] == shape:
        return samples
    flat = samples.ndim == 2 and samples.shape[1] == math.prod(shape)
    grey = len(shape) == 3 and shape[0] == 1 and (samples.shape == shape[1:] or samples.shape[1:] == shape[1:])
    return samples.reshape(-1, *shape) if flat or grey else samples


def doubt(samples: np.ndarray, signature: Input) -> str | None:
    """What looks wrong about the scale of samples that are numbers as they are in a file; None where nothing does.

    They are suspect where all of them lie within 2 % of the range that the network was trained on, where those of an image
    do not exceed 1 and white is far above, and where those of an image reach ten times white.

    Args:
        samples: float32 [N, *shape], N at least 1, not all zero.
        signature: the network's input.
    """
    largest, white = float(np.abs(samples).max(initial=0.0)), signature.white
    image = len(signature.shape) > 1
    if image and largest >= _WIDE * white:
        return f"values reach {largest:.4g}, and the network was trained on values up to {white:g}: give raw values"
    scaled = largest <= 1 and image and white >= 10
    if not largest or not (scaled or largest <= _NARROW * white):
        return None
    return (
        f"no value is larger than {largest:.4g}, and the network was trained on values up to {white:g}: give raw values"
    )


def _read_csv(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    import csv

    width = math.prod(shape)
    rows: list[np.ndarray] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            for cells in reader:
                if not cells or (reader.line_num == 1 and len(cells) == width and _heading(cells)):
                    continue
                if len(cells) != width:
                    raise DataError(
                        f"line {reader.line_num} has {len(cells)} values, and the network takes {width} "
                        "(separated by commas)"
                    )
                rows.append(_numbers(cells, reader.line_num))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"it is not a .csv file in UTF-8: {error}") from error
    if not rows:
        raise DataError("it holds no line of numbers")
    return np.stack(rows).reshape(-1, *shape)


def _numbers(cells: list[str], line: int) -> np.ndarray:
    try:
        return np.array(cells, np.float64)
    except ValueError:
        column = next(index for index, cell in enumerate(cells) if not _is_number(cell))
        raise DataError(f"line {line}, column {column + 1} is {cells[column][:40]!r}, not a number") from None


def _heading(cells: list[str]) -> bool:
    """Whether a first line names the columns: none of its cells is a number, or they count 0, 1, 2, ..."""
    counted = len(cells) > 2 and [cell.strip() for cell in cells] == [str(index) for index in range(len(cells))]
    return counted or not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        np.float64(cell)
    except ValueError:
        return False
    return True


def _read_image(path: Path, signature: Input, resize: bool) -> np.ndarray:
    from PIL import Image

    mode, height, width = _picture(signature.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            with Image.open(path, formats=IMAGE_FORMATS) as stored:
                _check_image(stored, (width, height), resize)
                image = stored.convert(mode)
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BILINEAR)
            pixels = np.asarray(image, np.float32)
        except DataError:
            raise
        except Exception as error:  # a damaged image makes Pillow raise anything, warnings included
            raise DataError(f"it is not a readable image: {str(error)[:200]}") from error
    channels_first = pixels.reshape(height, width, -1).transpose(2, 0, 1)
    return channels_first.reshape(signature.shape) * np.float32(signature.white / 255)


def _picture(shape: tuple[int, ...]) -> tuple[str, int, int]:
    # Pillow's mode, the height and the width of the images that the network takes.
    channels = shape[0] if len(shape) == 3 else 1
    if len(shape) not in {2, 3} or channels not in {1, 3}:
        raise DataError(f"the network takes inputs of shape {shape}, not images; give a .npy or a .csv file")
    return ("L" if channels == 1 else "RGB"), shape[-2], shape[-1]


def _check_image(image: Any, size: tuple[int, int], resize: bool) -> None:
    # Judged by its header, before its pixels are decoded.
    if image.mode not in MODES:
        raise DataError(f"it is an image of mode {image.mode!r}; 8 bits a channel are needed")
    if image.size != size and not resize:
        raise DataError(
            f"it is {image.size[0]} x {image.size[1]} pixels, and the network takes {size[0]} x {size[1]}; "
            "resize it first, or let it be resized (--resize of `bitsback predict`)"
        )
    if image.size[0] * image.size[1] > MOST_PIXELS:
        raise DataError(f"it is {image.size[0]} x {image.size[1]} pixels, more than the {MOST_PIXELS} allowed")
