import json

import pytest
import safetensors.torch
import torch

from bitsback.compress.masks import prune
from bitsback.errors import RunError
from bitsback.given.network import trace
from bitsback.posterior import store, tensor_file
from bitsback.posterior.contract import Dropout
from bitsback.posterior.dropout_posterior import DropoutPosterior
from bitsback.posterior.mean_field import MeanFieldPosterior
from bitsback.posterior.point_posterior import PointPosterior
from bitsback.posterior.samples import Samples
from bitsback.posterior.store import Stored
from tests.networks import normed, posterior_over


def mean_field():
    return posterior_over(trace(normed(), (4,)), std=1e-3)


def point():
    whole = mean_field()
    return PointPosterior(whole.means, whole.fixed)


def samples():
    network = trace(normed(), (4,))
    whole = {name: torch.randn(6, *value.shape) for name, value in network.params.items()}
    statistics = {
        name: torch.rand(6, *each.shape) for name, each in network.buffers.items() if each.is_floating_point()
    }
    weights = {name: whole[name] for name in network.bayesian}
    constant = {name: each for name, each in network.buffers.items() if name not in statistics}
    others = {name: each for name, each in whole.items() if name not in weights} | statistics
    return Samples(weights, others, constant, chains=2)


def dropout():
    whole = mean_field()
    return DropoutPosterior(whole.means, whole.fixed, {"0.weight": Dropout("dropout", 4, 0.25)})


def pruned(inner):
    return prune(inner, {"0.weight": (torch.arange(20).reshape(5, 4) % 3 > 0).float()})


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (mean_field, MeanFieldPosterior),
        (point, PointPosterior),
        (lambda: pruned(mean_field()), MeanFieldPosterior),
        (lambda: pruned(point()), PointPosterior),
        (dropout, DropoutPosterior),
        (lambda: pruned(dropout()), DropoutPosterior),
        (samples, Samples),
        (lambda: pruned(samples()), Samples),
    ],
)
def test_a_posterior_is_read_back_as_it_was(tmp_path, make, kind):
    posterior = make()
    store.save(tmp_path / "posterior", Stored(posterior, torch.tensor([0.1, -2.0])))
    loaded = store.load(tmp_path / "posterior").posterior
    assert isinstance(loaded, kind)
    before, after = posterior.marginals(), loaded.marginals()
    assert list(before) == list(after)
    assert all(
        torch.equal(before[name].mean, m.mean) and torch.equal(before[name].var, m.var) for name, m in after.items()
    )
    assert posterior.listing == loaded.listing
    assert posterior.fixed.keys() == loaded.fixed.keys()
    assert all(torch.equal(value, loaded.fixed[name]) for name, value in posterior.fixed.items())
    one, other = (each.sample(3, torch.Generator().manual_seed(0)) for each in (posterior, loaded))
    assert all(torch.equal(draws, other[name]) for name, draws in one.items())


def test_what_belongs_to_it_is_kept(tmp_path):
    whole = pruned(mean_field())
    history = [{"epoch": 1, "nll": 1 / 3}, {"epoch": 2, "nll": 1e-30}]
    stored = Stored(whole, torch.tensor([0.1]), 0.25, history, whole.masks)
    store.save(tmp_path / "posterior", stored)
    loaded = store.load(tmp_path / "posterior")
    assert (loaded.temperature, loaded.history) == (0.25, history)
    assert torch.equal(loaded.log_noise, stored.log_noise)
    assert loaded.masks.keys() == whole.masks.keys()
    assert all(
        torch.equal(mask, whole.masks[name]) and mask.dtype == torch.float32 for name, mask in loaded.masks.items()
    )


