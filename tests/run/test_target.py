"""Compression to a size: the packed file is never larger than was asked for, and hardly smaller."""

import shutil
from dataclasses import replace

import pytest
import torch

from bitsback.artifact.container import read
from bitsback.errors import RecipeError, RunError
from bitsback.posterior import checkpoint, store
from bitsback.posterior.distillation import Distillation, Distilled, with_teacher
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples
from bitsback.recipe.compression import Compress, Target
from bitsback.recipe.text import parse, to_toml
from bitsback.run.compress import compress
from bitsback.run.evaluate import evaluate
from bitsback.run.fit import fit, recipe_of
from bitsback.run.folder import open_run
from bitsback.run.materials import gather
from bitsback.run.pack import pack
from bitsback.run.target import said
from bitsback.run.watcher import Watcher

SIZE = 7_300
CONTENT = {
    "network": {"name": "mlp", "options": {"hidden": [100]}},
    "inference": {"method": "point"},
    "fit": {"epochs": 6, "batch": 50, "learning_rate": 3e-3},
    "compress": {"target": {"bytes": SIZE}},
    "evaluate": {"sparsities": [], "levels": []},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return fit(tmp_path_factory.mktemp("runs") / "point", parse(CONTENT), Watcher(), command="test")


@pytest.fixture
def run(trained, tmp_path):
    return open_run(shutil.copytree(trained[0].path, tmp_path / "copy"))


def materials(trained, **target):
    recipe = trained[1].recipe
    asked = replace(recipe.compress.target, **target)
    return replace(trained[1], recipe=replace(recipe, compress=replace(recipe.compress, target=asked)))


def packed(run, of):
    compress(run, of)
    return pack(run, of).bytes


def test_the_packed_file_has_the_size_that_is_asked_for_and_what_it_costs_stands_side_by_side(run, trained):
    of = materials(trained, bytes=7_000)
    assert 0.98 * 7_000 <= packed(run, of) <= 7_000
    assert recipe_of(run).compress.target.bytes == 7_000
    assert not run.has("policy")
    rows = {row.what: row.value for row in run.rows() if row.of.get("stage") == "compressed"}
    assert rows["temperature"] > 0
    # A small file: tables and what is told of rows and columns are a good part of it, and so is the spread of the symbols.
    assert 0.9 * rows["code_length"] < rows["coded_bytes"] < 1.4 * rows["code_length"]
    assert 0.6 * rows["code_length"] < rows["kl"] / 8 / 0.6931 <= rows["code_length"]


def test_it_still_has_it_when_its_figures_are_in_the_file(run, trained):
    of = materials(trained)
    compress(run, of)
    evaluate(run, of, Watcher())
    size = pack(run, of).bytes
    assert 0.98 * SIZE <= size <= SIZE
    said = {figure["what"] for figure in read(run.file("model")).manifest.measurements}
    kept = {row.what for row in run.rows() if row.of.get("form") == "point" and row.of.get("stage") == "compressed"}
    assert said < kept
    accuracy = {
        row.of["stage"]: row.value for row in run.rows() if row.what == "accuracy" and row.of["form"] == "point"
    }
    assert accuracy["compressed"] > accuracy["dense"] - 0.05


def test_a_ratio_is_that_of_the_float32_network_to_the_whole_file(run, trained):
    of = materials(trained, bytes=None, ratio=4.05)
    parameters = sum(each.numel() for each in of.traces.train.params.values())
    assert 0.98 * 4 * parameters / 4.05 <= packed(run, of) <= 4 * parameters / 4.05


def test_a_killed_one_goes_on_with_the_same_result(run, trained, monkeypatch, tmp_path):
    of = materials(trained)
    of = replace(of, recipe=replace(of.recipe, fit=replace(of.recipe.fit, checkpoint_seconds=0.0)))
    whole = open_run(shutil.copytree(run.path, tmp_path / "whole"))
    compress(whole, of)
    save = checkpoint.save

    def killed(path, state, fingerprint):
        save(path, state, fingerprint)
        if state.step == 40:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            compress(run, of)
    compress(run, of)
    one, other = (store.load(each.file("compressed")).posterior.centre() for each in (run, whole))
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_size_below_what_the_graph_takes_is_refused_with_the_least_there_is(run, trained):
    with pytest.raises(
        RunError, match=r"a file of 3,000 bytes is asked for, and one of this network takes [5-9],\d{3} if all"
    ):
        compress(run, materials(trained, bytes=3000))
    assert not run.has("compressed")


def test_a_file_that_is_larger_after_all_is_not_packed(run, trained):
    of = materials(trained)
    compress(run, of)
    with pytest.raises(
        RunError, match=r"nothing was packed: the file takes [67],\d{3} bytes, and compress.target allows 6,000"
    ):
        pack(run, materials(trained, bytes=6_000))
    assert not run.has("model")


def test_another_size_after_a_kill_begins_anew(run, trained, monkeypatch):
    of = materials(trained)
    of = replace(of, recipe=replace(of.recipe, fit=replace(of.recipe.fit, checkpoint_seconds=0.0)))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", lambda *args, save=checkpoint.save: (save(*args), killed()))
        with pytest.raises(KeyboardInterrupt):
            compress(run, of)
    size = 7_000
    assert 0.98 * size <= packed(run, materials(trained, bytes=size)) <= size


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"bytes": 1000, "ratio": 3.0}, "either bytes or a ratio"),
        ({"ratio": 0.5}, "compress.target.ratio is 0.5"),
        ({"bytes": 0}, "compress.target.bytes is 0"),
        ({"bytes": 9000, "distillation": 1.5}, "compress.target.distillation is 1.5"),
        ({"bytes": 9000, "softening": 0.0}, "compress.target.softening is 0.0"),
        ({"bytes": 9000, "levels": 4}, "levels is 4"),
    ],
)
def test_targets_that_are_none_are_refused(table, said, trained, run):
    with pytest.raises(RecipeError, match=said):
        compress(run, gather(parse({**CONTENT, "compress": {"target": table}})))


