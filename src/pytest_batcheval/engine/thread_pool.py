"""A few daemon threads for calls to the provider; Ctrl-C and the interpreter's end wait for none of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from pytest_batcheval.backends.errors import ProviderFailure

T = TypeVar("T")


class Pool(Generic[T]):
    """Runs calls side by side and hands back (label, result or failure) to the thread that asks."""

    def __init__(self, threads: int = 4) -> None:
        self._tasks: SimpleQueue[tuple[T, Callable[[], object]] | None] = SimpleQueue()
        self._results: SimpleQueue[tuple[T, object, BaseException | None]] = SimpleQueue()
        self._threads = threads
        self._closed = False
        self.busy = 0
        for _ in range(threads):
            threading.Thread(target=self._work, daemon=True).start()

    def start(self, label: T, task: Callable[[], object]) -> None:
        """Queue a call."""
        self.busy += 1
        self._tasks.put((label, task))

    def next(self, timeout: float) -> tuple[T, object] | None:
        """A finished call, waited for at most `timeout` real seconds; a `ProviderFailure` is its result.

        Raises:
            BaseException: anything else that the call raised.
        """
        try:
            label, result, error = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except Empty:
            return None
        self.busy -= 1
        if error is not None:
            raise error
        return label, result

    def close(self) -> None:
        """Let the threads end: a call under way ends by itself, one that waits is not made."""
        self._closed = True
        for _ in range(self._threads):
            self._tasks.put(None)

    def _work(self) -> None:
        while (item := self._tasks.get()) is not None:
            if self._closed:
                continue
            label, task = item
            try:
                self._results.put((label, task(), None))
            except ProviderFailure as failure:
                self._results.put((label, failure, None))
            except BaseException as error:  # a thread that dies unheard would be waited for without end
                self._results.put((label, None, error))


class OneByOne(Generic[T]):
    """In place of a pool: each call is made on the thread that asks for a result, in order.

    So the same work meets the same replies at the same times, where time is a simulator's.
    """

    def __init__(self) -> None:
        self._tasks: deque[tuple[T, Callable[[], object]]] = deque()

    @property
    def busy(self) -> int:
        """Calls that were started and have no result yet."""
        return len(self._tasks)

    def start(self, label: T, task: Callable[[], object]) -> None:
        """Queue a call."""
        self._tasks.append((label, task))

    def next(self, timeout: float) -> tuple[T, object] | None:
        """Make the next call; a `ProviderFailure` is its result."""
        if not self._tasks:
            return None
        label, task = self._tasks.popleft()
        try:
            return label, task()
        except ProviderFailure as failure:
            return label, failure

    def close(self) -> None:
        """Forget the calls that were not made."""
        self._tasks.clear()
