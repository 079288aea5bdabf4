"""The part of a recipe that says where its posterior comes from: a method that fits it, or a file."""

import math
from dataclasses import dataclass, field
from typing import Literal

from bitsback.errors import RecipeError
from bitsback.recipe.strict import STRICT


@dataclass(frozen=True)
class NormalPrior:
    """N(0, std²) for every weight; see `posterior.prior.Normal`.

    Attributes:
        name: Makes the prior this one.
    """

    __pydantic_config__ = STRICT
    name: Literal["normal"] = "normal"
    std: float = 1.0


@dataclass(frozen=True)
class MixturePrior:
    """A wide and a narrow normal; see `posterior.prior.ScaleMixture`.

    Attributes:
        name: Makes the prior this one, which it is without a name too.
    """

    __pydantic_config__ = STRICT
    name: Literal["scale_mixture"] = "scale_mixture"
    pi: float = 0.5
    std1: float = 1.0
    std2: float = math.exp(-5)


@dataclass(frozen=True)
class MeanField:
    """Independent normals over the weights; see `posterior.mean_field.MeanField`.

    Attributes:
        method: Makes the inference this one, which it is without a method too.
    """

    __pydantic_config__ = STRICT
    method: Literal["mean_field"] = "mean_field"
    prior: MixturePrior | NormalPrior = field(default_factory=MixturePrior)
    estimator: Literal["weight_sampling", "local_reparametrization"] = "weight_sampling"
    kl: Literal["sampled", "closed_form"] | None = None
    initial_std: float = 1e-3
    std_rate: float = 5.0


@dataclass(frozen=True)
class Point:
    """One value of the weights, the ordinary way of training; see `posterior.point.Point`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["point"] = "point"


@dataclass(frozen=True)
class CodeLength:
    """Weights of few levels, whose KL is the file; see `posterior.code_length.CodeLength`.

    The temperature of the run is the price of a nat: the larger, the smaller the file.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["code_length"] = "code_length"
    levels: int = 5
    vector_levels: int = 15
    width: float = 0.15
    narrowing: float = 1.0
    level_rate: float = 0.1
    rise: float = 0.5
    crossed: bool = True


@dataclass(frozen=True)
class Sqs:
    """A spike and a slab of Gaussians for each weight, to compare with; see `posterior.sqs.Sqs`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["sqs"] = "sqs"
    components: int = 4
    sparsity: float = 0.5
    prior_keep: float | None = None
    prior_std: float = 3.0
    softness: float = 5e-4
    gate_softness: float = 0.0125
    gate_rate: float = 12.0
    begin: float = 0.04
    end: float = 0.6
    windows: Literal["one", "outliers", "equal"] = "one"
    draws: int = 0
    mended: bool = False


@dataclass(frozen=True)
class SgMcmc:
    """Samples from chains of stochastic-gradient MCMC; see `posterior.sg_mcmc.SgMcmc`. Their steps are not those of `fit`.

    Attributes:
        method: Makes the inference this one: with momentum ("sghmc"), or without ("sgld").
    """

    __pydantic_config__ = STRICT
    method: Literal["sghmc", "sgld"] = "sghmc"
    samples: int = 32
    chains: int = 4
    cycles: int = 1
    burn_in: float = 0.5
    learning_rate: float = 0.1
    momentum: float = 0.9
    prior: MixturePrior | NormalPrior = field(default_factory=NormalPrior)


@dataclass(frozen=True)
class Hmc:
    """Samples from chains of Hamiltonian Monte Carlo; see `posterior.hmc.Hmc`. Their steps are not those of `fit`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["hmc"] = "hmc"
    samples: int = 100
    chains: int = 4
    burn_in: float = 0.3
    leapfrog: int = 20
    step: float = 1e-2
    acceptance: float = 0.8
    prior: MixturePrior | NormalPrior = field(default_factory=NormalPrior)


@dataclass(frozen=True)
class McDropout:
    """A network that is trained with its own dropout, which its draws have too; see `posterior.mc_dropout.McDropout`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["mc_dropout"] = "mc_dropout"


@dataclass(frozen=True)
class DeepEnsemble:
    """Points, each trained from a start of its own; see `posterior.ensembles.DeepEnsemble`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["deep_ensemble"] = "deep_ensemble"
    members: int = 5


@dataclass(frozen=True)
class SnapshotEnsemble:
    """The ends of the cycles of one training; see `posterior.ensembles.SnapshotEnsemble`.

    Attributes:
        method: Makes the inference this one.
    """

    __pydantic_config__ = STRICT
    method: Literal["snapshot_ensemble"] = "snapshot_ensemble"
    members: int = 5


@dataclass(frozen=True)
class Imported:
    """A posterior that was made elsewhere; see `posterior.foreign`. Nothing is fitted.

    Attributes:
        method: Makes the inference this one.
        posterior: The file, relative to the recipe: the param store of a Pyro guide (AutoNormal or AutoDiagonalNormal), or, by
            its name, a safetensors file of `mean.NAME`, `std.NAME` and `point.NAME`.
        names: The network's params by the names in the file, for those that differ by more than one prefix; "" leaves one
            out.
        sites: The names of an AutoDiagonalNormal in the order in which its model samples them; one that `names` leaves out
            counts as one number.
        noise: A regression's noise: its standard deviation in the targets' unit, above 0.
    """

    __pydantic_config__ = STRICT
    method: Literal["imported"] = "imported"
    posterior: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    sites: tuple[str, ...] = ()
    noise: float | None = None

    def __post_init__(self) -> None:
        if self.posterior is None:
            raise RecipeError("inference.posterior is missing; where inference.method is 'imported' it names the file")
        if self.noise is not None and not 0 < self.noise < math.inf:
            raise RecipeError(f"inference.noise is {self.noise!r}; it must be a positive number")
