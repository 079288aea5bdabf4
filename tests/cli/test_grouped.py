"""Options as dataclasses."""

import re
from dataclasses import dataclass
from typing import Annotated

import pytest
import typer

from bitsback.cli.grouped import grouped
from tests.test_house import PYTHON, ROOT


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(help="From left to right.", min=1)] = 2
    names: Annotated[list[str] | None, typer.Option("--name")] = None


@pytest.fixture
def drawn():
    """An application of one command, and what it was called with."""
    called = []

    def draw(what: str, *, size: Size = Size(), dark: Annotated[bool, typer.Option("--dark")] = False) -> None:
        """Draw it."""
        called.append((what, size, dark))

    app = typer.Typer()
    app.command()(grouped(draw))
    return lambda *words: (app(words, standalone_mode=False), called.pop())[1]


@pytest.mark.parametrize(
    ("words", "size", "dark"),
    [
        ((), Size(), False),
        (("--width", "3", "--dark"), Size(3), True),
        (("--name", "a", "--name", "b"), Size(names=["a", "b"]), False),
    ],
)
def test_a_command_gets_its_options_as_one(drawn, words, size, dark):
    assert drawn("it", *words) == ("it", size, dark)


def test_what_an_option_refuses_is_refused(drawn):
    with pytest.raises(Exception, match=r"(>=|equal to) ?1"):
        drawn("it", "--width", "0")


def test_no_function_is_excused_from_having_few_arguments():
    excused = re.compile(r"noqa: *PLR09" + "1[37]")
    assert not [path for path in PYTHON if path.is_relative_to(ROOT / "src") and excused.search(path.read_text())]
