"""A run that is killed goes on from its checkpoint with the same result; a checkpoint of another run is refused."""

import dataclasses
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from bitsback.errors import RunError
from bitsback.given.network import trace
from bitsback.posterior import checkpoint
from bitsback.posterior.code_length import CodeLength, Target
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.optimization import Optimization
from bitsback.posterior.point import Point
from bitsback.posterior.prior import Normal
from bitsback.posterior.sqs import Sqs

SETTINGS = FitSettings(epochs=7, batch=10, optimization=Optimization("adam", 0.02), checkpoint_seconds=0)


def data():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(33, 4, generator=generator)
    return Examples(inputs, (inputs[:, 0] > 0).long())


@cache
def network(dropout=0.5, seed=0, deterministic=()):
    torch.manual_seed(seed)
    layers = nn.Linear(4, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(dropout), nn.Linear(5, 2)
    return trace(nn.Sequential(*layers), (4,), train=True, deterministic=deterministic)


def run(inference: Any = None, **changed: Any):
    given = {
        "network": network(),
        "examples": data(),
        "settings": SETTINGS,
        "likelihood": Likelihood("classification", 2),
    }
    return fit(**{**given, "inference": inference or MeanField(), **changed})


def result(fitted):
    """All that a run gives but its clock's times, as bytes."""
    stored = {**fitted.posterior.fixed, "log_noise": fitted.log_noise}
    for name, marginal in fitted.posterior.marginals().items():
        stored |= {f"{name} mean": marginal.mean, f"{name} var": marginal.var}
    history = [{key: value for key, value in entry.items() if key != "seconds"} for entry in fitted.history]
    return {name: tensor.numpy().tobytes() for name, tensor in stored.items()}, history


def kill_at(monkeypatch, step):
    """Kills once, right after the checkpoint of the given step is written."""
    save = checkpoint.save

    def saved(path, state, fingerprint):
        save(path, state, fingerprint)
        if state.step == step:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save", saved)


METHODS = [
    MeanField(),
    MeanField(Normal(1.0)),
    MeanField(estimator="local_reparametrization"),
    MeanField(estimator="local_reparametrization", kl="closed_form"),
    Point(),
    CodeLength(),
    CodeLength(target=Target(500, lambda params: sum(int((each != 0).sum()) for each in params.values()))),
    Sqs(),
]


@pytest.mark.parametrize("inference", METHODS, ids=repr)
@pytest.mark.parametrize("step", [1, 2, 3, 10, 20])
def test_a_killed_run_goes_on_with_the_same_result(tmp_path, monkeypatch, inference, step):
    expected = result(run(inference))
    with monkeypatch.context() as patched:
        kill_at(patched, step)
        with pytest.raises(KeyboardInterrupt):
            run(inference, path=tmp_path / "checkpoint")
    torch.rand(5)
    assert result(run(inference, path=tmp_path / "checkpoint")) == expected


@pytest.mark.parametrize("changed", [{"antithetic": False}, {"optimization": Optimization("sgd", 0.05)}, {"seed": 3}])
def test_so_does_a_run_that_is_stopped_from_outside_twice(tmp_path, changed):
    settings = dataclasses.replace(SETTINGS, **changed)
    expected = result(run(settings=settings))

    def stop(step):
        def watch(progress):
            if progress.step == step:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(settings=settings, path=tmp_path / "checkpoint", watch=watch)

    stop(10)  # after an odd number of steps: the last checkpoint is that of step 9
    stop(20)
    assert result(run(settings=settings, path=tmp_path / "checkpoint")) == expected


def test_a_finished_run_is_not_run_again(tmp_path):
    expected = result(run(path=tmp_path / "checkpoint"))
    steps = []
    assert result(run(path=tmp_path / "checkpoint", watch=steps.append)) == expected
    assert not steps


def test_masked_fine_tuning_goes_on_too(tmp_path, monkeypatch):
    masks = {"0.weight": (torch.arange(20).reshape(5, 4) % 3 > 0).float()}
    expected = result(run(masks=masks))
    with monkeypatch.context() as patched:
        kill_at(patched, 5)
        with pytest.raises(KeyboardInterrupt):
            run(masks=masks, path=tmp_path / "checkpoint")
    assert result(run(masks=masks, path=tmp_path / "checkpoint")) == expected


def other_data(part):
    whole = data()
    tensor = getattr(whole, part).clone()
    tensor.view(-1)[0] = 1 - tensor.view(-1)[0]
    return whole._replace(**{part: tensor})


OTHERS = {
    "seed": lambda: {"settings": dataclasses.replace(SETTINGS, seed=1)},
    "epochs": lambda: {"settings": dataclasses.replace(SETTINGS, epochs=8)},
    "temperature": lambda: {"settings": dataclasses.replace(SETTINGS, temperature=0.5)},
    "optimizer": lambda: {"settings": dataclasses.replace(SETTINGS, optimization=Optimization("adam", 0.01))},
    "prior": lambda: {"inference": MeanField(Normal(0.5))},
    "method": lambda: {"inference": Point()},
    "inputs": lambda: {"examples": other_data("inputs")},
    "targets": lambda: {"examples": other_data("targets")},
    "first weights": lambda: {"network": network(seed=1)},
    "dropout": lambda: {"network": network(dropout=0.25)},
    "points": lambda: {"network": network(deterministic=("4.*",))},
    "masks": lambda: {"masks": {"0.weight": torch.ones(5, 4)}},
    "buffers": lambda: {"network": dataclasses.replace(network(), buffers=shifted(network().buffers))},
}


def shifted(buffers):
    return {name: value + 1 for name, value in buffers.items()}


@pytest.mark.parametrize("changed", OTHERS.values(), ids=OTHERS.keys())
def test_a_checkpoint_of_another_run_is_refused_and_left_there(tmp_path, changed):
    path = tmp_path / "checkpoint"
    run(path=path)
    before = path.read_bytes()
    with pytest.raises(RunError, match="other settings or data; give the same ones"):
        run(path=path, **changed())
    assert path.read_bytes() == before


def test_how_often_it_is_saved_changes_nothing(tmp_path):
    expected = result(run(path=tmp_path / "checkpoint"))
    rarely = dataclasses.replace(SETTINGS, checkpoint_seconds=1000)
    assert result(run(path=tmp_path / "checkpoint", settings=rarely)) == expected
    run(path=tmp_path / "none", settings=rarely)
    assert not (tmp_path / "none").exists()
