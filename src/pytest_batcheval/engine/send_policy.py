"""The choices a user makes about a send, and the parts that one send works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.snapshot import BatchSnapshot, WaitSnapshot
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.errors import UnfinishedError
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.text.format import counted


@dataclass(frozen=True)
class SendPolicy:
    """The user's choices about a send.

    Attributes:
        attempts: the most times that this send sends a request, when its failure is transient; a batch
            that an earlier run left open counts.
        refresh: send all requests again, as a new generation; older answers are kept. A refresh that
            was cut short is continued: requests that it has sent already are not sent again.
        round: the round whose answers are wanted: requests that it has not asked are asked anew, whatever earlier
            rounds answered; empty accepts the answers of any round.
        ends_refresh: `False` when later sends belong to the same refresh; the caller ends it, by
            `Journal.end_refresh`, when it is complete.
        limits: of one batch file; default OpenAI's.
        patience: seconds on the clock to wait for batches once they are created, or to start calls; `None` waits
            for ever.
        assume_lost: take a create without an answer for lost as soon as one list of batches lacks it,
            without the long wait; if it was accepted all the same, it is paid twice. Also keep what a result
            file has that breaks off within a line, and give up the rest.
        pay_again: send requests again whose answers were paid and are gone at the provider (`lost`, `unaccounted`).
        budget: US dollars that the batches of this run may cost together; `None` for any sum.
        ignore_unmarked: send also what a batch of the account, made by other tools, has already.
        threads: calls to the Batch API at once; 0 makes them one by one, in a fixed order.
    """

    attempts: int = 2
    refresh: bool = False
    ends_refresh: bool = True
    round: str = ""
    limits: Limits = field(default_factory=Limits)
    patience: float | None = None
    assume_lost: bool = False
    pay_again: bool = False
    budget: Decimal | None = None
    ignore_unmarked: bool = False
    threads: int = 4


@dataclass(frozen=True)
class SendContext:
    """The parts that one send works with, under the journal's lock.

    Attributes:
        run: id of the run in the journal.
        deadline: the time on the clock until which batches are waited for; `None` for ever.
        progress: called with a snapshot whenever a batch changes or was looked at, and when a pause begins and ends.
    """

    backend: Backend
    journal: Journal
    clock: Clock
    run: str
    deadline: float | None
    progress: Callable[[BatchSnapshot], None]

    def pause(self, seconds: float, requests: int, reason: str) -> None:
        """Wait on the clock before that many requests are sent; the pause is shown, and measured as the stage `wait`.

        Raises:
            UnfinishedError: the pause would end after the deadline.
        """
        if not seconds:
            return
        if self.deadline is not None and self.clock.now() + seconds > self.deadline:
            raise UnfinishedError(
                f"{counted(requests, 'request')} can be sent again in {seconds:.0f} s at the earliest ({reason}); "
                "the same command sends them then"
            )
        self.progress(WaitSnapshot.of_pause(seconds, requests, reason))
        self.clock.sleep(seconds)
        self.progress(WaitSnapshot.of_pause(seconds, requests, reason, ended=True))
