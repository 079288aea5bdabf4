import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from bitsback.errors import DataError, RecipeError
from bitsback.given import folders
from bitsback.given.dataset import Dataset, DataSettings, Normalization, load
from tests.given.files import digits_like, write_idx_set, write_parquet_set


@pytest.fixture(autouse=True)
def _nothing_around(monkeypatch):
    monkeypatch.setattr(folders, "SYSTEM_FOLDERS", ())
    monkeypatch.delenv("BITSBACK_DATA", raising=False)


def rows(inputs: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in inputs}


def test_digits_hold_out_eight_and_nine():
    data = load()
    assert (data.name, data.task, data.labels) == ("digits", "classification", tuple("01234567"))
    assert (data.input_shape, data.outputs, data.target_normalization) == ((1, 8, 8), 8, None)
    parts = [data.train, data.validation, data.calibration, data.test]
    assert sum(len(part) for part in parts) + len(data.out_of_distribution) == 1797
    assert (len(data.out_of_distribution), data.out_of_distribution_name) == (174 + 180, "held-out classes 8, 9")
    for part in parts:
        assert part.inputs.dtype == np.float32
        assert part.targets.dtype == np.int64
        assert part.targets.max() == 7
        assert not rows(part.inputs) & rows(data.out_of_distribution)


def test_digits_can_be_kept_whole():
    data = load("digits", settings=DataSettings(hold_out=()))
    assert (data.outputs, data.out_of_distribution_name) == (10, "shuffled pixels")


def test_diabetes_is_regression():
    data = load("diabetes")
    assert (data.task, data.labels, data.outputs, data.input_shape) == ("regression", (), 1, (10,))
    assert data.train.targets.dtype == np.float32
    assert data.out_of_distribution_name == "shifted features"
    assert data.target_normalization is not None
    np.testing.assert_allclose(data.target_normalization.apply(data.train.targets).std(), 1, rtol=1e-4)
    with pytest.raises(RecipeError, match="0 classes"):
        load("diabetes", settings=DataSettings(hold_out=(1,)))


