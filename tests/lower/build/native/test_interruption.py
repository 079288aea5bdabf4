"""Ctrl-C while the compiler works ends what it was meant to end, when the compiler is done."""

import signal
import threading

import pytest
from tvm.ir.instrument import pass_instrument
from tvm.ir.transform import PassContext

from bitsback.lower.build.native.interruption import after_this
from bitsback.lower.build.native.library import build
from bitsback.lower.run.native.library import Entry
from bitsback.lower.run.native.targets import runnable
from tests.lower.run.native.plans import plan


@pytest.fixture(autouse=True)
def heard_by_python():
    """Where tests run in the background, whoever started them may have had the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_it_is_no_error_of_the_compilers():
    interrupted = []

    @pass_instrument
    class Interrupts:
        def run_before_pass(self, *_):
            if not interrupted:
                interrupted.append(True)
                signal.raise_signal(signal.SIGINT)

    with PassContext(instruments=[Interrupts()]), pytest.raises(KeyboardInterrupt):
        build(plan(), runnable()[0], [Entry(1)])
    assert interrupted


def test_it_is_what_it_was_before():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append("mine"))
    try:
        with after_this():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            assert heard == []
        assert heard == ["mine"]
        with pytest.raises(ValueError, match="wrong"), after_this():
            raise ValueError("wrong")
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == ["mine"] * 2


def test_it_comes_though_the_compiler_failed():
    def fails():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("wrong")

    with pytest.raises(KeyboardInterrupt), after_this():
        fails()


def test_other_threads_compile_too():
    done = []

    def compiles():
        with after_this():
            done.append(True)

    thread = threading.Thread(target=compiles)
    thread.start()
    thread.join()
    assert done == [True]
