"""The second stage: prune the posterior by a policy, in cycles if asked, and let the rest recover under the mask."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from bitsback.compress.masks import Masked, prune
from bitsback.compress.schedule import Cycles, prune_in_cycles
from bitsback.errors import RunError
from bitsback.given.frozen import beyond
from bitsback.given.params import Params
from bitsback.measure.journal import Measurement
from bitsback.policy.choice import to_toml as policy_toml
from bitsback.posterior import fit as training
from bitsback.posterior import store
from bitsback.posterior.averaging import mean_of
from bitsback.posterior.contract import Posterior
from bitsback.posterior.fit import Progress
from bitsback.posterior.loop import FitSettings
from bitsback.posterior.store import Stored
from bitsback.recipe.sections import Recipe
from bitsback.recipe.text import to_toml
from bitsback.run import portrait, structure
from bitsback.run.fit import dense, fitted_at, from_stored
from bitsback.run.fitted import FittedNetwork, at_mean, chain_ends, examples, likelihood
from bitsback.run.folder import RunFolder
from bitsback.run.identity import check_data
from bitsback.run.materials import Materials, fit_settings, inference
from bitsback.run.materials import starts as fresh
from bitsback.run.structure import Structure
from bitsback.run.target import coded


def compress(run: RunFolder, materials: Materials, *, watch: Callable[[Progress], None] | None = None) -> FittedNetwork:
    """Prune what `fit` left in the folder, as the recipe says, or bring it to a size, and leave the result there.

    Args:
        run: The folder.
        materials: Of the recipe; its part `compress` is what is done, and becomes the folder's.
        watch: Is told the progress of training.

    Returns:
        The network that is left.

    Raises:
        PolicyError: The policy does not fit the network.
        RunError: The folder lacks a posterior or cannot be written, the data are others than those of the fit, the structure
            is its own or of other data, or no file of the network is as small as is asked.
    """
    check_data(run, materials.data)
    recipe, before = materials.recipe, dense(run, materials)
    if recipe.compress.masks is not None and Path(recipe.compress.masks).resolve() == run.path.resolve():
        raise RunError(
            f"compress.masks names {run.path}, the run itself; its structure would change under it: name another run"
        )
    sized = recipe.compress.target is not None
    stored, rows = (coded if sized else _by_policy)(run, materials, before, watch)
    after = from_stored(materials, stored)
    of = {"stage": "compressed", "form": recipe.predicts, "sparsity": after.sparsity}
    seen = stored.posterior.inner if isinstance(stored.posterior, Masked) else stored.posterior
    store.save(run.file("compressed"), stored)
    run.file("policy").unlink(missing_ok=True)
    if not sized:
        run.write("policy", policy_toml(recipe.compress.policy))
    run.write("recipe", to_toml(recipe))
    rows = [replace(row, of=of) for row in rows]
    run.record([*rows, *portrait.histograms(seen, stored.masks, of)], recipe.seed)
    shutil.rmtree(run.file("cycles"), ignore_errors=True)
    return after


def _by_policy(
    run: RunFolder, materials: Materials, before: FittedNetwork, watch: Callable[[Progress], None] | None
) -> tuple[Stored, list[Measurement]]:
    """The network without what a policy or masks say."""
    recipe = materials.recipe
    given = structure.named(recipe, materials.data)
    recovery = _Recovery(run, materials, before.units.log_noise, watch, given)
    pruned = _pruned(recipe, before.posterior, recovery)
    masks = pruned.masks if given is None else {name: mask.float() for name, mask in given.masks.items()}
    return Stored(pruned, recovery.log_noise, before.temperature, before.history, masks), []


def compressed(run: RunFolder, materials: Materials) -> FittedNetwork:
    """What `compress` left in the folder.

    Raises:
        RunError: It is not there, damaged, or over another network.
    """
    return fitted_at(run.need("compressed", "compress"), materials)


@dataclass
class _Recovery:
    """Fine-tuning after a pruning. Each cycle's result is kept until the whole is done: a killed run goes on from there.

    Attributes:
        log_noise: Regression's noise as learned last.
        structure: What the recipe names in place of a policy.
    """

    run: RunFolder
    materials: Materials
    log_noise: Tensor
    watch: Callable[[Progress], None] | None
    structure: Structure | None = None

    def __call__(self, posterior: Posterior, masks: Params, cycle: int) -> Posterior:
        recipe = self.materials.recipe
        folder = self.run.file("cycles")
        folder.mkdir(exist_ok=True)
        name = f"{_name(recipe, masks, self.structure)}-{cycle}"
        result = folder / f"{name}.safetensors"
        if not result.exists():
            store.save(result, self._fit(posterior, masks, cycle, folder / f"{name}.checkpoint"))
        stored = store.load(result)
        self.log_noise = stored.log_noise
        return stored.posterior

    def _fit(self, posterior: Posterior, masks: Params, cycle: int, checkpoint: Path) -> Stored:
        recipe, data = self.materials.recipe, self.materials.data
        network = self.materials.traces.train
        began, starts = at_mean(network, posterior), chain_ends(network, posterior)
        given, mean = examples(data, data.train), dict[str, Tensor]()
        if recipe.compress.shared_from == "mean":
            mean = mean_of(began, starts, given.inputs, recipe.fit.batch, recipe.seed)
        if recipe.compress.start == "fresh":
            starts = fresh(recipe, network)
        if self.structure is not None:
            began, starts = structure.begin(recipe.compress, self.structure, began, starts, mean)
        began, inputs = beyond(began, given.inputs)
        fitted = training.fit(
            began,
            inference(recipe).starting_at(posterior),
            likelihood(data),
            given._replace(inputs=inputs),
            _settings(recipe, cycle),
            masks=masks,
            starts=starts,
            path=checkpoint,
            watch=self.watch,
        )
        return Stored(fitted.posterior, fitted.log_noise, recipe.temperature, fitted.history, masks)


def _settings(recipe: Recipe, cycle: int) -> FitSettings:
    """Those of the fit, but for what the recipe says of fine-tuning."""
    asked, settings = recipe.compress, fit_settings(recipe)
    said = {"learning_rate": asked.learning_rate, "weight_decay": asked.weight_decay}
    optimization = replace(settings.optimization, **{key: each for key, each in said.items() if each is not None})
    return replace(settings, epochs=asked.fine_tune_epochs, seed=recipe.seed + cycle, optimization=optimization)


def _pruned(recipe: Recipe, posterior: Posterior, recovery: _Recovery) -> Masked:
    asked = recipe.compress
    recover = asked.fine_tune_epochs > 0
    if recovery.structure is None:
        return prune_in_cycles(posterior, asked.policy, Cycles(asked.cycles, recover=recover), recovery)
    pruned = prune(posterior, recovery.structure.masks)
    if not recover:
        return pruned
    inside = recovery(pruned, pruned.masks, 1)
    random = inside.marginals()  # what members share is none of their weights
    return prune(inside, {name: mask for name, mask in pruned.masks.items() if name in random})


def _name(recipe: Recipe, masks: Params, given: Structure | None) -> str:
    """Differs for fine-tunings that differ."""
    digest = hashlib.sha256(json.dumps(asdict(recipe.compress)).encode())
    for mask in masks.values():
        digest.update(mask.to(torch.uint8).numpy().tobytes())
    for tensor in given.weights.values() if given is not None else ():
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]
