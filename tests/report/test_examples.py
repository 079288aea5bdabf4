import base64
import io

import numpy as np
import pytest
from PIL import Image

from bitsback.report.examples import kinds, picture

from .journal import ENSEMBLE, examples, row


def opened(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))))


def test_a_picture_holds_the_pixels():
    assert opened(picture([0, 1, 2, 253, 254, 255], (1, 2, 3))).tolist() == [[0, 1, 2], [253, 254, 255]]
    colours = opened(picture(list(range(12)), [3, 2, 2]))
    assert colours[0, 1].tolist() == [1, 5, 9]


def test_pixels_out_of_range_are_clipped():
    assert opened(picture([-5, 300.4, None, 7], (2, 2))).tolist() == [[0, 255], [0, 7]]


@pytest.mark.parametrize(
    ("pixels", "shape"),
    [([1, 2], (1, 2, 2)), (None, None), ([1], (1,)), ("x", (1, 1, 1)), ([], (1, 0, 5)), ([0] * 8, (2, 2, 2))],
)
def test_what_is_no_picture_gives_none(pixels, shape):
    assert picture(pixels, shape) == ""


def test_a_picture_past_the_largest_side_gives_none():
    assert picture([0] * 300, (1, 1, 300)) == ""


def test_kinds_come_in_order_and_empty_ones_are_left_out():
    assert [kind.key for kind in kinds(examples())] == ["right", "wrong", "declined"]
    assert [kind.key for kind in kinds(examples(1))] == ["right"]
    assert kinds([]) == []


def test_a_tiny_uncertainty_is_not_told_to_the_last_digit():
    series = {"kind": ["right"] * 3, "total": [0.5, 0.000_08, 0.0], "knowledge": [0.0012, -0.000_02, None]}
    (kind,) = kinds([row("examples", series=series, **ENSEMBLE)])
    assert [one.total for one in kind.examples] == ["0.50", "< 0.001", "0"]
    assert [one.knowledge for one in kind.examples] == ["0.0012", "< 0.001", ""]


def test_vectors_and_regressions_have_no_image():
    series = {"kind": ["right"], "label": [151.0], "answer": [148.25], "total": [3100.5], "knowledge": [12.5]}
    (kind,) = kinds([row("examples", series=series, **ENSEMBLE)])
    (one,) = kind.examples
    assert (one.image, one.label, one.answer, one.probability) == ("", "151", "148", "")
