"""A packed file's library for another processor, run on a machine that is none, to see what it answers there."""

from pathlib import Path

from bitsback.artifact.container import read
from bitsback.errors import ArtifactError
from bitsback.lower.build.native.emulation.session import DEVICE, TARGET, EmulatedSession
from bitsback.runtime.native import check_threads, library_for
from bitsback.runtime.predictor import Predictor
from bitsback.settings import check_path


def load_emulated(path: str | Path, threads: int = 1) -> Predictor:
    """Read an artifact and make its library for aarch64 ready to predict under emulation.

    Args:
        path: The file that `bitsback pack` wrote; trusted: the library runs with all rights of this process.
        threads: 1.

    Raises:
        ArtifactError: The file is missing, damaged, of another format, or has no library for aarch64.
        MissingExtraError: What emulates is not installed.
        RecipeError: More than one thread is asked for, or the path is none.
    """
    check_path("path", path)
    check_threads(threads)
    artifact = read(path)
    try:
        plan, library = library_for(artifact, (TARGET,), f"the device is {DEVICE}")
        return Predictor(artifact.manifest, EmulatedSession(plan, library))
    except ArtifactError as error:
        raise ArtifactError(f"{path} cannot be run on {DEVICE}: {error}") from error
