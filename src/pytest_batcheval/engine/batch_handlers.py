"""Handlers of the batch machine: for each effect, what its outcome or its failure means for the batch."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_batcheval.backends.errors import (
    ProviderFailure,
    Refused,
    Stopped,
    TransientFailure,
    UnknownOutcome,
)
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch, RemoteFile, gap_of
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.backoff import delay
from pytest_batcheval.engine.batch_outcome import (
    MISS_EVERY,
    MissingBatch,
    cut_off,
    doubtful,
    ended,
    proved,
    reason,
    refused_whole,
    unaccounted_requests,
    unknown_create,
    unseen,
)
from pytest_batcheval.engine.competing import twin
from pytest_batcheval.engine.effects import (
    Cancel,
    Commit,
    Create,
    DeleteFile,
    DownloadResults,
    Effect,
    FindFile,
    GetFile,
    ListBatches,
    ResultSummary,
    Retrieve,
    Settle,
    Upload,
)
from pytest_batcheval.engine.metadata import same_create
from pytest_batcheval.engine.polling import Pace
from pytest_batcheval.engine.queue_limits import QUEUE_FULL, is_queue_full
from pytest_batcheval.engine.reconcile import Search, SearchStep, find, suspects

if TYPE_CHECKING:
    from pytest_batcheval.engine.batch_machine import BatchMachine

DOUBT = 900.0
"""Seconds in which result files may still be incomplete after the batch has ended."""

REREAD_FIRST, REREAD_LAST = 10.0, 300.0
"""Seconds before incomplete result files are read again, doubled each time."""

MAX_REFUSED_CREATES = 3
"""Creates that may be refused because the input file is not found, each after an upload of its own."""

REFUSALS = 3
"""Looks that show a batch as ended, without a time, a file or a reason, before that is believed."""

FILE_PATIENCE = 900.0
"""Seconds in which a provider may work on an input file before a batch of it can be created."""

FILE_FIRST, FILE_LAST = 2.0, 60.0
"""Seconds between two looks at such a file, doubled each time."""

_FILE_PENDING = re.compile(r"\bpending\b|not (?:yet )?(?:ready|processed)|\bprocessing\b|being (?:process|upload)")
NO_LIST = (404, 405, 501)
"""HTTP statuses by which a provider says that it has no list of batches."""

_RANKS = {"validating": 1, "in_progress": 2, "finalizing": 3, "cancelling": 4}


def _committed(machine: BatchMachine, effect: Commit | Settle, outcome: object, now: float) -> None:
    machine.row = effect.row
    machine.proceed(now)


def _uploaded(machine: BatchMachine, effect: FindFile | Upload, outcome: object, now: float) -> None:
    if isinstance(outcome, RemoteFile):
        if outcome.pending:
            _file_pending(machine, now)
        machine.commit(replace(machine.row, state="uploaded", file_id=outcome.id))
    elif isinstance(effect, FindFile) and outcome is None:
        machine.want(Upload(machine.row), now)
    else:
        raise _impossible(effect, outcome)


def create_next(machine: BatchMachine, now: float) -> None:
    """Create the batch of an uploaded file, once the provider has processed that."""
    row = machine.row
    if machine.pending:
        machine.want(GetFile(row), now + delay(machine.pending, FILE_FIRST, FILE_LAST))
    else:
        machine.want(Commit(replace(row, state="creating")), machine.not_before)


def _file_pending(machine: BatchMachine, now: float) -> None:
    machine.pending_since = now if machine.pending_since is None else machine.pending_since
    machine.pending += 1


def _file_seen(machine: BatchMachine, effect: GetFile, outcome: object, now: float) -> None:
    """Look again at a file that the provider still works on; at last the create says whether it takes it."""
    if not isinstance(outcome, RemoteFile):
        raise _impossible(effect, outcome)
    if outcome.pending and machine.pending_since is not None and now - machine.pending_since < FILE_PATIENCE:
        _file_pending(machine, now)
    elif outcome.status in ("error", "failed"):
        machine.stop = Refused("file_error", outcome.details or "the provider could not process the input file")
    else:
        machine.pending = 0
    create_next(machine, now)


def _created(machine: BatchMachine, effect: Create, outcome: object, now: float) -> None:
    row = machine.row
    if isinstance(outcome, RemoteBatch) and same_create(row, outcome) is False:
        outcome = UnknownOutcome("mismatch", f"the reply to the create is about {outcome.id}, which another one made")
    if isinstance(outcome, RemoteBatch):
        machine.began, machine.own, machine.pace = now, outcome, Pace(now)
        machine.commit(replace(row, state="created", batch_id=outcome.id), outcome.status)
    elif isinstance(outcome, UnknownOutcome):
        machine.row = replace(row, note=str(outcome))
        machine.reconcile(now)
    elif isinstance(outcome, ProviderFailure):
        _not_created(machine, outcome, now)
    else:
        raise _impossible(effect, outcome)


def _not_created(machine: BatchMachine, failure: ProviderFailure, now: float) -> None:
    """The create was certainly not applied: make it again, or stop the run."""
    file_gone = isinstance(failure, Refused) and failure.status_code == 404
    if file_gone and machine.refused_creates < MAX_REFUSED_CREATES:
        machine.refused_creates += 1
        return machine.commit(replace(machine.row, state="planned", file_id="", note=str(failure)))
    machine.commit(replace(machine.row, state="uploaded", note=str(failure)))
    if _created_otherwise(machine, failure, now):
        return None
    if isinstance(failure, TransientFailure):
        machine.not_before = now + machine.backoff.failed(failure, now)
    if not isinstance(failure, TransientFailure) or machine.backoff.exhausted(now):
        machine.stop = failure
    return None


def _created_otherwise(machine: BatchMachine, failure: ProviderFailure, now: float) -> bool:
    """Whether a refused create goes on otherwise: without metadata, smaller, or when the file is processed."""
    text = f"{failure.cause} {failure.message}".lower()
    if failure.status_code not in (400, 409, 422, 429):
        return False
    if machine.marked and "metadata" in text:
        machine.marked = False
        machine.remark(
            "the provider refuses metadata, so no other machine recognises these batches: keep the journal, and run "
            "from one machine at a time"
        )
        return True
    waited = 0.0 if machine.pending_since is None else now - machine.pending_since
    if is_queue_full(failure.cause, failure.message):
        machine.void(failure.message, (BatchError(QUEUE_FULL, failure.message),), status="failed")
        return True
    if _FILE_PENDING.search(text) and waited < FILE_PATIENCE:
        _file_pending(machine, now)
        return True
    return False


def _polled(machine: BatchMachine, effect: Retrieve | Cancel, outcome: object, now: float) -> None:
    if not isinstance(outcome, RemoteBatch):
        raise _impossible(effect, outcome)
    if isinstance(effect, Cancel) and effect.twin:
        return machine.want(Retrieve(machine.row), now)
    if same_create(machine.row, outcome) is False:
        failure = TransientFailure("mismatch", f"the reply about {machine.row.batch_id} is about another batch")
        return call_failed(machine, Retrieve(machine.row), failure, now)
    return seen(machine, outcome, now)


def _downloaded(machine: BatchMachine, effect: DownloadResults, outcome: object, now: float) -> None:
    """Accept the files once they account for all requests, or have not done so for long enough."""
    if not isinstance(outcome, ResultSummary):
        raise _impossible(effect, outcome)
    if effect.partial and not outcome.files:
        return machine.lose("its result files are gone")
    machine.ended_at = now if machine.ended_at is None else machine.ended_at
    machine.results = outcome
    machine.done, machine.failed = len(outcome.answered), len(outcome.failed)
    if not effect.partial and doubtful(machine.row, outcome) and now - machine.ended_at < DOUBT:
        machine.reads += 1
        return _look_again(machine, now + delay(machine.reads, REREAD_FIRST, REREAD_LAST))
    if outcome.cut and len(outcome.answered) < machine.row.requests and not (effect.partial or machine.assume_lost):
        machine.stop = cut_off(machine.row, outcome)  # a whole copy has more answers
        return None
    rest = unaccounted_requests(machine.row, outcome, effect.partial, machine.errors)
    return machine.want(Settle(replace(machine.row, state="settled"), outcome, unaccounted=rest), now)


def _look_again(machine: BatchMachine, wake: float) -> None:
    """Look at an ended batch again, in turn by itself and in a list: one may name a file that the other hides."""
    by_list = machine.reads % 2 == 0 and not machine.competing.blind
    machine.want(ListBatches() if by_list else Retrieve(machine.row), wake)


def _deleted(machine: BatchMachine, effect: DeleteFile, outcome: object, now: float) -> None:
    if machine.row.state == "uploaded":
        absent(machine)
    else:
        _search_on(machine, *_searching(machine, now).deleted(now))


HANDLERS: dict[type[Effect], Callable[[BatchMachine, Any, object, float], None]] = {
    Commit: _committed,
    Settle: _committed,
    FindFile: _uploaded,
    Upload: _uploaded,
    GetFile: _file_seen,
    Create: _created,
    Retrieve: _polled,
    Cancel: _polled,
    DownloadResults: _downloaded,
    DeleteFile: _deleted,
}
"""By effect: (machine, effect, outcome, now). A list of batches is shared by several machines: see `listed`."""


def listed(
    machine: BatchMachine, batches: Sequence[RemoteBatch], asked: float, now: float, known: Collection[str] | None
) -> None:
    """Take a list of batches; the arguments are those of `BatchMachine.take_list`."""
    row = machine.row
    if row.state in ("uploaded", "creating"):
        suspected = suspects(row, batches, known or ())
        telling = machine.provider.mark == "custom_id" and any(not batch.terminal for batch in suspected)
        return _searched(machine, find(row, batches), asked, now, bool(gap_of(batches) or suspected), telling)
    found = next((batch for batch in batches if batch.id == row.batch_id), None)
    other = find(row, batches) if found is None and machine.missing.misses else None
    if other is not None and same_create(row, other):
        machine.row = row = replace(row, batch_id=other.id)  # the reply to its create had another id
        found = other
    machine.own = found or machine.own
    if known is not None and row.state == "created" and _yields(machine, batches, known, now):
        return None
    if found is not None:
        return seen(machine, found, now)
    if machine.missing.long(now) and row.state == "ended":
        return machine.want(DownloadResults(row, partial=True), now)
    if machine.missing.long(now):
        return machine.lose("the provider does not know this batch any more")
    machine.alone = True
    return machine.want(Retrieve(row), now)


def _searched(
    machine: BatchMachine, found: RemoteBatch | None, asked: float, now: float, gap: bool, telling: bool = False
) -> None:
    """Take a list, with or without the batch that the create of this row made; it proves nothing with a gap."""
    if found is not None:
        row = replace(machine.row, state="created", batch_id=found.id, note="found by reconciling")
        machine.commit(row, found.status)
    elif machine.row.state == "uploaded":
        machine.want(DeleteFile(machine.row), now)
    elif machine.assume_lost:
        absent(machine)
    else:
        _search_on(machine, *_searching(machine, now).listed(asked, now, gap, telling))


def _yields(machine: BatchMachine, batches: Sequence[RemoteBatch], known: Collection[str], now: float) -> bool:
    """Cancel this batch in favour of an older one of another machine, or a second one that its create has made."""
    older = machine.competing.listed(machine.own, batches, known, now - machine.began)
    if older is not None:
        note = f"cancelled in favour of {older.id}, in which another machine sent some of the same requests"
        machine.row = replace(machine.row, note=note)
        machine.want(Cancel(machine.row), now)
        return True
    if (second := twin(machine.row, machine.own, batches)) is not None:
        machine.competing.twins.add(second.id)
        machine.row = replace(machine.row, note=f"its create was applied twice, and {second.id} was cancelled")
        machine.want(Cancel(machine.row, second.id), now)
        return True
    return False


def seen(machine: BatchMachine, batch: RemoteBatch, now: float) -> None:
    """Take the batch as the provider shows it."""
    row = machine.row
    machine.missing = machine.missing if row.state == "ended" else MissingBatch()
    machine.alone, machine.own = False, batch
    machine.done, machine.failed = batch.completed or 0, batch.failed or 0
    if not batch.terminal:
        # A status that goes backwards comes from a stale copy.
        if _RANKS.get(batch.status, 0) >= _RANKS.get(machine.status, 0):
            machine.status = batch.status
        machine.pace.seen(now, machine.done + machine.failed)
        return machine.want_poll(now + machine.pace.pause(now, row.requests, batch.status))
    if row.state == "created" and not proved(batch) and machine.refusals < REFUSALS:
        machine.refusals += 1  # a word alone, which a stale or foreign reply may have
        return machine.want(Retrieve(row), now + delay(machine.refusals))
    if batch.said.lower() != batch.status:
        machine.remark(f"the provider calls the end of batch {batch.id} {batch.said!r}; it is taken for {batch.status}")
    if refused_whole(batch) and row.state == "created":
        return machine.void(reason(batch), batch.errors, status="failed")
    if not proved(batch) and batch.status != "completed":
        machine.remark(payment_text.ended_without_proof(batch.id, batch.status))
    machine.errors = batch.errors if batch.status == "failed" else ()
    machine.ended_at = now if machine.ended_at is None else machine.ended_at
    return machine.commit(ended(row, batch))


def absent(machine: BatchMachine) -> None:
    """Void a row that has no batch, so that its requests may be planned again."""
    row, search = machine.row, machine.search
    fenced = search is not None and search.fenced is not None
    machine.void(payment_text.not_created(row, fenced, machine.assume_lost, tried=row.state == "creating"))


def call_failed(machine: BatchMachine, effect: Effect, failure: ProviderFailure, now: float) -> None:
    """Take the failure of any call but a create: make it again, go on without it, or stop the run."""
    if isinstance(effect, DeleteFile) and machine.row.state == "uploaded":
        absent(machine)  # a file that nobody needs stays behind
    elif isinstance(effect, ListBatches) and _unlisted(machine, failure, now):
        pass
    elif isinstance(failure, TransientFailure):
        _again(machine, effect, failure, now)
    elif not isinstance(failure, Stopped) and _without(machine, effect, failure, now):
        pass
    else:
        blind = _blind(machine, effect, failure) and not isinstance(failure, Stopped)
        machine.stop = unseen(machine.row, failure) if blind else failure


def _again(machine: BatchMachine, effect: Effect, failure: TransientFailure, now: float) -> None:
    machine.trouble = f"{failure}, retrying"
    # An upload without a clear answer may have been stored.
    unclear = isinstance(effect, Upload) and failure.status_code is None
    machine.want(FindFile(machine.row) if unclear else effect, now + machine.backoff.failed(failure, now))
    if machine.backoff.exhausted(now) and not isinstance(effect, Retrieve):
        machine.stop = failure


def _unlisted(machine: BatchMachine, failure: ProviderFailure, now: float) -> bool:
    """Go on without a list of batches; false where it must be read again.

    A batch that we created is collected by its id. One that is searched for stays unknown without a list.
    """
    row, none = machine.row, failure.status_code in NO_LIST
    if none:
        machine.competing.blind = True
        machine.remark("the provider does not list batches, so those of other machines are not noticed")
    if row.state in ("created", "ended") and not machine.missing.long(now):
        machine.alone = True
        machine.want(Retrieve(row), now)
    elif row.state in ("uploaded", "creating") and none:
        _searched(machine, None, now, now, gap=True)
    else:
        return False
    return True


def _without(machine: BatchMachine, effect: Effect, failure: ProviderFailure, now: float) -> bool:
    """Go on without a refused effect; false where that is not possible."""
    status, blind = failure.status_code, _blind(machine, effect, failure)
    if isinstance(effect, DeleteFile) and not blind:
        search = _searching(machine, now)
        _search_on(machine, *(search.absent(now) if status == 404 else search.undeletable(now)))
    elif isinstance(effect, Cancel):
        machine.want(Retrieve(machine.row), now)
    elif isinstance(effect, (Retrieve, DownloadResults)) and status == 404 and not blind:
        _missed(machine, effect, now)
    elif isinstance(effect, FindFile):
        machine.want(Upload(machine.row), now)  # a copy costs nothing
    elif isinstance(effect, GetFile):
        machine.pending = 0
        create_next(machine, now)
    elif isinstance(effect, Upload) and status == 413:
        machine.void(str(failure), status="failed")
        machine.errors = (BatchError("file_too_large", failure.message),)
    else:
        return False
    return True


def _blind(machine: BatchMachine, effect: Effect, failure: ProviderFailure) -> bool:
    """Whether a refusal says nothing, since the batch was sent with another key or project."""
    missing = failure.status_code == 404 or isinstance(effect, DeleteFile)
    return machine.foreign and not machine.assume_lost and missing


def _missed(machine: BatchMachine, effect: Retrieve | DownloadResults, now: float) -> None:
    machine.missing.missed(now)
    if not machine.missing.long(now) and isinstance(effect, DownloadResults):
        machine.reads += 1
        _look_again(machine, now + MISS_EVERY)
    elif not machine.missing.long(now):
        machine.want(effect, now + MISS_EVERY)
    elif isinstance(effect, Retrieve):
        machine.want(ListBatches(), now)
    else:
        machine.want(DownloadResults(machine.row, partial=True), now)


def _searching(machine: BatchMachine, now: float) -> Search:
    machine.search = machine.search or Search(now, unfenced=machine.provider.fence == "none")
    return machine.search


def _search_on(machine: BatchMachine, step: SearchStep, wake: float) -> None:
    if step is SearchStep.LIST:
        machine.want(ListBatches(), wake)
    elif step is SearchStep.DELETE:
        machine.want(DeleteFile(machine.row), wake)
    elif step is SearchStep.UNKNOWN:
        machine.stop = unknown_create(machine.row)
    else:
        absent(machine)


def _impossible(effect: Effect, outcome: object) -> TypeError:
    return TypeError(f"{type(effect).__name__} cannot end in {outcome!r}")
