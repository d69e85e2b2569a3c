"""The progress of each wanted request, by the journal and by the attempts of this send."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.engine.split import Limits, at_once, split
from pytest_batcheval.errors import JournalError
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

    requests: list[Request]
    generation: int
    attempt: int


class Worklist:
    """The wanted requests: those answered, those that have finally failed, those still to be sent.

    Attributes:
        tried: attempts of each key since this send began.
    """

    def __init__(self, journal: Journal, origin: str, wanted: Mapping[str, Request], round_name: str = "") -> None:
        """Prepare it; with the name of a round only what that round asked counts."""
        self._round = round_name
        self.tried: Counter[str] = Counter()
        self._journal = journal
        self._origin = origin
        self._wanted = wanted
        self._goals = dict.fromkeys(wanted, 1)

    def answered(self) -> set[str]:
        """Keys with an answer.

        Raises:
            JournalError: an answer is damaged or gone; sending it again would pay twice.
        """
        reader = self._journal.reader
        answered = reader.answered(list(self._wanted), self._origin, self._round)
        if damaged := sorted(reader.damaged & self._wanted.keys()):
            answers = counted(len(damaged), "answer")
            raise JournalError(
                f"{self._journal.address} has {answers} with a wrong checksum ({damaged[0]}, …); nothing is sent until "
                "the journal is repaired: batcheval recover"
            )
        if answered != self._wanted.keys():
            self._journal.check_indexes()
        if gone := sorted(reader.gone(list(self._wanted), self._origin)):
            what = f"{counted(len(gone), 'request')} settled without answer or failure, as {gone[0]}"
            raise DamagedError(self._journal.address, what)
        return answered

    def begin_refresh(self, run: str) -> None:
        """Require a newer answer of every request than any so far; a refresh that was cut short is continued."""
        planned = self._journal.reader.tries(list(self._wanted), self._origin)
        newest = {key: planned.get(key, (0, 0))[0] for key in self._wanted}
        goals = {key: generation + 1 for key, generation in newest.items()}
        self._goals = self._journal.begin_refresh(run, self._origin, goals)

    def end_refresh(self) -> None:
        """End a refresh, because nothing is left to do for any of the requests."""
        if self._journal.reader.refreshes(list(self._wanted), self._origin):
            self._journal.end_refresh(self._origin, self._wanted.keys())

    def left(self, attempts: int) -> list[Request]:
        """Requests still to be sent: no answer, no final failure, no claim of a lost batch, attempts left."""
        keys, reader = list(self._wanted), self._journal.reader
        answered = reader.generations(keys, self._origin, self._round)
        final = reader.final(keys, self._origin, self._round)
        claimed = reader.claimed(self._origin)
        return [
            request
            for key, request in self._wanted.items()
            if max(answered.get(key, 0), final.get(key, 0)) < self._goals[key]
            and key not in claimed
            and self.tried[key] < attempts
        ]

    def portions(self, requests: Sequence[Request], limits: Limits) -> Iterator[Portion]:
        """The batches of these requests that may be under way together.

        Raises:
            UsageError: one request alone is over the limit.
        """
        keys, reader = [request.custom_id for request in requests], self._journal.reader
        planned = reader.tries(keys, self._origin)
        own = reader.tries(keys, self._origin, self._round)
        by_generation: dict[int, list[Request]] = defaultdict(list)
        for key, request in zip(keys, requests, strict=True):
            newest, _ = planned.get(key, (1, 0))
            # No generation is of two rounds: of each the journal keeps one answer. The first is of no round.
            begun, _ = own.get(key, (newest + 1 if self._round else 1, 0))
            by_generation[max(begun, self._goals[key])].append(request)
        for generation, group in sorted(by_generation.items()):
            for batch in at_once(split(group, limits), limits):
                yield Portion(batch, generation, 1 + _most(planned, batch))

    def count(self, keys: Iterable[str]) -> None:
        """Count one more attempt of these keys."""
        self.tried.update(keys)


def _most(planned: Mapping[str, tuple[int, int]], batch: Sequence[Request]) -> int:
    return max(planned.get(request.custom_id, (0, 0))[1] for request in batch)
