"""The commands that shape a posterior: fit and compress."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.cli.options import (
    TYPED,
    DataFolder,
    Fresh,
    Json,
    Run,
    SameSeed,
    Seed,
    Settings,
    absolute,
    content_of,
    need_torch,
    opened,
    recipe_from,
)
from bitsback.cli.screen import show, watching

if TYPE_CHECKING:
    from bitsback.recipe.sections import Recipe
    from bitsback.run.fitted import FittedNetwork


def fit(
    folder: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The run folder; else runs/DATASET.")] = None,
    *,
    recipe: Annotated[Path | None, typer.Option(help="Where to start from; else the run's own, or defaults.")] = None,
    dataset: Annotated[str | None, typer.Option(help="digits, mnist, a folder's name, module:function.")] = None,
    data: DataFolder = None,
    network: Annotated[str | None, typer.Option(help="mlp, lenet-5, ..., module:name, file.py:name.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training split.")] = None,
    seed: Seed = None,
    fresh: Fresh = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Fit a posterior over a network's weights; the same command goes on where a killed one stopped.

    Example: bitsback fit runs/mnist --dataset mnist --data data --network lenet-5 --epochs 20
    """
    need_torch()
    from bitsback.run.fit import fit as fit_stage

    folder = folder or Path("runs") / _short(dataset or (recipe.stem if recipe else "digits"))
    changes = {"data.name": dataset, "data.folder": absolute(data), "network.name": network}
    changes |= {"fit.epochs": epochs, "seed": seed}
    asked = recipe_from(_start(folder, recipe), changes, settings)
    with watching(as_json) as watcher:
        _, _, fitted = fit_stage(folder, asked, watcher, command=TYPED.get(), fresh=fresh)
    show(_figures(folder, fitted), as_json=as_json, text=lambda: _fitted_text(folder, asked, fitted))


def compress(
    folder: Run,
    *,
    sparsity: Annotated[float | None, typer.Option(help="The share of weights that go, from 0 to 1.")] = None,
    saliency: Annotated[str | None, typer.Option(help="snr or magnitude: which go first.")] = None,
    policy: Annotated[Path | None, typer.Option(help="A policy in TOML, layer by layer.")] = None,
    cycles: Annotated[int | None, typer.Option(help="Prune in so many steps.")] = None,
    fine_tune_epochs: Annotated[int | None, typer.Option(help="Train under the mask after each step.")] = None,
    data: DataFolder = None,
    seed: SameSeed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Prune the posterior by a policy.

    Example: bitsback compress runs/mnist --sparsity 0.95 --saliency snr
    """
    need_torch()
    from bitsback.run.compress import compress as compress_stage

    changes = {"compress.policy": _policy(policy), "data.folder": absolute(data)}
    changes |= {"compress.policy.default.sparsity": sparsity, "compress.policy.default.saliency": saliency}
    changes |= {"compress.cycles": cycles, "compress.fine_tune_epochs": fine_tune_epochs, "seed": seed}
    made, materials = opened(folder, changes, settings)
    with watching(as_json) as watcher:
        pruned = compress_stage(made, materials, watch=watcher.watch)
    figures = _kept(folder, pruned)
    show(figures, as_json=as_json, text=lambda: _kept_text(figures))


def _start(folder: Path, recipe: Path | None) -> dict[str, Any]:
    """Where a recipe starts from: the file that was named, or what the run had before, or nothing."""
    before = folder / "recipe.toml"
    if recipe is not None:
        return content_of(recipe)
    return content_of(before) if before.exists() else {}


def _figures(folder: Path, fitted: "FittedNetwork") -> dict[str, Any]:
    last = {key: value for key, value in fitted.history[-1].items() if key in {"loss", "nll", "kl"}}
    return {"run": str(folder), "parameters": fitted.parameters, "epochs": len(fitted.history), **last}


def _fitted_text(folder: Path, recipe: "Recipe", fitted: "FittedNetwork") -> str:
    last = fitted.history[-1]
    fixed = fitted.deterministic
    return (
        f"{folder}: {fitted.parameters:,} parameters ({fixed:,} of them deterministic), {len(fitted.history)} epochs, "
        f"NLL {last['nll']:.4f} nats, KL {last['kl']:,.0f} nats at T = {recipe.temperature:g}\n"
        f"next: bitsback compress {folder}"
    )


def _policy(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from bitsback.recipe.text import parse

    return asdict(parse({"compress": {"policy": str(path)}}).compress.policy)


def _kept(folder: Path, pruned: "FittedNetwork") -> dict[str, Any]:
    from bitsback.run.compress import sparsity as reached

    return {
        "run": str(folder),
        "sparsity": reached(pruned),
        "parameters": pruned.parameters,
        "kept": pruned.parameters - pruned.gone,
    }


def _kept_text(figures: dict[str, Any]) -> str:
    return (
        f"{figures['run']}: {figures['kept']:,} of {figures['parameters']:,} parameters kept "
        f"({figures['sparsity']:.1%} of the prunable weights gone)\nnext: bitsback evaluate {figures['run']}"
    )


def _short(name: str) -> str:
    return Path(name.partition(":")[0]).stem
