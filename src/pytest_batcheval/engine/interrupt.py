"""Ctrl-C: the first one ends a run in good order, any later one ends the process where it is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Interrupts:
    """While it is entered, the first SIGINT raises `KeyboardInterrupt` and leaves every later one to the kernel.

    So a second Ctrl-C ends the process even while it waits in C code. Nothing is lost by that: the journal is
    written before every call that costs. Does nothing outside the main thread, or where somebody else handles SIGINT.
    """

    def __init__(self, first: Callable[[], None]) -> None:
        """Prepare it; `first` is called at the first SIGINT, between any two instructions of the main thread."""
        self._first = first
        self._entered = False
        self._interrupted = False

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._interrupt)
            self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """After an interrupt it holds on, for what the caller still does, until `restore`."""
        if not self._interrupted:
            self.restore()

    def restore(self) -> None:
        """Give SIGINT back its usual meaning."""
        if self._entered:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._entered = False

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._first()
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """Raise a Ctrl-C that comes within the block at its end, so that nothing in it is half done; a second one kills.

    Does nothing outside the main thread, or where SIGINT has no handler in Python.
    """
    usual = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if not callable(usual):
        yield
        return
    came: list[FrameType | None] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(frame)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
        if came:
            usual(signal.SIGINT, came[0])
