import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bitsback.artifact.manifest import Input
from bitsback.errors import DataError
from bitsback.runtime.inputs import doubt, read_inputs

GREY, COLOUR, VECTOR = Input((1, 4, 6)), Input((3, 4, 6)), Input((3,))
PIXELS = np.random.default_rng(0).integers(0, 256, size=(4, 6), dtype=np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, size=(4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int64", ">f4"])
def test_npy_comes_back_as_float32(dtype: str, tmp_path: Path) -> None:
    array = np.arange(48).reshape(2, 1, 4, 6).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    found = read_inputs(tmp_path / "x.npy", GREY)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, array.astype(np.float32))


def test_npy_may_hold_one_sample_or_flat_ones(tmp_path: Path) -> None:
    array = np.arange(24.0).reshape(1, 4, 6)
    for given in (array, array[None], array.reshape(1, 24)):
        np.save(tmp_path / "x.npy", given)
        np.testing.assert_array_equal(read_inputs(tmp_path / "x.npy", GREY), array[None])


@pytest.mark.parametrize("given", [(2, 4, 6), (1, 4, 6), (4, 6), (2, 24), (24,)])
@pytest.mark.parametrize("signature", [GREY, COLOUR, Input((4, 6)), Input((1, 1, 7))], ids=str)
def test_images_of_one_channel_may_lack_its_axis_and_nothing_else_may(given, signature, tmp_path: Path) -> None:
    array = np.arange(np.prod(given), dtype=np.float32).reshape(given)
    np.save(tmp_path / "x.npy", array)
    fits = {GREY: {(2, 4, 6), (1, 4, 6), (4, 6), (2, 24)}, Input((4, 6)): {(2, 4, 6), (1, 4, 6), (4, 6), (2, 24)}}
    if given in fits.get(signature, set()):
        found = read_inputs(tmp_path / "x.npy", signature)
        assert found.shape[1:] == signature.shape
        np.testing.assert_array_equal(found.ravel(), array.ravel())
    else:
        with pytest.raises(DataError, match="the inputs have shape"):
            read_inputs(tmp_path / "x.npy", signature)


@pytest.mark.parametrize(
    ("largest", "signature", "suspect"),
    [
        *((1.0, GREY, True), (5.1, GREY, True), (5.2, GREY, False), (255.0, GREY, False), (0.0, GREY, False)),
        *((1.0, Input((1, 4, 6), white=16.0), True), (1.1, Input((1, 4, 6), white=16.0), False)),
        *(
            (1.0, Input((1, 4, 6), white=1.0), False),
            (1.0, Input((3,), white=16.0), False),
            (0.3, Input((3,), white=16.0), True),
        ),
        *((9.9, Input((1, 4, 6), white=1.0), False), (10.0, Input((1, 4, 6), white=1.0), True)),
        *((255.0, Input((1, 4, 6), white=1.0), True), (255.0, Input((3,), white=1.0), False)),
    ],
)
def test_values_far_from_white_are_suspect(largest: float, signature: Input, suspect: bool) -> None:
    samples = np.zeros((5, *signature.shape), np.float32)
    samples[3].flat[1] = -largest
    said = doubt(samples, signature)
    assert (said is not None) == suspect
    assert said is None or f"up to {signature.white:g}" in said


def lying_npy(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(12)


def pickled() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((1, 3)))
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x93NUMPY",
        b"hello",
        pickled(),
        zipped(),
        lying_npy("(4, 3)"),
        lying_npy("(99999999999, 3)"),
        lying_npy("(2" + ",2" * 70 + ")"),
        lying_npy("(-1, 3)"),
        lying_npy("'x'"),
        lying_npy("(99999999999999999999999, 3)"),
        lying_npy("(" * 500),
    ],
    ids=["empty", "cut", "text", "pickle", "zip", "long", "huge", "axes", "negative", "word", "endless", "deep"],
)
def test_damaged_or_hostile_npy_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"x\.npy") as caught:
        read_inputs(path, VECTOR)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["1,2,3\n-4,5.5,6e0\n", "a,b,c\n1,2,3\n-4,5.5,6\n", '\ufeff"1", 2,3\r\n\r\n-4,5.5,6'])
