"""Compiled programs against PyTorch in float64, and what they refuse."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bitsback.errors import ArtifactError, ExportError
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.point import PointForm
from bitsback.form.program import Predict, Units
from bitsback.form.propagated import PropagatedForm
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.given.reference import REFERENCE
from bitsback.lower.build.native.library import build, function, linked
from bitsback.lower.build.native.lowering import lower
from bitsback.lower.build.native.tracing import plan_of
from bitsback.lower.run.native.library import Entry, Library, open_library
from bitsback.lower.run.native.packing import arrange
from bitsback.lower.run.native.plan import Product
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.lower.run.native.tiles import Tile
from bitsback.moments.calibration import calibration
from tests.networks import posterior_over

FORMS = {"point": PointForm(), "propagated": PropagatedForm(points=20)}


class Residual(nn.Module):
    """Strides, uneven channels, norms that fold, a shortcut of fewer channels, and pools."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 8, 3, stride=(2, 1), padding=(1, 2)), nn.BatchNorm2d(8)
        self.second, self.third = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16)
        self.last = nn.Linear(96, 5)
        for norm in (self.norm, self.third):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.bias)
            norm.running_var.uniform_(0.5, 2)

    def forward(self, inputs):
        x = torch.relu(self.norm(self.first(inputs)))
        y = self.third(self.second(x))
        x = torch.relu(y + nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 0)))
        return self.last(nn.functional.max_pool2d(x, (2, 1), (1, 2)).flatten(1))


class Odd(nn.Module):
    """Widths that fill no vector, and a flat vector that is looked at whole."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 5, (3, 2)), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(30, 3))

    def forward(self, inputs):
        return self.layers(inputs)


def program(module, shape, form, task="classification"):
    torch.manual_seed(0)
    network = trace(module, shape)
    norms = Normalization((0.3,) * shape[0], (0.7,) * shape[0])
    targets = None if task == "classification" else Normalization((1.0,) * network.outputs, (2.0,) * network.outputs)
    noise = torch.empty(0) if targets is None else torch.full((network.outputs,), -1.0)
    return form.program(network, posterior_over(network, std=0.1), Units(task, norms, targets, noise))


def right(of, inputs):
    """PyTorch's answers in float64."""
    module = of.module.double()
    with torch.no_grad():
        found = [each.numpy() for each in module(torch.from_numpy(inputs).double())]
    module.float()
    return found


def inputs_of(shape, count):
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


def check(of, entries, count):
    inputs = inputs_of(of.input_shape, count)
    plan = plan_of(of)
    found = open_library(plan, build(plan, runnable()[0], entries)).run(inputs)
    for got, expected in zip(found, right(of, inputs), strict=True):
        # Rounding of sums in float32; a softmax amplifies it by as much as logits are large.
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: REFERENCE["mlp"]((11,), 7, hidden=(20, 9)), (11,)),
        (lambda: REFERENCE["mlp"]((1, 5, 5), 7, hidden=(40,)), (1, 5, 5)),
        (lambda: REFERENCE["lenet-5"]((1, 28, 28), 10), (1, 28, 28)),
        (Residual, (2, 11, 7)),
        (Odd, (2, 8, 5)),
    ],
    ids=["vectors", "images", "lenet-5", "residual", "odd"],
)
def test_it_answers_what_pytorch_answers_in_float64(form, make, shape):
    torch.manual_seed(0)
    check(program(make(), shape, FORMS[form]), [Entry(1), Entry(3)], 7)


@pytest.mark.parametrize("form", FORMS)
def test_a_regression_has_its_units(form):
    torch.manual_seed(0)
    check(program(REFERENCE["mlp"]((4,), 3, hidden=(10,)), (4,), FORMS[form], "regression"), [Entry(2)], 4)


