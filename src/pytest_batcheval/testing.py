"""For packages that add a backend: the contract that every backend keeps, as tests to inherit.

```python
class TestOurs(BackendContract):
    @pytest.fixture
    def opening(self):
        with our_server() as server:
            yield Opening(lambda: OurBackend(server.url), clock=server.clock, requests=our_requests)
```
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_batcheval.backends.errors import UnknownOutcome
from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.send import SendPolicy, collect, send
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

CALLS = ("upload", "create", "list_batches", "retrieve", "download")
"""Calls at which a process dies, before they are applied and after."""

WANTED = 5


class Died(BaseException):
    """The end of a process at a call; nothing of ours handles it."""


@dataclass(frozen=True)
class Opening:
    """A backend to try.

    Attributes:
        open: makes a backend, as a new process would.
        clock: what waits are counted by, closed after use if it can be; virtual time makes them short.
        requests: so many requests that the backend can answer, each time the same.
        billed: how often the server ran each request, by key; `None` where that cannot be known.
    """

    open: Callable[[], Backend]
    clock: Callable[[Backend], Clock]
    requests: Callable[[int], Sequence[Request]]
    billed: Callable[[], Counter[str]] | None = None


class Struck:
    """A backend whose nth call of a name fails: with `error`, before or after it is applied."""

    def __init__(self, backend: Backend, call: str, error: BaseException, *, after: bool, nth: int = 1) -> None:
        self._backend, self._call, self._error, self._after = backend, call, error, after
        self._left = nth
        self.struck = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        return self._failing(value) if name == self._call else value

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def struck(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left:
                return call(*args, **kwargs)
            self.struck = True
            if self._after:
                call(*args, **kwargs)
            raise self._error

        return struck


class BackendContract:
    """Tests of a backend: answers come once, whatever happens to the process that asks for them.

    A subclass, whose name begins with `Test`, has a fixture `opening` that gives an `Opening`.
    """

    def test_answers_come_and_are_not_asked_for_again(self, opening: Opening, tmp_path: Path) -> None:
        """Every request has an answer with a text, and a second run sends nothing."""
        first = _sent(opening, tmp_path / "journal.sqlite")
        assert (first.answered, first.batches) == (WANTED, 3)
        assert _sent(opening, tmp_path / "journal.sqlite").batches == 0
        _once(opening)

    def test_a_process_that_dies_at_any_call_is_taken_up(self, opening: Opening, tmp_path: Path) -> None:
        """Killed at each call, before it is applied and after: the next process has every answer, and pays for none."""
        number = 0
        for call in CALLS:
            for after in (False, True):
                number += 1
                journal = tmp_path / f"{number}.sqlite"
                wanted = opening.requests(WANTED * (number + 1))[WANTED * number :]
                with _opened(opening) as (backend, clock):
                    struck = Struck(backend, call, Died(), after=after)
                    with suppress(Died):
                        _send(struck, clock, wanted, journal)
                with _opened(opening) as (backend, clock):
                    assert _send(backend, clock, wanted, journal).answered == WANTED, (call, after)
        _once(opening)

    def test_a_create_without_a_clear_answer_is_looked_for(self, opening: Opening, tmp_path: Path) -> None:
        """Applied or not, it is found or certainly absent before anything is sent again."""
        for number, after in enumerate((False, True)):
            with _opened(opening) as (backend, clock):
                struck = Struck(backend, "create", UnknownOutcome("reset", "the reply was lost"), after=after)
                wanted = opening.requests(WANTED * (number + 1))[WANTED * number :]
                journal = tmp_path / f"{number}.sqlite"
                found = _send(struck, clock, wanted, journal)
                assert (struck.struck, found.answered) == (True, WANTED), after
        _once(opening)

    def test_a_lost_journal_is_rebuilt(self, opening: Opening, tmp_path: Path) -> None:
        """By the mark of the batches, where they carry one."""
        _sent(opening, tmp_path / "journal.sqlite")
        with _opened(opening) as (backend, clock), Journal.open(tmp_path / "other.sqlite") as journal:
            collect(backend=backend, journal=journal, clock=clock, adopt=True)
            found = journal.reader.answers(opening.requests(WANTED), backend.origin)
            assert len(found) == (0 if backend.capabilities.mark == "file" else WANTED)
        _once(opening)


@contextmanager
def _opened(opening: Opening) -> Iterator[tuple[Backend, Clock]]:
    """A backend and its clock, as a process has them."""
    backend = opening.open()
    clock = opening.clock(backend)
    try:
        yield backend, clock
    finally:
        getattr(clock, "close", lambda: None)()
        backend.close()


def _sent(opening: Opening, journal: Path) -> Any:
    with _opened(opening) as (backend, clock):
        return _send(backend, clock, opening.requests(WANTED), journal)


def _send(backend: Backend, clock: Clock, wanted: Sequence[Request], path: Path) -> Any:
    policy = SendPolicy(limits=Limits(requests=2), threads=0)
    with Journal.open(path) as journal:
        return send(wanted, backend=backend, journal=journal, clock=clock, policy=policy)


def _once(opening: Opening) -> None:
    """Check that nothing was paid twice.

    Raises:
        AssertionError: a request ran more than once.
    """
    again = {key: times for key, times in opening.billed().items() if times > 1} if opening.billed else {}
    assert not again, f"run more than once: {again}"
