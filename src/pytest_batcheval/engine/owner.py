"""The one thread that may use what is open: SQLite, the lock and the clock belong to the thread that opened them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_batcheval.errors import UsageError


class ThreadOwner:
    """The thread, and its process, that has opened something; nobody as long as it is not open."""

    def __init__(self, what: str) -> None:
        """Prepare it; `what` names the thing in messages."""
        self._what = what
        self._owner: tuple[int, int] | None = None
        self._opening = threading.Lock()

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Use it, or open it, in the `with` block; another thread that opens it at the same time waits for the outcome.

        Raises:
            UsageError: another thread or process has opened it.
        """
        with self._opening:
            self.check()
            yield
            self._owner = (os.getpid(), threading.get_ident())

    def check(self) -> None:
        """Make sure that this thread may use it.

        Raises:
            UsageError: another thread or process has opened it.
        """
        if self._owner not in (None, (os.getpid(), threading.get_ident())):
            raise UsageError(
                f"this {self._what} was opened by another thread or process; use one of its own for each: several may "
                "have the same journal, and they wait for one another"
            )

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Close it in the `with` block; a forked process may close its copy.

        Raises:
            UsageError: another thread has opened it.
        """
        if self._owner is not None and self._owner[0] == os.getpid():
            self.check()
        self._owner = None
        yield
