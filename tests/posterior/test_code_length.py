"""The code-length posterior: its KL is what a coder spends, and the temperature is its price."""

import math

import pytest
import torch

from bitsback.artifact import codebook
from bitsback.errors import RecipeError
from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.code_length import CodeLength
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.optimization import Optimization


def examples():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(600, 20, generator=generator)
    return Examples(inputs, (inputs[:, 0] - inputs[:, 1] > 0).long())


def network(*hidden):
    torch.manual_seed(0)
    return trace(mlp((20,), 2, hidden=hidden or (60,)), (20,), train=True)


def fitted(temperature, inference=None, epochs=60, hidden=()):
    settings = FitSettings(epochs, 50, Optimization(learning_rate=1e-2), temperature=temperature)
    return fit(network(*hidden), inference or CodeLength(), Likelihood("classification", 2), examples(), settings)


def test_the_kl_is_the_file():
    found = fitted(0.002, CodeLength(narrowing=0.02), 10, (300, 100))
    coded = [each.numpy() for each in found.posterior.centre().values() if each.ndim > 1]
    spent = 8 * sum(len(codebook.encode(each) or b"") for each in coded)
    bits = found.history[-1]["kl"] / math.log(2)
    assert 0.85 * bits < spent < 1.02 * bits  # rows and columns whose densities differ cost less, and tables a little


def test_a_dearer_nat_gives_fewer_of_them_and_what_matters_stays():
    cheap, dear = fitted(0.01), fitted(0.5)
    assert dear.history[-1]["kl"] < 0.5 * cheap.history[-1]["kl"]
    first = next(each for each in dear.posterior.centre().values() if each.ndim > 1)
    norms = first.norm(dim=0)
    assert norms[:2].min() > 3 * norms[2:].mean()
    assert dear.history[-1]["nll"] < 0.2


def test_weights_are_few_halves_with_zero_and_vectors_have_eight_bits():
    for name, each in fitted(0.05, CodeLength(levels=3), epochs=3).posterior.centre().items():
        if each.ndim > 1:
            assert len(each.unique()) <= 3, name
            assert (each == 0).any()
            assert torch.equal(each, each.half().float())
        else:
            step = each.abs().max() / 127
            torch.testing.assert_close(each / step, torch.round(each / step), rtol=0, atol=1e-3)


def test_a_mask_holds():
    traced = network()
    names = [name for name in traced.bayesian if traced.params[name].ndim > 1]
    masks = {name: (torch.rand(traced.params[name].shape) > 0.5).float() for name in names}
    found = fit(traced, CodeLength(), Likelihood("classification", 2), examples(), FitSettings(2, 50), masks=masks)
    for name, mask in masks.items():
        assert (found.posterior.centre()[name][mask == 0] == 0).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"levels": 4}, "levels is 4; it must be odd"),
        ({"levels": 1}, "levels is 1"),
        ({"levels": 65}, "at most 63"),
        ({"width": 0}, "width is 0"),
        ({"narrowing": 1.5}, "narrowing is 1.5; it must be a number above 0 and at most 1"),
        ({"rise": -0.1}, "rise is -0.1; it must be a number from 0 to 1"),
        ({"level_rate": 0}, "level_rate is 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, said):
    with pytest.raises(RecipeError, match=said):
        CodeLength(**wrong)
