"""Ensembles whose members share what they keep, as native code: against PyTorch in float64."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.compress.masks import masks_for, prune
from bitsback.errors import ArtifactError, ExportError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.program import Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import REFERENCE
from bitsback.lower.build.native.library import build
from bitsback.lower.build.native.lowering import lower
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.members import MemberProduct
from bitsback.lower.run.native.record import library_from, library_record, plan_from, plan_record
from bitsback.lower.run.native.targets import runnable
from bitsback.lower.run.native.tiles import Tile
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.samples import Samples
from tests.emulation import needs_emulation
from tests.lower.build.native.test_library import Odd, Residual, inputs_of, right
from tests.networks import posterior_over


class Grouped(nn.Module):
    """Groups, one of them a channel each, and a value that is read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 12, 3, groups=4)
        self.third, self.norm = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False), nn.BatchNorm2d(12)
        self.last = nn.Linear(12, 3)

    def forward(self, inputs):
        x = torch.relu(self.second(torch.relu(self.first(inputs))))
        x = torch.relu(x + self.norm(self.third(x)))
        return self.last(x.mean((2, 3)))


NETWORKS = {
    "vectors": (lambda: REFERENCE["mlp"]((11,), 7, hidden=(20, 9)), (11,)),
    "lenet-5": (lambda: REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28)),
    "residual": (Residual, (2, 11, 7)),
    "odd": (Odd, (2, 8, 5)),
    "grouped": (Grouped, (2, 7, 6)),
}


@functools.cache
def traced(make, shape):
    """A network, which takes longer to trace than a small library to compile."""
    torch.manual_seed(0)
    return trace(make(), shape)


def program(
    name, members=3, member_weights="int8", sparsity=0.8, task="classification", change=lambda posterior: posterior
):
    make, shape = NETWORKS[name] if isinstance(name, str) else name
    network = traced(make, shape)
    torch.manual_seed(0)
    posterior = change(posterior_over(network, std=0.1))
    pruned = prune(
        posterior, masks_for(posterior, Policy(Choice(sparsity=sparsity, scope="layer", saliency="magnitude")))
    )
    norms = Normalization((0.3,) * shape[0], (0.7,) * shape[0])
    targets = None if task == "classification" else Normalization((1.0,) * network.outputs, (2.0,) * network.outputs)
    noise = torch.empty(0) if targets is None else torch.full((network.outputs,), -1.0)
    return EnsembleForm(members, member_weights=member_weights).program(
        network, pruned, Units(task, norms, targets, noise)
    )


def check(of, entries, count=5, atol=2e-6):
    inputs, plan = inputs_of(of.input_shape, count), plan_of(of)
    found = open_library(plan, build(plan, runnable()[0], entries)).run(inputs)
    for got, expected in zip(found, right(of, inputs), strict=True):
        # Rounding of sums in float32; a softmax amplifies it by as much as logits are large.
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=atol)


@pytest.mark.parametrize("member_weights", ["int8", "bfloat16", "float32"])
@pytest.mark.parametrize("name", NETWORKS)
def test_it_answers_what_pytorch_answers_in_float64(name, member_weights):
    check(program(name, member_weights=member_weights), [Entry(3), Entry(1)])


def test_a_deep_network_with_strides_and_padded_shortcuts():
    network = (lambda: REFERENCE["resnet-20"]((3, 8, 8), 3), (3, 8, 8))
    check(program(network), [Entry(2)])


@pytest.mark.parametrize("members", [2, 8, 13, 16, 32])
def test_members_that_fill_vectors_and_that_do_not(members):
    check(program("residual", members), [Entry(2)])


@pytest.mark.parametrize("members", [3, 16])
def test_a_regression_has_its_units(members):
    check(program("vectors", members, task="regression"), [Entry(2)])


TILES = {
    "one by one": Tile(1, 1),
    "positions": Tile(3, 1, 2, 2),
    "across": Tile(2, 1, 4, across=True),
    "four outputs": Tile(2, 4, 2),
    "dense": Tile(2, 1, 4, 2, dense=True),
    "widened": Tile(2, 4, 2, widened=True),
    "dense, widened": Tile(2, 1, 2, dense=True, widened=True),
    "dense, four outputs, across": Tile(3, 4, 3, across=True, dense=True),
}


@pytest.mark.parametrize("tile", TILES.values(), ids=TILES.keys())
def test_no_tile_changes_what_is_computed(tile):
    of = program("grouped", 8)
    plan = plan_of(of)
    fits = {
        index: tile
        if step.weights.values.shape[1] // step.weights.groups % tile.vectors == 0
        else replace(tile, vectors=1)
        for index, step in enumerate(plan.steps)
        if isinstance(step, MemberProduct)
    }
    check(of, [Entry(3, fits)])


def test_only_what_some_member_keeps_is_read():
    plan = plan_of(program("vectors", sparsity=0.9))
    first = plan.steps[0]
    assert isinstance(first, MemberProduct)
    assert int(first.weights.kept.sum()) == round(0.1 * 20 * 11)
    assert first.rectified


def test_a_layer_that_keeps_nothing_gives_its_biases():
    check(program("vectors", sparsity=1.0), [Entry(2)])


