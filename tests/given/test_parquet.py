import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from bitsback.errors import DataError, MissingExtraError
from bitsback.given import parquet
from tests.given.files import encoded, write_parquet, write_parquet_set


def image(seed: int, shape: tuple[int, ...] = (5, 6, 3)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("column", ["img", "image"])
@pytest.mark.parametrize("shape", [(5, 6, 3), (5, 6)])
def test_reads_back_what_was_written(tmp_path, column, shape):
    images = [image(seed, shape) for seed in range(3)]
    write_parquet(tmp_path / "test.parquet", images, [2, 0, 1], column=column)
    assert parquet.holds(tmp_path)
    pixels, labels = parquet.read(tmp_path, "test")
    expected = np.stack(images).reshape(3, 5, 6, -1).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(pixels, expected)
    assert labels.tolist() == [2, 0, 1]


def test_shards_in_the_hubs_data_folder_are_read_in_order(tmp_path):
    for number in range(2):
        write_parquet(tmp_path / "data" / f"train-{number:05d}-of-00002.parquet", [image(number)], [number])
    assert parquet.holds(tmp_path)
    pixels, labels = parquet.read(tmp_path, "train")
    assert labels.tolist() == [0, 1]
    np.testing.assert_array_equal(pixels[1], image(1).transpose(2, 0, 1))


def test_a_missing_shard_is_noticed(tmp_path):
    write_parquet(tmp_path / "train-00000-of-00002.parquet", [image(0)], [0])
    with pytest.raises(DataError, match="1 of the 2 shards"):
        parquet.read(tmp_path, "train")


def test_label_names_come_from_the_hubs_metadata(tmp_path):
    assert parquet.labels(write_parquet_set(tmp_path / "named", names=["cat", "dog"])) == ("cat", "dog")
    assert parquet.labels(write_parquet_set(tmp_path / "plain")) == ()


def test_grey_among_colour_becomes_colour_but_not_the_reverse(tmp_path):
    write_parquet(tmp_path / "train.parquet", [image(0), image(1, (5, 6))], [0, 1])
    assert parquet.read(tmp_path, "train")[0].shape == (2, 3, 5, 6)
    write_parquet(tmp_path / "test.parquet", [image(1, (5, 6)), image(0)], [0, 1])
    with pytest.raises(DataError, match="all be grey or all colour"):
        parquet.read(tmp_path, "test")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([b"not an image"], "cannot be decoded"),
        ([encoded(image(0))[:60]], "cannot be decoded"),
        ([None], "without image bytes"),
        ([image(0), image(1, (6, 5, 3))], "one size"),
        ([encoded(image(0, (5, 6)).astype(np.uint16))], "mode"),
        ([b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n"], "cannot be decoded"),
    ],
)
def test_malformed_images_are_refused(tmp_path, rows, reason):
    write_parquet(tmp_path / "train.parquet", rows, list(range(len(rows))))
    with pytest.raises(DataError, match=reason) as caught:
        parquet.read(tmp_path, "train")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"picture": [b"x"], "label": [0]}, "has the columns"),
        ({"img": [b"x"], "label": [0]}, "must be struct"),
        ({"img": [{"bytes": b"x", "path": ""}]}, "has the columns"),
        ({"img": [{"bytes": b"x", "path": ""}], "label": ["cat"]}, "must be int64"),
        ({"img": [{"bytes": b"x", "path": ""}], "label": pyarrow.array([None], pyarrow.int64())}, "without a label"),
        ({"img": [{"path": "a.png"}], "label": [0]}, "must be struct"),
    ],
)
def test_malformed_tables_are_refused(tmp_path, columns, reason):
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "train.parquet")
    with pytest.raises(DataError, match=reason):
        parquet.read(tmp_path, "train")


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "train.parquet"
    write_parquet(path, [image(0)], [0])
    content = path.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match="cannot be read as a Parquet file"):
            parquet.read(tmp_path, "train")


def test_an_empty_part_and_a_missing_part_are_refused(tmp_path):
    write_parquet(tmp_path / "train.parquet", [], pyarrow.array([], pyarrow.int64()))
    with pytest.raises(DataError, match="no rows"):
        parquet.read(tmp_path, "train")
    with pytest.raises(DataError, match=r"neither test.parquet"):
        parquet.read(tmp_path, "test")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    write_parquet_set(tmp_path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"bitsback\[parquet\]"):
        parquet.read(tmp_path, "train")
