"""`BatchRun`: the outcome of some requests, whose answers are read from the journal as they are wanted."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_batcheval.errors import UsageError
from pytest_batcheval.wire.objects import Answer, Request

if TYPE_CHECKING:
    from pytest_batcheval.engine.send_result import SendResult
    from pytest_batcheval.engine.spool import RequestSpool
    from pytest_batcheval.journal.address import JournalAddress
    from pytest_batcheval.journal.reader import JournalReader


class BatchRun:
    """The outcome of some requests: `for answer in run`, `run[custom_id]`, `len(run)`.

    Answers come in the order of the requests, duplicates too; those of failed requests have an `error`. They are read
    from the journal some hundred at a time, so that a run of a million takes no memory; `answers`, `failed`, `pending`
    and `requests` are tuples that hold all of theirs from when they are first asked for.

    Attributes:
        sent: counts of the requests sent, sent again, batches …
    """

    def __init__(
        self, spool: RequestSpool, journal: JournalAddress, origins: Sequence[str], round_name: str, sent: SendResult
    ) -> None:
        """Prepare it; `origins` are those of the parts of `spool`."""
        self.sent = sent
        self._spool = spool
        self._journal = journal
        self._origins = origins
        self._round = round_name

    def __repr__(self) -> str:
        answered, failed, pending = self._counts
        more = f", {pending:,} pending" if pending else ""
        return f"<BatchRun {answered:,} answered, {failed:,} failed{more}>"

    def __iter__(self) -> Iterator[Answer]:
        """The answers so far.

        Raises:
            JournalError: the journal cannot be read.
        """
        return (answer for _, answer in self._states() if answer is not None)

    def __len__(self) -> int:
        """The number of answers so far."""
        answered, failed, _ = self._counts
        return answered + failed

    def __getitem__(self, custom_id: str) -> Answer:
        """The answer to the request of a `custom_id`, as `by_custom_id` knows it.

        Raises:
            KeyError: no request has it, or its request is pending.
            UsageError: several requests have it.
            JournalError: the journal cannot be read.
        """
        return self.by_custom_id[custom_id]

    def given(self) -> Iterator[Request]:
        """The given requests, with duplicates, one by one."""
        return iter(self._spool)

    @cached_property
    def requests(self) -> tuple[Request, ...]:
        """The given requests, with duplicates."""
        return tuple(self._spool)

    @cached_property
    def answers(self) -> tuple[Answer, ...]:
        """All answers so far."""
        return tuple(self)

    @cached_property
    def failed(self) -> tuple[Answer, ...]:
        """The answers that have an `error`."""
        return tuple(answer for answer in self if answer.error is not None)

    @cached_property
    def pending(self) -> tuple[Request, ...]:
        """The requests without an answer or a failure."""
        return tuple(request for request, answer in self._states() if answer is None)

    @property
    def finished(self) -> bool:
        """Whether nothing is pending."""
        return not self._counts[2]

    @property
    def by_custom_id(self) -> Mapping[str, Answer]:
        """The answers by your own `custom_id`s (of files that were read, of adopted batches), or else by key.

        An id that several requests have is a `UsageError` when it is looked up; use their keys then.
        """
        return AnswersById(self)

    @cached_property
    def _counts(self) -> tuple[int, int, int]:
        """Numbers of answers, of failures, and of requests with neither."""
        answered = failed = 0
        with closing(self._opened()) as reader:
            for some in self._spool.keys_in_slices():
                for part, origin in enumerate(self._origins):
                    keys = [key for each, key in some if each == part]
                    has_answer = reader.generations(keys, origin, self._round)
                    rest = [key for key in keys if key not in has_answer]
                    failures = reader.failures_of(rest, origin, self._round)
                    answered += len(keys) - len(rest)
                    failed += sum(key in failures for key in rest)
        return answered, failed, self._spool.count - answered - failed

    def _states(self) -> Iterator[tuple[Request, Answer | None]]:
        """Each request with its answer or failure, if there is one."""
        with closing(self._opened()) as reader:
            for some in self._spool.slices():
                found = self._found(some, reader)
                yield from ((request, found.get(request.custom_id)) for _, request in some)

    def _found(self, some: Sequence[tuple[int, Request]], reader: JournalReader) -> dict[str, Answer]:
        """The answers and failures of some requests, by key."""
        found: dict[str, Answer] = {}
        for part, origin in enumerate(self._origins):
            requests = [request for each, request in some if each == part]
            answers = reader.answers(requests, origin, self._round)
            rest = {r.custom_id: r for r in requests if r.custom_id not in answers}
            failures = reader.failures_of(list(rest), origin, self._round)
            found |= answers | {key: Answer(rest[key], origin, error=error) for key, error in failures.items()}
        return found

    def _opened(self) -> JournalReader:
        from pytest_batcheval.journal.store import Journal

        return Journal.read(self._journal)

    @cached_property
    def _reader(self) -> JournalReader:
        """For look-ups of single answers, which may be many; closed with the run."""
        reader = self._opened()
        weakref.finalize(self, reader.close)
        return reader

    def keys_of(self, custom_id: str) -> list[str]:
        """The keys of the requests that a `custom_id` names."""
        part_of = self._spool.part_of
        if given := self._spool.keys_given(custom_id):
            return given
        adopted = [key for key in self._reader.keys_named(custom_id) if part_of(key) is not None]
        return adopted or ([custom_id] if part_of(custom_id) is not None else [])

    def names(self) -> Iterator[str]:
        """Every `custom_id` that names one of the requests, some of them twice."""
        for some in self._spool.slices():
            keys = [request.custom_id for _, request in some]
            yield from keys
            yield from (name for name, _ in self._reader.names_of(keys))
            yield from (request.given_id for _, request in some if request.given_id)

    def answer_to(self, key: str) -> Answer | None:
        """The answer to the request with a key; `None` while it is pending."""
        part, request = self._spool.part_of(key), self._spool.request(key)
        return None if part is None or request is None else self._found([(part, request)], self._reader).get(key)


class AnswersById(Mapping[str, Answer]):
    """Answers by `custom_id`: that of the file a request was read from, that of an adopted batch, or its key.

    It has the answers that are there; looking up another id is a `KeyError` with the reason, one that several
    requests have a `UsageError`.
    """

    def __init__(self, run: BatchRun) -> None:
        self._run = run

    def __getitem__(self, custom_id: str) -> Answer:
        keys = self._run.keys_of(custom_id)
        if not keys:
            raise KeyError(f"no request of this run has the custom_id {custom_id!r}")
        if len(keys) > 1:
            raise UsageError(
                f"{len(keys)} different bodies of this run have the custom_id {custom_id!r}: use their keys"
            )
        if (answer := self._run.answer_to(keys[0])) is None:
            raise KeyError(f"the request of custom_id {custom_id!r} is still pending")
        return answer

    def __iter__(self) -> Iterator[str]:
        for name in dict.fromkeys(self._run.names()):
            keys = self._run.keys_of(name)
            if len(keys) == 1 and self._run.answer_to(keys[0]) is not None:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)
