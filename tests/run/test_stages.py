from dataclasses import replace

import pytest
import torch

from bitsback.errors import NetworkError, PromiseError, RecipeError, RunError
from bitsback.form.ensemble import EnsembleForm
from bitsback.recipe.sections import Abstain, Compress
from bitsback.recipe.text import parse
from bitsback.report.evidence import Variant, newest, value
from bitsback.report.promise import promise
from bitsback.run.compress import compress, compressed, sparsity
from bitsback.run.evaluate import evaluate
from bitsback.run.fit import dense, fit, recipe_of
from bitsback.run.materials import Materials, gather, starts
from bitsback.run.measure import files
from bitsback.run.pack import pack
from bitsback.run.watcher import Watcher
from bitsback.runtime.predictor import load
from tests.given.files import digits_like, write_idx_set
from tests.run.tiny import CONTENT


def with_part(run, **parts) -> Materials:
    materials = gather(recipe_of(run))
    return replace(materials, recipe=replace(materials.recipe, **parts))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"fit": {**CONTENT["fit"], "epochs": 41}}, "fit.epochs = 40 and not 41"),
        ({"seed": 1}, "seed = 0 and not 1"),
        ({"inference": {"method": "point"}}, "inference = "),
        ({"network": {"name": "mlp", "options": {"hidden": [13]}}}, "network.options"),
    ],
)
def test_another_run_is_not_mixed_in(copied_run, change, match):
    before = copied_run.file("recipe").read_bytes()
    with pytest.raises(RunError, match=match):
        fit(copied_run.path, parse({**CONTENT, **change}), Watcher(), command="test")
    assert copied_run.file("recipe").read_bytes() == before


def test_a_run_that_cannot_be_leaves_no_folder(tmp_path):
    from bitsback.errors import BitsbackError

    for change in ({"network": {"name": "nothing"}}, {"data": {"name": "nowhere"}}, {"fit": {"epochs": 0}}):
        with pytest.raises(BitsbackError):
            fit(tmp_path / "run", parse({**CONTENT, **change}), Watcher(), command="test")
    assert not (tmp_path / "run").exists()


def test_pruning_is_exact_and_read_back(copied_run):
    materials = with_part(copied_run, compress=Compress(policy=parse({"compress": {"policy": {}}}).compress.policy))
    pruned = compress(copied_run, materials)
    again = compressed(copied_run, materials)
    assert sparsity(pruned) == sparsity(again) == pytest.approx(0.9, abs=1e-3)
    for name, (mean, var) in again.posterior.marginals().items():
        if name in again.masks:
            assert not mean[again.masks[name] == 0].any()
            assert not var[again.masks[name] == 0].any()


def test_cycles_with_fine_tuning_reach_the_sparsity_and_resume(copied_run, monkeypatch):
    materials = with_part(copied_run, compress=Compress(cycles=2, fine_tune_epochs=2))
    whole = compress(copied_run, materials)
    assert sparsity(whole) == pytest.approx(0.9, abs=1e-3)
    assert not copied_run.has("cycles")
    _interrupt_in_cycle(2, copied_run, materials, monkeypatch)
    resumed = compress(copied_run, materials)
    for name, (mean, var) in resumed.posterior.marginals().items():
        assert torch.equal(mean, whole.posterior.marginals()[name].mean)
        assert torch.equal(var, whole.posterior.marginals()[name].var)


def _interrupt_in_cycle(cycle, run, materials, monkeypatch):
    from bitsback.posterior import fit as training

    calls: list[int] = []
    real = training.fit

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == cycle:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compress(run, materials)
    assert run.has("cycles")


def test_your_own_masks_are_used(copied_run, tmp_path):
    from safetensors.torch import save_file

    weights = dense(copied_run, gather(recipe_of(copied_run))).posterior.marginals()
    own = {
        "1.weight": (torch.arange(weights["1.weight"].mean.numel()) % 3 > 0).float().view_as(weights["1.weight"].mean)
    }
    save_file(own, tmp_path / "own.safetensors")
    materials = with_part(copied_run, compress=Compress(masks=str(tmp_path / "own.safetensors")))
    assert torch.equal(compress(copied_run, materials).masks["1.weight"], own["1.weight"])


