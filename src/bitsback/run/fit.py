"""The first stage: from a recipe to a posterior in a run folder."""

import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bitsback.errors import DataError, RecipeError, RunError, reason
from bitsback.measure.journal import Measurement
from bitsback.posterior import fit as training
from bitsback.posterior import store
from bitsback.posterior.compilation import check_compiler
from bitsback.posterior.inference import Inference
from bitsback.posterior.store import Stored
from bitsback.recipe.inference import Hmc, Imported, MeanField, SgMcmc
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import parse, to_toml
from bitsback.run import folder, portrait
from bitsback.run.fitted import FittedNetwork, as_random_as, examples, likelihood, units
from bitsback.run.folder import RunFolder
from bitsback.run.identity import check_data, remember_data
from bitsback.run.imported import bring, check_unchanged
from bitsback.run.materials import Materials, fit_settings, gather, inference, prior, starts
from bitsback.run.mixing import mixing
from bitsback.run.rehearsal import rehearse
from bitsback.run.watcher import Watcher

_SHAPING = ("seed", "temperature", "data", "network", "inference", "fit")
_HOW_TO_GO_ON = "give another folder for this one, or start over in this one with --fresh"
_OF = {"stage": "dense", "form": "point"}

Maker = Callable[[RunFolder], tuple[Stored, list[Measurement]]]


def fit(
    path: Path,
    recipe: Recipe,
    watcher: Watcher,
    *,
    command: str,
    fresh: bool = False,
    rehearsal: Callable[[Materials], None] = rehearse,
) -> tuple[RunFolder, Materials, FittedNetwork]:
    """Fit the posterior that a recipe asks for, or go on with it, or find it there.

    Args:
        path: The run folder; made where it is not there, once data, network and settings are known to fit.
        recipe: The whole run.
        watcher: Is told when training begins, and how it goes.
        command: What the journal names as the origin of the rows.
        fresh: Whether to start over: once all is known to fit, what an earlier run left in the folder is removed.
        rehearsal: Sees before a new fit that what comes after it can be done.

    Returns:
        The folder, what the recipe names, and what was fitted.

    Raises:
        RunError: The folder holds another run or one of other data, or cannot be written.
        ExportError: What will ship cannot be made of this network.
        DataError: The loss stops being a number; of a run that began here, nothing is left.
        BitsbackError: Something that the recipe names is not there or does not fit.
    """
    folder.check_free(path)
    there = RunFolder(path)
    if not fresh:
        check_same(path, recipe, _HOW_TO_GO_ON)
    materials = gather(recipe)
    data = materials.data
    if not fresh:
        check_data(there, data)
    if fresh or not (there.has("posterior") or there.has("checkpoint")):
        check_compiler(recipe.fit.compile)
        rehearsal(materials)
    made = _maker(None if fresh else there, materials, watcher)
    new = fresh or not folder.there(path)
    run = folder.make(path, command)
    if fresh:
        folder.clear(run)
    run.write("recipe", to_toml(recipe))
    remember_data(run, data)
    if not run.has("posterior"):
        with _nothing_left(run, new):
            stored, rows = made(run)
        run.record(rows, recipe.seed)
        store.save(run.file("posterior"), stored)
    run.file("checkpoint").unlink(missing_ok=True)
    return run, materials, dense(run, materials)


@contextmanager
def _nothing_left(run: RunFolder, new: bool) -> Iterator[None]:
    """Removes a run that began here and cannot be: there is nothing to go on from, and the next try asks for another.

    Raises:
        DataError: As it was raised inside.
    """
    try:
        yield
    except DataError:
        if new:
            folder.remove(run)
        raise


def _maker(there: RunFolder | None, materials: Materials, watcher: Watcher) -> Maker:
    """What makes the posterior and its rows: training, or a file, which is read here, before anything is written.

    Raises:
        BitsbackError: The file does not fit the network, or is not what the folder that is there was made of.
    """
    asked = materials.recipe.inference
    if not isinstance(asked, Imported):
        method, data = inference(materials.recipe), materials.data
        given = likelihood(data), examples(data, data.train), fit_settings(materials.recipe)
        training.check(materials.traces.train, method, *given)
        return partial(_trained, materials, method, watcher)
    done = there if there is not None and there.has("posterior") else None
    if done is not None and not Path(asked.posterior or "").exists():  # it went away, and is not needed any more
        return lambda run: (store.load(run.file("posterior")), [])
    brought = bring(materials, asked)
    if done is not None:
        check_unchanged(done, brought[0], asked)
    return lambda _: brought


