"""The propagated form: mean and variance of the network's outputs from one pass over Gaussians.

Roth and Pernkopf, "Variational inference in neural networks using an approximate closed-form objective" (2016), and the
probabilistic forward pass of Klein et al. (arXiv 2511.23440), on the graph of any traced network. Class probabilities and
uncertainties come from a fixed set of quasi-random points of the Gaussian outputs, which cost one softmax of a few numbers
each and no pass through the network, or without any in closed form (`moments.categorical`); a regression's mean and variance
are the outputs' own.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bitsback.errors import RecipeError
from bitsback.form.contract import Said
from bitsback.form.outputs import MOMENTS, VOTES, Reading
from bitsback.form.program import Program, Units, buffer_names, build
from bitsback.form.stored import Stored, stored
from bitsback.given.network import Network
from bitsback.moments.calibration import Calibration, fit_factors
from bitsback.moments.correlated import CorrelatedInterpreter
from bitsback.moments.outputs import root
from bitsback.moments.own import OwnRules
from bitsback.moments.pooling import MaxPool
from bitsback.moments.reorder import pool_before_relu
from bitsback.moments.rules import rules
from bitsback.moments.softmax import quasi_random
from bitsback.posterior.contract import Gaussian, Posterior
from bitsback.posterior.soundness import fault
from bitsback.settings import check_among

Probabilities = Literal["points", "mean_field"]


@dataclass(frozen=True)
class PropagatedForm:
    """One pass of the posterior's marginal means and variances; what correlates the weights is left out.

    Attributes:
        points: of the Gaussian outputs, for class probabilities, at least 2.
        probabilities: "points", or "mean_field" for none.
        max_pool: how max pools choose, see `moments.pooling`.
        weights: how means and variances are stored, see `form.stored`.
        own: the user's rules for operators, which come before the library's.
        calibration: what a factor of each layer's variance is fitted on, if it is to have one.
    """

    points: int = 128
    max_pool: MaxPool = "larger_mean"
    probabilities: Probabilities = "points"
    weights: Stored = "float32"
    own: OwnRules = field(default_factory=OwnRules)
    calibration: Calibration | None = None

    @property
    def name(self) -> str:
        """It is called "propagated"."""
        return "propagated"

    @property
    def said(self) -> Said:
        """How class probabilities are found, how weights are stored, and on how many inputs variances were calibrated."""
        by: Said = {"points": self.points} if self.probabilities == "points" else {"probabilities": self.probabilities}
        as_stored: Said = {} if self.weights == "float32" else {"weights": self.weights}
        on: Said = {} if self.calibration is None else {"calibrated_on": len(self.calibration.inputs)}
        return {**by, **as_stored, **on}

    @property
    def settings(self) -> Said:
        """How class probabilities are found, the pooling, the text of the user's rules, and the calibration's inputs."""
        on = {} if self.calibration is None else {"seed": self.calibration.seed, "inputs": self.calibration.source}
        return {**self.said, "max_pool": self.max_pool, "rules": self.own.source, **on}

    @property
    def reading(self) -> Reading:
        """Points vote; without them the moments are read."""
        return VOTES if self.probabilities == "points" else MOMENTS

    def program(self, network: Network, posterior: Posterior, units: Units) -> Program:
        """The program of one pass.

        Raises:
            RecipeError: a setting is out of range, no weight is random, or a variance is negative or not a number.
            ExportError: an operator of the network has no rule.
        """
        module = self.members(network, posterior, units)
        module(torch.zeros(2, *network.input_shape))
        count = 1 if module.points is None else len(module.points)
        return build("propagated", module, count, units, network.input_shape, reading=self.reading)

    def members(self, network: Network, posterior: Posterior, units: Units) -> "_Propagated":
        """The outputs at the points, which vote like members, or mean and variance of the outputs.

        Raises:
            RecipeError: as for the program.
        """
        if self.points < 2:
            raise RecipeError(f"a propagated form with {self.points} point(s) is asked for; it needs at least 2")
        check_among("probabilities", self.probabilities, get_args(Probabilities))
        check_among("weights", self.weights, get_args(Stored))
        marginals = posterior.marginals()
        if not marginals:
            raise RecipeError("a propagated form is asked for, and no weight is random; use the point form")
        means, variances = ({name: each[which] for name, each in marginals.items()} for which in (0, 1))
        wrong = fault("mean", means) or fault("variance", variances, 0)
        if wrong is not None:
            raise RecipeError(f"a posterior cannot be propagated: {wrong}")
        posterior = stored(posterior, self.weights)
        ordered = replace(network, graph=pool_before_relu(network.graph))
        at = _points(units, self, network.outputs)
        known = {**rules(self.max_pool, factored=self.weights == "factored"), **dict(self.own.rules)}
        interpreter = CorrelatedInterpreter(
            ordered.graph, known, outputs=units.task == "classification" and at is not None
        )
        on = self.calibration
        factors = {} if on is None else fit_factors(ordered, posterior, interpreter, on)
        return _Propagated(ordered, posterior, at, interpreter, factors, factored=self.weights == "factored")

    def held(self, posterior: Posterior) -> dict[str, tuple[Tensor, ...]]:
        """Mean and variance of each random param."""
        return {name: tuple(marginal) for name, marginal in stored(posterior, self.weights).marginals().items()}


def _points(units: Units, form: PropagatedForm, outputs: int) -> Tensor | None:
    """Where the Gaussian outputs are looked at, in standard deviations `[K, C]`, if anywhere.

    Two points at ±1 have a normal's mean and variance, which is all that a regression asks for.
    """
    if units.task == "regression":
        return torch.tensor([[-1.0], [1.0]]).expand(2, outputs).clone()
    return quasi_random(form.points, outputs).float() if form.probabilities == "points" else None


class _Propagated(nn.Module):
    """The graph over Gaussians; its answers are the outputs at the points, or their moments where there are none.

    Attributes:
        network: the network in the order in which it is propagated.
        interpreter: of its graph.
        factors: what variances are multiplied by, by the name of the graph's node.
        points: `[K, C]`, in standard deviations.
        factored: whether convolutions take the squares of their means for products, see `moments.bilinear`.
    """

    points: Tensor | None

    def __init__(
        self,
        network: Network,
        posterior: Posterior,
        points: Tensor | None,
        interpreter: CorrelatedInterpreter,
        factors: dict[str, float],
        *,
        factored: bool,
    ) -> None:
        super().__init__()
        self.network, self.interpreter, self.factors, self.factored = network, interpreter, factors, factored
        marginals = posterior.marginals()
        self.random = [name for name in dict.fromkeys(network.names) if name in marginals]
        self.shared = buffer_names((name for name in network.names if name not in marginals), "shared__")
        self.means, self.variances = buffer_names(self.random, "mean__"), buffer_names(self.random, "var__")
        for name, attribute in self.shared.items():
            self.register_buffer(attribute, posterior.fixed[name].detach().clone())
        for name in self.random:
            self.register_buffer(self.means[name], marginals[name].mean.detach().clone())
            self.register_buffer(self.variances[name], marginals[name].var.detach().clone())
        self.register_buffer("points", points)

    @property
    def values(self) -> dict[str, Tensor | Gaussian]:
        """Every tensor and Gaussian that the network takes, by name."""
        values: dict[str, Tensor | Gaussian] = {name: getattr(self, each) for name, each in self.shared.items()}
        for name in self.random:
            values[name] = Gaussian(getattr(self, self.means[name]), getattr(self, self.variances[name]))
        return values

    @property
    def correlated(self) -> bool:
        """Whether outputs were looked at with what they have in common when it was last run."""
        return self.interpreter.covariance is not None

    def outputs(self, inputs: Tensor) -> Gaussian:
        """Standardized inputs `[B, *shape]` to the Gaussian outputs `[B, C]`."""
        values = self.values
        return self.interpreter.run(*(values[name] for name in self.network.names), inputs)[0]

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardized inputs `[B, *shape]` to the outputs at the points `[K, B, C]`, or to mean and variance `[2, B, C]`."""
        mean, var = self.outputs(inputs)
        if self.points is None:
            return torch.stack([mean, var])
        shared = self.interpreter.covariance
        if shared is None:
            return mean + torch.sqrt(var) * self.points.unsqueeze(1)
        return mean + (self.points @ root(var, shared)).transpose(0, 1)
