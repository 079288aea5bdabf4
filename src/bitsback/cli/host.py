"""The commands of the host: a whole run, its stages after the fit and the demo, which need PyTorch; tuning, which needs TVM."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.cli.fitting import compress, fit, import_
from bitsback.cli.moments import check_moments
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
from bitsback.cli.screen import draw, plain, show, warn, watching
from bitsback.cli.tuning import tune
from bitsback.lower.run.native.targets import TARGETS

if TYPE_CHECKING:
    from bitsback.recipe.sections import Recipe
    from bitsback.run.folder import RunFolder
    from bitsback.run.pack import Packed

Libraries = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TARGET[:BATCHES]",
        help=f"Adds a native library for {', '.join(TARGETS)}, or for this machine (native), with functions for so many inputs "
        "at a time, such as native:1,100; may be given several times.",
    ),
]
Output = Annotated[Path | None, typer.Option("--run", "-o", metavar="RUN", help="The run folder; else runs/NAME.")]


def run(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE.toml", help="The whole run as data.")],
    *,
    folder: Output = None,
    data: DataFolder = None,
    seed: Seed = None,
    fresh: Fresh = False,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Do a whole run: fit, compress, evaluate, pack, measure, report.

    Every key of a recipe is explained in docs/recipe.md; recipes to start from are in examples/recipes.

    Example: bitsback run mnist.toml --data data -o runs/mnist --set fit.epochs=5
    """
    need_torch()
    changes = {"data.folder": absolute(data), "seed": seed}
    asked = recipe_from(content_of(recipe), changes, settings)
    _chain(folder or Path("runs") / recipe.stem, asked, fresh=fresh, as_json=as_json)


def evaluate(
    folder: Run,
    *,
    data: DataFolder = None,
    seed: SameSeed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Measure the quality of every form before and after compression, as ONNX Runtime runs it, and how robust it is.

    Example: bitsback evaluate runs/mnist --set evaluate.levels=[0.1,0.3]
    """
    need_torch()
    made, materials = opened(folder, {"data.folder": absolute(data), "seed": seed}, settings)
    from bitsback.report.caution import cautions
    from bitsback.report.evidence import newest
    from bitsback.run.evaluate import evaluate as evaluate_stage

    with watching(as_json) as watcher:
        rows = evaluate_stage(made, materials, watcher)
    if as_json:
        said = {"run": str(folder), "measurements": plain(rows), "warnings": cautions(newest(made.rows()))}
        show(said, as_json=True, text=str)
        return
    from bitsback.report.tables import summary

    draw(summary(made.rows()), f"next: bitsback pack {folder}")


def pack(
    folder: Run,
    *,
    form: Annotated[str | None, typer.Option(help="point, ensemble, propagated or stochastic.")] = None,
    members: Annotated[int | None, typer.Option(help="Of an ensemble, or draws in each call.")] = None,
    error_rate: Annotated[
        float | None, typer.Option(help="The share of wrong answers to promise, such as 0.01.")
    ] = None,
    confidence: Annotated[float | None, typer.Option(help="How sure the promise is to be kept, such as 0.95.")] = None,
    library: Libraries = None,
    data: DataFolder = None,
    seed: SameSeed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Write the program that ships, with its abstain threshold and its figures, into one file.

    Example: bitsback pack runs/mnist --members 20 --error-rate 0.01 --confidence 0.95
    """
    need_torch()
    from bitsback.run.libraries import wanted
    from bitsback.run.pack import check
    from bitsback.run.pack import pack as pack_stage

    libraries = wanted(library or ())
    changes = {
        "form.name": form,
        "form.members": members,
        "abstain.error_rate": error_rate,
        "abstain.confidence": confidence,
        "data.folder": absolute(data),
        "seed": seed,
    }
    made, materials = opened(folder, changes, settings, lambda run, recipe: check(run, recipe, libraries))
    packed = pack_stage(made, materials, libraries)
    for words in _losses(made, packed):
        warn(words)
    show(_packed(made, packed), as_json=as_json, text=lambda: _packed_text(made, packed))


def demo(
    folder: Annotated[Path, typer.Option("--run", "-o", metavar="RUN", help="The run folder.")] = Path("runs/demo"),
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder that is one data set of images, in place of the digits.")
    ] = None,
    seed: Seed = 0,
    fresh: Fresh = False,
    as_json: Json = False,
) -> None:
    """Show the main job on scikit-learn's digits: from a network to a small file that says "I don't know".

    Example: bitsback demo -o runs/demo
    """
    need_torch()
    from bitsback.run.chain import chain
    from bitsback.run.demo import recipe, story
    from bitsback.run.libraries import here

    with watching(as_json) as watcher:
        libraries = here(watcher.tell)
        made, _ = chain(folder, recipe(seed or 0, data), watcher, command=TYPED.get(), fresh=fresh, libraries=libraries)
    told = story(made)
    if as_json:
        show(told.figures, as_json=True, text=str)
        return
    from bitsback.cli.demo import pictures

    draw(*pictures(told))


def _chain(folder: Path, recipe: "Recipe", *, fresh: bool, as_json: bool) -> None:
    from bitsback.run.chain import chain

    with watching(as_json) as watcher:
        made, packed = chain(folder, recipe, watcher, command=TYPED.get(), fresh=fresh)
    for words in _losses(made, packed):
        warn(words)
    if as_json:
        show(_packed(made, packed) | {"measurements": plain(made.rows())}, as_json=True, text=str)
        return
    from bitsback.report.tables import summary

    draw(summary(made.rows()), _packed_text(made, packed), f"report: {made.file('report')}")


def _packed(made: "RunFolder", packed: "Packed") -> dict[str, Any]:
    found = packed.decision.abstention
    abstain = None if found is None else asdict(found)
    said = {"run": str(made.path), "model": str(made.file("model")), "bytes": packed.bytes, "abstain": abstain}
    libraries = [asdict(each) for each in packed.compared]
    return {**said, "evaluated": packed.evaluated, "libraries": libraries, "warnings": _losses(made, packed)}


def _losses(made: "RunFolder", packed: "Packed") -> list[str]:
    """What is told of libraries that the file before had."""
    names = " ".join(f"--library {each}" for each in packed.lost)
    said = f"{made.file('model')} had native libraries that are not in the new file; name them when you pack: {names}"
    return [said] if packed.lost else []


def _packed_text(made: "RunFolder", packed: "Packed") -> str:
    from bitsback.report.promise import Kept

    found = packed.decision.abstention
    if found is None:
        promise = f"it answers everything: {packed.decision.reason}"
    else:
        share = found.accepted / found.calibration
        promise = Kept(
            found.score, found.threshold, found.error_rate, found.confidence, found.tolerance, share
        ).sentence
    advice = (
        f"\nthe quality of this program was not evaluated, so its manifest does not say it: run `bitsback evaluate "
        f"{made.path}` and then `{made.command}` again"
    )
    libraries = "".join(f"\n{each.sentence}" for each in packed.compared)
    return f"{made.file('model')}: {packed.bytes:,} bytes; {promise}{libraries}{'' if packed.evaluated else advice}"


COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "run": run,
    "fit": fit,
    "import": import_,
    "compress": compress,
    "evaluate": evaluate,
    "check-moments": check_moments,
    "pack": pack,
    "tune": tune,
}
