"""What becomes of errors: one line on stderr and an exit code, never a traceback for what a user can do wrong."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from bitsback.errors import BitsbackError

FAILED, INTERRUPTED = 2, 130
_PYTORCHS = "DefaultCPUAllocator"  # how PyTorch says that there is no memory


@contextmanager
def one_line(command: str) -> Iterator[None]:
    """Ends the process where what is inside fails.

    Args:
        command: What was typed; an interrupted user is told how to go on.

    Yields:
        Nothing.

    Raises:
        SystemExit: With 2, after one line on stderr, where it could not be done; with 130 where it was interrupted.
    """
    try:
        yield
    except BitsbackError as error:
        fail(" ".join(str(error).split()))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has seen enough
        raise SystemExit(0) from None
    except OSError as error:
        full = error.errno == errno.ENOSPC
        advice = "; free some space and run the same command again: nothing is lost" if full else ""
        fail(f"{error.filename or 'a file'}: {error.strerror or error}{advice}")
    except KeyboardInterrupt:
        again = command.replace(" --fresh", "")  # which would begin anew
        print(f"interrupted; this goes on from what is saved: {again}", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        if isinstance(error, MemoryError) or _PYTORCHS in str(error):
            fail("this does not fit in memory; ask for fewer members, smaller batches, or fewer samples (data.limit)")
        raise


def fail(sentence: str) -> NoReturn:
    """Ends the process after one line on stderr.

    Raises:
        SystemExit: With 2.
    """
    print(f"error: {sentence}", file=sys.stderr)
    raise SystemExit(FAILED) from None
