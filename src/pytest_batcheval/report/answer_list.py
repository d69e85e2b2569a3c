"""Stored answers with what tests made of them: from recordings, journal and outcomes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pytest_batcheval.journal.address import JournalAddress, real
from pytest_batcheval.journal.outcomes import Outcome, Outcomes
from pytest_batcheval.journal.reader import JournalReader
from pytest_batcheval.journal.store import Journal
from pytest_batcheval.recordings.answers import Recordings
from pytest_batcheval.report.answer_text import answered_text, asked_text
from pytest_batcheval.text.natural import natural
from pytest_batcheval.wire.objects import Answer
from pytest_batcheval.wire.origin import is_simulator


@dataclass(frozen=True)
class AnswerFilter:
    """A choice of stored answers; an empty one chooses all.

    Attributes:
        where: ids by axis.
        test: a test's id, the id of a test with all its parameters, or a module.
        failed: only those without an answer, or of a test that did not pass.
        model: the requested model.
        keys: the keys of their requests; `None` for any.
        stored: the keys whose answers the journal is asked for, if these are known already; see `newest`.
    """

    where: Mapping[str, str] = field(default_factory=dict)
    test: str = ""
    failed: bool = False
    model: str = ""
    keys: frozenset[str] | None = None
    stored: frozenset[str] | None = None

    def accepts(self, one: ListedAnswer) -> bool:
        """Whether an answer is chosen."""
        if self.model not in ("", one.answer.request.model) or not self.where.items() <= one.answer.cell.items():
            return False
        if (self.failed and not one.failed) or (self.keys is not None and one.answer.custom_id not in self.keys):
            return False
        return not self.test or any(_names(self.test, test) for test in one.tests)


def used_by(outcomes: Iterable[Outcome]) -> AnswerFilter:
    """The answers that these tests used."""
    return AnswerFilter(keys=frozenset(key for one in outcomes for key in one.cells))


@dataclass(frozen=True)
class ListedAnswer:
    """One stored answer.

    Attributes:
        answer: the answer, with its cell; a failed request has an error.
        place: the file it is in, of a recording with its line.
        tests: the newest outcomes of the tests that used it.
    """

    answer: Answer
    place: str
    tests: tuple[Outcome, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether there is no answer, or a test that used it did not pass."""
        return self.answer.error is not None or any(not test.passed for test in self.tests)

    @property
    def outcome(self) -> str:
        """The outcomes of its tests: one word if they agree."""
        return ", ".join(sorted({test.outcome for test in self.tests}))

    def record(self) -> dict[str, Any]:
        """The answer as plain data: the ids of its cell first."""
        answer = self.answer
        failures = [f"{test.test}: {test.message}" for test in self.tests if not test.passed]
        return {
            **answer.cell,
            "sample": answer.request.sample,
            "model": answer.request.model,
            "request": asked_text(answer.request.body),
            "answer": answered_text(answer),
            "outcome": self.outcome,
            "failures": "\n".join(failures),
            "tests": "\n".join(test.test for test in self.tests),
            "origin": answer.origin,
            "round": answer.round,
            "asked_at": answer.asked_at,
            "custom_id": answer.custom_id,
            "place": self.place,
        }


def listed_answers(
    recordings: Recordings, journal: JournalAddress, chosen: AnswerFilter = AnswerFilter()
) -> list[ListedAnswer]:  # fmt: skip
    """The chosen answers of recordings and journal, in the order of their cells; none is listed twice.

    Raises:
        RecordingError, JournalError: something stored cannot be read.
    """
    outcomes = Outcomes.beside(journal)
    found = list(_stored(recordings, journal, outcomes, chosen))
    uses = outcomes.by_key(list({one.answer.custom_id for one in found}))
    known = (_with_tests(one, uses.get(one.answer.custom_id, ())) for one in found)
    return sorted(filter(chosen.accepts, known), key=place_in_matrix)


def used_answers(
    recordings: Recordings, journal: JournalAddress, outcomes: Sequence[Outcome], keys: Iterable[str] | None = None
) -> Iterator[ListedAnswer]:
    """The answers that these tests used, or those of them with these keys, each in its cell, and in no order.

    Raises:
        RecordingError, JournalError: something stored cannot be read.
    """
    cells = {key: cell for one in reversed(outcomes) for key, cell in one.cells.items()}
    chosen = used_by(outcomes) if keys is None else AnswerFilter(keys=frozenset(keys))
    for one in _stored(recordings, journal, Outcomes.beside(journal), chosen):
        if (cell := cells.get(one.answer.custom_id)) is not None:
            yield one if one.answer.cell else replace(one, answer=replace(one.answer, cell=cell))


@dataclass(frozen=True)
class OwnOrigins:
    """The origins that a run asked, and by key the one that it asked there, if it sent that request itself."""

    all: Collection[str] = ()
    asked: Mapping[str, str] = field(default_factory=dict)

    def place(self, key: str, origin: str) -> tuple[bool, bool, str]:
        """The smallest is shown of several answers to a request: that of the run's own origin, then a model's."""
        own = (self.asked[key],) if key in self.asked else self.all
        return origin not in own, is_simulator(origin), origin


