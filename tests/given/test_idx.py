import gzip
import struct

import numpy as np
import pytest

from bitsback.errors import DataError
from bitsback.given import idx
from tests.given.files import digits_like, idx_bytes, write_idx_set


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("separator", ["-", "."])
def test_reads_back_what_was_written(tmp_path, separator, zipped):
    images, labels = digits_like(12, seed=1)
    folder = write_idx_set(tmp_path / "set", separator=separator, zipped=zipped)
    assert idx.holds(folder)
    read_images, read_labels = idx.read(folder, "test")
    np.testing.assert_array_equal(read_images, images[:, None])
    np.testing.assert_array_equal(read_labels, labels)


def test_reads_the_raw_subfolder_of_torchvision(tmp_path):
    write_idx_set(tmp_path / "MNIST" / "raw")
    assert idx.holds(tmp_path / "MNIST")
    assert idx.read(tmp_path / "MNIST", "train")[0].shape == (30, 1, 4, 4)


def test_gzip_is_recognized_by_content_not_by_name(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(idx_bytes(np.arange(3)))
    assert idx.read_file(path, axes=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("zipped", [True, False])
def test_every_prefix_is_refused(tmp_path, zipped):
    content = idx_bytes(np.arange(12).reshape(3, 2, 2))
    content = gzip.compress(content) if zipped else content
    path = tmp_path / "images"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError):
            idx.read_file(path, axes=3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (idx_bytes(np.arange(4)) + b"x", "more follow"),
        (bytes((0, 0, 9, 1)) + struct.pack(">I", 1) + b"x", "starts with the bytes '00 00 09 01'"),
        (idx_bytes(np.zeros((2, 2))), "starts with the bytes '00 00 08 02'"),
        (bytes((0, 0, 8, 1)) + struct.pack(">I", 0), "shape is \\(0,\\)"),
        (bytes((0, 0, 8, 1)) + struct.pack(">I", 2**32 - 1) + b"x", "only 1 follow"),
        (b"<html>not found</html>", "starts with the bytes '3c 68 74 6d'"),
        (gzip.compress(b"\0" * 40, mtime=0)[:-6] + b"\0" * 6, "cannot be read|starts with"),
    ],
)
def test_malformed_files_are_refused(tmp_path, content, reason):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        idx.read_file(path, axes=1)


def test_sizes_that_cannot_be_are_refused_without_reading(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", *([2**32 - 1] * 3)))
    with pytest.raises(DataError, match="elements are possible"):
        idx.read_file(path, axes=3)


def test_a_wrong_checksum_is_refused(tmp_path):
    content = bytearray(gzip.compress(idx_bytes(np.arange(50))))
    content[-8] ^= 1
    (tmp_path / "labels").write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        idx.read_file(tmp_path / "labels", axes=1)


def test_a_missing_file_is_named(tmp_path):
    folder = write_idx_set(tmp_path)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="no t10k-labels-idx1-ubyte"):
        idx.read(folder, "test")


def test_as_many_images_as_labels(tmp_path):
    images, labels = digits_like(30)
    folder = write_idx_set(tmp_path, train=(images, labels[:-1]))
    with pytest.raises(DataError, match=r"30 images .* 29 labels"):
        idx.read(folder, "train")
