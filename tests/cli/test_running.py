"""What `predict` can choose: how many members are asked, and what is drawn."""

import json
from dataclasses import replace

import numpy as np
import pytest

import bitsback
from bitsback.artifact.container import read, write
from bitsback.errors import ArtifactError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("files"), bitsback.dataset("digits", limit=300)
    fitted = bitsback.fit(bitsback.network("mlp", data, hidden=[8]), data, epochs=2)
    np.save(folder / "x.npy", data.test.inputs[:5])
    programs = {
        "swapped": bitsback.ensemble(fitted, 4, layout="swapped"),
        "stacked": bitsback.ensemble(fitted, 4),
        "stochastic": bitsback.stochastic(fitted, 4),
    }
    for name, program in programs.items():
        bitsback.pack(program, folder / f"{name}.bitsback", data)
    return folder


def knowledge(call, folder, name, *words):
    result = call("predict", folder / f"{name}.bitsback", folder / "x.npy", *words, "--json")
    assert (result.code, result.err) == (0, "")
    return [each["knowledge"] for each in json.loads(result.out)]


def test_members_are_chosen_when_predicting(call, files):
    whole = knowledge(call, files, "swapped")
    np.testing.assert_allclose(whole, knowledge(call, files, "stacked"), rtol=1e-2, atol=1e-7)
    assert whole == knowledge(call, files, "swapped", "--members", "4")
    assert whole != knowledge(call, files, "swapped", "--members", "2")
    assert knowledge(call, files, "swapped", "--members", "1") == [0.0] * 5
    assert "of 4 members, swapped in one after the other" in call("inspect", files / "swapped.bitsback").out


def test_draws_are_new_unless_a_seed_says_otherwise(call, files):
    one, other, third = (knowledge(call, files, "stochastic", "--draw-seed", seed) for seed in ("7", "7", "8"))
    assert one == other != third
    assert "by stochastic of 4 draws in each call" in call("inspect", files / "stochastic.bitsback").out
    predictor = bitsback.load(files / "stochastic.bitsback", draw_seed=3)
    inputs = np.load(files / "x.npy")
    assert (predictor.predict(inputs).mean != predictor.predict(inputs).mean).any()
    one, other = (bitsback.load(files / "stochastic.bitsback").predict(inputs).mean for _ in range(2))
    assert (one != other).any()


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        ("swapped", ["--members", "5"], "members is 5; it must be from 1 to 4, as many as there are"),
        (
            "swapped",
            ["--members", "2", "--native"],
            "members is 2; a native library, which is compiled for all of them, asks no fewer",
        ),
        ("swapped", ["--draw-seed", "2"], "draw_seed is 2, and a program of the ensemble form draws nothing"),
        ("stochastic", ["--draw-seed", "2", "--native"], "draw_seed is 2, and a native library draws nothing"),
        ("swapped", ["--members", "2", "--native", "--device", "emulated-aarch64"], "members is 2; a native library"),
        ("stacked", ["--members", "2"], "members is 2, and the program asks all of its members at once"),
    ],
)
def test_what_cannot_be_chosen_is_refused(call, files, name, words, said):
    result = call("predict", files / f"{name}.bitsback", files / "x.npy", *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


def test_a_file_that_lies_of_its_members_is_refused(files, tmp_path):
    found = read(files / "swapped.bitsback")
    for lie in ({"members": 5}, {"task": "regression", "labels": ()}):
        write(tmp_path / "lie.bitsback", replace(found, manifest=replace(found.manifest, **lie)))
        with pytest.raises(
            ArtifactError, match="its program is of 4 members and not of a regression, and its manifest says"
        ):
            bitsback.load(tmp_path / "lie.bitsback")
