import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bitsback.artifact.container import read, write
from bitsback.cli import _plain_prediction
from bitsback.report.evidence import newest
from tests.artifact import golden
from tests.given.files import digits_like, write_idx_set

WITHOUT_TORCH = """
import sys
from bitsback.cli import main
run, samples = sys.argv[1:]
for words in (
    ["predict", f"{run}/model.bitsback", samples],
    ["predict", f"{run}/model.bitsback", samples, "--threads", "2"],
    ["inspect", f"{run}/model.bitsback"],
    ["inspect", run],
    ["measure", run, "--repeats", "2"],
    ["report", run],
):
    try:
        main(words)
    except SystemExit as leaving:
        assert not leaving.code, words
loaded = {"torch", "onnx", "safetensors", "sklearn"} & set(sys.modules)
assert not loaded, loaded
"""


@pytest.fixture
def samples(tmp_path, whole_run):
    from bitsback.run.fit import recipe_of
    from bitsback.run.materials import load_data

    data = load_data(recipe_of(whole_run))
    both = np.concatenate([data.test.inputs[:20], data.out_of_distribution[:20]])
    np.save(tmp_path / "samples.npy", both)
    np.savetxt(tmp_path / "samples.csv", both.reshape(len(both), -1), delimiter=",")
    return tmp_path / "samples.npy"


def test_predictions_are_a_table_and_the_same_in_json(call, whole_run, samples):
    model = whole_run.file("model")
    lines = call("predict", model, samples).out.splitlines()
    assert lines[0].split() == ["input", "class", "probability", "total", "data", "knowledge"]
    answers = json.loads(call("predict", model, samples, "--json").out)
    assert len(lines) == 1 + len(answers) == 41
    for line, answer in zip(lines[1:], answers, strict=True):
        assert ("I don't know" in line) == answer["abstain"]
        assert answer["label"] in line
        assert f"{answer['probability']:.1%}" in line
        assert line.split()[-3:] == [f"{answer[name]:.4g}" for name in ("total", "data", "knowledge")]
    assert {answer["abstain"] for answer in answers} == {True, False}


def test_files_of_every_kind_give_the_same_answers(call, whole_run, samples):
    model = whole_run.file("model")
    first, second = (
        json.loads(call("predict", model, path, "--json").out) for path in (samples, samples.with_suffix(".csv"))
    )
    strip = [{key: value for key, value in answer.items() if key != "file"} for answer in first]
    assert strip == [{key: value for key, value in answer.items() if key != "file"} for answer in second]


def test_this_machine_is_named_as_elsewhere(call, whole_run, samples):
    words = ["predict", whole_run.file("model"), samples, "--json"]
    assert call(*words, "--device", "cpu") == call(*words)


@pytest.mark.parametrize("json_words", [[], ["--json"]])
def test_the_short_way_and_the_parser_say_the_same(call, whole_run, samples, json_words):
    plain = ["predict", str(whole_run.file("model")), str(samples), *json_words]
    parsed = [*plain, "--threads", "1"]
    assert _plain_prediction(plain)
    assert not _plain_prediction(parsed)
    assert call(*plain) == call(*parsed)


@pytest.mark.parametrize(
    "words", [["predict"], ["predict", "m"], ["predict", "--help"], ["predict", "m", "--json"], ["fit", "m", "x"]]
)
def test_what_is_not_plain_is_left_to_the_parser(words):
    assert not _plain_prediction(words)


def test_a_file_and_a_run_are_inspected(call, whole_run):
    said = json.loads(call("inspect", whole_run.file("model"), "--json").out)
    assert said["form"] == "ensemble"
    assert said["bytes"] == whole_run.file("model").stat().st_size
    promised = "with confidence 0.8 at most 30 % of its answers are wrong"
    assert promised in call("inspect", whole_run.file("model")).out.replace("\n", " ")
    assert promised in " ".join(call("inspect", whole_run.path).out.split())
    assert "at temperature T = 1\n" in call("inspect", whole_run.file("model")).out
    assert "promise    none" in call("inspect", whole_run.file("dense")).out
    said = json.loads(call("inspect", whole_run.path, "--json").out)
    assert "model.bitsback" in said["files"]
    assert "Quality on the test split" in call("inspect", whole_run.path).out


@pytest.mark.parametrize("odd", [{"of": 5}, {"of": ["beside"]}, {"of": {}, "device": ["a", "list"]}])
def test_a_strangers_measurements_may_hold_anything_else(call, tmp_path, odd):
    found = golden.artifact()
    rows = ({"what": "latency", "value": 1.0, "unit": "s", **odd},)
    write(tmp_path / "odd.bitsback", replace(found, manifest=replace(found.manifest, measurements=rows)))
    assert "  Latency " in call("inspect", tmp_path / "odd.bitsback").out


