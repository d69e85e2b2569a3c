"""The contents of a report: what was asked of whom, what came of it, and where tests fail; not how it looks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from pytest_batcheval.catalogue.providers import PROVIDERS, provider_at
from pytest_batcheval.engine.pricing import price
from pytest_batcheval.journal.outcomes import Outcome
from pytest_batcheval.report.answer_list import NO_ORIGINS, ListedAnswer, OwnOrigins
from pytest_batcheval.report.answer_pages import AnswerPages
from pytest_batcheval.report.answer_text import answered_text, asked_text
from pytest_batcheval.report.changes import Changes
from pytest_batcheval.report.commands import answers_command
from pytest_batcheval.report.failing import Share, cell_of, failing_tests
from pytest_batcheval.report.figures import RunFigures
from pytest_batcheval.report.language import ENGLISH, Language
from pytest_batcheval.report.quality_part import quality_part
from pytest_batcheval.report.run_text import error_lines, run_lines
from pytest_batcheval.report.shown_answers import LONGEST_TEXT, OriginTotal, ShownAnswers, shown_answers
from pytest_batcheval.text.format import UNKNOWN, dollars
from pytest_batcheval.text.sanitize import safely
from pytest_batcheval.wire import real_time
from pytest_batcheval.wire.origin import describe, is_simulator, simulated_provider

MOST_MESSAGES = 10

MOST_LISTED = 20_000
"""Tests of a list: of more those that fail come first, and the rest is a number."""

MOST_SQUARES = 200_000
"""Tests in grids; more are a list."""

SIGNS = {"passed": "✓", "xfailed": "✓", "failed": "✗", "error": "✗", "xpassed": "✗", "unrecorded": "U", "skipped": "–"}
LOOKS = {"passed": "good", "xfailed": "good", "failed": "bad", "error": "bad", "xpassed": "bad"}

Plain = Mapping[str, Any]


@dataclass(frozen=True)
class OriginRow:
    """The answers of one model at one origin, as texts: their number, tokens, price as a batch, and the promise there.

    Attributes:
        shown: whether its answers are shown first, and not beside those of another origin.
    """

    answers: int
    model: str
    origin: str
    shown: bool
    tokens: str = ""
    usd: str = ""
    promise: str = ""


Links = Mapping[str, str]
"""The address of each answer by its key."""


@dataclass(frozen=True)
class ReportPage:
    """A report as data for a template; every text may have been written by a model.

    Attributes:
        words: its language.
        notes: what must be known before anything else.
        verdict: two sentences, and `look` their colour: `good`, `bad` or `other`.
        facts: (name, text) of the run.
        origins: the answers by requested model and origin.
        shares: by axis, the ids whose tests fail.
        messages: (number, text) of messages that several failing tests have.
        quality: the quality results that tests computed, and the number of those left out; see `quality_part`.
        changes: since an earlier run, and `before` the name of that run.
        tests: the test functions, with grids of two axes or a list.
        answers: the answers in the order of their cells, in blocks.
        left_out: that there are more answers, and where; empty if there are none.
        pages: the pages of answers, of which this is one; `None` where it has them all.
    """

    title: str
    words: Language
    notes: Sequence[str]
    verdict: Sequence[str]
    look: str
    facts: Sequence[tuple[str, str]]
    origins: Sequence[OriginRow] = ()
    shares: Mapping[str, Sequence[Share]] = field(default_factory=dict)
    messages: Sequence[tuple[int, str]] = ()
    quality: Sequence[Plain] = ()
    more_results: int = 0
    changes: Changes | None = None
    before: str = ""
    tests: Sequence[Plain] = ()
    answers: Sequence[Plain] = ()
    left_out: str = ""
    pages: AnswerPages | None = None


def report_page(
    outcomes: Sequence[Outcome],
    answers: Iterable[ListedAnswer],
    started: float | None = None,
    *,
    sent: RunFigures | None = None,
    since: Changes | None = None,
    words: Language = ENGLISH,
    everything: str = "",
    pages: AnswerPages | None = None,
    own: OwnOrigins = NO_ORIGINS,
) -> ReportPage:
    """The report on these outcomes and the answers that their tests used; read one after the other, not all are held.

    `sent` are the figures of what the run sent, `since` the changes since an earlier one, `words` the language,
    `everything` the command for all answers if the page has only some, `pages` the pages of which this is one,
    `own` the origins that the run asked.
    """
    by_key = _by_key(outcomes)
    bad = {key for one in outcomes if one.failing and len(one.cells) == 1 for key in one.cells}
    shown = shown_answers((one for one in answers if one.answer.custom_id in by_key), bad, own)
    links: Links = {one.answer.custom_id: f"#a-{one.answer.custom_id}" for one in shown.answers}
    if pages is not None:
        shown = replace(shown, count=len(pages.keys), origins=Counter(pages.models.values()), totals={})
        links = pages.links
    failing = failing_tests(outcomes)
    safe = safely()  # before a text is cut, or half a secret would be none
    results, more = quality_part(outcomes, words)
    return ReportPage(
        title=words("Evaluation report"),
        words=words,
        notes=_notes(shown.origins, words),
        verdict=_verdict(outcomes, failing.shares, words),
        look=_look(outcomes),
        facts=[*_facts(outcomes, started, words), *_sent(sent, words)],
        origins=_origins(shown, words),
        shares=failing.shares,
        messages=[(number, text) for text, number in failing.messages[:MOST_MESSAGES]],
        quality=results,
        more_results=more,
        changes=since,
        before="" if since is None else _time(since.since),
        tests=_tests(outcomes, links, words),
        answers=[
            _answer(one, by_key[one.answer.custom_id], shown.beside.get(one.answer.custom_id, ()), words, safe)
            for one in shown.answers
        ],
        left_out=_left_out(shown, everything or answers_command(), words, pages),
        pages=pages,
    )


def _by_key(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The tests that used each answer."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for key in outcome.cells:
            found.setdefault(key, []).append(outcome)
    return found


def own_origins(sent: RunFigures | None, asked: Callable[[str], Mapping[str, str]]) -> OwnOrigins:
    """The origins that a run asked, none of a run that sent nothing; `asked` has those of its requests by run."""
    if sent is None:
        return NO_ORIGINS
    several = len(sent.origins) > 1
    return OwnOrigins([*(one.origin for one in sent.origins), sent.origin], asked(sent.id) if several else {})


def _origins(shown: ShownAnswers, words: Language) -> list[OriginRow]:
    """Rows of those whose answers are shown, and of others that are shown beside them."""
    several = len({origin for _, origin in shown.origins}) > 1 or bool(shown.beside)
    beside = {(one.answer.request.model, one.answer.origin) for some in shown.beside.values() for one in some}
    rows = []
    for model, origin in sorted(
        {*shown.origins, *(beside & shown.totals.keys())}, key=lambda pair: (pair not in shown.origins, pair)
    ):
        total = shown.totals.get((model, origin))
        first = (model, origin) in shown.origins
        number = total.answers if several and total else shown.origins.get((model, origin), 0)
        figures = _figures(model, origin, total, words) if several and total else {}
        rows.append(OriginRow(number, model or "-", _origin(origin, words), first, **figures))
    return rows


def _figures(model: str, origin: str, total: OriginTotal, words: Language) -> dict[str, str]:
    """Tokens, price and promise of an origin."""
    found = price(model, total.input_tokens, total.output_tokens, True)
    usd = Decimal(0) if is_simulator(origin) else None if found is None else found.usd
    provider = PROVIDERS.get(simulated_provider(origin)) if is_simulator(origin) else provider_at(origin)
    return {
        "tokens": words("{it.input_tokens:,} in, {it.output_tokens:,} out", it=total),
        "usd": words(text) if (text := dollars(usd)) == UNKNOWN else text,
        "promise": "-" if provider is None else provider.promise,
    }


def _left_out(shown: ShownAnswers, everything: str, words: Language, pages: AnswerPages | None) -> str:
    if len(shown.answers) == shown.count:
        return ""
    if pages is not None:
        return words(
            "Answers {low} to {high} of {all}, those of failing tests first; a filter looks at these alone. "
            "All of them: {command}",
            low=f"{pages.first + 1:,}",
            high=f"{pages.first + len(pages.shown):,}",
            all=f"{shown.count:,}",
            command=everything,
        )
    return words(
        "Answers on this page: {shown} of {all}, those of failing tests first, then the newest. All of them: {command}",
        shown=f"{len(shown.answers):,}",
        all=f"{shown.count:,}",
        command=everything,
    )


def _notes(origins: Iterable[tuple[str, str]], words: Language) -> list[str]:
    simulated = sorted({origin for _, origin in origins if is_simulator(origin)})
    return [
        words("Answers of {origin}: they say nothing about any model.", origin=_origin(origin, words))
        for origin in simulated
    ]


def _origin(origin: str, words: Language) -> str:
    shown = describe(origin)
    name = shown.removeprefix("the simulator (").removesuffix(")")
    return words("the simulator ({name})", name=name) if is_simulator(origin) and name != shown else shown


def _verdict(outcomes: Sequence[Outcome], shares: Mapping[str, Sequence[Share]], words: Language) -> list[str]:
    failing = sum(one.failing for one in outcomes)
    missing = sum(one.outcome == "unrecorded" for one in outcomes)
    values = {"failing": f"{failing:,}", "tests": words.counted(len(outcomes), "test")}
    if failing > 1:
        first = words("{failing} of {tests} fail.", **values)
    else:
        first = words("{failing} of {tests} fails." if failing else "None of {tests} fails.", **values)
    worst = [
        words("{axis} {name} ({failing} of {tests})", axis=axis, name=top.name, failing=top.failing, tests=top.tests)
        for axis, (top, *_) in shares.items()
    ]
    second = words("Most of it: {worst}.", worst=", ".join(worst)) if worst else ""
    tests = words.counted(missing, "test")
    rest = words("{tests} could not run: no recorded answer.", tests=tests) if missing else ""
    return [text for text in (first, second, rest) if text]


def _look(outcomes: Iterable[Outcome]) -> str:
    """The colour of the verdict: bad if a test fails, other if one could not run."""
    if any(one.failing for one in outcomes):
        return "bad"
    return "other" if any(one.outcome == "unrecorded" for one in outcomes) else "good"


def _facts(outcomes: Sequence[Outcome], started: float | None, words: Language) -> Iterator[tuple[str, str]]:
    if started is not None:
        yield words("run"), _time(started)
    yield words("tests"), _kinds(outcomes, words) or words("none")


def _sent(run: RunFigures | None, words: Language) -> Iterator[tuple[str, str]]:
    """Requests, cost, time and failed requests by cause."""
    if run is not None and run.requests:
        yield from ((words(label), words(text)) for label, text in run_lines(run))
        yield from ((words("failed requests"), words(line).strip()) for line in error_lines(run.failures))


def _time(seconds: float) -> str:
    return real_time.local("%Y-%m-%d %H:%M:%S", seconds)


def _kinds(outcomes: Iterable[Outcome], words: Language) -> str:
    """`5 failed, 14 passed`."""
    kinds = sorted(Counter(one.outcome for one in outcomes).items())
    return ", ".join(words("{number} {kind}", number=f"{number:,}", kind=words(kind)) for kind, number in kinds)


def _tests(outcomes: Iterable[Outcome], links: Links, words: Language) -> list[Plain]:
    """The test functions, those with failures first; those of one test each together at the end."""
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(one.test.partition("[")[0], []).append(one)
    single = [tests[0] for tests in found.values() if len(tests) == 1]
    several = {name: tests for name, tests in found.items() if len(tests) > 1}
    order = sorted(several, key=lambda name: -sum(one.failing for one in several[name]))
    last = sorted(single, key=lambda one: not one.failing)
    rest = [_test(words("Single tests"), last, links, words)] if single else []
    return [*(_test(name, several[name], links, words) for name in order), *rest]


def _test(name: str, outcomes: Sequence[Outcome], links: Links, words: Language) -> Plain:
    grids = _grids(outcomes, links) if len(outcomes) <= MOST_SQUARES else []
    many = len(outcomes) > MOST_LISTED
    listed = sorted(outcomes, key=lambda one: not one.failing)[:MOST_LISTED] if many else outcomes
    rows = [] if grids else [
        {"name": one.test, "outcome": one.outcome, "look": LOOKS.get(one.outcome, "other"),
         "message": one.message, "link": _link(one, links)}
        for one in listed
    ]  # fmt: skip
    more = 0 if grids else len(outcomes) - len(listed)
    return {"name": name, "counts": _kinds(outcomes, words), "grids": grids, "rows": rows, "more": more}


def _grids(outcomes: Sequence[Outcome], links: Links, of: tuple[str, ...] = ()) -> list[Plain]:
    """The outcomes by two axes that vary, a grid for each id of a third; none where tests share a place or vary less.

    `of` are the ids that a grid is of.
    """
    if len(outcomes) < 4 or any(len(one.cells) != 1 for one in outcomes):
        return []
    ids = {axis: list(dict.fromkeys(cell_of(one).get(axis, "") for one in outcomes)) for axis in cell_of(outcomes[0])}
    vary = sorted((axis for axis, names in ids.items() if len(names) > 1), key=lambda axis: len(ids[axis]))
    if len(vary) < 2:
        return []
    if len(vary) > 2:
        parts = [
            _grids([one for one in outcomes if cell_of(one).get(vary[0], "") == name], links, (*of, name))
            for name in ids[vary[0]]
        ]
        return [grid for part in parts for grid in part] if all(parts) else []
    across, down = vary
    places = {(cell_of(one).get(down, ""), cell_of(one).get(across, "")): one for one in outcomes}
    if len(places) != len(outcomes):
        return []
    rows = [
        {"name": name, "cells": [_square(places.get((name, column)), column, links) for column in ids[across]]}
        for name in ids[down]
    ]
    return [{"of": " × ".join(of), "down": down, "across": across, "columns": ids[across], "rows": rows}]


def _square(one: Outcome | None, column: str, links: Links) -> Plain | None:
    if one is None:
        return None
    return {"outcome": one.outcome, "sign": SIGNS.get(one.outcome, "?"), "look": LOOKS.get(one.outcome, "other"),
            "column": column, "link": _link(one, links)}  # fmt: skip


def _link(one: Outcome, links: Links) -> str:
    return links.get(next(iter(one.cells)), "") if len(one.cells) == 1 else ""


def _answer(
    one: ListedAnswer,
    tests: Sequence[Outcome],
    beside: Sequence[ListedAnswer],
    words: Language,
    safe: Callable[[str], str],
) -> Plain:
    """An answer with the outcome of its own tests; that of tests of a whole table only where it has no others."""
    answer = one.answer
    answered = answered_text(answer)
    own = [test for test in tests if len(test.cells) == 1]
    outcomes = sorted({test.outcome for test in own or tests})
    worst = next((outcome for outcome in outcomes if LOOKS.get(outcome) == "bad"), outcomes[0])
    return {
        "anchor": f"a-{answer.custom_id}",
        "name": " × ".join(answer.cell.values()) or answer.custom_id,
        "outcome": worst,
        "look": LOOKS.get(worst, "other"),
        "asked": _shown(safe(asked_text(answer.request.body)), answer.custom_id, words),
        "answered": _shown(safe(answered), answer.custom_id, words),
        "verdict": _scores(answered),
        "beside": [
            (_origin(other.answer.origin, words), _shown(safe(answered_text(other.answer)), answer.custom_id, words))
            for other in beside
        ],
        "tests": [
            {"name": t.test, "outcome": t.outcome, "message": t.message if len(t.cells) == 1 else ""} for t in tests
        ],
        "origin": _origin(answer.origin, words),
        "model": answer.request.model,
        "custom_id": answer.custom_id,
        "place": one.place,
    }


class SafeText(str):
    """A text that is safe to show already: a template need not look at it again."""


def _shown(shown: str, key: str, words: Language) -> SafeText:
    """A safe text of a request or answer, of a very long one the beginning and the command that shows all of it."""
    more = len(shown) - LONGEST_TEXT
    left = f"\n… {words.counted(more, 'more character')}: batcheval show {key}" if more > 0 else ""
    return SafeText(shown[:LONGEST_TEXT] + left)


def _scores(text: str) -> list[tuple[str, str, str]]:
    """(dimension, score, evidence) of a judge's verdict; none of any other text."""
    try:
        data = json.loads(text)
        scores, evidence = data["scores"], data["evidence"]
        return [(name, "-" if score is None else str(score), str(evidence[name])) for name, score in scores.items()]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []
