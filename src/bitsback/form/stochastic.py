"""The stochastic form: the program draws from the posterior itself, anew in each call.

It holds means and standard deviations, or what a dropout leaves out, instead of S members. Where the weights of a linear layer
are independent normals, what it draws are the layer's outputs, which have the same distribution (Kingma, Salimans, Welling,
"Variational Dropout and the Local Reparameterization Trick", 2015) and are far fewer; of convolutions and of weights that are
used twice it draws the weights. Noise comes from `randn` and `rand` alone: exporters and runtimes have been seen to remove
ONNX's Dropout, and to fold its Bernoulli, without a word.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bitsback.errors import RecipeError
from bitsback.form.contract import Said
from bitsback.form.outputs import VOTES, Reading
from bitsback.form.program import Members, Program, Units, buffer_names, build
from bitsback.given.network import Network
from bitsback.given.stacked import Stack, StackedInterpreter
from bitsback.posterior.contract import Dropout, Gaussian, Posterior
from bitsback.posterior.dropout_posterior import columns_of
from bitsback.posterior.local_reparametrization import layers


@dataclass(frozen=True)
class StochasticForm:
    """The average over draws that are made in each call.

    Attributes:
        count: how many draws a call makes, at least 2.
        seed: decides those that are made in PyTorch; a program's come from the engine that runs it.
    """

    count: int = 20
    seed: int = 0

    @property
    def name(self) -> str:
        """It is called "stochastic"."""
        return "stochastic"

    @property
    def said(self) -> Said:
        """How many draws a call makes."""
        return {"draws": self.count}

    @property
    def settings(self) -> Said:
        """How many draws a call makes, and the seed of those that are made in PyTorch."""
        return {**self.said, "seed": self.seed}

    @property
    def reading(self) -> Reading:
        """Draws vote."""
        return VOTES

    def program(self, network: Network, posterior: Posterior, units: Units) -> Program:
        """The program that draws.

        Raises:
            RecipeError: fewer than two draws are asked for, the posterior is a list of values, or no weight is random.
            ExportError: an operator of the network cannot be mapped over draws.
        """
        drawn = self._drawn(network, posterior)
        drawn(torch.zeros(2, *network.input_shape))
        return build("stochastic", drawn, self.count, units, network.input_shape, draws=True)

    def members(self, network: Network, posterior: Posterior, _units: Units) -> Members:
        """The same draws for the same seed and batch size, and without a trace in PyTorch's own generator."""
        drawn = self._drawn(network, posterior)

        def answers(inputs: Tensor) -> Tensor:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.seed)
                return drawn(inputs)

        return answers

    def held(self, posterior: Posterior) -> dict[str, tuple[Tensor, ...]]:
        """Mean and standard deviation of each random param, or the mean alone where a dropout varies it."""
        return {
            name: (each.mean,) if name in posterior.dropout else (each.mean, each.var.sqrt())
            for name, each in posterior.marginals().items()
        }

    def _drawn(self, network: Network, posterior: Posterior) -> "_Draws":
        if self.count < 2:
            raise RecipeError(f"a stochastic form with {self.count} draw(s) is asked for; it needs at least 2")
        if posterior.listing is not None:
            raise RecipeError(
                f"a stochastic form is asked for, and the posterior is a list of {posterior.listing.values} values, of which "
                'none is new; use the ensemble form (form.name = "ensemble")'
            )
        if not any(bool(each.var.any()) for each in posterior.marginals().values()):
            raise RecipeError("a stochastic form is asked for, and no weight is random; use the point form")
        return _Draws(network, posterior, self.count)


@dataclass(frozen=True)
class _Normals:
    """A param of which a layer's outputs are drawn and not itself."""

    moments: Gaussian


@dataclass(frozen=True)
class _Thinned:
    """A weight some of whose inputs are left out."""

    weight: Tensor
    dropout: Dropout


