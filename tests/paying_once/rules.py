"""The rules that paying once stands on, each with a way to switch it off."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from world import DirectBackend, World

from pytest_batcheval.backends.errors import UnknownOutcome
from pytest_batcheval.engine import adopt, batch_handlers, batch_machine, competing, reconcile
from pytest_batcheval.engine.adopt import Adoption
from pytest_batcheval.engine.adopt_unmarked import AdoptedBatch, NamedAdoption
from pytest_batcheval.engine.batch_sender import BatchSender
from pytest_batcheval.engine.effects import Create, Settle, Unaccounted
from pytest_batcheval.engine.unmarked import UnmarkedSearch
from pytest_batcheval.journal.lock import JournalLock
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal

Patch = Callable[[pytest.MonkeyPatch, World], None]


def no_intent(patch: pytest.MonkeyPatch, world: World) -> None:
    """The create goes out before `creating` is committed."""
    usual = batch_machine.BatchMachine.proceed

    def proceed(self: batch_machine.BatchMachine, now: float) -> None:
        usual(self, now)
        if self.row.state == "uploaded":
            self.want(Create(self.row), self.not_before)

    patch.setattr(batch_machine.BatchMachine, "proceed", proceed)


def retried_create(patch: pytest.MonkeyPatch, world: World) -> None:
    """The client library tries a create again by itself."""
    usual = DirectBackend.create

    def create(self: DirectBackend, *arguments: Any) -> Any:
        try:
            return usual(self, *arguments)
        except UnknownOutcome:
            return usual(self, *arguments)

    patch.setattr(DirectBackend, "create", create)


def no_look(patch: pytest.MonkeyPatch, world: World) -> None:
    """A create without an answer counts as not applied."""

    def look(self: batch_machine.BatchMachine, now: float) -> None:
        self.want(Settle(replace(self.row, state="void")), now)

    patch.setattr(batch_machine.BatchMachine, "reconcile", look)


def no_fence(patch: pytest.MonkeyPatch, world: World) -> None:
    """The input file is not deleted; only the wait is left."""
    patch.setattr(DirectBackend, "delete_file", lambda self, file_id: None)


def no_quiet(patch: pytest.MonkeyPatch, world: World) -> None:
    """One look at a list that may lag is believed at once."""
    patch.setattr(reconcile, "LOOK_FOR", 0.0)
    patch.setattr(reconcile, "QUIET", 0.0)
    patch.setattr(reconcile, "CLEAN_LISTS", 1)


def first_page_only(patch: pytest.MonkeyPatch, world: World) -> None:
    """Only the newest page of the list is read."""

    def list_batches(self: DirectBackend, enough: Any = ()) -> list[Any]:
        from pytest_batcheval.backends.reply_readers import read_batch

        page = self._json("list", "GET", "/v1/batches", limit=1)
        return [read_batch(item) for item in page["data"]]

    patch.setattr(DirectBackend, "list_batches", list_batches)


def cut_by_our_clock(patch: pytest.MonkeyPatch, world: World) -> None:
    """Batches older than the intent are left out, by a clock of ours that goes two hours fast."""
    usual = DirectBackend.list_batches

    def list_batches(self: DirectBackend, enough: Any = ()) -> list[Any]:
        return [batch for batch in usual(self) if (batch.created_at or 0) > world.now() + 7200]

    patch.setattr(DirectBackend, "list_batches", list_batches)


def partial_output_ignored(patch: pytest.MonkeyPatch, world: World) -> None:
    """What an expired batch has finished is thrown away."""
    usual = batch_handlers.ended

    def ended(row: Any, batch: Any) -> Any:
        whole = usual(row, batch)
        if batch.status == "completed":
            return whole
        return replace(whole, output_file_id="", error_file_id="", completed=0, failed=0)

    patch.setattr(batch_handlers, "ended", ended)


def two_transactions(patch: pytest.MonkeyPatch, world: World) -> None:
    """A batch is marked settled first, and its answers are stored after that."""
    usual = Journal.settle

    def settle(self: Journal, row: Any, results: Iterable[Any]) -> None:
        usual(self, row, [])
        world.crashes.at("within Settle")
        usual(self, row, results)

    patch.setattr(Journal, "settle", settle)


def files_believed(patch: pytest.MonkeyPatch, world: World) -> None:
    """A missing output file, or one with fewer lines than the counts say, is believed."""
    patch.setattr(batch_handlers, "doubtful", lambda row, account: False)
    patch.setattr(
        batch_handlers,
        "unaccounted_requests",
        lambda row, account, partial, errors=(): Unaccounted("unanswered", "no line", retryable=True),
    )


def no_lock(patch: pytest.MonkeyPatch, world: World) -> None:
    """Two processes send from one journal."""
    patch.setattr(JournalLock, "acquire", lambda self, wait=None: None)


def plans_owned_instead_of_keys(patch: pytest.MonkeyPatch, world: World) -> None:
    """Open batches are taken up only by a run that asks for exactly the same requests."""
    usual = BatchSender.attach

    def attach(self: BatchSender, rows: Any) -> None:
        wanted = set(self._worklist._wanted.keys())
        if all(set(self._context.journal.reader.keys(row.id)) == wanted for row in rows):
            usual(self, rows)

    def claim(self: Journal, connection: Any, row: Any, keys: Any) -> None:
        query = "INSERT INTO claim (key, origin, batch, open) VALUES (?, ?, ?, 0)"
        connection.executemany(query, [(key, row.origin, row.id) for key in keys])

    patch.setattr(BatchSender, "attach", attach)
    patch.setattr(Journal, "_claim", claim)
    patch.setattr(JournalReader, "open_of", lambda self, keys, origin: set())


def no_adoption(patch: pytest.MonkeyPatch, world: World) -> None:
    """A fresh journal sends without looking for what another one has sent."""
    patch.setattr(BatchSender, "adopt", lambda self, keys, quiet=False: None)


def no_look_for_rivals(patch: pytest.MonkeyPatch, world: World) -> None:
    """Another machine that asks the same at the same time is not noticed."""
    patch.setattr(competing, "LIST_AT", ())


def old_rows_believed(patch: pytest.MonkeyPatch, world: World) -> None:
    """A row that knows of an upload and of no create is taken at its word, though its journal may be a backup."""
    find, unknown_batches = batch_handlers.find, Adoption.unknown_batches

    def found(row: Any, batches: Any) -> Any:
        return None if row.state == "uploaded" else find(row, batches)

    def unknown(self: Adoption, keys: Any = None) -> list[Any]:
        files = {row.file_id for row in self._journal.reader.batches()}
        return [batch for batch in unknown_batches(self, keys) if batch.input_file_id not in files]

    patch.setattr(batch_handlers, "find", found)
    patch.setattr(Adoption, "unknown_batches", unknown)


def file_ids_believed(patch: pytest.MonkeyPatch, world: World) -> None:
    """A batch is ours only by the input file that it shows, also where a gateway shows another one."""

    def find(row: Any, batches: Iterable[Any]) -> Any:
        return next((batch for batch in batches if batch.input_file_id == row.file_id), None)

    usual = batch_handlers._created

    def created(machine: Any, effect: Any, outcome: Any, now: float) -> None:
        if getattr(outcome, "input_file_id", machine.row.file_id) != machine.row.file_id:
            outcome = UnknownOutcome("mismatch", "of another file")
        usual(machine, effect, outcome, now)

    patch.setattr(batch_handlers, "find", find)
    patch.setitem(batch_handlers.HANDLERS, Create, created)


def gaps_believed(patch: pytest.MonkeyPatch, world: World) -> None:
    """A list with a gap proves that a batch is absent."""
    patch.setattr(batch_handlers, "gap_of", lambda batches: "")


def cut_files_believed(patch: pytest.MonkeyPatch, world: World) -> None:
    """An input file that ends too early is taken for the whole batch of another journal."""
    usual = adopt.our_metadata

    def ours(metadata: Any) -> Any:
        found = usual(metadata)
        return found and replace(found, requests=0)

    patch.setattr(adopt, "our_metadata", ours)


def generations_shared(patch: pytest.MonkeyPatch, world: World) -> None:
    """What a round asks and what is asked outside any are of one generation, of which the journal keeps one answer."""
    usual = JournalReader.tries

    def tries(self: JournalReader, keys: Any, origin: str, round_name: str | None = None) -> Any:
        return usual(self, keys, origin)

    patch.setattr(JournalReader, "tries", tries)


def strangers_ignored(patch: pytest.MonkeyPatch, world: World) -> None:
    """A batch of another tool is not taken into the journal, and nobody looks for those that have the same requests."""
    row = BatchRow("", "", "", "", attempt=1, generation=1, requests=1, file_name="")
    patch.setattr(NamedAdoption, "adopt", lambda self, batch_id: AdoptedBatch(row, known=True))
    patch.setattr(UnmarkedSearch, "refuse", lambda self, batches: None)


RULES: dict[str, Patch] = {
    rule.__name__: rule
    for rule in (
        no_intent,
        retried_create,
        no_look,
        no_fence,
        no_quiet,
        first_page_only,
        cut_by_our_clock,
        partial_output_ignored,
        two_transactions,
        files_believed,
        no_lock,
        plans_owned_instead_of_keys,
        no_adoption,
        no_look_for_rivals,
        old_rows_believed,
        file_ids_believed,
        gaps_believed,
        cut_files_believed,
    )
}
"""Every rule by the name of what happens without it."""

RULES_OF_LIVES: dict[str, Patch] = {rule.__name__: rule for rule in (no_look, generations_shared, strangers_ignored)}
"""Those that the state machine looks at, which has rounds and batches of other tools."""
