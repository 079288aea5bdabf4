"""Inputs that the network must not be sure about: the out-of-distribution set beside the test set."""

import math
from pathlib import Path

import numpy as np

from bitsback.errors import DataError, RecipeError
from bitsback.given import folders
from bitsback.given.normalization import Normalization
from bitsback.given.source import Source

AUTO, HELD_OUT, GIVEN, SHUFFLED, SHIFTED = "auto", "held out", "given", "shuffled pixels", "shifted features"
_COMPANION = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}
_SHIFT = 3.0


def choose(
    wish: str,
    source: Source,
    *,
    held: np.ndarray,
    held_name: str,
    normalization: Normalization,
    places: tuple[Path, ...],
    seed: int,
) -> tuple[np.ndarray, str]:
    """Choose or make the out-of-distribution inputs.

    Args:
        wish: "auto", "held out", "given", "shuffled pixels", "shifted features", or the name of another set, whose test
            inputs are taken. "auto" is the first that there is: held-out classes, what the set brings along, the
            companion (MNIST and Fashion-MNIST are each other's), shuffled pixels of images or shifted features.
        source: The set, without the held-out classes.
        held: Inputs of the held-out classes [N, *shape]; N = 0 without any.
        held_name: What a report calls them.
        normalization: Of the training split.
        places: Folders where another set is looked for.
        seed: Decides what is drawn.

    Returns:
        The inputs, float32 [N, *shape] in raw units, and what a report calls them.

    Raises:
        RecipeError: The wish does not fit the set.
        DataError: There is no such set, or it does not fit.
    """
    ready = {HELD_OUT: (held if len(held) else None, held_name), GIVEN: (source.out_of_distribution, GIVEN)}
    rng = np.random.default_rng((seed, 3))
    if wish == AUTO:
        found = next((pair for pair in ready.values() if pair[0] is not None), None) or _companion(source, places)
        wish = SHUFFLED if math.prod(source.test.inputs.shape[2:]) > 1 else SHIFTED
    else:
        found = ready.get(wish)
        if found and found[0] is None:
            raise RecipeError(f"out_of_distribution = '{wish}' does not fit '{source.name}', which has no such inputs")
    if found and found[0] is not None:
        return found[0].astype(np.float32), found[1]
    if wish == SHUFFLED:
        return shuffled_pixels(source.test.inputs, rng), SHUFFLED
    if wish == SHIFTED:
        return shifted_features(source.test.inputs, normalization, rng), SHIFTED
    return _other_set(wish, source, places), wish


def shuffled_pixels(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Put the pixels of each image into an order of its own; the channels of a pixel stay together.

    Args:
        images: [N, C, ...].
        rng: Draws the orders.

    Returns:
        float32 of the same shape.

    Raises:
        RecipeError: They are vectors: there are no pixels.
    """
    if math.prod(images.shape[2:]) < 2:
        raise RecipeError(f"pixels of inputs of shape {images.shape[1:]} cannot be shuffled; use 'shifted features'")
    pixels = images.reshape(*images.shape[:2], -1)
    shuffled = np.empty(pixels.shape, np.float32)
    for image, target in zip(pixels, shuffled, strict=True):
        target[:] = image[:, rng.permutation(image.shape[1])]
    return shuffled.reshape(images.shape)


def shifted_features(inputs: np.ndarray, normalization: Normalization, rng: np.random.Generator) -> np.ndarray:
    """Move every feature (or channel) of every sample by three standard deviations, up or down by chance.

    Args:
        inputs: [N, features] or [N, channels, ...].
        normalization: Gives the standard deviations.
        rng: Draws the directions.

    Returns:
        float32 of the same shape.
    """
    shape = inputs.shape[:2] + (1,) * (inputs.ndim - 2)
    std = np.asarray(normalization.std, np.float32).reshape((1, -1) + (1,) * (inputs.ndim - 2))
    direction = rng.choice(np.asarray([-1.0, 1.0], np.float32), size=shape)
    return inputs.astype(np.float32) + np.float32(_SHIFT) * direction * std


def _companion(source: Source, places: tuple[Path, ...]) -> tuple[np.ndarray, str] | None:
    name = _COMPANION.get(folders.canonical(source.name))
    folder = folders.find_among(name, places) if name else None
    if name is None or folder is None:
        return None
    inputs = folders.read_test_inputs(folder)
    return (inputs, name) if inputs.shape[1:] == source.test.inputs.shape[1:] else None


def _other_set(name: str, source: Source, places: tuple[Path, ...]) -> np.ndarray:
    folder = folders.find_among(name, places)
    if folder is None:
        looked = ", ".join(str(place / name) for place in places)
        made = f"'{AUTO}', '{HELD_OUT}', '{GIVEN}', '{SHUFFLED}' and '{SHIFTED}'"
        raise DataError(
            f"no data set '{name}' for out-of-distribution inputs was found: looked for {looked}; or use {made}"
        )
    inputs = folders.read_test_inputs(folder)
    if inputs.shape[1:] != source.test.inputs.shape[1:]:
        raise DataError(
            f"out-of-distribution inputs of '{name}' have shape {inputs.shape[1:]} a sample, "
            f"but '{source.name}' has {source.test.inputs.shape[1:]}"
        )
    return inputs.astype(np.float32)
