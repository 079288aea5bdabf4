import math

import pytest
import torch
from torch import nn

from bitsback.errors import DataError, RecipeError
from bitsback.given.network import trace
from bitsback.given.reference import mlp
from bitsback.posterior.fit import Progress, fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings, Loop
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from tests.posterior.recorder import Recorder

CLASSES = Likelihood("classification", 3)


def examples(count=30):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 4, generator=generator)
    return Examples(inputs, (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0.5).long())


def network(dropout=0.0):
    torch.manual_seed(0)
    return trace(mlp((4,), 3, hidden=(5,), dropout=dropout), (4,), train=True)


def record(count, settings, noise=0):
    recorder = Recorder(noise)
    numbered = Examples(torch.arange(count).float().unsqueeze(1).expand(count, 4), torch.zeros(count, dtype=torch.long))
    fit(network(), recorder, CLASSES, numbered, settings)
    return recorder.batches


def tensors(fitted):
    marginals = fitted.posterior.marginals()
    moments = {f"{name} {part}": value for name, m in marginals.items() for part, value in m._asdict().items()}
    return {**moments, **fitted.posterior.fixed, "log_noise": fitted.log_noise}


def same(one, other):
    return all(torch.equal(value, tensors(other)[name]) for name, value in tensors(one).items())


@pytest.mark.parametrize("weighting", ["even", "geometric"])
@pytest.mark.parametrize(("count", "batch"), [(30, 10), (31, 10), (39, 10), (7, 100)])
def test_an_epoch_carries_the_whole_kl_per_datum(weighting, count, batch):
    batches = record(count, FitSettings(2, batch, temperature=0.5, kl_weighting=weighting))
    scales = torch.stack([each.kl_scale for each in batches]).double()
    per_epoch = max(count // batch, 1)
    assert len(scales) == 2 * per_epoch
    assert float(scales[:per_epoch].mean()) == pytest.approx(0.5 / count, rel=1e-6)
    ratio = 1.0 if weighting == "even" else 0.5
    torch.testing.assert_close(scales[1:per_epoch], scales[: per_epoch - 1] * ratio)
    torch.testing.assert_close(scales[per_epoch:], scales[:per_epoch])


def test_an_epoch_shows_no_datum_twice_and_epochs_differ_in_order_and_in_what_is_left_over():
    batches = record(33, FitSettings(epochs=40, batch=10))
    epochs = torch.cat([each.inputs[:, 0] for each in batches]).reshape(40, 30)
    assert all(len(set(epoch.tolist())) == 30 for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 40
    assert set(epochs.flatten().tolist()) == set(range(33))


@pytest.mark.parametrize("antithetic", [False, True])
def test_noise_is_new_at_each_step_or_turned_at_every_second(antithetic):
    noise = torch.stack([each.noise for each in record(30, FitSettings(5, 10, antithetic=antithetic), noise=500)])
    if antithetic:
        assert torch.equal(noise[1::2], -noise[:14:2])
        noise = noise[::2]
    correlation = torch.corrcoef(noise) - torch.eye(len(noise))
    assert correlation.abs().max() < 5.5 / math.sqrt(500)
    assert abs(float(noise.mean())) < 5.5 / math.sqrt(noise.numel())
    assert abs(float(noise.var()) - 1) < 5.5 * math.sqrt(2 / noise.numel())


@pytest.mark.parametrize("inference", [MeanField(), MeanField(estimator="local_reparametrization"), Point()], ids=repr)
def test_the_same_seed_gives_the_same_result_whatever_came_before(inference):
    def run(seed):
        return fit(network(dropout=0.5), inference, CLASSES, examples(), FitSettings(3, 10, seed=seed))

    first = run(0)
    torch.rand(7)
    assert same(run(0), first)
    assert not same(run(1), first)


def test_the_network_the_data_and_global_random_numbers_are_left_alone():
    whole, data, state = network(), examples(), torch.get_rng_state()
    before = {name: value.clone() for name, value in whole.params.items()}
    inputs = data.inputs.clone()
    fit(whole, MeanField(), CLASSES, data, FitSettings(2, 10))
    assert all(torch.equal(before[name], value) for name, value in whole.params.items())
    assert torch.equal(inputs, data.inputs)
    assert torch.equal(state, torch.get_rng_state())


def test_training_has_its_own_number_of_threads_and_gives_the_callers_back():
    before, seen = torch.get_num_threads(), []
    fit(
        *(network(), MeanField(), CLASSES, examples(), FitSettings(1, 10, threads=before + 1)),
        observe=lambda posterior: seen.append(torch.get_num_threads()) or {},
    )
    assert (seen, torch.get_num_threads()) == ([before + 1], before)


def test_the_progress_and_the_history_are_told():
    told: list[Progress] = []
    fitted = fit(
        *(network(), MeanField(), CLASSES, examples(), FitSettings(5, 10, temperature=0.5)),
        watch=told.append,
        observe=lambda posterior: {"weights": len(posterior.marginals())},
    )
    assert [(each.step, each.steps, each.epoch) for each in told] == [(10, 15, 3), (15, 15, 4)]
    assert [entry["epoch"] for entry in fitted.history] == [1, 2, 3, 4, 5]
    assert all(entry["weights"] == 4 for entry in fitted.history)
    for entry in fitted.history:
        assert entry["loss"] == pytest.approx(entry["nll"] + 0.5 * entry["kl"] / 30)
    assert fitted.history[-1]["nll"] < fitted.history[0]["nll"]


def test_each_variables_learning_rate_follows_the_schedule():
    rates: list[tuple[float, ...]] = []
    whole = network()
    loop = Loop(Recorder().objective(whole, CLASSES, {}), whole, examples(), FitSettings(2, 10))
    while loop.step():
        rates.append(tuple(group["lr"] for group in loop.optimizer.param_groups))
    falling = [Optimization().rate(done / 6) for done in range(6)]
    assert rates == [(3.0 * rate, rate) for rate in falling]


def test_batch_norms_train_and_their_statistics_become_fixed():
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))
    whole, data = trace(module, (4,), train=True), examples()
    seen = []
    fitted = fit(
        *(whole, MeanField(), CLASSES, data, FitSettings(3, 30)),
        observe=lambda posterior: seen.append(posterior.fixed["0.running_mean"]) or {},
    )
    fixed = fitted.posterior.fixed
    assert fixed["0.num_batches_tracked"] == 3
    torch.testing.assert_close(fixed["0.running_mean"], data.inputs.mean(0) * (1 - 0.9**3))
    torch.testing.assert_close(fixed["0.running_var"], data.inputs.var(0) * (1 - 0.9**3) + 0.9**3)
    torch.testing.assert_close(seen[0], data.inputs.mean(0) * 0.1)  # what was shown of an epoch does not change later
    assert not torch.equal(fixed["0.weight"], module[0].weight)
    assert (whole.buffers["0.running_mean"] == 0).all()


