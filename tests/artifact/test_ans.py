"""The coder against the library whose words it writes, and against the entropy."""

import constriction
import numpy as np
import pytest

from bitsback.artifact import ans
from bitsback.errors import ArtifactError


def drawn(kinds, count, scale):
    found = np.random.default_rng(kinds).laplace(0, scale, count)
    return np.clip(np.round(np.abs(found)), 0, kinds - 1).astype(np.int64)


def blocks(symbols):
    return [symbols[start : start + ans.BLOCK] for start in range(0, len(symbols), ans.BLOCK)]


SYMBOLS = [(255, 20_000, 20), (2, 9000, 0.2), (7, 50, 1), (509, 4096, 60), (3, 4097, 1), (2, 1, 1)]


@pytest.mark.parametrize(("kinds", "count", "scale"), SYMBOLS)
def test_numpy_and_constriction_write_the_same_words_and_read_them(kinds, count, scale):
    symbols = drawn(kinds, count, scale)
    of = ans.table(np.bincount(symbols, minlength=kinds))
    words = ans.encode(symbols, of)
    for one, other in zip(words, ans.encode_in_numpy(blocks(symbols), of), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(ans.decode(words, count, of), symbols)
    np.testing.assert_array_equal(ans.decode_in_numpy(words, [len(each) for each in blocks(symbols)], of), symbols)


def test_the_words_take_what_the_entropy_says():
    symbols = drawn(255, 100_000, 20)
    counts = np.bincount(symbols, minlength=255)
    shares = counts[counts > 0] / len(symbols)
    bits = -len(symbols) * (shares * np.log2(shares)).sum()
    taken = 32 * sum(len(each) for each in ans.encode(symbols, ans.table(counts)))
    assert bits < taken < 1.005 * bits  # blocks end in whole words: 8 bytes of 3,000


@pytest.mark.parametrize("counts", [[1], [0, 0], [5, 0, 10**12], [1] * 2**16, [2**40, 1]])
def test_frequencies_are_whole_numbers_of_at_least_one_that_fill_the_range(counts):
    of = ans.table(np.array(counts, object))
    assert of.left[-1] == 2**ans.PRECISION
    assert of.frequencies.min() >= 1


def test_without_constriction_numpy_does_it(monkeypatch):
    symbols = drawn(20, 5000, 4)
    of = ans.table(np.bincount(symbols, minlength=20))
    words = ans.encode(symbols, of)
    monkeypatch.setattr(ans, "_constriction", lambda: None)
    np.testing.assert_array_equal(ans.decode(words, 5000, of), symbols)
    for one, other in zip(words, ans.encode(symbols, of), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("engine", ["constriction", "numpy"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda words: np.append(words, np.uint32(0)), "ends in a zero word"),
        (lambda words: np.append(words, np.uint32(7)), "does not end where its numbers do"),
        (lambda words: np.append(words, np.full(100, 7, np.uint32)), "more words than its numbers need"),
    ],
)
def test_words_that_no_encoder_writes_are_refused(monkeypatch, engine, change, said):
    if engine == "numpy":
        monkeypatch.setattr(ans, "_constriction", lambda: None)
    symbols = drawn(20, 100, 4)
    of = ans.table(np.bincount(symbols, minlength=20))
    with pytest.raises(ArtifactError, match=said):
        ans.decode([change(each) for each in ans.encode(symbols, of)], 100, of)


def test_constriction_is_what_is_compared_with():
    assert ans._constriction() is constriction
