import json
from dataclasses import asdict
from pathlib import Path

import pytest

from bitsback.run.fit import recipe_of
from tests.run.tiny import CONTENT

SETTINGS = [
    *("--set", "data.limit=200", "--set", "network.options.hidden=[8]", "--set", "fit.batch=40"),
    *("--set", "data.calibration=0.2"),
]


def test_commands_chain_through_the_run_folder(call):
    said = json.loads(call("fit", "run", "--epochs", "3", *SETTINGS, "--json").out)
    assert said["epochs"] == 3
    assert said["run"] == "run"
    said = json.loads(call("compress", "run", "--sparsity", "0.75", "--json").out)
    assert said["sparsity"] == pytest.approx(0.75, abs=1e-3)
    assert said["kept"] < said["parameters"]
    said = json.loads(call("pack", "run", "--form", "point", "--json").out)
    assert said["bytes"] > 0
    assert "was not evaluated" in call("pack", "run").out
    measured = json.loads(call("measure", "run", "--repeats", "3", "--json").out)["measurements"]
    assert {(row["of"]["stage"], row["of"]["form"]) for row in measured} >= {
        ("dense", "point"),
        ("compressed", "point"),
    }
    again = call("fit", "run", "--json")
    assert json.loads(again.out)["epochs"] == 3


def test_what_is_packed_is_what_is_evaluated_next(call, copied_run):
    run = copied_run.path
    plain = json.loads(call("pack", run, "--json").out)
    assert plain["evaluated"]
    kept = plain["abstain"]
    assert (kept["error_rate"], kept["confidence"]) == (0.3, 0.8)
    assert 0 < kept["accepted"] <= kept["calibration"]
    assert "with confidence 0.8 at most 30 % of its answers are wrong" in call("pack", run).out
    result = call("pack", run, "--members", "2")
    assert f"run `bitsback evaluate {run}` and then `bitsback pack {run} --members 2` again" in result.out
    assert not json.loads(call("pack", run, "--json").out)["evaluated"]
    quick = ["--set", "evaluate.levels=[]", "--set", "evaluate.sparsities=[]"]
    assert call("evaluate", run, "--seed", "0", "--set", "form.member_weights='int8'", *quick).code == 0
    assert json.loads(call("pack", run, "--json").out)["evaluated"]
    assert recipe_of(copied_run).form.member_weights == "int8"  # what was set to evaluate stays set


def test_a_setting_of_another_form_is_refused_and_not_left_out(call, copied_run):
    run, packed = copied_run.path, copied_run.file("model").read_bytes()
    for words, said in (
        (
            ["--form", "point", "--members", "2"],
            "form.members says nothing of the point form, which predicts here; it is of the ",
        ),
        (["--form", "propagated", "--set", "form.layout='swapped'"], "form.layout says nothing of the propagated form"),
        (["--set", "form.points=10"], "form.points says nothing of the ensemble form"),
    ):
        result = call("pack", run, *words)
        assert result.code == 2
        assert said in result.err
    assert copied_run.file("model").read_bytes() == packed


def test_a_run_is_started_over_only_when_asked(call, copied_run):
    run = copied_run.path
    (run / "notes.txt").write_text("mine")
    before = copied_run.file("posterior").read_bytes()
    assert call("fit", run, "--epochs", "2").code == 2
    assert copied_run.file("posterior").read_bytes() == before
    assert json.loads(call("fit", run, "--epochs", "2", "--fresh", "--json").out)["epochs"] == 2
    assert not copied_run.has("compressed")
    assert {row.command for row in copied_run.rows()} == {f"bitsback fit {run} --epochs 2 --fresh --json"}
    assert (run / "notes.txt").read_text() == "mine"
    assert (
        call("evaluate", run).err
        == f"error: {run} has no compressed.safetensors; `bitsback compress {run}` makes it, with --sparsity 0 as it is\n"
    )


def test_the_default_folder_is_named_after_the_data(call, tmp_path):
    assert call("fit", "--epochs", "1", *SETTINGS).code == 0
    assert (tmp_path / "runs" / "digits" / "posterior.safetensors").exists()


def test_a_recipe_is_run_to_its_end(call, whole_run, tmp_path):
    from bitsback.recipe.text import parse, to_toml

    quick = {
        **CONTENT,
        "fit": {"epochs": 2},
        "inference": {"method": "point"},
        "form": {},
        "compress": {"policy": {"default": {"saliency": "magnitude"}}},
        "evaluate": {"sparsities": [], "levels": []},
    }
    (tmp_path / "quick.toml").write_text(to_toml(parse({key: quick[key] for key in quick if key != "abstain"})))
    result = call("run", "quick.toml", "--json")
    assert result.code == 0
    assert (tmp_path / "runs" / "quick" / "report.html").exists()
    assert {row["what"] for row in json.loads(result.out)["measurements"]} >= {"accuracy", "latency", "file_bytes"}


def test_what_is_typed_is_relative_to_the_working_folder_whatever_recipe_it_changes(tmp_path, monkeypatch):
    from bitsback.cli.options import content_of, recipe_from

    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "own.toml").write_text('[data]\nname = "own.py:data"\n[network]\nname = "own.py:Net"\n')
    monkeypatch.chdir(tmp_path)
    content = content_of(Path("there/own.toml"))
    as_it_is = recipe_from(content, {"network.name": None}, None)
    assert as_it_is.network.name == f"{tmp_path / 'there' / 'own.py'}:Net"
    changed = recipe_from(content, {"network.name": "own.py:Net"}, ["data.name=own.py:data"])
    assert changed.network.name == f"{tmp_path / 'own.py'}:Net"
    assert changed.data.name == f"{tmp_path / 'own.py'}:data"


def test_settings_take_words_numbers_and_lists():
    from bitsback.cli.options import recipe_from

    recipe = recipe_from(
        {}, {"seed": 2, "fit.epochs": None}, ["network.name=lenet-5", "data.hold_out=[1]", "fit.batch=7"]
    )
    assert (recipe.seed, recipe.network.name, recipe.data.hold_out, recipe.fit.batch) == (2, "lenet-5", (1,), 7)


@pytest.mark.parametrize("order", [1, -1])
def test_another_kind_of_inference_or_prior_begins_anew(order):
    from bitsback.cli.options import recipe_from
    from bitsback.recipe.inference import MeanField, MixturePrior, NormalPrior, Point

    content = {"inference": asdict(MeanField(std_rate=7.0, prior=MixturePrior(pi=0.25)))}

    def inference(*settings):
        return recipe_from(content, {}, settings[::order]).inference

    assert inference("inference.method=point") == Point()
    assert inference("inference.method=mean_field") == MeanField(std_rate=7.0, prior=MixturePrior(pi=0.25))
    assert inference("inference.prior.std=2.0", "inference.prior.name=normal").prior == NormalPrior(std=2.0)
    assert inference("inference.prior.pi=0.75").prior == MixturePrior(pi=0.75)
    content = {"inference": asdict(Point())}
    assert inference("inference.method=mean_field", "inference.prior.name=normal").prior == NormalPrior()
