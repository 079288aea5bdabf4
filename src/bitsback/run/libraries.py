"""Native libraries of the program that ships, compiled where TVM is installed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bitsback.artifact.container import Artifact, read
from bitsback.errors import ArtifactError, ExportError, MissingExtraError, RecipeError
from bitsback.form.program import Program
from bitsback.given.dataset import Dataset
from bitsback.lower.build.comparison import Compared
from bitsback.lower.build.compiler import need_compiler
from bitsback.lower.run.native.library import Entry, Library
from bitsback.lower.run.native.plan import Plan
from bitsback.lower.run.native.step_record import MOST
from bitsback.lower.run.native.targets import TARGETS, runnable
from bitsback.run.programs import inputs_to_compare
from bitsback.runtime.native import with_libraries

HERE = "native"
"""The best target of this machine."""
_FORMS = ("point", "ensemble", "propagated")


@dataclass(frozen=True)
class Wanted:
    """A library that is to be in a file.

    Attributes:
        target: A key of `TARGETS`.
        batches: For how many inputs at a time it has a function.
    """

    target: str
    batches: tuple[int, ...] = (1,)

    def __str__(self) -> str:
        return f"{self.target}:{','.join(map(str, self.batches))}"


def here(tell: Callable[[str], None]) -> tuple[Wanted, ...]:
    """A library for this machine, where there is what compiles it.

    Args:
        tell: Is told what is missing.
    """
    try:
        need_compiler()
    except MissingExtraError as error:
        tell(f"without a native library: {error}")
        return ()
    return (Wanted(runnable()[0]),)


@dataclass(frozen=True)
class Compiled:
    """A program's native libraries, each compared with PyTorch; no plan where there are none.

    Attributes:
        plan: What they compute.
        libraries: One for each target.
        compared: How each was compared.
    """

    plan: Plan | None
    libraries: tuple[Library, ...] = ()
    compared: tuple[Compared, ...] = ()

    def beside(self, artifact: Artifact) -> Artifact:
        """The artifact with these libraries.

        Raises:
            ArtifactError: They cannot be stored.
        """
        return artifact if self.plan is None else with_libraries(artifact, self.plan, self.libraries)


NONE = Compiled(None)


def wanted(libraries: Sequence[str]) -> tuple[Wanted, ...]:
    """What is asked for.

    Args:
        libraries: Each a key of `TARGETS`, or "native" for the best of this machine, and after a colon the batches:
            "native:1,100".

    Raises:
        RecipeError: There is no such target, a target is asked for twice, or a batch is no whole number of at least 1.
        MissingExtraError: TVM is not installed.
    """
    found = tuple(_wanted(each) for each in libraries)
    targets = [each.target for each in found]
    twice = next((each for each in targets if targets.count(each) > 1), None)
    if twice is not None:
        raise RecipeError(
            f"the library for {twice!r} is asked for twice; name it once, with all batches: {twice}:1,100"
        )
    if found:
        need_compiler()
    return found


def check_form(name: str, libraries: Sequence[Wanted], layout: str = "stacked") -> None:
    """Refuse libraries of a form that has none, before it is drawn and traced.

    Raises:
        ExportError: It is neither the point, the ensemble nor the propagated form.
    """
    if libraries and (name, layout) == ("ensemble", "swapped"):
        from bitsback.form.swapped import NO_LIBRARY

        raise ExportError(NO_LIBRARY)
    if libraries and name not in _FORMS:
        raise ExportError(f"the {name} form has no native library; there is one of the {', '.join(_FORMS)} forms")


def held(path: Path) -> tuple[Wanted, ...]:
    """The libraries that a file has; none where there is no file that can be read."""
    try:
        libraries = read(path).manifest.libraries if path.exists() else ()
    except ArtifactError:
        return ()
    return tuple(
        Wanted(each["target"], tuple(sorted(entry["batch"] for entry in each["entries"]))) for each in libraries
    )


def lost(before: Sequence[Wanted], now: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """Those of the libraries before that are not among the new ones with all their functions."""
    there = {each.target: {*each.batches} for each in now}
    return tuple(each for each in before if not {*each.batches} <= there.get(each.target, set()))


def compiled(program: Program, data: Dataset, libraries: Sequence[Wanted]) -> Compiled:
    """Compile a program.

    Args:
        program: A point, an ensemble or a propagated form.
        data: What it was fitted on: real inputs to compare on.
        libraries: What is asked for.

    Raises:
        ExportError: The form or an operator has no native kernel, a library answers otherwise than PyTorch, or no linker is
            there for it.
    """
    if not libraries:
        return NONE
    from bitsback.lower.build.native.lowering import lower

    inputs = inputs_to_compare(data)
    made = [lower(program, each.target, [Entry(batch) for batch in each.batches], inputs) for each in libraries]
    return Compiled(made[0].plan, tuple(each.library for each in made), tuple(each.compared for each in made))


def _wanted(said: str) -> Wanted:
    name, colon, numbers = said.partition(":")
    known = [HERE, *TARGETS]
    if name not in known:
        raise RecipeError(f"there is no target {name!r}; there are {', '.join(known)}")
    batches = numbers.split(",") if colon else ["1"]
    if not all(each.isascii() and each.isdecimal() and len(each) <= 20 and 0 < int(each) <= MOST for each in batches):
        raise RecipeError(
            f"the library {said!r} is for batches {numbers!r}; they must be numbers from 1 to {MOST}, as in 1,100"
        )
    if name == HERE and not runnable():
        raise RecipeError(f"this machine runs no target that there is; name one of {', '.join(TARGETS)}")
    return Wanted(runnable()[0] if name == HERE else name, tuple(sorted({*map(int, batches)})))