NO_ORIGINS = OwnOrigins()


def used_models(
    recordings: Recordings, journal: JournalAddress, keys: frozenset[str], own: OwnOrigins = NO_ORIGINS
) -> dict[str, tuple[str, str]]:
    """(requested model, origin) of the answer that a page shows of each of these requests; of those that have one.

    `own` are the origins that the run asked.

    Raises:
        RecordingError, JournalError: something stored cannot be read.
    """
    found: dict[str, tuple[str, str]] = {}
    lines = (place.line for place in recordings.places() if place.line.custom_id in keys)
    with closing(Journal.read(real(journal))) as reader:
        recorded = ((line.custom_id, line.asked().model, line.origin) for line in lines)
        for key, model, origin in (*recorded, *reader.asked(sorted(keys))):
            if key not in found or own.place(key, origin) < own.place(key, found[key][1]):
                found[key] = model, origin
    return found


def stored_axes(
    recordings: Recordings, journal: JournalAddress, asked: Collection[str] = ()
) -> dict[str, list[str]] | None:
    """The axes of stored answers, with the ids on those that are asked for; `None` if there are no answers.

    Raises:
        RecordingError, JournalError: something stored cannot be read.
    """
    recorded = list(recordings.lines())
    with closing(Journal.read(real(journal))) as reader:
        if not recorded and not reader.newest_keys(1) and not reader.failure_counts():
            return None
    stored = Outcomes.beside(journal)
    axes = {axis for line in recorded for axis in line.cell} | stored.axes()
    ids = {axis: {line.cell[axis] for line in recorded if axis in line.cell} | stored.ids(axis) for axis in asked}
    return {axis: sorted(ids.get(axis, ()), key=natural) for axis in sorted(axes)}


def place_in_matrix(one: ListedAnswer) -> tuple[Any, ...]:
    """The place of an answer in a list: cell, model, sample."""
    answer = one.answer
    return (
        [natural(name) for name in answer.cell.values()],
        answer.request.model,
        answer.request.sample,
        answer.custom_id,
        answer.origin,
    )


def _stored(
    recordings: Recordings, journal: JournalAddress, outcomes: Outcomes, chosen: AnswerFilter
) -> Iterator[ListedAnswer]:  # fmt: skip
    """Answers among which all chosen ones are: the journal knows no cells, so those of one are looked up by key."""
    seen = set()
    for place in recordings.places():
        line = place.line
        if chosen.keys is not None and line.custom_id not in chosen.keys:
            continue
        seen.add((line.custom_id, line.origin))
        answer = line.in_cell()
        if not answer.cell or chosen.where.items() <= answer.cell.items():
            yield ListedAnswer(answer, f"{place.path}:{place.number}")
    with closing(Journal.read(real(journal))) as reader:
        for answer in _of_journal(reader, outcomes, chosen):
            if (answer.custom_id, answer.origin) not in seen:
                yield ListedAnswer(answer, str(journal))


def _of_journal(reader: JournalReader, outcomes: Outcomes, chosen: AnswerFilter) -> Iterator[Answer]:
    keys = _keys(outcomes, chosen) if chosen.stored is None else chosen.stored
    yield from reader.all_answers() if keys is None else reader.answers_to(sorted(keys))
    any_failure = chosen.keys is None and not chosen.where and not chosen.test
    yield from reader.all_failures() if any_failure else reader.failures_to(sorted(keys or ()))


def _keys(outcomes: Outcomes, chosen: AnswerFilter) -> frozenset[str] | None:
    """The keys among which all chosen answers of the journal are; `None` for any."""
    if chosen.keys is None and (chosen.where or chosen.test or chosen.failed):
        return frozenset(outcomes.keys(chosen.where, chosen.test, chosen.failed))
    return chosen.keys


def newest(journal: JournalAddress, chosen: AnswerFilter, most: int) -> tuple[AnswerFilter, int]:
    """The choice of so many answers of the journal at most, the newest, and the number of those that it has.

    Raises:
        JournalError: something stored cannot be read.
    """
    outcomes = Outcomes.beside(journal)
    keys = _keys(outcomes, chosen)
    if keys is not None:
        few = frozenset(outcomes.newest(keys, most)) if len(keys) > most else keys
        return replace(chosen, stored=few), len(keys)
    with closing(Journal.read(real(journal))) as reader:
        count = reader.answer_count()
        return (replace(chosen, stored=frozenset(reader.newest_keys(most))) if count > most else chosen), count


def _with_tests(one: ListedAnswer, uses: Sequence[Outcome]) -> ListedAnswer:
    cell = one.answer.cell or next((dict(use.cells[one.answer.custom_id]) for use in uses), {})
    return replace(one, answer=replace(one.answer, cell=cell), tests=tuple(uses))


def _names(wanted: str, test: Outcome) -> bool:
    """Whether a test's id, a test with any parameters, a class or a module is meant."""
    return wanted in (test.test, test.module) or test.test.startswith((f"{wanted}[", f"{wanted}::"))
