"""The commands of the device install, without PyTorch: predict, inspect, measure, report."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.cli.grouped import grouped
from bitsback.cli.options import TYPED, Json, Run, TimedData, Wait
from bitsback.cli.screen import draw, plain, show, table, warn
from bitsback.errors import RecipeError
from bitsback.report.quantity import ratio, times

if TYPE_CHECKING:
    from bitsback.given.dataset import Dataset
    from bitsback.lower.build.remote.address import Address
    from bitsback.measure.journal import Measurement
    from bitsback.recipe.sections import Measure
    from bitsback.run.folder import RunFolder
    from bitsback.run.measure import Draw, Timed

Native = Annotated[
    bool, typer.Option("--native", help="Run the file's native library for this machine: for files that you trust.")
]
Reference = Annotated[Path | None, typer.Option(help="For a packed file: the packed file to compare it with.")]
FileSeed = Annotated[int | None, typer.Option("--seed", help="Checks that it was made with this seed.", min=0)]


@dataclass(frozen=True)
class Timing:
    """How calls are timed; what is None is as the run's recipe has it."""

    repeats: Annotated[int | None, typer.Option(help="Rounds that count.", min=1)] = None
    batch: Annotated[list[int] | None, typer.Option(help="Samples in a call; may be given several times.", min=1)] = (
        None
    )
    threads: Annotated[int | None, typer.Option(help="How many threads a call may use.", min=1)] = None

    def on(self, settings: "Measure") -> "Measure":
        """Settings with what was asked for in their place."""
        asked = {"repeats": self.repeats, "threads": self.threads, "batches": tuple(self.batch or ()) or None}
        changes: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
        return replace(settings, **changes)


@dataclass(frozen=True)
class Running:
    """How a packed file is run."""

    threads: Annotated[int, typer.Option(help="How many threads a call may use.", min=1)] = 1
    native: Native = False
    device: Annotated[
        str | None, typer.Option(help="cpu, this machine, as without; or emulated-aarch64, for the native library.")
    ] = None
    members: Annotated[
        int | None, typer.Option(help="How many members are asked of an ensemble whose members are swapped.", min=1)
    ] = None
    draw_seed: Annotated[
        int | None, typer.Option(help="Decides what a program of the stochastic form draws.", min=0)
    ] = None


@dataclass(frozen=True)
class Where:
    """The device, and how long it is waited for, in seconds."""

    device: Annotated[
        str,
        typer.Option(
            help="cpu, or rpc://HOST:PORT, where the files' native libraries are timed: for files that you trust."
        ),
    ] = "cpu"
    wait: Wait = None


@grouped
def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The file that `bitsback pack` wrote.")],
    inputs: Annotated[list[Path], typer.Argument(metavar="FILE...", help=".npy, .csv or images.")],
    *,
    resize: Annotated[bool, typer.Option("--resize", help="Allow images of another size.")] = False,
    running: Running = Running(),
    data: Annotated[
        Path | None, typer.Option("--data", help="A folder in which files are looked for that are not here.")
    ] = None,
    seed: FileSeed = None,
    as_json: Json = False,
) -> None:
    """Predict with a packed file: class, probability, the three uncertainties, and "I don't know".

    Example: bitsback predict runs/mnist/model.bitsback digits.npy photo.png
    """
    from bitsback.cli.answers import answer

    _agreed(model, seed, None)
    found = [path if data is None or path.exists() else data / path for path in inputs]
    answer(model, found, resize=resize, as_json=as_json, **vars(running))


def inspect(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A packed file, or a run folder.")],
    *,
    data: Annotated[
        Path | None, typer.Option("--data", help="Checks that these data fit: their folder, or digits.")
    ] = None,
    seed: FileSeed = None,
    as_json: Json = False,
) -> None:
    """Show what a packed file or a run folder holds.

    Example: bitsback inspect runs/mnist/model.bitsback
    """
    from bitsback.cli.contents import of_file, of_run

    fitting = _agreed(path, seed, data)
    contents, drawn = of_run(path) if path.is_dir() else of_file(path)
    if fitting is not None:
        contents, drawn = {**contents, "fits": fitting.name}, [*drawn, f"  fits       {fitting.name}"]
    if as_json:
        show(contents, as_json=True, text=str)
    else:
        draw(*drawn)


def _agreed(path: Path, seed: int | None, data: Path | None) -> "Dataset | None":
    """See that a packed file or a run is of this seed and these data, where they are named; gives the data."""
    if seed is None and data is None:
        return None
    from bitsback.artifact.container import read
    from bitsback.run.agreement import check_seed, data_of_file, data_of_run, recipe_of_run
    from bitsback.run.folder import open_run

    if path.is_dir():
        run = open_run(path)
        check_seed(path, recipe_of_run(run), seed)
        return None if data is None else data_of_run(run, data)
    manifest = read(path).manifest
    check_seed(path, manifest.recipe, seed)
    return None if data is None else data_of_file(path, manifest, data)


