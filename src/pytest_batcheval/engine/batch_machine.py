"""One batch on its way from `planned` to `settled`: pure, told outcomes, asking for effects.

    planned -> uploaded -> creating -> created -> ended -> settled
                              |           |         |
                              +-> void <--+         +-> lost

Every arrow is committed to the journal before the next call goes out; `creating` is committed
before the create, so that after a crash it is known that a batch may exist.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from pytest_batcheval.backends.errors import ProviderFailure, Refused, Stopped, TransientFailure, UnknownOutcome
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch, RemoteFile
from pytest_batcheval.engine.backoff import Backoff
from pytest_batcheval.engine.batch_outcome import (
    MISS_EVERY,
    MissingBatch,
    doubtful,
    ended,
    refused_whole,
    unaccounted_requests,
    unseen,
)
from pytest_batcheval.engine.competing import CompetingBatches, twin
from pytest_batcheval.engine.effects import (
    Cancel,
    Commit,
    Create,
    DeleteFile,
    DownloadResults,
    Effect,
    FindFile,
    ListBatches,
    ResultSummary,
    Retrieve,
    Settle,
    Unaccounted,
    Upload,
)
from pytest_batcheval.engine.polling import Pace
from pytest_batcheval.engine.reconcile import Search, SearchStep, find
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.wire.origin import IN_PROCESS

DOUBT = 900.0
"""Seconds in which result files may still be incomplete after the batch has ended."""

_RANKS = {"validating": 1, "in_progress": 2, "finalizing": 3, "cancelling": 4}
_READING = (Retrieve, ListBatches)
"""What is asked for as long as it takes; everything else is given up in the end."""


@dataclass
class BatchMachine:
    """A batch and what it wants next.

    Attributes:
        row: the batch as the journal has it.
        began: when this process began with it.
        resumed: whether it comes from an earlier process, so that its last call may have happened.
        effect: what to do next, not before `wake`; `None` at the end. `flying` while it is done.
        stop: the fault that a person has to look at.
        status, done, failed: what the provider said last.
        faults: why the provider refused the whole batch.
        account: what its result files held.
        trouble: why the last call failed that is made again; empty when it did not.
        alone: a list did not have it, so it must be looked at by itself.
        foreign: it was sent with another key or project, so a 404 says nothing.
        assume_lost: whether the user takes a create without an answer for lost when one list lacks it.
        rivals: batches of other machines that ask the same.
    """

    row: BatchRow
    began: float
    resumed: bool = False
    effect: Effect | None = None
    wake: float = 0.0
    flying: bool = False
    stop: ProviderFailure | None = None
    status: str = ""
    done: int = 0
    failed: int = 0
    faults: tuple[BatchError, ...] = ()
    account: ResultSummary = field(default_factory=ResultSummary)
    trouble: str = ""
    alone: bool = False
    foreign: bool = False
    assume_lost: bool = False
    rivals: CompetingBatches = field(default_factory=CompetingBatches)
    _mine: RemoteBatch | None = None
    _pace: Pace = field(init=False)
    _search: Search | None = None
    _failing: Backoff = field(default_factory=Backoff)
    _absence: MissingBatch = field(default_factory=MissingBatch)
    _ended: float | None = None
    _reads: int = 0
    _refusals: int = 0
    _not_before: float = 0.0

    def __post_init__(self) -> None:
        self.wake = self.began
        self._pace = Pace(self.began)
        self.status = self.row.status or self.row.state
        self._proceed(self.began)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.effect is None and not self.flying

    @property
    def shares_lists(self) -> bool:
        """Whether a list of batches may stand for its next look, also before that is due."""
        untroubled = not (self.flying or self.alone or self._absence.misses or self._failing.tries)
        return isinstance(self.effect, Retrieve) and self.row.state == "created" and untroubled

    def told(self, effect: Effect, outcome: object, now: float) -> None:
        """Take the outcome of an effect of this batch, or the fault it ended in."""
        self.flying = False
        if isinstance(outcome, ProviderFailure) and not isinstance(effect, Create):
            return self._failed(effect, outcome, now)
        if not isinstance(effect, (Commit, Create)) and outcome is not None:
            self._succeeded()
        match effect, outcome:
            case Commit() | Settle(), _:
                self.row = effect.row
                self._proceed(now)
            case FindFile() | Upload(), RemoteFile():
                self._commit(replace(self.row, state="uploaded", file_id=outcome.id))
            case FindFile(), None:
                self._want(Upload(self.row), now)
            case Create(), _:
                self._created(outcome, now)
            case Retrieve() | Cancel(), RemoteBatch():
                self._seen(outcome, now)
            case DownloadResults(), ResultSummary():
                self._harvested(outcome, now, effect.partial)
            case DeleteFile(), _:
                uncreated = self.row.state == "uploaded"
                self._step(*((SearchStep.ABSENT, now) if uncreated else self._searching(now).deleted(now)))
            case _:
                raise TypeError(f"{type(effect).__name__} cannot end in {outcome!r}")

    def listed(
        self,
        outcome: Sequence[RemoteBatch] | ProviderFailure,
        asked: float,
        now: float,
        known: Collection[str] | None = (),
    ) -> None:
        """Take a listing of all batches that was asked for at `asked`, or why there is none.

        Batches whose ids are `known` are not taken for rivals; `None` when the list is not a whole one.
        """
        self.flying = False
        if isinstance(outcome, ProviderFailure):
            return self._failed(ListBatches(), outcome, now)
        self._succeeded()
        if self.row.state in ("uploaded", "creating"):
            return self._looked_for(find(self.row, outcome), asked, now)
        seen = next((batch for batch in outcome if batch.id == self.row.batch_id), None)
        self._mine = seen or self._mine
        if known is not None and self.row.state == "created":
            older = self.rivals.listed(self._mine, outcome, known, now - self.began)
            if older is not None:
                return self._yield(older, now)
            if (second := twin(self._mine, outcome)) is not None:
                return self._stop_twin(second, now)
        if seen is not None:
            return self._seen(seen, now)
        if self._absence.long(now) and self.row.state == "ended":
            return self._want(DownloadResults(self.row, partial=True), now)
        if self._absence.long(now):
            return self._lose("the provider does not know this batch any more")
        self.alone = True
        return self._want(Retrieve(self.row), now)

    def _looked_for(self, found: RemoteBatch | None, asked: float, now: float) -> None:
        """A whole list has the batch this row made, or has not."""
        if found is not None:
            return self._commit(replace(self.row, state="created", batch_id=found.id, note="found by reconciling"))
        if self.row.state == "uploaded":
            return self._want(DeleteFile(self.row), now)
        if self.assume_lost:
            return self._step(SearchStep.ABSENT, now)
        return self._step(*self._searching(now).listed(asked, now))

    def _succeeded(self) -> None:
        """A call was answered: failures before it count no more."""
        self._failing, self.trouble = Backoff(), ""

    def _proceed(self, now: float) -> None:
        """What follows a committed state; also where a new process begins."""
        state = self.row.state
        if self.resumed and state in ("planned", "uploaded"):
            # Another machine may have sent the same meanwhile, so it is planned anew, after looking; and a journal
            # brought back from a backup may know nothing of the batch that was made since.
            if self.row.file_id:
                self._want(ListBatches(), now)
            else:
                self._step(SearchStep.ABSENT, now)
        elif state == "planned":
            self._want(Upload(self.row), now)
        elif state == "uploaded":
            self._want(Commit(replace(self.row, state="creating")), self._not_before)
        elif state == "creating" and self.resumed:
            self._look(now)
        elif state == "creating":
            self._want(Create(self.row), now)
        elif state == "created":
            self._want_look(now)
        elif state == "ended":
            self._want(DownloadResults(self.row), now)
        else:
            self.effect = None
        self.resumed = False

    def _want(self, effect: Effect, wake: float) -> None:
        self.effect, self.wake = effect, wake

    def _want_look(self, wake: float) -> None:
        """Look at the batch; now and then by a list, which shows the batches of other machines too."""
        self._want(ListBatches() if self.rivals.wanted(wake - self.began) else Retrieve(self.row), wake)

    def _yield(self, older: RemoteBatch, now: float) -> None:
        """Another machine was faster; whoever is younger gives way."""
        self.row = replace(self.row, note=f"gave way to {older.id}, in which another machine asks the same")
        self._want(Cancel(self.row), now)

    def _stop_twin(self, second: RemoteBatch, now: float) -> None:
        """Its lines are those of this batch, so what of them has not run yet need not be paid."""
        self.rivals.twins.add(second.id)
        self.row = replace(self.row, note=f"its create was applied twice, and {second.id} was cancelled")
        self._want(Cancel(self.row, second.id), now)

    def _commit(self, row: BatchRow) -> None:
        self.status = row.status or row.state
        self._want(Commit(row), 0.0)

    def _created(self, outcome: object, now: float) -> None:
        if isinstance(outcome, RemoteBatch) and outcome.input_file_id not in (None, self.row.file_id):
            outcome = UnknownOutcome("mismatch", f"the reply to the create is of another file, {outcome.input_file_id}")
        if isinstance(outcome, RemoteBatch):
            self.began, self._mine = now, outcome
            self._pace = Pace(now)
            return self._commit(replace(self.row, state="created", batch_id=outcome.id))
        if isinstance(outcome, UnknownOutcome):
            self.row = replace(self.row, note=str(outcome))
            return self._look(now)
        if not isinstance(outcome, ProviderFailure):
            raise TypeError(f"Create cannot end in {outcome!r}")
        if isinstance(outcome, Refused) and outcome.status_code == 404 and self._refusals < 3:
            self._refusals += 1
            return self._commit(replace(self.row, state="planned", file_id="", note=str(outcome)))
        self._commit(replace(self.row, state="uploaded", note=str(outcome)))
        if isinstance(outcome, TransientFailure):
            self._not_before = now + self._failing.pause(outcome, now)
        if not isinstance(outcome, TransientFailure) or self._failing.long(now):
            self.stop = outcome
        return None

    def _look(self, now: float) -> None:
        self._search = Search(now)
        self.status = "looking for it"
        self._want(ListBatches(), now)

    def _searching(self, now: float) -> Search:
        self._search = self._search or Search(now)
        return self._search

    def _step(self, step: SearchStep, wake: float) -> None:
        if step is SearchStep.LIST:
            self._want(ListBatches(), wake)
        elif step is SearchStep.DELETE:
            self._want(DeleteFile(self.row), wake)
        else:
            why = f"surely not created ({self.row.note or 'the run that planned it ended before'})"
            self._want(Settle(replace(self.row, state="void", note=why)), wake)

    def _seen(self, batch: RemoteBatch, now: float) -> None:
        if batch.id != self.row.batch_id:
            return self._want(Retrieve(self.row), now)  # its twin, which was cancelled
        self._absence, self.alone, self._mine = MissingBatch(), False, batch
        self.done, self.failed = batch.completed or 0, batch.failed or 0
        if not batch.terminal:
            # A status that goes backwards is an old copy of the truth.
            if _RANKS.get(batch.status, 0) >= _RANKS.get(self.status, 0):
                self.status = batch.status
            self._pace.seen(now, self.done + self.failed)
            return self._want_look(now + self._pace.pause(now, self.row.requests, batch.status))
        if refused_whole(batch) and self.row.state == "created":
            self.faults = batch.errors
            return self._void(batch.errors, batch.errors[0].message if batch.errors else "the provider gave no reason")
        self._ended = now if self._ended is None else self._ended
        return self._commit(ended(self.row, batch))

    def _void(self, faults: tuple[BatchError, ...], note: str) -> None:
        self.status = "failed"
        self._want(Settle(replace(self.row, state="void", status="failed", note=note), faults=faults), 0.0)

    def _harvested(self, account: ResultSummary, now: float, partial: bool) -> None:
        """Believe the files once they account for all requests, or for long enough did not."""
        if partial and not account.files:
            return self._lose("its result files are gone")
        self._ended = now if self._ended is None else self._ended
        self.account = account
        self.done, self.failed = len(account.answered), len(account.failed)
        if not partial and doubtful(self.row, account) and now - self._ended < DOUBT:
            self._reads += 1
            return self._want(Retrieve(self.row), now + min(5.0 * 2**self._reads, 300.0))
        rest = unaccounted_requests(self.row, account, partial)
        return self._want(Settle(replace(self.row, state="settled"), account, rest=rest), now)

    def _failed(self, effect: Effect, fault: ProviderFailure, now: float) -> None:
        blind = self.foreign and not self.assume_lost and (fault.status_code == 404 or isinstance(effect, DeleteFile))
        if isinstance(effect, DeleteFile) and self.row.state == "uploaded":
            self._step(SearchStep.ABSENT, now)  # a file that nobody needs stays behind
        elif isinstance(fault, TransientFailure):
            self.trouble = f"{fault}, trying again"
            # An upload without a clear answer may have been stored.
            unclear = isinstance(effect, Upload) and fault.status_code is None
            self._want(FindFile(self.row) if unclear else effect, now + self._failing.pause(fault, now))
            if self._failing.long(now) and not isinstance(effect, _READING):
                self.stop = fault
        elif isinstance(effect, DeleteFile) and not isinstance(fault, Stopped) and not blind:
            search = self._searching(now)
            self._step(*(search.absent(now) if fault.status_code == 404 else search.undeletable(now)))
        elif isinstance(effect, Cancel) and not isinstance(fault, Stopped):
            self._want(Retrieve(self.row), now)
        elif isinstance(effect, (Retrieve, DownloadResults)) and fault.status_code == 404 and not blind:
            self._missed(effect, now)
        elif isinstance(effect, Upload) and fault.status_code == 413:
            self.faults = (BatchError("file_too_large", fault.message),)
            self._void((), str(fault))
        else:
            self.stop = unseen(self.row, fault) if blind and not isinstance(fault, Stopped) else fault

    def _missed(self, effect: Retrieve | DownloadResults, now: float) -> None:
        self._absence.missed(now)
        if not self._absence.long(now):
            self._want(effect, now + MISS_EVERY)
        elif isinstance(effect, Retrieve):
            self._want(ListBatches(), now)
        else:
            self._want(DownloadResults(self.row, partial=True), now)

    def _lose(self, reason: str) -> None:
        """Paid and gone; only the user may have it paid again. A server of our own ends with its run, and is free."""
        if self.row.scope == IN_PROCESS:
            return self._want(Settle(replace(self.row, state="void", note=reason)), 0.0)
        self.status = "lost"
        text = f"batch {self.row.batch_id} is lost: {reason}; it may have been paid, so it is not sent again by itself"
        return self._want(
            Settle(replace(self.row, state="lost", note=text), rest=Unaccounted("lost", text, retryable=False)), 0.0
        )
