"""Stacks that share what they keep: bit for bit, and in fewer bytes than its parts say."""

import numpy as np
import pytest

from bitsback.artifact import kept
from bitsback.artifact import pattern as patterns
from bitsback.artifact.tensors import pack, unpack
from bitsback.errors import ArtifactError


def stack(members, shape, density, dtype, spread=40):
    rng = np.random.default_rng(0)
    pattern = rng.random(shape) < density
    values = (
        rng.integers(-spread, spread, (members, *shape)) if dtype == np.int8 else rng.normal(size=(members, *shape))
    )
    return (values * pattern).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
@pytest.mark.parametrize(
    ("members", "shape", "density"),
    [(32, (50, 80), 0.05), (2, (7, 3, 5, 5), 0.5), (1, (9, 9), 1.0), (8, (3, 40), 0.0), (5, (1, 1), 1.0)],
)
def test_a_stack_comes_back(members, shape, density, dtype):
    found = stack(members, shape, density, dtype)
    data = kept.encode(found)
    again = kept.decode(memoryview(data), found.shape, found.dtype)
    assert again.dtype == found.dtype
    np.testing.assert_array_equal(again, found)


def test_what_bfloat16_holds_takes_less_than_half_of_its_bytes():
    whole = stack(8, (50, 80), 0.3, np.float32)
    upper = (whole.view(np.uint32) & 0xFFFF0000).view(np.float32)
    data = kept.encode(upper)
    np.testing.assert_array_equal(kept.decode(memoryview(data), upper.shape, upper.dtype), upper)
    assert len(data) < 0.45 * len(kept.encode(whole))
    for size in range(0, len(data), 11):
        with pytest.raises(ArtifactError):
            kept.decode(memoryview(data[:size]), upper.shape, upper.dtype)


def test_values_that_are_close_to_their_mean_take_fewer_bytes():
    rng = np.random.default_rng(0)
    around = np.clip(rng.normal(0, 40, (60, 60)), -100, 100).round()
    close = (around + rng.integers(-2, 3, (32, 60, 60))).astype(np.int8)
    shuffled = np.stack([rng.permutation(each.ravel()).reshape(60, 60) for each in close])
    assert len(kept.encode(close)) < 0.5 * len(kept.encode(shuffled))


def test_a_pattern_whose_rows_and_columns_differ_takes_fewer_bytes():
    rng = np.random.default_rng(0)
    chances = np.outer(rng.gamma(0.5, 1, 200), rng.gamma(0.5, 1, 300))
    pattern = rng.random((200, 300)) < 0.05 * chances / chances.mean()
    share = pattern.mean()
    entropy = -pattern.size * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    assert len(patterns.encode(pattern)) < 0.85 * entropy


def test_a_stack_of_all_values_is_packed_as_the_smallest_encoding():
    sparse = stack(16, (40, 50), 0.05, np.int8)
    stored, data = pack("w", sparse, 0)
    assert stored.encoding == "members"
    np.testing.assert_array_equal(unpack(stored, memoryview(data)), sparse)
    assert len(data) < 0.1 * len(np.packbits(sparse != 0)) + 16 * (sparse[0] != 0).sum()


def test_what_is_no_stack_of_anything_alike_stays_dense():
    rng = np.random.default_rng(0)
    assert pack("w", rng.normal(size=(4, 5, 6)).astype(np.float32), 0)[0].encoding == "dense"
    assert pack("w", rng.integers(-128, 128, (4, 50, 60)).astype(np.int8), 0)[0].encoding == "dense"


def test_every_prefix_and_a_byte_more_is_refused():
    found = stack(3, (6, 10), 0.3, np.int8)
    data = kept.encode(found)
    for size in range(len(data)):
        with pytest.raises(ArtifactError):
            kept.decode(memoryview(data[:size]), found.shape, found.dtype)
    with pytest.raises(ArtifactError, match="1 bytes follow its end"):
        kept.decode(memoryview(data + b"\0"), found.shape, found.dtype)


def test_flipped_bits_are_refused_or_give_a_stack():
    found = stack(16, (20, 30), 0.3, np.int8, spread=5)
    data = kept.encode(found)
    refused, bits = 0, range(0, 8 * len(data), 7)
    for bit in bits:
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            again = kept.decode(memoryview(bytes(changed)), found.shape, found.dtype)
        except ArtifactError:
            refused += 1
        else:
            assert again.shape == found.shape
    assert refused > 0.95 * len(bits)
