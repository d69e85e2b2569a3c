"""The answers that a page shows with their texts: all, or of a very large run those of failing tests and the newest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, takewhile

from pytest_batcheval.report.answer_list import ListedAnswer, place_in_matrix
from pytest_batcheval.report.answer_text import answered_text, asked_text

MOST = 20_000
"""Answers on a page: a browser opens it in two seconds."""

MOST_CHARACTERS = 16_000_000
"""Characters of their texts together."""

LONGEST_TEXT = 100_000
"""Characters of one request or answer that a page shows: a browser shows no longer one well."""


_Sized = tuple[int, ListedAnswer]
"""An answer behind the characters of its texts."""


@dataclass(frozen=True)
class ShownAnswers:
    """Those that are shown, in the order of their cells, out of `count` in all.

    Attributes:
        origins: by requested model and origin the number of all answers.
    """

    answers: Sequence[ListedAnswer]
    count: int
    origins: Mapping[tuple[str, str], int]


def shown_answers(answers: Iterable[ListedAnswer], failing: Collection[str]) -> ShownAnswers:
    """The answers to show, one of each request; no more of them are held than twice what fits.

    `failing` are the keys that tests which fail used.
    """
    origins: dict[str, tuple[str, str]] = {}
    kept: dict[str, _Sized] = {}
    size = 0
    for one in answers:
        key, origin = one.answer.custom_id, one.answer.origin
        if key in origins and origins[key][1] <= origin:
            continue
        origins[key] = (one.answer.request.model, origin)
        kept[key] = (_characters(one), one)
        size += kept[key][0]
        if len(kept) >= 2 * MOST or size >= 2 * MOST_CHARACTERS:
            kept = _fitting(kept, failing)
            size = sum(characters for characters, _ in kept.values())
    fit = sorted((one for _, one in _fitting(kept, failing).values()), key=place_in_matrix)
    return ShownAnswers(fit, len(origins), Counter(origins.values()))


def _fitting(kept: Mapping[str, _Sized], failing: Collection[str]) -> dict[str, _Sized]:
    """As many as fit, those of failing tests before others, the newest before older ones."""
    order = sorted(kept, key=lambda key: (key not in failing, -(kept[key][1].answer.asked_at or 0.0)))[:MOST]
    sizes = takewhile(lambda size: size <= MOST_CHARACTERS, accumulate(kept[key][0] for key in order))
    return {key: kept[key] for key, _ in zip(order, sizes, strict=False)}


def _characters(one: ListedAnswer) -> int:
    texts = asked_text(one.answer.request.body), answered_text(one.answer)
    return sum(min(len(text), LONGEST_TEXT) for text in texts)
