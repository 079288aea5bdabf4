"""A whole run: every stage after the other, each leaving its result in the run folder."""

from collections.abc import Sequence
from pathlib import Path

from bitsback.lower.run.native.targets import runnable
from bitsback.recipe.sections import Recipe
from bitsback.run.compress import compress
from bitsback.run.evaluate import evaluate
from bitsback.run.fit import fit
from bitsback.run.folder import RunFolder
from bitsback.run.libraries import Wanted
from bitsback.run.measure import files, measure, timing
from bitsback.run.pack import Packed, pack
from bitsback.run.page import write_report
from bitsback.run.rehearsal import rehearse_all
from bitsback.run.watcher import Watcher


def chain(
    path: Path,
    recipe: Recipe,
    watcher: Watcher,
    *,
    command: str,
    fresh: bool = False,
    libraries: Sequence[Wanted] = (),
) -> tuple[RunFolder, Packed]:
    """Fit, compress, evaluate, pack, measure and report; what is there already from a killed run is not done again.

    Args:
        path: The run folder.
        recipe: The run.
        watcher: Is told how it goes.
        command: What the journal names as the origin of its rows.
        fresh: Whether to start over: what an earlier run left in the folder is removed.
        libraries: Native libraries for what ships; the one for this machine is timed too.

    Returns:
        The folder, and what was packed.

    Raises:
        BitsbackError: A stage cannot be done.
    """
    run, materials, _ = fit(path, recipe, watcher, command=command, fresh=fresh, rehearsal=rehearse_all)
    watcher.tell("compressing")
    compress(run, materials, watch=watcher.watch)
    evaluate(run, materials, watcher)
    watcher.tell("packing")
    packed = pack(run, materials, libraries)
    native = any(each.target in runnable() for each in libraries)
    run.record(measure(files(run, native=native), timing(run), tell=watcher.tell), recipe.seed)
    watcher.tell("writing the report")
    write_report(run)
    return run, packed
