"""What is written of a plan is read again, and what could not be laid out is refused."""

import copy
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from bitsback.errors import ArtifactError
from bitsback.lower.run.native.layout import VERSION
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Map, Product
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.lower.run.native.tiles import Tile
from tests.lower.run.native.plans import check_refused, members, plan, sure, weights

TILE = Tile(2, 1, unroll=4, sums=2, across=True)
CODE = np.frombuffer(b"machine code", np.uint8)


@pytest.mark.parametrize("made", [plan, sure, members])
def test_what_is_written_is_read_and_laid_out_alike(made):
    content, tensors = plan_record(made())
    found = plan_from(json.loads(json.dumps(content)), tensors)
    assert plan_record(found)[0] == content
    for name in ("maps", "random", "input_shape", "correlated", "members", "stacked"):
        assert getattr(found, name) == getattr(made(), name)
    for batch in (1, 3):
        one, other = arrange(made(), batch), arrange(found, batch)
        assert (one.scratch, one.places) == (other.scratch, other.places)
        np.testing.assert_array_equal(one.constants, other.constants)


def test_every_tensor_is_in_the_record_once():
    count = sum(
        part.size
        for step in plan().steps
        if isinstance(step, Product)
        for part in vars(step.weights).values()
        if isinstance(part, np.ndarray)
    )
    weights = plan().steps[2].weights
    own = (
        plan().input_mean,
        plan().input_scale,
        plan().points,
        plan().target_scale,
        plan().target_shift,
        plan().noise_var,
    )
    whole = (
        count + sum(each.inputs.size + each.outputs.size for each in weights.products) + sum(each.size for each in own)
    )
    assert sum(each.size for each in plan_record(plan())[1].values()) == whole


def step(index, **changes):
    def change(content, tensors):
        content["steps"][index] |= changes

    return change


def tensor(name, values):
    def change(content, tensors):
        old = tensors[name].copy()
        tensors[name] = values(old) if callable(values) else values

    return change


def put(number):
    def change(old):
        old.flat[-1] = number
        return old

    return change


def without(*path):
    def change(content, tensors):
        *inner, last = path
        for key in inner:
            content = content[key]
        del content[last]

    return change


def whole(**changes):
    return lambda content, tensors: content.update(changes)