def test_what_is_not_there_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(RunError, match=r"there is no posterior at .*nothing; `bitsback fit` makes one"):
        store.load(tmp_path / "nothing")


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "posterior"
    store.save(path, Stored(point(), torch.zeros(0)))
    whole = path.read_bytes()
    for end in [*range(0, 64, 7), *range(64, len(whole), len(whole) // 40)]:
        path.write_bytes(whole[:end])
        with pytest.raises(RunError, match="cannot be read"):
            store.load(path)


def test_another_version_is_refused(tmp_path):
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "old", {"format": "bitsback-posterior-0"})
    with pytest.raises(
        RunError, match=r"is of the format 'bitsback-posterior-0'; this version reads 'bitsback-posterior-1'"
    ):
        store.load(tmp_path / "old")


@pytest.mark.parametrize(
    "wrong",
    [
        *({"names": "{"}, {"names": "5"}, {"names": json.dumps(["a", "b"])}, {"history": "nope"}),
        *({"temperature": ""}, {"kind": "mean_field"}),
    ],
    ids=str,
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, wrong):
    right = {"names": '["a"]', "history": "[]", "temperature": "1.0", "kind": "point", "format": "bitsback-posterior-1"}
    tensors = {"mean/a": torch.ones(2), "likelihood/log_noise": torch.zeros(0)}
    safetensors.torch.save_file(tensors, tmp_path / "right", right)
    assert torch.equal(store.load(tmp_path / "right").posterior.marginals()["a"].mean, torch.ones(2))
    safetensors.torch.save_file(tensors, tmp_path / "wrong", {**right, **wrong})
    with pytest.raises(RunError, match="cannot be read"):
        store.load(tmp_path / "wrong")


def test_what_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "posterior"
    store.save(path, Stored(point(), torch.zeros(0)))
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensor_file, "replace_file", full)
    with pytest.raises(RunError, match="cannot be written: No space left on device"):
        store.save(path, Stored(mean_field(), torch.zeros(0)))
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("stds", -0.5, "a standard deviation of '0.weight' is -0.5; it must be a finite number, at least 0"),
        ("stds", float("nan"), "a standard deviation of '0.weight' is nan"),
        ("stds", float("inf"), "a standard deviation of '0.weight' is inf"),
        ("means", float("nan"), "a mean of '0.weight' is nan; it must be a finite number$"),
    ],
)
def test_numbers_that_no_posterior_has_are_refused(tmp_path, part, value, sentence):
    whole = mean_field()
    store.save(tmp_path / "posterior", Stored(whole, torch.tensor([])))
    tensors = safetensors.torch.load_file(tmp_path / "posterior")
    with safetensors.safe_open(tmp_path / "posterior", "pt") as file:
        words = file.metadata()
    tensors[f"{part.removesuffix('s')}/0.weight"][1, 2] = value
    safetensors.torch.save_file(tensors, tmp_path / "posterior", words)
    with pytest.raises(RunError, match=rf"posterior is damaged: {sentence}"):
        store.load(tmp_path / "posterior")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t, w: w.update(chains="4"), "6 samples cannot come from 4 chains of one length"),
        (lambda t, w: w.update(chains="true"), "6 samples cannot come from True chains"),
        (lambda t, w: w.update(chains="0"), "6 samples cannot come from 0 chains"),
        (lambda t, w: w.pop("chains"), "cannot be read"),
        (lambda t, w: w.update(kind="soup"), "cannot be read"),
        (lambda t, w: t.update({"sample/0.weight": torch.zeros(5, 5, 4)}), "samples, and the others are of"),
        (lambda t, w: t.update({"other/1.weight": torch.tensor(1.0)}), "'1.weight' is of 0 samples"),
        (lambda t, w: t["sample/0.weight"].fill_(float("nan")), "a sample of '0.weight' is nan"),
        (lambda t, w: t["other/1.weight"].fill_(float("inf")), "a sample of '1.weight' is inf"),
    ],
)
def test_samples_that_cannot_be_are_refused(tmp_path, change, said):
    path = tmp_path / "posterior"
    store.save(path, Stored(samples(), torch.zeros(0)))
    with safetensors.safe_open(path, framework="pt") as file:
        words, tensors = file.metadata(), {name: file.get_tensor(name) for name in list(file.keys())}
    change(tensors, words)
    safetensors.torch.save_file(tensors, path, words)
    with pytest.raises(RunError, match=said):
        store.load(path)