def test_a_report_of_a_journal_that_is_cut_off_says_so_and_shows_the_rest(call, copied_run):
    journal, page = copied_run.file("journal"), copied_run.file("report")
    whole = journal.read_bytes()
    count = len(whole.splitlines())
    journal.write_bytes(whole[:-20])
    page.unlink()
    result = call("report", copied_run.path, "--json")
    said = f"line {count} of {journal} is cut off and was left out"
    assert (result.code, result.err) == (0, f"warning: {said}\n")
    assert json.loads(result.out) == {"report": str(page), "warnings": [said]}
    assert page.exists()
    before = page.read_bytes()
    journal.write_bytes(whole[:50])
    result = call("report", copied_run.path)
    assert (result.code, result.out) == (2, "")
    assert "holds no whole row: line 1 is cut off" in result.err
    assert page.read_bytes() == before


def test_files_that_are_not_here_are_looked_for_in_the_data_folder(call, whole_run, samples, tmp_path):
    (tmp_path / "else").mkdir()
    samples.rename(tmp_path / "else" / "samples.npy")
    model = whole_run.file("model")
    assert "there is no file samples.npy" in call("predict", model, "samples.npy").err
    said = json.loads(call("predict", model, "samples.npy", "--data", "else", "--json").out)
    assert {answer["file"] for answer in said} == {"else/samples.npy"}


@pytest.mark.parametrize(
    "words", [["predict", "MODEL", "SAMPLES"], ["inspect", "MODEL"], ["inspect", "RUN"], ["report", "RUN"]]
)
def test_the_seed_is_checked_where_nothing_is_drawn(call, copied_run, samples, words):
    names = {"MODEL": copied_run.file("model"), "RUN": copied_run.path, "SAMPLES": samples}
    given = [names.get(word, word) for word in words]
    assert call(*given, "--seed", "0").code == 0
    result = call(*given, "--seed", "3")
    assert (result.code, result.out) == (2, "")
    assert "was made with seed = 0 and not 3" in result.err


def test_data_are_checked_against_what_was_made_of_them(call, copied_run, tmp_path):
    write_idx_set(tmp_path / "others", train=digits_like(60))
    for path in (copied_run.path, copied_run.file("model")):
        assert json.loads(call("inspect", path, "--data", "digits", "--json").out)["fits"] == "digits"
    assert call("report", copied_run.path, "--data", "digits").code == 0
    assert "lie in no folder" in call("report", copied_run.path, "--data", ".").err
    assert (
        "fitted to other data ('digits') than these ('others')"
        in call("report", copied_run.path, "--data", "others").err
    )
    assert "does not fit the data 'others'" in call("inspect", copied_run.file("model"), "--data", "others").err
    assert "nowhere" in call("inspect", copied_run.path, "--data", "nowhere").err


def test_a_strangers_file_calls_no_function_for_its_data(call, copied_run, tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemExit(9)")
    found = read(copied_run.file("model"))
    recipe = {**found.manifest.recipe, "data": {"name": "trap.py:data"}}
    write("strange.bitsback", replace(found, manifest=replace(found.manifest, recipe=recipe)))
    write_idx_set(tmp_path / "others", train=digits_like(60))
    assert "does not fit the data 'others'" in call("inspect", "strange.bitsback", "--data", "others").err


def test_what_it_is_timed_with_can_be_chosen(call, copied_run):
    words = ["measure", copied_run.path, "--repeats", "2", "--json"]
    for more in (["--seed", "5"], ["--data", "digits", "--seed", "5"], ["--data", "digits", "--batch", "5000"]):
        assert json.loads(call(*words, *more).out)["measurements"]
    assert {row.seed for row in copied_run.rows() if row.what == "latency"} == {0, 5}


def test_values_on_another_scale_are_told_once(call, whole_run, samples):
    model = whole_run.file("model")
    np.save("scaled.npy", np.load(samples) / 16)
    result = call("predict", model, "scaled.npy", "scaled.npy", samples, "--json")
    assert result.err.count("warning: in scaled.npy") == 1
    assert len(result.err.splitlines()) == 1
    said = "no value is larger than 1, and the network was trained on values up to 16: give raw values"
    expected = {"scaled.npy": [said], str(samples): []}
    assert all(answer["warnings"] == expected[answer["file"]] for answer in json.loads(result.out))


def test_files_are_timed_without_a_run(call, whole_run):
    words = [
        "measure",
        whole_run.file("model"),
        "--reference",
        whole_run.file("dense"),
        "--repeats",
        "3",
        "--batch",
        "2",
    ]
    rows = json.loads(call(*words, "--json").out)["measurements"]
    assert [row["what"] for row in rows] == ["latency", "latency", "latency_ratio"]
    assert {row["of"]["batch"] for row in rows} == {2}
    assert "beside the reference" in call(*words).out


def test_measure_and_the_report_say_the_same_of_a_latency(call, copied_run):
    said = [line for line in call("measure", copied_run.path).out.splitlines() if line.startswith("compressed")]
    page = " ".join((call("report", copied_run.path), copied_run.file("report").read_text("utf-8"))[1].split())
    assert len(said) == 2
    assert all(f"<small>{line.rpartition('  ')[2]}</small>" in page for line in said)
    rows = [row for row in newest(copied_run.rows()) if row.what == "latency_ratio"]
    assert [row.of["form"] for row in rows if row.of.get("beside") == "dense ensemble"] == ["ensemble"]
    assert not [row for row in rows if row.of["stage"] == "dense" and "beside" in row.of]


def test_the_device_commands_import_no_torch(copied_run, samples):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_TORCH, copied_run.path, samples], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
