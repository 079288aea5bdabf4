import numpy as np
import pytest

from bitsback.errors import DataError, RecipeError
from bitsback.given import folders
from bitsback.given.normalization import measure
from bitsback.given.out_of_distribution import choose, shifted_features, shuffled_pixels
from bitsback.given.source import Source, classification
from tests.given.files import digits_like, write_idx_set


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    monkeypatch.setattr(folders, "SYSTEM_FOLDERS", ())

    def _choose(wish: str, source: Source, held: np.ndarray | None = None, seed: int = 0):
        return choose(
            wish,
            source,
            held=source.test.inputs[:0] if held is None else held,
            held_name="held",
            normalization=measure(source.train.inputs),
            places=(tmp_path,),
            seed=seed,
        )

    return _choose


def images(name: str = "set", size: int = 4, outside: np.ndarray | None = None) -> Source:
    pixels, targets = digits_like(12, size=size)
    source = classification(name, (pixels[:, None], targets), (pixels[:, None], targets))
    return Source(source.name, source.task, source.labels, source.train, source.test, outside)


def test_shuffling_keeps_every_pixel_of_every_image_with_its_channels():
    original = np.random.default_rng(0).integers(0, 256, (5, 3, 6, 6))
    shuffled = shuffled_pixels(original, np.random.default_rng(1))
    assert shuffled.dtype == np.float32
    for before, after in zip(original, shuffled, strict=True):
        pixels = [sorted(map(tuple, image.reshape(3, -1).T.tolist())) for image in (before, after)]
        assert pixels[0] == pixels[1]
    assert not np.array_equal(original, shuffled)


def test_shifting_moves_every_feature_by_three_standard_deviations():
    inputs = np.random.default_rng(0).normal(5, [1.0, 20.0], (50, 2)).astype(np.float32)
    normalization = measure(inputs)
    moved = normalization.apply(shifted_features(inputs, normalization, np.random.default_rng(1)))
    np.testing.assert_allclose(np.abs(moved - normalization.apply(inputs)), 3, rtol=1e-4)


def test_automatic_takes_held_out_then_given_then_companion_then_made(chosen, tmp_path):
    outside = np.full((2, 1, 4, 4), 9, np.float32)
    held = np.full((3, 1, 4, 4), 7, np.uint8)
    assert chosen("auto", images(outside=outside), held)[1] == "held"
    assert chosen("auto", images(outside=outside))[1] == "given"
    assert chosen("auto", images("mnist"))[1] == "shuffled pixels"
    write_idx_set(tmp_path / "fashion-mnist")
    inputs, name = chosen("auto", images("mnist"))
    assert name == "fashion-mnist"
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, digits_like(12, seed=1)[0][:, None])
    assert chosen("auto", images("mnist", size=5))[1] == "shuffled pixels"


def test_vectors_are_shifted(chosen):
    vectors = np.random.default_rng(0).normal(size=(6, 3))
    source = classification("set", (vectors, [0, 1] * 3), (vectors, [0, 1] * 3))
    assert chosen("auto", source)[1] == "shifted features"
    with pytest.raises(RecipeError, match="cannot be shuffled"):
        chosen("shuffled pixels", source)


def test_a_wish_is_granted_or_refused(chosen, tmp_path):
    held = np.full((3, 1, 4, 4), 7, np.uint8)
    assert chosen("shifted features", images(), held)[1] == "shifted features"
    write_idx_set(tmp_path / "other")
    assert chosen("other", images(), held)[1] == "other"
    with pytest.raises(DataError, match="shape \\(1, 4, 4\\)"):
        chosen("other", images(size=5))
    with pytest.raises(DataError, match="'nothing'"):
        chosen("nothing", images())
    for wish in ("held out", "given"):
        with pytest.raises(RecipeError, match="no such inputs"):
            chosen(wish, images())


def test_the_seed_decides(chosen):
    first, again, other = (chosen("shuffled pixels", images(), seed=seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
