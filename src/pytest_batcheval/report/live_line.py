"""The live lines: the state of batches as lines of a terminal or a log, from snapshots, a time and a width."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pytest_batcheval.engine.snapshot import (
    BatchSnapshot,
    CallSnapshot,
    NoticeSnapshot,
    OutageSnapshot,
    WaitSnapshot,
)
from pytest_batcheval.journal.rows import STAGES
from pytest_batcheval.report.eta import Eta
from pytest_batcheval.text.format import counted, duration
from pytest_batcheval.text.table import GAP, columns, cut, one_line

_KINDS = {kind.__name__: kind for kind in (BatchSnapshot, CallSnapshot, OutageSnapshot, WaitSnapshot)}
_ENDINGS = ("completed", "expired", "cancelled", "failed", "lost", "void")
_TAIL = 16
"""Columns of a problem that are more important than the expected end."""

_ALL = ("elapsed", "end", "words", "look", "long", "rate", "id")
_FORMS = tuple(frozenset(_ALL[:most]) for most in range(len(_ALL), -1, -1))
"""Sets of columns besides number, stage and counts; the largest that fits is used."""

_OF_ALL = (("end", "look", "long", "rate"), ("end", "look", "long"), ("end", "look"), ("end", "long"), ("end",), ())
"""The same for the line on all batches."""


@dataclass(frozen=True)
class _SeenBatch:
    """A snapshot of time `at`; `first` has elapsed seconds and ended requests when the batch first ran."""

    seen: BatchSnapshot
    at: float
    first: tuple[float, int] | None

    @property
    def under_way(self) -> bool:
        """Whether it has a line."""
        return not self.seen.ended

    @property
    def rate(self) -> float | None:
        """Requests per second since then."""
        if self.first is None:
            return None
        seconds, done = self.seen.elapsed - self.first[0], _ended_requests(self.seen) - self.first[1]
        return done / seconds if seconds > 0 and done > 0 else None


class LiveLines:
    """The open batches of one wave."""

    def __init__(self) -> None:
        self._standing: dict[int, _SeenBatch] = {}
        self.begin(1, 0.0, Eta())

    def begin(self, wave: int, speed: float, expected: Eta) -> None:
        """Begin a wave, whose batches age by `speed` seconds in a real one between two snapshots.

        A speed of 1 is real time; all others are virtual, and their durations are marked.
        """
        self._wave, self._speed, self._expected = wave, speed, expected
        self._standing.clear()

    def take(self, seen: BatchSnapshot, now: float) -> None:
        """Take a snapshot at a time; one after the end of its batch belongs to the next round."""
        if isinstance(seen, NoticeSnapshot):
            return  # it does not stand for anything
        before = self._standing.get(seen.ordinal)
        if before is not None and before.seen.ended:
            self._standing.clear()
            before = None
        if isinstance(seen, WaitSnapshot) and seen.ended:
            self._standing.clear()
            return
        first = before.first if before is not None else None
        if first is None and seen.stage == "run":
            first = seen.elapsed, _ended_requests(seen)
        self._standing[seen.ordinal] = _SeenBatch(seen, now, first)

    def lines(self, now: float, width: int, most: int) -> list[str]:
        """Return one line for each open batch and one for all together, at most `most` lines of `width` columns."""
        under_way = [each for each in self._standing.values() if each.under_way]
        total = self._several and most > 3
        most -= total
        room = most if len(under_way) <= most else max(most - 1, 0)
        shown = sorted(sorted(under_way, key=_urgency)[:room], key=_order)
        lines = self._table(shown, now, width)
        if len(shown) < len(under_way):
            lines.append(cut(self._folded([each for each in under_way if each not in shown], len(shown)), width))
        return [*lines, self._total(now, width)] if total else lines

    @property
    def under_way(self) -> list[BatchSnapshot]:
        """The last snapshot of each batch, round of calls or pause that has not ended."""
        return [each.seen for each in self._standing.values() if each.under_way]

    def sums(self) -> tuple[int, int, int]:
        """Requests that are done, that have failed, and all of them, of this round's batches."""
        every = [each.seen for ordinal, each in self._standing.items() if ordinal]
        return sum(each.done for each in every), sum(each.failed for each in every), sum(each.total for each in every)

    def heading(self) -> str:
        """A few words on what is under way, or has ended."""
        every = list(self._standing.values())
        shown = [each for each in every if each.under_way] or every
        if len(shown) > 1:
            return self._folded(shown, 0).partition(";")[0]
        return "" if not shown else GAP.join(self._cells(shown[0], 0.0, frozenset(("words",)))[:2])

    def outlook(self, now: float) -> str:
        """The next look at the provider, or its trouble."""
        shown = [each for each in self._standing.values() if each.under_way]
        wrong = next(filter(None, (_wrong(each.seen) for each in shown)), "")
        return wrong or _look(self._next_look(shown, now), True)

    def state(self) -> list[dict[str, Any]]:
        """Return what `restore` takes, as JSON can hold it; the times are those of `take`."""
        return [
            {"kind": type(each.seen).__name__, "seen": asdict(each.seen), "at": each.at, "first": each.first}
            for each in self._standing.values()
        ]

    def restore(self, state: Iterable[Mapping[str, Any]]) -> None:
        """Show what another board has taken, after `begin`.

        Raises:
            KeyError, TypeError: another release wrote it.
        """
        for each in state:
            seen = _KINDS[each["kind"]](**each["seen"])
            first = each["first"]
            self._standing[seen.ordinal] = _SeenBatch(seen, each["at"], None if first is None else (first[0], first[1]))

    def describe(self, ordinal: int, now: float, again: bool = False) -> str:
        """Return a batch in one line of a log; `again` if the provider has just begun to answer again."""
        standing = self._standing[ordinal]
        seen = standing.seen
        if isinstance(seen, WaitSnapshot):
            return one_line(f"{self._which}{seen.text(self._duration(seen.seconds))}")
        if isinstance(seen, CallSnapshot):
            return one_line(f"{self._which}{seen}")
        name = f"{self._which}batch {seen.ordinal}/{seen.of} {seen.batch_id}".rstrip()
        if seen.ended:
            return one_line(
                f"{name}: {_ending(seen)}, {_counts(seen)} after {self._duration(seen.elapsed)}{_reason(seen)}"
            )
        left = self._left(standing, now)
        parts = [seen.status, _counts(seen), self._duration(self._elapsed(standing, now)), _left_in_words(left)]
        parts.append(f"no answer from the provider: {seen.trouble}" if seen.trouble else "")
        parts.append("the provider answers again" if again else "")
        return one_line(f"{name}: {', '.join(filter(None, parts))}")

    @property
    def _which(self) -> str:
        return f"wave {self._wave} " if self._wave > 1 else ""

    @property
    def _several(self) -> bool:
        """Whether more than one batch is under way."""
        return sum(bool(ordinal) and each.under_way for ordinal, each in self._standing.items()) > 1

    def _duration(self, seconds: float) -> str:
        return duration(seconds) + " virtual" * (self._speed != 1)

    def _elapsed(self, standing: _SeenBatch, now: float) -> float:
        return standing.seen.elapsed + self._since(standing, now)

    def _since(self, standing: _SeenBatch, now: float) -> float:
        return max(now - standing.at, 0.0) * self._speed

    def _left(self, standing: _SeenBatch, now: float) -> float | None:
        if standing.seen.stage in ("download", "settle"):
            return None
        elapsed, since = self._elapsed(standing, now), self._since(standing, now)
        return self._expected.left(standing.seen, elapsed, standing.rate, since)

    def _table(self, shown: Sequence[_SeenBatch], now: float, width: int) -> list[str]:
        """Return aligned lines with as many columns as fit; the problem of a batch is last and may be cut."""
        lines: list[str] = []
        for form in _FORMS:
            rows = list(self._rows(shown, now, form))
            lines = [_joined(row, tail, pads) for row, tail, pads in rows]
            if all(columns(_joined(row, tail[:_TAIL], pads)) <= width for row, tail, pads in rows):
                break
        return [cut(line, width) for line in lines]

    def _rows(
        self, shown: Sequence[_SeenBatch], now: float, form: frozenset[str]
    ) -> Iterator[tuple[list[str], str, list[int]]]:
        rows = [self._cells(standing, now, form) for standing in shown]
        pads = [max(map(columns, column)) for column in zip(*rows, strict=True)]
        for standing, row in zip(shown, rows, strict=True):
            yield row, _wrong(standing.seen), pads

    def _cells(self, standing: _SeenBatch, now: float, form: frozenset[str]) -> list[str]:
        seen, words = standing.seen, "words" in form
        calls = isinstance(seen, CallSnapshot)
        if isinstance(seen, WaitSnapshot):
            return [
                self._which * words + "waiting",
                one_line(seen.text(self._duration(seen.seconds)).removeprefix("waiting ")),
                *[""] * 6,
            ]
        number = "calls" if calls else f"batch {seen.ordinal}/{seen.of}" if words else f"{seen.ordinal}/{seen.of}"
        cells = [self._which * words + number, one_line(seen.status), _counts(seen, words)]
        cells.append(self._duration(self._elapsed(standing, now)) if "elapsed" in form else "")
        if _wrong(seen):
            return [*cells, *[""] * 4]
        look = None if self._several else self._next_look([standing], now)
        cells += _outlook(form, standing.rate, self._left(standing, now), look)
        return [*cells, (_flying(seen) or one_line(seen.batch_id)) if "id" in form else ""]

    def _total(self, now: float, width: int) -> str:
        """The line for all batches of the round, those that have ended too, with as much as fits."""
        every = [each for ordinal, each in self._standing.items() if ordinal]
        under_way = [each for each in every if each.under_way]
        head = f"all {max(each.seen.of for each in every):,}{GAP}{_counted(*self.sums(), True)}"
        left = [self._left(each, now) for each in under_way if each.seen.stage not in ("download", "settle")]
        known = [each for each in left if each is not None]
        last = max(known) if known and len(known) == len(left) else None
        rates = [each.rate for each in under_way if each.rate is not None]
        line = f"{self._which}{head}"
        for form in _OF_ALL:
            outlook = _outlook(form, sum(rates) if rates else None, last, self._next_look(under_way, now))
            line = GAP.join([f"{self._which}{head}", *filter(None, outlook)])
            if columns(line) <= width:
                break
        return cut(line, width)

    def _next_look(self, under_way: Sequence[_SeenBatch], now: float) -> float | None:
        """The seconds until the provider is asked for one of these batches again."""
        looks = [each.seen.next_look - self._since(each, now) for each in under_way if each.seen.next_look is not None]
        return min(looks) if looks and self._speed else None

    def _folded(self, folded: Sequence[_SeenBatch], shown: int) -> str:
        in_order = sorted(folded, key=lambda each: STAGES.index(each.seen.stage))
        statuses = Counter(one_line(each.seen.status) for each in in_order)
        stages = ", ".join(f"{number} {status}" for status, number in statuses.items())
        ended = sum(each.seen.ended for each in self._standing.values())
        done = f"; {ended} of {len(self._standing)} have ended" if ended else ""
        return f"{f'… and {len(folded)} more' if shown else counted(len(folded), 'batch', 'batches')}: {stages}{done}"