def test_regression_learns_its_noise():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 3, generator=generator)
    noise = torch.randn(200, 2, generator=generator) * torch.tensor([0.1, 0.7])
    data = Examples(inputs, inputs @ torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]]) + noise)
    settings = FitSettings(500, 200, Optimization("adam", 0.05))
    fitted = fit(trace(nn.Linear(3, 2, bias=False), (3,)), Point(), Likelihood("regression", 2), data, settings)
    best = torch.linalg.lstsq(inputs, data.targets).solution
    residual = (data.targets - inputs @ best).square().mean(0).sqrt()
    torch.testing.assert_close(fitted.log_noise.exp(), residual, rtol=0.01, atol=0)
    torch.testing.assert_close(fitted.posterior.marginals()["weight"].mean, best.T, rtol=0, atol=0.01)
    scaled = 0.5 * (1 + math.log(2 * math.pi)) * 2 + float(torch.log(residual).sum())
    assert fitted.history[-1]["nll"] == pytest.approx(scaled, abs=0.01)


@pytest.mark.parametrize("inference", [MeanField(), MeanField(estimator="local_reparametrization"), Point()], ids=repr)
def test_masks_hold_pruned_weights_at_zero(inference):
    generator = torch.Generator().manual_seed(1)
    whole = network()
    masks = {name: (torch.rand(whole.params[name].shape, generator=generator) > 0.5).float() for name in whole.params}
    decay = 0.1 if isinstance(inference, Point) else 0.0
    settings = FitSettings(4, 10, Optimization("adam", 0.05, weight_decay=decay))
    fitted = fit(whole, inference, CLASSES, examples(), settings, masks=masks)
    for name, (mean, var) in fitted.posterior.marginals().items():
        assert (mean[masks[name] == 0] == 0).all()
        assert (var[masks[name] == 0] == 0).all()
        assert (mean != whole.params[name])[masks[name] == 1].all()
    draws = fitted.posterior.sample(3, generator)
    assert all((draws[name][:, mask == 0] == 0).all() for name, mask in masks.items())


def test_compiled_training_is_eager_training():
    fits = [
        fit(network(dropout=0.5), MeanField(), CLASSES, examples(), FitSettings(3, 10, compile=compiled))
        for compiled in (False, True)
    ]
    eager, compiled = (tensors(each) for each in fits)
    torch.testing.assert_close(compiled, eager, rtol=1e-4, atol=1e-5)


def test_no_data_and_a_loss_that_is_no_number_are_refused():
    with pytest.raises(DataError, match="training split is empty"):
        fit(network(), Point(), CLASSES, examples(0), FitSettings())
    with pytest.raises(DataError, match=r"the loss is (nan|inf) after 3 steps; a smaller learning rate than 1e\+30"):
        fit(network(), Point(), CLASSES, examples(), FitSettings(4, 10, Optimization("sgd", 1e30)))


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch": 0}, {"temperature": -1.0}, {"temperature": math.inf}])
def test_settings_out_of_range_are_refused(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(RecipeError, match=f"{name}.* {value}"):
        FitSettings(**wrong)


def test_weight_decay_beside_a_prior_is_refused():
    settings = FitSettings(1, 10, Optimization(weight_decay=0.1))
    with pytest.raises(RecipeError, match="a posterior has a prior instead"):
        fit(network(), MeanField(), CLASSES, examples(), settings)


def test_an_unknown_kl_weighting_is_refused():
    with pytest.raises(RecipeError, match="kl_weighting is 'odd'"):
        FitSettings(kl_weighting="odd")
