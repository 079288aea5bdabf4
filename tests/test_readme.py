import shlex
from pathlib import Path
from typing import Any

import pytest

import bitsback
from bitsback.cli import main
from tests.documents import DOCUMENTS, ROOT, Block, blocks, links


def run_python(block: Block, names: dict[str, object], document: Path) -> None:
    code = "\n" * (block.line - 1) + block.text
    exec(compile(code, str(document), "exec"), names)


def run_commands(block: Block) -> None:
    """In this process: each process of its own would import PyTorch anew."""
    for command in block.commands():
        name, *words = shlex.split(command)
        assert name == "bitsback"
        with pytest.raises(SystemExit) as left:
            main(words)
        assert not left.value.code, command


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_code_of_a_document_runs(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document.read_text(encoding="utf-8")):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "python":
            run_python(block, names, document)
        elif block.kind == "console":
            run_commands(block)
    if document.name == "README.md":
        _check_that_what_people_copy_is_worth_having(names["data"])


def _check_that_what_people_copy_is_worth_having(data: Any) -> None:
    found = bitsback.evaluate(bitsback.load("digits.bitsback"), data)
    assert all(value is not None for value in found.values())
    assert found["accuracy"] > 0.96
    assert found["ece"] < 0.08
    assert found["ood_auroc_total"] > 0.9


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_links_of_a_document_lead_somewhere(document: Path) -> None:
    dead = [link for link in links(document.read_text(encoding="utf-8")) if not (document.parent / link).exists()]
    assert not dead


def test_blocks_are_found_with_their_kind_file_and_line() -> None:
    text = "# Title\n\n```python\na = 1\n```\n\n```toml recipe.toml\nb = 2\n```\n\n```\nc\n```\n"
    assert blocks(text) == [
        Block("python", "", "a = 1\n", 4),
        Block("toml", "recipe.toml", "b = 2\n", 8),
        Block("", "", "c\n", 12),
    ]


def test_commands_stand_behind_a_dollar() -> None:
    block = Block("console", "", "$ one \\\n  more\nwhat it prints\n$ two\n", 1)
    assert block.commands() == ["one    more", "two"]


def test_links_are_those_into_the_repository() -> None:
    text = "[a](docs/a.md#part) [b](https://example.org) [c](#here) ![d](d.png)\n```\n[e](e.md)\n```\n"
    assert links(text) == ["docs/a.md", "d.png"]


def test_a_block_that_fails_names_its_document_and_line(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as failure:
        run_python(Block("python", "", "1 / 0\n", 7), {}, tmp_path / "page.md")
    last = failure.traceback[-1]
    assert (Path(str(last.path)).name, last.lineno + 1) == ("page.md", 7)


def test_the_readme_shows_python_and_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = blocks(text)
    assert any(block.kind == "python" for block in found)
    assert {"make demo", "make test"} <= {line for block in found for line in block.text.splitlines()}
