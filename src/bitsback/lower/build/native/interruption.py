"""Ctrl-C while the compiler works: TVM makes an error of its own of it where it comes in the middle of a pass."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def after_this() -> Iterator[None]:
    """Holds Ctrl-C until what is inside is done, and lets it be what it would have been then.

    Only the main thread hears of signals; elsewhere nothing is held, and nothing needs to be.

    Yields:
        Nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is None:  # None: not Python's to put back
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)
