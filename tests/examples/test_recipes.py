import json
from dataclasses import replace
from pathlib import Path

import pytest

from bitsback.artifact.container import read as read_artifact
from bitsback.recipe.sections import Compress, Evaluate, Form, Measure, Recipe
from bitsback.recipe.text import read
from bitsback.run.chain import chain
from bitsback.run.materials import gather
from bitsback.run.watcher import Watcher
from tests.given.files import digits_like, write_idx_set

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "recipes"
QUICK = {
    "form": Form(members=2),
    "abstain": None,
    "evaluate": Evaluate(sparsities=(), levels=()),
    "measure": Measure(repeats=1, warmup=0),
}


def quick(name: str) -> Recipe:
    recipe = read(RECIPES / name)
    compress = Compress(recipe.compress.policy, cycles=2, fine_tune_epochs=1)
    return replace(recipe, fit=replace(recipe.fit, epochs=2), compress=compress, **QUICK)


def test_these_are_the_examples():
    assert {path.name for path in RECIPES.glob("*.toml")} == {"digits.toml", "fashion_mnist.toml", "own.toml"}


def test_the_digits_example_asks_for_what_a_network_and_data_can_give():
    materials = gather(read(RECIPES / "digits.toml"))
    assert materials.recipe.abstain is not None
    assert (materials.data.name, materials.traces.evaluation.outputs) == ("digits", 8)


def test_a_network_and_data_of_ones_own_go_from_the_recipe_to_a_file_that_names_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, packed = chain(tmp_path / "run", quick("own.toml"), Watcher(), command="test")
    said = read_artifact(run.file("model")).manifest
    assert (said.labels, said.form, packed.bytes > 0) == (("first arm", "second arm", "third arm"), "ensemble", True)
    assert (said.recipe["data"]["name"], said.recipe["network"]["name"]) == ("own.py:spirals", "own.py:Net")
    assert str(RECIPES) not in json.dumps(said.recipe)


def test_the_fashion_mnist_example_fits_data_of_that_shape(tmp_path):
    ten = digits_like(1100, classes=10, size=28)
    ten_more = digits_like(20, classes=10, size=28, seed=1)
    folder = write_idx_set(tmp_path / "fashion-mnist", train=ten, test=ten_more, zipped=False)
    recipe = read(RECIPES / "fashion_mnist.toml")
    recipe = replace(recipe, data=replace(recipe.data, folder=str(folder), validation=500, calibration=500))
    materials = gather(recipe)
    assert (materials.data.name, materials.data.labels[0]) == ("fashion-mnist", "T-shirt/top")
    params = materials.traces.evaluation.params
    assert {name for name, param in params.items() if param.ndim > 1} == {"1.weight", "3.weight", "5.weight"}
    assert {recipe.compress.policy.pattern(name) for name in params} == {None, *recipe.compress.policy.layers}


@pytest.mark.parametrize("name", ["digits.toml", "fashion_mnist.toml", "own.toml"])
def test_an_example_says_how_it_is_run(name):
    assert (RECIPES / name).read_text(encoding="utf-8").startswith(f"# bitsback run {name}\n")
