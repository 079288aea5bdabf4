import pytest
import torch
from safetensors.torch import save_file

from bitsback.errors import BitsbackError, RecipeError, RunError
from bitsback.posterior import store
from bitsback.recipe.text import parse, to_toml
from bitsback.run.chain import chain
from bitsback.run.fit import dense, fit
from bitsback.run.folder import open_run
from bitsback.run.materials import gather
from bitsback.run.watcher import Watcher
from tests.run.tiny import CONTENT, REGRESSION


def recipe(path, content=CONTENT, **asked):
    kept = {key: value for key, value in content.items() if key != "fit"}
    return parse({**kept, "inference": {"method": "imported", "posterior": str(path), **asked}})


@pytest.fixture(scope="module")
def file(whole_run, tmp_path_factory):
    """The posterior of a whole run under other names, in a file."""
    posterior = store.load(whole_run.file("posterior")).posterior
    path = tmp_path_factory.mktemp("elsewhere") / "posterior.safetensors"
    means = {f"mean.net.{name}": each.mean for name, each in posterior.marginals().items()}
    save_file(means | {f"std.net.{name}": each.var.sqrt() for name, each in posterior.marginals().items()}, path)
    return path


@pytest.fixture(scope="module")
def imported(file, tmp_path_factory):
    """A whole run of what is in the file; no test changes it."""
    run, packed = chain(tmp_path_factory.mktemp("run") / "run", recipe(file), Watcher(), command="bitsback import")
    assert packed.bytes > 0
    return run


def test_what_was_fitted_here_and_went_elsewhere_comes_back_the_same(imported, whole_run):
    there, back = (dense(each, gather(parse(CONTENT))) for each in (whole_run, imported))
    for name, marginal in there.posterior.marginals().items():
        assert marginal.mean.equal(back.posterior.marginals()[name].mean)
        assert marginal.var.equal(back.posterior.marginals()[name].var)
    figures = {
        each.path: {
            (row.what, row.of["stage"], row.of["form"]): row.value
            for row in each.rows()
            if row.what in {"accuracy", "nll"} and "perturbation" not in row.of and "sparsity" not in row.of
        }
        for each in (whole_run, imported)
    }
    assert figures[imported.path]
    assert figures[imported.path] == pytest.approx(figures[whole_run.path], rel=1e-6)


def test_nothing_claims_a_training_that_was_not(file, imported):
    written = imported.file("recipe").read_text()
    assert "epochs" not in written.replace("fine_tune_epochs", "")
    assert "temperature" not in written
    whats = {row.what for row in imported.rows()}
    assert not whats & {"loss_curve", "epoch_seconds", "kl", "temperature", "prior_density"}
    page = imported.file("report").read_text()
    assert "nothing was fitted here" in page
    assert "How the fit went" not in page
    assert "Training in numbers" not in page
    assert file.name in page
    assert str(file.parent) not in imported.file("model").read_bytes().decode("latin-1")


def test_a_recipe_of_it_is_read_back(file):
    asked = recipe(file, names={"sigma": ""}, sites=["a", "b"], noise=2.0)
    assert parse({"inference": {"method": "imported", "posterior": "p.pt"}}).predicts == "ensemble"
    import tomllib

    assert parse(tomllib.loads(to_toml(asked))) == asked


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"fit": {"epochs": 3}}, "fit.epochs is 3; it must be left out where inference.method is 'imported'"),
        ({"temperature": 0.5}, "temperature is 0.5; it must be left out"),
        ({"compress": {"fine_tune_epochs": 1}}, "compress.fine_tune_epochs is 1; it must be 0"),
        ({"inference": {"method": "imported"}}, "inference.posterior is missing"),
        ({"inference": {"method": "imported", "posterior": "p", "noise": 0.0}}, "inference.noise is 0.0"),
        ({"inference": {"method": "imported", "posterior": "p", "prior": {}}}, "inference.prior"),
    ],
)
def test_what_would_say_how_it_was_fitted_is_refused(more, said):
    with pytest.raises(RecipeError, match=said):
        parse({"inference": {"method": "imported", "posterior": "p.pt"}, **more})


def test_where_it_does_not_fit_nothing_is_written(file, tmp_path):
    other = {**CONTENT, "network": {"name": "mlp", "options": {"hidden": [13]}}}
    for asked in (
        recipe(file, other),
        recipe(tmp_path / "none.pt"),
        recipe(file, names={"x": "y"}),
        recipe(file, noise=1.0),
    ):
        with pytest.raises(BitsbackError):
            fit(tmp_path / "run", asked, Watcher(), command="bitsback import")
        assert not (tmp_path / "run").exists()


def test_a_file_that_changed_is_noticed_and_one_that_went_away_is_not_needed(file, tmp_path):
    moved = tmp_path / "posterior.safetensors"
    moved.write_bytes(file.read_bytes())
    run, _, _ = fit(tmp_path / "run", recipe(moved), Watcher(), command="bitsback import")
    fit(tmp_path / "run", recipe(moved), Watcher(), command="bitsback import")
    from safetensors.torch import load_file

    content = load_file(moved)
    save_file({**content, "mean.net.1.bias": content["mean.net.1.bias"] + 1}, moved)
    before = run.file("posterior").read_bytes()
    with pytest.raises(RunError, match=r"is not what .* was made of"):
        fit(tmp_path / "run", recipe(moved), Watcher(), command="bitsback import")
    assert run.file("posterior").read_bytes() == before
    fit(tmp_path / "run", recipe(moved), Watcher(), command="bitsback import", fresh=True)
    assert run.file("posterior").read_bytes() != before
    moved.unlink()
    assert fit(tmp_path / "run", recipe(moved), Watcher(), command="bitsback import")[2].posterior.marginals()


def test_a_regression_needs_its_noise(tmp_path):
    path = tmp_path / "p.safetensors"
    params = gather(parse(REGRESSION)).traces.evaluation.params
    save_file({f"mean.{n}": v for n, v in params.items()} | {f"std.{n}": v * 0 + 0.1 for n, v in params.items()}, path)
    content = {key: value for key, value in REGRESSION.items() if key != "inference"}
    with pytest.raises(RecipeError, match="noise is missing: 'diabetes' is a regression"):
        fit(tmp_path / "run", recipe(path, content), Watcher(), command="bitsback import")
    _, materials, fitted = fit(
        tmp_path / "run", recipe(path, content, noise=50.0), Watcher(), command="bitsback import"
    )
    std = torch.tensor(materials.data.target_normalization.std)
    torch.testing.assert_close(torch.exp(fitted.units.log_noise) * std, torch.tensor([50.0]))


def test_what_keeps_its_own_values_has_no_distribution_in_what_comes_after(file, tmp_path):
    from safetensors.torch import load_file

    path, content = tmp_path / "some.safetensors", load_file(file)
    save_file({name: value for name, value in content.items() if ".3." in name}, path)
    last = {name.removeprefix("mean.net.") for name in content if name.startswith("mean.") and ".3." in name}
    assert last
    run, _, fitted = fit(tmp_path / "run", recipe(path), Watcher(), command="bitsback import")
    assert set(fitted.posterior.marginals()) == set(fitted.network.bayesian) == last
    row = next(row for row in open_run(run.path).rows() if row.what == "imported_parameters")
    assert (row.value, row.of["own"]) == (fitted.parameters - fitted.deterministic, fitted.deterministic)
    assert "1.weight" in str(row.of["own_names"])
