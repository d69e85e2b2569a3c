"""The state machine of one batch, from `planned` to `settled`. Pure: it takes outcomes and asks for effects.

    planned -> uploaded -> creating -> created -> ended -> settled
                              |           |         |
                              +-> void <--+         +-> lost

Every arrow is committed to the journal before the next call goes out; `creating` is committed
before the create, so that after a crash it is known that a batch may exist. `NEXT` has the effect that
follows each committed state, `batch_handlers.HANDLERS` the handler of each effect's outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from pytest_batcheval.backends.errors import ProviderFailure
from pytest_batcheval.backends.protocol import BatchError, RemoteBatch
from pytest_batcheval.catalogue.providers import PROVIDERS, Capabilities
from pytest_batcheval.engine import batch_handlers as handlers
from pytest_batcheval.engine import payment_text
from pytest_batcheval.engine.backoff import Backoff
from pytest_batcheval.engine.batch_outcome import MissingBatch
from pytest_batcheval.engine.competing import CompetingBatches
from pytest_batcheval.engine.effects import (
    Commit,
    Create,
    DownloadResults,
    Effect,
    ListBatches,
    ResultSummary,
    Retrieve,
    Settle,
    Unaccounted,
    Upload,
)
from pytest_batcheval.engine.polling import Pace
from pytest_batcheval.engine.reconcile import Search
from pytest_batcheval.engine.retry import LOST
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.wire.origin import IN_PROCESS


@dataclass
class BatchMachine:
    """A batch and its next effect.

    Attributes:
        row: the batch as the journal has it.
        began: when this process began with it.
        resumed: whether it comes from an earlier process, so that its last call may have happened.
        effect: the next effect, not before `wake`; `None` at the end. `in_flight` while it is done.
        stop: the failure that needs the user.
        status, done, failed: as the provider reported them last.
        errors: why the provider refused the whole batch.
        results: the summary of its result files.
        trouble: the failure of a call that is being retried; empty when there is none.
        alone: a list did not have it, so it must be retrieved by itself.
        foreign: it was sent with another key or project, so a 404 says nothing.
        assume_lost: whether the user takes a create without an answer for lost when one list lacks it.
        competing: batches of other machines with some of the same requests.
        own: the batch as the provider showed it last.
        pace, search, backoff, missing: when to poll, the search for its create, failed calls, polls that missed it.
        ended_at: when this process first saw that it had ended.
        reads: downloads whose files were incomplete.
        refused_creates: creates that were refused because the input file was not found.
        not_before: the earliest time of the next create.
        refusals: looks that showed it as ended without anything that proves it.
        pending: looks that found the provider still at work on the input file; `pending_since` is that of the first.
        provider: what its batches allow.
        marked: whether it is created with metadata.
        remarks: what the user should know of this provider, each once.
    """

    row: BatchRow
    began: float
    resumed: bool = False
    effect: Effect | None = None
    wake: float = 0.0
    in_flight: bool = False
    stop: ProviderFailure | None = None
    status: str = ""
    done: int = 0
    failed: int = 0
    errors: tuple[BatchError, ...] = ()
    results: ResultSummary = field(default_factory=ResultSummary)
    trouble: str = ""
    alone: bool = False
    foreign: bool = False
    assume_lost: bool = False
    competing: CompetingBatches = field(default_factory=CompetingBatches)
    own: RemoteBatch | None = None
    pace: Pace = field(init=False)
    search: Search | None = None
    backoff: Backoff = field(default_factory=Backoff)
    missing: MissingBatch = field(default_factory=MissingBatch)
    ended_at: float | None = None
    reads: int = 0
    refused_creates: int = 0
    not_before: float = 0.0
    refusals: int = 0
    pending: int = 0
    pending_since: float | None = None
    provider: Capabilities = PROVIDERS["openai"]
    marked: bool = field(init=False)
    remarks: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.wake = self.began
        self.marked = self.provider.mark != "file"
        self.pace = Pace(self.began)
        self.status = self.row.status or self.row.state
        self.proceed(self.began)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.effect is None and not self.in_flight

    @property
    def shares_lists(self) -> bool:
        """Whether a list of batches may replace its next poll, also before that is due."""
        untroubled = not (self.in_flight or self.alone or self.missing.misses or self.backoff.failures)
        return isinstance(self.effect, Retrieve) and self.row.state == "created" and untroubled

    def take(self, effect: Effect, outcome: object, now: float) -> None:
        """Take the outcome of an effect of this batch, or the failure it ended in."""
        self.in_flight = False
        if isinstance(outcome, ProviderFailure) and not isinstance(effect, Create):
            return handlers.call_failed(self, effect, outcome, now)
        if not isinstance(effect, (Commit, Create)) and outcome is not None:
            self.answered()
        return handlers.HANDLERS[type(effect)](self, effect, outcome, now)

    def take_list(
        self,
        outcome: Sequence[RemoteBatch] | ProviderFailure,
        asked: float,
        now: float,
        known: Collection[str] | None = (),
    ) -> None:
        """Take a list of all batches that was requested at `asked`, or the failure to get one.

        Batches whose ids are `known` are not taken for competing ones; `None` when the list is incomplete.
        """
        self.in_flight = False
        if isinstance(outcome, ProviderFailure):
            return handlers.call_failed(self, ListBatches(), outcome, now)
        self.answered()
        self.competing.note_ended(self.row, outcome)
        return handlers.listed(self, outcome, asked, now, known)

    def remark(self, text: str) -> None:
        """Keep a remark for the user."""
        self.remarks[text] = None

    def answered(self) -> None:
        """Forget earlier failures, because a call was answered."""
        self.backoff, self.trouble = Backoff(), ""

    def proceed(self, now: float) -> None:
        """Ask for the effect that follows the committed state; also the start of a new process."""
        resumed, self.resumed = self.resumed, False
        table = NEXT | RESUMED if resumed else NEXT
        if self.row.state in table:
            table[self.row.state](self, now)
        else:
            self.effect = None

    def want(self, effect: Effect, wake: float) -> None:
        """Ask for an effect, not before `wake`."""
        self.effect, self.wake = effect, wake

    def want_poll(self, wake: float) -> None:
        """Poll the batch; at times by a list, which shows the batches of other machines too."""
        self.want(ListBatches() if self.competing.wanted(wake - self.began) else Retrieve(self.row), wake)

    def commit(self, row: BatchRow, status: str = "") -> None:
        """Store the row, then go on from its state. `status` is the provider's, where the row has none."""
        self.status = status or row.status or row.state
        self.want(Commit(row), 0.0)

    def reconcile(self, now: float) -> None:
        """Look for the batch of a create whose outcome is unknown."""
        self.search = Search(now, unfenced=self.provider.fence == "none")
        self.status = "reconciling"
        self.want(ListBatches(), now)

    def void(self, note: str, errors: tuple[BatchError, ...] = (), status: str = "") -> None:
        """Settle it as not paid: not created, or refused as a whole with these errors."""
        self.errors, self.status = errors, status or "void"
        row = replace(self.row, state="void", note=note, status=status or self.row.status)
        self.want(Settle(row, errors=errors), 0.0)

    def lose(self, reason: str) -> None:
        """Record it as paid and gone; only the user may pay again. A server in this process is free: `void`."""
        if self.row.scope == IN_PROCESS:
            return self.void(reason)
        self.status = "lost"
        text = payment_text.lost(self.row.batch_id, reason)
        return self.want(
            Settle(replace(self.row, state="lost", note=text), unaccounted=Unaccounted(LOST, text, retryable=False)),
            0.0,
        )


def _list_first(machine: BatchMachine, now: float) -> None:
    """List batches before the requests are planned again.

    Another machine may have sent the same requests meanwhile, and a journal restored from a backup does not know
    the batch that was created since.
    """
    if machine.row.file_id:
        machine.want(ListBatches(), now)
    else:
        handlers.absent(machine)


NEXT: dict[str, Callable[[BatchMachine, float], None]] = {
    "planned": lambda machine, now: machine.want(Upload(machine.row), now),
    "uploaded": lambda machine, now: handlers.create_next(machine, now),
    "creating": lambda machine, now: machine.want(Create(machine.row, machine.marked), now),
    "created": lambda machine, now: machine.want_poll(now),
    "ended": lambda machine, now: machine.want(DownloadResults(machine.row), now),
}
"""By committed state, the effect that follows; a state that is not in it is the last."""

RESUMED: dict[str, Callable[[BatchMachine, float], None]] = {
    "planned": _list_first,
    "uploaded": _list_first,
    "creating": lambda machine, now: machine.reconcile(now),
}
"""By committed state, the first effect for a batch of an earlier process, which may have made the next call already."""
