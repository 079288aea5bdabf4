"""The command that makes a native library faster on a device."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bitsback.cli.options import Json, TimedData, Wait
from bitsback.cli.picture import check_folder, check_picture
from bitsback.cli.screen import show, table, warn, watching

if TYPE_CHECKING:
    from bitsback.run.measure import Draw
    from bitsback.run.tune import Function, Tuned

Batches = Annotated[
    list[int] | None, typer.Option(help="Which function, by its batch; may be given several times; else all.", min=1)
]


def tune(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A packed file with a native library: trusted.")],
    *,
    device: Annotated[str, typer.Option(help="Where it is timed: cpu is this machine; rpc://HOST:PORT.")] = "cpu",
    wait: Wait = None,
    trials: Annotated[int, typer.Option(help="How many, with those that the database has.", min=1)] = 64,
    batch: Batches = None,
    data: TimedData = None,
    seed: Annotated[int, typer.Option(help="Decides which tiles are tried, and the inputs.", min=0)] = 0,
    database: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where trials are kept; else tuning.jsonl beside the artifact.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A .png or .svg; else NAME.tuning.png beside NAME.bitsback.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search how the native library in a packed file runs fastest on a device, and put it in the place of the one there.

    What was killed goes on with the same command. docs/tuning.md says what is searched.

    Example: bitsback tune runs/mnist/model.bitsback --device cpu --trials 200

    Example: bitsback tune runs/mnist/model.bitsback --device rpc://127.0.0.1:9090 --wait 60
    """
    from bitsback.lower.build.compiler import need_compiler
    from bitsback.run.devices import bench

    _check_written(plot, database)
    picture = plot or artifact.parent / f"{artifact.stem}.tuning.png"
    with bench(device, wait, warn) as where:
        need_compiler()
        from bitsback.lower.build.tuning.database import Database
        from bitsback.run.tune import Asked
        from bitsback.run.tune import tune as tune_file

        kept = Database(database or artifact.parent / "tuning.jsonl")
        asked = Asked(trials, tuple(batch or ()), seed, _inputs(artifact, data, seed))
        with watching(as_json) as watcher:
            found = tune_file(artifact, where, kept, asked, watcher)
    _draw(picture, found)
    said = {"artifact": str(artifact), "database": str(kept.path), "plot": str(picture), **asdict(found)}
    show(said, as_json=as_json, text=lambda: _text(artifact, kept.path, picture, found))


def _check_written(plot: Path | None, database: Path | None) -> None:
    """Refuse a picture or a database that could not be written, before any time is spent.

    Raises:
        RecipeError: The picture's name has another suffix, or a folder is not there.
    """
    check_picture(plot)
    if database is not None:
        check_folder("--database", database)


def _inputs(artifact: Path, data: Path | None, seed: int) -> "Draw":
    from bitsback.artifact.container import read
    from bitsback.run.agreement import data_of_file, test_inputs
    from bitsback.run.measure import drawn_from, random_inputs

    if data is None:
        return random_inputs(seed)
    return drawn_from(test_inputs(data_of_file(artifact, read(artifact).manifest, data)), seed)


def _draw(path: Path, found: "Tuned") -> None:
    from bitsback.report.figures.tuning import write

    write(path, {function.batch: function.latencies for function in found.functions})


def _text(artifact: Path, database: Path, picture: Path, found: "Tuned") -> str:
    head = ("batch", "customary", "tuned", "tuned / customary", "quartiles", "kept")
    written = "written anew" if found.written else "as it was: nothing was faster by 2 %"
    return (
        f"{table(head, [_cells(each) for each in found.functions])}\n\n"
        f"{found.target} on {found.device}: {found.trials} trials, {found.measured} of them new, in {database}\n"
        f"plot: {picture}\n{artifact}: {written}"
    )


def _cells(each: "Function") -> tuple[str, ...]:
    customary, tuned, ratio = each.customary[1], each.tuned[1], each.ratio
    times = (f"{1e6 * customary:.1f} us", f"{1e6 * tuned:.1f} us")
    return (str(each.batch), *times, f"{ratio[1]:.3f}", f"{ratio[0]:.3f} to {ratio[2]:.3f}", each.kept)
