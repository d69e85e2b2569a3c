"""Sends requests, each paid once: finish open batches, plan missing requests, send, send transient failures again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence

from pytest_batcheval.backends.protocol import Backend
from pytest_batcheval.engine.adopt_unmarked import AdoptedBatch
from pytest_batcheval.engine.call_sender import Calling
from pytest_batcheval.engine.clock import Clock
from pytest_batcheval.engine.endpoints import check_endpoints
from pytest_batcheval.engine.send_policy import SendContext, SendPolicy
from pytest_batcheval.engine.send_result import SendResult
from pytest_batcheval.engine.send_rounds import Sender
from pytest_batcheval.engine.snapshot import BatchSnapshot, unseen
from pytest_batcheval.engine.spool import Wanted
from pytest_batcheval.engine.tracing import span_of
from pytest_batcheval.engine.workers.crew import Offering
from pytest_batcheval.engine.worklist import Worklist
from pytest_batcheval.errors import BatchEvalError
from pytest_batcheval.journal.lock import Holder, wait_a_second
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.wire.objects import Request

__all__ = ["BatchSnapshot", "SendPolicy", "SendResult", "adopt", "collect", "send"]

Progress = Callable[[BatchSnapshot], None]


def send(
    requests: Iterable[Request] | Wanted,
    *,
    backend: Backend,
    journal: Journal,
    clock: Clock,
    policy: SendPolicy | None = None,
    progress: Progress = unseen,
    run: str | None = None,
    wait: Callable[[Holder | None], None] = wait_a_second,
    calling: Calling | Offering | None = None,
) -> SendResult:
    """Have every request answered, or failed for good, in the journal.

    Requests that have an answer of the backend's origin, or a final failure, are not sent; batches that an
    earlier run left open are finished first. The journal's lock is held meanwhile; a caller that holds it keeps it.

    Args:
        requests: an iterable of any length, which is read once; duplicates are merged.
        backend: receives the requests; answers are stored under its `origin`.
        journal: the record of what was sent.
        clock: the clock of all waits.
        policy: the user's choices; default those of `SendPolicy`.
        progress: called with a snapshot whenever a batch changes or was looked at, and when a pause begins and ends.
        run: id of this run in the journal; default a new one.
        wait: called while another process holds the lock; it sleeps or raises.
        calling: send each request to its endpoint by these parts, instead of in batches. A call without an answer
            is not repeated by this send: it may have been paid. `Offering` leaves the calls to workers.

    Raises:
        ProviderError: the provider refused, or the account needs attention; nothing is lost.
        UnfinishedError: batches are still running after `patience`, or calls were not made; the next send continues.
        JournalError: the journal cannot be used.
        UsageError: batches cannot hold a request, or a wave could cost more than the budget has left.
    """
    policy = policy or SendPolicy()
    wanted = requests if isinstance(requests, Wanted) else Wanted.of(requests, journal.path.parent)
    if calling is None:
        check_endpoints(wanted.urls(), backend.capabilities)
    with journal.lock.held(wait), span_of("send", backend, requests=len(wanted)).active():
        context = _context(backend, journal, clock, run or _new_run("send"), policy.patience, progress)
        worklist = Worklist(journal, backend.origin, wanted, policy.round)
        if policy.round:
            journal.release_other_rounds(backend.origin, policy.round)
        if policy.pay_again:
            journal.forgive(backend.origin, wanted.keys())
        result = Sender(context, policy, worklist, calling).send(wanted)
        if policy.ends_refresh:
            worklist.end_refresh()
        return result


def collect(
    *,
    backend: Backend,
    journal: Journal,
    clock: Clock,
    adopt: bool = False,
    progress: Progress = unseen,
    run: str | None = None,
    wait: Callable[[Holder | None], None] = wait_a_second,
    patience: float | None = None,
) -> SendResult:
    """Finish every open batch; send nothing.

    With `adopt` batches of the account that have our metadata and are unknown to this journal are taken
    over first, which rebuilds a lost journal from the provider. The other arguments are those of `send`.

    Raises:
        ProviderError, UnfinishedError, JournalError: as `send`.
    """
    with journal.lock.held(wait), span_of("collect", backend).active():
        context = _context(backend, journal, clock, run or _new_run("collect"), patience, progress)
        return Sender(context, SendPolicy(attempts=1), _nothing(journal, backend)).collect(adopt)


def adopt(
    batch_ids: Sequence[str],
    *,
    backend: Backend,
    journal: Journal,
    clock: Clock,
    seen: Callable[[AdoptedBatch | BatchEvalError], None],
    progress: Progress = unseen,
    wait: Callable[[Holder | None], None] = wait_a_second,
    patience: float | None = None,
) -> SendResult:
    """Take batches that anybody made into the journal, and finish them; send nothing.

    `seen` is called with each batch once it is in the journal, or with the error of one that cannot be adopted. While
    a batch runs, its requests are claimed. The other arguments are those of `send`.

    Raises:
        ProviderError, UnfinishedError, JournalError: as `send`.
    """
    with journal.lock.held(wait), span_of("adopt", backend).active():
        context = _context(backend, journal, clock, _new_run("adopt"), patience, progress)
        sender = Sender(context, SendPolicy(attempts=1), _nothing(journal, backend))
        return sender.adopt(batch_ids, seen)


def _nothing(journal: Journal, backend: Backend) -> Worklist:
    return Worklist(journal, backend.origin, Wanted.of((), journal.path.parent))


def _context(
    backend: Backend, journal: Journal, clock: Clock, run: str, patience: float | None, progress: Progress
) -> SendContext:
    journal.add_run(run, backend.origin, backend.base_url)
    deadline = None if patience is None else clock.now() + patience
    return SendContext(backend, journal, clock, run, deadline, progress)


def _new_run(verb: str) -> str:
    return f"{verb}-{secrets.token_hex(4)}"
