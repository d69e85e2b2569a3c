"""The progress of each wanted request, by the journal and by the attempts of this send.

Nothing is held of a request beyond its place in the spool: the journal is asked, some thousand keys at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pytest_batcheval.engine.pricing import input_tokens
from pytest_batcheval.engine.split import Limits, ModelQueue, Size, check_size, cut
from pytest_batcheval.engine.spool import Group, Item, Wanted, slices_of
from pytest_batcheval.errors import JournalError
from pytest_batcheval.journal.rows import BatchRow
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.journal.transaction import DamagedError
from pytest_batcheval.text.format import counted
from pytest_batcheval.wire.objects import Request


class PlannedLine(NamedTuple):
    """A request as it goes into an input file, read when it is written."""

    custom_id: str
    item: Item
    wanted: Wanted

    def line(self) -> bytes:
        """The official line, without a newline."""
        return self.wanted.line(self.item)


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
        """Their lines, one by one."""
        return (PlannedLine(item.key, item, self.wanted) for item in self.items)


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
        self._known = wanted
        self._newest = 0

    def stored(self) -> int:
        """The number of requests with an answer.

        Raises:
            JournalError: an answer is damaged or gone; sending it again would pay twice.
        """
        reader, damaged = self._journal.reader, set[str]()
        self._newest = reader.newest_batch()
        self._known = self._wanted.choose(self._had) if self._newest else self._wanted.none()

        def without(items: list[Item]) -> Iterable[Item]:
            keys = self._asked(items)
            answered = reader.answered(keys, self._origin, self._round)
            damaged.update(reader.damaged.intersection(keys))
            return (item for item in items if item.key not in answered)

        missing = self._wanted.choose(without) if self._known else self._wanted
        if damaged:
            answers = counted(len(damaged), "answer")
            raise JournalError(
                f"{self._journal.address} has {answers} with a wrong checksum ({min(damaged)}, …); nothing is sent "
                "until the journal is repaired: batcheval recover"
            )
        if missing:
            self._journal.check_indexes()
        self._check_gone(missing)
        self._unanswered = missing
        return len(self._wanted) - len(missing)

    def _had(self, items: list[Item]) -> Iterable[Item]:
        planned = self._journal.reader.planned([item.key for item in items], self._origin)
        return (item for item in items if item.key in planned)

    def _asked(self, items: list[Item]) -> list[str]:
        """The keys of those that the journal may know: until it has a new batch, those that it knew at first."""
        return [item.key for item in items if item in self._known]

    def _look(self) -> bool:
        """Whether the journal may know any of the requests, after a look whether it has a new batch."""
        if self._journal.shared or self._journal.reader.newest_batch() != self._newest:
            self._known = self._wanted
        return bool(self._known)

    def _check_gone(self, missing: Wanted) -> None:
        gone = set[str]()
        for items in missing.slices() if self._known else ():
            gone |= self._journal.reader.gone(self._asked(items), self._origin)
        if gone:
            what = f"{counted(len(gone), 'request')} settled without answer or failure, as {min(gone)}"
            raise DamagedError(self._journal.address, what)

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
        known = self._look()
        if known:
            self._unanswered = self._unanswered.choose(self._without_answer)
        asked = self._wanted if self._refreshing else self._unanswered
        return asked.choose(lambda items: self._left(items, attempts)) if known else asked

    def _without_answer(self, items: list[Item]) -> Iterable[Item]:
        answered = self._journal.reader.generations(self._asked(items), self._origin, self._round)
        return (item for item in items if item.key not in answered)

    def _left(self, items: list[Item], attempts: int) -> Iterable[Item]:
        reader, keys = self._journal.reader, self._asked(items)
        goals, answered = dict[str, int](), dict[str, int]()
        if self._refreshing:
            goals = reader.refreshes([item.key for item in items], self._origin)
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
        reader, failed = self._journal.reader, 0
        for items in self._unanswered.slices():
            failed += len(reader.failures_of(self._asked(items), self._origin, self._round))
        return len(self._wanted) - len(self._unanswered), failed

    def unknown(self, wanted: Wanted, code: str) -> set[str]:
        """Keys of those requests whose failure has this code."""
        found = set[str]()
        for items in wanted.slices() if self._look() else ():
            failures = self._journal.reader.failures_of(self._asked(items), self._origin, self._round)
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

    def count_calls(self, keys: Iterable[str], unknown: Iterable[str], attempts: int) -> None:
        """Count one more attempt of these keys, by individual calls; of those of `unknown` outcome so many more.

        Another attempt might pay twice: these calls may have been paid.
        """
        self._calls.update(keys)
        for key in unknown:
            self._calls[key] += attempts

    # -- what goes into one batch ----------------------------------------------------------------------------------

    def portions(self, wanted: Wanted, limits: Limits) -> Iterator[Portion]:
        """The batches of these requests that may be under way together; none is given before all are checked.

        Raises:
            UsageError: one request alone is over the limit.
        """
        self._look()
        self._check_sizes(wanted, limits)
        generations = {tried.generation for items in self._untried(wanted) for tried in self._tries(items)}
        for generation in sorted(generations):
            queue = ModelQueue(limits)
            for group in wanted.groups:
                for batch in cut(self._sized(wanted, group, generation, limits), group.model, limits):
                    if queue.takes(group.model, (self._tokens(wanted, each.item) for each in batch)):
                        attempt = 1 + max(each.attempt for each in batch)
                        yield Portion(wanted, group, [each.item for each in batch], generation, attempt)

    @staticmethod
    def _check_sizes(wanted: Wanted, limits: Limits) -> None:
        for group in wanted.groups:
            length, inputs = wanted.largest(group)
            if length < limits.bytes and inputs <= limits.inputs:
                continue
            for item in wanted.items(group):
                check_size(item.key, Size(item.length + 1, item.inputs), limits)

    def _untried(self, wanted: Wanted) -> Iterator[list[Item]]:
        """Slices of these; where the journal knows none and no refresh is under way, one request stands for all."""
        if self._known or self._refreshing:
            return wanted.slices()
        return slices_of(islice(wanted.items(wanted.groups[0]), 1))

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
        keys, reader = self._asked(items), self._journal.reader
        planned = reader.tries(keys, self._origin)
        own = reader.tries(keys, self._origin, self._round) if planned else {}
        goals = reader.refreshes([item.key for item in items], self._origin) if self._refreshing else {}
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
