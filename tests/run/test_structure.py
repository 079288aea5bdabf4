"""Members inside the structure of another run."""

import pytest
import torch

from bitsback.errors import NetworkError, RecipeError, RunError
from bitsback.form.ensemble import EnsembleForm
from bitsback.recipe.sections import Compress
from bitsback.recipe.text import parse
from bitsback.run.compress import compress, compressed
from bitsback.run.fit import dense, fit, recipe_of
from bitsback.run.materials import gather, starts
from bitsback.run.watcher import Watcher
from tests.run.test_stages import with_part
from tests.run.tiny import CONTENT

ENSEMBLE = {
    **CONTENT,
    "inference": {"method": "deep_ensemble", "members": 3},
    "fit": {"epochs": 3, "batch": 40, "optimizer": "sgd", "learning_rate": 0.05},
}


@pytest.fixture
def members(tmp_path):
    run, _, _ = fit(tmp_path / "members", parse({**ENSEMBLE, "form": {}}), Watcher(), command="test")
    return run


def magnitude():
    return parse({"compress": {"policy": {"default": {"saliency": "magnitude"}}}}).compress.policy


def test_members_share_the_structure_of_another_run_and_go_on_from_their_own_weights(copied_run, members, tmp_path):
    structure = compressed(copied_run, gather(recipe_of(copied_run)))
    still = Compress(masks=str(copied_run.path), fine_tune_epochs=1, learning_rate=1e-12)
    before = dense(members, gather(recipe_of(members))).posterior.sample(3, torch.Generator())
    after = compress(members, with_part(members, compress=still))
    assert after.masks.keys() == structure.masks.keys()
    for name, stack in after.posterior.sample(3, torch.Generator()).items():
        mask = structure.masks.get(name, torch.ones(()))
        torch.testing.assert_close(stack, before[name] * mask, rtol=0, atol=1e-6)
    assert after.posterior.listing == dense(members, gather(recipe_of(members))).posterior.listing


def test_members_may_start_at_the_structures_weights(copied_run, members):
    structure = compressed(copied_run, gather(recipe_of(copied_run))).posterior.centre()
    still = Compress(masks=str(copied_run.path), start="structure", fine_tune_epochs=1, learning_rate=1e-12)
    after = compress(members, with_part(members, compress=still))
    for name, stack in after.posterior.sample(3, torch.Generator()).items():
        torch.testing.assert_close(stack, structure[name].expand_as(stack), rtol=0, atol=1e-6)


def test_fresh_members_are_drawn_anew_and_scaled_by_what_is_kept(copied_run, members):
    masks = compressed(copied_run, gather(recipe_of(copied_run))).masks
    still = Compress(masks=str(copied_run.path), start="fresh", fine_tune_epochs=1, learning_rate=1e-12)
    after = compress(members, with_part(members, compress=still)).posterior.sample(3, torch.Generator())
    drawn = starts(recipe_of(members), gather(recipe_of(members)).traces.train)
    for name, mask in masks.items():
        kept = mask.sum(1, keepdim=True).clamp_min(1)
        for one, each in zip(drawn, after[name], strict=True):
            torch.testing.assert_close(each, one[name] * mask * (mask.shape[1] / kept).sqrt(), rtol=0, atol=1e-6)


def test_what_cannot_be_a_structure_is_refused_by_name(copied_run, members, tmp_path):
    other, _, _ = fit(tmp_path / "other", parse({**CONTENT, "seed": 1, "form": {}}), Watcher(), command="test")
    compress(members, with_part(members, compress=Compress(policy=magnitude())))
    structure = str(copied_run.path)
    for run, how, error, said in (
        (members, {"masks": str(members.path)}, RunError, "the run itself"),
        (other, {"masks": structure}, RunError, "was fitted to other data"),
        (copied_run, {"masks": str(members.path), "start": "structure"}, RunError, "or those of several members"),
        (copied_run, {"masks": str(members.path), "start": "fresh"}, RecipeError, "for methods with several chains"),
    ):
        with pytest.raises(error, match=said):
            compress(run, with_part(run, compress=Compress(fine_tune_epochs=1, **how)))