LIES = {
    "no-task": (without("task"), "has no 'task'"),
    "other-task": (whole(task="ranking"), "task is 'ranking'"),
    "half-correlated": (whole(correlated=0.5), "where true or false belongs"),
    "unknown-key": (whole(more=1), "'more', which this version does not know"),
    "text-for-steps": (whole(steps="x"), "where a list belongs"),
    "no-steps": (whole(steps=[]), "0 steps; it must have 1"),
    "many-steps": (whole(steps=[{}] * 5000), "5000 steps"),
    "two-axes": (whole(input_shape=[2, 6]), r"input_shape is \(2, 6\)"),
    "negative-axis": (whole(input_shape=[2, -6, 5]), "input_shape is"),
    "huge-axis": (whole(input_shape=[2, 6, 2**40]), "input_shape is"),
    "true-axis": (whole(input_shape=[2, 6, True]), "where an integer belongs"),
    "other-channels": (whole(input_shape=[3, 6, 5]), "'0.mean' is float32 .*, where float32 "),
    "unknown-kind": (step(1, kind="gelu"), r"steps\[1\] is a 'gelu'; known are product, rectify"),
    "unknown-key-of-a-step": (step(1, target=5), "'target', which this version does not know"),
    "reads-itself": (step(1, source=2), "reads value 2; there are 2 before it"),
    "reads-what-comes": (step(1, source=6), "reads value 6"),
    "reads-before-the-first": (step(1, source=-1), "reads value -1"),
    "reads-half-a-value": (step(1, source=0.5), "where an integer belongs"),
    "rectifies-the-input": (step(1, source=0), "no multiple of 8"),
    "adds-what-comes": (step(3, second=4), "reads value 4"),
    "adds-the-input": (step(3, second=0), "no multiple of 8"),
    "adds-beyond-the-channels": (step(3, channel=16), "8 channels at 16 of 16"),
    "adds-before-the-channels": (step(3, channel=-8), "8 channels at -8"),
    "adds-between-vectors": (step(3, channel=4), "8 channels at 4"),
    "adds-beyond-the-rows": (step(3, step=[3, 2]), r"takes every \(3, 2\)"),
    "adds-beyond-the-columns": (step(3, step=[2, 3]), r"takes every \(2, 3\)"),
    "step-of-zero": (step(3, step=[0, 2]), "step .0, 2., where two numbers from 1"),
    "three-steps": (step(3, step=[2, 2, 2]), "where two numbers"),
    "stride-of-zero": (step(0, stride=[0, 1]), "stride"),
    "stride-huge": (step(0, stride=[2**62, 1]), "stride"),
    "padding-negative": (step(0, padding=[-1, 1]), "padding"),
    "padding-huge": (step(6, padding=[2**15, 2**15]), "height=65537, width=65537, .* at most 65536"),
    "border-huge": (step(0, padding=[2**16, 2**16], stride=[2**15, 2**15]), "takes every|cover|cannot be laid out"),
    "pool-beyond": (step(4, size=[4, 1]), "a window of"),
    "pool-of-nothing": (step(4, size=[0, 1]), "size"),
    "average-without-factor": (step(5, factor=None), "'factor' must be a number|has no 'factor'|factor"),
    "factor-negative": (step(0, factor=-1.0), "factor -1.0"),
    "factor-infinite": (step(3, factor=float("inf")), "factor inf"),
    "factor-nan": (step(3, factor=float("nan")), "factor nan"),
    "said-to-be-sure": (step(0, random=False), "said to make a value without one"),
    "random-of-another-type": (step(0, random=1), "true or false"),
    "variances-unknown": (step(0, variances="rank2"), "variances 'rank2'"),
    "variances-left-out": (step(0, variances="none"), "tensor '0.var', which nothing in it reads"),
    "variances-invented": (step(6, variances="each"), "no tensor '6.var'"),
    "last-step-gone": (without("steps", 6), "no vector of outputs|'points' is|'6.bias'"),
    "ends-in-a-map": (lambda content, tensors: content.update(steps=content["steps"][:5]), "no vector of outputs"),
    "a-tensor-more": (lambda content, tensors: tensors.update(x=CODE), "tensor 'x', which nothing in it reads"),
    "a-tensor-less": (lambda content, tensors: tensors.pop("2.bias"), "no tensor '2.bias'"),
    "float64": (tensor("0.mean", lambda old: old.astype(np.float64)), "is float64"),
    "flat-kernel": (tensor("0.mean", lambda old: old.ravel()), "4 axes"),
    "empty-kernel": (tensor("0.mean", np.zeros((0, 3, 3, 2), np.float32)), "none empty"),
    "kernel-of-more-inputs": (tensor("2.mean", np.zeros((16, 1, 1, 9), np.float32)), "where float32"),
    "kernel-beyond-the-map": (tensor("6.mean", np.zeros((3, 2, 1, 16), np.float32)), "a window of"),
    "short-bias": (tensor("0.bias", lambda old: old[:-1]), "'0.bias' is float32"),
    "short-variances": (tensor("0.var", lambda old: old[:, :2]), "'0.var' is float32"),
    "points-of-more-outputs": (tensor("points", np.zeros((4, 4), np.float32)), "'points' is float32"),
    "no-points": (tensor("points", np.zeros((0, 3), np.float32)), "none empty"),
    "means-of-more-channels": (tensor("input_mean", np.zeros(3, np.float32)), "'input_mean' is float32"),
    "weight-nan": (tensor("0.mean", put(np.nan)), "'0.mean' holds nan"),
    "weight-infinite": (tensor("2.bias", put(np.inf)), "'2.bias' holds inf"),
    "point-nan": (tensor("points", put(np.nan)), "'points' holds nan"),
    "variance-negative": (tensor("0.var", put(-1e-3)), r"'0.var' holds -0.001"),
    "variance-nan": (tensor("0.var", put(np.nan)), "'0.var' holds nan"),
    "bias-variance-negative": (tensor("0.bias_var", put(-1)), "'0.bias_var' holds -1"),
    "factors-negative": (tensor("2.inputs", put(-1)), "'2.inputs' holds -1"),
    "noise-negative": (tensor("noise_var", put(-1)), "'noise_var' holds -1"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), LIES.values(), ids=LIES)
def test_a_plan_that_lies_is_refused(change, said):
    check_refused(plan(), change, said)


def test_what_would_take_all_memory_is_refused_before_it_is_laid_out():
    content, tensors = plan_record(replace(plan(), correlated=False))
    steps = [{**content["steps"][0], "padding": [2**14, 2**14]}]
    kept = {name: each for name, each in tensors.items() if not name[0].isdigit() or name.startswith("0.")}
    last = {"kind": "largest", "source": 1, "size": [6, 5], "stride": [2**15, 2**15]}
    for name in ("target_scale", "target_shift", "noise_var"):
        kept[name] = np.ones(8, np.float32)
    kept["points"] = np.zeros((1, 8), np.float32)
    with pytest.raises(ArtifactError, match="cannot be laid out: an input takes"):
        plan_from({**content, "steps": [*steps, last]}, kept)


def test_outputs_are_correlated_only_where_a_layer_sums_what_is_random():
    with pytest.raises(
        ArtifactError, match="says that its outputs are correlated, and they are no classification's sums"
    ):
        plan_record(replace(sure(), correlated=True))


def test_a_plan_whose_maps_are_not_those_of_its_steps_is_not_written():
    with pytest.raises(ArtifactError, match="its steps make"):
        plan_record(replace(plan(), maps=(*plan().maps[:-1], Map(1, 1, 4))))


def library():
    return Library("x86-64", CODE.tobytes(), (Entry(3, {0: TILE}), Entry(1)))


