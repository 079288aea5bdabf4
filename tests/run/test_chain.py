import numpy as np
import pytest
import torch

from bitsback.artifact.container import read
from bitsback.errors import RunError
from bitsback.measure.journal import latest
from bitsback.recipe.text import parse
from bitsback.report.evidence import outsiders
from bitsback.report.quantity import quantity
from bitsback.report.sections import sections
from bitsback.run.chain import chain
from bitsback.run.evaluate import variants
from bitsback.run.fit import recipe_of
from bitsback.run.materials import gather
from bitsback.run.pack import pack
from bitsback.run.programs import make
from bitsback.run.sweep import answer
from bitsback.run.watcher import Watcher
from bitsback.runtime.predictor import load
from tests.run.tiny import CONTENT, REGRESSION

PARTS = ("recipe", "posterior", "compressed", "policy", "model", "dense", "journal", "report")
VALUES = {
    *("accuracy", "nll", "brier", "ece", "ood_auroc_total", "ood_auroc_knowledge", "aurc_total", "confident_errors"),
    *("misclassification_auroc_total", "misclassification_auroc_knowledge", "coverage", "selective_error"),
    "ood_declined",
    *("latency", "file_bytes", "parameters", "kept_parameters", "deterministic_parameters"),
    *("temperature", "kl", "epoch_seconds"),
}
SERIES = {
    *("loss_curve", "reliability", "risk_coverage", "uncertainty_histogram", "weight_histogram", "snr_histogram"),
    *("layers", "prior_density", "examples"),
}


def test_a_run_leaves_everything_in_its_folder(whole_run):
    assert all(whole_run.has(part) for part in PARTS)
    assert not whole_run.has("checkpoint")
    assert recipe_of(whole_run) == parse(CONTENT)


def test_the_journal_has_every_figure_and_says_of_what(whole_run):
    rows = whole_run.rows()
    assert {row.what for row in rows if row.series is None} >= VALUES
    assert {row.what for row in rows if row.series is not None} == SERIES
    assert all(row.of["stage"] in {"dense", "compressed"} for row in rows)
    assert all(row.of["form"] in {"point", "ensemble"} for row in rows)
    assert {row.of.get("perturbation") for row in rows} == {None, "noise", "fgsm", "pgd"}
    assert {row.of["sparsity"] for row in rows if row.of.get("sweep")} == {0.0, 0.5}
    assert {row.command for row in rows} == {"bitsback run tiny.toml"}


def test_every_figure_has_a_name_for_readers_and_the_strange_inputs_have_theirs(whole_run):
    rows = whole_run.rows()
    assert not {row.what for row in rows if row.series is None and quantity(row.what).name == row.what}
    assert outsiders(rows) == gather(recipe_of(whole_run)).data.out_of_distribution_name


def test_the_report_has_no_empty_section(whole_run):
    empty = [section.key for section in sections(latest(whole_run.rows())) if section.empty or section.missing]
    assert not empty


def test_every_program_answers_as_its_members_one_by_one_in_pytorch(whole_run):
    materials = gather(recipe_of(whole_run))
    inputs = materials.data.test.inputs[:50]
    for variant in variants(whole_run, materials):
        found = make(whole_run, variant, materials.data).predictor().predict(inputs)
        expected = answer(variant, inputs)
        for name in ("mean", "total", "data", "knowledge"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-3, atol=1e-5)


def test_every_perturbation_begins_at_the_same_inputs_unperturbed(whole_run):
    begin = [row for row in whole_run.rows() if row.of.get("level") == 0.0 and row.what == "accuracy"]
    assert {row.of["perturbation"] for row in begin} == {"noise", "fgsm", "pgd"}
    data = gather(recipe_of(whole_run)).data
    first = CONTENT["evaluate"]["perturbed"]
    right = load(whole_run.file("model")).predict(data.test.inputs[:first]).mean.argmax(axis=1)
    shipped = {row.value for row in begin if row.of["stage"] == "compressed"}
    assert shipped == {float((right == data.test.targets[:first]).mean())}


