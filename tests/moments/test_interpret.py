import pytest
import torch
from torch import Tensor, nn

from bitsback.errors import ExportError
from bitsback.given.network import Network, trace
from bitsback.given.reference import lenet_5, mlp
from bitsback.given.stacked import Stack, StackedInterpreter
from bitsback.moments.interpret import GaussianInterpreter
from bitsback.moments.rules import Rule, rules
from bitsback.posterior.contract import Gaussian


def propagated(network: Network, std: float, inputs: Tensor, **settings: object) -> Gaussian:
    values = {**network.params, **network.buffers}
    random = {n: Gaussian(values[n], torch.full_like(values[n], std**2)) for n in network.bayesian}
    interpreter = GaussianInterpreter(network.graph, settings.pop("known", rules()), **settings)
    return interpreter.run(*({**values, **random}[n] for n in network.names), inputs)[0]


def monte_carlo(network: Network, std: float, inputs: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    values = {**network.params, **network.buffers}
    drawn = {
        n: Stack(values[n] + std * torch.randn(draws, *values[n].shape, generator=generator)) for n in network.bayesian
    }
    stack = StackedInterpreter(network.graph).run(*({**values, **drawn}[n] for n in network.names), inputs)[0].tensor
    return stack.mean(0), stack.var(0)


@pytest.mark.parametrize("network", [mlp((1, 8, 8), 5, hidden=(40, 40)), lenet_5((1, 12, 12), 5)], ids=["mlp", "lenet"])
def test_one_pass_follows_monte_carlo(network: nn.Module) -> None:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    traced = trace(network, (1, 12, 12) if len(traced_shape(network)) == 4 else (1, 8, 8))
    inputs = torch.randn(8, *traced.input_shape)
    found = propagated(traced, 0.02, inputs)
    mean, var = monte_carlo(traced, 0.02, inputs, 2000)
    assert float((found.mean - mean).square().mean().sqrt() / mean.square().mean().sqrt()) < 0.02
    assert 0.8 < float((found.var / var).median()) < 1.2


def traced_shape(network: nn.Module) -> torch.Size:
    return next(network.parameters()).shape


class Strange(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.erfinv(self.dense(inputs))


def test_an_operator_without_a_rule_is_refused_by_name_and_line() -> None:
    network = trace(Strange(), (4,))
    with pytest.raises(
        ExportError,
        match=r"aten\.erfinv\.default has no rule .*return torch\.erfinv.*of your own as form\.rules.*: .*relu",
    ):
        propagated(network, 0.1, torch.zeros(1, 4))


def test_a_user_may_bring_a_rule() -> None:
    own = {**rules(), torch.ops.aten.erfinv.default: lambda value: Gaussian(value.mean * 7, value.var)}
    network, inputs = trace(Strange(), (4,)), torch.randn(2, 4)
    found = propagated(network, 0.1, inputs, known=own)
    torch.testing.assert_close(found.mean, 7 * nn.functional.linear(inputs, *network.params.values()))


@pytest.mark.parametrize(
    ("gives", "sentence"),
    [
        (lambda value: value.mean, "its rule gave Tensor, and must give a Gaussian"),
        (lambda value: [value, 3], "its rule gave int"),
        (
            lambda value: Gaussian(value.mean, value.var[:1]),
            r"a mean of shape \(2, 4\) and a variance of shape \(1, 4\)",
        ),
        (lambda value: {}[value], "cannot be propagated: Gaussian"),
    ],
    ids=["no variance", "a number among them", "another shape", "an error of its own"],
)
def test_a_rule_that_gives_no_gaussian_is_refused_by_line(gives: Rule, sentence: str) -> None:
    network = trace(Strange(), (4,))
    with pytest.raises(ExportError, match=rf"aten\.erfinv\.default \(at `return torch\.erfinv.*{sentence}"):
        propagated(network, 0.1, torch.zeros(2, 4), known={**rules(), torch.ops.aten.erfinv.default: gives})


def test_what_depends_on_no_weight_is_left_as_it_is() -> None:
    class Early(Strange):
        def forward(self, inputs: Tensor) -> Tensor:
            return self.dense(torch.erfinv(inputs))

    found = propagated(trace(Early(), (4,)), 0.1, torch.zeros(1, 4))
    torch.testing.assert_close(found.var, torch.full((1, 4), 0.01))


def test_a_factor_changes_what_follows() -> None:
    network, inputs = trace(mlp((4,), 3, hidden=(5,)), (4,)), torch.randn(2, 4)
    relu = torch.ops.aten.relu.default
    plain = propagated(network, 0.1, inputs)
    scaled = propagated(network, 0.1, inputs, factor=lambda node, _: 0.0 if node.target is relu else 1.0)
    torch.testing.assert_close(scaled.mean, plain.mean)
    assert bool((scaled.var < plain.var).all())
