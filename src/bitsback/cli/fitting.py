"""The commands that make a posterior or shape it: fit, import and compress."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.cli.goals import Goals
from bitsback.cli.grouped import grouped
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
from bitsback.cli.screen import show, warn, watching
from bitsback.errors import RecipeError

if TYPE_CHECKING:
    from bitsback.recipe.sections import Recipe
    from bitsback.run.fitted import FittedNetwork
    from bitsback.run.folder import RunFolder
    from bitsback.run.materials import Materials


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
        made, _, fitted = fit_stage(folder, asked, watcher, command=TYPED.get(), fresh=fresh)
    _show_posterior(made, asked, fitted, as_json=as_json)


def import_(
    folder: Annotated[Path | None, typer.Argument(metavar="[RUN]", help="The run folder; else runs/DATASET.")] = None,
    *,
    posterior: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A param store of Pyro, or a .safetensors of mean.NAME and std.NAME."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="What it was fitted to: digits, mnist, module:function.")] = None,
    data: DataFolder = None,
    network: Annotated[str | None, typer.Option(help="What it is over: mlp, module:name, file.py:name.")] = None,
    names: Annotated[
        list[str] | None, typer.Option("--name", metavar="SITE=PARAM", help="What a name is here; SITE= leaves it out.")
    ] = None,
    seed: Seed = None,
    fresh: Fresh = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Take over a posterior that was made elsewhere, such as by Pyro, in the place of `fit`.

    Example: bitsback import runs/mnist --posterior store.pt --dataset mnist --data data --network net.py:Net
    """
    need_torch()
    from bitsback.run.fit import fit as fit_stage

    folder = folder or Path("runs") / _short(dataset or "digits")
    changes = {"data.name": dataset, "data.folder": absolute(data), "network.name": network, "seed": seed}
    changes |= {
        "inference.method": "imported",
        "inference.posterior": absolute(posterior),
        "inference.names": _named(names),
    }
    asked = recipe_from(_without_fit(_start(folder, None)), changes, settings)
    with watching(as_json) as watcher:
        made, _, fitted = fit_stage(folder, asked, watcher, command=TYPED.get(), fresh=fresh)
    _show_posterior(made, asked, fitted, as_json=as_json)


@grouped
def compress(
    folder: Run,
    *,
    goals: Goals,
    fine_tune_epochs: Annotated[int | None, typer.Option(help="Train under the mask after each step.")] = None,
    data: DataFolder = None,
    seed: SameSeed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Prune the posterior by a policy, or bring the packed file to a size by training weights to be few numbers.

    Example: bitsback compress runs/mnist --sparsity 0.95 --saliency snr

    Example: bitsback compress runs/mnist --target-size 40kB
    """
    need_torch()
    from bitsback.run.compress import compress as compress_stage

    changes = {**goals.changes(), "compress.fine_tune_epochs": fine_tune_epochs}
    changes |= {"data.folder": absolute(data), "seed": seed}
    made, materials = opened(folder, changes, settings, lambda _, recipe: goals.check(recipe))
    with watching(as_json) as watcher:
        pruned = compress_stage(made, materials, watch=watcher.watch)
    figures = _kept(folder, pruned) | _reached(made, materials)
    show(figures, as_json=as_json, text=lambda: _kept_text(figures))


def _start(folder: Path, recipe: Path | None) -> dict[str, Any]:
    """Where a recipe starts from: the file that was named, or what the run had before, or nothing."""
    before = folder / "recipe.toml"
    if recipe is not None:
        return content_of(recipe)
    return content_of(before) if before.exists() else {}


def _without_fit(content: dict[str, Any]) -> dict[str, Any]:
    """A recipe as tables, less what says how a posterior is fitted."""
    threads = {key: value for key, value in content.get("fit", {}).items() if key == "threads"}
    imported = content.get("inference", {}).get("method") == "imported"
    dropped = {"temperature", "fit"} | (set() if imported else {"inference"})
    return {**{key: value for key, value in content.items() if key not in dropped}, "fit": threads}


def _named(names: list[str] | None) -> dict[str, str] | None:
    if not names:
        return None
    pairs = [each.partition("=") for each in names]
    wrong = next((name for name, (site, equals, _) in zip(names, pairs, strict=True) if not (site and equals)), None)
    if wrong is not None:
        raise RecipeError(f"--name {wrong!r} is not of the form SITE=PARAM, such as net.fc.weight=fc.weight")
    return {site: param for site, _, param in pairs}


def _show_posterior(run: "RunFolder", recipe: "Recipe", fitted: "FittedNetwork", *, as_json: bool) -> None:
    origin = next((row for row in reversed(run.rows()) if row.what == "imported_parameters"), None)
    if recipe.inference.method != "imported" or origin is None:
        figures = _figures(run.path, fitted)
        show(figures, as_json=as_json, text=lambda: _fitted_text(run.path, recipe, fitted))
        return
    from bitsback.run.imported import doubt, summary

    said = doubt(origin.of, str(origin.of["own_names"]))
    if said is not None and not as_json:
        warn(said)
    found = {key: value for key, value in origin.of.items() if key not in {"stage", "form"}}
    figures = {**found, "run": str(run.path), "parameters": fitted.parameters, "warnings": [said] if said else []}
    text = f"{run.path}: {summary(origin.of)}\nnext: bitsback compress {run.path}"
    show(figures, as_json=as_json, text=lambda: text)


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


def _kept(folder: Path, pruned: "FittedNetwork") -> dict[str, Any]:
    return {
        "run": str(folder),
        "sparsity": pruned.sparsity,
        "parameters": pruned.parameters,
        "kept": pruned.parameters - pruned.gone,
    }


def _reached(run: "RunFolder", materials: "Materials") -> dict[str, Any]:
    """The size of the packed file beside the one that is asked for; nothing where none is."""
    from bitsback.run.target import LEAST, REACHED, whole_size

    target = materials.recipe.compress.target
    if target is None:
        return {}
    asked = whole_size(materials.traces.evaluation, target)
    reached = next(row.value for row in reversed(run.rows()) if row.what == REACHED)
    return {"bytes": reached, "asked_bytes": asked, "smaller": reached is not None and reached < LEAST * asked}


def _kept_text(figures: dict[str, Any]) -> str:
    size = ""
    if "bytes" in figures:
        size = f"; the packed file takes {figures['bytes']:,} of {figures['asked_bytes']:,} bytes"
        size += ": with so many levels the network takes no more" if figures["smaller"] else ""
    return (
        f"{figures['run']}: {figures['kept']:,} of {figures['parameters']:,} parameters kept "
        f"({figures['sparsity']:.1%} of the prunable weights gone){size}\nnext: bitsback evaluate {figures['run']}"
    )


def _short(name: str) -> str:
    return Path(name.partition(":")[0]).stem
