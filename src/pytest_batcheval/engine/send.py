"""Send requests, each paid once: end what was begun, plan what is missing, send, send again what may pass."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from decimal import Decimal

from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.budget import Budget
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.sender import Sender
from pytest_batcheval.engine.snapshot import BatchSnapshot, SendResult
from pytest_batcheval.engine.split import Limits
from pytest_batcheval.engine.worklist import Worklist
from pytest_batcheval.journal.lock import Holder, wait_a_second
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

__all__ = ["BatchSnapshot", "SendResult", "collect", "send"]


def send(
    requests: Sequence[Request],
    *,
    backend: Backend,
    journal: Journal,
    clock: Clock,
    progress: Callable[[BatchSnapshot], None] = lambda seen: None,
    attempts: int = 2,
    refresh: bool = False,
    ends_refresh: bool = True,
    limits: Limits | None = None,
    run: str | None = None,
    wait: Callable[[Holder | None], None] = wait_a_second,
    patience: float | None = None,
    assume_lost: bool = False,
    pay_again: bool = False,
    budget: Decimal | None = None,
    calling: Calling | None = None,
    threads: int = 4,
) -> SendResult:
    """Have every request answered, or failed for good, in the journal.

    Requests that have an answer of the backend's origin, or a failure that cannot pass, are not
    sent; batches that an earlier run left open are brought to their end first. The journal's lock
    is held meanwhile (a caller that holds it already keeps it).

    Args:
        requests: duplicates are merged.
        backend: where to; its `origin` is what answers are stored under.
        journal: the record of what was sent.
        clock: what all waits run on.
        progress: called with a snapshot whenever a batch changes.
        attempts: how often a request is sent at most by this call, when its failure may pass; a batch
            that an earlier run left open counts.
        refresh: send all of them again, as a new generation; older answers are kept. A refresh that
            was cut short goes on: what it has sent already is not sent a third time.
        ends_refresh: `False` when later sends belong to the same refresh; the caller ends it, by
            `Journal.end_refresh`, when it is whole.
        limits: of one batch file; default OpenAI's.
        run: id of this run in the journal; default a new one.
        wait: called while another process holds the lock; it sleeps or raises.
        patience: seconds on the clock to wait for batches once they are created, or to start calls; `None` waits
            for ever.
        assume_lost: take a create without an answer for lost as soon as one list of batches lacks it,
            without the long wait; what it may have cost is paid again.
        pay_again: send again what was paid and is gone at the provider (`lost`, `unaccounted`).
        budget: US dollars that the batches of this run may cost together; `None` for any sum.
        calling: send each request to its endpoint in this way, instead of all as batches. A call without an answer
            is not repeated by this send: it may have been paid.
        threads: calls to the provider at once, of those that batches take; 0 makes them one by one, in a fixed order.

    Raises:
        ProviderError: the provider refused, or the account must be looked after; nothing is lost.
        UnfinishedError: batches still run after `patience`, or calls were not made; the next send goes on.
        JournalError: the journal cannot be used.
        UsageError: a request is larger than a batch file may be, or a wave could cost more than the budget has left.
    """
    with journal.lock.held(wait):
        deadline = None if patience is None else clock.now() + patience
        run = run or f"send-{secrets.token_hex(4)}"
        journal.add_run(run, backend.origin, backend.base_url)
        wanted = {request.custom_id: request for request in requests}
        standing = Worklist(journal, backend.origin, wanted)
        sender = Sender(backend, journal, clock, progress, run, attempts, limits or Limits(), deadline, standing)
        sender.assume_lost = assume_lost
        sender.budget = None if budget is None else Budget(budget, journal.reader, backend.origin, run)
        sender.calling = calling
        sender.threads = threads
        if pay_again:
            journal.forgive(backend.origin, list(wanted))
        sent = sender.send(list(wanted.values()), refresh)
        if ends_refresh:
            standing.end_refresh()
        return sent


def collect(
    *,
    backend: Backend,
    journal: Journal,
    clock: Clock,
    adopt: bool = False,
    progress: Callable[[BatchSnapshot], None] = lambda seen: None,
    run: str | None = None,
    wait: Callable[[Holder | None], None] = wait_a_second,
    patience: float | None = None,
) -> SendResult:
    """Bring every batch that was begun to its end; send nothing.

    With `adopt` batches of the account that bear our mark and are unknown to this journal are taken
    over first: so a lost journal is rebuilt from the provider. The other arguments are those of `send`.

    Raises:
        ProviderError, UnfinishedError, JournalError: as `send`.
    """
    with journal.lock.held(wait):
        deadline = None if patience is None else clock.now() + patience
        run = run or f"collect-{secrets.token_hex(4)}"
        journal.add_run(run, backend.origin, backend.base_url)
        standing = Worklist(journal, backend.origin, {})
        sender = Sender(backend, journal, clock, progress, run, 1, Limits(), deadline, standing)
        return sender.collect(adopt)
