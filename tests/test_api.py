import subprocess
import sys

import numpy as np
import pytest
import torch

import bitsback as bb
from bitsback.errors import ExportError, NetworkError, PromiseError

LAZY = """
import sys
import bitsback
heavy = {"torch", "onnxruntime", "numpy", "matplotlib", "pydantic", "typer"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert set(bitsback.__all__) <= set(dir(bitsback))
bitsback.load
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def data():
    return bb.dataset("digits", limit=400, validation=0.2, calibration=0.2)


@pytest.fixture(scope="module")
def fitted(data):
    module = bb.network("mlp", data, hidden=(12,))
    settings = bb.FitSettings(batch=40, optimization=bb.Optimization(learning_rate=1e-2))
    return bb.fit(module, data, bb.MeanField(), epochs=40, settings=settings)


def test_importing_the_package_imports_nothing_heavy():
    done = subprocess.run([sys.executable, "-W", "error", "-c", LAZY], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_no_other():
    assert all(getattr(bb, name) is not None for name in bb.__all__)
    assert bb.__all__ == sorted(bb.__all__)
    with pytest.raises(AttributeError, match="frobnicate"):
        _ = bb.frobnicate


def test_the_path_goes_from_a_network_to_a_file_that_predicts(data, fitted, tmp_path):
    small = bb.prune(fitted, 0.5)
    size = bb.pack(bb.ensemble(small, 4), tmp_path / "digits.bitsback", data, bb.Promise(0.3, 0.8))
    assert size == (tmp_path / "digits.bitsback").stat().st_size
    predictor = bb.load(tmp_path / "digits.bitsback")
    assert predictor.manifest.abstain is not None
    found = bb.evaluate(predictor, data)
    right = predictor.predict(data.test.inputs).mean.argmax(axis=1) == data.test.targets
    assert found["accuracy"] == pytest.approx(right.mean())
    assert found["accuracy"] > 0.7
    said = {row["what"]: row["value"] for row in predictor.manifest.measurements}
    assert said["nll"] == found["nll"]


@pytest.mark.parametrize("form", ["point", "ensemble", "propagated"])
def test_a_fit_can_say_which_form_will_be_made(data, form):
    fitted = bb.fit(bb.network("mlp", data, hidden=(4,)), data, bb.MeanField(), epochs=1, form=form)
    assert getattr(bb, form)(fitted).form == form


def test_the_propagated_form_takes_unlabeled_inputs_and_rules(data):
    fitted = bb.fit(bb.network("mlp", data, hidden=(4,)), data, bb.MeanField(), epochs=1)
    relu = torch.ops.aten.relu.default
    plain, scaled, silent = (
        bb.propagated(fitted, **said).module(torch.from_numpy(data.test.inputs[:5]).float())[3]
        for said in (
            {},
            {"calibrate": data.train.inputs[:20]},
            {"rules": {relu: lambda value: value._replace(var=0 * value.var)}},
        )
    )
    assert not torch.equal(plain, scaled)
    assert bool((silent < plain).all())


def test_the_file_says_at_which_temperature_was_fitted(data, tmp_path):
    module = bb.network("mlp", data, hidden=(4,))
    fitted = bb.prune(bb.fit(module, data, epochs=1, settings=bb.FitSettings(temperature=0.25)), 0.5)
    for program in (bb.point(fitted), bb.ensemble(fitted, 2)):
        bb.pack(program, tmp_path / "cold.bitsback", data)
        assert bb.load(tmp_path / "cold.bitsback").manifest.recipe["temperature"] == 0.25


def test_your_own_module_is_fitted_and_left_as_it_was(data):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, data.outputs))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    fitted = bb.fit(module, data, bb.Point(), epochs=1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    assert len(fitted.history) == 1


def test_a_network_that_cannot_ship_is_refused_before_the_fit(data):
    module = torch.nn.Sequential(
        torch.nn.Upsample(scale_factor=2, mode="bicubic"), torch.nn.Flatten(), torch.nn.Linear(256, data.outputs)
    )
    module.insert(0, torch.nn.Conv2d(1, 1, 1))
    seen: list[object] = []
    with pytest.raises(ExportError, match="cannot be mapped over ensemble members"):
        bb.fit(module, data, epochs=1, watch=seen.append)
    assert not seen


def test_a_share_a_policy_and_own_masks_prune(fitted):
    by_share = bb.prune(fitted, 0.75).masks
    by_policy = bb.prune(fitted, bb.Policy(bb.Choice(sparsity=0.75))).masks
    assert all(torch.equal(by_share[name], by_policy[name]) for name in by_share)
    own = {name: 1 - mask for name, mask in by_share.items()}
    pruned = bb.prune(fitted, masks=own)
    assert np.isclose(pruned.gone, 0.25 * sum(mask.numel() for mask in own.values()), atol=1)


def test_a_fit_goes_on_from_a_pruned_result_and_keeps_its_zeros(data, fitted):
    pruned = bb.prune(fitted, 0.9)
    settings = bb.FitSettings(batch=40, optimization=bb.Optimization(learning_rate=1e-9))
    module = bb.network("mlp", data, hidden=(12,), seed=5)
    still = bb.fit(module, data, epochs=1, settings=settings, start=pruned)
    for name, (mean, var) in still.posterior.marginals().items():
        before = pruned.posterior.marginals()[name]
        torch.testing.assert_close(mean, before.mean, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(var, before.var, rtol=1e-3, atol=1e-8)
    recovered = bb.fit(module, data, epochs=10, settings=bb.FitSettings(batch=40), start=pruned)
    assert recovered.gone == pruned.gone > 0
    assert recovered.history[-1]["nll"] < still.history[-1]["nll"]
    for name, mask in pruned.masks.items():
        mean, var = recovered.posterior.marginals()[name]
        assert not mean[mask == 0].any()
        assert not var[mask == 0].any()


def test_a_result_of_another_network_is_no_start(data, fitted):
    module = bb.network("mlp", data, hidden=(13,))
    with pytest.raises(NetworkError, match=r"'1.bias' is \(13,\) in the one and \(12,\) in the other"):
        bb.fit(module, data, epochs=1, start=fitted)


def test_a_promise_that_cannot_be_kept_writes_nothing(data, fitted, tmp_path):
    with pytest.raises(PromiseError, match="calibration"):
        bb.pack(bb.point(fitted), tmp_path / "digits.bitsback", data, bb.Promise(1e-4, 0.99))
    assert not list(tmp_path.iterdir())


def test_members_go_on_each_from_its_own_weights():
    data = bb.dataset("digits", limit=300)
    module = bb.network("mlp", data, hidden=(8,))
    members = bb.fit(module, data, bb.DeepEnsemble(3), epochs=2)
    settings = bb.FitSettings(epochs=1, optimization=bb.Optimization(learning_rate=1e-9))
    went_on = bb.fit(module, data, bb.DeepEnsemble(3), settings=settings, start=members)
    before, after = (each.posterior.sample(3, torch.Generator())["1.weight"] for each in (members, went_on))
    torch.testing.assert_close(after, before, rtol=0, atol=1e-5)
    others = bb.fit(module, data, bb.DeepEnsemble(2), settings=settings, start=members)
    stack = others.posterior.sample(2, torch.Generator())["1.weight"]
    torch.testing.assert_close(stack[0], stack[1], rtol=0, atol=1e-5)


def test_sqs_gives_a_point_unless_it_draws():
    data, settings = bb.dataset("digits", limit=300), bb.FitSettings(epochs=1)
    for draws, form in ((0, bb.point), (2, bb.ensemble)):
        fitted = bb.fit(bb.network("mlp", data, hidden=(8,)), data, bb.Sqs(draws=draws), settings=settings)
        assert form(fitted).members == max(draws, 1)