def test_csv_is_a_sample_a_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_inputs(path, VECTOR), np.array([[1, 2, 3], [-4, 5.5, 6]], np.float32))


def test_csv_rows_are_folded_into_images(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", np.arange(48).reshape(2, 24)[::-1], delimiter=",", fmt="%d")
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.csv", GREY), np.arange(48).reshape(2, 1, 4, 6)[::-1])


def test_a_first_line_that_counts_the_columns_is_a_heading(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", np.arange(48).reshape(2, 24), delimiter=",", fmt="%d")
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.csv", GREY), np.arange(24, 48).reshape(1, 1, 4, 6))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no line of numbers"),
        (b"a,b,c\n", "no line of numbers"),
        (b"1,2\n", "line 1 has 2 values, and the network takes 3"),
        (b"1;2;3\n", "separated by commas"),
        (b"1,2,3\n1,x,3\n", "line 2, column 2 is 'x', not a number"),
        (b"1,2,3\na,b,c\n", "line 2, column 1 is 'a'"),
        (b"1,2,nan\n", r"nan at \(0, 2\)"),
        (b"1,2,1e999\n", r"inf at \(0, 2\)"),
        (b"1,2,\xff\n", "not a .csv file in UTF-8"),
        (b"1,2,\n", "line 1, column 3 is ''"),
        (b"1" * 200_000, "not a .csv file"),
    ],
)
def test_csv_that_does_not_fit_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_inputs(path, VECTOR)


@pytest.mark.parametrize("ending", ["png", "bmp", "pgm", "tif", "gif", "PNG"])
def test_a_grey_image_is_its_pixels(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{ending}"
    Image.fromarray(PIXELS).save(path)
    np.testing.assert_array_equal(read_inputs(path, GREY), PIXELS[None, None])
    np.testing.assert_array_equal(read_inputs(path, Input((4, 6))), PIXELS[None])


def test_a_colour_image_is_channels_first(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.png", COLOUR), COLOURS.transpose(2, 0, 1)[None])


def test_modes_are_converted_and_values_scaled_to_the_raw_range(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "x.png")
    grey = np.asarray(Image.fromarray(COLOURS).convert("L"), np.float32)
    found = read_inputs(tmp_path / "x.png", Input((1, 4, 6), white=16.0))
    np.testing.assert_allclose(found[0, 0], grey * 16 / 255, rtol=1e-6)
    Image.fromarray(PIXELS).convert("1").save(tmp_path / "x.png")
    assert set(np.unique(read_inputs(tmp_path / "x.png", COLOUR))) <= {0.0, 255.0}


def test_another_size_is_refused_and_resized_only_if_asked(tmp_path: Path) -> None:
    Image.new("L", (60, 40), 77).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="60 x 40 pixels, and the network takes 6 x 4"):
        read_inputs(tmp_path / "x.png", GREY)
    np.testing.assert_array_equal(read_inputs(tmp_path / "x.png", GREY, resize=True), np.full((1, 1, 4, 6), 77))


def huge_png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (6, 4)).save(file, "PNG")
    data = file.getvalue()
    return data[:16] + struct.pack(">II", 60_000, 60_000) + data[24:]


def cut_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, "PNG")
    return file.getvalue()[:-30]


def deep_png() -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS.astype(np.uint16) * 257).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("make", [lambda: b"", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", huge_png, cut_png, deep_png])
@pytest.mark.parametrize("resize", [False, True])
def test_damaged_or_hostile_images_are_refused(make: Callable[[], bytes], resize: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(make())
    with pytest.raises(DataError, match=r"x\.png: it is "):
        read_inputs(path, GREY, resize=resize)


def test_an_image_for_a_network_of_vectors_is_refused(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "x.png")
    with pytest.raises(DataError, match="not images"):
        read_inputs(tmp_path / "x.png", VECTOR)


def test_no_file_a_folder_and_unknown_endings_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no file"):
        read_inputs(tmp_path / "none.npy", VECTOR)
    with pytest.raises(DataError, match="there is no file"):
        read_inputs(tmp_path, VECTOR)
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(DataError, match=r"'\.pkl' is none of"):
        read_inputs(tmp_path / "x.pkl", VECTOR)
