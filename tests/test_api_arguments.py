"""Wrong arguments to the public functions: one sentence that names the argument, before anything is computed."""

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.errors import (
    ArtifactError,
    BitsbackError,
    DataError,
    NetworkError,
    PolicyError,
    RecipeError,
    RunError,
)

bb: Any = importlib.import_module("bitsback")  # its types are what is broken here


class Empty(nn.Module):
    """Has no forward."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    data, other = bb.dataset("digits", limit=100), bb.dataset("diabetes", limit=100)
    module = bb.network("mlp", data, hidden=(4,))
    fitted = bb.fit(module, data, epochs=1)
    program = bb.point(fitted)
    bb.pack(program, folder / "model.bitsback", data)
    predictor = bb.load(folder / "model.bitsback")
    fewer = bb.dataset("digits", limit=100, hold_out=(0, 1, 2))
    return SimpleNamespace(
        data=data,
        other=other,
        fewer=fewer,
        module=module,
        fitted=fitted,
        program=program,
        predictor=predictor,
        file=folder / "model.bitsback",
        new=folder / "new",
        folder=folder,
    )


WRONG = {
    "labels to calibrate with": (
        lambda made: bb.propagated(made.fitted, calibrate=made.data.train.targets),
        RecipeError,
        "calibrate is of shape (80,); it must be an array of inputs of shape (N, 1, 8, 8)",
    ),
    "a number to calibrate with": (
        lambda made: bb.propagated(made.fitted, calibrate=3),
        RecipeError,
        "calibrate is of type int",
    ),
    "a list of rules": (lambda made: bb.propagated(made.fitted, rules=[abs]), RecipeError, "rules is list"),
    "a number for a data set": (lambda _: bb.dataset(3), RecipeError, "name is 3"),
    "a number for a folder": (lambda _: bb.dataset("digits", folder=3), RecipeError, "folder is 3"),
    "an unknown setting of data": (lambda _: bb.dataset("digits", size=1), RecipeError, "no setting 'size'"),
    "a seed in words": (lambda _: bb.dataset("digits", seed="x"), RecipeError, "seed is 'x'"),
    "classes as a number": (lambda _: bb.dataset("digits", hold_out=3), RecipeError, "hold_out = 3"),
    "a number for strange data": (
        lambda _: bb.dataset("digits", out_of_distribution=3),
        RecipeError,
        "out_of_distribution = 3",
    ),
    "a number for a network": (lambda m: bb.network(3, m.data), NetworkError, "name is of type int"),
    "a name for data": (lambda _: bb.network("mlp", "digits"), RecipeError, "data is of type str"),
    "widths as a number": (lambda m: bb.network("mlp", m.data, hidden=3), NetworkError, "hidden = 3"),
    "weights as a number": (lambda m: bb.network("mlp", m.data, weights=3), RecipeError, "weights is 3"),
    "a seed of a network": (
        lambda m: bb.network("mlp", m.data, seed=2**64),
        RecipeError,
        "seed is 18446744073709551616",
    ),
    "a name for a module": (lambda m: bb.fit("mlp", m.data), NetworkError, "'mlp' is no network"),
    "a class for a module": (lambda m: bb.fit(nn.Linear, m.data), NetworkError, "Linear'> is no network"),
    "a module without forward": (lambda m: bb.fit(Empty(), m.data), NetworkError, "Empty has no forward"),
    "module and data swapped": (lambda m: bb.fit(m.data, m.module), RecipeError, "data is of type Sequential"),
    "a name for inference": (lambda m: bb.fit(m.module, m.data, "mean_field"), RecipeError, "inference is of type str"),
    "a class for inference": (
        lambda m: bb.fit(m.module, m.data, bb.Point),
        RecipeError,
        "inference is the class Point",
    ),
    "epochs in words": (lambda m: bb.fit(m.module, m.data, epochs="3"), RecipeError, "epochs is '3'"),
    "settings as a dict": (lambda m: bb.fit(m.module, m.data, settings={}), RecipeError, "settings is of type dict"),
    "an unknown form": (lambda m: bb.fit(m.module, m.data, form="soup"), RecipeError, "form is 'soup'"),
    "a module to start from": (lambda m: bb.fit(m.module, m.data, start=m.module), RecipeError, "start is of type"),
    "one pattern": (lambda m: bb.fit(m.module, m.data, deterministic="1.*"), NetworkError, "deterministic is '1.*'"),
    "a number for a checkpoint": (lambda m: bb.fit(m.module, m.data, checkpoint=3), RecipeError, "checkpoint is 3"),
    "a checkpoint nowhere": (
        lambda m: bb.fit(m.module, m.data, checkpoint=m.new / "x"),
        RunError,
        "there is no folder for it",
    ),
    "a module to prune": (lambda m: bb.prune(m.module), RecipeError, "fitted is of type Sequential"),
    "a share in words": (lambda m: bb.prune(m.fitted, "0.9"), PolicyError, "policy is '0.9'"),
    "a share out of range": (lambda m: bb.prune(m.fitted, 1.2), PolicyError, "sparsity is 1.2"),
    "a choice for a policy": (lambda m: bb.prune(m.fitted, bb.Choice()), PolicyError, "policy is Choice("),
    "a policy and masks": (lambda m: bb.prune(m.fitted, 0.5, masks={}), PolicyError, "masks are given too"),
    "masks in a list": (lambda m: bb.prune(m.fitted, masks=[torch.ones(4)]), PolicyError, "masks are of type list"),
    "a mask of numpy": (
        lambda m: bb.prune(m.fitted, masks={"1.bias": np.ones(4)}),
        PolicyError,
        "the mask for '1.bias' is of type ndarray",
    ),
    "a default that is a number": (lambda _: bb.Policy(0.9), PolicyError, "default is 0.9"),
    "layers in a list": (lambda _: bb.Policy(layers=[0.9]), PolicyError, "layers is [0.9]"),
    "a layer's share": (lambda _: bb.Policy(layers={"x": 0.9}), PolicyError, "layers is {'x': 0.9}"),
    "saliencies in a list": (lambda _: bb.Choice(0.5, ["snr"]), PolicyError, "saliency is ['snr']"),
    "a promise that is true": (lambda _: bb.Promise(True), RecipeError, "error_rate is True"),
    "scores in a list": (lambda _: bb.Promise(0.1, score=["total"]), RecipeError, "score is ['total']"),
    "a module for a point": (lambda m: bb.point(m.module), RecipeError, "fitted is of type Sequential"),
    "a program for an ensemble": (lambda m: bb.ensemble(m.program), RecipeError, "fitted is of type Program"),
    "one and a half members": (lambda m: bb.ensemble(m.fitted, 1.5), RecipeError, "members is 1.5"),
    "no member": (lambda m: bb.ensemble(m.fitted, 0), RecipeError, "members is 0"),
    "a negative seed": (lambda m: bb.ensemble(m.fitted, 2, seed=-1), RecipeError, "seed is -1"),
    "a result to pack": (lambda m: bb.pack(m.fitted, m.new, m.data), RecipeError, "program is of type FittedNetwork"),
    "a number for a path": (lambda m: bb.pack(m.program, 3, m.data), RecipeError, "path is 3"),
    "a path that is none": (lambda m: bb.pack(m.program, "a\0b", m.data), RecipeError, "path is 'a\\x00b'"),
    "a folder for a path": (lambda m: bb.pack(m.program, m.folder, m.data), ArtifactError, "cannot be written"),
    "other data to pack with": (
        lambda m: bb.pack(m.program, m.new, m.other),
        NetworkError,
        "'diabetes' is for regression",
    ),
    "fewer classes to pack with": (
        lambda m: bb.pack(m.program, m.new, m.fewer),
        NetworkError,
        "fitted on other training samples than those of this 'digits'",
    ),
    "another split to pack with": (
        lambda m: bb.pack(m.program, m.new, bb.dataset("digits", limit=100, seed=1)),
        NetworkError,
        "fitted on other training samples than those of this 'digits'",
    ),
    "a number for a promise": (
        lambda m: bb.pack(m.program, m.new, m.data, 0.1),
        RecipeError,
        "promise is of type float",
    ),
    "a number to load": (lambda _: bb.load(3), RecipeError, "path is 3"),
    "a folder to load": (lambda m: bb.load(m.folder), ArtifactError, "is a folder"),
    "no thread": (lambda m: bb.load(m.file, 0), RecipeError, "threads is 0"),
    "a path to evaluate": (lambda m: bb.evaluate(m.file, m.data), RecipeError, "predictor is of type"),
    "a name of data to evaluate on": (lambda m: bb.evaluate(m.predictor, "digits"), RecipeError, "data is of type str"),
    "other data to evaluate on": (
        lambda m: bb.evaluate(m.predictor, m.other),
        DataError,
        "'diabetes' is for regression",
    ),
    "fewer classes to evaluate on": (lambda m: bb.evaluate(m.predictor, m.fewer), DataError, "with 8 outputs"),
    "ragged inputs": (lambda m: m.predictor.predict([[1, 2], [3]]), DataError, "the inputs are no array of numbers"),
    "a batch in words": (lambda m: m.predictor.predict(m.data.test.inputs, batch="x"), RecipeError, "batch is 'x'"),
    "a shape that is a number": (lambda m: bb.trace(m.module, 3), NetworkError, "the input shape is 3"),
    "a shape with nothing in it": (lambda m: bb.trace(m.module, (0,)), NetworkError, "the input shape is (0,)"),
}


@pytest.mark.parametrize(("call", "kind", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_named_in_one_sentence_and_nothing_is_written(made, call, kind, sentence):
    before = sorted(made.folder.iterdir())
    with pytest.raises(BitsbackError) as failure:
        call(made)
    assert type(failure.value) is kind
    assert sentence in str(failure.value)
    assert "\n" not in str(failure.value)
    assert sorted(made.folder.iterdir()) == before
