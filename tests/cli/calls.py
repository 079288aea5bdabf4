"""Commands called in this process."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from bitsback.cli import main


class Result(NamedTuple):
    """What a command left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Result]


def caller(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*words: object) -> Result:
        capsys.readouterr()
        code = 0
        try:
            main([str(word) for word in words])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return Result(code, out, err)

    return call