def test_the_same_seed_gives_the_same_splits():
    def flat(data: Dataset) -> list[np.ndarray]:
        parts = (data.train, data.validation, data.calibration, data.test)
        return [array for part in parts for array in (part.inputs, part.targets)]

    first, again, other = (flat(load(seed=seed)) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_the_test_part_of_a_folder_stays_the_test_split(tmp_path):
    images, labels = digits_like(12, seed=1)
    for seed in (0, 1):
        data = load("mnist", data=write_idx_set(tmp_path / "mnist").parent, seed=seed)
        np.testing.assert_array_equal(data.test.inputs, images[:, None])
        np.testing.assert_array_equal(data.test.targets, labels)
        assert (len(data.train), len(data.validation), len(data.calibration)) == (24, 3, 3)


def test_zero_is_none_and_counts_are_counts(tmp_path):
    folder = write_idx_set(tmp_path / "mnist")
    data = load(data=folder, settings=DataSettings(validation=0, calibration=7))
    assert (len(data.train), len(data.validation), len(data.calibration)) == (23, 0, 7)
    assert data.validation.inputs.shape == (0, 1, 4, 4)
    whole = load(data=folder, settings=DataSettings(validation=0, calibration=0.0))
    np.testing.assert_array_equal(whole.train.inputs, digits_like(30)[0][:, None])


def test_limit_takes_the_first_training_samples(tmp_path):
    settings = DataSettings(limit=10, validation=0, calibration=0)
    data = load(data=write_idx_set(tmp_path / "mnist"), settings=settings)
    np.testing.assert_array_equal(data.train.targets, digits_like(30)[1][:10])
    assert len(data.test) == 12


def test_normalization_is_measured_on_the_training_split_alone(tmp_path):
    data = load(data=write_parquet_set(tmp_path / "pets"))
    assert len(data.normalization.mean) == 3
    np.testing.assert_allclose(data.normalization.mean, data.train.inputs.mean(axis=(0, 2, 3)), rtol=1e-5)


def test_a_map_that_is_stated_takes_the_place_of_the_measured_ones():
    stated = {"input_mean": (1.0,), "input_std": (16.0,), "target_mean": (150.0,), "target_std": (10.0,)}
    measured, data = load("diabetes"), load("diabetes", settings=DataSettings(**stated))
    assert data.normalization == Normalization((1.0,) * 10, (16.0,) * 10)
    assert data.target_normalization == Normalization((150.0,), (10.0,))
    np.testing.assert_array_equal(measured.train.inputs, data.train.inputs)
    np.testing.assert_array_equal(measured.out_of_distribution, data.out_of_distribution)
    with pytest.raises(RecipeError, match="the targets of 'digits' are classes"):
        load("digits", settings=DataSettings(**stated))


def test_a_folder_that_is_one_set_is_the_set(tmp_path, monkeypatch):
    folder = write_parquet_set(tmp_path / "pets")
    assert load(data=folder).name == load("digits", data=folder).name == load("pets", data=tmp_path).name == "pets"
    assert load("digits", data=tmp_path).name == "digits"
    assert load(data=write_parquet_set(tmp_path / "other" / "digits")).outputs == 2
    monkeypatch.setenv("BITSBACK_DATA", str(folder))
    assert (load().name, load("digits").name, load("pets").name) == ("pets", "digits", "pets")


def test_mnist_and_its_companion_are_out_of_distribution_for_each_other(tmp_path):
    write_idx_set(tmp_path / "mnist")
    write_idx_set(tmp_path / "fashion-mnist", train=digits_like(30), test=digits_like(9, seed=7))
    data = load("mnist", data=tmp_path)
    assert data.out_of_distribution_name == "fashion-mnist"
    np.testing.assert_array_equal(data.out_of_distribution, digits_like(9, seed=7)[0][:, None])
    assert load(data=tmp_path / "fashion-mnist").out_of_distribution_name == "mnist"


def test_a_function_is_a_data_set(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "import numpy as np\n\ndef moons():\n    x = np.random.default_rng(0).normal(size=(50, 2))\n"
        "    y = (x[:, 0] > 0).astype(int)\n    return {'train': (x, y), 'test': (x, y)}\n"
    )
    data = load(f"{path}:moons")
    assert (data.name, data.outputs, data.input_shape, len(data.train)) == ("mine.py:moons", 2, (2,), 40)


@pytest.mark.parametrize(
    "wrong",
    [
        {"validation": -1},
        {"validation": 1.0},
        {"validation": float("nan")},
        {"calibration": "half"},
        {"calibration": True},
        {"limit": 0},
        {"limit": 1.5},
        {"hold_out": ("eight",)},
        {"input_mean": (0.0,)},
        {"target_std": (1.0,)},
        {"input_mean": 0.0, "input_std": (1.0,)},
        {"input_std": (0.0,), "input_mean": (0.0,)},
        {"target_mean": (float("nan"),), "target_std": (1.0,)},
        {"target_std": (True,), "target_mean": (0.0,)},
    ],
)
def test_settings_that_cannot_be_are_refused(wrong):
    with pytest.raises(RecipeError, match=next(iter(wrong))):
        DataSettings(**wrong)


def test_what_cannot_be_loaded_is_refused(tmp_path):
    with pytest.raises(DataError, match="no data set 'nothing' was found"):
        load("nothing")
    with pytest.raises(DataError, match="does not exist"):
        load("digits", data=tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no data set"):
        load("digits", data=tmp_path)
    with pytest.raises(DataError, match="leave none"):
        load(settings=DataSettings(validation=0.5, calibration=0.5))
    for seed in (-1, 0.5, True):
        with pytest.raises(RecipeError, match="seed"):
            load(seed=seed)


def test_a_data_set_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().name = "other"


def test_nothing_heavy_is_imported():
    code = (
        "import sys, bitsback.given.dataset; sys.exit(bool({'torch', 'sklearn', 'pyarrow', 'PIL'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