class Apart(nn.Module):
    """A norm over what was flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Conv2d(1, 8, 2), nn.BatchNorm1d(32), nn.Linear(32, 2)

    def forward(self, inputs):
        return self.last(torch.relu(self.norm(self.first(inputs).flatten(1))))


@pytest.mark.parametrize("make", [lambda of: of, lambda of: PointForm()])
def test_a_norm_over_positions_is_refused_by_name(make):
    network = trace(Apart(), (1, 3, 3))
    units = Units("classification", Normalization((0.3,), (0.7,)), None, torch.empty(0))
    with pytest.raises(ExportError, match=r"batch_norm.*it normalizes each position of a map by itself"):
        plan_of(make(EnsembleForm(3)).program(network, posterior_over(network, std=0.1), units))


def test_norms_of_each_member_are_folded():
    def with_own_norms(posterior):
        torch.manual_seed(1)
        drawn = posterior.sample(3, torch.Generator().manual_seed(0))
        norms = {name: each for name, each in posterior.fixed.items() if name.startswith(("norm", "third"))}
        others = {
            name: each.expand(3, *each.shape) * (0.5 + torch.rand(3, *each.shape))
            for name, each in norms.items()
            if each.is_floating_point()
        }
        return Samples(drawn, others, {name: each for name, each in posterior.fixed.items() if name not in others})

    check(program("residual", change=with_own_norms), [Entry(2)])


class Fixed(nn.Module):
    """Its first layers are points."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 5))

    def forward(self, inputs):
        return self.layers(inputs)


def test_layers_that_all_members_share_are_computed_once():
    torch.manual_seed(0)
    network = trace(Fixed(), (8,), deterministic=["layers.0.*", "layers.2.*"])
    units = Units("classification", Normalization((0.3,) * 8, (0.7,) * 8), None, torch.empty(0))
    of = EnsembleForm(4).program(network, posterior_over(network, std=0.1), units)
    assert [isinstance(step, MemberProduct) for step in plan_of(of).steps] == [False, False, False, False, True]
    check(of, [Entry(2)])


@pytest.mark.parametrize("member_weights", ["int8", "bfloat16"])
@pytest.mark.parametrize("name", ["vectors", "grouped", "residual"])
def test_a_plan_comes_back_from_its_record(name, member_weights):
    plan = plan_of(program(name, member_weights=member_weights))
    content, tensors = plan_record(plan)
    again = plan_from(content, tensors)
    assert (again.maps, again.members, again.stacked) == (plan.maps, plan.members, plan.stacked)
    one, other = (open_library(each, build(each, runnable()[0], [Entry(2)])) for each in (plan, again))
    inputs = inputs_of(plan.input_shape, 4)
    for left, right_ in zip(one.run(inputs), other.run(inputs), strict=True):
        np.testing.assert_array_equal(left, right_)


LIES = {
    "no members": (lambda content, tensors: content.update(members=0), "has 0 members"),
    "other members": (lambda content, tensors: content.update(members=4), "is int8 .*where int8 .*belongs"),
    "one member": (lambda content, tensors: content.update(members=1), "is of members, of which there are 1"),
    "unknown weights": (lambda content, tensors: content["steps"][0].update(weights="int4"), "has weights 'int4'"),
    "groups": (lambda content, tensors: content["steps"][0].update(groups=3), "has 3 groups"),
    "other type": (
        lambda content, tensors: tensors.update({"0.values": tensors["0.values"].astype(np.float32)}),
        "float32",
    ),
    "scale": (lambda content, tensors: tensors["0.scale"].fill(np.nan), "must be finite"),
    "shape": (lambda content, tensors: tensors.update({"0.bias": tensors["0.bias"][:, 1:]}), "0.bias"),
}


@pytest.mark.parametrize(("change", "said"), LIES.values(), ids=LIES.keys())
def test_a_plan_that_lies_is_refused(change, said):
    content, tensors = plan_record(plan_of(program("vectors")))
    tensors = {name: np.array(each) for name, each in tensors.items()}
    change(content, tensors)
    with pytest.raises(ArtifactError, match=said):
        plan_from(content, tensors)


@needs_emulation
@pytest.mark.parametrize("member_weights", ["int8", "bfloat16"])
def test_aarch64_code_answers_the_same_under_emulation(member_weights):
    of = program("grouped", 8, member_weights)
    lowered = lower(of, "aarch64", [Entry(1), Entry(3)], inputs_of(of.input_shape, 4))
    assert lowered.compared.device == "emulated-aarch64"
    assert lowered.compared.difference < 1e-5


class Flattened(nn.Module):
    """A layer that is read under two other names, by a ReLU and by a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv2d(1, 8, 2), nn.Linear(72, 3), nn.Linear(72, 3)

    def forward(self, inputs):
        x = self.first(inputs)
        return self.second(torch.relu(x.flatten(1))) + self.third(x.flatten(1))


def test_a_relu_is_not_fused_where_others_read_what_it_reads_under_another_name():
    plan = plan_of(program((Flattened, (1, 4, 4))))
    assert not any(getattr(step, "rectified", False) for step in plan.steps)


def test_groups_of_a_layer_that_all_members_share_are_refused_by_name():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(8, 8, 2, groups=2), nn.Linear(72, 3)

        def forward(self, inputs):
            return self.last(torch.relu(self.first(inputs)).flatten(1))

    network = trace(Shared(), (8, 4, 4), deterministic=["first.*"])
    units = Units("classification", Normalization((0.3,) * 8, (0.7,) * 8), None, torch.empty(0))
    of = EnsembleForm(4).program(network, posterior_over(network, std=0.1), units)
    with pytest.raises(ExportError, match="groups 2"):
        plan_of(of)


def test_tiles_that_lie_are_refused():
    plan = plan_of(program("vectors"))
    for change, said in (({"step": -9}, "tiles of steps"), ({"unroll": 2**16}, "65536 numbers at a time")):
        content = library_record(Library("x86-64", b"", (Entry(1),)), plan)
        content["entries"][0]["tiles"][0].update(change)
        with pytest.raises(ArtifactError, match=said):
            library_from(content, np.zeros(0, np.uint8), plan)
