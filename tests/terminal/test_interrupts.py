import signal
import threading

import pytest

from pytest_batcheval.engine.interrupt import Interrupts


@pytest.fixture(autouse=True)
def usual():
    """Python's own handler, whatever this session was started with."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(calls):
    interrupts = Interrupts(lambda: calls.append("first"))
    with pytest.raises(KeyboardInterrupt), interrupts:
        signal.raise_signal(signal.SIGINT)
    return interrupts


def test_the_first_one_is_reported_and_raises_and_the_next_is_the_kernels_until_restored():
    calls = []
    interrupts = interrupted(calls)
    assert calls == ["first"]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    interrupts.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_an_interrupt_nothing_stays_behind():
    with Interrupts(list):
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_who_handles_it_otherwise_keeps_it(handler):
    signal.signal(signal.SIGINT, handler)
    with Interrupts(list):
        assert signal.getsignal(signal.SIGINT) is handler
    assert signal.getsignal(signal.SIGINT) is handler


def test_other_threads_have_no_signals():
    entered = []

    def enter():
        with Interrupts(list):
            entered.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [signal.default_int_handler]