def test_a_target_stands_alone_and_ships_a_point():
    with pytest.raises(RecipeError, match="left out beside masks, cycles"):
        Compress(target=Target(bytes=1000), cycles=2, fine_tune_epochs=1)
    with pytest.raises(RecipeError, match=r"form\.name is 'ensemble'; it must be 'point'"):
        parse({**CONTENT, "form": {"name": "ensemble"}})
    assert parse({"compress": {"target": {"bytes": 1000}}}).predicts == "point"
    assert "target" not in to_toml(parse({"compress": {"target": {}}}))


def test_a_posteriors_average_teaches(trained):
    _, materials, before = trained
    inputs = torch.randn(7, *materials.data.input_shape)
    right = before.network(before.posterior.centre(), inputs).log_softmax(-1)
    torch.testing.assert_close(said(before, inputs), right, rtol=1e-4, atol=1e-5)


def test_distilled_targets_are_both_parts():
    known = Likelihood("classification", 3)
    outputs, teacher, targets = torch.randn(5, 3), torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    given = with_teacher(Examples(torch.zeros(5, 1), targets), teacher)
    taught = Distilled("classification", 3, Distillation(0.3, 2.0))
    soft = torch.nn.functional.kl_div((outputs / 2).log_softmax(-1), (teacher / 2).softmax(-1), reduction="batchmean")
    right = 0.7 * known.nll(outputs, targets, torch.empty(0)) + 0.3 * 4 * soft
    torch.testing.assert_close(taught.nll(outputs, given.targets, torch.empty(0)), right)


def test_a_distilled_regression_has_the_teachers_means_for_targets():
    known, noise = Likelihood("regression", 2), torch.tensor([0.3, -0.2])
    outputs, teacher, targets = (torch.randn(5, 2) for _ in range(3))
    given = with_teacher(Examples(torch.zeros(5, 1), targets), teacher)
    taught = Distilled("regression", 2, Distillation(0.25))
    right = 0.75 * known.nll(outputs, targets, noise) + 0.25 * known.nll(outputs, teacher, noise)
    torch.testing.assert_close(taught.nll(outputs, given.targets, noise), right)
