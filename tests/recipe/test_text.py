import tomllib
from pathlib import Path

import pytest

from bitsback.errors import RecipeError
from bitsback.policy.choice import Choice, Policy
from bitsback.recipe.inference import MeanField, NormalPrior, Point
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import parse, read, to_toml

WRONG = {
    "speed = 1": "'speed' is no key of a recipe; there are seed, temperature, data",
    'seed = "a"': "seed is 'a'; it must be a valid integer",
    "seed = true": "seed is True",
    f"seed = {2**63}": "seed is 9223372036854775808; it must be a whole number from 0 to below 2^63",
    "[fit]\nweight_decay = 0.1": "fit.weight_decay is 0.1; it must be 0 where inference.method is 'mean_field'",
    "[inference.prior]\nstd = 3": "'inference.prior.std' is no key of a recipe; there are name, pi, std1, std2",
    '[data]\nfolder = "a\\u0000"': "'a\\x00' is no path that leads anywhere",
    '[network]\nname = "a\\u0000.py:x"': "'a\\x00.py' is no path that leads anywhere",
    '[compress]\npolicy = "a\\u0000"': "compress.policy names 'a\\x00', which cannot be read",
    "seed = -1": "seed is -1; it must be a whole number from 0 to below 2^63",
    "temperature = inf": "temperature is inf",
    "fit = 3": "fit is 3; it must be a table",
    "[[fit]]\nepochs = 2": "fit is",
    "[fit]\nepoch = 3": "'fit.epoch' is no key of a recipe; there are epochs",
    '[fit]\nepochs = "3"': "fit.epochs is '3'; it must be a valid integer",
    '[fit]\noptimizer = "lamb"': "fit.optimizer is 'lamb'; it must be 'adam' or 'sgd'",
    '[inference]\nmethod = "magic"': "inference.method is 'magic'; it must be one of mean_field, point",
    '[inference]\nmethod = "point"\nprior = {}': "'inference.prior' is no key of a recipe; there are method",
    '[inference.prior]\nname = "laplace"': "inference.prior.name is 'laplace'; it must be one of scale_mixture, normal",
    '[inference.prior]\nname = "normal"\npi = 0.5': "'inference.prior.pi' is no key of a recipe; there are name, std",
    '[inference.prior]\nstd1 = "wide"': "inference.prior.std1 is 'wide'; it must be a valid number",
    '[inference]\nmethod = "sghmc"\nsteps = 3': "'inference.steps' is no key of a recipe; there are method, samples",
    '[inference]\nmethod = "deep_ensemble"\nsamples = 3': "'inference.samples' is no key of a recipe; there are method",
    '[inference]\nmethod = "sghmc"\n[fit]\nlearning_rate = 0.1': "fit.learning_rate is 0.1; it must be left out where",
    '[inference]\nmethod = "sgld"\nmomentum = 0.5': "inference.momentum is 0.5; it must be left out where there is none",
    '[inference]\nmethod = "sghmc"\n[fit]\nweight_decay = 0.1': "fit.weight_decay is 0.1; it must be 0 where",
    '[inference]\nmethod = "snapshot_ensemble"\n[fit]\nschedule = "constant"': "fit.schedule is 'constant'; it must be left",
    '[inference]\nmethod = "deep_ensemble"\n[form]\nmembers = 9': "form.members is 9; it must be at most 5, as many as the",
    "[compress]\ncycles = 0": "compress.cycles is 0",
    "[compress]\ncycles = 2": "compress.cycles is 2; it must be 1 unless compress.fine_tune_epochs",
    '[compress]\ncycles = 2\nfine_tune_epochs = 1\nmasks = "a"': "compress.cycles is 2; it must be 1 where compress.masks",
    '[compress]\nmasks = "a"\nstart = "structure"': "compress.start is 'structure'; it must be left out unless compress.fine",
    '[compress]\nmasks = "a"\nshared = ["0.*"]': "compress.shared is ['0.*']; it must be left out unless compress.fine",
    "[compress]\nlearning_rate = 0": "compress.learning_rate is 0.0; it must be a finite number, above 0",
    "[compress]\nweight_decay = -1": "compress.weight_decay is -1.0; it must be a finite number, at least 0",
    '[inference]\nmethod = "sghmc"\n[compress]\nlearning_rate = 0.1': "compress.learning_rate is 0.1; it must be left out",
    "[compress]\nweight_decay = 0.1": "compress.weight_decay is 0.1; it must be 0 where inference.method is 'mean_field'",
    '[form]\nmember_weights = "int5"': "form.member_weights is 'int5'; it must be 'float32', 'bfloat16', 'int8'",
    "[abstain]\ntolerance = inf": "abstain.tolerance is inf",
    "[compress]\npolicy = 3": "compress.policy is 3; it must be a table",
    '[compress]\npolicy = "nowhere.toml"': "compress.policy names 'nowhere.toml', which cannot be read",
    "[compress.policy.default]\nsparsity = 2": "compress.policy is wrong: sparsity is 2",
    "[compress.policy.default]\nsparse = 1": "compress.policy is wrong: default has an unknown key 'sparse'",
    "[form]\nmembers = 1": "form.members is 1; it must be a whole number, at least 2",
    "[form]\ncalibrate = -1": "form.calibrate is -1; it must be a whole number, at least 0",
    '[form]\nname = "soup"': "form.name is 'soup'; it must be 'point', 'ensemble', 'propagated' or 'stochastic'",
    '[form]\nname = "stochastic"\n[inference]\nmethod = "sghmc"': "form.name is 'stochastic'; it must be another form where",
    '[evaluate]\nforms = ["stochastic"]\n[inference]\nmethod = "hmc"': "evaluate.forms is ['stochastic']; it must be",
    '[form]\nname = "ensemble"\n[inference]\nmethod = "point"': "form.name is 'ensemble'; it must be 'point' where",
    "[abstain]\nerror_rate = 2": "abstain.error_rate is 2.0; it must be between 0 and 1",
    "[evaluate]\nsparsities = [1.0]": "evaluate.sparsities is [1.0]",
    "[evaluate]\nlevels = [nan]": "evaluate.levels is [nan]",
    "[measure]\nbatches = []": "measure.batches is []",
    "[data]\nhold_out = ['eight']": "data.hold_out.0 is 'eight'",
    "[data]\nvalidation = 2024-01-01": "data.validation is '2024-01-01'",
    "[network]\noptions = 3": "network.options is 3",
}


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_in_one_sentence(text):
    with pytest.raises(RecipeError) as failure:
        parse(tomllib.loads(text))
    assert str(failure.value).startswith(WRONG[text])
    assert "\n" not in str(failure.value)


