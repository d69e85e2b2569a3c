"""The base of all results: figures to compare, and their explanation in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from textwrap import shorten
from typing import Any, ClassVar, NoReturn

from pytest_batcheval.quality.axes import COLUMNS, ROWS
from pytest_batcheval.text.phrase import Phrase, catalogue

WIDTH = 160
"""Characters of a result's `repr` at most, without its name."""


RECENT = 100

NONE = Phrase("none")


@dataclass(frozen=True, kw_only=True, repr=False)
class Result:
    """A statistic's figures: frozen, finite, without a truth value. Its `repr` is one line, `explain()` all of it.

    Attributes:
        effect: the effect size, in the unit its class names; `None` where it is undefined.
        interval: its 95 % interval unless the class says otherwise.
        p_value: of the null hypothesis; `None` without a test.
        null: the null hypothesis, and how it was drawn.
        n: the number of answers (or cells, where the class says so) it is computed from.
        seed: of the random numbers; `None` without any.
    """

    effect: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    null: str
    n: int
    seed: int | None

    COMPARE: ClassVar[str]
    """An assertion for a test to make."""

    FIGURES: ClassVar[tuple[str, ...]] = ()
    """Properties that `to_dict` adds to the fields."""

    lang: ClassVar[str] = "en"
    """The language of `explain()` where none is asked for; in pytest that of the ini key `batch_lang`."""

    def __post_init__(self) -> None:
        recent.append(self)

    def __bool__(self) -> NoReturn:
        name = type(self).__name__
        article = "an" if name[0] in "AEIOU" else "a"
        raise TypeError(f"{article} {name} is neither true nor false; compare its figures: {self.COMPARE}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {shorten(self._summary(), WIDTH, placeholder='…')}>"

    def explain(self, lang: str | None = None) -> str:
        """The result in words, in a language of `LANGUAGES`, by default that of `Result.lang`.

        Raises:
            ValueError: there is no such language.
        """
        return self._whole().said(catalogue("quality", Result.lang if lang is None else lang))

    def translations(self, lang: str) -> dict[str, str]:
        """Its texts in another language by the English ones: those of `_texts`, and the line of its `repr`."""
        texts = catalogue("quality", lang)
        line = self._summary()
        found = {str(text): text.said(texts) for text in self._texts()}
        return found | {shorten(line, WIDTH, placeholder="…"): shorten(line.said(texts), WIDTH, placeholder="…")}

    def _texts(self) -> tuple[Phrase, ...]:
        """The texts that a report shows of it."""
        return self._whole(), Phrase.known(self.null)

    def _whole(self) -> Phrase:
        """`_words`, with what else must be known to read them."""
        return self._words()

    def _words(self) -> Phrase:
        """All of it, for `explain`."""
        raise NotImplementedError

    def _summary(self) -> Phrase:
        """The main figures and the verdict, for one line."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All figures, as values that JSON has."""
        figures = {name: getattr(self, name) for name in self.FIGURES}
        return {name: _plain(value) for name, value in {**asdict(self), **figures}.items()}


@dataclass(frozen=True, kw_only=True, repr=False)
class TableResult(Result):
    """A result of a table: the texts call its rows personas and its columns questions, whatever their axes are.

    Attributes:
        rows, columns: the names of the axes; `columns` is empty where the table has none.
    """

    rows: str = ROWS
    columns: str = COLUMNS

    def _whole(self) -> Phrase:
        if (self.rows, self.columns) == (ROWS, COLUMNS):
            return self._words()
        meant = Phrase("here a persona is a value of {rows}, and there is one question", rows=self.rows)
        if self.columns:
            template = "here a persona is a value of {rows}, a question one of {columns}"
            meant = Phrase(template, rows=self.rows, columns=self.columns)
        return Phrase.joined("\n", [self._words(), meant])


recent: deque[Result] = deque(maxlen=RECENT)
"""The latest results of this process: the plugin keeps, with the run, those that a test has computed."""


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Phrase) else value


def shown(interval: tuple[float, float] | None, digits: int = 3) -> Phrase:
    """Return an interval in words: `95 %: 0.1 to 0.2`."""
    if interval is None:
        return Phrase("no interval")
    low, high = (f"{end:.{digits}f}" for end in interval)
    return Phrase("95 %: {low} to {high}", low=low, high=high)


def listed(names: Sequence[str], limit: int = 5) -> Phrase:
    """Return the first few names, and the number of the others."""
    first = Phrase.joined(", ", names[:limit])
    more = len(names) - limit
    return Phrase("{names} and {number} more", names=first, number=more) if more > 0 else first
