import numpy as np
import pytest
import torch

from bitsback.errors import DataError
from bitsback.given import user_function


@pytest.fixture
def read(tmp_path):
    """Read the set of a function with this body."""

    def _read(body: str):
        path = tmp_path / "mine.py"
        path.write_text(
            f"import numpy as np\nX = np.zeros((4, 3), np.float32)\nY = np.arange(4) % 2\n\ndef data():\n    {body}\n"
        )
        return user_function.read(f"{path}:data")

    return _read


def test_whole_numbers_are_classes_and_others_are_quantities(read):
    classes = read("return {'train': (X, Y), 'test': (X, Y), 'labels': ['no', 'yes'], 'out_of_distribution': X + 9}")
    assert (classes.name, classes.task, classes.labels) == ("mine.py:data", "classification", ("no", "yes"))
    assert classes.out_of_distribution is not None
    assert classes.out_of_distribution.max() == 9
    quantities = read("return {'train': (X, X[:, :2]), 'test': (X, X[:, :2])}")
    assert (quantities.task, quantities.train.targets.shape) == ("regression", (4, 2))
    assert read("return {'train': (X, Y), 'test': (X, Y), 'task': 'regression'}").task == "regression"


def tensor_data():
    inputs, targets = torch.rand(4, 1, 2, 2), torch.arange(4) % 2
    return {"train": (inputs, targets), "test": [inputs, targets]}


def test_tensors_are_taken():
    source = user_function.read(f"{__name__}:tensor_data")
    assert source.train.inputs.dtype == np.float32
    assert source.train.targets.dtype == np.int64


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("return (X, Y)", "must return a dict"),
        ("return {'train': (X, Y)}", "must hold \\['train', 'test'\\]"),
        ("return {'train': (X, Y), 'test': (X, Y), 'label': []}", "may hold"),
        ("return {'train': X, 'test': (X, Y)}", "'train' of .* is ndarray"),
        ("return {'train': (X, Y, Y), 'test': (X, Y)}", "must be a pair"),
        ("return {'train': (X, Y), 'test': (X, Y), 'task': 'ranking'}", "'ranking'"),
        ("return {'train': (X, Y), 'test': (X, Y), 'task': 'regression', 'labels': ['a']}", "no classes"),
        ("return {'train': (X, X[:, 0]), 'test': (X, Y), 'task': 'classification'}", "whole numbers"),
        ("return {'train': (X, [[1], [1, 2]]), 'test': (X, Y)}", "one array of numbers"),
        ("return {'train': (X + np.nan, Y), 'test': (X, Y)}", "training inputs of 'mine.py:data' hold nan"),
        ("return {'train': (X, Y), 'test': (X[:, 0], Y)}", "test inputs of 'mine.py:data' have shape \\(4,\\)"),
        ("return {'train': (X, Y), 'test': (X, Y), 'out_of_distribution': X[:, :1]}", "out-of-distribution inputs"),
        ("return {'train': (X, Y), 'test': (X, Y), 'labels': 'ab'}", "different strings"),
        ("raise KeyError('oh\\nno')", "failed with KeyError"),
    ],
)
def test_what_is_not_of_the_form_is_refused_in_one_line(read, body, reason):
    with pytest.raises(DataError, match=reason) as caught:
        read(body)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_called_is_refused():
    with pytest.raises(DataError, match="must be a function"):
        user_function.read("json:__name__")
