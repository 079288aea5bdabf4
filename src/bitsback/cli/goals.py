"""What is to be left of a network, as it is typed: a policy, or a size of the packed file."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bitsback.errors import RecipeError

if TYPE_CHECKING:
    from bitsback.recipe.sections import Recipe

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Goals:
    """The options of `compress` that say what goes."""

    sparsity: Annotated[float | None, typer.Option(help="The share of weights that go, from 0 to 1.")] = None
    saliency: Annotated[str | None, typer.Option(help="snr or magnitude: which go first.")] = None
    policy: Annotated[Path | None, typer.Option(help="A policy in TOML, layer by layer.")] = None
    cycles: Annotated[int | None, typer.Option(help="Prune in so many steps.")] = None
    target_size: Annotated[
        str | None, typer.Option(metavar="BYTES", help="Bring the whole packed file to a size: 40kB, 1.5MB, 12000.")
    ] = None
    target_ratio: Annotated[
        float | None, typer.Option(help="Bring it to so many times less than the float32 network.")
    ] = None

    def changes(self) -> dict[str, Any]:
        """What they change of a recipe, by dotted key; None where it stays as it is.

        Raises:
            RecipeError: One is malformed, or two say what goes.
        """
        default = {"compress.policy.default.sparsity": self.sparsity, "compress.policy.default.saliency": self.saliency}
        found = {"compress.policy": _policy(self.policy), **default, "compress.cycles": self.cycles}
        size = self._given("target_size", "target_ratio")
        if size is None:
            anew = self._given("sparsity", "saliency", "policy", "cycles") is not None
            return found | ({"compress.target": {}} if anew else {})
        other = self._given(*(name for name in asdict(self) if _option(name) != size))
        if other is not None:
            raise RecipeError(f"{size} and {other} both say what goes; give one of them")
        target = {"ratio": self.target_ratio} if self.target_size is None else {"bytes": _bytes(self.target_size)}
        return {**found, "compress.target": target, "form.name": "point"}

    def check(self, recipe: "Recipe") -> None:
        """Refuse a policy beside what takes its place.

        Raises:
            RecipeError: There is one.
        """
        words, masks = self._given("sparsity", "saliency", "policy"), recipe.compress.masks
        if words is not None and masks is not None:
            raise RecipeError(
                f"{words} asks for a policy, and compress.masks = '{masks}' says what goes in its place; leave {words} "
                "out, or the masks: --set 'compress.masks=\"\"'"
            )

    def _given(self, *names: str) -> str | None:
        """The first option of some that was typed."""
        return next((_option(name) for name in names if getattr(self, name) is not None), None)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _policy(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from bitsback.recipe.text import parse

    return asdict(parse({"compress": {"policy": str(path)}}).compress.policy)


def _bytes(text: str | None) -> int | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    size = int(float(found[1]) * _UNITS.get(found[2].lower(), 0)) if found else 0
    if not size:
        raise RecipeError(f"the size {text!r} is none; it must be a number of bytes such as 12000, 40kB or 1.5MB")
    return size