def test_a_library_is_read_with_every_tile_that_it_was_compiled_with():
    found = library_from(json.loads(json.dumps(library_record(library(), plan()))), CODE, plan())
    assert (found.target, found.code) == ("x86-64", b"machine code")
    assert [entry.batch for entry in found.entries] == [3, 1]
    assert found.entries[0].tiles[0] == TILE
    for one, other in zip(found.entries, library().entries, strict=True):
        assert list(one.tiles) == [0, 2, 6]
        expected, again = (arrange(plan(), each.batch, each.tiles) for each in (other, one))
        assert [layer.tile for layer in again.layers.values()] == [layer.tile for layer in expected.layers.values()]


def entry(index, **changes):
    return lambda content: content["entries"][index].update(changes)


def tile(**changes):
    return lambda content: content["entries"][0]["tiles"][0].update(changes)


FALSE_LIBRARIES = {
    "layout": (lambda content: content.update(layout=VERSION + 1), f"of layout {VERSION + 1}, and this bitsback"),
    "no-layout": (lambda content: content.pop("layout"), "no 'layout'"),
    "no-entries": (lambda content: content.update(entries=[]), "for batches"),
    "batches-rise": (entry(0, batch=1), "each must be smaller"),
    "batch-zero": (entry(1, batch=0), "a batch of 0"),
    "batch-negative": (entry(1, batch=-1), "a batch of -1"),
    "batch-huge": (entry(0, batch=2**40), "a batch of"),
    "tile-of-a-relu": (tile(step=1), r"tiles of steps \[1, 2, 6\], and products are \[0, 2, 6\]"),
    "tile-beyond": (tile(step=7), "tiles of steps"),
    "tile-twice": (tile(step=2), "of step 2, as one before it"),
    "tile-missing": (entry(0, tiles=[]), r"tiles of steps \[\]"),
    "no-vectors": (tile(vectors=0), "vectors 0; it must be 1"),
    "negative-positions": (tile(positions=-3), "positions -3"),
    "huge-positions": (tile(positions=2**40), "positions"),
    "no-unroll": (tile(unroll=0), "unroll 0"),
    "negative-sums": (tile(sums=-1), "sums -1"),
    "across-a-number": (tile(across=1), "across 1, where true or false belongs"),
    "unknown-key": (entry(0, threads=2), "'threads', which this version does not know"),
}


@pytest.mark.parametrize("name", FALSE_LIBRARIES)
def test_a_library_that_does_not_fit_is_refused(name):
    change, said = FALSE_LIBRARIES[name]
    content = library_record(library(), plan())
    change(content)
    with pytest.raises(ArtifactError, match=said):
        library_from(content, CODE, plan())


def test_code_that_is_no_row_of_bytes_is_refused():
    for code in (np.zeros(3, np.int8), np.zeros((2, 2), np.uint8)):
        with pytest.raises(ArtifactError, match=f"code of {code.dtype} {re.escape(str(code.shape))}"):
            library_from(library_record(library(), plan()), code, plan())


@pytest.mark.parametrize("change", [whole(input_shape=[2, 8, 5]), step(0, padding=[1, 1]), step(0, factor=0.5)])
def test_code_never_meets_another_plan_than_it_was_compiled_for(change):
    content, tensors = plan_record(sure())
    content = copy.deepcopy(content)
    change(content, tensors)
    with pytest.raises(ArtifactError, match="compiled for another plan than the one beside it"):
        library_from(library_record(library(), sure()), CODE, plan_from(content, tensors))


def test_other_weights_need_no_other_code():
    content, tensors = plan_record(plan())
    other = plan_from(content, {**tensors, "0.mean": 2 * tensors["0.mean"]})
    assert library_from(library_record(library(), plan()), CODE, other).entries


def test_a_batch_that_would_take_all_memory_is_refused(monkeypatch):
    said = library_record(library(), plan())
    monkeypatch.setattr("bitsback.lower.run.native.record.LARGEST", arrange(plan(), 1).scratch)
    with pytest.raises(ArtifactError, match="a batch of 3 takes"):
        library_from(said, CODE, plan())


def test_what_no_library_could_compute_is_refused():
    one = replace(sure(), task="classification", correlated=True)
    few = {name: getattr(one, name)[:1] for name in ("target_scale", "target_shift", "noise_var")}
    row = replace(
        one,
        steps=(Product(0, 1, weights(8, 6, 5, 2, "each")), Product(1, 2, weights(1, 1, 1, 8, "each"))),
        maps=(Map(6, 5, 2), Map(1, 1, 8), Map(1, 1, 1)),
        random=(False, True, True),
        points=one.points[:, :1],
        **few,
    )
    plan_record(replace(row, correlated=False))
    with pytest.raises(ArtifactError, match="they are no classification's sums of two random values or more"):
        plan_record(row)
    sure_input = (replace(row.steps[0], weights=weights(8, 6, 5, 2, "factored")), row.steps[1])
    with pytest.raises(ArtifactError, match="has factored variances, and value 0, which it reads, has none"):
        plan_record(replace(row, steps=sure_input, correlated=False))
