"""What is held stays as it is, in training and in every kind of posterior."""

import pytest
import torch
from torch import nn

from bitsback.errors import NetworkError
from bitsback.given.network import hold, trace
from bitsback.posterior.code_length import CodeLength
from bitsback.posterior.ensembles import DeepEnsemble, SnapshotEnsemble
from bitsback.posterior.fit import fit
from bitsback.posterior.likelihood import Likelihood
from bitsback.posterior.loop import Examples, FitSettings
from bitsback.posterior.mc_dropout import McDropout
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.point import Point
from bitsback.posterior.prior import Normal
from bitsback.posterior.sg_mcmc import SgMcmc
from bitsback.posterior.sqs import Sqs

HELD = ["first.*", "norm.*"]
PRIOR = Normal(1.0)


class Normed(nn.Module):
    """A layer and a norm to hold, and two layers, with dropout between them, to train."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Linear(3, 6), nn.BatchNorm1d(6)
        self.second, self.dropout, self.last = nn.Linear(6, 6), nn.Dropout(0.2), nn.Linear(6, 2)

    def forward(self, inputs):
        return self.last(self.dropout(torch.relu(self.second(torch.relu(self.norm(self.first(inputs)))))))


METHODS = {
    "point": Point(),
    "code length": CodeLength(),
    "sqs": Sqs(sparsity=0.2),
    "mean field": MeanField(PRIOR),
    "mean field, drawn": MeanField(PRIOR, estimator="weight_sampling"),
    "deep ensemble": DeepEnsemble(2),
    "snapshot ensemble": SnapshotEnsemble(2),
    "sghmc": SgMcmc("sghmc", 2, 1, 1, 0.5, 0.01, 0.9, PRIOR),
    "mc dropout": McDropout(),
}


def held_network(seed=0):
    torch.manual_seed(seed)
    module = Normed()
    values = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    values = {name: each + 0.5 if each.is_floating_point() else each for name, each in values.items()}
    return hold(trace(module, (3,), train=True), HELD, values), values


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
def test_what_is_held_is_the_same_after_training_and_the_rest_is_not(method):
    network, values = held_network()
    draw = torch.Generator().manual_seed(1)
    examples = Examples(torch.randn(40, 3, generator=draw), torch.randint(0, 2, (40,), generator=draw))
    found = fit(network, method, Likelihood("classification", 2), examples, FitSettings(epochs=4, batch=10)).posterior
    held = [name for name in values if name.startswith(("first.", "norm."))]
    assert len(held) == 7
    assert not {*held} & {*found.marginals()}
    assert not {*held} & {*found.sample(2, torch.Generator())}
    centre = found.centre()
    for name, before in values.items():
        moved = not torch.equal(centre[name], network.params.get(name, before))
        assert moved == (name not in held), name
        if name in held:
            assert torch.equal(centre[name], before), name


def test_a_norm_whose_statistics_are_held_normalizes_by_them_in_training():
    network, values = held_network()
    inputs = torch.randn(7, 3)
    with torch.no_grad():
        given = torch.relu(
            (inputs @ values["first.weight"].T + values["first.bias"] - values["norm.running_mean"])
            * values["norm.weight"]
            / (values["norm.running_var"] + 1e-5).sqrt()
            + values["norm.bias"]
        )
        graph = network.graph
        norm = next(node for node in graph.graph.nodes if "batch_norm" in str(node.target))
        tensors = [*(({**network.params, **network.buffers})[name] for name in network.names), inputs]
        interpreter = Recording(graph)
        interpreter.run(*tensors)
    torch.testing.assert_close(torch.relu(interpreter.env_of[norm.name]), given)


class Recording(torch.fx.Interpreter):
    """Keeps what each node gave."""

    def __init__(self, graph):
        super().__init__(graph)
        self.env_of = {}

    def run_node(self, n):
        self.env_of[n.name] = super().run_node(n)
        return self.env_of[n.name]


def test_something_must_be_left_to_learn_and_a_dropout_needs_a_weight_of_its_own():
    network, values = held_network()
    with pytest.raises(NetworkError, match=r"'\*': nothing is left to differ; one weight at least must not match"):
        hold(network, ["*"], values)
    behind = hold(network, ["last.*"], values)
    with pytest.raises(
        NetworkError, match=r"dropout leaves out inputs of 'last.weight', which is the same in all samples"
    ):
        McDropout().objective(behind, Likelihood("classification", 2), {})
