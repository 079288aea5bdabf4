import numpy as np
import pytest

from bitsback.errors import DataError
from bitsback.given import arrays


def test_inputs_become_float32_but_bytes_stay_bytes():
    assert arrays.inputs([[1, 2], [3, 4]], "inputs").dtype == np.float32
    assert arrays.inputs(np.zeros((2, 1, 3, 3), np.uint8), "inputs").dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros(3), "shape \\(3,\\)"),
        (np.zeros((0, 3)), "empty"),
        (np.zeros((3, 0)), "empty"),
        ([[1.0], [1.0, 2.0]], "one array of numbers"),
        ([["a"], ["b"]], "must be numbers"),
        (np.zeros((2, 2), complex), "complex128"),
        (None, "must be numbers"),
        (np.asarray([[0.0, 1.0], [np.nan, 0.0]]), "hold nan at index \\(1, 0\\)"),
        (np.asarray([[0.0, -np.inf]]), "hold -inf at index \\(0, 1\\)"),
        (np.asarray([[1e300]]), "finite in float32"),
    ],
)
def test_bad_inputs_are_refused(values, reason):
    with pytest.raises(DataError, match=reason):
        arrays.inputs(values, "inputs")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.0, 1.0, 2.0], "whole numbers"),
        ([0, 1], "shape \\(2,\\), but 3 inputs"),
        ([[0], [1], [2]], "shape \\(3, 1\\)"),
        ([0, -1, 2], "label -1 at index 1"),
        (np.asarray([0, 2**63, 1], np.uint64), "at index 1"),
        (["a", "b", "c"], "must be numbers"),
    ],
)
def test_bad_classes_are_refused(values, reason):
    with pytest.raises(DataError, match=reason):
        arrays.classes(values, 3, "targets")


def test_classes_are_int64():
    assert arrays.classes(np.asarray([0, 1], np.uint8), 2, "targets").dtype == np.int64
    assert arrays.classes([True, False], 2, "targets").tolist() == [1, 0]


def test_a_label_without_a_class_is_refused():
    arrays.check_range(np.asarray([0, 9]), 10, "targets")
    with pytest.raises(DataError, match="label 10 at index 1; with 10 classes labels are 0 to 9"):
        arrays.check_range(np.asarray([0, 10]), 10, "targets")


def test_numbered_labels_leave_no_gap():
    assert arrays.numbered_labels(np.asarray([1, 0, 2, 1]), "targets") == ("0", "1", "2")
    with pytest.raises(DataError, match="label 255 but never 2"):
        arrays.numbered_labels(np.asarray([0, 1, 255]), "targets")


@pytest.mark.parametrize("values", ["ab", ["a", "a"], ["a", 1], 3])
def test_bad_labels_are_refused(values):
    with pytest.raises(DataError, match="different strings"):
        arrays.labels(values, "labels")


def test_quantities_have_one_row_per_input():
    assert arrays.quantities([1, 2, 3], 3, "targets").shape == (3, 1)
    assert arrays.quantities(np.zeros((3, 2)), 3, "targets").dtype == np.float32
    for wrong in (np.zeros(2), np.zeros((3, 1, 1)), np.zeros((3, 0)), [1.0, np.nan, 2.0]):
        with pytest.raises(DataError):
            arrays.quantities(wrong, 3, "targets")
