"""The command that says how good one pass over Gaussians is."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitsback.cli.options import DataFolder, Json, Run, SameSeed, Settings, absolute, need_torch, opened
from bitsback.cli.picture import check_picture
from bitsback.cli.screen import show, table, watching

if TYPE_CHECKING:
    from bitsback.moments.check import Layer


def check_moments(
    folder: Run,
    *,
    stage: Annotated[str, typer.Option(help="dense or compressed.")] = "compressed",
    draws: Annotated[
        int, typer.Option("--draws", "--samples", help="Of the network, for the Monte Carlo estimate.", min=2)
    ] = 1000,
    inputs: Annotated[int, typer.Option(help="Of the validation split.", min=1)] = 16,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .png or .svg; else moments.png in the run folder.")
    ] = None,
    data: DataFolder = None,
    seed: SameSeed = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Compare each layer's mean and variance in the propagated form with Monte Carlo, and say what correlates.

    Example: bitsback check-moments runs/mnist --draws 10000 --set form.max_pool=clark
    """
    check_picture(plot)
    need_torch()
    made, materials = opened(folder, {"data.folder": absolute(data), "seed": seed}, settings)
    from bitsback.run.moments import MomentCheck
    from bitsback.run.moments import check_moments as check_stage

    with watching(as_json) as watcher:
        asked = MomentCheck(stage, draws, inputs)  # pyright: ignore[reportArgumentType]
        found = check_stage(made, materials, asked, watcher)
    path = plot or made.path / "moments.png"
    _draw(path, found)
    said = {"run": str(folder), "plot": str(path), "layers": [asdict(layer) for layer in found]}
    show(said, as_json=as_json, text=lambda: f"{_table(found)}\n\n{_outputs(found[-1], draws)}\nplot: {path}")


def _outputs(last: "Layer", draws: int) -> str:
    return (
        f"outputs: the means are {last.mean_error:.2%} off, the standard deviations {last.std_ratio:.3f} of Monte Carlo's "
        f"({draws:,} draws)"
    )


def _draw(path: Path, found: "list[Layer]") -> None:
    from bitsback.report.figures.moments import write

    ratios = [(layer.std_quartiles[0], layer.std_ratio, layer.std_quartiles[1]) for layer in found]
    write(path, [layer.node for layer in found], [layer.mean_error for layer in found], ratios)


def _table(found: "list[Layer]") -> str:
    head = ("layer", "operator", "elements", "means off", "std, median", "quartiles", "correlation")
    return table(head, [_cells(layer) for layer in found])


def _cells(layer: "Layer") -> tuple[str, ...]:
    low, high = layer.std_quartiles
    correlation = "" if layer.correlation is None else f"{layer.correlation:.2f}"
    quartiles = f"{low:.3f} to {high:.3f}"
    return (
        layer.node,
        layer.operator,
        f"{layer.elements:,}",
        f"{layer.mean_error:.2%}",
        f"{layer.std_ratio:.3f}",
        quartiles,
        correlation,
    )
