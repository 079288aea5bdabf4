"""What cannot ship is refused before it is trained, and what can costs no export."""

import pytest
import torch
from torch import Tensor, nn

from bitsback.errors import ExportError
from bitsback.given.network import trace
from bitsback.given.reference import REFERENCE
from bitsback.recipe.text import parse
from bitsback.run import rehearsal
from bitsback.run.fit import fit
from bitsback.run.fitted import trace_both
from bitsback.run.materials import load_data
from bitsback.run.rehearsal import check_form, operators
from bitsback.run.watcher import Watcher
from tests.run.tiny import CONTENT, REGRESSION

OWN = """
import torch
from torch import nn

class Enlarged(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2 * 144, 8)

    def forward(self, x):
        return self.head(nn.functional.interpolate(self.first(x), scale_factor=2, mode="bicubic").flatten(1))
"""


class WithoutForm(nn.Module):
    """Calls an operator that ONNX does not have."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(64, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.special.bessel_j0(x.flatten(1)))


@pytest.fixture(scope="module")
def data():
    return load_data(parse(CONTENT))


@pytest.fixture
def no_export(monkeypatch):
    def exported(program):
        raise AssertionError("a known network was exported")

    monkeypatch.setattr(rehearsal, "check_exports", exported)


def test_an_operator_that_cannot_be_mapped_is_named_and_nothing_is_written(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    content = {**CONTENT, "network": {"name": f"{tmp_path / 'own.py'}:Enlarged"}}
    told: list[str] = []
    with pytest.raises(ExportError, match=r"upsample_bicubic2d.* cannot be mapped over ensemble members"):
        fit(tmp_path / "run", parse(content), Watcher(tell=told.append), command="test")
    assert not told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("form", ["point", "ensemble"])
def test_an_operator_without_an_onnx_form_is_named(data, form):
    network = trace_both(WithoutForm(), data).evaluation
    with pytest.raises(ExportError, match=f"the {form} form has no ONNX equivalent: .*bessel") as caught:
        check_form(network, data, form)
    assert "\n" not in str(caught.value)


def test_your_own_network_is_exported_once(data):
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Softplus(), nn.Linear(8, 8))
    check_form(trace_both(module, data).evaluation, data, "ensemble")


def test_a_known_network_is_mapped_and_not_exported(data, no_export):
    for found in (data, load_data(parse(REGRESSION))):
        for form in ("point", "ensemble"):
            module = REFERENCE["mlp"](found.input_shape, found.outputs, hidden=(4,))
            check_form(trace_both(module, found).evaluation, found, form)


def test_the_reference_networks_are_known():
    for name in ("mlp", "lenet-300-100", "lenet-5", "lenet-5-caffe", "resnet-20"):
        assert operators(trace(REFERENCE[name]((1, 28, 28), 10), (1, 28, 28))) <= rehearsal._KNOWN
