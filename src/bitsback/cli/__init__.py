"""The command line: parses, calls, prints. `predict`, `inspect`, `measure` and `report` run without torch."""

import shlex
import sys
from collections.abc import Sequence


def main(words: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0, or 2 for whatever could not be done.

    Plain predictions do not wait for the parser to be imported, which takes longer than they do.

    Args:
        words: The command's words; those that the process was started with when None.
    """
    from bitsback.cli.failures import one_line

    given = list(sys.argv[1:] if words is None else words)
    command = shlex.join(["bitsback", *given])
    if _plain_prediction(given):
        from bitsback.cli.answers import answer

        with one_line(command):
            answer(given[1], [word for word in given[2:] if word != "--json"], as_json="--json" in given)
        return
    from bitsback.cli.app import app

    app(args=given, prog_name="bitsback", obj=command)


def _plain_prediction(words: Sequence[str]) -> bool:
    """Whether these are `predict MODEL FILE...` with at most `--json`, which takes no parser to understand."""
    names = [word for word in words[1:] if word != "--json"]
    plain = len(names) >= 2 and not any(word.startswith("-") for word in names)
    return words[:1] == ["predict"] and plain and words[1] in names
