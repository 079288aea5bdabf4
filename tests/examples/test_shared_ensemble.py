"""The study of shared structures, on a case that takes seconds."""

import fnmatch

import numpy as np
import pytest
import torch

from bitsback.given.resolve import resolve
from bitsback.recipe.text import parse
from bitsback.run.compress import compress
from examples.shared_ensemble import __main__ as study
from examples.shared_ensemble import cases
from examples.shared_ensemble.cases import CASES, Case, fitted
from examples.shared_ensemble.storage import coordinates
from examples.shared_ensemble.ways import predictors, ways

_COMMON = {
    "data": {"name": "digits", "limit": 300, "validation": 50, "calibration": 50},
    "network": {"name": "mlp", "options": {"hidden": [40]}},
    "fit": {"epochs": 3, "batch": 50, "optimizer": "sgd", "learning_rate": 0.05},
}
_PARTS = {
    "structure": {
        "inference": {"method": "point"},
        "compress": {
            "cycles": 2,
            "fine_tune_epochs": 1,
            "policy": {"default": {"sparsity": 0.8, "saliency": "magnitude"}},
        },
    },
    "members": {
        "inference": {"method": "deep_ensemble", "members": 4},
        "compress": {"fine_tune_epochs": 2, "weight_decay": 1e-4},
    },
}


class Small(Case):
    """Recipes of seconds."""

    def asked(self, part, data):
        return parse({**_COMMON, **_PARTS[part]})


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cases.CASES, "small", Small("small", "digits", (4, 2)))
        yield fitted("small", tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("part", ["structure", "members"])
@pytest.mark.parametrize("name", CASES)
def test_each_case_has_its_recipes(name, part, tmp_path):
    asked = CASES[name].asked(part, tmp_path)
    assert (asked.data.name, asked.data.folder) == (CASES[name].dataset, str(tmp_path))
    shape = (3, 32, 32) if CASES[name].dataset.startswith("cifar") else (1, 28, 28)
    assert (asked.network.weights is None) == (CASES[name].weights is None)
    names = dict(resolve(asked.network.name, shape, 10, asked.network.options).named_parameters())
    patterns = asked.compress.shared if part == "members" else tuple(asked.compress.policy.layers)
    assert all(fnmatch.filter(names, pattern) for pattern in patterns)
    if part == "members":
        assert asked.members == max(CASES[name].counts)


def test_members_have_the_structure_and_weights_of_their_own(known):
    assert known.shared.sparsity == known.structure.sparsity == pytest.approx(0.8, abs=1e-3)
    drawn = known.shared.posterior.sample(4, None)
    for name, mask in known.structure.masks.items():
        assert not drawn[name][:, mask == 0].any()
        assert drawn[name].std(0)[mask == 1].median() > 0.01


def test_another_compression_is_made_anew_and_the_same_is_found(tmp_path, monkeypatch):
    monkeypatch.setitem(cases.CASES, "small", Small("small", "digits", (4, 2)))
    made = []
    monkeypatch.setattr(cases, "compress", lambda *args, **kwargs: made.append(1) or compress(*args, **kwargs))
    first = fitted("small", tmp_path, tmp_path / "runs")
    assert len(made) == 2
    again = fitted("small", tmp_path, tmp_path / "runs")
    assert len(made) == 2
    assert torch.equal(first.shared.posterior.centre()["1.weight"], again.shared.posterior.centre()["1.weight"])
    monkeypatch.setitem(_PARTS["members"]["compress"], "weight_decay", 1e-2)
    fitted("small", tmp_path, tmp_path / "runs")
    assert len(made) == 3
    monkeypatch.setitem(_PARTS["structure"]["compress"], "cycles", 1)
    fitted("small", tmp_path, tmp_path / "runs")
    assert len(made) == 5


def test_every_way_answers_and_native_ones_like_pytorch(known):
    raw, every = known.data.test.inputs[:23], ways((4, 2))
    for way in every.values():
        found = [run(raw) for run in predictors(way, known)]
        assert len(found) == (4 if way.members == 1 and way.network in {"dense", "shared"} else 1)
        assert all(each.mean.shape == (23, known.data.outputs) for each in found)
    (native,) = (run(raw) for run in predictors(every["shared_4_float32"], known))
    alone = [run(raw) for run in predictors(every["shared"], known)]
    np.testing.assert_allclose(native.mean, np.mean([each.mean for each in alone], 0), atol=1e-5)
    (rounded,) = (run(raw) for run in predictors(every["shared_4_int8"], known))
    assert 0 < np.abs(rounded.mean - native.mean).max() < 0.05


def test_rows_say_what_a_table_needs(known):
    chosen = [ways((4, 2))[name] for name in ("shared", "dense_4", "shared_4_int8")]
    rows = [row for part in study.measured("small", known, chosen) for row in part]
    found = {(row.of["way"], row.what): row for row in rows}
    assert found["shared", "accuracy"].repeats == 4
    assert found["shared_4_int8", "accuracy"].of["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert found["dense_4", "bytes_ratio"].value > 2
    assert found["shared_4_int8", "bytes_ratio"].value < found["dense_4", "bytes_ratio"].value
    sizes = [found["shared_4_int8", what].value for what in ("coordinates_each", "coordinates_shared")]
    assert sizes[0] > sizes[1] > 0


def test_coordinates_count_a_row_and_a_column_for_each_weight_or_for_all():
    stack = np.zeros((3, 4, 5), np.int8)
    stack[:, 1, 2], stack[0, 3, 4] = 7, 1
    found = coordinates({"weight": stack, "scale": np.zeros(4, np.float32)})
    assert found == {"coordinates_each": 4 * 5 + 16, "coordinates_shared": 2 * (3 + 4) + 16}
