"""The two data sets that scikit-learn carries: the 8x8 digits and the diabetes study. No download."""

from dataclasses import replace
from typing import Any

import numpy as np

from bitsback.errors import MissingExtraError
from bitsback.given.source import Source, classification, regression

NAMES = ("digits", "diabetes")
_TEST_SHARE = 0.2


def read(name: str, seed: int) -> Source:
    """Read an embedded set; a seeded shuffle makes 20 % of it the test part.

    Args:
        name: "digits" (1,797 grey images [1, 8, 8], 0 to 16, ten classes) or "diabetes" (442 patients, 10 features in
            their own units, the progression of the disease after a year).
        seed: Decides which samples are the test part.

    Returns:
        The set.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise MissingExtraError(
            f"the data set '{name}' comes with scikit-learn, which is not installed: pip install \"bitsback[torch]\""
        ) from error
    inputs, targets = _digits(datasets) if name == "digits" else _diabetes(datasets)
    order = np.random.default_rng((seed, 1)).permutation(len(inputs))
    test, train = np.split(order, [round(_TEST_SHARE * len(inputs))])
    parts = (inputs[train], targets[train]), (inputs[test], targets[test])
    return replace(classification(name, *parts), hold_out=(8, 9)) if name == "digits" else regression(name, *parts)


def _digits(datasets: Any) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = datasets.load_digits(return_X_y=True)
    return inputs.reshape(-1, 1, 8, 8).astype(np.uint8), targets


def _diabetes(datasets: Any) -> tuple[np.ndarray, np.ndarray]:
    return datasets.load_diabetes(return_X_y=True, scaled=False)
