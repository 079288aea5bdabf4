"""SQS: what the paper's equations say, against PyTorch's own distributions."""

import pytest
import torch
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, Normal, kl_divergence

from bitsback.errors import RecipeError
from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.fit import fit
from bitsback.posterior.inference import Batch
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.sqs import Sqs

LIKELIHOOD = Likelihood("classification", 2)


def network():
    torch.manual_seed(0)
    return trace(mlp((20,), 2, hidden=(40,)), (20,), train=True)


def examples():
    inputs = torch.randn(500, 20, generator=torch.Generator().manual_seed(0))
    return Examples(inputs, (inputs[:, 0] - inputs[:, 1] > 0).long())


def fitted(epochs=8, **settings):
    return fit(network(), Sqs(**settings), LIKELIHOOD, examples(), FitSettings(epochs, 50))


def started(**settings):
    objective = Sqs(**settings).objective(network(), LIKELIHOOD, {})
    return objective, objective.start()


def test_the_kl_is_that_of_gates_and_of_the_dominant_gaussians():
    objective, variables = started(sparsity=0.8, prior_std=2.0)
    right = 0.0
    for name in ("1.weight", "3.weight"):
        variables[f"gate/{name}"] = 0.01 * torch.randn_like(variables[f"gate/{name}"])
        gate = torch.sigmoid(variables[f"gate/{name}"] / 0.0125)
        weight, means = variables[f"weight/{name}"], variables[f"mean/{name}"][0]
        stds = variables[f"log_std/{name}"][0].exp()
        shares = Categorical(logits=variables[f"log_share/{name}"][0])
        logs = Normal(means, stds).log_prob(weight.unsqueeze(-1)) + shares.logits
        best = logs.argmax(-1)
        right += kl_divergence(Bernoulli(gate), Bernoulli(torch.tensor(0.2))).sum()
        right += (gate * kl_divergence(Normal(means[best], stds[best]), Normal(0.0, 2.0))).sum()
    assert objective.kl(variables, torch.Generator()) == pytest.approx(float(right), rel=1e-4)


def test_the_gaussians_begin_where_the_weights_are():
    _, variables = started()
    weight = network().params["1.weight"].flatten()
    mixture = MixtureSameFamily(
        Categorical(logits=variables["log_share/1.weight"][0]),
        Normal(variables["mean/1.weight"][0], variables["log_std/1.weight"][0].exp()),
    )
    assert mixture.log_prob(weight).mean() > Normal(weight.mean(), weight.std()).log_prob(weight).mean()
    nearest = (weight.unsqueeze(-1) - variables["mean/1.weight"][0]).abs().amin(-1)
    assert nearest.square().mean() < 0.08 * weight.var()  # four levels of a uniform distribution leave 1 / 16


def batch():
    inputs, targets = examples()
    return Batch(inputs[:50], targets[:50], torch.empty(0), torch.zeros(()))


@pytest.mark.parametrize("mended", [False, True])
def test_it_trains_with_the_gates_and_predicts_without_unless_it_is_mended(mended):
    objective, variables = started(mended=mended, softness=1e-6)
    for name in ("1.weight", "3.weight"):
        variables[f"gate/{name}"].fill_(0.0)  # half open
    values = objective.posterior(variables, {}).centre()
    used = values if mended else {name: each / 2 if each.ndim > 1 else each for name, each in values.items()}
    right = LIKELIHOOD.nll(network()(used, batch().inputs), batch().targets, torch.empty(0))
    torch.testing.assert_close(objective.loss(variables, {}, batch()), right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mended", [False, True])
def test_gates_are_ranked_by_what_their_weights_do_to_the_loss(mended):
    objective, variables = started(mended=mended)
    variables = {name: each.clone().requires_grad_() for name, each in variables.items()}
    objective.loss(variables, {}, batch()).backward()
    assert (variables["gate/1.weight"].grad != 0).float().mean() > 0.9
    assert variables["kept/1.weight"].grad is None


def test_as_many_weights_go_as_the_schedule_says_and_they_are_zero():
    settings = Sqs(sparsity=0.9, begin=0.1, end=0.6)
    assert [settings.sparsity_at(done) for done in (0.0, 0.1, 0.35, 0.6, 1.0)] == pytest.approx([
        0.0,
        0.0,
        0.9 * (1 - 0.5**3),
        0.9,
        0.9,
    ])
    found = fitted(sparsity=0.9, begin=0.1).posterior.centre()
    gone = sum(int((each == 0).sum()) for each in found.values() if each.ndim > 1)
    assert gone == round(0.9 * sum(each.numel() for each in found.values() if each.ndim > 1))


@pytest.mark.parametrize(("windows", "most"), [("one", 4), ("outliers", 16), ("equal", 16)])
def test_a_layer_has_few_values(windows, most):
    for each in fitted(2, windows=windows).posterior.centre().values():
        assert each.ndim == 1 or len(each.unique()) <= most + 1


def test_windows_are_cut_where_the_rule_says():
    objective, _ = started(windows="equal")
    weight = network().params["1.weight"]
    low, high = float(weight.min()), float(weight.max())
    quarters = torch.tensor([low + (high - low) * part for part in (0.25, 0.5, 0.75)])
    torch.testing.assert_close(objective.ends["1.weight"], quarters)
    traced = network()
    with torch.no_grad():
        traced.params["1.weight"][0, 0], traced.params["1.weight"][0, 1] = 9.0, -9.0
    ends = Sqs(windows="outliers").objective(traced, LIKELIHOOD, {}).ends
    quarters = torch.quantile(traced.params["1.weight"], torch.tensor([0.25, 0.5, 0.75]))
    reach = 5 * (quarters[2] - quarters[0])
    torch.testing.assert_close(
        ends["1.weight"], torch.stack([quarters[0] - reach, quarters[1], quarters[2] + reach]), rtol=1e-3, atol=1e-3
    )
    assert len(ends["3.weight"]) == 1  # no outliers there: two windows are left


def test_draws_take_each_gaussian_as_often_as_it_is_responsible():
    objective, variables = started(draws=400, softness=0.5)
    found = objective.posterior(variables, {})
    stack = found.sample(400, torch.Generator())["1.weight"]
    phi = objective._responsibilities(variables, "1.weight")[0]
    means = variables["mean/1.weight"][0]
    often = torch.stack([(stack - mean).abs() < 1e-6 for mean in means], -1).float().mean(0)
    torch.testing.assert_close(often.mean((0, 1)), phi.mean((0, 1)), rtol=0, atol=0.01)


def test_the_paper_counts_no_bit_for_where_weights_are():
    assert Sqs(4).rate(0.5) == pytest.approx(32)
    assert Sqs(16).rate(0.25) == pytest.approx(32)
    assert Sqs(16, windows="outliers").rate(0.25) == pytest.approx(64 / 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"components": 1}, "components is 1"),
        ({"components": 65}, "at most 64"),
        ({"sparsity": 1.0}, "sparsity is 1.0; it must be a number from 0 to below 1"),
        ({"prior_keep": 0.0}, "prior_keep is 0.0"),
        ({"prior_std": 0}, "prior_std is 0"),
        ({"begin": 0.7}, "they must rise"),
        ({"windows": "two"}, "windows is 'two'"),
        ({"draws": 1}, "draws is 1"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, said):
    with pytest.raises(RecipeError, match=said):
        Sqs(**wrong)