class LogLines:
    """The lines of a log, where nothing can be redrawn.

    A new batch, its start, its end, trouble and the end of trouble are reported immediately, other changes at most
    once a minute per batch.
    """

    EVERY = 60.0
    """Seconds between two lines of one batch, except for what is reported immediately."""

    def __init__(self, board: LiveLines) -> None:
        self._board = board
        self._last: dict[int, tuple[float, BatchSnapshot]] = {}
        self._changed: dict[int, BatchSnapshot] = {}

    def take(self, seen: BatchSnapshot, now: float) -> list[str]:
        """Return the lines for a snapshot, which the board has already taken."""
        if isinstance(seen, NoticeSnapshot):
            return [one_line(str(seen))]
        if isinstance(seen, WaitSnapshot) and seen.ended:
            return []  # the batches that follow say enough
        before = self._last.get(seen.ordinal)
        if before is not None and before[1].ended:
            self._last.clear()
            self._changed.clear()
            before = None
        if before is None or seen.differs(self._changed.get(seen.ordinal, before[1])):
            self._changed[seen.ordinal] = seen
        at_once = _matters(None if before is None else before[1], seen)
        if at_once:
            return [self._line(seen.ordinal, now)]
        self._last.setdefault(seen.ordinal, (now, seen))  # the first line waits for news
        return self.due(now)

    def due(self, now: float) -> list[str]:
        """Return the lines of changes that have waited long enough."""
        due = [ordinal for ordinal in self._changed if now - self._last[ordinal][0] >= self.EVERY]
        return [self._line(ordinal, now) for ordinal in due]

    def _line(self, ordinal: int, now: float) -> str:
        before, seen = self._last.get(ordinal), self._changed.pop(ordinal)
        self._last[ordinal] = now, seen
        return self._board.describe(ordinal, now, before is not None and bool(before[1].trouble) and not seen.trouble)


