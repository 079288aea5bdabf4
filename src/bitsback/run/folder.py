"""A run folder: everything that a run made, and what each stage reads of the one before it.

```
run.json               the format and its version
recipe.toml            the run as data
data.json              which data it was fitted to
checkpoint.safetensors the training's state, while it trains
posterior.safetensors  fit's result          compressed.safetensors, policy.toml   compress's result
programs/              every form as a program, as evaluate measured it
dense.bitsback         the unpruned point    model.bitsback                        what ships
journal.jsonl          every figure          report.html                           the figures, to look at
```

No torch is needed to open one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bitsback import __version__
from bitsback.durable import replace_file
from bitsback.errors import RunError, reason
from bitsback.measure.journal import Journal, Measurement, stamp
from bitsback.measure.provenance import provenance

FORMAT, VERSION = "bitsback-run", 1
_NAMES = {
    "recipe": "recipe.toml",
    "data": "data.json",
    "checkpoint": "checkpoint.safetensors",
    "posterior": "posterior.safetensors",
    "compressed": "compressed.safetensors",
    "policy": "policy.toml",
    "programs": "programs",
    "cycles": "cycles",
    "journal": "journal.jsonl",
    "model": "model.bitsback",
    "dense": "dense.bitsback",
    "report": "report.html",
}
_WITHIN = {".bitsback", ".safetensors", ".checkpoint"}  # what is in those of them that are folders


@dataclass(frozen=True)
class RunFolder:
    """A run folder of this version.

    Attributes:
        path: The folder.
        command: What its rows in the journal name as their origin.
    """

    path: Path
    command: str = "bitsback, from Python"

    def file(self, name: str) -> Path:
        """The path of a part: `file("recipe")` is `recipe.toml` in the folder."""
        return self.path / _NAMES[name]

    def has(self, name: str) -> bool:
        """Whether a part is there."""
        return self.file(name).exists()

    def need(self, name: str, command: str) -> Path:
        """The path of a part that an earlier command makes.

        Raises:
            RunError: It is not there; the sentence names the command.
        """
        if not self.has(name):
            also = ", with --sparsity 0 as it is" * (name == "compressed")
            raise RunError(f"{self.path} has no {_NAMES[name]}; `bitsback {command} {self.path}` makes it{also}")
        return self.file(name)

    def write(self, name: str, text: str) -> None:
        """Replace a part that is text.

        Raises:
            RunError: It cannot be written; what was there before still is.
        """
        try:
            replace_file(self.file(name), [text.encode()])
        except OSError as error:
            raise RunError(f"{self.file(name)} cannot be written: {reason(error)}") from error

    def digest(self, stage: str, form: str, settings: Mapping[str, object]) -> str:
        """Names the program that a stage's posterior gives in a form with some settings; whatever changes it changes this.

        Raises:
            RunError: The stage's posterior is not there or cannot be read.
        """
        source = self.need("posterior", "fit") if stage == "dense" else self.need("compressed", "compress")
        digest = hashlib.sha256(_content(source))
        digest.update(json.dumps([form, settings, __version__], sort_keys=True).encode())
        return digest.hexdigest()[:12]

    def record(self, rows: Iterable[Measurement], seed: int | None) -> list[Measurement]:
        """Append rows to the journal with their origin, and give them back with it."""
        stamped = self.stamped(rows, seed)
        self.append(stamped)
        return stamped

    def stamped(self, rows: Iterable[Measurement], seed: int | None) -> list[Measurement]:
        """Rows with their origin, not yet in the journal."""
        return stamp(rows, provenance(self.command, seed))

    def append(self, stamped: Iterable[Measurement]) -> None:
        """Append rows that have their origin to the journal."""
        Journal(self.file("journal")).append(stamped)

    def rows(self) -> list[Measurement]:
        """The journal, oldest first."""
        return Journal(self.file("journal")).read()

    def cut_line(self) -> int | None:
        """The number of the journal's last line if it is cut off; its row is not among `rows`."""
        return Journal(self.file("journal")).cut_line()


def _content(path: Path) -> bytes:
    """A safetensors file's bytes without what differs between equal runs: the order of its header, and its history.

    Raises:
        RunError: It is cut off or not of this format.
    """
    try:
        data = path.read_bytes()
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        header["__metadata__"].pop("history", None)
        return json.dumps(header, sort_keys=True).encode() + data[start:]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise RunError(f"{path} cannot be read: {reason(error)}") from error


def there(path: Path) -> bool:
    """Whether there is a run folder, of whatever version."""
    return (path / "run.json").exists()


def make(path: Path, command: str) -> RunFolder:
    """Open a run folder, or make a new one where there is none.

    Raises:
        RunError: The folder holds something else, is of another version, or cannot be made.
    """
    if there(path):
        return open_run(path, command)
    check_free(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        said = json.dumps({"format": FORMAT, "version": VERSION, "bitsback": __version__})
        replace_file(path / "run.json", [f"{said}\n".encode()])
    except OSError as error:
        raise RunError(f"the run folder {path} cannot be made: {reason(error)}") from error
    return RunFolder(path, command)


def clear(run: RunFolder) -> None:
    """Remove what bitsback wrote into a run folder, and nothing else: the folder stays, with whatever else lies in it.

    Raises:
        RunError: Something cannot be removed.
    """
    try:
        for name in reversed(_NAMES):  # what says which run it is goes last
            path = run.file(name)
            if path.is_dir() and not path.is_symlink():
                for each in path.iterdir():
                    if each.suffix in _WITHIN:
                        each.unlink()
                with suppress(OSError):  # it stays where something else lies in it
                    path.rmdir()
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{run.path} cannot be cleared: {reason(error)}") from error


def remove(run: RunFolder) -> None:
    """Remove what bitsback wrote, and the folder too where nothing else lies in it.

    Raises:
        RunError: Something cannot be removed.
    """
    clear(run)
    try:
        (run.path / "run.json").unlink(missing_ok=True)
        with suppress(OSError):  # it stays where something else lies in it
            run.path.rmdir()
    except OSError as error:
        raise RunError(f"{run.path} cannot be removed: {reason(error)}") from error


def check_free(path: Path) -> None:
    """Refuse a place where no run folder can be: before anything is computed for it.

    Raises:
        RunError: There is a file, or a folder with other things in it.
    """
    if there(path):
        open_run(path)
    elif path.is_dir() and any(path.iterdir()):
        raise RunError(f"{path} is a folder with other things in it; give a new or empty one for the run")
    elif path.exists() and not path.is_dir():
        raise RunError(f"{path} is a file; give a new or empty folder for the run")


def open_run(path: Path, command: str = "bitsback, from Python") -> RunFolder:
    """Open a run folder.

    Raises:
        RunError: There is none, or it is of another version.
    """
    try:
        said = json.loads((path / "run.json").read_text("utf-8"))
    except NotADirectoryError as error:
        held = f", such as {path.parent}, which holds it" if (path.parent / "run.json").exists() else ""
        raise RunError(f"{path} is a file, and a run folder is needed{held}") from error
    except FileNotFoundError as error:
        raise RunError(f"there is no run in {path}; `bitsback fit {path}` makes one") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{path / 'run.json'} cannot be read: {reason(error)}") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise RunError(f"{path} is no run folder of bitsback")
    if said.get("version") != VERSION:
        raise RunError(
            f"{path} is a run folder of version {said.get('version')!r}, made by bitsback {said.get('bitsback')!r}; "
            f"this is {__version__}, which reads version {VERSION}"
        )
    return RunFolder(path, command)
