"""Timing the native libraries of packed files on a device that is elsewhere."""

from collections.abc import Callable, Sequence

import numpy as np

from bitsback.artifact.container import read
from bitsback.errors import ArtifactError
from bitsback.lower.build.remote.address import Address
from bitsback.lower.build.remote.bench import RemoteBench
from bitsback.lower.build.remote.session import Limits
from bitsback.lower.run.native.library import Library
from bitsback.lower.run.native.plan import Plan
from bitsback.measure.journal import Measurement
from bitsback.measure.latency import LatencySettings, compared
from bitsback.recipe.sections import Measure
from bitsback.run.measure import Draw, Timed, random_inputs
from bitsback.runtime.native import check_threads, library_for


def measure_on(
    where: Address,
    timed: Sequence[Timed],
    settings: Measure,
    *,
    draw: Draw | None = None,
    limits: Limits | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Time the native libraries of files in turns, on a device that is elsewhere.

    Args:
        where: The device.
        timed: The first is the reference. Their machine code runs there, with the rights of the server.
        settings: How.
        draw: Gives the inputs; `random_inputs(0)` when None.
        limits: How long the device is waited for.
        tell: Is told when it is.

    Returns:
        `latency` and `latency_ratio` rows; all of them, or an error.

    Raises:
        ArtifactError: A file is damaged, has no library for that device, or none for a batch.
        DeviceError: The device is busy or gone.
        RecipeError: Several threads are asked for.
        MissingExtraError: TVM is not installed.
    """
    check_threads(settings.threads)
    drawn_for = read(timed[0].path)
    rows: list[Measurement] = []
    with RemoteBench(where, limits, tell) as bench:
        compiled = [_compiled(each, bench, where) for each in timed]
        of = [
            {**each.of, "engine": f"native {library.target}"}
            for each, (_, library) in zip(timed, compiled, strict=True)
        ]
        for batch in settings.batches:
            inputs = (draw or random_inputs(0))(drawn_for, batch)
            seconds = bench.together(compiled, np.asarray(inputs, np.float32), settings.repeats)
            how = LatencySettings(repeats=settings.repeats, batch=batch, device=f"{bench.name}, 1 thread")
            rows += compared(seconds, of, how)
    return rows


def _compiled(timed: Timed, bench: RemoteBench, where: Address) -> tuple[Plan, Library]:
    try:
        return library_for(read(timed.path), bench.targets, f"{where} is {bench.name}")
    except ArtifactError as error:
        raise ArtifactError(f"{timed.path} cannot be timed there: {error}") from error
