"""Small networks with normal weights in Pyro, trained for a few steps by a guide."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Trace_ELBO
from pyro.infer.autoguide import AutoGuide
from pyro.nn import PyroModule, PyroSample
from pyro.nn.module import to_pyro_module_
from pyro.optim import Adam
from torch import nn

SHAPE = (4,)


def plain() -> nn.Sequential:
    """The network as PyTorch has it."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))


class Model(PyroModule):
    """The same network under the name `net`, with a normal over each weight, and classes that it explains.

    Args:
        points: layers that stay ordinary ones.
        scale: what else is sampled, if anything.
    """

    def __init__(self, points: tuple[int, ...] = (), scale: dist.Distribution | None = None) -> None:
        super().__init__()
        self.net = plain()
        to_pyro_module_(self.net)
        for number in {0, 2} - set(points):
            for name, value in list(self.net[number].named_parameters()):
                prior = dist.Normal(torch.zeros(value.shape), 1.0).to_event(value.dim())
                setattr(self.net[number], name, PyroSample(prior))
        if scale is not None:
            self.scale = PyroSample(scale)

    def forward(self, inputs: torch.Tensor, targets: torch.Tensor | None = None) -> torch.Tensor:
        logits = self.net(inputs) * (self.scale if hasattr(self, "scale") else 1.0)
        with pyro.plate("data", len(inputs)):
            pyro.sample("target", dist.Categorical(logits=logits), obs=targets)
        return logits


def trained(guide_of: Callable[[Any], AutoGuide], model: Any = None, steps: int = 5) -> AutoGuide:
    """A guide after some steps; the param store holds it alone."""
    pyro.clear_param_store()
    pyro.set_rng_seed(0)
    guide = guide_of(Model() if model is None else model)
    svi = SVI(guide.model, guide, Adam({"lr": 0.05}), Trace_ELBO())
    inputs, targets = torch.randn(20, *SHAPE), torch.randint(0, 3, (20,))
    for _ in range(steps):
        svi.step(inputs, targets)
    return guide


def saved(path: Path) -> Path:
    """The param store in a file."""
    pyro.get_param_store().save(str(path))
    return path


def shown(name: str) -> torch.Tensor:
    """A param as Pyro shows it: constrained."""
    return pyro.get_param_store()[name].detach()
