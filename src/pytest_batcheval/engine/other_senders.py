"""Other runs that send from the same journal at the same time: what they have begun is waited for, not sent again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_batcheval.engine.backoff import delay
from pytest_batcheval.engine.send_policy import SendContext
from pytest_batcheval.engine.snapshot import NoticeSnapshot
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.errors import UnfinishedError
from pytest_batcheval.text.format import counted

LOOK_FIRST, LOOK_LAST = 2.0, 60.0
"""Seconds between two looks at the batches of other runs: doubled from the first to the last."""


class OtherSenders:
    """Waits for the batches of other runs; where one process sends at a time there never are any."""

    def __init__(self, context: SendContext) -> None:
        """Wait for a run."""
        self._context = context
        self._said: set[str] = set()

    def wait(self, wanted: Wanted, take_over: Callable[[Sequence[str]], bool]) -> bool:
        """Wait until a batch of another run with one of these requests has ended; false when there is none.

        `take_over` finishes the batches of runs that have ended or stalled, and says whether there were any.

        Raises:
            UnfinishedError: it has not ended at the deadline.
            ProviderError, JournalError: as `engine.send.send`.
        """
        journal, clock = self._context.journal, self._context.clock
        if not journal.shared:  # a claim that nobody drives is then damage, and would be waited for without an end
            return False
        first = held = self._held(wanted)
        looks = 0
        while held and held == first:
            looks += 1
            pause = delay(looks, LOOK_FIRST, LOOK_LAST)
            if take_over(list(held)):
                return True
            who = ", ".join(map(str, journal.owners(set(held.values())))) or "another run"
            text = f"{counted(len(held), 'request')} under way in {who}"
            deadline = self._context.deadline
            if deadline is not None and clock.now() + pause > deadline:
                raise UnfinishedError(f"{text}; the same command collects what that run gets")
            if who not in self._said:
                self._said.add(who)
                self._context.progress(NoticeSnapshot.of_text(f"waiting for {text}"))
            clock.sleep(pause)
            held = self._held(wanted)
        return bool(first)

    def _held(self, wanted: Wanted) -> dict[str, int]:
        """The number of the open batch that has each of these, of those that are in one."""
        held = dict[str, int]()
        for items in wanted.slices():
            held |= self._context.journal.reader.held([item.key for item in items], self._context.backend.origin)
        return held
