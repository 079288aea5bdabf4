"""Which code, on which machine, made a figure: what every row of the journal carries."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import bitsback
from bitsback.measure.device import cpu_model

LIBRARIES = ("numpy", "torch", "onnxruntime")


@dataclass(frozen=True)
class Provenance:
    """The fields of `journal.Measurement` that say where a figure comes from; see there for their meaning."""

    device: str
    command: str
    seed: int | None
    commit: str
    dirty: bool | None
    versions: dict[str, str]
    time: str


def provenance(command: str, seed: int | None = None) -> Provenance:
    """Ask the machine, the checkout and the installation, once a command (git takes some milliseconds).

    Args:
        command: what the user called, as typed.
        seed: the run's seed, None where nothing is drawn.
    """
    commit, dirty = checkout(Path(bitsback.__file__).resolve().parents[2])
    return Provenance(
        device=cpu_model(),
        command=command,
        seed=seed,
        commit=commit,
        dirty=dirty,
        versions=versions(),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def versions() -> dict[str, str]:
    """The versions of Python, this library and the libraries that move a figure; none of them is imported."""
    found = {"python": platform.python_version(), "bitsback": bitsback.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def checkout(root: Path) -> tuple[str, bool | None]:
    """The commit of the checkout whose top is `root`, and whether it has changes.

    `results/` is left out: the rows that a benchmark appends do not change the code that makes the next one.

    Returns:
        ("", None) where `root` is not the top of a checkout (an installed package) or there is no git.
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top.strip()).resolve() != root.resolve():
        return "", None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain", "--", ".", ":!results")
    if commit is None or changes is None:
        return "", None
    return commit.strip(), bool(changes.strip())


def _git(root: Path, *words: str) -> str | None:
    """What git says, None if it cannot; it takes no lock, so that it disturbs no other git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
