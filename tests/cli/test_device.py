import json
import subprocess
import sys

import numpy as np
import pytest

from bitsback.cli import _plain_prediction

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
    assert "promise    none" in call("inspect", whole_run.file("dense")).out
    said = json.loads(call("inspect", whole_run.path, "--json").out)
    assert "model.bitsback" in said["files"]
    assert "Quality on the test split" in call("inspect", whole_run.path).out


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


def test_the_device_commands_import_no_torch(copied_run, samples):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_TORCH, copied_run.path, samples], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
