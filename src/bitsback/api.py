"""The verbs for Python, in the order of the path.

```
dataset, network ──► fit | imported ──► prune ──► point | ensemble | propagated | stochastic ──► pack ──► load ──► evaluate
```

Each takes what the one before gave. The command line's stages (`run/`) do the same with everything between in files.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from bitsback.arguments import check_data, check_fitted, check_kind, check_words, checkpoint_path
from bitsback.artifact.container import write
from bitsback.compress.masks import masks_for
from bitsback.compress.masks import prune as pruned_by
from bitsback.errors import NetworkError, PolicyError, PromiseError, RecipeError
from bitsback.form.program import Program
from bitsback.given import dataset as datasets
from bitsback.given.dataset import Dataset, DataSettings
from bitsback.given.resolve import resolve
from bitsback.measure import quality
from bitsback.measure.abstain import Promise
from bitsback.measure.journal import stamp
from bitsback.measure.provenance import provenance
from bitsback.policy.choice import Choice, Policy
from bitsback.posterior.code_length import CodeLength
from bitsback.posterior.fit import Progress
from bitsback.posterior.fit import fit as train
from bitsback.posterior.inference import Inference
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.mean_field import MeanField
from bitsback.posterior.point import Point
from bitsback.posterior.sqs import Sqs
from bitsback.recipe.form import FormName
from bitsback.run.abstention import decide
from bitsback.run.fitted import FittedNetwork, at_mean, examples, likelihood, trace_both, units
from bitsback.run.libraries import compiled, wanted
from bitsback.run.programs import artifact, check_manifest, check_program, described_again, figures_of, opened
from bitsback.run.rehearsal import check_form
from bitsback.run.starts import starts_of
from bitsback.runtime.predictor import Predictor
from bitsback.settings import check_among, check_path, check_seed, is_number


def dataset(name: str | None = None, *, folder: str | Path | None = None, seed: int = 0, **settings: Any) -> Dataset:
    """Load a data set and split it.

    Args:
        name: "digits", "diabetes", a folder's name such as "mnist", or a function as `package.module:function` or
            `file.py:function`. Without one it is the set that the folder is, else the digits.
        folder: A folder that is one set, or that holds named sets.
        seed: Decides every draw.
        settings: Those of `given.dataset.DataSettings`: `validation`, `calibration`, `out_of_distribution`, `hold_out` and
            `limit`.

    Raises:
        DataError: The set is missing or malformed.
        RecipeError: A setting does not fit it.
    """
    if name is not None and not isinstance(name, str):
        raise RecipeError(f"name is {name!r}; it must be the name of a data set, such as 'digits'")
    if folder is not None:
        check_path("folder", folder)
    unknown = settings.keys() - {each.name for each in fields(DataSettings)}
    if unknown:
        there = ", ".join(each.name for each in fields(DataSettings))
        raise RecipeError(f"there is no setting {min(unknown)!r} of a data set; there are {there}")
    return datasets.load(
        name, data=Path(folder) if folder is not None else None, seed=seed, settings=DataSettings(**settings)
    )


def network(name: str, data: Dataset, *, seed: int = 0, weights: str | Path | None = None, **options: Any) -> nn.Module:
    """Make a network that fits a data set: a reference one, or your own by `package.module:name` or `file.py:name`.

    Args:
        name: "mlp", "lenet-5", ...
        data: Says how large inputs and outputs are.
        seed: Decides where the weights start.
        weights: A file of published weights to start from.
        options: The factory's own, such as `hidden=(500, 500)`.

    Raises:
        NetworkError: There is no such network, or it takes no such option.
        RecipeError: An argument is of the wrong kind.
    """
    check_data(data)
    check_seed(seed)
    if weights is not None:
        check_path("weights", weights)
    if not isinstance(name, str):
        raise NetworkError(f"name is of type {type(name).__name__}; it must be a network's name, such as 'mlp'")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        path = Path(weights) if weights is not None else None
        return resolve(name, data.input_shape, data.outputs, options, weights=path)


def fit(
    module: nn.Module,
    data: Dataset,
    inference: Inference | None = None,
    *,
    epochs: int | None = None,
    settings: FitSettings | None = None,
    deterministic: Sequence[str] = (),
    form: FormName | None = None,
    start: FittedNetwork | None = None,
    checkpoint: str | Path | None = None,
    watch: Callable[[Progress], None] | None = None,
) -> FittedNetwork:
    """Fit a posterior over a network's params; the module itself is not changed.

    Args:
        module: Any network that `torch.export` can trace; its params are where the means start, or the first of several chains.
        data: Its training split is fitted.
        inference: The method, `MeanField()` when None.
        epochs: Passes over the training split, in place of the settings' own number.
        settings: Of the training loop: batch, optimizer, temperature, seed, ...
        deterministic: Patterns of params that stay points.
        form: What will ship, made once of the untrained network to see that it can be; when None, the ensemble where
            `inference` gives something to draw from, else the point. Leave it out where you bring rules of your own.
        start: What to go on from in place of the module's own params: an earlier result over the same params, whose means,
            and standard deviations where it has some, are where these start. Several members or chains each go on from one of
            its own where it has as many, else all from the same place. What is pruned in it stays pruned.
        checkpoint: A file to go on from after a kill, and to save the state in.
        watch: Is told the progress.

    Raises:
        NetworkError: The network cannot be traced, or does not fit the data or the start.
        ExportError: The form cannot be made of it.
        RecipeError: A setting is out of range, or an argument of the wrong kind.
        DataError: The loss stops being a number.
        RunError: The checkpoint cannot be read or written.
    """
    settings = FitSettings() if settings is None else settings
    inference = MeanField() if inference is None else inference
    check_data(data)
    check_kind("inference", inference, Inference, "a method that fits, such as MeanField() or Point()")
    check_kind("settings", settings, FitSettings, "FitSettings(...)")
    check_among("form", form, (*get_args(FormName), None))
    if start is not None:
        check_fitted(start, "start")
    path = checkpoint_path(checkpoint)
    settings = settings if epochs is None else replace(settings, epochs=epochs)
    traces = trace_both(module, data, deterministic)
    one = isinstance(inference, Point | CodeLength) or (isinstance(inference, Sqs) and not inference.draws)
    check_form(traces.evaluation, data, form or ("point" if one else "ensemble"))
    traced, method, masks = traces.train, inference, start.masks if start else {}
    starts = starts_of(module, traced, method, settings.seed, start)
    if start is not None:
        traced, method = at_mean(traced, start.posterior), method.starting_at(start.posterior)
    given = likelihood(data), examples(data, data.train)
    fitted = train(traced, method, *given, settings, masks=masks, starts=starts, path=path, watch=watch)
    posterior = pruned_by(fitted.posterior, masks) if masks else fitted.posterior
    of_data = units(data, fitted.log_noise)
    return FittedNetwork(traces.evaluation, posterior, of_data, fitted.history, masks, settings.temperature)


def prune(
    fitted: FittedNetwork, policy: float | Policy | None = None, *, masks: Mapping[str, Tensor] | None = None
) -> FittedNetwork:
    """Prune without retraining; what comes out is a posterior again.

    Args:
        fitted: The network.
        policy: What goes where, or just the share of weights that goes; `Policy()` when None.
        masks: Your own, 0 where a weight goes, in place of a policy.

    Raises:
        PolicyError: The policy or a mask does not fit the network.
        RecipeError: It is no fitted network.
    """
    check_fitted(fitted)
    if masks is None:
        if not (policy is None or is_number(policy) or isinstance(policy, Policy)):
            raise PolicyError(
                f"policy is {policy!r}; it must be a share from 0 to 1 or a Policy, such as Policy(Choice(0.9))"
            )
        chosen = policy if isinstance(policy, Policy) else Policy(Choice() if policy is None else Choice(policy))
        masks = masks_for(fitted.posterior, chosen)
    elif policy is not None:
        raise PolicyError(f"policy is {policy!r}, and masks are given too; one of them says what goes")
    pruned = pruned_by(fitted.posterior, masks)
    return replace(fitted, posterior=pruned, masks=pruned.masks)


def pack(
    program: Program,
    path: str | os.PathLike[str],
    data: Dataset,
    promise: Promise | None = None,
    *,
    libraries: Sequence[str] = (),
) -> int:
    """Write a program into one file that needs no PyTorch, with its quality on the test split.

    Args:
        program: Any form.
        path: The file.
        data: What it was fitted on; the abstain threshold comes from its calibration split.
        promise: The error rate to keep by declining; None never declines.
        libraries: The targets of native libraries that are to stand beside the program, such as "x86-64-v3", or "native" for
            this machine, each with how many inputs its functions take at a time, if not 1: "aarch64:1,100". They run where
            `load` is told so.

    Returns:
        The file's size in bytes.

    Raises:
        ExportError: ONNX Runtime or a library would answer otherwise than PyTorch, or the program has no native kernels.
        MissingExtraError: A library is asked for, and TVM is not installed.
        PromiseError: The data cannot give the promise; nothing was written.
        ArtifactError: The file cannot be written.
        NetworkError: The program is not one for these data.
        RecipeError: An argument is of the wrong kind.
    """
    check_kind("program", program, Program, "bitsback.point, bitsback.ensemble or bitsback.propagated")
    check_path("path", path)
    check_data(data)
    if promise is not None:
        check_kind("promise", promise, Promise, "Promise(error_rate=0.05)")
    check_program(program, data)
    native = compiled(program, data, wanted(check_words("libraries", libraries)))
    found = native.beside(artifact(program, data, {}))
    predictor = opened(found)
    rule = None
    if promise is not None:
        decision = decide(predictor, data, promise)
        if decision.rule is None:
            raise PromiseError(decision.reason)
        rule = decision.rule
    rows = quality.measurements(
        predictor.predict(data.test.inputs),
        data.test.targets,
        _outside(predictor, data),
        task=data.task,
        of={"form": program.form, "split": "test"},
    )
    figures = figures_of(stamp(rows, provenance("bitsback.pack")))
    return write(Path(path), described_again(found, abstain=rule, measurements=figures))


def evaluate(predictor: Predictor, data: Dataset) -> dict[str, float | None]:
    """The quality of a loaded file on a data set's test split, all figures together.

    Args:
        predictor: What `load` gave.
        data: The data set.

    Returns:
        Figures by name, such as `accuracy`, `nll`, `ece`, `ood_auroc_total`; None where the data leave one undefined.

    Raises:
        DataError: The data do not fit the file.
        RecipeError: An argument is of the wrong kind.
    """
    check_kind("predictor", predictor, Predictor, "bitsback.load")
    check_data(data)
    check_manifest(predictor.manifest, data)
    measure = quality.classification if data.task == "classification" else quality.regression
    return measure(predictor.predict(data.test.inputs), data.test.targets, _outside(predictor, data))


def _outside(predictor: Predictor, data: Dataset) -> Any:
    return predictor.predict(data.out_of_distribution) if len(data.out_of_distribution) else None
