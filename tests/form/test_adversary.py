import numpy as np
import pytest
import torch
from torch import nn

from bitsback.form.adversary import Bounds, fgsm, noisy, pgd
from bitsback.form.ensemble import EnsembleForm
from bitsback.form.program import Program, Units
from bitsback.given.network import trace
from bitsback.given.normalization import Normalization
from bitsback.posterior.mean_field import MeanFieldPosterior

INPUTS = Normalization((1.0, -2.0, 0.5), (2.0, 0.5, 4.0))
FREE = Bounds(-1e6, 1e6)
LEVEL = 0.3


def program(task: str) -> Program:
    torch.manual_seed(0)
    network = trace(nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)), (3,))
    stds = {name: torch.full_like(value, 0.1) for name, value in network.params.items()}
    posterior = MeanFieldPosterior(network.params, stds, {})
    regression = task == "regression"
    targets = Normalization((0.0, 0.0), (1.0, 1.0)) if regression else None
    units = Units(task, INPUTS, targets, torch.zeros(2 if regression else 0))
    return EnsembleForm(3).program(network, posterior, units)


def data(task: str) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(40, 3)) * INPUTS.std + INPUTS.mean
    targets = generator.normal(size=(40, 2)) if task == "regression" else generator.integers(0, 2, 40)
    return inputs.astype(np.float32), targets.astype(np.float32 if task == "regression" else np.int64)


def loss(program: Program, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        mean = program.module(torch.from_numpy(inputs))[0].numpy()
    if program.units.task == "regression":
        return np.square(mean - targets).sum(axis=1)
    return -np.log(mean[np.arange(len(mean)), targets])


def moved(inputs: np.ndarray, perturbed: np.ndarray) -> np.ndarray:
    return np.abs(perturbed - inputs) / np.array(INPUTS.std)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_perturbations_raise_the_loss_and_more_steps_raise_it_more(task):
    made, (inputs, targets) = program(task), data(task)
    once = fgsm(made, inputs, targets, LEVEL, bounds=FREE)
    often = pgd(made, inputs, targets, LEVEL, bounds=FREE, steps=10)
    before, after, most = (loss(made, each, targets).mean() for each in (inputs, once, often))
    assert before < after <= most + 1e-4


@pytest.mark.parametrize("steps", [1, 7])
def test_a_perturbation_stays_within_its_radius_and_bounds(steps):
    made, (inputs, targets) = program("classification"), data("classification")
    free = pgd(made, inputs, targets, LEVEL, bounds=FREE, steps=steps)
    assert moved(inputs, free).max() <= LEVEL * (1 + 1e-4)
    bounds = Bounds(float(inputs.min()), float(inputs.max()))
    held = pgd(made, inputs, targets, 100.0, bounds=bounds, steps=steps)
    assert held.min() >= bounds.low
    assert held.max() <= bounds.high


def test_fgsm_moves_every_value_by_the_whole_level():
    made, (inputs, targets) = program("classification"), data("classification")
    np.testing.assert_allclose(moved(inputs, fgsm(made, inputs, targets, LEVEL, bounds=FREE)), LEVEL, rtol=1e-4)


def test_noise_has_the_level_as_its_standard_deviation_in_those_of_the_inputs():
    inputs = np.zeros((4000, 3), np.float32)
    noise = noisy(program("classification"), inputs, LEVEL, bounds=FREE, seed=1)
    np.testing.assert_allclose(noise.std(axis=0), LEVEL * np.array(INPUTS.std), rtol=0.05)
    np.testing.assert_allclose(noise, noisy(program("classification"), inputs, LEVEL, bounds=FREE, seed=1))


def test_the_program_itself_is_left_as_it_was():
    made, (inputs, targets) = program("classification"), data("classification")
    before = {name: tensor.clone() for name, tensor in made.module.state_dict().items()}
    pgd(made, inputs, targets, LEVEL, bounds=FREE, steps=2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.module.state_dict().items())