def test_members_have_in_common_what_is_shared_and_differ_in_the_rest(copied_run, members):
    structure = compressed(copied_run, gather(recipe_of(copied_run)))
    half = Compress(masks=str(copied_run.path), shared=("1.*",), fine_tune_epochs=1, learning_rate=0.05)
    after = compress(members, with_part(members, compress=half))
    drawn, centre = after.posterior.sample(3, torch.Generator()), structure.posterior.centre()
    assert set(drawn) == {name for name in after.network.params if not name.startswith("1.")}
    assert set(after.masks) == set(structure.masks)
    assert after.gone == structure.gone
    assert all(not torch.equal(stack[0], stack[1]) for stack in drawn.values())
    for name in ("1.weight", "1.bias"):
        assert torch.equal(after.posterior.centre()[name], centre[name])
    held = {name: each.ndim for name, each in after.program(EnsembleForm(3)).module.named_buffers()}
    assert [held[name] for name in held if "1" in name and "weight" in name] == [2], held
    again = compressed(members, gather(recipe_of(members)))
    assert torch.equal(again.posterior.centre()["3.bias"], after.posterior.centre()["3.bias"])


def test_what_is_shared_may_be_the_mean_of_what_members_had(copied_run, members):
    before = dense(members, gather(recipe_of(members))).posterior.sample(3, torch.Generator())
    asked = Compress(masks=str(copied_run.path), start="fresh", shared=("1.*",), shared_from="mean", fine_tune_epochs=1)
    after = compress(members, with_part(members, compress=asked))
    centre = after.posterior.centre()
    kept = compressed(copied_run, gather(recipe_of(copied_run))).masks["1.weight"]
    torch.testing.assert_close(centre["1.weight"], before["1.weight"].mean(0) * kept)
    torch.testing.assert_close(centre["1.bias"], before["1.bias"].mean(0))
    drawn = after.posterior.sample(3, torch.Generator())
    assert set(drawn) == {name for name in after.network.params if not name.startswith("1.")}


def test_a_mean_is_over_several_chains(copied_run, members):
    asked = Compress(masks=str(members.path), shared=("1.*",), shared_from="mean", fine_tune_epochs=1)
    with pytest.raises(RecipeError, match="shared_from is 'mean', which is for methods with several chains"):
        compress(copied_run, with_part(copied_run, compress=asked))
    for how, said in (({}, "where nothing is shared"), ({"shared": ("1.*",), "start": "structure"}, "'structure'")):
        with pytest.raises(RecipeError, match=f"compress.shared_from .*{said}"):
            Compress(masks="masks", shared_from="mean", fine_tune_epochs=1, **how)


def test_what_is_shared_needs_a_network_that_has_it(copied_run, members, tmp_path):
    from safetensors.torch import save_file

    masks = compressed(copied_run, gather(recipe_of(copied_run))).masks
    save_file(masks, tmp_path / "own.safetensors")
    for path, shared, error, said in (
        (copied_run.path, "conv.*", NetworkError, "matches 'conv.\\*'"),
        (tmp_path / "own.safetensors", "1.*", RunError, "which has none, or those of several members"),
    ):
        asked = Compress(masks=str(path), shared=(shared,), fine_tune_epochs=1)
        with pytest.raises(error, match=said):
            compress(members, with_part(members, compress=asked))


def test_without_a_structure_nothing_can_be_taken_from_it(members):
    for how, said in (({"start": "structure"}, "start is 'structure'"), ({"shared": ("1.*",)}, "shared is \\['1")):
        with pytest.raises(RecipeError, match=said):
            compress(members, with_part(members, compress=Compress(fine_tune_epochs=1, **how)))


def test_a_run_without_masks_is_refused(members, tmp_path):
    other, _, _ = fit(tmp_path / "other", parse({**CONTENT, "form": {}}), Watcher(), command="test")
    for path, said in ((other.path, "compressed"), (tmp_path, "there is no run in")):
        with pytest.raises(RunError, match=said):
            compress(members, with_part(members, compress=Compress(masks=str(path))))


def test_fine_tuning_may_have_a_learning_rate_and_a_weight_decay_of_its_own(members):
    found = [
        compress(
            members, with_part(members, compress=Compress(policy=magnitude(), fine_tune_epochs=1, **how))
        ).posterior
        for how in ({}, {"learning_rate": 0.05}, {"learning_rate": 0.01}, {"weight_decay": 0.1})
    ]
    first, same, slower, decayed = (each.centre()["1.weight"] for each in found)
    assert torch.equal(first, same)
    assert not torch.equal(first, slower)
    assert decayed.norm() < first.norm()
