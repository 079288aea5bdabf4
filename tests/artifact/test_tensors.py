import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from bitsback.artifact.tensors import DTYPES, StoredTensor, aligned, check_layout, pack, unpack
from bitsback.errors import ArtifactError


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_every_tensor_comes_back(data: st.DataObject) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(list(DTYPES))))
    shape = data.draw(arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    array = data.draw(arrays.arrays(dtype, shape, fill=st.just(dtype.type(0))))
    stored, payload = pack("w", array, 0)
    found = unpack(stored, memoryview(payload))
    assert (found.shape, found.dtype) == (array.shape, array.dtype)
    zeros = array == 0
    np.testing.assert_array_equal(found == 0, zeros)
    assert found[~zeros].tobytes() == array[~zeros].tobytes()
    assert stored.encoding != "dense" or found.tobytes() == array.tobytes()
    assert len(payload) == stored.size <= array.nbytes


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_smaller_encoding_is_taken(dtype: str, share: float) -> None:
    rng = np.random.default_rng(0)
    array = (rng.normal(size=1001) * 10 * (rng.uniform(size=1001) < share)).astype(dtype)
    stored, payload = pack("w", array, 0)
    bitmap = 126 + int(np.count_nonzero(array)) * array.itemsize
    assert len(payload) == min(bitmap, array.nbytes)
    assert stored.encoding == ("bitmap" if bitmap < array.nbytes else "dense")


def test_the_bitmap_is_what_the_specification_says() -> None:
    array = np.zeros(10, np.float32)
    array[[0, 3, 9]] = 1.0, 2.0, -4.0
    _, payload = pack("w", array, 0)
    assert payload == bytes([0b00001001, 0b10]) + np.array([1, 2, -4], "<f4").tobytes()


def test_minus_zeros_that_a_mask_leaves_cost_nothing() -> None:
    weights = np.random.default_rng(0).normal(size=(50, 50)).astype(np.float32)
    mask = np.arange(2500).reshape(50, 50) % 10 == 0
    stored, _ = pack("w", weights * mask, 0)
    assert stored.size == 313 + 4 * 250


def test_other_byte_orders_and_views_are_stored_by_value() -> None:
    array = np.arange(12, dtype=">i4").reshape(3, 4).T
    stored, payload = pack("w", array, 0)
    np.testing.assert_array_equal(unpack(stored, memoryview(payload)), array)


def test_what_was_read_cannot_be_written_to() -> None:
    for array in (np.ones(3), np.zeros(100)):
        stored, payload = pack("w", array, 0)
        assert not unpack(stored, memoryview(payload)).flags.writeable


@pytest.mark.parametrize(
    ("shape", "encoding", "size"),
    [
        ((2**39,), "dense", 12),
        ((2**20, 2**20), "bitmap", 12),
        ((-1,), "dense", 0),
        ((-2, -3), "dense", 24),
        ((0, 2**62), "dense", 0),
        ((3,), "dense", -12),
        ((3,), "dense", 11),
        ((16,), "bitmap", 1),
        ((1,) * 17, "dense", 4),
    ],
)
def test_sizes_that_no_such_tensor_has_are_refused(shape: tuple[int, ...], encoding: str, size: int) -> None:
    with pytest.raises(ArtifactError, match="'w'"):
        StoredTensor("w", "float32", shape, encoding, 0, size)


def test_layouts_with_holes_overlaps_or_a_wrong_end_are_refused() -> None:
    def one(name: str, offset: int) -> StoredTensor:
        return StoredTensor(name, "float32", (3,), "dense", offset, 12)

    check_layout([one("a", 0), one("b", 64)], 76)
    wrong = [
        ([one("a", 0), one("b", 0)], 76),
        ([one("a", 0), one("b", 12)], 76),
        ([one("a", 0), one("b", 128)], 140),
        ([one("a", 64)], 76),
        ([one("a", -64)], 12),
        ([one("a", 0), one("a", 64)], 76),
        ([one("a", 0)], 13),
        ([one("a", 0)], 11),
        ([], 1),
    ]
    for tensors, size in wrong:
        with pytest.raises(ArtifactError):
            check_layout(tensors, size)


@given(st.integers(0, 10**6))
def test_aligned_is_the_next_multiple(position: int) -> None:
    assert aligned(position) % 64 == 0
    assert 0 <= aligned(position) - position < 64
