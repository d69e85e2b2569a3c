"""The answers that a page shows with their texts: all, or of a very large run those of failing tests and the newest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, takewhile

from pytest_batcheval.report.answer_list import NO_ORIGINS, ListedAnswer, OwnOrigins, place_in_matrix
from pytest_batcheval.report.answer_text import answered_text, asked_text
from pytest_batcheval.wire.origin import is_simulator

MOST = 20_000
"""Answers on a page: a browser opens it in two seconds."""

MOST_CHARACTERS = 16_000_000
"""Characters of their texts together."""

LONGEST_TEXT = 100_000
"""Characters of one request or answer that a page shows: a browser shows no longer one well."""


@dataclass
class OriginTotal:
    """Answers of one model at one origin, and their tokens."""

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


_Sized = tuple[int, ListedAnswer]
"""An answer behind the characters of its texts."""


@dataclass(frozen=True)
class ShownAnswers:
    """Those that are shown, in the order of their cells, out of `count` in all.

    Attributes:
        origins: by requested model and origin the number of all answers.
        beside: by key the answers that other origins gave to the same request.
        totals: by requested model and origin, those of `beside` too, the number of answers and the tokens they used.
    """

    answers: Sequence[ListedAnswer]
    count: int
    origins: Mapping[tuple[str, str], int]
    beside: Mapping[str, Sequence[ListedAnswer]] = field(default_factory=dict)
    totals: Mapping[tuple[str, str], OriginTotal] = field(default_factory=dict)


def shown_answers(
    answers: Iterable[ListedAnswer], failing: Collection[str], own: OwnOrigins = NO_ORIGINS
) -> ShownAnswers:  # fmt: skip
    """The answers to show, one of each request; no more of them are held than twice what fits.

    `failing` are the keys that tests which fail used, `own` the origins that the run asked.
    """
    origins: dict[str, tuple[str, str]] = {}
    totals: dict[tuple[str, str], OriginTotal] = {}
    kept: dict[tuple[str, str], _Sized] = {}
    size = 0
    for one in answers:
        key, model, origin = one.answer.custom_id, one.answer.request.model, one.answer.origin
        _count(totals.setdefault((model, origin), OriginTotal()), one)
        if key not in origins or own.place(key, origin) < own.place(key, origins[key][1]):
            origins[key] = (model, origin)
        kept[key, origin] = (_characters(one), one)
        size += kept[key, origin][0]
        if len(kept) >= 2 * MOST or size >= 2 * MOST_CHARACTERS:
            kept = _fitting(kept, failing)
            size = sum(characters for characters, _ in kept.values())
    fit = [one for _, one in _fitting(kept, failing).values()]
    first = [one for one in fit if one.answer.origin == origins[one.answer.custom_id][1]]
    return ShownAnswers(
        sorted(first, key=place_in_matrix),
        len(origins),
        Counter(origins.values()),
        _beside(fit, origins),
        totals,
    )


def _count(total: OriginTotal, one: ListedAnswer) -> None:
    total.answers += 1
    given, written = (0, 0) if one.answer.error is not None else one.answer.tokens
    total.input_tokens, total.output_tokens = total.input_tokens + given, total.output_tokens + written


def _beside(fit: Iterable[ListedAnswer], origins: Mapping[str, tuple[str, str]]) -> dict[str, list[ListedAnswer]]:
    """Answers of other origins; those of simulators only beside a simulator's."""
    found: dict[str, list[ListedAnswer]] = {}
    for one in sorted(fit, key=place_in_matrix):
        key, origin = one.answer.custom_id, one.answer.origin
        chosen = origins[key][1]
        if origin != chosen and is_simulator(origin) <= is_simulator(chosen):
            found.setdefault(key, []).append(one)
    return found


def _fitting(kept: Mapping[tuple[str, str], _Sized], failing: Collection[str]) -> dict[tuple[str, str], _Sized]:
    """As many as fit, those of failing tests before others, the newest before older ones."""
    order = sorted(kept, key=lambda key: (key[0] not in failing, -(kept[key][1].answer.asked_at or 0.0)))[:MOST]
    sizes = takewhile(lambda size: size <= MOST_CHARACTERS, accumulate(kept[key][0] for key in order))
    return {key: kept[key] for key, _ in zip(order, sizes, strict=False)}


def _characters(one: ListedAnswer) -> int:
    texts = asked_text(one.answer.request.body), answered_text(one.answer)
    return sum(min(len(text), LONGEST_TEXT) for text in texts)