class Averaged(nn.Module):
    """What positions have in common goes through strides, borders, pools, thinned and padded shortcuts, and norms."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(channels, 9, 3, padding=1), nn.BatchNorm2d(9)
        self.second, self.third = (
            nn.Conv2d(9, 24, 3, stride=(2, 1), padding=(1, 0)),
            nn.Conv2d(24, 24, (1, 3), padding=(0, 1)),
        )
        self.last = nn.Linear(24, 4)
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, inputs):
        x = torch.relu(self.norm(self.first(inputs)))
        x = nn.functional.max_pool2d(x, (1, 2))
        y = torch.relu(self.second(x)) if x.shape[-1] > 2 else x
        z = torch.relu(self.third(y) + y)
        return self.last(nn.functional.adaptive_avg_pool2d(z, 1).flatten(1))


class Shortcut(nn.Module):
    """A ResNet's: every second position of fewer channels, padded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 8, 3, padding=1), nn.Conv2d(8, 24, 3, stride=2, padding=1)
        self.last = nn.Linear(24, 4)

    def forward(self, inputs):
        x = torch.relu(self.first(inputs))
        y = self.second(x) + nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8))
        return self.last(torch.relu(y).mean((2, 3)))


@pytest.mark.parametrize("weights", ["float32", "bfloat16", "tied", "factored"])
@pytest.mark.parametrize(
    ("make", "shape"), [(Averaged, (3, 7, 10)), (Shortcut, (2, 6, 5))], ids=["averaged", "shortcut"]
)
def test_averages_of_random_positions_have_what_these_have_in_common(make, shape, weights):
    torch.manual_seed(0)
    check(program(make(), shape, PropagatedForm(points=20, weights=weights)), [Entry(1), Entry(2)], 3)


def test_averages_of_sure_positions_and_factors_of_random_ones():
    pooled = nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3))
    check(program(pooled, (1, 6, 7), FORMS["point"]), [Entry(2)], 2)
    on = calibration(torch.from_numpy(inputs_of((1, 6, 7), 4)), 0)
    check(program(pooled, (1, 6, 7), PropagatedForm(points=20, calibration=on)), [Entry(2)], 2)


def test_factors_of_variances_are_in_it():
    torch.manual_seed(0)
    inputs = torch.randn(16, 2, 11, 7)
    check(program(Residual(), (2, 11, 7), PropagatedForm(points=20, calibration=calibration(inputs, 0))), [Entry(2)], 4)


