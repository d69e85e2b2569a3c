"""The progress of each wanted request, by the journal and by the attempts of this send.

Nothing is held of a request beyond its place in the spool: the journal is asked, some thousand keys at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.engine.split import Limits, ModelQueue, Size, check_size, cut
from pytest_batcheval.engine.spool import Group, Item, PlannedLine, Wanted, slices_of
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import DamagedError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request


@dataclass(frozen=True)
class Portion:
    """Requests that go into one batch.

    Attributes:
        generation: which answer of each request this will be, from 1; a refresh raises it.
        attempt: higher than that of any earlier batch with one of these requests.
    """

    wanted: Wanted
    group: Group
    items: Sequence[Item]
    generation: int
    attempt: int

    def requests(self) -> Iterator[Request]:
        """The requests, read one by one."""
        return map(self.wanted.request, self.items)

    def lines(self) -> Iterator[PlannedLine]:
        """Their lines, read one by one."""
        return (PlannedLine(item.key, self.wanted.line(item)) for item in self.items)


class _Tried(NamedTuple):
    """A request, the generation that its next batch is of, and its newest attempt so far."""

    item: Item
    generation: int
    attempt: int


class Worklist:
    """The wanted requests: those answered, those that have finally failed, those still to be sent."""

    def __init__(self, journal: Journal, origin: str, wanted: Wanted, round_name: str = "") -> None:
        """Prepare it; with the name of a round only what that round asked counts."""
        self._round = round_name
        self._journal = journal
        self._origin = origin
        self._wanted = wanted
        self._refreshing = False
        self._counted: set[int] = set()
        self._own: set[int] = set()
        self._calls: Counter[str] = Counter()
        self._unanswered = wanted

    def stored(self) -> int:
        """The number of requests with an answer.

        Raises:
            JournalError: an answer is damaged or gone; sending it again would pay twice.
        """
        reader, damaged = self._journal.reader, set[str]()

        def without(items: list[Item]) -> Iterable[Item]:
            keys = [item.key for item in items]
            answered = reader.answered(keys, self._origin, self._round)
            damaged.update(reader.damaged.intersection(keys))
            return (item for item in items if item.key not in answered)

        missing = self._wanted.choose(without) if self._begun() else self._wanted
        if damaged:
            answers = counted(len(damaged), "answer")
            raise JournalError(
                f"{self._journal.address} has {answers} with a wrong checksum ({min(damaged)}, …); nothing is sent "
                "until the journal is repaired: batcheval recover"
            )
        if missing:
            self._journal.check_indexes()
        self._check_gone(missing)
        return len(self._wanted) - len(missing)

    def _check_gone(self, missing: Wanted) -> None:
        gone = set[str]()
        for items in missing.slices() if self._begun() else ():
            gone |= self._journal.reader.gone([item.key for item in items], self._origin)
        if gone:
            what = f"{counted(len(gone), 'request')} settled without answer or failure, as {min(gone)}"
            raise DamagedError(self._journal.address, what)

    def _begun(self) -> bool:
        """Whether the journal has a batch of this origin; else it has nothing of any request."""
        return self._journal.reader.has_batches(self._origin)

    def begin_refresh(self, run: str) -> None:
        """Require a newer answer of every request than any so far; a refresh that was cut short is continued."""
        goals = dict[str, int]()
        for items in self._wanted.slices():
            planned = self._journal.reader.tries([item.key for item in items], self._origin)
            goals |= {item.key: planned.get(item.key, (0, 0))[0] + 1 for item in items}
        self._journal.begin_refresh(run, self._origin, goals)
        self._refreshing = True

    def end_refresh(self) -> None:
        """End a refresh, because nothing is left to do for any of the requests."""
        for items in self._wanted.slices():
            keys = [item.key for item in items]
            if self._journal.reader.refreshes(keys, self._origin):
                self._journal.end_refresh(self._origin, keys)

    def left(self, attempts: int) -> Wanted:
        """Requests still to be sent: no answer, no final failure, no claim of a lost batch, attempts left."""
        if not self._begun():
            return self._wanted
        self._unanswered = self._wanted.choose(self._without_answer)
        asked = self._wanted if self._refreshing else self._unanswered
        return asked.choose(lambda items: self._left(items, attempts))

    def _without_answer(self, items: list[Item]) -> Iterable[Item]:
        answered = self._journal.reader.generations([item.key for item in items], self._origin, self._round)
        return (item for item in items if item.key not in answered)

    def _left(self, items: list[Item], attempts: int) -> Iterable[Item]:
        reader, keys = self._journal.reader, [item.key for item in items]
        goals, answered = dict[str, int](), dict[str, int]()
        if self._refreshing:
            goals = reader.refreshes(keys, self._origin)
            answered = reader.generations(keys, self._origin, self._round)
        final = reader.final(keys, self._origin, self._round)
        claimed, tried = reader.open_of(keys, self._origin), self.tried(keys)
        return (
            item
            for item in items
            if max(answered.get(item.key, 0), final.get(item.key, 0)) < goals.get(item.key, 1)
            and item.key not in claimed
            and tried[item.key] < attempts
        )

    def outcome(self) -> tuple[int, int]:
        """The numbers of requests with an answer, and of those with a failure and no answer, when `left` was called."""
        if not self._begun():
            return 0, 0
        reader, failed = self._journal.reader, 0
        for items in self._unanswered.slices():
            failed += len(reader.failures_of([item.key for item in items], self._origin, self._round))
        return len(self._wanted) - len(self._unanswered), failed

    def unknown(self, wanted: Wanted, code: str) -> set[str]:
        """Keys of those requests whose failure has this code."""
        found = set[str]()
        for items in wanted.slices() if self._begun() else ():
            failures = self._journal.reader.failures_of([item.key for item in items], self._origin, self._round)
            found |= {key for key, failure in failures.items() if failure.code == code}
        return found

    # -- attempts of this send -------------------------------------------------------------------------------------

    def tried(self, keys: Sequence[str]) -> Counter[str]:
        """The attempts of each key since this send began."""
        tried = Counter({key: self._calls[key] for key in keys if key in self._calls})
        if self._counted:
            pairs = self._journal.reader.batches_with(keys, self._origin)
            tried.update(key for key, batch in pairs if batch in self._counted)
        return tried

    def least_tried(self, wanted: Wanted) -> int:
        """The fewest attempts that one of these has had."""
        if not self._counted and not self._calls:
            return 0
        slices = ([item.key for item in items] for items in wanted.slices())
        return min(min(tried[key] for key in keys) for keys in slices if (tried := self.tried(keys)) is not None)

    def repeated(self, row: BatchRow) -> tuple[int, int]:
        """The number of a batch's requests that were tried before, and of those that this send had sent itself."""
        if row.attempt == 1 or not self._counted:
            return 0, 0
        reader, tried, own = self._journal.reader, set[str](), set[str]()
        for keys in slices_of(reader.keys(row.id)):
            for key, batch in reader.batches_with(keys, self._origin):
                if batch != row.id and batch in self._counted:
                    tried.add(key)
                if batch != row.id and batch in self._own:
                    own.add(key)
        return len(tried), len(own)

    def count(self, batch: int) -> None:
        """Count one more attempt of the requests of a batch."""
        self._counted.add(batch)

    def note_own(self, batch: int) -> None:
        """Note that this send has sent a batch."""
        self._own.add(batch)

    def count_calls(self, keys: Iterable[str]) -> None:
        """Count one more attempt of these keys, by individual calls."""
        self._calls.update(keys)

    # -- what goes into one batch ----------------------------------------------------------------------------------

    def portions(self, wanted: Wanted, limits: Limits) -> Iterator[Portion]:
        """The batches of these requests that may be under way together; none is given before all are checked.

        Raises:
            UsageError: one request alone is over the limit.
        """
        generations = set[int]()
        for group in wanted.groups:
            for items in slices_of(wanted.items(group)):
                for item in items:
                    check_size(item.key, Size(item.length + 1, item.inputs), limits)
                generations.update(each.generation for each in self._tries(items))
        for generation in sorted(generations):
            queue = ModelQueue(limits)
            for group in wanted.groups:
                for batch in cut(self._sized(wanted, group, generation, limits), group.model, limits):
                    if queue.takes(group.model, (self._tokens(wanted, each.item) for each in batch)):
                        attempt = 1 + max(each.attempt for each in batch)
                        yield Portion(wanted, group, [each.item for each in batch], generation, attempt)

    def _sized(self, wanted: Wanted, group: Group, generation: int, limits: Limits) -> Iterator[tuple[_Tried, Size]]:
        """The requests of a group that are of this generation now, with their sizes."""
        limited = group.model in limits.tokens
        for items in slices_of(wanted.items(group)):
            for tried in self._tries(items):
                if tried.generation == generation:
                    item = tried.item
                    tokens = self._tokens(wanted, item) if limited else 0
                    yield tried, Size(item.length + 1, item.inputs, tokens)

    def _tries(self, items: list[Item]) -> list[_Tried]:
        """Each with the generation that it is of now, and the newest attempt so far."""
        keys, reader = [item.key for item in items], self._journal.reader
        if not self._refreshing and not self._round and not self._begun():
            return [_Tried(item, 1, 0) for item in items]
        planned = reader.tries(keys, self._origin)
        own = reader.tries(keys, self._origin, self._round) if planned else {}
        goals = reader.refreshes(keys, self._origin) if self._refreshing else {}
        tried = []
        for item in items:
            newest, attempt = planned.get(item.key, (1, 0))
            # No generation is of two rounds: of each the journal keeps one answer. The first is of no round.
            begun, _ = own.get(item.key, (newest + 1 if self._round else 1, 0))
            tried.append(_Tried(item, max(begun, goals.get(item.key, 1)), attempt))
        return tried

    @staticmethod
    def _tokens(wanted: Wanted, item: Item) -> int:
        return input_tokens(wanted.request(item).body)
