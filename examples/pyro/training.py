"""What is Pyro's: the model, its guide, and its own predictions."""

from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, Predictive, TraceMeanField_ELBO
from pyro.infer.autoguide import AutoNormal
from pyro.nn import PyroModule, PyroSample
from pyro.nn.module import to_pyro_module_
from pyro.optim import ClippedAdam
from torch import Tensor

from bitsback.given.dataset import Dataset
from bitsback.runtime.predictor import Prediction
from examples.pyro.network import network

PRIOR_STD = 0.5


class Model(PyroModule):
    """The network with a normal prior over every weight."""

    def __init__(self, data: Dataset) -> None:
        super().__init__()
        self.net = network(data.input_shape, data.outputs)
        to_pyro_module_(self.net)
        for layer in self.net:
            for name, value in list(layer.named_parameters()):
                prior = dist.Normal(torch.zeros(value.shape), PRIOR_STD).to_event(value.dim())
                setattr(layer, name, PyroSample(prior))

    def forward(self, inputs: Tensor, classes: Tensor | None = None) -> Tensor:
        """Logits `[B, C]`; the weights are sampled outside of the plate, the same for all inputs."""
        logits = self.net(inputs)
        with pyro.plate("data", len(inputs)):
            pyro.sample("class", dist.Categorical(logits=logits), obs=classes)
        return logits


def train(data: Dataset, steps: int, seed: int = 0) -> tuple[Model, AutoNormal]:
    """Fit a mean-field guide by Pyro's own inference, on the whole training split at each step."""
    pyro.clear_param_store()
    pyro.set_rng_seed(seed)
    model = Model(data)
    guide = AutoNormal(model, init_scale=0.01)
    optimizer = ClippedAdam({"lr": 0.02, "lrd": 0.05 ** (1 / steps)})
    inference = SVI(model, guide, optimizer, TraceMeanField_ELBO())
    inputs, classes = _inputs(data, data.train.inputs), torch.from_numpy(data.train.targets)
    for _ in range(steps):
        inference.step(inputs, classes)
    return model, guide


def save(path: Path) -> None:
    """Write the param store."""
    pyro.get_param_store().save(str(path))


def predict(model: Model, guide: AutoNormal, data: Dataset, inputs: np.ndarray, draws: int) -> Prediction:
    """What Pyro's `Predictive` says, with the uncertainties that bitsback's programs have."""
    predictive = Predictive(model, guide=guide, num_samples=draws, return_sites=("_RETURN",))
    with torch.no_grad():
        each = torch.log_softmax(predictive(_inputs(data, inputs))["_RETURN"].double(), -1)  # [S, B, C]
    mean = each.exp().mean(0)
    total = torch.special.entr(mean).sum(-1)
    known = torch.special.entr(each.exp()).sum(-1).mean(0)
    never = np.zeros(len(inputs), bool)
    return Prediction(mean.numpy(), total.numpy(), known.numpy(), (total - known).numpy(), never, data.labels)


def _inputs(data: Dataset, raw: np.ndarray) -> Tensor:
    return torch.from_numpy(data.normalization.apply(raw))
