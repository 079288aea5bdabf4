import numpy as np
import pytest

from bitsback.errors import DataError
from bitsback.given.source import classification, regression

INPUTS = np.zeros((4, 1, 2, 2), np.uint8)
CLASSES = np.asarray([0, 1, 0, 1])


def test_names_are_kept_or_numbers_are_taken():
    assert classification("set", (INPUTS, CLASSES), (INPUTS, CLASSES)).labels == ("0", "1")
    named = classification("set", (INPUTS, CLASSES), (INPUTS, CLASSES), ["a", "b", "c"])
    assert named.labels == ("a", "b", "c")
    assert named.train.inputs.dtype == np.uint8


@pytest.mark.parametrize(
    ("train", "test", "labels", "reason"),
    [
        ((INPUTS, CLASSES), (INPUTS[:, :, :1], CLASSES), None, "test inputs of 'set' have shape \\(1, 1, 2\\)"),
        ((INPUTS, CLASSES), (INPUTS, CLASSES + 1), None, "test targets of 'set' hold the label 2 at index 1"),
        ((INPUTS, CLASSES + 1), (INPUTS, CLASSES), ["a", "b"], "training targets of 'set' hold the label 2"),
        ((INPUTS, CLASSES * 0), (INPUTS, CLASSES * 0), None, "at least two"),
        ((INPUTS[:0], CLASSES[:0]), (INPUTS, CLASSES), None, "training inputs of 'set' are empty"),
        ((INPUTS, CLASSES), (INPUTS[:0], CLASSES[:0]), None, "test inputs of 'set' are empty"),
    ],
)
def test_bad_classification_sets_are_refused(train, test, labels, reason):
    with pytest.raises(DataError, match=reason):
        classification("set", train, test, labels)


def test_regression_targets_are_columns_and_agree():
    vectors = np.zeros((4, 3))
    assert regression("set", (vectors, np.ones(4)), (vectors, np.ones(4))).train.targets.shape == (4, 1)
    with pytest.raises(DataError, match="2 target"):
        regression("set", (vectors, np.ones((4, 2))), (vectors, np.ones(4)))