ENSEMBLE = {
    **CONTENT,
    "inference": {"method": "deep_ensemble", "members": 3},
    "fit": {"epochs": 3, "batch": 40, "optimizer": "sgd", "learning_rate": 0.05},
}


@pytest.fixture
def members(tmp_path):
    run, _, _ = fit(tmp_path / "members", parse({**ENSEMBLE, "form": {}}), Watcher(), command="test")
    return run


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


def magnitude():
    return parse({"compress": {"policy": {"default": {"saliency": "magnitude"}}}}).compress.policy


def test_a_promise_that_was_asked_for_and_cannot_be_kept_packs_nothing(copied_run):
    copied_run.file("model").unlink()
    impossible = with_part(copied_run, abstain=Abstain(error_rate=1e-4, confidence=0.99))
    with pytest.raises(
        PromiseError, match=r"nothing was packed.* the lowest error rate that can be promised is 0\.\d+$"
    ) as why:
        pack(copied_run, impossible)
    assert not copied_run.has("model")
    lowest = float(str(why.value).rpartition(" ")[2])
    possible = with_part(copied_run, abstain=Abstain(error_rate=lowest, confidence=0.99))
    assert pack(copied_run, possible).decision.abstention is not None
    unasked = with_part(copied_run, abstain=None)
    assert (pack(copied_run, unasked).decision.abstention is None) == bool(pack(copied_run, unasked).decision.reason)
    assert copied_run.has("model")


def test_the_coverage_that_is_told_is_that_of_the_threshold_that_ships(copied_run):
    for error_rate in (0.2, 0.4):
        asked = with_part(copied_run, abstain=Abstain(error_rate=error_rate, confidence=0.8))
        decision = pack(copied_run, asked).decision
        assert decision.abstention is not None
        model = load(copied_run.file("model"))
        prediction = model.predict(asked.data.test.inputs)
        said = [row for row in model.manifest.measurements if row["what"] == "coverage"]
        assert [row["value"] for row in said] == [pytest.approx(1 - prediction.abstain.mean())]
        assert said[0]["of"]["error_rate"] == error_rate
        assert said[0]["of"]["confidence"] == 0.8
        rows, shipped = newest(copied_run.rows()), Variant("compressed", "ensemble")
        reported, strange = (value(rows, what, shipped) for what in ("coverage", "ood_declined"))
        assert reported is not None
        assert reported.value == said[0]["value"]
        assert strange is not None
        assert strange.value == model.predict(asked.data.out_of_distribution).abstain.mean()
        kept, found = promise(rows), decision.abstention
        assert kept is not None
        assert (kept.threshold, kept.error_rate, kept.confidence) == (found.threshold, error_rate, 0.8)
        assert kept.accepted == found.accepted / found.calibration
        assert recipe_of(copied_run).abstain == asked.recipe.abstain


def test_a_run_does_not_change_its_data(copied_run):
    materials = with_part(copied_run)
    data = materials.data
    turned = replace(data, train=replace(data.train, targets=data.train.targets[::-1].copy()))
    before = copied_run.file("journal").read_bytes()
    for stage in (compress, pack, lambda *given: evaluate(*given, Watcher())):
        with pytest.raises(RunError, match=r"fitted to other data .*: the train split differs; name the folder"):
            stage(copied_run, replace(materials, data=turned))
    assert copied_run.file("journal").read_bytes() == before


def test_data_that_moved_are_the_same_data(tmp_path):
    def fitted(place: str):
        data = {"name": "own", "folder": str(tmp_path / place)}
        return fit(tmp_path / "run", parse({**CONTENT, "data": data, "fit": {"epochs": 1}}), Watcher(), command="test")

    images, labels = digits_like(60)
    for place, turned in (("here", labels), ("there", labels), ("else", 2 - labels)):
        write_idx_set(tmp_path / place / "own", train=(images, turned))
    run, _, _ = fitted("here")
    fitted("there")
    with pytest.raises(RunError, match="fitted to other data"):
        fitted("else")
    assert recipe_of(run).data.folder == str(tmp_path / "there")


def test_a_file_of_another_network_is_not_timed(copied_run):
    files(copied_run)
    compress(copied_run, with_part(copied_run, compress=Compress()))
    with pytest.raises(RunError, match="bitsback pack"):
        files(copied_run)