def test_what_was_evaluated_is_what_ships(whole_run):
    model = load(whole_run.file("model"))
    data = gather(recipe_of(whole_run)).data
    prediction = model.predict(data.test.inputs)
    accuracy = float((prediction.mean.argmax(axis=1) == data.test.targets).mean())
    said = {row["what"]: row["value"] for row in model.manifest.measurements}
    assert said["accuracy"] == accuracy
    assert said["coverage"] == 1 - prediction.abstain.mean()
    program = model.manifest.recipe["program"]
    journal = [row for row in whole_run.rows() if row.what == "accuracy" and row.of.get("program") == program]
    assert {row.value for row in journal if "perturbation" not in row.of} == {accuracy}


def test_the_manifest_says_how_it_was_made_but_not_where_the_data_lie(whole_run):
    manifest = load(whole_run.file("model")).manifest
    assert manifest.form == "ensemble"
    assert manifest.members == 3
    assert manifest.input.white == 16.0
    assert manifest.recipe["fit"]["epochs"] == CONTENT["fit"]["epochs"]
    assert manifest.recipe["data"]["folder"] is None
    assert manifest.abstain is not None


def test_half_of_the_weights_are_not_in_the_file(whole_run):
    dense, model = (read(whole_run.file(name)) for name in ("dense", "model"))
    assert dense.manifest.form == "point"
    assert {each.encoding for each in dense.manifest.tensors} == {"dense"}
    packed = [each for each in model.manifest.tensors if each.encoding == "bitmap"]
    weights = sum(int((model.weights[each.name] != 0).sum()) for each in packed)
    assert weights == pytest.approx(0.5 * sum(each.count for each in packed), abs=3)


def test_the_same_run_again_trains_nothing(copied_run):
    before = copied_run.file("posterior").read_bytes()
    steps: list[object] = []
    chain(copied_run.path, parse(CONTENT), Watcher(watch=steps.append), command="again")
    assert copied_run.file("posterior").read_bytes() == before
    assert not steps


def test_a_regression_goes_the_same_way(tmp_path):
    run, packed = chain(tmp_path / "run", parse(REGRESSION), Watcher(), command="test")
    assert "tolerance" in packed.decision.reason
    rows = {row.what for row in run.rows() if row.value is not None}
    assert {"mae", "rmse", "nll", "latency", "interval_coverage_90"} <= rows
    model = load(run.file("model"))
    data = gather(recipe_of(run)).data
    error = model.predict(data.test.inputs).mean - data.test.targets
    assert np.abs(error).mean() < 3 * data.test.targets.std()
    assert torch.get_default_dtype() == torch.float32
    assert not [section.key for section in sections(latest(run.rows())) if section.empty and section.key != "examples"]


@pytest.mark.parametrize("part", ["compressed", "posterior"])
def test_a_missing_part_names_the_command_that_makes_it(copied_run, part):
    copied_run.file(part).unlink()
    with pytest.raises(RunError, match=f"bitsback {'fit' if part == 'posterior' else 'compress'} "):
        pack(copied_run, gather(recipe_of(copied_run)))


def test_a_run_ships_the_propagated_form(tmp_path):
    content = {
        **CONTENT,
        "form": {"name": "propagated"},
        "evaluate": {"sparsities": [0.5], "levels": [0.5], "perturbed": 5},
    }
    run, packed = chain(tmp_path / "run", parse(content), Watcher(), command="bitsback run tiny.toml")
    assert packed.evaluated
    assert read(run.file("model")).manifest.form == "propagated"
    rows = {(row.what, row.of.get("stage"), row.of.get("form")) for row in run.rows()}
    for form in ("point", "ensemble", "propagated"):
        assert {("nll", "dense", form), ("nll", "compressed", form), ("latency", "compressed", form)} <= rows
    assert {row.of.get("points") for row in run.rows() if row.of.get("form") == "propagated" and row.what == "nll"} >= {
        128
    }
