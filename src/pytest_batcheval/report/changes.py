"""The changes from one run of tests to a later one: which tests fail now, which no longer, and results that moved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_batcheval.journal.outcomes import Outcome, Outcomes
from pytest_batcheval.text.phrase import Phrase
from pytest_batcheval.wire import real_time

MOST_MOVED = 5
"""Results that moved, of those listed on lines."""


@dataclass(frozen=True)
class Moved:
    """The effect of one quality result of a test, before and now; its interval now."""

    test: str
    kind: str
    before: float
    now: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Changes:
    """The changes of the tests that both runs have.

    Attributes:
        since: the start of the earlier run, Unix seconds.
        common: their number.
        broken: tests that fail now and did not before, as outcomes now.
        mended: tests that failed before and do not now.
        new, gone: numbers of tests that only one of the runs has.
        moved: effects of quality results, of results that both runs have in the same place.
    """

    since: float
    common: int
    broken: Sequence[Outcome]
    mended: Sequence[Outcome]
    new: int
    gone: int
    moved: Sequence[Moved]


def changes_since(outcomes: Collection[Outcome], stored: Outcomes, run: str) -> Changes | None:
    """The changes from the newest run before `run` that ran any of these tests; `None` if none did.

    Raises:
        JournalError: the stored outcomes cannot be read.
    """
    found = stored.before(run, [one.test for one in outcomes])
    return None if found is None else changes(found[1], found[2], outcomes)


def changes(since: float, before: Iterable[Outcome], now: Iterable[Outcome]) -> Changes:
    """Compare two runs test by test; `since` is the start of the earlier one."""
    old, new = ({one.test: one for one in run} for run in (before, now))
    common = [(old[test], one) for test, one in new.items() if test in old]
    return Changes(
        since=since,
        common=len(common),
        broken=[one for was, one in common if one.failing and not was.failing],
        mended=[one for was, one in common if was.failing and not one.failing],
        new=len(new) - len(common),
        gone=len(old) - len(common),
        moved=[moved for was, one in common for moved in _moved(was, one)],
    )


def in_a_sentence(found: Changes, mark: str = "") -> Phrase:
    """The numbers of tests that fail now and did not, and the other way round; `mark` goes around the worse part."""
    since = Phrase(
        "Of {tests} that ran on {when} too",
        tests=Phrase.counted(found.common, "test"),
        when=real_time.local("%Y-%m-%d %H:%M %Z", found.since),
    )
    if not found.broken and not found.mended:
        return Phrase("{since}, none has another outcome.", since=since)
    one = len(found.broken) == 1
    return Phrase(
        "{since}, {mark}{worse}{mark}, and {better:,} the other way round.",
        since=since,
        mark=mark,
        worse=Phrase("{n:,} passed then and does not now" if one else "{n:,} passed then and do not now",
                     n=len(found.broken)),
        better=len(found.mended),
    )  # fmt: skip


def changes_lines(found: Changes) -> list[Phrase]:
    """The sentence, and a line for each of the first results whose effect moved."""
    more = len(found.moved) - MOST_MOVED
    return [
        in_a_sentence(found),
        *(_effect(one) for one in found.moved[:MOST_MOVED]),
        *([Phrase("… and {results} moved", results=Phrase.counted(more, "more result"))] if more > 0 else []),
    ]


def _effect(moved: Moved) -> Phrase:
    within = "" if moved.interval is None else Phrase(" ({it[0]:.3f} to {it[1]:.3f})", it=moved.interval)
    return Phrase(
        "{it.test}: effect of {kind} {it.before:.3f} then, {it.now:.3f}{within} now",
        it=moved,
        kind=Phrase.known(moved.kind),
        within=within,
    )


def _moved(before: Outcome, now: Outcome) -> Iterable[Moved]:
    for was, one in zip(before.results, now.results, strict=False):
        old, new = was.figures.get("effect"), one.figures.get("effect")
        if was.kind == one.kind and old is not None and new is not None and old != new:
            yield Moved(now.test, one.kind, old, new, _interval(one.figures))


def _interval(figures: Mapping[str, object]) -> tuple[float, float] | None:
    found = figures.get("interval")
    return (float(found[0]), float(found[1])) if isinstance(found, list) and len(found) == 2 else None
