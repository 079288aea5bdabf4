"""The code-length posterior: its KL is what a coder spends, and the temperature is its price."""

import math

import pytest
import torch

from bitsback.artifact import codebook
from bitsback.errors import RecipeError
from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.code_length import CodeLength, Target
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.symbols import symbols


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


def spent(params):
    """Bytes of everything that is coded."""
    return sum(len(codebook.encode(each.numpy()) or each.numpy().tobytes()) for each in params.values())


@pytest.mark.parametrize("crossed", [False, True])
def test_the_kl_is_the_file(crossed):
    found = fitted(0.002, CodeLength(narrowing=0.02, crossed=crossed), 10, (300, 100))
    bits = found.history[-1]["kl"] / math.log(2)
    # A coder is told of rows and columns, of which the KL knows nothing, or all for nothing; tables cost a little.
    low, high = (1.0, 1.1) if crossed else (0.85, 1.04)
    assert low * bits < 8 * spent(found.posterior.centre()) < high * bits


def test_a_dearer_nat_gives_fewer_of_them_and_what_matters_stays():
    cheap, dear = fitted(0.01, epochs=30), fitted(0.5, epochs=30)
    assert dear.history[-1]["kl"] < 0.5 * cheap.history[-1]["kl"]
    first = next(each for each in dear.posterior.centre().values() if each.ndim > 1)
    norms = first.norm(dim=0)
    assert norms[:2].min() > 3 * norms[2:].mean()
    assert dear.history[-1]["nll"] < 0.2


def test_weights_and_biases_are_few_halves_with_zero():
    found = fitted(0.05, CodeLength(levels=3, vector_levels=7), epochs=3).posterior.centre()
    for name, each in found.items():
        assert len(each.unique()) <= (3 if each.ndim > 1 else 7), name
        assert torch.equal(each, each.half().float())
    assert all((each == 0).any() for each in found.values() if each.ndim > 1)


def test_crossed_densities_are_those_of_rows_and_columns():
    traced = network(100)
    traced.params["1.weight"][20:] *= 1e-3
    traced.params["1.weight"][:, 10:] *= 0.2
    lengths = []
    for crossed in (False, True):
        objective = CodeLength(crossed=crossed).objective(traced, Likelihood("classification", 2), {})
        variables = objective.at_rest(objective.at_rest(objective.start()))
        lengths.append(objective.length(variables))
        chance = objective.cells(variables, "1.weight").logit().sigmoid().expand(100, 20)
        kept = symbols(variables["latent/1.weight"], objective.cells(variables, "1.weight")) != 2
        assert chance.sum() == pytest.approx(int(kept.sum()), rel=0.2)  # half a count more in every row and column
    assert (chance[:20, :10] > 20 * chance[20:, 10:].max()).all()
    assert lengths[1] < 0.7 * lengths[0]


@pytest.mark.parametrize("size", [700, 1100])
def test_a_size_that_is_asked_for_is_met(size):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(3000, 20, generator=generator)
    hidden = torch.tanh(inputs @ torch.randn(20, 30, generator=generator))
    hard = Examples(inputs, (hidden @ torch.randn(30, 2, generator=generator)).argmax(1))
    settings = FitSettings(20, 50, Optimization(learning_rate=5e-3))
    found = fit(network(200), CodeLength(target=Target(size, spent)), Likelihood("classification", 2), hard, settings)
    assert spent(found.posterior.centre()) == pytest.approx(size, rel=0.05)
    assert found.history[-1]["bytes"] == pytest.approx(spent(found.posterior.centre()), rel=0.05)


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
