"""Tiny data sets on disk, made by the tests that read them."""

import gzip
import io
import json
import struct
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def digits_like(samples: int, *, classes: int = 3, size: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random images uint8 [N, size, size] whose labels go round the classes."""
    images = np.random.default_rng(seed).integers(0, 256, (samples, size, size), dtype=np.uint8)
    return images, np.arange(samples) % classes


def write_idx_set(folder: Path, *, train=None, test=None, separator: str = "-", zipped: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": train or digits_like(30), "t10k": test or digits_like(12, seed=1)}
    for prefix, arrays in parts.items():
        for kind, array in zip(("images", "labels"), arrays, strict=True):
            content = idx_bytes(array)
            name = f"{prefix}-{kind}{separator}idx{array.ndim}-ubyte"
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


def encoded(pixels: np.ndarray, format_name: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name)
    return buffer.getvalue()


def write_parquet(
    path: Path, images: list, labels: list, *, column: str = "img", names: list[str] | None = None
) -> None:
    """Write images (arrays [H, W] or [H, W, 3], bytes as they are, or None) in the hub's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [encoded(image) if isinstance(image, np.ndarray) else image for image in images]
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    rows = pyarrow.array([{"bytes": item, "path": f"{number}.png"} for number, item in enumerate(content)], type=kind)
    table = pyarrow.table({column: rows, "label": pyarrow.array(labels)})
    if names:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pyarrow.parquet.write_table(table, path)


def write_parquet_set(
    folder: Path, *, column: str = "img", names: list[str] | None = None, colour: bool = True
) -> Path:
    shape = (5, 6, 3) if colour else (5, 6)
    for part, samples in (("train", 20), ("test", 8)):
        rng = np.random.default_rng(samples)
        images = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(samples)]
        labels = [number % 2 for number in range(samples)]
        write_parquet(folder / f"{part}.parquet", images, labels, column=column, names=names)
    return folder
