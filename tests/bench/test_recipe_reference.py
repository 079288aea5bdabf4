import types
from dataclasses import dataclass, fields, is_dataclass
from typing import Literal, get_args, get_type_hints

import pytest

from bench.markdown import places
from bench.recipe_reference import MIRRORS, PLACES, keys, kind_of, meaning
from bench.tables import ROOT, stale
from bitsback.errors import DataError
from bitsback.recipe.sections import Recipe

PAGE = ROOT / "docs" / "recipe.md"


def parts(hint: object) -> list[object]:
    """A type and all that it is made of."""
    return [hint, *(deeper for each in get_args(hint) for deeper in parts(each))]


def tables_of(kind: type) -> set[type]:
    """The dataclasses that a dataclass leads to, itself among them."""
    hints = [part for hint in get_type_hints(kind).values() for part in parts(hint)]
    return {kind}.union(*(tables_of(each) for each in hints if isinstance(each, type) and is_dataclass(each)))


def test_every_table_that_a_recipe_can_have_stands_on_the_page():
    assert set(MIRRORS) == tables_of(Recipe)
    assert {name for name, _, _ in places(PAGE.read_text(encoding="utf-8"))} == set(PLACES)


def test_the_page_is_what_the_code_gives():
    assert PAGE not in stale(ROOT), "`python -m bench.tables --write` makes it so"


@pytest.mark.parametrize("kind", MIRRORS, ids=lambda kind: kind.__name__)
def test_every_key_is_explained_once(kind):
    assert [line.split(" | ")[0] for line in keys(kind).splitlines()[2:]] == [f"| `{e.name}`" for e in fields(kind)]


def test_a_key_that_is_explained_never_or_twice_is_refused(monkeypatch):
    @dataclass(frozen=True)
    class Silent:
        """Says nothing of its key."""

        epochs: int = 1

    monkeypatch.setitem(MIRRORS, Silent, ())
    with pytest.raises(DataError, match="'epochs' of Silent is explained 0 times"):
        meaning(Silent, "epochs")


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int | None, "whole number"),
        (float | int, "number or whole number"),
        (tuple[int, ...], "list of whole numbers"),
        (tuple[Literal["a", "b"], ...], 'list of `"a"` or `"b"`'),
        (Literal["a"] | None, '`"a"`'),
        (dict[str, int], "table"),
        (Recipe, "table"),
        (bool, "true or false"),
        (types.NoneType, ""),
    ],
    ids=str,
)
def test_types_are_named_as_a_writer_of_toml_knows_them(hint, words):
    assert kind_of(hint) == words