@pytest.mark.parametrize(
    "tile",
    [
        Tile(1, 1, unroll=4, sums=2),
        Tile(2, 3, across=True),
        Tile(3, 4, unroll=8, sums=4, across=True),
        Tile(3, 2, unroll=2, sums=2, apart=True),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_no_tile_changes_what_is_computed(tile, form):
    torch.manual_seed(0)
    of = program(Residual(), (2, 11, 7), FORMS[form])
    tiles = {index: tile for index, step in enumerate(plan_of(of).steps) if isinstance(step, Product)}
    check(of, [Entry(2, tiles)], 2)


def test_threads_that_share_a_session_get_their_own_answers():
    torch.manual_seed(0)
    plan = plan_of(program(REFERENCE["mlp"]((11,), 7, hidden=(20, 9)), (11,), FORMS["propagated"]))
    session = open_library(plan, build(plan, runnable()[0], [Entry(1)]))
    inputs = inputs_of((11,), 8)
    expected = [session.run(each[None]).mean for each in inputs]

    def wrong(which):
        return sum(
            not np.array_equal(session.run(inputs[which : which + 1]).mean, expected[which]) for _ in range(2000)
        )

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(wrong, range(8))) == [0] * 8


@pytest.mark.parametrize("batch", [1, 3])
def test_every_function_is_compared_before_a_library_is_given_out(batch, monkeypatch):
    torch.manual_seed(0)
    of = program(REFERENCE["mlp"]((11,), 7, hidden=(20, 9)), (11,), FORMS["propagated"])

    def built(plan, target, entries):
        other = plan.changed({0: replace(plan.steps[0], factor=9.0)})
        made = {
            each.name: function(some, arrange(some, each.batch), each.name)
            for each in entries
            for some in [other if each.batch == batch else plan]
        }
        return Library(target, linked(made, target), tuple(entries))

    monkeypatch.setattr("bitsback.lower.build.native.lowering.build", built)
    with pytest.raises(ExportError, match=r"the native library for .* output"):
        lower(of, runnable()[0], [Entry(3), Entry(1)], inputs_of((11,), 4))


def test_a_library_keeps_nothing_from_one_call_to_the_next():
    torch.manual_seed(0)
    of = program(Residual(), (2, 11, 7), FORMS["propagated"])
    plan = plan_of(of)
    session = open_library(plan, build(plan, runnable()[0], [Entry(1)]))
    first, second = inputs_of((2, 11, 7), 2)[:, None]
    before = session.run(first)
    session.run(1e3 * second)
    for one, other in zip(before, session.run(first), strict=True):
        np.testing.assert_array_equal(one, other)


def test_layers_may_follow_one_another_directly():
    torch.manual_seed(0)
    straight = nn.Sequential(nn.Conv2d(1, 9, 2), nn.Conv2d(9, 3, 2), nn.Flatten(), nn.Linear(27, 10), nn.Linear(10, 3))
    for form in FORMS.values():
        check(program(straight, (1, 5, 5), form), [Entry(1), Entry(4)], 5)


def test_what_has_no_kernel_is_named():
    for module, what in ((nn.Sequential(nn.Linear(4, 3), nn.GELU(), nn.Linear(3, 2)), "gelu"),):
        with pytest.raises(ExportError, match=f"aten.{what}.* has no native kernel .*linear"):
            plan_of(program(module, (4,), FORMS["propagated"]))
    other = program(nn.Linear(4, 3), (4,), EnsembleForm(2))
    other = replace(other, module=Predict(lambda inputs: inputs, other.units, 1))
    with pytest.raises(ExportError, match="the ensemble form has no native library"):
        plan_of(other)
    with pytest.raises(ExportError, match=r"form\.probabilities = 'points'"):
        plan_of(program(nn.Linear(4, 3), (4,), PropagatedForm(probabilities="mean_field")))
    with pytest.raises(ExportError, match="there is no target 'z80'; there are x86-64"):
        build(plan_of(program(nn.Linear(4, 3), (4,), PointForm())), "z80", [Entry(1)])


def test_a_form_that_the_kernels_do_not_compute_is_refused():
    torch.manual_seed(0)
    pools = nn.Sequential(nn.Conv2d(1, 8, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 3))
    clark = program(pools, (1, 6, 6), PropagatedForm(max_pool="clark"))
    with pytest.raises(ExportError, match=r"the native library for \S+'s output '.*' differs from PyTorch's"):
        lower(clark, runnable()[0], [Entry(1)], inputs_of((1, 6, 6), 3))
    lower(program(pools, (1, 6, 6), PropagatedForm()), runnable()[0], [Entry(1)], inputs_of((1, 6, 6), 3))


def test_a_library_for_another_processor_or_none_is_refused():
    plan = plan_of(program(nn.Linear(4, 3), (4,), PointForm()))
    other = next(name for name in TARGETS if name not in runnable())
    with pytest.raises(ArtifactError, match=f"a library is for {other}, and this (machine|processor)"):
        open_library(plan, Library(other, b"", (Entry(1),)))
    with pytest.raises(ArtifactError, match=f"a library for {runnable()[0]} cannot be loaded"):
        open_library(plan, Library(runnable()[0], b"no library", (Entry(1),)))


def test_a_library_runs_without_the_compiler_and_without_pytorch():
    # tvm-ffi imports PyTorch where it finds it, and must do without it where it does not.
    script = (
        "import sys; sys.modules['torch'] = sys.modules['tvm'] = sys.modules['onnxruntime'] = None;"
        "import bitsback.lower.run.native.library, tvm_ffi; tvm_ffi.load_module"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