RIGHT = [
    "",
    "seed = 3\ntemperature = 0.5",
    '[inference]\nmethod = "point"',
    '[inference]\nkl = "closed_form"\nprior = { name = "normal", std = 2 }',
    "[data]\nvalidation = 100\ncalibration = 0.2\nhold_out = [8, 9]",
    '[network]\nname = "file.py:Net"\noptions = { hidden = [3, 4], "a b" = true }',
    '[compress.policy.default]\nsparsity = 0.5\n[compress.policy.layers."conv*"]\nsaliency = "magnitude"',
    "[abstain]\nerror_rate = 0.01",
]


@pytest.mark.parametrize("text", RIGHT, ids=range(len(RIGHT)))
def test_a_recipe_that_is_written_is_read_back(text):
    recipe = parse(tomllib.loads(text))
    assert parse(tomllib.loads(to_toml(recipe))) == recipe


def test_nothing_is_all_defaults():
    assert parse({}) == Recipe()


def test_tables_choose_their_kind():
    assert parse({"inference": {"method": "point"}}).inference == Point()
    assert parse({"inference": {"prior": {"name": "normal"}}}).inference == MeanField(prior=NormalPrior())


def test_what_predicts_follows_inference_unless_it_is_said():
    assert parse({}).predicts == "ensemble"
    assert parse({"inference": {"method": "point"}}).predicts == "point"
    assert parse({"form": {"name": "point"}}).predicts == "point"


def test_files_that_a_recipe_names_lie_beside_it(tmp_path):
    (tmp_path / "policy.toml").write_text("[default]\nsparsity = 0.25\n")
    (tmp_path / "recipe.toml").write_text(
        '[data]\nfolder = "data"\n[network]\nweights = "../net.safetensors"\n'
        '[compress]\npolicy = "policy.toml"\nmasks = "own.safetensors"\n'
    )
    recipe = read(tmp_path / "recipe.toml")
    assert recipe.compress.policy == Policy(Choice(sparsity=0.25))
    assert recipe.compress.masks == str(tmp_path / "own.safetensors")
    assert recipe.data.folder == str(tmp_path / "data")
    assert recipe.network.weights == str(tmp_path.parent / "net.safetensors")
    assert parse(tomllib.loads(to_toml(recipe))) == recipe


def test_file_names_are_relative_to_the_recipe_and_absolute_in_the_run(tmp_path, monkeypatch):
    (tmp_path / "recipe.toml").write_text('[data]\nfolder = "data"\n')
    monkeypatch.chdir(tmp_path.parent)
    assert read(Path(tmp_path.name) / "recipe.toml").data.folder == str(tmp_path / "data")


def test_a_function_in_a_file_lies_beside_the_recipe_and_one_in_a_module_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "own.toml").write_text('[data]\nname = "own/sets.py:birds"\n[network]\nname = "../nets.py:Net.small"\n')
    (tmp_path / "module.toml").write_text('[data]\nname = "own.sets:birds"\n[network]\nname = "lenet-5"\n')
    monkeypatch.chdir(tmp_path.parent)
    own, module = (read(Path(tmp_path.name) / f"{name}.toml") for name in ("own", "module"))
    assert own.data.name == f"{tmp_path / 'own' / 'sets.py'}:birds"
    assert own.network.name == f"{tmp_path.parent / 'nets.py'}:Net.small"
    assert (module.data.name, module.network.name) == ("own.sets:birds", "lenet-5")


@pytest.mark.parametrize(("content", "match"), [(None, "there is no recipe"), (b"a =", "TOML"), (b"\xff", "TOML")])
def test_a_file_that_is_no_recipe_is_refused(content, match, tmp_path):
    if content is not None:
        (tmp_path / "recipe.toml").write_bytes(content)
    with pytest.raises(RecipeError, match=match):
        read(tmp_path / "recipe.toml")
