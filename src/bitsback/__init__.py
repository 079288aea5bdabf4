"""bitsback: a PyTorch network in, a small program that knows when it does not know out.

```
network + data ─► posterior ─► policy ─► compress ─► form ─► artifact ─► runtime ─► prediction
                                  ▲                    │
                                  └─────── measure ◄───┘            report reads the journal

network, dataset   fit,         prune            point,    pack      load      predict, evaluate
                   imported                      ensemble,
                                                 propagated
```

Names are loaded on first use (Scientific Python SPEC 1): importing the package imports neither PyTorch nor ONNX Runtime,
and `load` needs no PyTorch at all.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bitsback.api import dataset, evaluate, fit, network, pack, prune
    from bitsback.forms import ensemble, point, propagated, stochastic
    from bitsback.given.network import trace
    from bitsback.importing import imported
    from bitsback.measure.abstain import Promise
    from bitsback.policy.choice import Choice, Policy
    from bitsback.posterior.code_length import CodeLength
    from bitsback.posterior.ensembles import DeepEnsemble, SnapshotEnsemble
    from bitsback.posterior.hmc import Hmc
    from bitsback.posterior.loop import FitSettings
    from bitsback.posterior.mc_dropout import McDropout
    from bitsback.posterior.mean_field import MeanField
    from bitsback.posterior.optimization import Optimization
    from bitsback.posterior.point import Point
    from bitsback.posterior.prior import Normal, ScaleMixture
    from bitsback.posterior.sg_mcmc import SgMcmc
    from bitsback.posterior.sqs import Sqs
    from bitsback.runtime.predictor import load

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "CodeLength",
    "DeepEnsemble",
    "FitSettings",
    "Hmc",
    "McDropout",
    "MeanField",
    "Normal",
    "Optimization",
    "Point",
    "Policy",
    "Promise",
    "ScaleMixture",
    "SgMcmc",
    "SnapshotEnsemble",
    "Sqs",
    "__version__",
    "dataset",
    "ensemble",
    "evaluate",
    "fit",
    "imported",
    "load",
    "network",
    "pack",
    "point",
    "propagated",
    "prune",
    "stochastic",
    "trace",
]

_HOMES = {
    "Choice": "policy.choice",
    "CodeLength": "posterior.code_length",
    "DeepEnsemble": "posterior.ensembles",
    "FitSettings": "posterior.loop",
    "Hmc": "posterior.hmc",
    "McDropout": "posterior.mc_dropout",
    "MeanField": "posterior.mean_field",
    "Normal": "posterior.prior",
    "Optimization": "posterior.optimization",
    "Point": "posterior.point",
    "Policy": "policy.choice",
    "Promise": "measure.abstain",
    "ScaleMixture": "posterior.prior",
    "SgMcmc": "posterior.sg_mcmc",
    "SnapshotEnsemble": "posterior.ensembles",
    "Sqs": "posterior.sqs",
    **dict.fromkeys(("dataset", "evaluate", "fit", "network", "pack", "prune"), "api"),
    **dict.fromkeys(("ensemble", "point", "propagated", "stochastic"), "forms"),
    "imported": "importing",
    "load": "runtime.predictor",
    "trace": "given.network",
}


def __getattr__(name: str) -> Any:
    """A public name, loaded from its home.

    Raises:
        AttributeError: There is no such name.
        MissingExtraError: It needs PyTorch, which is not installed.
        ModuleNotFoundError: The installation of bitsback itself is not whole.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == __name__:
            raise
        from bitsback.errors import MissingExtraError

        raise MissingExtraError(
            f'bitsback.{name} needs {error.name}, which is not installed: pip install "bitsback[torch]"'
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
