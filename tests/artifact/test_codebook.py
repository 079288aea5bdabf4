"""Floats of few different numbers: bit for bit, in about their entropy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitsback.artifact import codebook
from bitsback.artifact.tensors import check_layout, pack, unpack
from bitsback.errors import ArtifactError

LISTED = np.array([-0.51953125, -0.25, 0.0625, 0.377197265625], np.float32)
LEVELS = {
    "halves": LISTED,
    "exact": np.array([-0.3, -0.1, 0.15, 0.4], np.float32),
    "multiples": np.float32(0.0123) * np.arange(-90, 91).astype(np.float32),
}


def drawn(levels, shape, density=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < density, rng.choice(levels, shape), np.float32(0)).astype(levels.dtype)


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize("shape", [(60, 80), (5, 4, 3, 3), (300,), (1, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_comes_back(levels, shape, dtype):
    found = drawn(levels.astype(dtype), shape)
    data = codebook.encode(found)
    assert data is not None
    again = codebook.decode(memoryview(data), found.shape, found.dtype)
    assert again.dtype == dtype
    assert again.tobytes() == found.tobytes()


@settings(deadline=None)
@given(st.floats(2.0**-90, 2.0**90, width=32), st.lists(st.integers(-127, 127), min_size=1, max_size=40))
def test_multiples_of_any_step_come_back(step, multiples):
    found = np.float32(step) * np.array(multiples, np.float32)
    data = codebook.encode(found)
    assert data is not None
    assert codebook.decode(memoryview(data), found.shape, found.dtype).tobytes() == found.tobytes()


def test_it_takes_about_its_entropy_and_nothing_for_a_row_of_zeros():
    shares = np.array([0.02, 0.03, 0.9, 0.04, 0.01])
    found = np.random.default_rng(0).choice(np.float32([-0.4, -0.1, 0, 0.2, 0.3]), (300, 800), p=shares)
    entropy = -found.size * (shares * np.log2(shares)).sum() / 8
    assert len(codebook.encode(found) or b"") < 1.01 * entropy
    wide = np.concatenate([found, np.zeros_like(found)])
    assert len(codebook.encode(wide) or b"") < 1.01 * entropy + 100


def test_the_largest_numbers_come_back_and_what_is_beyond_them_is_refused():
    found = np.float32([3e38, -3e38, 0] * 40)
    data = codebook.encode(found) or b""
    assert codebook.decode(memoryview(data), found.shape, found.dtype).tobytes() == found.tobytes()
    small = np.float32(1e-3) * np.float32([100, -100, 1] * 40)
    data = (codebook.encode(small) or b"").replace(np.float32(1e-3).tobytes(), np.float32(3e38).tobytes())
    with pytest.raises(ArtifactError, match="not finite"):
        codebook.decode(memoryview(data), small.shape, small.dtype)


def test_many_numbers_and_what_is_not_finite_are_no_codebook():
    rng = np.random.default_rng(0)
    assert codebook.encode(rng.normal(size=(50, 50)).astype(np.float32)) is None
    assert codebook.encode(np.float32([1, np.nan, 1])) is None
    assert codebook.encode(np.float32([1, np.inf, 1])) is None
    assert codebook.encode(np.zeros((0, 3), np.float32)) is None


def test_a_tensor_that_gains_by_it_is_packed_so_and_begins_where_the_one_before_it_ends():
    first, second = drawn(LEVELS["halves"], (30, 30)), drawn(LEVELS["multiples"], (40, 20))
    one, data = pack("one", first, 0)
    other, rest = pack("other", second, one.size)
    assert [one.encoding, other.encoding, other.offset] == ["codebook", "codebook", len(data)]
    np.testing.assert_array_equal(unpack(other, memoryview(rest)), second)
    check_layout([one, other], len(data) + len(rest))
    assert pack("no", first, 0, densely=True)[0].encoding == "dense"


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_every_prefix_and_a_byte_more_is_refused(levels):
    found = drawn(levels, (6, 10))
    data = codebook.encode(found) or b""
    for size in range(len(data)):
        with pytest.raises(ArtifactError):
            codebook.decode(memoryview(data[:size]), found.shape, found.dtype)
    with pytest.raises(ArtifactError, match="1 bytes follow its end"):
        codebook.decode(memoryview(data + b"\0"), found.shape, found.dtype)


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_flipped_bits_are_refused_or_give_finite_numbers(levels):
    found = drawn(levels, (20, 30))
    data = codebook.encode(found) or b""
    refused = 0
    for bit in range(0, 8 * len(data), 3):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            again = codebook.decode(memoryview(changed), found.shape, found.dtype)
        except ArtifactError:
            refused += 1
        else:
            assert np.isfinite(again).all()
    assert refused


WRONG = {
    "listed in way 4": lambda data, at: data[:at] + b"\4" + data[at + 1 :],
    "lists 5000 numbers; at most 256 go": lambda data, at: data[: at + 1] + b"\x88\x27" + data[at + 2 :],
    "not different, finite and in order": lambda data, at: data[: at + 2] + data[at + 4 : at + 6] + data[at + 4 :],
    "none of its 3": lambda data, at: data[: at + 1] + b"\3" + data[at + 2 : at + 8] + data[at + 10 :],
}


@pytest.mark.parametrize("said", WRONG)
def test_a_list_that_lies_is_refused(said):
    found = drawn(LISTED, (20, 30))
    data = codebook.encode(found) or b""
    at = data.index(LISTED.astype("<f2").tobytes()) - 2
    with pytest.raises(ArtifactError, match=said):
        codebook.decode(memoryview(WRONG[said](data, at)), found.shape, found.dtype)
