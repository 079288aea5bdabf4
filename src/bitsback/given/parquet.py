"""Images in Parquet files, in the layout of the Hugging Face hub.

`train.parquet` and `test.parquet`, or shards such as `train-00000-of-00002.parquet`, in the folder or its subfolder
`data`; columns `img` (or `image`), a struct {bytes, path}, and `label`, a whole number.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.errors import DataError, MissingExtraError

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
_GREY = frozenset({"1", "L"})
_COLOUR = frozenset({"P", "RGB", "RGBA", "CMYK", "YCbCr"})
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.parquet$")
_ROWS = 1024


def holds(folder: Path) -> bool:
    """Tell whether a folder (or its subfolder `data`) holds a Parquet file of the training or test part.

    Args:
        folder: Any path.

    Returns:
        True where one is found.
    """
    return bool(_shards(folder, "train") or _shards(folder, "test"))


def read(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Read and decode one part of a data set.

    Args:
        folder: Where the files are.
        part: "train" or "test".

    Returns:
        Images, uint8 [N, C, H, W] with C = 1 (grey) or 3 (RGB), and labels, int64 [N].

    Raises:
        DataError: A file is missing or malformed, an image cannot be decoded, or the images differ in size or colour.
        MissingExtraError: pyarrow is not installed.
    """
    images: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    for path in _complete(folder, part):
        for rows, numbers in _batches(path):
            images.append(_decode_all(rows, path, images[0].shape[1:] if images else None))
            labels.append(numbers)
    if not images:
        raise DataError(f"the Parquet files of the {part} part in {folder} hold no rows; at least one is needed")
    return np.concatenate(images), np.concatenate(labels)


def labels(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes where the hub's metadata in the schema gives them.

    Args:
        folder: Where the files are.

    Returns:
        The names, or () where there are none.

    Raises:
        DataError: A file is missing or malformed.
        MissingExtraError: pyarrow is not installed.
    """
    metadata = _open(_complete(folder, "train")[0]).schema_arrow.metadata or {}
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        names = features["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return tuple(names) if isinstance(names, list) and all(isinstance(name, str) for name in names) else ()


def _shards(folder: Path, part: str) -> list[Path]:
    for place in (folder, folder / "data"):
        whole = place / f"{part}.parquet"
        found = [whole] if whole.is_file() else sorted(place.glob(f"{part}-*.parquet"))
        if found:
            return found
    return []


def _complete(folder: Path, part: str) -> list[Path]:
    shards = _shards(folder, part)
    if not shards:
        raise DataError(
            f"{folder} holds neither {part}.parquet nor {part}-*.parquet; a Parquet set needs a train and a test part"
        )
    counted = [_SHARD.search(path.name) for path in shards]
    expected = max((int(match[2]) for match in counted if match), default=len(shards))
    if expected != len(shards):
        raise DataError(f"{folder} holds {len(shards)} of the {expected} shards of its {part} part; all are needed")
    return shards


def _open(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(
            f'reading {path} needs pyarrow, which is not installed: pip install "bitsback[parquet]"'
        ) from error
    try:
        return pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as a Parquet file: {_one_line(error)}") from error


def _batches(path: Path) -> Iterator[tuple[list[dict[str, Any] | None], np.ndarray]]:
    file = _open(path)
    import pyarrow

    image = _image_column(file.schema_arrow, path)
    try:
        for batch in file.iter_batches(batch_size=_ROWS, columns=[image, "label"]):
            if batch.column("label").null_count:
                raise DataError(f"{path} has a row without a label; each image needs one")
            yield batch.column(image).to_pylist(), batch.column("label").to_numpy(zero_copy_only=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as a Parquet file: {_one_line(error)}") from error


def _image_column(schema: Any, path: Path) -> str:
    import pyarrow

    image = next((name for name in ("img", "image") if name in schema.names), None)
    if image is None or "label" not in schema.names:
        raise DataError(f"{path} has the columns {schema.names}, but needs `img` (or `image`) and `label`")
    kind = schema.field(image).type
    if not pyarrow.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        raise DataError(f"the column `{image}` of {path} is {kind}, but must be struct<bytes: binary, path: string>")
    if not pyarrow.types.is_integer(schema.field("label").type):
        raise DataError(f"the column `label` of {path} is {schema.field('label').type}, but must be int64")
    return image


def _decode_all(rows: list[dict[str, Any] | None], path: Path, shape: tuple[int, ...] | None) -> np.ndarray:
    images = []
    for row in rows:
        content = row["bytes"] if row else None
        if not isinstance(content, bytes):
            raise DataError(f"{path} has a row without image bytes; images are stored inside the file, not beside it")
        image = _decode(content, path, grey=shape is None or shape[0] == 1)
        shape = image.shape if shape is None else shape
        if image.shape != shape:
            raise DataError(
                f"{path} holds an image of shape {image.shape} (channels, height, width) where the first has {shape}; "
                "all must have one size and all be grey or all colour"
            )
        images.append(image)
    return np.stack(images)


def _decode(content: bytes, path: Path, *, grey: bool) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
            mode = image.mode
            pixels = np.asarray(image.convert("L" if grey and mode in _GREY else "RGB"))
    except UnidentifiedImageError as error:
        raise DataError(f"{path} holds an image that cannot be decoded: it is none of {', '.join(_FORMATS)}") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged bytes
        raise DataError(f"{path} holds an image that cannot be decoded: {_one_line(error)}") from error
    if mode not in _GREY | _COLOUR:
        raise DataError(f"{path} holds an image of Pillow's mode {mode!r}; 8-bit grey and colour images can be read")
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
