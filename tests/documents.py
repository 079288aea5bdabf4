"""The documents, and the blocks of code in them.

A block fenced as `python` is run. One fenced as `console` holds commands behind `$ `, which are run; what stands between
them is what they print, and is not compared. A second word after the fence, as in `toml recipe.toml`, is a file's name: the
block is written there before the blocks after it are run. All else (`sh`, `text`) is only read.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(?P<kind>\w*)[ ]*(?P<file>[\w./-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """What stands between two fences.

    Attributes:
        kind: the word after the fence, "" for none.
        file: the second word, "" for none.
        text: all lines.
        line: the number of the first of them.
    """

    kind: str
    file: str
    text: str
    line: int

    def commands(self) -> list[str]:
        """The commands of a console block; a line that ends in a backslash goes on in the next."""
        whole = self.text.replace("\\\n", " ")
        return [line.removeprefix("$ ") for line in whole.splitlines() if line.startswith("$ ")]


def blocks(text: str) -> list[Block]:
    """All blocks of a document, in order."""
    return [
        Block(found["kind"], found["file"], found["text"], text[: found.start("text")].count("\n") + 1)
        for found in _BLOCK.finditer(text)
    ]


def links(text: str) -> list[str]:
    """The targets of a document's links and pictures that lie in the repository, without their anchors."""
    targets = re.findall(r"\]\(([^)\s]+)\)", _BLOCK.sub("", text)) + re.findall(r'src(?:set)?="([^"\s]+)"', text)
    inside = [target.partition("#")[0] for target in targets if "://" not in target]
    return [target for target in inside if target]
