"""The command line: parses, calls, prints. `predict`, `inspect`, `measure` and `report` run without torch."""

import shlex
import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, or 2 for whatever could not be done.

    Args:
        words: The command's words; those that the process was started with when None.
    """
    from bitsback.cli.app import app

    given = list(sys.argv[1:] if words is None else words)
    app(args=given, prog_name="bitsback", obj=shlex.join(["bitsback", *given]))
