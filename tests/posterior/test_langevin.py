"""Langevin dynamics sample what they claim: targets with known moments, exact gradients."""

import pytest
import torch

from bitsback.posterior.langevin import Langevin

COPIES, STEPS, SKIPPED = 400, 3000, 500


def moments(precision, learning_rate, momentum, data=1, temperature=1.0):
    """The mean and the covariance of many chains on exp(−w' A w / 2T), and their kinetic temperature."""
    size = len(precision)
    place = torch.zeros(COPIES, size, dtype=torch.float64, requires_grad=True)
    generator = torch.Generator().manual_seed(0)
    dynamics = Langevin([place], learning_rate, momentum, data=data, temperature=temperature, generator=generator)
    mean, square, kinetic = torch.zeros(size), torch.zeros(size, size), 0.0
    for step in range(STEPS):
        place.grad = (place.detach() @ precision) / data
        dynamics.step()
        if step >= SKIPPED:
            seen = place.detach()
            mean, square = mean + seen.mean(0), square + seen.T @ seen / COPIES
            kinetic += dynamics.temperature()
    count = STEPS - SKIPPED
    return mean / count, square / count, kinetic / count


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("learning_rate", [0.3, 1.0])
def test_the_standard_normal_has_variance_one_even_with_long_steps(learning_rate, momentum):
    mean, square, kinetic = moments(torch.eye(1, dtype=torch.float64), learning_rate, momentum)
    assert abs(float(mean)) < 0.02
    assert float(square) == pytest.approx(1, abs=0.02)
    assert kinetic == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(("data", "temperature"), [(1, 0.25), (1000, 1.0), (50, 2.0)])
def test_temperature_and_the_number_of_data_scale_the_noise_and_nothing_else(data, temperature):
    _, square, kinetic = moments(torch.eye(1, dtype=torch.float64), 0.5 * data, 0.9, data, temperature)
    assert float(square) == pytest.approx(temperature, rel=0.02)
    assert kinetic == pytest.approx(temperature, rel=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_correlated_normal_has_its_covariance(momentum):
    covariance = torch.tensor([[1.0, 0.9], [0.9, 1.5]], dtype=torch.float64)
    mean, square, _ = moments(torch.linalg.inv(covariance), 0.2, momentum)
    assert (mean.abs() < 0.05).all()
    torch.testing.assert_close(square, covariance, rtol=0.05, atol=0)


def test_without_temperature_it_comes_to_rest_at_the_least():
    place = torch.full((3,), 5.0, requires_grad=True)
    dynamics = Langevin([place], 0.1, 0.9, data=1, temperature=0.0, generator=torch.Generator())
    for _ in range(500):
        place.grad = place.detach() - 2
        dynamics.step()
    torch.testing.assert_close(place.detach(), torch.full((3,), 2.0))
    assert dynamics.temperature() == pytest.approx(0, abs=1e-6)


def test_a_group_without_noise_only_descends():
    place = torch.full((3,), 5.0, requires_grad=True)
    dynamics = Langevin([place], 0.1, 0.5, data=1, temperature=1.0, generator=torch.Generator().manual_seed(0))
    dynamics.param_groups[0]["noise"] = 0.0
    for _ in range(300):
        place.grad = place.detach()
        dynamics.step()
    torch.testing.assert_close(place.detach(), torch.zeros(3))
