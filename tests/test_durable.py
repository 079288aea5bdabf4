import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitsback.durable import append, replace_file
from bitsback.strict_json import is_object


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"something longer")
    assert replace_file(path, [b"ab", b"", b"c"]) == 3
    assert path.read_bytes() == b"abc"


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_is_interrupted_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise error

    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(error):
        replace_file(path, chunks())
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path in (pipe, folder):
        with pytest.raises(OSError, match="no file"):
            replace_file(path, [b"new"])
    assert pipe.is_fifo()
    assert folder.is_dir()
    assert sorted(tmp_path.iterdir()) == [folder, pipe]


def test_a_line_is_added_without_reading_the_file(tmp_path: Path) -> None:
    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    path = tmp_path / "lines"
    path.write_bytes((b"x" * 99 + b"\n") * 100_000)
    before = read()
    append(path, b"new\n", is_object)
    assert read() - before < 1_000_000
    assert path.read_bytes().endswith(b"x\nnew\n")


@pytest.mark.parametrize("length", [0, 3, 1 << 16, 300_000])
def test_a_half_line_goes_however_long_it_is_and_a_whole_one_stays(length: int, tmp_path: Path) -> None:
    path, whole = tmp_path / "lines", b'{"a": "' + b"x" * length + b'"}'
    for content, left in ((whole[:-1], b""), (b"\n" + whole[:-1], b"\n"), (whole, whole + b"\n"), (b"", b"")):
        path.write_bytes(content)
        append(path, b"{}\n", is_object, head=b"head\n")
        assert path.read_bytes() == (left or b"head\n") + b"{}\n"