def _matters(before: BatchSnapshot | None, seen: BatchSnapshot) -> bool:
    """Return whether a change is reported immediately."""
    if seen.ended or bool(seen.trouble) != bool(before is not None and before.trouble):
        return True
    stage = "" if before is None else before.stage
    return seen.stage != stage and (seen.stage in ("wait", "run") or (seen.stage == "queue" and bool(seen.batch_id)))


def _urgency(standing: _SeenBatch) -> tuple[bool, bool, int]:
    """Sort batches with trouble first, then those that make progress."""
    return not standing.seen.trouble, standing.seen.stage not in ("run", "download", "settle"), standing.seen.ordinal


def _order(standing: _SeenBatch) -> int:
    return standing.seen.ordinal


def _joined(row: Sequence[str], tail: str, pads: Sequence[int]) -> str:
    cells = [text + " " * (pad - columns(text)) for text, pad in zip(row, pads, strict=True) if pad]
    if tail:  # directly behind the cells that the batch has
        last = sum(map(bool, row)) - 1
        cells = [*cells[:last], row[last], tail]
    return GAP.join(cells).rstrip()


def _ended_requests(seen: BatchSnapshot) -> int:
    return seen.done + seen.failed


def _counts(seen: BatchSnapshot, words: bool = True) -> str:
    return _counted(seen.done, seen.failed, seen.total, words)


