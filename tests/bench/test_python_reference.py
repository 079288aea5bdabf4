from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import bitsback
from bench.markdown import places
from bench.python_reference import PLACES, named, reference, signature
from bench.tables import ROOT, stale

PAGE = ROOT / "docs" / "python.md"


@dataclass(frozen=True)
class Settings:
    """How."""

    size: int
    names: dict[str, int] = field(default_factory=dict)
    own: bitsback.Choice = field(default_factory=bitsback.Choice)
    kind: Literal["a", "b"] | None = None


def work(path: str | Path, *rest: int, often: bool = False, **more: Any) -> list[Settings]:
    """Works.

    Args:
        path: where.
        often: whether often.

    Returns:
        Some.

    Raises:
        ValueError: It is wrong.
    """
    return []


def test_every_public_name_stands_on_the_page():
    marked = {name for name, _, _ in places(PAGE.read_text(encoding="utf-8"))}
    assert marked == set(PLACES)
    assert {f"python_{name}" for name in bitsback.__all__ if name != "__version__"} <= marked


def test_the_page_is_what_the_code_gives():
    assert PAGE not in stale(ROOT), "`python -m bench.tables --write` makes it so"


def test_a_signature_has_types_and_defaults():
    said = "w(path: str | Path, *rest: int, often: bool = False, **more: Any) -> list[Settings]"
    assert signature("w", work) == said
    assert signature("S", Settings) == (
        'S(\n    size: int,\n    names: dict[str, int] = {},\n    own: Choice = Choice(),\n    kind: Literal["a", "b"] | '
        "None = None,\n)"
    )


def test_types_are_named_without_their_modules():
    assert named(Callable[[Settings], None] | None) == "Callable[[Settings], None] | None"
    assert named(type(None)) == "None"


def test_a_function_says_what_goes_in_what_comes_out_and_what_goes_wrong():
    said = reference("work", work)
    assert "Works.\n\n- `path`: where.\n- `often`: whether often.\n\nReturns: Some.\n\nRaises: `ValueError`: It" in said


def test_what_is_only_given_has_no_signature_and_its_properties():
    @dataclass(frozen=True)
    class Given:
        """Is given.

        Attributes:
            size: How large.
        """

        size: int

        @property
        def half(self) -> float:
            """Half of it."""
            return self.size / 2

    assert reference("Given", Given, called=False) == "Is given.\n\n- `size`: How large.\n- `half`: Half of it."