def _trained(
    materials: Materials, method: Inference, watcher: Watcher, run: RunFolder
) -> tuple[Stored, list[Measurement]]:
    recipe, data = materials.recipe, materials.data
    watcher.tell(f"fitting {Path(recipe.network.name).name} to {data.name}, {len(data.train.inputs):,} samples")
    fitted = training.fit(
        materials.traces.train,
        method,
        likelihood(data),
        examples(data, data.train),
        fit_settings(recipe),
        starts=starts(recipe, materials.traces.train),
        path=run.file("checkpoint"),
        watch=watcher.watch,
    )
    stored = Stored(fitted.posterior, fitted.log_noise, recipe.temperature, fitted.history)
    return stored, _rows(materials, stored)


def recipe_of(run: RunFolder) -> Recipe:
    """The recipe that a run folder holds.

    Raises:
        RunError: There is none, or it was edited into none.
    """
    path = run.need("recipe", "fit")
    try:
        return parse(tomllib.loads(path.read_text("utf-8")))
    except RecipeError as error:
        raise RunError(f"{path} is wrong: {error}") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {reason(error)}") from error


def dense(run: RunFolder, materials: Materials) -> FittedNetwork:
    """What `fit` left in the folder.

    Raises:
        RunError: It is not there, damaged, or over another network.
    """
    return fitted_at(run.need("posterior", "fit"), materials)


def fitted_at(path: Path, materials: Materials) -> FittedNetwork:
    """A posterior from its file, with the network that it is over.

    Raises:
        RunError: The file is damaged, or of another network.
    """
    stored, network = store.load(path), materials.traces.evaluation
    random = {name: marginal.mean for name, marginal in stored.posterior.marginals().items()}
    held = {name: tuple(tensor.shape) for name, tensor in {**random, **stored.posterior.fixed}.items()}
    needed = {name: tuple(tensor.shape) for name, tensor in {**network.params, **network.buffers}.items()}
    differing = [name for name in {**random, **needed} if held.get(name) != needed.get(name)]
    if differing:
        name = differing[0]
        raise RunError(
            f"{path} is of another network than the recipe beside it: '{name}' is {held.get(name, 'not there')} in the "
            f"posterior and {needed.get(name, 'not there')} in the network"
        )
    return from_stored(materials, stored)


def from_stored(materials: Materials, stored: Stored) -> FittedNetwork:
    """A stored posterior with the network that it is over."""
    return FittedNetwork(
        as_random_as(materials.traces.evaluation, stored.posterior),
        stored.posterior,
        units(materials.data, stored.log_noise),
        stored.history,
        stored.masks,
        stored.temperature,
    )


def check_same(path: Path, recipe: Recipe, advice: str = "a run with others needs a folder of its own") -> None:
    """Refuse to mix two runs in one folder: what shaped its posterior must be the same (the data may have moved).

    Args:
        path: The folder; it need not be there.
        recipe: What is to be done in it.
        advice: How to go on where it is refused.

    Raises:
        RunError: The folder holds a run with another seed, temperature, data, network, inference or fit.
    """
    if not folder.there(path) or not folder.open_run(path).has("recipe"):
        return
    before = recipe_of(folder.open_run(path))
    before = replace(
        before,
        data=replace(before.data, folder=recipe.data.folder),
        fit=replace(before.fit, checkpoint_seconds=recipe.fit.checkpoint_seconds),
    )
    for name in _SHAPING:
        was, now = getattr(before, name), getattr(recipe, name)
        if was != now:
            raise RunError(f"{path} holds a run with {_difference(name, was, now)}; {advice}")


def _difference(name: str, was: Any, now: Any) -> str:
    """The first key that two recipes differ in, as words."""
    if not is_dataclass(was) or type(was) is not type(now):
        return f"{name} = {was!r} and not {now!r}"
    differing = [each.name for each in fields(was) if getattr(was, each.name) != getattr(now, each.name)]
    return _difference(f"{name}.{differing[0]}", getattr(was, differing[0]), getattr(now, differing[0]))


def _rows(materials: Materials, stored: Stored) -> list[Measurement]:
    recipe, network, history = materials.recipe, materials.traces.evaluation, stored.history
    seconds = [entry["seconds"] for entry in history]
    curve = {name: [entry[name] for entry in history] for name in ("epoch", "loss", "nll", "kl")}
    low, middle, high = (float(each) for each in np.quantile(seconds, [0.25, 0.5, 0.75]))
    fixed = sum(network.params[name].numel() for name in network.deterministic)
    rows = [
        Measurement("loss_curve", None, "", of={**_OF, "inference": recipe.inference.method}, series=curve),
        Measurement("temperature", recipe.temperature, "", of=_OF),
        Measurement("kl", history[-1]["kl"], "nats", of=_OF),
        Measurement("epoch_seconds", middle, "s", of=_OF, repeats=len(seconds), spread=(low, high)),
        Measurement("deterministic_parameters", fixed, "", of=_OF),
        *portrait.histograms(stored.posterior, {}, _OF),
        *mixing(materials, stored, {"stage": "dense"}),
    ]
    if isinstance(recipe.inference, MeanField | SgMcmc | Hmc):
        rows.append(portrait.prior_density(prior(recipe.inference), _OF))
    return rows