def _counted(done: int, failed: int, total: int, words: bool) -> str:
    text = f"{done}/{total}" + (" done" if words else "")
    return f"{text}, {failed} failed" if failed else text


def _outlook(form: Collection[str], rate: float | None, left: float | None, look: float | None) -> tuple[str, str, str]:
    """The cells of rate, expected end and next look at the provider, as far as the form has them."""
    left = left if "end" in form else None
    return (
        _rate(rate) if "rate" in form else "",
        _left_in_words(left) if "long" in form else _left_in_short(left),
        _look(look, "long" in form) if "look" in form else "",
    )


def _look(look: float | None, long: bool) -> str:
    if look is None:
        return ""
    return f"{'next ' * long}look in {duration(math.ceil(look))}" if look > 0 else "looking"


def _ending(seen: BatchSnapshot) -> str:
    return seen.status if seen.status in _ENDINGS else "given up"


def _reason(seen: BatchSnapshot) -> str:
    return f": {seen.note}" if seen.note and seen.status != "completed" else ""


def _wrong(seen: BatchSnapshot) -> str:
    if seen.trouble:
        return one_line(f"no answer: {seen.trouble}")
    return one_line(seen.note) if seen.status == "reconciling" else ""


def _flying(seen: BatchSnapshot) -> str:
    return f"{seen.in_flight} under way" if isinstance(seen, CallSnapshot) else ""


def _rate(rate: float | None) -> str:
    if rate is None:
        return ""
    for seconds, unit in ((1, "s"), (60, "min")):
        if rate * seconds >= 1:
            return f"{rate * seconds:.{int(rate * seconds < 10)}f}/{unit}"
    return f"{rate * 3600:.0f}/h"


def _left_in_words(left: float | None) -> str:
    if left is None:
        return ""
    return "longer than usual" if left <= 0 else f"about {_roughly(left)} left"


def _left_in_short(left: float | None) -> str:
    if left is None:
        return ""
    return "late" if left <= 0 else f"~{_roughly(left)}"


def _roughly(left: float) -> str:
    """Return a duration to the minute, in the last minute to ten seconds."""
    if left <= 50:
        return f"{-(-left // 10) * 10:.0f}s"
    return f"{max(round(left / 60), 1)}m" if left < 3600 else duration(left)