class _Draws(nn.Module):
    """The graph, mapped over draws that are made while it runs."""

    def __init__(self, network: Network, posterior: Posterior, count: int) -> None:
        super().__init__()
        self.network, self.count = network, count
        marginals, values = posterior.marginals(), posterior.centre()
        random = {name for name in network.names if name in marginals and bool(marginals[name].var.any())}
        self.dropout = {name: each for name, each in posterior.dropout.items() if name in random}
        normal = random - {*self.dropout}
        self.before_layers = _before_layers(network, self.dropout)
        self.after_layers = _after_layers(network, normal)
        self.values = buffer_names(network.names, "value__")
        ordered = [name for name in dict.fromkeys(network.names) if name in normal]
        self.spreads = {
            **buffer_names((name for name in ordered if name in self.after_layers), "var__"),
            **buffer_names((name for name in ordered if name not in self.after_layers), "std__"),
        }
        for name, attribute in self.values.items():
            self.register_buffer(attribute, values[name].detach().clone())
        for name, attribute in self.spreads.items():
            var = marginals[name].var.detach()
            self.register_buffer(attribute, var.clone() if name in self.after_layers else var.sqrt())

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardized inputs `[B, *shape]` to outputs `[S, B, C]`."""
        kept: dict[str, Tensor] = {}
        tensors = {name: self._given(name, kept) for name in self.values}
        interpreter = _DrawingInterpreter(self.network, self.count)
        outputs = interpreter.run(*(tensors[name] for name in self.network.names), inputs)[0]
        return outputs.tensor

    def _given(self, name: str, kept: dict[str, Tensor]) -> Any:
        """What the graph is given of a param; `kept` has the units that draws of whole weights have left, by dropout."""
        value = getattr(self, self.values[name])
        if name in self.before_layers:
            return _Thinned(value, self.dropout[name])
        if name in self.dropout:
            of = self.dropout[name]
            units = kept.setdefault(of.group, _units_left(torch.rand(self.count, of.units), of))
            return Stack(value * columns_of(units, value.shape[1]).reshape(self.count, 1, -1, *[1] * (value.ndim - 2)))
        if name not in self.spreads:
            return value
        spread = getattr(self, self.spreads[name])
        if name in self.after_layers:
            return _Normals(Gaussian(value, spread))
        return Stack(value + spread * torch.randn(self.count, *value.shape))


def _after_layers(network: Network, normal: Collection[str]) -> set[str]:
    """The params whose layers' outputs are drawn: of linear layers over one position of each datum, with no other use."""
    found: set[str] = set()
    for each in layers(network):
        if each.linear and each.axes == 2 and each.alone and each.weight in normal:
            found |= {name for name in (each.weight, each.bias) if name in normal and name is not None}
    return found


def _before_layers(network: Network, dropout: Mapping[str, Dropout]) -> set[str]:
    """The weights some of whose inputs are left out for each datum: where all that one dropout stands before are such."""
    by_datum = {each.weight for each in layers(network) if each.axes and each.alone}
    whole = {each.group for name, each in dropout.items() if name not in by_datum}
    return {name for name, each in dropout.items() if each.group not in whole}


def _units_left(uniform: Tensor, of: Dropout) -> Tensor:
    """0, or what makes up for those that are left out."""
    return (uniform >= of.rate).to(uniform.dtype) / (1 - of.rate)


class _DrawingInterpreter(StackedInterpreter):
    """Draws at the layers whose params are `_Normals` or `_Thinned`."""

    def __init__(self, network: Network, count: int) -> None:
        super().__init__(network.graph)
        self.count = count
        self.kept: dict[str, Tensor] = {}

    def differs(self, value: Any) -> bool:
        """What is drawn differs."""
        return isinstance(value, _Normals | _Thinned) or super().differs(value)

    def over_members(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A layer's outputs drawn, or of inputs of which some are left out; any other operator over its values."""
        if len(args) > 1 and isinstance(args[1], _Normals):
            return self._drawn_outputs(*args)
        if len(args) > 1 and isinstance(args[1], _Thinned):
            args = self._inputs_left(args[0], args[1]), args[1].weight, *args[2:]
        return super().over_members(target, args, kwargs)

    def _drawn_outputs(self, inputs: Any, weight: _Normals, bias: Any = None) -> Stack:
        each = inputs.tensor if isinstance(inputs, Stack) else inputs
        offset = tuple(bias.moments) if isinstance(bias, _Normals) else (bias, None)
        mean = torch.nn.functional.linear(each, weight.moments.mean, offset[0])
        std = torch.sqrt(torch.nn.functional.linear(each.square(), weight.moments.var, offset[1]))
        if not isinstance(inputs, Stack):
            mean, std = (value.expand(self.count, *value.shape) for value in (mean, std))
        return Stack(mean + std * torch.randn_like(mean))

    def _inputs_left(self, inputs: Any, thinned: _Thinned) -> Stack:
        of = thinned.dropout
        each = inputs.tensor if isinstance(inputs, Stack) else inputs.expand(self.count, *inputs.shape)
        if of.group not in self.kept:  # like something: ONNX has no draw of a size that is not known beforehand
            like = each.new_zeros(self.count, each.shape[1], of.units)
            self.kept[of.group] = _units_left(torch.rand_like(like), of)
        kept = columns_of(self.kept[of.group], thinned.weight.shape[1])
        between = [1] * (each.ndim - 3)
        axes = (*between, kept.shape[-1]) if thinned.weight.ndim == 2 else (kept.shape[-1], *between)
        return Stack(each * kept.reshape(*kept.shape[:2], *axes))
