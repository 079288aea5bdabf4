import json

import pytest
from safetensors.torch import load_file, save_file

from bitsback.posterior import store
from tests.posterior.pyro_models import saved, trained

HIDDEN = ("--set", "network.options.hidden=[12]", "--set", "data.limit=400")


@pytest.fixture
def posterior(whole_run, tmp_path):
    marginals = store.load(whole_run.file("posterior")).posterior.marginals()
    path = tmp_path / "posterior.safetensors"
    means = {f"mean.{name}": each.mean for name, each in marginals.items()}
    save_file(means | {f"std.{name}": each.var.sqrt() for name, each in marginals.items()}, path)
    return path


def test_every_later_command_takes_what_was_imported(call, posterior):
    said = json.loads(call("import", "run", "--posterior", posterior, *HIDDEN, "--json").out)
    assert (said["run"], said["source"], said["random"]) == ("run", "means and standard deviations", said["parameters"])
    assert said["warnings"] == []
    again = call("import", "run", "--json")
    assert json.loads(again.out) == said
    assert json.loads(call("fit", "run", "--json").out) == said
    assert call("compress", "run", "--sparsity", "0.5").code == 0
    assert call("evaluate", "run", "--set", "evaluate.levels=[]", "--set", "evaluate.sparsities=[]").code == 0
    assert call("pack", "run", "--form", "propagated").code == 0
    assert call("check-moments", "run", "--draws", "20").code == 0
    inspected = call("inspect", "run/model.bitsback").out
    assert "imported from posterior.safetensors" in inspected
    assert "temperature" not in inspected


def test_what_is_left_to_the_network_is_told(call, posterior, tmp_path):
    content = load_file(posterior)
    save_file({name: value for name, value in content.items() if ".3." in name}, tmp_path / "some.safetensors")
    result = call("import", "run", "--posterior", "some.safetensors", *HIDDEN)
    assert result.code == 0
    assert "warning: the posterior says nothing of 780 parameters (1.weight, 1.bias)" in result.err
    assert "104 parameters with a distribution, and as points 780 of the network's own" in result.out


def test_names_are_given(call, posterior, tmp_path):
    content = load_file(posterior)
    save_file({name.replace("3.weight", "last"): value for name, value in content.items()}, tmp_path / "p.safetensors")
    refused = call("import", "run", "--posterior", "p.safetensors", *HIDDEN)
    assert refused.code == 2
    assert "'last' of the posterior is no param of the network" in refused.err
    assert not (tmp_path / "run").exists()
    assert call("import", "run", "--posterior", "p.safetensors", "--name", "last=3.weight", *HIDDEN).code == 0
    assert "--name 'last' is not of the form SITE=PARAM" in call("import", "run", "--name", "last").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "inference.posterior is missing"),
        (("--posterior", "none.pt"), "there is no posterior at"),
        (("--posterior", "store.pt"), "of the posterior is no param of the network"),
    ],
)
def test_what_cannot_be_imported_is_one_line_and_nothing_is_written(call, tmp_path, words, said):
    from pyro.infer.autoguide import AutoNormal

    trained(AutoNormal)
    saved(tmp_path / "store.pt")
    result = call("import", "run", *words, *HIDDEN)
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_recipe_s_way_of_fitting_is_left_behind(call, copied_run, posterior):
    result = call("import", copied_run.path, "--posterior", posterior)
    assert result.code == 2
    assert "holds a run with temperature" not in result.err
    assert call("import", copied_run.path, "--posterior", posterior, "--fresh").code == 0
    assert not copied_run.has("compressed")