@grouped
def measure(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="The run folder, or a packed file.")],
    *,
    reference: Reference = None,
    timing: Timing = Timing(),
    data: TimedData = None,
    native: Native = False,
    where: Where = Where(),
    seed: Annotated[int, typer.Option(help="Decides which inputs it is timed with.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Time one call, beside the dense network in the same rounds.

    Example: bitsback measure runs/mnist --repeats 500 --threads 1

    Example: bitsback measure runs/mnist --device rpc://127.0.0.1:9090 --wait 60
    """
    from bitsback.recipe.sections import Measure
    from bitsback.run.agreement import test_inputs
    from bitsback.run.devices import elsewhere
    from bitsback.run.folder import open_run
    from bitsback.run.measure import drawn_from, random_inputs
    from bitsback.run.measure import timing as timing_of

    address = elsewhere(where.device, where.wait)
    _check_reference(path, reference)
    given = _agreed(path, None, data)
    draw_inputs = random_inputs(seed) if given is None else drawn_from(test_inputs(given), seed)
    run = open_run(path, TYPED.get()) if path.is_dir() else None
    timed = _timed(run, path, reference, native=native, elsewhere=address is not None)
    settings = timing.on(Measure() if run is None else timing_of(run))
    rows = _measured(address, where.wait or 0.0, timed, settings, draw_inputs)
    rows = rows if run is None else run.record(rows, seed)
    show({"measurements": plain(rows)}, as_json=as_json, text=lambda: _latencies(rows))


def _timed(
    run: "RunFolder | None", path: Path, reference: Path | None, *, native: bool, elsewhere: bool
) -> "list[Timed]":
    """What is timed; elsewhere only what has native libraries: the file that ships, and the dense network's."""
    from bitsback.run.measure import alone, files

    if run is None:
        return alone(path, reference, native=native and not elsewhere)
    return files(run)[:2] if elsewhere else files(run, native=native)


def _measured(
    where: "Address | None", wait: float, timed: "list[Timed]", settings: "Measure", draw_inputs: "Draw"
) -> "list[Measurement]":
    if where is None:
        from bitsback.run.measure import measure as measure_stage

        return measure_stage(timed, settings, draw=draw_inputs)
    from bitsback.lower.build.remote.session import Limits
    from bitsback.run.elsewhere import measure_on

    return measure_on(where, timed, settings, draw=draw_inputs, limits=Limits(wait=wait), tell=warn)


def report(
    folder: Run,
    *,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Checks that the run was fitted to these data: their folder, or digits."),
    ] = None,
    seed: FileSeed = None,
    as_json: Json = False,
) -> None:
    """Write the run's figures as one self-contained HTML page.

    Example: bitsback report runs/mnist
    """
    from bitsback.run.folder import open_run
    from bitsback.run.page import warnings, write_report

    run = open_run(folder)
    _agreed(folder, seed, data)
    path, doubts = write_report(run), warnings(run)
    for words in doubts:
        warn(words)
    show({"report": str(path), "warnings": doubts}, as_json=as_json, text=lambda: f"{path}: open it in a browser")


def _check_reference(path: Path, reference: Path | None) -> None:
    """Refuse a reference beside a run, which would not be looked at.

    Raises:
        RecipeError: There is one.
    """
    if reference is not None and path.is_dir():
        raise RecipeError(f"--reference {reference} goes with a packed file, and {path} is a folder: a run has its own")


def _latencies(rows: list[Any]) -> str:
    compared = [row for row in rows if row.what == "latency_ratio" and "beside" not in row.of]
    ratios = {(_what(row), row.of["batch"]): ratio(row.value, 1.0) for row in compared}
    body = []
    for row in rows:
        if row.what == "latency" and row.spread is not None:
            less = ratios.get((_what(row), row.of["batch"]))
            low, high = (f"{1e6 * each:.1f}" for each in row.spread)
            beside = "reference" if less is None else times(less, "faster", "slower")
            body.append([_what(row), str(row.of["batch"]), f"{1e6 * row.value:.1f} us", f"{low} to {high}", beside])
    return table(["program", "batch", "median", "quartiles", "beside the reference"], body) + f"\n{rows[0].device}"


def _what(row: Any) -> str:
    named = str(row.of.get("file") or f"{row.of['stage']} {row.of['form']}")
    return f"{named}, {row.of['engine']}" if "engine" in row.of else named


COMMANDS: dict[str, Callable[..., None]] = {
    "predict": predict,
    "inspect": inspect,
    "measure": measure,
    "report": report,
}
